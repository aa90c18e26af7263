"""A case's stub is faulty code: unchanged it is not attempted, however it is laid out; changed, it is checked."""

import inspect
import json
from pathlib import Path

import pytest
import torch

from carvana_lessons.exercises import ex12
from carvana_lessons.exercises.case import Case
from carvana_lessons.exercises.chapters import chapter
from carvana_lessons.exercises.grading import grade
from carvana_lessons.exercises.minutes import minutes
from carvana_lessons.exercises.notebook import solved
from carvana_lessons.exercises.returned_notebook import read_returned
from carvana_lessons.exercises.submitted import read_submission

NAME = "12-the-clinic"
BOOK = Path(__file__).resolve().parents[2] / "book"
CASES = [value for value in vars(ex12).values() if isinstance(value, Case)]
NOT_ATTEMPTED = "Not attempted yet."


def submit(case: Case, code: str) -> str:
    names: dict = {}
    exec(f"{case.given}\n{code}", names)  # a string of ours
    return str(case.check(*(names[name] for name in case.names)))


LAYOUTS = {
    "as it is": lambda stub: stub,
    "comment": lambda stub: f"# what is wrong here?\n{stub.replace(':', ':  # here?', 1)}",
    "imports": lambda stub: f"import torch\nfrom torch.nn import functional as F\nimport random\n{stub}",
    "blank": lambda stub: stub.replace("\n    ", "\n\n    ", 1),
    "long": lambda stub: stub.replace("(logits, target)", "(\n        logits,\n        target,\n    )"),
    "pass": lambda stub: stub.replace("\n    ", "\n    pass\n    ", 1),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.names[0])
def test_faulty_code_that_nobody_changed_is_not_attempted(case, layout):
    assert submit(case, LAYOUTS[layout](case.stub)) == NOT_ATTEMPTED


def test_whatever_does_something_else_is_checked():
    case = ex12.targets
    body = case.stub.split(":\n", 1)[1]
    assert submit(case, f"def my_loss(masks, logits):\n{body}").startswith("Wrong: because")
    assert submit(case, case.stub.replace("masks.float()", "masks.double()")).startswith("Wrong: because")
    for thing in (3, None, "my_loss", print, case):
        assert str(case.check(thing)).startswith("Wrong: because")

    class Odd:
        def __getattr__(self, name):
            raise RuntimeError(name)

    def endless(logits, masks):
        return logits

    endless.__wrapped__ = endless
    assert all(str(case.check(thing)).startswith("Wrong: because") for thing in (Odd(), endless))


def test_a_decorator_counts():
    kept = ex12.mode.stub.removeprefix("@torch.no_grad()\n")
    assert kept != ex12.mode.stub and submit(ex12.mode, kept) != NOT_ATTEMPTED
    assert submit(ex12.mode, ex12.mode.stub) == NOT_ATTEMPTED


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.names[0])
def test_the_faulty_functions_take_what_their_repair_takes(case):
    names: dict = {}
    exec(f"{case.given}\n{case.answer}", names)  # a string of ours
    for name, function in vars(case.faulty()).items():
        assert inspect.signature(function) == inspect.signature(names[name])


def test_the_chapter_as_it_is_handed_out_holds_no_answer(tmp_path):
    for name in (NAME, "01-the-task"):
        assert not any(read_submission(read_returned(BOOK / f"{name}.ipynb")).answers.values()), name
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "empty.ipynb").write_bytes((BOOK / f"{NAME}.ipynb").read_bytes())
    [row] = grade(tmp_path / "class", tmp_path / "marks.csv")
    assert row.chapter == NAME and row.right == 0
    assert {str(mark) for mark in row.marks} == {"not attempted"}


def test_the_chapter_solved_is_right_in_each_case(tmp_path):
    notebook = json.loads((BOOK / f"{NAME}.ipynb").read_text(encoding="utf-8"))
    (tmp_path / "solved.ipynb").write_text(json.dumps(solved(notebook, chapter(NAME))), encoding="utf-8")
    [row] = grade(tmp_path, tmp_path / "marks.csv")
    assert {str(mark) for mark in row.marks} == {"right (the course's own solution)"} and row.right == len(CASES)


def test_rates_that_the_explanation_names_are_right_and_ten_times_more_is_not():
    for rate, status in ((0.001, "Right."), (0.003, "Right."), (0.01, "Right."), (0.1, "Wrong: because")):
        told = str(ex12.rate.check(lambda model, rate=rate: torch.optim.Adam(model.parameters(), lr=rate)))
        assert told.startswith(status), (rate, told)


def test_its_minutes_are_those_of_all_cases():
    notebook = json.loads((BOOK / f"{NAME}.ipynb").read_text(encoding="utf-8"))
    assert minutes(notebook).exercises == sum(e.minutes for e in chapter(NAME).exercises.values()) > 40
