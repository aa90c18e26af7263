"""What a class gets: chapters whose links lead somewhere, how to begin, and a package that keeps its solutions."""

import ast
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import unquote

import pytest

from carvana_lessons.exercises.chapters import CHAPTERS, chapter
from carvana_lessons.exercises.handout import mend_links
from carvana_lessons.exercises.notebook import export
from carvana_lessons.exercises.student_package import build_student_package, without_solutions
from carvana_lessons.utils.errors import CarvanaError

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:href|src)=[\"']([^\"']+)", re.IGNORECASE)


@pytest.fixture(scope="module")
def students(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("handout") / "students"
    export(BOOK, out)
    return out


@pytest.fixture(scope="module")
def sealed(tmp_path_factory) -> Path:
    """A class's folder without solutions."""
    out = tmp_path_factory.mktemp("handout") / "sealed"
    export(BOOK, out, without_solutions=True)
    return out


@pytest.fixture(scope="module")
def installed(sealed, tmp_path_factory) -> Path:
    """Where pip has installed that package."""
    place = tmp_path_factory.mktemp("installed")
    [wheel] = sealed.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(place)]
    subprocess.run([*pip, str(wheel)], check=True)
    return place


def links(path: Path) -> list[str]:
    """Where the links of a notebook lead, those to other servers and to places of its own left out."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    found = [a or b for a, b in LINK.findall(text)]
    return [link for link in found if not re.match(r"https?:|data:|mailto:|#", link)]


@pytest.mark.parametrize("kind", ["students", "sealed"])
def test_every_link_of_a_class_folder_leads_to_a_file_in_it(kind, request):
    folder = request.getfixturevalue(kind)
    found = [(path.name, link) for path in sorted(folder.glob("*.ipynb")) for link in links(path)]
    assert len(found) > 50
    assert [(name, link) for name, link in found if not (folder / unquote(link.partition("#")[0])).is_file()] == []


def test_the_book_links_to_pages_that_no_class_folder_has():
    """Or the test above would test nothing."""
    found = {link for path in BOOK.glob("*.ipynb") for link in links(path)}
    assert {"from-here.md", "export.md"} <= found


def test_a_link_leads_to_the_published_book_where_there_is_one(tmp_path):
    export(BOOK, tmp_path / "class", pages="https://a.github.io/b/")
    text = (tmp_path / "class" / "11-your-own-photos.ipynb").read_text(encoding="utf-8")
    assert "[From here](https://a.github.io/b/from-here.html)" in text and "](02-u-net.ipynb)" in text


def test_links_are_mended_and_nothing_else_is():
    text = "[a](b.ipynb#c) [d](e.md#f) ![g](h.png) [i](https://j.k) [l](#m) `n(o)` [p](q%20r.md)\n"
    notebook = {"cells": [{"cell_type": "markdown", "source": [text]}, {"cell_type": "code", "source": [text]}]}
    there = {"b.ipynb", "h.png"}
    first, second = mend_links(notebook, there)["cells"]
    assert first["source"] == ["[a](b.ipynb#c) d ![g](h.png) [i](https://j.k) [l](#m) `n(o)` p\n"]
    assert second == notebook["cells"][1]
    [linked] = mend_links(notebook, there, "https://x.y")["cells"][0]["source"]
    assert "[d](https://x.y/e.html#f)" in linked and "[p](https://x.y/q%20r.html)" in linked


def test_a_class_is_told_how_to_begin(students, sealed):
    for folder in (students, sealed):
        text = (folder / "INSTALL.txt").read_text(encoding="ascii")
        assert "jupyter lab" in text and "python -m venv .venv" in text and "01-the-task.ipynb" in text
        assert max(map(len, text.splitlines())) <= 120
        with zipfile.ZipFile(folder.with_name(f"{folder.name}.zip")) as packed:
            assert {Path(name).name for name in packed.namelist()} == {path.name for path in folder.iterdir()}
    assert "git+https://github.com/" in (students / "INSTALL.txt").read_text(encoding="utf-8")
    [wheel] = sealed.glob("*.whl")
    text = (sealed / "INSTALL.txt").read_text(encoding="utf-8")
    assert f"pip install {wheel.name} jupyterlab" in text and "git" not in text


def test_the_first_cell_installs_the_package_that_lies_beside_it(sealed):
    [wheel] = sealed.glob("*.whl")
    for path in sealed.glob("*.ipynb"):
        text = path.read_text(encoding="utf-8")
        assert f'url = \\"{wheel.name}\\"' in text and "git+https" not in text


def constants(path: Path) -> str:
    """All texts of a module, as Python joins them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return "\n\0".join(n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))


def test_no_answer_and_no_explanation_is_in_the_package(installed):
    files = sorted((installed / "carvana_lessons").rglob("*.py"))
    texts = {path: constants(path) + path.read_text(encoding="utf-8") for path in files}
    assert len(texts) > 150
    for name in CHAPTERS:
        for exercise in chapter(name).exercises.values():
            assert len(exercise.answer) > 10 and len(exercise.explanation) > 40
            for secret in (exercise.answer.strip(), exercise.explanation.strip(), exercise.explanation[:40]):
                assert [path.name for path, text in texts.items() if secret in text] == [], (name, exercise.title)


TRY = """
import carvana_lessons
from carvana_lessons.exercises import ex05
from carvana_lessons.exercises.chapters import CHAPTERS, chapter

print(carvana_lessons.__file__, carvana_lessons.__version__)
print(ex05.read_an_index.check(3, 5), ex05.read_an_index.check(5, 3), sep=" | ")
print(ex05.unpool.check(lambda v, i, h, w: v))
print({str(e.solution()) for name in CHAPTERS for e in chapter(name).exercises.values()})
print(sum(bool(e.hint().markdown) for name in CHAPTERS for e in chapter(name).exercises.values()))
print(ex05.unpool, {e.answer + e.explanation for name in CHAPTERS for e in chapter(name).exercises.values()})
from carvana_lessons.comparison import load_results
print(len(load_results("six-networks").cars) > 0)
from carvana_lessons.exercises.student_package import exam_paper
try:
    exam_paper()
except Exception as error:
    print(error)
"""


def test_a_class_can_check_and_ask_for_hints_but_not_for_solutions(installed, tmp_path):
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(installed)!r})\n{TRY}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    place, marks, function, solution, hints, shown, _, exam = done.stdout.splitlines()
    assert place.startswith(str(installed)) and place.endswith("+students")
    assert marks == "Right. | Wrong: because row and column are exchanged."
    assert function.startswith("Wrong: because the answer must be as large")
    assert solution == "{'Your instructor has it.'}"
    assert int(hints) == sum(len(chapter(name).exercises) for name in CHAPTERS)
    assert shown == "Unpool (10 minutes): .check(my_unpool), .hint() or .solution() {''}"
    assert exam.startswith("This is a class's package") and not list(installed.rglob("exam*"))


def solve(exercise, code: str) -> str:
    names: dict = {}
    exec(code, names)  # a string of ours
    return str(exercise.check(*(names[name] for name in exercise.names)))


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_check_still_knows_right_from_wrong(name):
    """Each module without solutions is run here, beside the whole one, whose answers are put to it."""
    found = chapter(name)
    path = ROOT / "carvana_lessons" / "exercises" / f"{found.module}.py"
    module = {"__name__": f"carvana_lessons.exercises.{found.module}"}
    exec(compile(without_solutions(path.read_text(encoding="utf-8")), path.name, "exec"), module)
    for key, whole in found.exercises.items():
        sealed = module[key]
        assert sealed.answer == sealed.explanation == "" and dict(sealed.faults) == {}
        assert sealed.hints == whole.hints and sealed.stub == whole.stub and sealed.task == whole.task
        assert solve(sealed, f"{whole.given}\n{whole.answer}") == "Right."
        for code in list(whole.faults)[:1]:
            assert solve(sealed, code) == solve(whole, code) != "Right."


def test_texts_go_and_whatever_else_stands_beside_them_stays():
    source = (
        "import math\n\n# how it is done\n_WAY = 'the way'\n_USED = 'é'\n\n\ndef _code():\n    return _WAY\n\n\n"
        "x = Exercise(title='ü', answer=_code(), explanation='é' 'why\\n'\n  'so', hints=('é',), judge=_USED)\n"
        "other = Thing(answer=3)\n"
    )
    assert without_solutions(source) == (
        "import math\n\n_USED = 'é'\n\n\n\n\n"
        "x = Exercise(title='ü', answer=\"\", explanation=\"\", hints=('é',), judge=_USED)\nother = Thing(answer=3)\n"
    )


def test_a_folder_that_is_not_the_whole_course_cannot_be_packed(tmp_path, run):
    with pytest.raises(CarvanaError, match="name the folder `book` of the whole course"):
        build_student_package(tmp_path, tmp_path)
    answer = run("course", "export", "--student", tmp_path / "a", "--pages", "nowhere", "--book", BOOK)
    assert answer.returncode == 2 and "'nowhere' is no address" in answer.stderr and not (tmp_path / "a").exists()
    same = run("course", "export", "--student", tmp_path / "a", "--without-solutions", tmp_path / "a", "--book", BOOK)
    assert same.returncode == 1 and "give each a name of its own" in same.stderr
