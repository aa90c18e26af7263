"""One fingerprint for what does the same, another for what does not, in every session the same."""

import functools
import importlib
import os
import subprocess
import sys
import textwrap
import types

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from torch import nn

from carvana_lessons import data, models
from carvana_lessons.training import losses
from carvana_lessons.utils.fingerprint import NoFingerprint, fingerprint


def cell(source: str, name: str = "loss", number: int = 1, **given) -> object:
    """What a cell of a notebook leaves under a name; its file has the number of its run in its name."""
    space = {"__name__": "__main__", "torch": torch, "nn": nn, "models": models, "losses": losses, **given}
    exec(compile(textwrap.dedent(source), f"<ipython-input-{number}>", "exec"), space)
    return space[name]


def built(thing):
    """A network or object of a class of the notebook, with the same first weights."""
    torch.manual_seed(0)
    return thing()


HELPED = """
    W = 2
    def helper(x):
        return x * W
    def loss(a, b):
        return helper(losses.bce(a, b))
"""
NET = """
    class Net(models.UNet):
        def forward(self, x):
            return super().forward(x) * 1
    net = lambda: Net(stages=(2, 4))
"""
OBJECT = """
    class Weighted:
        power = 2
        def __init__(self):
            self.weights = [1.0, 2.0]
        def __call__(self, a, b):
            return sum(self.weights) * losses.bce(a, b) ** self.power
    loss = Weighted()
"""
CLOSURE = """
    def make(k):
        def loss(a, b):
            return k * losses.bce(a, b)
        return loss
    loss = make(2)
"""
CHANGES = {
    "a lambda": ("loss = lambda a, b: a + b", "a + b", "a - b"),
    "a constant": ("def loss(a, b): return 2 * a", "2 * a", "3 * a"),
    "a default": ("def loss(a, b, k=2): return k * a", "k=2", "k=3"),
    "a keyword's default": ("def loss(a, b, *, k=2): return k * a", "k=2", "k=3"),
    "a captured value": (CLOSURE, "make(2)", "make(3)"),
    "a global number": (HELPED, "W = 2", "W = 3"),
    "a function that it calls": (HELPED, "x * W", "x + W"),
    "another function of the package": (HELPED, "losses.bce", "losses.soft_dice"),
    "an order": ("order = {'a': 1, 'b': 2}\ndef loss(a, b): return order", "{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}"),
    "a class's number": (OBJECT, "power = 2", "power = 3"),
    "an object's number": (OBJECT, "[1.0, 2.0]", "[1.0, 2.5]"),
    "an object's method": (OBJECT, "** self.power", "* self.power"),
    "a partial": ("import functools\nloss = functools.partial(max, 1, key=abs)", "max, 1", "max, 2"),
    "a remembered function": ("import functools\n@functools.cache\ndef loss(a): return a", "return a", "return -a"),
    "a decorated function": ("@torch.no_grad()\ndef loss(a): return a", "return a", "return -a"),
    "an inner function": ("def loss(a):\n    f = lambda x: x + 1\n    return f(a)", "x + 1", "x + 2"),
    "a tensor": ("w = torch.ones(3)\ndef loss(a): return a * w", "torch.ones", "torch.zeros"),
    "a generator": ("g = torch.Generator().manual_seed(1)\ndef loss(a): return g", "seed(1)", "seed(2)"),
    "a set": ("def loss(a): return a in {1, 2, 3}", "3}", "4}"),
    "a type": ("k = 1\ndef loss(a): return k", "k = 1", "k = True"),
    "an exception": ("def loss(a):\n    try: return a\n    except KeyError: return 1", "KeyError", "ValueError"),
    "a forward": (NET, "* 1", "* 2", "net"),
    "a layer's setting": (
        "net = lambda: nn.Sequential(nn.Conv2d(3, 1, 3, padding=1), nn.LeakyReLU(0.1))", "0.1", "0.2", "net",
    ),
    "a patched forward": (
        "def net():\n    m = nn.Conv2d(1, 1, 1)\n    m.forward = lambda x: x + 1\n    return m",
        "x + 1", "x + 2", "net",
    ),
    "a hook": (
        "def net():\n    m = nn.Conv2d(1, 1, 1)\n    m.register_forward_hook(lambda *a: a[2] * 2)\n    return m",
        "* 2", "* 3", "net",
    ),
    "what learns": (
        "def net():\n    m = nn.Conv2d(1, 1, 1)\n    m.bias.requires_grad_(True)\n    return m", "True", "False", "net",
    ),
    "a weight": ("def net():\n    m = nn.Conv2d(1, 1, 1)\n    m.bias.data[:] = 1\n    return m", "= 1", "= 2", "net"),
}  # fmt: skip


def read(source: str, name: str = "loss", number: int = 1) -> str:
    thing = cell(source, name, number)
    return fingerprint(built(thing) if name == "net" else thing)


@pytest.mark.parametrize("what", CHANGES)
def test_what_does_something_else_has_another_fingerprint(what):
    source, old, new, *name = CHANGES[what]
    assert source.count(old) >= 1
    assert read(source, *name) != read(source.replace(old, new, 1), *name)


@pytest.mark.parametrize("what", CHANGES)
def test_a_cell_that_runs_again_moved_and_commented_has_the_same(what):
    source, _, _, *name = CHANGES[what]
    body = textwrap.dedent(source)
    commented = "\n\n# another number of the cell, other lines\n" + body.replace("\n", "  # a comment\n", 1)
    assert read(body, *name) == read(commented if "\n" in body else f"\n\n{body}  # why", *name, number=77)


def test_a_method_put_into_a_class_of_the_package_counts(monkeypatch):
    before = fingerprint(built(lambda: models.UNet(stages=(2, 4))))
    mine = cell("def forward(self, x): return x", "forward")
    monkeypatch.setattr(models.UNet, "forward", mine)
    assert fingerprint(built(lambda: models.UNet(stages=(2, 4)))) != before


def test_a_module_of_ones_own_counts_by_what_is_taken_from_it(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    found = []
    for number, power in enumerate((2, 3, 2)):
        (tmp_path / f"mine_{number}.py").write_text(f"P = {power}\ndef f(x): return x ** P\n", encoding="utf-8")
        found.append(read(f"import mine_{number} as mine\ndef loss(a): return mine.f(a)"))
        sys.modules.pop(f"mine_{number}")
    assert found[0] == found[2] != found[1]


def test_the_weights_of_a_network_in_training_do_not_count():
    one, two = models.UNet(stages=(2, 4)), models.UNet(stages=(2, 4))
    assert fingerprint(one) != fingerprint(two)
    assert fingerprint(one, trained=one) == fingerprint(two, trained=two)
    narrow = models.UNet(stages=(2, 6))
    assert fingerprint(one, trained=one) != fingerprint(narrow, trained=narrow)


def test_circles_end():
    thing: list = [1]
    thing.append(thing)
    assert fingerprint(thing) == fingerprint(thing)
    again = cell("def loss(n): return loss(n - 1) if n else other(n)\ndef other(n): return loss(n)")
    assert fingerprint(again) == fingerprint(again)


@pytest.mark.parametrize(
    "source",
    ["def loss(a): return eval('a + 1')", "f = open(__import__('os').devnull)\ndef loss(a): return f.read()",
     "g = (k for k in 'ab')\ndef loss(a): return next(g)"],
)  # fmt: skip
def test_what_cannot_be_told_is_said(source):
    with pytest.raises(NoFingerprint):
        read(source)


SESSION = """
import functools, re, enum, pathlib, dataclasses
import numpy as np, torch
from torch import nn
from torchvision.transforms import v2
from carvana_lessons import data, models
from carvana_lessons.training import losses
from carvana_lessons.utils.fingerprint import fingerprint

NAMES = {"a", "b", "c", "d"}

class Kind(enum.Enum):
    ONE = 1

@dataclasses.dataclass
class Turn:
    angle: float = 3.0
    names: set = dataclasses.field(default_factory=lambda: {"x", "y", "z"})
    def __call__(self, x, y):
        return x, y

class Net(models.UNet):
    def forward(self, x):
        return super().forward(x) if Kind.ONE else None

def loss(a, b):
    print(a)
    return losses.bce(a, b) * len(NAMES & {"a", "q", "r"})

torch.manual_seed(0)
things = [loss, Net(stages=(2, 4)), Turn(), Turn(4.0), data.Augment(), models.create("maskingnet", width=2),
          v2.Compose([v2.RandomHorizontalFlip(), v2.ColorJitter(0.1)]), functools.partial(loss, b=Turn), Kind.ONE,
          re.compile("a+"), pathlib.PurePosixPath("a"), np.float32(3), np.arange(3), np.random.default_rng(1),
          torch.float16, torch.device("cpu"), nn.CrossEntropyLoss(), losses.bce, frozenset("abcdef"), slice(1, 2)]
print(*map(fingerprint, things))
"""


def test_every_session_finds_the_same():
    found = []
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        answer = subprocess.run(
            [sys.executable, "-c", "pass\n" * int(seed) + SESSION],
            env=environment, capture_output=True, text=True, check=True, encoding="utf-8", timeout=200,
        )  # fmt: skip
        found.append(answer.stdout.split())
    assert found[0] == found[1] and len(set(found[0])) == len(found[0]) == 20


def test_numbers_and_settings_differ():
    things = [1, 1.0, True, "1", b"1", None, (1,), [1], {1}, {1: 1}, np.float64(1), torch.tensor(1), data.Augment(),
              data.Augment(rotate=0), functools.partial(max, 1), torch.ones(2, 3), torch.ones(3, 2), -0.0, 0.0,
              torch.ones(2, dtype=torch.bfloat16)]  # fmt: skip
    assert len({fingerprint(thing) for thing in things}) == len(things)


CELL = """
from torch import nn
from carvana_lessons import models
from carvana_lessons.training import losses
from carvana_lessons.utils.fingerprint import fingerprint
SHARE = 2
class Net(models.UNet):
    def forward(self, x):
        return super().forward(x) * SHARE
def loss(a, b):
    print(lesson_of)
    return losses.bce(a, b) * SHARE
lesson_of = "mine"
model = Net(stages=(2, 4))
print(fingerprint(model, trained=model), fingerprint(lambda a, b: losses.bce(a, b) * SHARE))
"""


def test_in_two_kernels_whatever_ran_before():
    found = []
    for before in ([], ["x = 1", "y = 2\n\nx + y"]):
        cells = [nbformat.v4.new_code_cell(source) for source in [*before, CELL + "\n# a comment" * len(before)]]
        notebook = nbformat.v4.new_notebook(cells=cells)
        NotebookClient(notebook, timeout=100, kernel_name="python3").execute()
        found.append(notebook.cells[-1].outputs[-1]["text"])
    assert found[0] == found[1] and len(found[0].split()) == 2


IMPORTED = {
    "a module inside a package": "import mylib.losses\ndef loss(a): return mylib.losses.focal(a)",
    "an import inside": "def loss(a):\n    from mylib import losses\n    return losses.focal(a)",
    "a relative name inside": "def loss(a):\n    import mylib.losses as l\n    return l.focal(a)",
    "a default": "from mylib import losses as l\ndef loss(a, l=l): return l.focal(a)",
    "a package as a default": "import mylib.losses\ndef loss(a, lib=mylib): return lib.losses.focal(a)",
    "a closure": (
        "from mylib import losses as l\ndef make(m):\n    return lambda a: m.focal(a)\nloss = make(l)"
    ),
    "an attribute of an object": (
        "from mylib import losses as l\nclass C:\n    def __init__(self): self.l = l\n"
        "    def __call__(self, a): return self.l.focal(a)\nloss = C()"
    ),
    "a dict": "from mylib import losses as l\nALL = {'l': l}\ndef loss(a): return ALL['l'].focal(a)",
    "getattr": "from mylib import losses\ndef loss(a): return getattr(losses, 'focal')(a)",
    "a computed name": "from mylib import losses\ndef loss(a): return getattr(losses, 'fo' + a)(a)",
}  # fmt: skip


@pytest.fixture
def mylib(tmp_path, monkeypatch):
    """Writes a package of one's own anew, and loads it anew: gives the fingerprint of a loss that uses it."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "mylib").mkdir()

    def forget():
        for name in [name for name in sys.modules if name.partition(".")[0] == "mylib"]:
            del sys.modules[name]

    def load(source, package=True, **files):
        forget()
        importlib.invalidate_caches()
        if package:
            (tmp_path / "mylib" / "__init__.py").write_text("", encoding="utf-8")
        for name, text in files.items():
            (tmp_path / "mylib" / f"{name}.py").write_text(text, encoding="utf-8")
        return read(source)

    yield load
    forget()


FOCAL = "from mylib.helpers import helped\nG = 2\ndef focal(a): return helped(a) ** G\n"
HELPERS = "def helped(a): return a + 1\n"


@pytest.mark.parametrize("package", [True, False], ids=["package", "folder"])
@pytest.mark.parametrize("what", IMPORTED)
def test_an_edited_module_of_ones_own_counts_however_it_is_reached(mylib, what, package):
    source = IMPORTED[what]
    first = mylib(source, package, losses=FOCAL, helpers=HELPERS)
    assert mylib(source, package, losses=FOCAL + "# a comment\n", helpers=HELPERS) == first
    assert mylib("import mylib.unused\n" + source, package, losses=FOCAL, helpers=HELPERS, unused="k = 1") == first
    edited = [
        mylib(source, package, losses=FOCAL.replace("** G", "* G"), helpers=HELPERS),
        mylib(source, package, losses=FOCAL.replace("G = 2", "G = 3"), helpers=HELPERS),
        mylib(source, package, losses=FOCAL, helpers=HELPERS.replace("+ 1", "- 1")),
    ]
    assert len({first, *edited}) == 4
    assert mylib(source, package, losses=FOCAL, helpers=HELPERS) == first


def test_a_module_that_was_edited_and_not_loaded_anew_is_neither(mylib, tmp_path):
    source = IMPORTED["getattr"]
    thing = cell("import mylib.losses\n" + source) if mylib(source, losses=FOCAL, helpers=HELPERS) else None
    before = fingerprint(thing)
    new = FOCAL.replace("** G", "* G")
    (tmp_path / "mylib" / "losses.py").write_text(new, encoding="utf-8")
    assert len({before, fingerprint(thing), mylib(source, losses=new, helpers=HELPERS)}) == 3


def test_a_module_without_a_file_cannot_be_told():
    with pytest.raises(NoFingerprint, match="the module made has no file"):
        fingerprint(types.ModuleType("made"))


def test_a_function_that_imports_has_one_fingerprint_before_and_after_its_first_call(mylib):
    source = IMPORTED["an import inside"]
    before = mylib(source, losses=FOCAL, helpers=HELPERS)
    cell(source)(1)
    assert read(source) == before


def test_an_edited_metaclass_counts():
    source = "class M(type):\n    def __call__(cls): return 1\nclass loss(metaclass=M): pass"
    assert read(source) == read(source) != read(source.replace("return 1", "return 2"))


def test_the_mask_of_an_array_counts():
    one, two = (np.ma.array([1.0, 2.0], mask=mask) for mask in ([0, 1], [0, 0]))
    assert fingerprint(one) == fingerprint(one.copy()) != fingerprint(two)


def test_a_function_put_into_a_library_counts(monkeypatch):
    source = "def loss(a): return losses.bce(a, torch.nn.functional.relu(a))"
    found = [read(source)]
    for module, name in ((losses, "bce"), (nn.functional, "relu")):
        monkeypatch.setattr(module, name, cell("def loss(*a): return 1"))
        found.append(read(source))
    assert len(set(found)) == 3


def test_a_function_put_into_a_library_counts_where_the_library_calls_it(monkeypatch):
    things = [nn.Sequential(nn.ReLU()), losses.boundary_bce]
    before = list(map(fingerprint, things))
    for module, name in ((losses, "boundary_weights"), (nn.functional, "relu")):
        monkeypatch.setattr(module, name, cell("def loss(*a): return 1"))
    assert all(fingerprint(thing) != old for thing, old in zip(things, before, strict=True))


def test_a_method_that_python_itself_wraps_counts_by_its_name_and_its_object():
    """``(2).__add__`` has a name, and nothing that says of which module it is."""
    same, other_object, other_name = (2).__add__, (3).__add__, (2).__mul__
    assert fingerprint((2).__add__) == fingerprint(same)
    assert len({fingerprint(method) for method in (same, other_object, other_name)}) == 3
