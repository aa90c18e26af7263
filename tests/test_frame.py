"""The repository as a whole: one list of dependencies, imports that run one way, notebooks without outputs."""

import ast
import dis
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import CodeType

import pytest

import carvana_lessons
from carvana_lessons.exercises.chapters import CHAPTERS

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

# The rooms in the order in which a photo passes through them; a room imports only what stands before it.
ROOMS = (
    *("utils", "data", "studio", "models", "show", "course", "prediction", "evaluation", "training"),
    *("features", "comparison", "exercises", "cli", "__main__"),
)
# What Colab has installed (Google's published list, August 2026); the package may need nothing else.
ON_COLAB = {
    "accelerate",
    "filelock",
    "ipywidgets",
    "matplotlib",
    "numpy",
    "pandas",
    "pillow",
    "platformdirs",
    "psutil",
    "scipy",
    "safetensors",
    "torch",
    "torchvision",
    "tqdm",
    "typer",
}


def requirements(section: str) -> list[str]:
    """The quoted entries of one list of pyproject.toml; tomllib is not in Python 3.10."""
    body = re.search(rf"^{re.escape(section)} = \[(.*?)^\]", PYPROJECT + "\n]", re.MULTILINE | re.DOTALL)[1]
    return re.findall(r'^\s*"([^"]+)"', body, re.MULTILINE)


def test_the_package_needs_nothing_that_colab_lacks_and_pins_nothing():
    entries = requirements("dependencies")
    assert {re.match(r"[\w-]+", e)[0] for e in entries} == ON_COLAB
    assert [e for e in entries if not re.fullmatch(r"[\w-]+>=[\d.]+", e)] == []


def test_the_name_of_a_module_fits_a_phone():
    """On its API page it is one line up to here (book/_static/lessons.css); the browser's test sees it much later."""
    names = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts) for file in (ROOT / "carvana_lessons").rglob("*.py")
    ]
    assert names and [name for name in names if len(name) > 46] == []


def test_conda_installs_what_pip_does():
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    python = re.search(r'requires-python = "(.+)"', PYPROJECT)[1]
    assert re.findall(r"^ +- (?!pip:?$)(.+)$", text, re.MULTILINE) == [
        "conda-forge",
        f"python{python}",
        "-e .[book,test]",
    ]
    assert "'.[book,test]'" in (ROOT / "Makefile").read_text(encoding="utf-8")


def imports_of(files: dict[str, str], package: str = "carvana_lessons") -> dict[str, set[str]]:
    """By module, the modules of the same package that it imports, inside functions and for type checking too.

    Args:
        files: source by module, ``carvana_lessons.data.split`` for example; a package by its folder's name.
        package: whose modules count.
    """
    found: dict[str, set[str]] = {}
    for module, source in files.items():
        found[module] = set()
        for node in ast.walk(ast.parse(source)):
            names = []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module} imports by dots: write the whole name"
                names = [f"{node.module}.{a.name}" for a in node.names]
                names = [name if name in files else node.module for name in names]
            elif isinstance(node, ast.Import):
                names = [a.name for a in node.names]
            elif isinstance(node, ast.Constant) and node.value in files:  # for importlib
                names = [node.value]
            found[module] |= {n for n in names if n in files or n.partition(".")[0] == package} - {module}
    return found


def sources(folder: Path) -> dict[str, str]:
    """Source by module of every Python file below a folder."""
    names = {p: ".".join(p.relative_to(folder.parent).with_suffix("").parts) for p in folder.rglob("*.py")}
    return {name.removesuffix(".__init__"): p.read_text(encoding="utf-8") for p, name in names.items()}


def upward(imports: dict[str, set[str]]) -> list[str]:
    """Imports of a room that stands below."""
    height = {room: k for k, room in enumerate(ROOMS)}
    pairs = [(a, b) for a, others in imports.items() for b in others if a.count(".") and b.count(".")]
    return [f"{a} imports {b}" for a, b in pairs if height[b.split(".")[1]] > height[a.split(".")[1]]]


def circles(imports: dict[str, set[str]]) -> list[str]:
    """Modules that import themselves by way of others."""

    def reached(module: str) -> set[str]:
        seen, left = set(), [module]
        while left:
            new = imports.get(left.pop(), set()) - seen
            seen |= new
            left += new
        return seen

    return sorted(module for module in imports if module in reached(module))


def test_every_module_stands_in_a_room():
    package = ROOT / "carvana_lessons"
    assert {p.stem for p in package.glob("*.py")} == {"__init__", "__main__", "cli"}
    folders = {p.parent.name for p in package.glob("*/__init__.py")}
    assert folders == set(ROOMS) - {"cli", "__main__"}
    tests = {p.name for p in (ROOT / "tests").iterdir() if p.is_dir() and any(p.glob("test_*.py"))}
    assert tests - {"book"} == folders


def test_texts_name_the_rooms_in_their_order():
    """`ROOMS` is the list; a reader meets it again in three texts."""
    rooms = [room for room in ROOMS if (ROOT / "carvana_lessons" / room).is_dir()]
    table = (ROOT / "README.md").read_text(encoding="utf-8")
    steps = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert re.findall(r"`(\w+)`", re.search(r"^\| `carvana_lessons/` \|.*$", table, re.MULTILINE)[0]) == rooms
    assert re.findall(r"`(\w+)`", re.search(r"`\w+` →[^;]*", steps)[0]) == rooms
    assert re.findall(r"^- ``(\w+)``: ", carvana_lessons.__doc__, re.MULTILINE) == rooms


def test_files_that_contributing_names_are_there():
    text = re.sub(
        r"^```.*?^```", "", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    named = {name for name in re.findall(r"`([\w./]+/[\w./]*)`", text) if "NN" not in name and "NAME" not in name}
    assert len(named) > 15
    places = [ROOT, ROOT / "carvana_lessons"]
    assert [name for name in sorted(named) if not any((place / name).exists() for place in places)] == []


def test_imports_run_one_way_and_in_no_circle():
    imports = imports_of(sources(ROOT / "carvana_lessons"))
    assert upward(imports) == []
    assert circles(imports) == []


def test_the_extensions_of_the_book_import_in_no_circle():
    folder = ROOT / "book" / "_ext"
    imports = imports_of({p.stem: p.read_text(encoding="utf-8") for p in folder.glob("*.py")}, "")
    assert circles(imports) == []


@pytest.mark.parametrize(
    "planted",
    [
        "from carvana_lessons.training import Trainer",
        "def f():\n    import carvana_lessons.cli",
        "import importlib\nimportlib.import_module('carvana_lessons.training')",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from carvana_lessons import course",
    ],
)
def test_a_planted_import_would_be_found(planted):
    files = sources(ROOT / "carvana_lessons")
    files["carvana_lessons.data.split"] += f"\n{planted}\n"
    assert len(upward(imports_of(files))) == 1


def test_a_planted_circle_would_be_found():
    files = sources(ROOT / "carvana_lessons")
    files["carvana_lessons.data.rle"] += "\ndef f():\n    from carvana_lessons.data.folder import CarFolder\n"
    files["carvana_lessons.data.images"] += "\nfrom carvana_lessons.data import rle\n"
    assert circles(imports_of(files)) == [
        f"carvana_lessons.data.{name}" for name in ("folder", "images", "layout", "rle")
    ]


def test_training_loads_no_pictures_and_no_studio():
    code = "import sys, carvana_lessons.training; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    loaded = set(run.stdout.split())
    assert "torch" in loaded
    heavy = {"matplotlib", "IPython", "ipywidgets", "carvana_lessons.studio", "carvana_lessons.show"}
    assert loaded & heavy == set()


def test_the_studio_knows_nothing_of_torch():
    code = "import sys, carvana_lessons.studio; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_notebooks_are_stored_without_outputs():
    command = [sys.executable, "-m", "nbstripout", "--verify", "--keep-id", *map(str, NOTEBOOKS)]
    assert subprocess.run(command, check=False).returncode == 0


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_chapter_reads_alike_in_three_readers(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    assert "%pip install" in code[0] and "except ImportError" in code[0]
    assert re.search(rf'course\.start\("{path.stem}"[,)]', code[1])
    assert [c for c in code if len(c.splitlines()) > 20] == []
    assert not re.search(r"^\s*(```\{|:::)|\{(cite|ref|glue|doc|term)\}", text, re.MULTILINE), "MyST-only syntax"
    exercises = ["## Exercises"] if path.stem in CHAPTERS else []
    for heading in ("What you will be able to do", *exercises, "## Summary"):
        assert heading in text
    for link in re.findall(r"\]\((?!https?:|data:image/)([^)#]+)", text):
        assert (path.parent / link).exists(), link


def bound(code: str) -> set[str]:
    """Names that a cell gives a value, a function or a module; those inside its functions are their own."""
    return {i.argval for i in dis.get_instructions(compile(code, "cell", "exec")) if i.opname == "STORE_NAME"}


def taken(code: CodeType) -> set[str]:
    """Names of the notebook that a function reads whenever it is called."""
    inner = [taken(part) for part in code.co_consts if isinstance(part, CodeType)]
    return {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}.union(*inner)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_live_picture_is_absent_from_the_page_and_outlives_the_chapter(path):
    """A reader runs all cells and then moves a slider: what the picture is drawn from must still be there."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(c["source"]) if c["cell_type"] == "code" else "" for c in cells]
    for k, source in enumerate(sources):
        if not (played := re.match(r"show\.play\((\w+),", source)):
            continue
        for cell in cells[k - 1 : k + 1]:  # the text above asks what only a slider answers
            assert cell["metadata"].get("tags") == ["remove-cell"], cell["id"]
        [maker] = [s for s in sources[:k] if f"def {played[1]}(" in s]
        parts = compile(maker, "cell", "exec").co_consts
        [function] = [p for p in parts if isinstance(p, CodeType) and p.co_name == played[1]]
        later = set().union(*map(bound, sources[k + 1 :]))
        assert (taken(function) | {played[1]}) & later == set()


def test_all_first_cells_are_one():
    first = {"".join(json.loads(p.read_text(encoding="utf-8"))["cells"][1]["source"]) for p in NOTEBOOKS}
    assert len(first) == 1


CREDENTIALS = re.compile(
    r"KGAT_[0-9a-f]{16}"  # Kaggle's tokens, and the key of its kaggle.json
    r"|\bkey\W{1,8}[0-9a-f]{32}\b"
    r"|\b(?:gh[pousr]|github_pat|hf|glpat)[_-][A-Za-z0-9_]{20}"
    r"|\bAKIA[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|[?&](?:X-Goog-|X-Amz-)?Signature=\w{20}"
    r"|(?i:authorization)\W{1,8}(?:Basic|Bearer) [A-Za-z0-9+/=_-]{16}"
)


def test_credentials_would_be_found():
    for text in (
        "KGAT_" + "1f" * 16,
        '{"username":"somebody","key":"' + "5e" * 16 + '"}',
        "ghp_" + "aB3" * 12,
        "https://host/train.zip?Expires=1&Signature=" + "aB3" * 12,
        "{'Authorization': 'Bearer " + "aB3" * 12,
    ):
        assert CREDENTIALS.search(text), text


def test_no_file_no_output_and_no_page_holds_a_credential():
    """What is kept in the repository, and what the last build executed and wrote."""
    kinds = {".py", ".ipynb", ".md", ".toml", ".yml", ".txt", ".json", ".csv", ".html", ".js"}
    ours = ("book", "carvana_lessons", "benchmarks", "tests", ".github", "build/book", "build/html")
    folders = [ROOT / name for name in ours]
    files = [f for folder in folders for f in folder.rglob("*") if f.suffix in kinds and f.is_file()]
    assert len(files) > 150
    mine = [v for k, v in os.environ.items() if k.startswith("KAGGLE") and k.endswith(("KEY", "TOKEN")) and len(v) > 8]
    found = []
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        if CREDENTIALS.search(text) or any(secret in text for secret in mine):
            found.append(file.relative_to(ROOT).as_posix())  # the name, not the line: a log keeps what is printed here
    assert found == []


def test_every_measured_table_says_when_and_on_what():
    names = ("speed", "colab", "export", "network-in-the-page")
    pages = "".join((ROOT / "book" / f"{page}.md").read_text(encoding="utf-8") for page in names)
    tables = re.findall(r"^```\{include\} ((?:speed|export)/\w+\.txt)$", pages, re.MULTILINE)
    there = [p for name in ("speed", "export") for p in (ROOT / "book" / name).glob("*.txt")]
    assert sorted(tables) == sorted(f"{p.parent.name}/{p.name}" for p in there)
    for table in tables:
        text = (ROOT / "book" / table).read_text(encoding="utf-8")
        assert re.search(r"^20\d\d-\d\d-\d\d, .+, \d+ threads of torch, torch [\d.]+", text, re.MULTILINE), table
        assert "| --- | ---: |" in text, table


CODE_SPAN = re.compile(r"`([A-Za-z_][\w.]*)\(")


def names_of_code(source: str) -> set[str]:
    """Every name that a cell binds, calls, reads or imports."""
    tree = ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.MULTILINE))
    nodes = list(ast.walk(tree))
    names = {n.id for n in nodes if isinstance(n, ast.Name)} | {n.attr for n in nodes if isinstance(n, ast.Attribute)}
    names |= {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    return names | {a.asname or a.name for n in nodes if isinstance(n, ast.ImportFrom) for a in n.names}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_function_that_the_text_calls_is_one_of_the_package_the_chapter_or_a_library(path):
    import torch
    import torchvision.transforms.v2 as v2

    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    known = set(dir(torch)) | set(dir(torch.nn)) | set(dir(torch.nn.functional)) | set(dir(v2)) | set(dir(__builtins__))
    known |= set(dir(torch.Tensor)) | set(dir(str))
    for cell in cells:
        if cell["cell_type"] == "code":
            known |= names_of_code("".join(cell["source"]))
    for source in sources(ROOT / "carvana_lessons").values():
        known |= {n.name for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    assert [name for name in CODE_SPAN.findall(text) if name.rpartition(".")[2] not in known] == []
