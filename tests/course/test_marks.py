"""A reader's marks beside the notebook: kept where somebody reads, lost without a word where that cannot be."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from samples import other_process

from carvana_lessons import course
from carvana_lessons.course import marks
from carvana_lessons.exercises import ex05, ex06

CHAPTER = [marks.Mark("05-x", "5 · X", k, title) for k, title in ((1, "One"), (2, "Two | pipes"))]
READ = [lambda: ex05.read_an_index.check(3, 5), lambda: ex05.read_an_index.check(5, 3)]


@pytest.fixture
def kept(tmp_path, monkeypatch) -> Path:
    """A reader's folder, in which marks are kept."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARVANA_PROGRESS", "1")
    return tmp_path / ".carvana-progress.json"


def test_each_check_is_noted_and_shown(kept, monkeypatch):
    clock = [1_772_000_000.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    for answer, later in (((5, 3), 90), ((3, 5), 600), ((1, 1), 0)):
        ex05.read_an_index.check(*answer)
        clock[0] += later
    ex05.unpool.check(...)  # not attempted
    ex06.the_cost.check("9216", 1)
    shown = course.progress()
    first = shown.marks[0]
    assert (first.state, first.tries, first.minutes) == ("right", 3, 1.5) and first.right == 1_772_000_090.0
    states = [mark.state for mark in shown.marks]
    assert states == ["right", *["not tried"] * 3, "not tried", "tried", *["not tried"] * 3]
    table = shown._repr_markdown_().splitlines()
    assert table[2].startswith("| 5 · SegNet and unpooling | 1 · Read an index | right | 3 | 1.5 | 2026-02-")
    assert table[3] == "|  | 2 · Unpool | not tried |  |  |  |" and table[-1] == "1 of 9 right."
    assert len({line.count(" | ") for line in table[2:-2]}) == 1
    assert "1 · Read an index" in repr(shown) and "|" not in repr(shown)


def test_a_table_of_other_titles_stays_a_table(tmp_path):
    marks.add_mark(CHAPTER, 2, True, tmp_path / "x.json")
    shown = course.Progress(tuple(marks.read_marks(tmp_path / "x.json")))
    assert "2 · Two &#124; pipes" in shown._repr_markdown_() and "Two | pipes" in repr(shown)


def test_nothing_yet_is_told(kept, monkeypatch):
    assert "No exercise was checked yet" in repr(course.progress())
    monkeypatch.setenv("CARVANA_PROGRESS", "0")
    assert "set CARVANA_PROGRESS=1" in course.progress()._repr_markdown_()
    READ[0]()
    assert not kept.exists()


DAMAGED = [
    "",
    "{",
    "[1]",
    '{"marks": 3}',
    '{"marks": [1, {}, {"chapter": 1}]}',
    '{"marks": [{"chapter": "a", "heading": "a", "number": "x", "title": "b"}]}',
    '{"marks": [{"chapter": "a", "heading": "a", "number": 1, "title": "b", "last": 1e300}]}',
    "[" * 100_000,
]


@pytest.mark.parametrize("content", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_file_is_no_error(kept, content):
    kept.write_text(content, encoding="utf-8")
    assert course.progress().marks == ()
    assert str(READ[0]()) == "Right."
    assert course.progress().marks[0].state == "right"
    beside = kept.with_name(f"{kept.name}.damaged")
    assert beside.read_text(encoding="utf-8") == content, "what was in it may be worth mending"
    assert str(READ[0]()) == "Right." and beside.read_text(encoding="utf-8") == content


def test_a_folder_that_cannot_be_written_is_no_error(kept, monkeypatch):
    kept.mkdir()  # as good as a folder of somebody else, for whom root may write everywhere
    assert str(READ[0]()) == "Right."
    monkeypatch.setattr(marks, "place", lambda: Path("/proc/nowhere/x.json"))
    assert str(READ[0]()) == "Right."

    waits = []
    monkeypatch.setattr(marks.time, "sleep", waits.append)
    marks.add_mark([marks.Mark("a", "A", 1, "t")], 1, True, Path("/proc/nowhere/x.json"))
    assert waits == [], "it is not another kernel that one could wait for"

    def broken():
        raise OSError("no current folder")

    monkeypatch.setattr(marks, "place", broken)
    assert str(READ[0]()) == "Right."


def test_another_kernel_that_writes_is_waited_for_and_not_for_long(kept):
    with other_process(kept):
        began = time.monotonic()
        assert str(READ[0]()) == "Right."
        assert time.monotonic() - began > 3 * marks.PAUSE
    assert not kept.exists()


def test_two_kernels_lose_nothing_of_each_other(tmp_path):
    path = tmp_path / "x.json"
    many = [marks.Mark("a", "A", k, "t") for k in range(1, 9)]

    def work(number: int) -> None:
        for _ in range(3):
            while True:  # one that had to give up tries again here
                before = {m.number: m.tries for m in marks.read_marks(path)}.get(number, 0)
                marks.add_mark(many, number, number % 2 == 0, path)
                if {m.number: m.tries for m in marks.read_marks(path)}.get(number, 0) > before:
                    break

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = marks.read_marks(path)
    assert [mark.tries for mark in found] == [3] * 4 + [0] * 4
    assert [mark.state for mark in found][:4] == ["tried", "right"] * 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.json"]


@pytest.mark.parametrize(
    "settings, kernel, colab, expected",
    [
        ({"JPY_SESSION_NAME": "a.ipynb"}, True, False, True),  # JupyterLab
        ({}, True, True, True),  # Colab
        ({}, True, False, False),  # nbmake, nbconvert, the build of the pages
        ({"JPY_SESSION_NAME": "a.ipynb"}, False, False, False),  # a script that a notebook has started; grading
        ({"JPY_SESSION_NAME": "a.ipynb", "CI": "true"}, True, False, False),
        ({"JPY_SESSION_NAME": "a.ipynb", "PYTEST_CURRENT_TEST": "x"}, True, False, False),  # a build from a notebook
        ({"JPY_SESSION_NAME": "a.ipynb", "CARVANA_PROGRESS": "0"}, True, False, False),
        ({"CARVANA_PROGRESS": "1", "CI": "true"}, False, False, True),
    ],
)
def test_marks_are_kept_where_somebody_reads(monkeypatch, settings, kernel, colab, expected):
    for name in ("JPY_SESSION_NAME", "CI", "PYTEST_CURRENT_TEST", "CARVANA_PROGRESS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    shell = SimpleNamespace(kernel=1) if kernel else None
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(marks.colab, "in_colab", lambda: colab)
    assert marks.are_kept() is expected


def test_in_colab_they_lie_where_the_rest_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("CARVANA_KEEP", str(tmp_path))
    assert marks.place() == Path.cwd() / ".carvana-progress.json"
    monkeypatch.setattr(marks.colab, "in_colab", lambda: True)
    assert marks.place() == tmp_path / ".carvana-progress.json"


NOTEBOOK = {
    "cells": [
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "id": "a", "source": source}
        for source in (
            "from carvana_lessons import course\nfrom carvana_lessons.exercises import ex05\n"
            "ex05.read_an_index.check(3, 5)",
            "course.progress()",
        )
    ],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}


@pytest.mark.parametrize("reader", [True, False])
def test_a_kernel_of_jupyterlab_keeps_marks_and_a_build_does_not(tmp_path, reader):
    """A real kernel, as JupyterLab starts it and as nbmake does."""
    (tmp_path / "a.ipynb").write_text(json.dumps(NOTEBOOK), encoding="utf-8")
    code = "import sys, nbformat, nbclient\nnb = nbformat.read('a.ipynb', 4)\nnbclient.NotebookClient(nb).execute()\n"
    code += "print(nb.cells[1].outputs[0].data['text/markdown'])"
    unset = ("PYTEST_CURRENT_TEST", "CI", "CARVANA_PROGRESS", "JPY_SESSION_NAME")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"JPY_SESSION_NAME": "a.ipynb"} if reader else {}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    assert ("1 · Read an index | right | 1 | 0 |" in done.stdout) is reader
    assert (tmp_path / ".carvana-progress.json").exists() is reader
