"""Every exercise: its solution is right, its stub not attempted, and plausible mistakes are told by their names."""

import pytest

from carvana_lessons.exercises.base import Exercise, Function, Value
from carvana_lessons.exercises.chapters import CHAPTERS, chapter

ALL = [
    pytest.param(exercise, id=f"{found.module}.{name}")
    for found in map(chapter, CHAPTERS)
    for name, exercise in found.exercises.items()
]


def submit(exercise: Exercise, code: str):
    """What `check` says to code that defines the stub's names."""
    namespace = {}
    exec(code, namespace)  # a string of ours
    return exercise.check(*(namespace[name] for name in exercise.names))


@pytest.mark.parametrize("exercise", ALL)
def test_the_solution_is_right(exercise):
    assert str(submit(exercise, f"{exercise.given}\n{exercise.answer}")) == "Right."


@pytest.mark.parametrize("exercise", ALL)
def test_the_stub_is_not_attempted(exercise):
    prelude = "import numpy as np, torch\nfrom torch import nn\nfrom dataclasses import dataclass\n"
    prelude += "from carvana_lessons import data, models; from carvana_lessons.evaluation import metrics\n"
    prelude += "from carvana_lessons.training import losses\n"
    assert str(submit(exercise, prelude + exercise.stub)) == "Not attempted yet."


@pytest.mark.parametrize("exercise", ALL)
def test_mistakes_are_told_by_their_names(exercise):
    judge, told = exercise.judge, {}
    if isinstance(judge, Function | Value):
        for sentence, mistake in judge.faults.items():
            several = len(exercise.names) > 1
            told[sentence] = str(exercise.check(*mistake) if several else exercise.check(mistake))
    for code, word in exercise.faults.items():
        told[word] = str(submit(exercise, code))
    assert len(told) >= 3
    assert {word: text for word, text in told.items() if not (text.startswith("Wrong: because") and word in text)} == {}
