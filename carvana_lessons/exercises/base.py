"""The exercise class: a task, a stub, a check, hints and a solution, in one place."""

from __future__ import annotations

import ast
import copy
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from carvana_lessons.exercises.compare import CLOSE, difference, other_kind, shown
from carvana_lessons.exercises.sandbox import SECONDS, describe, run

NOT_ATTEMPTED, WRONG, RIGHT = "Not attempted yet.", "Wrong", "Right."
ELSEWHERE = "Your instructor has it."


class NotAttempted(Exception):
    """The stub is still as it was."""


def attempted(value: Any) -> Any:
    """The value, unless it is still the stub's ``...``.

    Args:
        value: of a stub's name.

    Returns:
        the same value.

    Raises:
        NotAttempted: if it is.
    """
    if value is ... or (isinstance(value, tuple) and value and all(part is ... for part in value)):
        raise NotAttempted
    return value


@dataclass(frozen=True)
class Verdict:
    """The result of `Exercise.check`.

    Attributes:
        status: `NOT_ATTEMPTED`, `WRONG` or `RIGHT`.
        why: for a wrong answer, the sentence that says what is wrong.
    """

    status: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.status}: because {self.why}" if self.why else self.status

    __repr__ = __str__


@dataclass(frozen=True)
class Text:
    """Markdown that JupyterLab, Colab and the page show alike, and that reads well as plain text.

    Attributes:
        markdown: what is shown.
    """

    markdown: str

    def _repr_markdown_(self) -> str:
        return self.markdown

    def __repr__(self) -> str:
        return self.markdown


class Function:
    """Judges a function by what it returns.

    Args:
        right: a function that is right; its parameters' names are used in messages.
        cases: tuples of arguments, the smallest first. Arrays in them are handed over as they are; where an answer does
            not work with them, it is tried again with torch tensors in place of NumPy arrays or the other way round,
            and that counts too.
        faults: a sentence's end ("x and y are exchanged") and a function that makes that mistake. An answer that agrees
            with one of them in all cases is told that sentence.
        close: allowed relative and absolute difference of numbers.
    """

    def __init__(
        self,
        right: Callable,
        cases: Sequence[tuple],
        faults: Mapping[str, Callable],
        close: float = CLOSE,
    ) -> None:
        self.right, self.cases, self.faults, self.close = right, cases, faults, close

    def __call__(self, answer: Any) -> str | None:
        """Compare the reader's function with the right one, case by case.

        Args:
            answer: the reader's function.

        Returns:
            None if they agree, else the end of a sentence that begins with "because".
        """
        if not callable(answer):
            return f"a function was asked for, not {shown(answer)}."
        began = time.monotonic()
        first, raised = self._judge(answer, lambda value: value)
        arrays = any(isinstance(value, np.ndarray | torch.Tensor) for case in self.cases for value in case)
        quick = time.monotonic() - began < SECONDS / 3  # a second try must not run into the time limit
        if first is None or not (arrays and quick):
            return first
        second, raised_again = self._judge(answer, _exchanged)
        return second if second is None or (raised and not raised_again) else first

    def _judge(self, answer: Callable, convert: Callable[[Any], Any]) -> tuple[str | None, bool]:
        """What is wrong, None for nothing; and whether it is that an error was raised."""
        given, failed = [], None
        for case in self.cases:
            try:
                value = attempted(self._outcome(answer, _copies(case, convert)))
            except NotAttempted:
                raise
            except Exception as error:
                return failed or f"{self._call(case)} {describe(error)}", failed is None
            given.append(value)
            wrong = difference(value, self._outcome(self.right, _copies(case)), self.close)
            if wrong and failed is None:
                failed = f"{self._call(case)} the answer is wrong: {wrong}"
        if failed is None:
            return None, False
        named = next((text for text, fault in self.faults.items() if self._same(given, fault)), None)
        return (f"{named}. {failed[0].upper()}{failed[1:]}" if named else failed), False

    def _same(self, given: list, fault: Callable) -> bool:
        """Whether the answers are those of a known mistake."""
        try:
            return all(
                difference(value, self._outcome(fault, _copies(case)), self.close) is None
                for value, case in zip(given, self.cases, strict=True)
            )
        except Exception:  # the mistake does not get through all cases
            return False

    def _outcome(self, function: Callable, arguments: list) -> Any:
        """What is compared of a function."""
        return function(*arguments)

    @property
    def _names(self) -> list[str]:
        """What a case's arguments are called."""
        return list(inspect.signature(self.right).parameters)

    def _call(self, case: tuple) -> str:
        names = self._names
        return "with " + ", ".join(f"{name} = {shown(value)}" for name, value in zip(names, case, strict=False))


class Value:
    """Judges a value, or several that belong together.

    Args:
        right: the value, a tuple of several, or a function that computes it when it is needed.
        faults: a sentence's end and the value (or values) that this mistake leads to.
        close: allowed relative and absolute difference of numbers.
    """

    def __init__(self, right: Any, faults: Mapping[str, Any], close: float = CLOSE) -> None:
        self.right, self.faults, self.close = right, faults, close

    def __call__(self, *answers: Any) -> str | None:
        """Compare the reader's values with the right ones.

        Args:
            answers: the reader's values.

        Returns:
            None if they agree, else the end of a sentence that begins with "because".
        """
        if any(answer is None for answer in answers):
            return "it is None; run the cell that gives it a value."
        given = answers[0] if len(answers) == 1 else answers
        right = self.right() if callable(self.right) else self.right
        wrong = difference(given, right, self.close)
        if wrong is None:
            return None
        for text, value in self.faults.items():
            if difference(given, value, self.close) is None:
                return f"{text}."
        # The right value is not given away: the next try should be the reader's own.
        pairs = [(given, right)] if len(answers) == 1 else zip(given, right, strict=True)
        return next(filter(None, (other_kind(*pair) for pair in pairs)), f"{shown(given)} is not it.")


class Each:
    """Judges several values one after the other, each with faults of its own.

    Args:
        judges: for each value, in the order of the stub's names, where it belongs ("in the corner") and its `Value`.
    """

    def __init__(self, judges: Mapping[str, Value]) -> None:
        self.judges = judges

    def __call__(self, *answers: Any) -> str | None:
        """Let every judge look at the answer that is its own.

        Args:
            answers: the reader's objects, one per judge.

        Returns:
            None if all are right, else what the first judge says that finds a mistake.
        """
        for (where, judge), answer in zip(self.judges.items(), answers, strict=True):
            if wrong := judge(answer):
                return f"{where}: {wrong}"
        return None


# Called with the exercise and the verdict after each check; they raise nothing.
AFTER_CHECK: list[Callable[[Exercise, Verdict], None]] = []


@dataclass(eq=False, repr=False)
class Exercise:
    """One exercise of a chapter.

    Attributes:
        title: of the task, in Markdown.
        minutes: that it takes.
        task: the task in Markdown.
        stub: code of the cell in which the reader works; every name that it defines is handed to `check`.
        hints: Markdown, the gentlest first.
        answer: code that defines the stub's names rightly; it imports what it uses. Empty in a class's package
            (`student_package`), as are the explanation and the faults.
        explanation: Markdown that follows the answer.
        judge: takes the reader's objects; returns None if they are right, else the end of a sentence that begins with
            "because". It may raise whatever the reader's code raises, and `NotAttempted`.
        faults: for tests: further wrong answers as code, and a word of the sentence that they must be told. A
            `Function` or `Value` brings its own.
        given: for tests: code that stands in for what the chapter has defined and the answer uses.

    Lesson:
        of its module.
    """

    title: str
    minutes: int
    task: str
    stub: str
    hints: tuple[str, ...]
    answer: str
    explanation: str
    judge: Callable[..., str | None]
    faults: Mapping[str, str] = field(default_factory=dict)
    given: str = ""
    _shown: int = 0

    def __repr__(self) -> str:
        """Without the answer: who looks at an exercise has not asked for it."""
        names = ", ".join(self.names)
        return f"{self.title} ({self.minutes} minutes): .check({names}), .hint() or .solution()"

    @property
    def names(self) -> list[str]:
        """What the stub defines, in its order."""
        found = []
        for node in ast.parse(self.stub).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.append(node.name)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    found += [name.id for name in ast.walk(target) if isinstance(name, ast.Name)]
        return found

    def check(self, *answers: Any) -> Verdict:
        """Say whether an answer is right, and if not, what is wrong with it.

        Args:
            answers: the objects that the stub's names stand for.

        Returns:
            a `Verdict`; nothing is raised, whatever the answer does, and after a few seconds it is stopped.
        """
        if len(answers) != len(self.names):
            return Verdict(WRONG, f"check takes {' and '.join(self.names)}, not {len(answers)} values.")
        if any(answer is ... for answer in answers):
            return Verdict(NOT_ATTEMPTED)

        def judge() -> Verdict:
            try:
                why = self.judge(*answers)
            except NotAttempted:
                return Verdict(NOT_ATTEMPTED)
            return Verdict(WRONG, why) if why else Verdict(RIGHT)

        outcome = run(judge)
        verdict = outcome.value if outcome.problem is None else Verdict(WRONG, outcome.problem)
        for told in AFTER_CHECK:
            told(self, verdict)
        return verdict

    def hint(self) -> Text:
        """The next hint; after the last one, the last one again.

        Returns:
            Markdown, displayed as the last value of a cell.
        """
        number = min(self._shown, len(self.hints) - 1)
        self._shown += 1
        more = f" *({number + 1} of {len(self.hints)})*"
        return Text(self.hints[number] + more)

    def solution(self) -> Text:
        """Code that is right, and why.

        Returns:
            Markdown, displayed as the last value of a cell; a sentence where a class has the package without solutions.
        """
        if not self.answer:
            return Text(ELSEWHERE)
        return Text(f"```python\n{self.answer.strip()}\n```\n\n{self.explanation.strip()}")


def _copies(case: tuple, convert: Callable[[Any], Any] = lambda value: value) -> list:
    """Copies of the arguments for one call, so that changes do not affect the next call."""
    return [convert(copy.deepcopy(value)) for value in case]


def _exchanged(value: Any) -> Any:
    """NumPy arrays for torch tensors, and the other way round."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value
