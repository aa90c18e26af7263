"""What stands around the exercises: the sandbox, the comparison of answers, quizzes, notebooks for a class."""

import builtins
import getpass
import json
import random
import shutil
import sys
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from samples import other_process

from carvana_lessons.exercises import ex02, ex05, ex06
from carvana_lessons.exercises.chapters import CHAPTERS, PAGES, chapter
from carvana_lessons.exercises.compare import difference, shown
from carvana_lessons.exercises.minutes import LINE, minutes, with_minutes
from carvana_lessons.exercises.notebook import export, refresh, refresh_folder, write
from carvana_lessons.exercises.quiz import Choice, Question
from carvana_lessons.exercises.sandbox import run
from carvana_lessons.utils.errors import CarvanaError

BOOK = Path(__file__).resolve().parents[2] / "book"


def never_ends(*_):
    while True:
        pass


def swallows_everything(*_):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


def takes_ten_gigabytes(*_):
    return np.ones(10 * 2**30 // 8)


def takes_ten_gigabytes_in_torch(*_):
    return torch.ones(10 * 2**30 // 4)


def raises(*_):
    raise ValueError("boo")


def leaves(*_):
    raise SystemExit


def calls_itself(*values):
    return deeper(values)


def deeper(values):  # Python 3.13.0 to 3.13.7 count no calls with defaults or a star: theirs end with the memory
    return deeper(values)


def prints(*_):
    for k in range(5000):
        print(k)
    return 1


def takes_one(_):
    return 1


SILLY = {
    never_ends: "was not done after 2.5 seconds",
    swallows_everything: "was not done after 2.5 seconds",
    takes_ten_gigabytes: "wanted more than 2 GB of memory",
    takes_ten_gigabytes_in_torch: "wanted more than 2 GB of memory",
    raises: "raised ValueError: boo",
    leaves: "raised SystemExit",
    calls_itself: "calls itself without end",
    prints: "expected shape (2, 4), got a number",
    takes_one: "raised TypeError",
}


@pytest.mark.parametrize("answer", SILLY, ids=lambda f: f.__name__)
def test_whatever_is_handed_in_a_sentence_comes_back(answer, capsys):
    verdict = str(ex05.unpool.check(answer))
    assert verdict.startswith("Wrong: because ") and SILLY[answer] in verdict and len(verdict.splitlines()) == 1
    assert capsys.readouterr() == ("", "")
    before = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - before < 0.1, "it is still running"


def test_who_waited_for_the_processor_gets_more_time_but_not_for_ever(monkeypatch):
    """On a busy machine the process computes for less than what the clock says; here it is said to compute nothing."""
    monkeypatch.setattr(time, "process_time", lambda: 0.0)
    assert run(lambda: time.sleep(0.3) or "done", seconds=0.2).value == "done"
    assert "not done after 0.2 seconds" in run(lambda: threading.Event().wait(3), seconds=0.2).problem


@pytest.mark.parametrize("answer", [None, 5, "text", [], object(), int], ids=lambda v: type(v).__name__)
def test_what_is_no_function_is_refused_in_words(answer):
    assert str(ex05.unpool.check(answer)).startswith("Wrong: because ")


def test_the_wrong_number_of_answers_is_told():
    assert "my_row and my_column" in str(ex05.read_an_index.check(3))
    assert str(ex05.read_an_index.check(3, ...)) == "Not attempted yet."


def test_a_check_leaves_random_numbers_and_arguments_alone():
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    kept = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002

    def draws_and_spoils(values, indices, height, width):
        values += torch.rand(1)
        np.random.rand(5)  # noqa: NPY002
        random.random()
        return values

    before = [[a.clone() if isinstance(a, torch.Tensor) else a for a in case] for case in ex05.unpool.judge.cases]
    ex05.unpool.check(draws_and_spoils)
    assert torch.equal(torch.get_rng_state(), kept[0])
    assert np.array_equal(np.random.get_state()[1], kept[1])  # noqa: NPY002
    assert random.getstate() == kept[2]
    for old, new in zip(before, ex05.unpool.judge.cases, strict=True):
        assert all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(old, new, strict=True))


def test_memory_is_free_again_after_a_check():
    assert "memory" in run(takes_ten_gigabytes).problem
    assert np.empty(2**29).nbytes == 2**32  # more than a check may take


@pytest.mark.parametrize(
    "got",
    [
        np.array([[1, 2], [3, 4]], dtype=np.uint8),
        np.array([[1, 2], [3, 4]], dtype=np.float16),
        torch.tensor([[1.0, 2], [3, 4]], dtype=torch.float64, requires_grad=True),
        torch.tensor([[1, 2], [3, 4]]),
        [[1, 2], [3, 4]],
        ((1.0, 2.0), (3, 4)),
        [torch.tensor([1, 2]), torch.tensor([3, 4])],
        [[torch.tensor(1.0, requires_grad=True), 2], [3, np.float32(4)]],
        torch.tensor([[1, 2], [3, 4]], dtype=torch.bfloat16),
        iter([[1, 2], [3, 4]]),
    ],
    ids=lambda v: type(v).__name__,
)
def test_numbers_count_however_they_are_held(got):
    assert difference(got, torch.tensor([[1.0, 2], [3, 4]])) is None


@pytest.mark.parametrize(
    "got, expected, words",
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), "expected shape (3, 2), got shape (2, 3)"),
        ([1, 2, 4], [1, 2, 3], "expected [1, 2, 3], got [1, 2, 4]"),
        ([1, 2.5], [1, 2], "expected [1, 2], got [1.0, 2.5]"),
        (np.arange(100), np.arange(100) + (np.arange(100) == 40), "at (40,) expected 41, got 40"),
        (32_800_000, 32_799_554, "expected 32799554, got 32800000"),  # whole numbers are right or wrong
        (1e-4, 1e-5, "expected 1e-05, got 0.0001"),
        (5e-5, 0.0, "expected 0.0, got 5e-05"),
        ("5", 5, "'5' is a text (str); a number was asked for"),
        ([5], 5, "[5] holds one number (it is of type list)"),
        (torch.tensor([5]), 5, "[5] holds one number (it is of type Tensor)"),
        ([5, 6], 5, "expected a number, got shape (2,)"),
        (3 + 4j, 3, "expected a number"),
        ([1, None], [1.0, 2.0], "expected shape (2,), got [1, None]"),
        (10**400, 3, "expected a number"),
        (torch.zeros(2, device="meta"), [0, 0], "expected shape (2,)"),
        ([[1], [2]], {1, 2}, "expected {1, 2}"),
        (3, None, "expected None, got 3"),
        (None, 3, "is a `return` missing?"),
        ("b", "a", "expected 'a', got 'b'"),
        ({"a": 1}, {"a": 2}, "at 'a': expected 2, got 1"),
        ({"b": 1}, {"a": 1}, "expected the keys"),
        (("x", 2), ("x", 3), "value 2 of 2"),
        ([1], ("x", 3), "expected 2 values, got 1"),
        ({1, 2}, {1, 3}, "expected {1, 3}"),
        (object(), 3, "expected a number"),
        (float("nan"), 3, "expected 3, got nan"),
    ],
)
def test_a_difference_is_told_in_a_few_words(got, expected, words):
    assert words in difference(got, expected)


def test_sets_and_none_compare_too():
    assert difference(np.array([1, 2]), {1, 2}) is None
    assert difference(None, None) is None
    assert difference(0.1 + 0.2, 0.3) is None


def test_a_number_in_quotation_marks_is_told_so_whoever_judges():
    for wrong, words in (("9216", "is a text (str)"), ([9216], "holds one number"), (np.array([9216]), "ndarray")):
        told = str(ex06.the_cost.check(wrong, 1))
        assert told.startswith("Wrong: because") and words in told


ASKS = {
    "input()": lambda: input("How wide? "),
    "getpass()": lambda: getpass.getpass("How wide? "),
    "sys.stdin": lambda: next(sys.stdin),
    "sys.stdin ": lambda: sys.stdin.read(),
    " sys.stdin": lambda: sys.stdin.readline(),
}


@pytest.mark.parametrize("name", ASKS)
def test_an_answer_that_asks_for_something_typed_does_not_wait(name):
    before = builtins.input, getpass.getpass, sys.stdin
    told = str(ex05.unpool.check(lambda *_: ASKS[name]()))
    assert f"it waits for {name.strip()}, and in a check nobody types" in told and "loop" not in told
    assert (builtins.input, getpass.getpass, sys.stdin) == before


def test_a_verdict_is_a_sentence():
    told = str(ex05.unpool.check(lambda *_: 3))
    assert told.startswith("Wrong: because with values = ") and " the answer is wrong: expected shape" in told


def test_a_line_of_a_library_is_not_the_readers():
    import statistics

    def calls_a_library(*_):
        return statistics.mean([])  # the reader's line

    here = calls_a_library.__code__.co_firstlineno + 1
    assert f"in line {here} of its cell" in str(ex05.unpool.check(calls_a_library))


def test_a_later_error_does_not_hide_an_earlier_difference():
    def half(values, indices, height, width):
        if height == 2:
            return np.zeros((2, 4))
        raise KeyError

    assert "expected [[" in str(ex05.unpool.check(half)) and "KeyError" not in str(ex05.unpool.check(half))


def test_a_torch_only_mistake_is_told_by_its_name():
    def my_gradient(logit, y):
        return torch.sigmoid(logit)  # of NumPy arrays it makes an error

    assert "the truth is missing" in str(ex02.pull.check(my_gradient))


def test_a_value_that_is_none_is_told():
    assert "run the cell" in str(ex02.count.check(None))


def test_several_stubs_are_not_attempted_together():
    assert str(ex05.unpool.check(lambda *_: (..., ...))) == "Not attempted yet."


def test_a_long_value_is_cut():
    assert len(shown(np.zeros(1000))) < 200


def test_hints_come_one_after_the_other_and_the_last_stays():
    first, second, again = (ex05.unpool.hint().markdown for _ in range(3))
    assert first != second == again and "(2 of 2)" in second


def test_a_question_has_one_right_answer():
    with pytest.raises(ValueError, match="exactly one"):
        Question("?", (Choice("a", "b"), Choice("c", "d")))


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_chapter_has_three_exercises_and_a_quiz(name):
    found = chapter(name)
    assert len(found.exercises) >= 3 and 2 <= len(found.quiz.questions) <= 4
    minutes = [exercise.minutes for exercise in found.exercises.values()]
    assert minutes == sorted(minutes) and minutes[-1] <= 20
    for question in found.quiz.questions:
        assert all(choice.why for choice in question.choices)
    rights = {next(k for k, c in enumerate(q.choices) if c.right) for q in found.quiz.questions}
    assert len(rights) > 1 or len(found.quiz.questions) < 3  # not always the same place


@pytest.mark.parametrize("name", CHAPTERS)
def test_no_two_exercises_of_a_chapter_define_one_name(name):
    names = [defined for exercise in chapter(name).exercises.values() for defined in exercise.names]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_chapters_hold_the_exercises_as_they_are(name):
    notebook = json.loads((BOOK / f"{name}.ipynb").read_text(encoding="utf-8"))
    assert refresh(notebook, chapter(name)) == notebook, "`carvana-lessons course refresh` brings them up to date."


@pytest.mark.parametrize("name", [*CHAPTERS, *PAGES])
def test_the_minutes_stand_under_the_title_once(name):
    notebook = json.loads((BOOK / f"{name}.ipynb").read_text(encoding="utf-8"))
    assert with_minutes(notebook) == notebook, "`carvana-lessons course refresh` brings them up to date."
    text = "".join(notebook["cells"][0]["source"])
    assert len(LINE.findall(text)) == 1 and text.index("*About ") < 60_000  # the picture alone stands before it
    cell = {"cell_type": "markdown", "metadata": {}, "source": "word " * 1500}
    longer = with_minutes(notebook | {"cells": [*notebook["cells"], cell]})
    assert minutes(longer).reading == minutes(notebook).reading + 10 and with_minutes(longer) == longer
    said = "".join(longer["cells"][0]["source"])
    assert f"\n\n*{str(minutes(longer)).capitalize()}.*\n\n" in said and len(LINE.findall(said)) == 1
    assert with_minutes({"cells": []}) == {"cells": []}


def test_all_chapters_have_exercises():
    assert sorted([*CHAPTERS, *PAGES]) == sorted(path.stem for path in BOOK.glob("*.ipynb"))


def test_copies_for_a_class(tmp_path):
    tried = tmp_path / "book"
    shutil.copytree(BOOK, tried, ignore=shutil.ignore_patterns("_*", ".*"))
    (tried / "Untitled.ipynb").write_text("{}", encoding="utf-8")
    mine = json.loads((tried / "05-segnet-unpooling.ipynb").read_text(encoding="utf-8"))
    next(c for c in mine["cells"] if c["id"] == "exercise-2-stub")["source"] = ["my_unpool = 'mine'"]
    (tried / "05-segnet-unpooling.ipynb").write_text(json.dumps(mine), encoding="utf-8")
    archive = export(tried, tmp_path / "students")
    name = "05-segnet-unpooling.ipynb"
    student = (tmp_path / "students" / name).read_text(encoding="utf-8")
    assert json.loads(student) == json.loads((BOOK / name).read_text(encoding="utf-8"))
    names = {path.stem for path in (tmp_path / "students").iterdir()}
    assert names == {*CHAPTERS, *PAGES, "INSTALL"}  # not Untitled.ipynb
    export(BOOK, tmp_path / "instructors", solutions=True)
    cells = {
        c["id"]: "".join(c["source"])
        for c in json.loads((tmp_path / "instructors" / name).read_text(encoding="utf-8"))["cells"]
    }
    assert cells["exercise-1-stub"] == ex05.read_an_index.answer
    assert cells["exercise-1-explanation"] == ex05.read_an_index.explanation
    every = [e for n in CHAPTERS for e in chapter(n).exercises.values()]
    answers = [line for e in every if (line := e.answer.strip().splitlines()[-1]) not in e.stub]
    assert len(answers) > len(every) - 5  # a case's faulty code may end as the mended one does
    assert [line for line in answers if line.strip() and json.dumps(line)[1:-1] in student] == []
    with zipfile.ZipFile(archive) as packed:
        assert f"students/{name}" in packed.namelist()
    with pytest.raises(CarvanaError, match="students exists already"):
        export(BOOK, tmp_path / "students")
    shutil.rmtree(tmp_path / "students")
    stamp = archive.read_bytes()
    with pytest.raises(CarvanaError, match=r"students\.zip exists already"):
        export(BOOK, tmp_path / "students")
    assert archive.read_bytes() == stamp and not (tmp_path / "students").exists()


def test_copies_of_two_kinds_are_never_mixed_under_one_name(tmp_path):
    with other_process(tmp_path / "class"), pytest.raises(CarvanaError, match="Another process is writing"):
        export(BOOK, tmp_path / "class")
    assert not (tmp_path / "class").exists() and not (tmp_path / "class.zip").exists()


def test_a_notebook_without_its_headings_is_refused():
    with pytest.raises(CarvanaError, match="needs one"):
        refresh({"cells": []}, chapter("05-segnet-unpooling"))


def test_a_zip_file_of_last_year_stays_and_so_does_a_linked_chapter(tmp_path):
    (tmp_path / "students.zip").write_bytes(b"of last year")
    with pytest.raises(FileExistsError, match=r"students\.zip exists already"):
        export(BOOK, tmp_path / "students")
    assert [p.name for p in tmp_path.iterdir()] == ["students.zip"]
    assert (tmp_path / "students.zip").read_bytes() == b"of last year"
    (tmp_path / "book").mkdir()
    (tmp_path / "real.ipynb").write_text(
        (BOOK / "01-the-task.ipynb").read_text(encoding="utf-8").replace("my_dice", "your_dice"), encoding="utf-8"
    )
    (tmp_path / "book" / "01-the-task.ipynb").symlink_to(tmp_path / "real.ipynb")
    assert refresh_folder(tmp_path / "book") == ["01-the-task"]
    assert (tmp_path / "book" / "01-the-task.ipynb").is_symlink()
    assert (tmp_path / "real.ipynb").read_bytes() == (BOOK / "01-the-task.ipynb").read_bytes()


def test_a_chapter_is_refreshed_whole_or_not_at_all(tmp_path):
    """A disk that is full, a process that is killed: what an author wrote is still there."""
    path = tmp_path / "chapter.ipynb"
    path.write_text("what an author wrote", encoding="utf-8")
    with pytest.raises(TypeError):
        write(path, {"cells": [object()]})
    other = tmp_path / "second name"
    other.hardlink_to(path)
    write(path, {"cells": []})
    assert other.read_text(encoding="utf-8") == "what an author wrote", "a file beside it took its place in one step"
    assert path.read_text(encoding="utf-8") == '{\n "cells": []\n}\n' and len(list(tmp_path.iterdir())) == 2
