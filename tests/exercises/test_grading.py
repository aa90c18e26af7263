"""A class's notebooks as they come back: renamed, from Colab, half done, damaged, with endless loops, with forgeries.

All are made of the real chapters and graded in one run; each row is compared with what an instructor should read.
"""

import ast
import copy
import csv
import json
import marshal
import multiprocessing
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from carvana_lessons.exercises import cell_code, grading
from carvana_lessons.exercises.base import RIGHT, Verdict
from carvana_lessons.exercises.chapters import chapter
from carvana_lessons.exercises.grading import Graded, Mark, grade, summarise, write_table
from carvana_lessons.exercises.judge_process import Judges, Task
from carvana_lessons.exercises.notebook import solved
from carvana_lessons.exercises.returned_notebook import Cell, read_returned
from carvana_lessons.exercises.submitted import find_chapter, read_submission
from carvana_lessons.utils.errors import CarvanaError, DataError

BOOK = Path(__file__).resolve().parents[2] / "book"
SEGNET, MAPS, TASK, UNET = "05-segnet-unpooling", "06-coordinate-maps", "01-the-task", "02-u-net"
SECONDS = 3.0
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits and process groups as on Linux")

RIGHT_ROW = "my_row, my_column = 23 // 6, 23 % 6"
RIGHT_UNPOOL = """
def my_unpool(values, indices, height, width):
    flat = torch.zeros(height * width)
    flat[indices.reshape(-1)] = values.reshape(-1).float()
    return flat.reshape(height, width)
"""
WRONG_UNPOOL = "def my_unpool(values, indices, height, width):\n    return values"
OTHER = "def my_unpool(*_):\n    return 3"
NO, YES, OWN = "not attempted", "right", "right (the course's own solution)"


def read(name: str) -> dict:
    return json.loads((BOOK / f"{name}.ipynb").read_text(encoding="utf-8"))


def code(source: str, **more) -> dict:
    return {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": source} | more


def cell(notebook: dict, name: str) -> dict:
    return next(c for c in notebook["cells"] if c.get("id") == name)


def answered(name: str = SEGNET, /, **answers: str) -> dict:
    """A chapter with other code in the stubs: ``one=…`` in the first and so on."""
    notebook = read(name)
    for word, source in answers.items():
        number = ["", "one", "two", "three", "four", "five"].index(word)
        cell(notebook, f"exercise-{number}-stub")["source"] = source.splitlines(keepends=True)
    return notebook


def insert(notebook: dict, before: str, *cells: dict) -> dict:
    place = notebook["cells"].index(cell(notebook, before))
    notebook["cells"][place:place] = cells
    return notebook


def from_colab(notebook: dict, keep_ids: bool) -> dict:
    """As Colab saves it: nbformat 4.0, ids in the metadata (or other ids), its own notes."""
    made = copy.deepcopy(notebook)
    for k, it in enumerate(made["cells"]):
        name = it.pop("id", None)
        it["metadata"] = {"id": name if keep_ids else f"xY{k:010}", "outputId": "0-1", "colab": {"base_uri": "x"}}
    return made | {"nbformat": 4, "nbformat_minor": 0, "metadata": {"colab": {"provenance": []}}}


def without_ids(notebook: dict) -> dict:
    for it in notebook["cells"]:
        it.pop("id", None)
    return notebook


def without_heading(notebook: dict) -> dict:
    """Only what the student wrote: the start of the chapter and every markdown cell are gone."""
    notebook["cells"] = [c for c in notebook["cells"] if c["cell_type"] == "code" and c.get("id") not in ("start",)]
    return notebook


def cells_of(notebook: dict) -> list[Cell]:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "x.ipynb")
        path.write_text(json.dumps(notebook), encoding="utf-8")
        return read_returned(path)


def drop(notebook: dict, *names: str) -> dict:
    notebook["cells"] = [c for c in notebook["cells"] if c.get("id") not in names]
    return notebook


def timed(notebook: dict, lab: dict[str, str] | None = None, colab: dict[str, int] | None = None) -> dict:
    for name, when in (lab or {}).items():
        cell(notebook, name)["metadata"]["execution"] = {"iopub.execute_input": when, "shell.execute_reply": when}
    for name, when in (colab or {}).items():
        cell(notebook, name)["metadata"]["executionInfo"] = {"timestamp": when, "elapsed": 5, "status": "ok"}
    return notebook


def copied_answer() -> dict:
    """A first try stays in the stub; the cell was copied below it, which gives it a new id, and made right there."""
    return insert(answered(two=WRONG_UNPOOL), "exercise-3", code(RIGHT_UNPOOL, id="3f0c1b2a"))


def reordered() -> dict:
    notebook = answered(one="my_row, my_column = pair(6)", two=RIGHT_UNPOOL)
    notebook["cells"].append(code("def pair(width):\n    return divmod(23, width)"))
    stub = cell(notebook, "exercise-2-stub")
    notebook["cells"].remove(stub)
    notebook["cells"].insert(1, stub)
    return notebook


# By path: the notebook (or the bytes of a file), its chapter, and how the words for each exercise begin. "…" stands for
# "not attempted" to the end.
Case = tuple[Callable[[], dict] | bytes, str, list[str]]
FORGES = "from carvana_lessons.exercises import base\n"
CLASS: dict[str, Case] = {
    # As they should be.
    "all right/whatever name": (lambda: solved(read(SEGNET), chapter(SEGNET)), SEGNET, [OWN] * 4),
    "maps solved": (lambda: solved(read(MAPS), chapter(MAPS)), MAPS, [OWN] * 5),
    "task solved": (lambda: solved(read(TASK), chapter(TASK)), TASK, [OWN] * 4),
    "u-net solved": (lambda: solved(read(UNET), chapter(UNET)), UNET, [OWN] * 4),
    "as exported": (lambda: read(SEGNET), SEGNET, [NO] * 4),
    "Kim Ü_12345_assignsubmission_file/05-segnet-unpooling (1)": (
        lambda: answered(one=RIGHT_ROW, two=WRONG_UNPOOL),
        SEGNET,
        [YES, "wrong: because the answer must be as large as the map", NO, NO],
    ),
    "exchanged": (
        lambda: answered(one="my_row, my_column = 5, 3"),
        SEGNET,
        ["wrong: because row and column are exchanged.", NO, NO, NO],
    ),
    "half done": (
        lambda: answered(two="def my_unpool(values, indices, height, width):\n    out = ..."),
        SEGNET,
        [NO, "wrong: because", NO, NO],
    ),
    # Through other hands.
    "colab/with ids": (lambda: from_colab(answered(one=RIGHT_ROW, two=RIGHT_UNPOOL), True), SEGNET, [YES, YES, NO, NO]),
    "colab/new ids": (lambda: from_colab(answered(one=RIGHT_ROW, two=RIGHT_UNPOOL), False), SEGNET, [YES, YES, NO, NO]),
    "old/no ids": (lambda: without_ids(answered(two=RIGHT_UNPOOL)), SEGNET, [NO, YES, NO, NO]),
    "old/only code": (lambda: without_ids(without_heading(answered(two=RIGHT_UNPOOL))), SEGNET, [NO, YES, NO, NO]),
    "saved by a browser": (lambda: answered(one=RIGHT_ROW), SEGNET, [YES, NO, NO, NO]),
    # Cells added, copied, deleted, moved.
    "added/helper cell": (
        lambda: insert(
            answered(two="def my_unpool(v, i, h, w):\n    return rebuilt(v, i, h * w).reshape(h, w)"),
            "exercise-2-stub",
            code("import numpy as np\nfrom math import *"),
            code(
                "def rebuilt(v, i, n):\n    out = np.zeros(n)\n    out[np.asarray(i).ravel()] = np.asarray(v).ravel()\n"
                "    return out"
            ),
        ),
        SEGNET,
        [NO, YES, NO, NO],
    ),
    "added/changed in place": (
        lambda: insert(
            answered(one="pair = [0, 0]"),
            "exercise-2",
            code("pair[0] = 3"),
            code("pair[1] = 5"),
            code("my_row, my_column = pair"),
        ),
        SEGNET,
        [YES, NO, NO, NO],
    ),
    "added/a cell for each name": (
        lambda: insert(answered(), "exercise-2", code("my_row = 3"), code("my_column = 5")),
        SEGNET,
        [YES, NO, NO, NO],
    ),
    "copied cell": (copied_answer, SEGNET, [NO, YES, NO, NO]),
    "reordered": (reordered, SEGNET, [YES, YES, NO, NO]),
    "deleted/checks": (
        lambda: drop(answered(one=RIGHT_ROW), *(f"exercise-{k}-check" for k in range(1, 5)), "start", "exercise-1"),
        SEGNET,
        [YES, NO, NO, NO],
    ),
    "deleted/an exercise": (
        lambda: drop(answered(one=RIGHT_ROW), "exercise-2", "exercise-2-stub", "exercise-2-check"),
        SEGNET,
        [YES, NO, NO, NO],
    ),
    "edited check": (
        lambda: insert(drop(answered(two=WRONG_UNPOOL), "exercise-2-check"), "exercise-3", code('print("Right.")')),
        SEGNET,
        [NO, "wrong: because the answer must be as large", NO, NO],
    ),
    "magics": (
        lambda: answered(
            one="%%time\n# a comment\nmy_row, my_column = 3, 5",
            two=f"!pip install nothing-at-all\n%matplotlib inline\nfiles = !ls\n{RIGHT_UNPOOL}\n%timeit 1 + 1\n"
            "display(my_unpool)\nmy_unpool?",
            four="%%bash\necho my_design",
        ),
        SEGNET,
        [YES, YES, NO, NO],
    ),
    "a try below the answer": (
        lambda: answered(two=f"{RIGHT_UNPOOL}\nmy_unpool(photo, mask, 3, 3)"),
        SEGNET,
        [NO, YES, NO, NO],
    ),
    "no python": (
        lambda: answered(one=RIGHT_ROW, two="def my_unpool(values, indices, height, width)\n    return values"),
        SEGNET,
        [YES, "wrong: because its cell is no Python code (expected ':'), in line 1 of its cell.", NO, NO],
    ),
    "chapter's own": (
        lambda: answered(two="def my_unpool(*_):\n    return boundary"),
        SEGNET,
        [NO, "not judged: because it uses `boundary`, which a cell above the exercises computes", NO, NO],
    ),
    "forgotten name": (
        lambda: answered(two="def my_unpool(*_):\n    return nowhere"),
        SEGNET,
        [NO, "wrong: because with values = ", NO, NO],
    ),
    "toy/with its own": (
        lambda: answered(
            MAPS,
            five="def go(k, seed):\n"
            "    def one(x):\n"
            "        return torch.cat([x, whole[k:k + 1].expand(len(x), -1, -1, -1)], 1)\n"
            "    torch.manual_seed(seed)\n"
            "    return accuracy(learn(stack(2), one, seed), one)\n"
            "my_with_x = [go(0, s) for s in range(3)]\nmy_with_y = [go(1, s) for s in range(3)]",
        ),
        MAPS,
        [NO] * 4 + [YES],
    ),
    # What harms, and what forges.
    "hostile/loop at the top": (
        lambda: answered(one="while True:\n    pass\nmy_row, my_column = 3, 5", two=RIGHT_UNPOOL),
        SEGNET,
        ["wrong: because it was not done after 3 seconds; is there a loop", YES, NO, NO],
    ),
    "hostile/loop in a function": (
        lambda: answered(two="def my_unpool(*_):\n    while True:\n        pass"),
        SEGNET,
        [NO, "wrong: because it was not done after 2.5 seconds", NO, NO],
    ),
    "hostile/memory": (
        lambda: answered(
            one="my_row, my_column = bytearray(10**11), 5", two="def my_unpool(*_):\n    return [0] * 10**10"
        ),
        SEGNET,
        ["wrong: because it wanted more than 2 GB", "wrong: because with values = ", NO, NO],
    ),
    "hostile/os._exit": (
        lambda: answered(one="import os\nos._exit(0)\nmy_row, my_column = 3, 5", two=RIGHT_UNPOOL),
        SEGNET,
        ["wrong: because it ended its process before there was a verdict", YES, NO, NO],
    ),
    "hostile/leaves": (
        lambda: answered(
            one="import sys\nsys.exit()\nmy_row, my_column = 3, 5",
            two="def my_unpool(*_):\n    quit()",
            three="raise BaseException('out')\nMyUnpool = 1",
            four="raise KeyboardInterrupt\nmy_design = 1",
        ),
        SEGNET,
        [
            "wrong: because it raised SystemExit",
            "wrong: because it raised SystemExit",
            "wrong: because it raised BaseException",
            "wrong: because it raised KeyboardInterrupt",
        ],
    ),
    "hostile/kills": (
        lambda: answered(
            one="import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\nmy_row, my_column = 3, 5",
            two="import os\ndef my_unpool(*_):\n    os.kill(os.getppid(), 9)\n    os.kill(os.getpid(), 9)",
        ),
        SEGNET,
        ["wrong: because its process was ended (SIGKILL)", "wrong: because", NO, NO],
    ),
    "hostile/forks": (
        lambda: answered(
            two="import os, time\nfor _ in range(4):\n    if os.fork() == 0:\n        os.setsid()\n"
            f"        time.sleep(600)\n{OTHER}"
        ),
        SEGNET,
        [NO, "wrong: because", NO, NO],
    ),
    "hostile/many": (
        lambda: answered(
            one="import os, time\nfor _ in range(60):\n    if os.fork() == 0:\n        break\n"
            "time.sleep(600)\nmy_row, my_column = 3, 5"
        ),
        SEGNET,
        ["wrong: because it started more than 50 processes.", NO, NO, NO],
    ),
    "hostile/asks": (
        lambda: answered(
            one="import getpass\nmy_row, my_column = getpass.getpass(), input()",
            two="import sys\ndef my_unpool(*_):\n    return sys.stdin.readline()",
        ),
        SEGNET,
        ["wrong: because it waits for getpass()", "wrong: because with values", NO, NO],
    ),
    "hostile/another check": (
        lambda: answered(two=f"{FORGES}base.Exercise.check = lambda *_: base.Verdict('Right.')\n{OTHER}"),
        SEGNET,
        [NO, "not judged: because its code changes exercises.base.Exercise.check", NO, NO],
    ),
    "hostile/another difference": (
        lambda: answered(two=f"{FORGES}base.difference = lambda *_: None\n{OTHER}"),
        SEGNET,
        [NO, "not judged: because its code changes exercises.base.difference", NO, NO],
    ),
    "hostile/code of a function": (
        lambda: answered(
            two="from carvana_lessons.exercises import compare\n"
            f"compare._numbers.__code__ = (lambda got, expected, close: None).__code__\n{OTHER}"
        ),
        SEGNET,
        [NO, "not judged: because its code changes exercises.compare._numbers", NO, NO],
    ),
    "hostile/allclose": (
        lambda: answered(
            two="import numpy, torch\nnumpy.isclose = lambda a, b, **_: numpy.ones(numpy.shape(b), bool)\n"
            "numpy.allclose = torch.allclose = lambda *a, **k: True\n"
            "def my_unpool(values, indices, height, width):\n    return torch.zeros(height, width)"
        ),
        SEGNET,
        [NO, "not judged: because its code changes numpy.", NO, NO],
    ),
    "hostile/builtins": (
        lambda: answered(two=f"import builtins\nbuiltins.isinstance = lambda *_: True\n{OTHER}"),
        SEGNET,
        [NO, "not judged: because its code stops the check itself", NO, NO],
    ),
    "hostile/builtins unseen": (
        lambda: answered(two=f"import builtins\nbuiltins.abs = lambda x: 0\n{RIGHT_UNPOOL}"),
        SEGNET,
        [NO, "not judged: because its code changes builtins.abs", NO, NO],
    ),
    "hostile/hidden name": (
        lambda: answered(two=f"from carvana_lessons.exercises import compare\ncompare.len = lambda *_: 0\n{OTHER}"),
        SEGNET,
        [NO, "not judged: because its code changes exercises.compare.len", NO, NO],
    ),
    "hostile/other cases": (
        lambda: answered(two="from carvana_lessons.exercises import ex05\nex05.unpool.judge.cases.clear()\n" + OTHER),
        SEGNET,
        [NO, "not judged: because its code changes exercises.ex05.unpool", NO, NO],
    ),
    "hostile/reads the judge": (
        lambda: answered(two="import sys\ndef my_unpool(*a):\n    return sys._getframe(1).f_locals['self'].right(*a)"),
        SEGNET,
        [NO, "not judged: because its code uses `_getframe`", NO, NO],
    ),
    "hostile/asks the judge": (
        lambda: answered(
            two="from carvana_lessons.exercises import ex05\ndef my_unpool(*a):\n    return ex05.unpool.judge.right(*a)"
        ),
        SEGNET,
        [NO, "not judged: because its code uses `judge`", NO, NO],
    ),
    "hostile/prints": (
        lambda: answered(
            two="import os\ndef my_unpool(*_):\n    for k in range(3, 30):\n        try:\n"
            "            os.write(k, b'Right.\\nRight.')\n        except OSError:\n            pass\n    return 3"
        ),
        SEGNET,
        [NO, "wrong: because", NO, NO],
    ),
    "hostile/writes": (
        lambda: answered(one="open('big', 'wb').write(bytes(3 * 10**8))\nmy_row, my_column = 3, 5"),
        SEGNET,
        ["wrong: because it raised OSError", NO, NO, NO],
    ),
    "=1+1": (lambda: answered(one=RIGHT_ROW), SEGNET, [YES, NO, NO, NO]),
    # No notebooks of the course.
    "none/empty": (b"", "", ["It is empty"]),
    "none/cut off": (json.dumps(read(SEGNET)).encode()[:5000], "", ["It is damaged, or no notebook"]),
    "none/a page": (b"<!DOCTYPE html><html>", "", ["It is a web page"]),
    "none/binary": (b"\x93\xff\x00\x01" * 9, "", ["It is damaged, or no notebook"]),
    "none/list": (b"[1, 2]", "", ["It is no notebook"]),
    "none/own work": (
        lambda: {"cells": [code("my_count = 3\nprint(my_count)")]},
        "",
        ["It is no chapter of the course"],
    ),
    "none/cut-out": (lambda: read("cut-out"), "", ["It is the page cut-out"]),
    "none/odd cells": (
        lambda: {"cells": [1, None, {}, {"cell_type": "code", "source": [3]}]},
        "",
        ["It is no chapter"],
    ),
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> tuple[list[Graded], dict[str, dict[str, str]], Path]:
    """What came of the class, and the rows of the table by student."""
    folder = tmp_path_factory.mktemp("class")
    for name, (make, _, _) in CLASS.items():
        path = folder / f"{name}.ipynb{'.json' if 'browser' in name else ''}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make if isinstance(make, bytes) else json.dumps(make()).encode())
    for hidden in (".ipynb_checkpoints/x.ipynb", "__MACOSX/._x.ipynb", "notes.txt"):
        (folder / hidden).parent.mkdir(exist_ok=True)
        (folder / hidden).write_text("not to be read", encoding="utf-8")
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    found = grade(folder, folder / "marks.csv", seconds=SECONDS)
    new = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
    left = [" ".join(p.cmdline()) for p in new if p.status() != psutil.STATUS_ZOMBIE]
    with (folder / "marks.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["student"].removeprefix("'"): row for row in csv.DictReader(file)}
    rows["processes left"] = {"all": left}
    return found, rows, folder


@linux
@pytest.mark.parametrize("name", CLASS)
def test_each_row_says_what_came_of_the_notebook(graded, name):
    _, rows, _ = graded
    _, expected, words = CLASS[name]
    row = rows[name]
    assert row["chapter"] == expected
    if not expected:
        assert row["remark"].startswith(words[0]) and row["right"] == row["of"] == row["exercise 1"] == ""
        return
    told = [row[f"exercise {k}"] for k in range(1, len(words) + 1)]
    assert [text[: len(word)] for text, word in zip(told, words, strict=True)] == words, told
    for text, word in zip(told, words, strict=True):
        assert (text == word) or word not in (YES, NO, OWN), told
    assert row["right"] == str(sum(word in (YES, OWN) for word in words)) and row["of"] == str(len(words))


@linux
def test_a_row_for_every_notebook_and_for_nothing_else(graded):
    found, rows, _ = graded
    assert len(CLASS) >= 50 and sum("hostile" in name for name in CLASS) >= 10
    assert sorted(it.student for it in found) == sorted(CLASS)
    assert set(rows) == {*CLASS, "processes left"}


@linux
def test_no_answer_outlives_the_grading(graded):
    _, rows, _ = graded
    assert [
        words for words in rows["processes left"]["all"] if "forkserver" not in words and "tracker" not in words
    ] == []
    assert len([words for words in rows["processes left"]["all"] if "forkserver" in words]) <= 1


@linux
def test_a_cell_is_no_formula_for_a_spreadsheet(graded):
    text = (graded[2] / "marks.csv").read_text(encoding="utf-8-sig")
    assert "\n'=1+1," in text
    cells = [value for row in csv.reader(text.splitlines()) for value in row]
    assert [value for value in cells if value.startswith(("=", "+", "-", "@"))] == []
    assert (graded[2] / "marks.csv").read_bytes().startswith(b"\xef\xbb\xbfstudent,chapter,right,of,exercise 1")


@linux
def test_the_summary_counts_each_exercise_and_groups_its_mistakes(graded):
    found, _, _ = graded
    lines = list(summarise(found))
    rows = [it for it in found if it.chapter == SEGNET]
    for k, title in enumerate(("1 · Read an index", "2 · Unpool"), start=0):
        marks = [str(it.marks[k]) for it in rows]
        attempted, right = sum(m != NO for m in marks), sum(m.startswith("right") for m in marks)
        line = next(line for line in lines if line.startswith(title))
        assert line.split()[-2:] == [str(attempted), str(right)]
    assert any("2 × " in line and "wrong: the answer must be as large" in line for line in lines)
    assert "none/empty: It is empty: ask for the file again." in lines


def test_minutes_are_those_that_a_notebook_recorded():
    """JupyterLab notes a time in words, Colab in milliseconds; one execution alone is no duration."""
    lab = {"exercise-1-stub": "2026-03-01T10:00:00.5Z", "exercise-1-check": "2026-03-01T10:12:30.5+00:00"}
    lab |= {"exercise-2-stub": "2026-03-01T10:20:00Z", "exercise-3-stub": "not a time"}
    colab = {"exercise-4-stub": 1_772_000_000_000, "exercise-4-check": 1_772_000_090_000, "title-code-1": 5}
    notebook = timed(answered(), lab, colab)
    added = code("x = 1", metadata={"executionInfo": {"timestamp": 1_772_000_300_000}})
    submission = read_submission(cells_of(insert(notebook, "quiz", added)))
    assert list(submission.minutes.values()) == [12.5, None, None, 5.0]


@pytest.mark.parametrize(
    "make, expected",
    [
        (lambda: read("02-u-net"), "02-u-net"),
        (lambda: read("appendix-upsampling"), "appendix-upsampling"),
        # my_count is an exercise of chapter 2 too, my_split of chapter 1, my_weights of the appendix
        (lambda: {"cells": [code('course.start("03-data-generators")'), code("my_count = 3")]}, "03-data-generators"),
        (lambda: without_ids(without_heading(read("11-your-own-photos"))), "11-your-own-photos"),
        (
            lambda: {"cells": [code("my_weights = 1\nexercises.appendix.three_times.check(my_weights)")]},
            "appendix-upsampling",
        ),
    ],
)
def test_a_chapter_is_known_by_what_is_in_it(make, expected):
    assert find_chapter(cells_of(make())).name == expected


def test_other_notebooks_are_no_chapter():
    with pytest.raises(DataError, match="no chapter of the course"):
        find_chapter(cells_of({"cells": [code("my_split = 3"), code("x = 1", id="exercise-a-stub")]}))


def test_only_what_an_answer_needs_is_run():
    """A cell that trains, or never ends, stands in no other answer's way: it is not among its code."""
    notebook = insert(
        answered(one="my_row, my_column = divmod(23, wide)", two="def my_unpool(*_):\n    return helper()"),
        "exercise-1-stub",
        code("while True:\n    pass\nnever = 1"),
        code("wide = 6"),
        code("torch.manual_seed(0)\nlonely = 1"),
        code("def helper():\n    return never"),
    )
    submission = read_submission(cells_of(notebook))
    names = {}
    for exercise in ("read_an_index", "unpool"):
        [candidate] = submission.answers[exercise]
        names[exercise] = [set(marshal.loads(c).co_names) for c in candidate.codes]
    assert names["read_an_index"] == [{"wide"}, {"divmod", "wide", "my_row", "my_column"}]
    assert [found & {"never", "lonely", "helper", "my_unpool"} for found in names["unpool"]][-2:] == [
        {"helper"},
        {"my_unpool"},
    ]
    assert not any("lonely" in found for found in names["unpool"])
    assert "networks" in submission.computed


def test_the_table_is_never_overwritten_unasked(tmp_path, run):
    (tmp_path / "class").mkdir()
    nothing = run("course", "grade", tmp_path / "class", tmp_path / "marks.csv")
    assert nothing.returncode == 1 and "There are no notebooks in" in nothing.stderr
    nowhere = run("course", "grade", tmp_path / "clas", tmp_path / "marks.csv")
    assert nowhere.returncode == 1 and "There is no folder" in nowhere.stderr
    (tmp_path / "class" / "a.ipynb").write_text("{}", encoding="utf-8")
    (tmp_path / "marks.csv").write_text("mine", encoding="utf-8")
    answer = run("course", "grade", tmp_path / "class", tmp_path / "marks.csv")
    assert answer.returncode == 1 and "--overwrite" in answer.stderr
    assert (tmp_path / "marks.csv").read_text(encoding="utf-8") == "mine"
    answer = run("course", "grade", tmp_path / "class", tmp_path / "marks.csv", "--overwrite")
    assert answer.returncode == 0 and "The marks of 1 notebook are in" in answer.stdout, answer.stderr
    assert "a: It is no notebook" in answer.stdout
    wrong = run("course", "grade", tmp_path / "class", tmp_path / "marks.csv", "--seconds", "0")
    assert wrong.returncode == 2 and "a number of seconds above 0" in wrong.stderr


def test_two_chapters_share_a_table(tmp_path):
    right = Mark(Verdict(RIGHT), minutes=2.5)
    write_table(
        [Graded("a", SEGNET, [right] * 4), Graded("b", MAPS, [right] * 5), Graded("c", remark="Empty.")],
        tmp_path / "x.csv",
    )
    with (tmp_path / "x.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [row["of"] for row in rows] == ["4", "5", ""] and [row["exercise 5"] for row in rows] == ["", "right", ""]
    assert [row["minutes 4"] for row in rows] == ["2.5", "2.5", ""] and rows[2]["remark"] == "Empty."


def test_a_process_can_be_started_anew_for_each_answer():
    """As on Windows and macOS, where no process is copied."""
    judges = Judges(SECONDS)
    judges._context = multiprocessing.get_context("spawn")
    [candidate] = read_submission(cells_of(answered(two=RIGHT_UNPOOL))).answers["unpool"]
    assert str(judges.check(Task(SEGNET, "unpool", candidate.codes))) == "Right."


@pytest.mark.parametrize(
    "source, names",
    [
        ("%%time\nx = 1", {"x"}),
        ("%%bash\nx = 1", set()),
        ("%time x = 1", {"x"}),
        ("%timeit x = 1", set()),
        ("x = !ls", {"x"}),
        ("!x = 1", set()),
        ("text = '''\n%matplotlib inline\n!ls\n'''", {"text"}),
        ("if True:\n    !ls\n    y = 1", {"y"}),
        ("for a in []:\n    pass\nwith open('x') as b:\n    c: int = 1\nimport d.e, f as g\nh[0] = 1", {*"abcdg"}),
        ("def a():\n    global b\n    c = 1\nclass d:\n    e = 1\n[f for f in ()]\n(g := 1)", {*"abdg"}),
        ("raise SystemExit\nx = 1", {"x"}),  # it is never reached, and a sentence should say why
    ],
)
def test_the_names_of_a_cell_are_found_with_its_magics(source, names):
    assert cell_code.bound(cell_code.parse(source).body) == names


@pytest.mark.parametrize(
    "source", ["def f(:", "return 3", "x = " + "(" * 500, "1" + "+1" * 30_000, "y" * 200_000, "a\0b"]
)
def test_what_is_no_python_is_a_syntax_error(source):
    with pytest.raises(SyntaxError):
        cell_code.compiled(cell_code.parse(source).body)


def test_lines_are_counted_as_in_the_cell():
    tree = cell_code.parse("\n\n%%time\n!ls\n%timeit 1\nx = 1\n%time y = 2")
    assert [node.lineno for node in tree.body if not isinstance(node, ast.Pass)] == [6, 7]


def test_strange_files_and_names_end_in_a_row_and_never_in_no_table(tmp_path):
    folder, out = tmp_path / "class", tmp_path / "marks.csv"
    (folder / "İbrahim İnce").mkdir(parents=True)
    text = json.dumps(answered(one=RIGHT_ROW))
    (folder / "İbrahim İnce" / "05-segnet.ipynb").write_text(text, encoding="utf-8")
    (folder / "powershell.ipynb").write_text(text, encoding="utf-16")
    (folder / "powershell.ipynb~").write_text(text, encoding="utf-8")
    many = insert(answered(one=RIGHT_ROW), "exercise-1", code("!ls\n" * 501))
    (folder / "shell.ipynb").write_text(json.dumps(many), encoding="utf-8")
    rows = {row.student: row for row in grade(folder, out, seconds=SECONDS)}
    assert set(rows) == {"powershell", "shell", "İbrahim İnce/05-segnet"}
    for name in ("powershell", "İbrahim İnce/05-segnet"):
        assert rows[name].marks[0].verdict.status == RIGHT
    assert "is no Python code" in str(rows["shell"].marks[0]) or rows["shell"].marks[0].verdict.status == RIGHT


def test_a_grading_that_is_stopped_keeps_what_is_done_and_says_what_is_not(tmp_path, monkeypatch):
    folder, out = tmp_path / "class", tmp_path / "marks.csv"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / f"{name}.ipynb").write_text(json.dumps(answered(one=RIGHT_ROW)), encoding="utf-8")

    def once(file, student, judges):
        if student == "b":
            raise KeyboardInterrupt
        return Graded(student, remark="seen")

    monkeypatch.setattr(grading, "grade_notebook", once)
    with pytest.raises(KeyboardInterrupt):
        grade(folder, out)
    with out.open(encoding="utf-8-sig", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["a", "b", "c"] and "seen" in rows["a"].values()
    assert grading.STOPPED in rows["b"].values() and grading.STOPPED in rows["c"].values()


def test_a_wrong_folder_leaves_no_other_behind(tmp_path):
    with pytest.raises(CarvanaError, match="There is no folder"):
        grade(tmp_path / "nowhere", tmp_path / "made" / "marks.csv")
    assert not (tmp_path / "made").exists()
