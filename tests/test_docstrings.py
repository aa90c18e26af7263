"""Docstrings say what a signature cannot: each argument, what comes back, what is raised, where it is explained."""

import ast
import builtins
import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "carvana_lessons"
SECTIONS = ("Args", "Attributes", "Shapes", "Returns", "Yields", "Raises", "Warns", "Source", "Lesson")
_NAMES = "|".join(SECTIONS)
_SECTION = re.compile(rf"^({_NAMES}):\n((?:    .*(?:\n|\Z))+)", re.MULTILINE)
_ITEM = re.compile(r"^    \*{0,2}([\w.]+): ", re.MULTILINE)
# A section's name with text on its line, or in the middle of one: neither an editor nor napoleon takes that for one.
_RUN_ON = re.compile(rf"^(?:{_NAMES}): .*$|^.*\S  (?:{_NAMES}):.*$", re.MULTILINE)
Function = ast.FunctionDef | ast.AsyncFunctionDef
PROPERTIES = {"property", "cached_property"}


@dataclass(frozen=True)
class Documented:
    """A public function, class or method.

    Attributes:
        where: module and name, for messages.
        node: its syntax tree.
        owner: of a method, its class.
        module: dotted name of its module.
    """

    where: str
    node: Function | ast.ClassDef
    owner: ast.ClassDef | None
    module: str

    @property
    def text(self) -> str:
        """Its docstring."""
        return ast.get_docstring(self.node) or ""


def decorators(node: Function | ast.ClassDef) -> set[str]:
    """Names of the decorators: "property", "app.command", "dataclass"."""
    return {ast.unparse(d.func if isinstance(d, ast.Call) else d) for d in node.decorator_list}


def is_command(node: Function) -> bool:
    """Whether Typer makes a command of it: its docstring is what ``--help`` prints, and its options say the rest."""
    return any(name.split(".")[-1] in ("command", "callback") for name in decorators(node))


def public(tree: ast.Module, module: str) -> Iterator[Documented]:
    """All public functions, classes and methods of a module.

    Dunder methods other than ``__call__`` are left out: Python's own protocols say what they take and give;
    ``__init__`` is described by its class.
    """
    for node in tree.body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        if isinstance(node, Function) and (is_command(node) or "overload" in decorators(node)):
            continue
        yield Documented(f"{module}.{node.name}", node, None, module)
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                if (
                    isinstance(part, Function)
                    and (not part.name.startswith("_") or part.name == "__call__")
                    and not any(name.endswith((".setter", "overload")) for name in decorators(part))
                ):
                    yield Documented(f"{module}.{node.name}.{part.name}", part, node, module)


def everything() -> list[Documented]:
    """All public functions, classes and methods of the package."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if not any(part.startswith("_") for part in parts[:-1]) and parts[-1] != "__main__":
            module = ".".join(parts).removesuffix(".__init__")
            found += public(ast.parse(path.read_text(encoding="utf-8")), module)
    return found


def section(text: str, name: str) -> str | None:
    """A section's content, None where there is none."""
    return next((content for title, content in _SECTION.findall(text) if title == name), None)


def items(text: str, name: str) -> list[str]:
    """What a section such as Args names, in order."""
    return _ITEM.findall(section(text, name) or "")


def parameters(node: Function) -> list[str]:
    """Names of a function's parameters, without ``self``, ``cls`` and those that are not meant for callers."""
    a = node.args
    several = [x for x in (a.vararg,) if x], [x for x in (a.kwarg,) if x]
    names = [x.arg for x in (*a.posonlyargs, *a.args, *several[0], *a.kwonlyargs, *several[1])]
    return [name for name in names if name not in ("self", "cls") and not name.startswith("_")]


def described(node: Function | ast.ClassDef) -> Function | None:
    """The function whose parameters a docstring lists; of a layer without its own ``__init__``, its ``forward``."""
    if not isinstance(node, ast.ClassDef):
        return node
    named = {part.name: part for part in node.body if isinstance(part, Function)}
    called = named.get("forward") if items(ast.get_docstring(node) or "", "Args") else None
    return named.get("__init__") or named.get("__post_init__") or called


def fields(node: ast.ClassDef) -> list[str]:
    """Names of the fields of a dataclass or a named tuple that its constructor takes."""
    bases = {ast.unparse(base) for base in node.bases}
    if "dataclass" not in decorators(node) and "NamedTuple" not in bases:
        return []
    return [
        part.target.id
        for part in node.body
        if isinstance(part, ast.AnnAssign)
        and not part.target.id.startswith("_")
        and "ClassVar" not in ast.unparse(part.annotation)
        and "init=False" not in ast.unparse(part.value or ast.Constant(None))
    ]


def raised(node: Function) -> set[str]:
    """Names of the exceptions that a function's own body raises; a function in it is another one."""
    found, left = set(), list(node.body)
    while left:
        part = left.pop()
        if isinstance(part, ast.Raise) and part.exc is not None:
            what = part.exc.func if isinstance(part.exc, ast.Call) else part.exc
            found.add(ast.unparse(what))
        if not isinstance(part, Function | ast.ClassDef | ast.Lambda):
            left += ast.iter_child_nodes(part)
    return found


def exception(module: ModuleType, name: str) -> type | None:
    """The class that a name means in a module; None for a variable."""
    found: object = module
    for part in name.split("."):
        found = (
            getattr(found, part, None) if found is not module else getattr(module, part, getattr(builtins, part, None))
        )
    return found if inspect.isclass(found) else None


def says(name: str, thing: type, module: ModuleType) -> bool:
    """Whether a name in Raises stands for an exception: its own, or that of a class above it that says as much."""
    named = exception(module, name) or exception(importlib.import_module("carvana_lessons.utils.errors"), name)
    return name == thing.__name__ or (named not in (None, Exception, BaseException) and issubclass(thing, named))


def faults(it: Documented) -> list[str]:
    """What a docstring lacks, a sentence each."""
    node, text, found = it.node, it.text, []
    if not text:
        layer = it.owner is not None and node.name == "forward"  # the class may say it: Shapes, or Args of the call
        told = layer and (section(ast.get_docstring(it.owner) or "", "Shapes") or described(it.owner) is node)
        return [] if told else [f"{it.where} has no docstring"]
    body = described(node)
    wanted = parameters(body) if body is not None and body.name != "__post_init__" else []
    if PROPERTIES & decorators(node):
        wanted = []
    if items(text, "Args") != wanted:
        found.append(f"{it.where} has Args {items(text, 'Args')}, its signature {wanted}")
    if isinstance(node, ast.ClassDef):
        own = fields(node)
        if [name for name in items(text, "Attributes") if name in own] != own:
            found.append(f"{it.where} has Attributes {items(text, 'Attributes')}, its fields are {own}")
    elif not PROPERTIES & decorators(node):  # read like a value: its summary says what it is
        back = ast.unparse(node.returns) if node.returns else "None"
        silent = back in ("None", "NoReturn", "Self") or back.strip("\"'") in ("Iterator[None]", "Generator[None]")
        silent |= back == "bool" and text.startswith("Whether ")  # that sentence is what comes back
        if not silent and section(text, "Returns") is None and section(text, "Yields") is None:
            found.append(f"{it.where} has no Returns for {back}")
    if body is not None:
        module = importlib.import_module(it.module)
        for name in sorted(raised(body)):
            thing = exception(module, name)
            if thing is None or thing.__name__.startswith("_") or issubclass(thing, NotImplementedError):
                continue
            if not any(says(said, thing, module) for said in items(text, "Raises")):
                found.append(f"{it.where} raises {name}, and Raises does not say so")
    return found


def test_every_public_docstring_says_what_a_caller_needs():
    documented = everything()
    assert len(documented) > 300
    assert [fault for it in documented for fault in faults(it)] == []


PLANTED = '''
class Thing:
    """A thing.

    Args:
        size: (height, width).
    """

    def __init__(self, size, depth=1):
        raise ValueError

    def area(self) -> int:
        """What it covers."""

    @property
    def half(self) -> int:
        """Half of it."""

    def forward(self, x):
        return x


def scale(x, by: float) -> float:
    """Make it larger.

    Args:
        by: a factor.
        x: (B, H, W).

    Returns:
        (B, H, W).

    Raises:
        TypeError: if it is none.
    """
    if by < 0:
        raise ValueError("no")

    def inner():
        raise KeyError

    return inner


@app.command()
def command(x: int) -> int:
    """Typer reads this."""
'''


def test_a_planted_gap_would_be_found():
    module = "carvana_lessons.utils.errors"
    found = [fault.removeprefix(f"{module}.") for it in public(ast.parse(PLANTED), module) for fault in faults(it)]
    assert found == [
        "Thing has Args ['size'], its signature ['size', 'depth']",
        "Thing raises ValueError, and Raises does not say so",
        "Thing.area has no Returns for int",
        "Thing.forward has no docstring",
        "scale has Args ['by', 'x'], its signature ['x', 'by']",
        "scale raises ValueError, and Raises does not say so",
    ]


def docstrings(path: Path) -> Iterator[str]:
    """Every docstring of a file, private ones too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | Function):
            yield ast.get_docstring(node) or ""


def run_on(text: str) -> list[str]:
    """Lines on which a section's name does not stand alone."""
    return _RUN_ON.findall(text)


def test_every_section_stands_on_lines_of_its_own():
    folders = [PACKAGE, *(ROOT / name for name in ("benchmarks", "book", "tests"))]
    files = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    assert len(files) > 200
    assert [f"{path.name}: {line}" for path in files for text in docstrings(path) for line in run_on(text)] == []


@pytest.mark.parametrize("text", ["Returns: a mask.", "Source: slides [B].  Lesson: 06.", "Short.  Lesson: 02."])
def test_a_planted_run_on_section_would_be_found(text):
    assert run_on(text) == [text]
    assert run_on("Sum.\n\nReturns:\n    a mask: (H, W).\n\nLesson:\n    02.\n") == []


def listed() -> list[tuple[str, object]]:
    """What the API pages list: every function and class of the rooms that they name."""
    found = []
    for page in sorted((ROOT / "book" / "api").glob("*.md")):
        for names in re.findall(r"^```\{room\} +(.+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
            for module in map(importlib.import_module, names.split()):
                own = [
                    name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__
                ]
                for name in getattr(module, "__all__", [name for name in own if not name.startswith("_")]):
                    value = getattr(module, name)
                    if inspect.isclass(value) or inspect.isfunction(value) or inspect.ismodule(value):
                        found.append((f"{module.__name__}.{name}", value))
    return found


def test_everything_on_the_api_pages_names_its_lesson():
    things = listed()
    assert len(things) > 100
    silent = [
        name
        for name, value in things
        if not any(
            section(inspect.getdoc(it) or "", "Lesson") for it in (value, inspect.getmodule(value)) if it is not None
        )
    ]
    assert silent == []
