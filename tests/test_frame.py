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

from carvana_lessons.exercises.chapters import CHAPTERS

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

# The package's rooms in the order in which data flows; a room imports only rooms of the lines above its own.
ROOMS = [
    {"errors"},
    {
        "ahead",
        "allocator",
        "connection",
        "console",
        "system",
        "wording",
        "interrupts",
        "figures",
        "looking",
        "measure",
        "schedule",
    },
    {"files", "fingerprint", "history", "progress", "usage"},
    {"catalog", "finding", "locking"},
    {"device"},
    {"failures", "options"},
    {"keeping", "publishing"},
    {"colab", "studio", "data"},
    {"models", "metrics"},
    {"losses", "checkpoint", "features"},
    {"show"},
    {"trainer", "evaluate"},
    {"cutout", "held_out", "manifest", "trained"},
    {"loose", "parts"},
    {"baselines", "pseudo", "scores", "submission", "upload"},
    {"course"},
    {"runs", "compare"},
    {"exercises"},
    {"cli"},
    {"__main__"},
]
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


def test_conda_installs_what_pip_does():
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    python = re.search(r'requires-python = "(.+)"', PYPROJECT)[1]
    assert re.findall(r"^ +- (?!pip:?$)(.+)$", text, re.MULTILINE) == [
        "conda-forge",
        f"python{python}",
        "-e .[book,test]",
    ]
    assert "'.[book,test]'" in (ROOT / "Makefile").read_text(encoding="utf-8")


def rooms_imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = (
                [node.module] if node.module != "carvana_lessons" else [f"{node.module}.{a.name}" for a in node.names]
            )
        elif isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        found |= {n.split(".")[1] for n in names if n.startswith("carvana_lessons.")}
    return found


def test_imports_run_one_way():
    package = ROOT / "carvana_lessons"
    height = {room: k for k, rooms in enumerate(ROOMS) for room in rooms}
    wrong = []
    for path in package.rglob("*.py"):
        room = path.relative_to(package).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        allowed = {r for r, k in height.items() if k < height[room]} | {room}
        wrong += [
            f"{path.relative_to(ROOT)} imports {other}" for other in rooms_imported(path) - allowed - {"__init__"}
        ]
    assert wrong == []


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
    assert f'course.start("{path.stem}")' in code[1]
    assert [c for c in code if len(c.splitlines()) > 20] == []
    assert not re.search(r"^\s*(```\{|:::)|\{(cite|ref|glue|doc|term)\}", text, re.MULTILINE), "MyST-only syntax"
    exercises = ["## Exercises"] if path.stem in CHAPTERS else []
    for heading in ("What you will be able to do", *exercises, "## Summary"):
        assert heading in text
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
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
    pages = "".join((ROOT / "book" / f"{page}.md").read_text(encoding="utf-8") for page in ("speed", "colab"))
    tables = re.findall(r"^```\{include\} (speed/\w+\.txt)$", pages, re.MULTILINE)
    assert sorted(tables) == sorted(f"speed/{p.name}" for p in (ROOT / "book" / "speed").glob("*"))
    for table in tables:
        text = (ROOT / "book" / table).read_text(encoding="utf-8")
        assert re.search(r"^20\d\d-\d\d-\d\d, .+, \d+ threads of torch, torch [\d.]+", text, re.MULTILINE), table
        assert "| --- | ---: |" in text, table
