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


@pytest.mark.parametrize("exercise", [e for e in ALL if isinstance(e.values[0].judge, Function)])
def test_the_solution_works_with_what_a_check_hands_over_first(exercise):
    """Arrays or tensors, as the task speaks of them: the second try is for answers that think of the other kind."""
    namespace = {}
    exec(f"{exercise.given}\n{exercise.answer}", namespace)  # a string of ours
    (name,) = exercise.names
    assert exercise.judge._judge(namespace[name], lambda value: value) == (None, False)


@pytest.mark.parametrize("exercise", ALL)
def test_to_look_at_an_exercise_does_not_give_it_away(exercise):
    assert exercise.title in repr(exercise) and ".hint()" in repr(exercise)
    assert not any(line in repr(exercise) for line in exercise.answer.splitlines() if len(line) > 8)


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
