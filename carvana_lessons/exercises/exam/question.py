"""One question of an exam, and how its numbers are written."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Value = int | float | str | tuple


@dataclass(frozen=True)
class ExamQuestion:
    """A question with its model answer, for one draw of its numbers.

    Attributes:
        title: in a few words.
        points: that a full answer gets; the answer says for what.
        task: Markdown.
        answer: Markdown; it holds every number of ``result`` as `shown` writes it.
        given: the numbers that were drawn.
        result: the numbers asked for, computed from them.
        wrong: of a question about code, the code as it stands in the task.
        right: the same, mended.
        probe: an expression with another value after ``wrong`` than after ``right``.
    """

    title: str
    points: int
    task: str
    answer: str
    given: Mapping[str, Value] = field(default_factory=dict)
    result: Mapping[str, Value] = field(default_factory=dict)
    wrong: str = ""
    right: str = ""
    probe: str = ""


Maker = Callable[[random.Random], ExamQuestion]


def shown(value: Value) -> str:
    """A number as an answer writes it: whole ones in full, others with four digits.

    Args:
        value: a number, several, or a text.

    Returns:
        a text.
    """
    if isinstance(value, tuple):
        return ", ".join(map(shown, value))
    if isinstance(value, str):
        return value
    return (f"{value:,}" if isinstance(value, int) else f"{value:.4g}").replace("-", "−")


def about_code(title: str, points: int, task: str, wrong: str, right: str, why: str, probe: str) -> ExamQuestion:
    """A question about code with a fault.

    Args:
        title: in a few words.
        points: that a full answer gets.
        task: what the code is meant to do, in Markdown.
        wrong: code that runs, and does something else.
        right: the same, mended.
        why: what is wrong, and for what there are points.
        probe: an expression with another value after ``wrong`` than after ``right``.

    Returns:
        the question.
    """
    return ExamQuestion(
        title,
        points,
        f"{task}\n\n```python\n{wrong.strip()}\n```\n\nWhat is wrong? Say what happens, and mend it.",
        f"{why}\n\n```python\n{right.strip()}\n```",
        wrong=wrong,
        right=right,
        probe=probe,
    )


def table(rows: list[list[int]]) -> str:
    """Whole numbers in rows, as a block of code.

    Args:
        rows: of equal length.

    Returns:
        Markdown.
    """
    width = max(len(str(value)) for row in rows for value in row)
    return "```text\n" + "\n".join(" ".join(f"{value:{width}}" for value in row) for row in rows) + "\n```"
