"""A case of the clinic: code that runs and is wrong, what was seen of it, its diagnosis, and its repair."""

from __future__ import annotations

import dis
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType, FunctionType, SimpleNamespace
from typing import Any

from carvana_lessons.exercises.base import NOT_ATTEMPTED, Exercise, Function, Verdict
from carvana_lessons.exercises.quiz import Question, Quiz

_BESIDE = ("CACHE", "NOP", "PRECALL", "PUSH_NULL", "RESUME")
_FAST = re.compile(r"(?:LOAD|STORE)_FAST")  # Python 3.13 makes one step of two that stand in one line
_DEEP = 10  # decorators around a function
_JUMPS = frozenset((*dis.hasjrel, *dis.hasjabs))


@dataclass(eq=False, repr=False, kw_only=True)
class Case(Exercise):
    """An exercise whose stub is somebody's code, with a fault that raises no error.

    Attributes:
        complaint: what that somebody says, in Markdown.
        symptoms: code of a folded cell that runs the faulty code and shows what was seen.
        question: which fault it is.

    Lesson:
        12.
    """

    complaint: str
    symptoms: str
    question: Question

    @property
    def diagnosis(self) -> Quiz:
        """The question, to be shown in a notebook."""
        return Quiz((self.question,))

    def faulty(self) -> SimpleNamespace:
        """The functions of the stub as they were handed in, whatever the reader has made of them since.

        Returns:
            the functions, as attributes of their names.
        """
        names: dict[str, Any] = {}
        exec(f"{self.given}\n{self.stub}", names)
        return SimpleNamespace(**{name: names[name] for name in self.names})

    def check(self, *answers: Any) -> Verdict:
        """Say whether the code is mended, and if not, what is still wrong.

        Args:
            answers: the functions that the stub's names stand for.

        Returns:
            a `Verdict`, as `Exercise.check`; code that nobody changed is not attempted.
        """
        before = list(vars(self.faulty()).values())
        if len(answers) == len(before) and all(map(_alike, answers, before)):
            return Verdict(NOT_ATTEMPTED)
        return super().check(*answers)


class Effect(Function):
    """Judges a function by what it does, where that is more than what it returns.

    Args:
        measure: calls the function that it gets first, with what it makes of a case, and returns what is compared.
        right: a function that is right.
        cases: tuples of arguments of ``measure``.
        faults: as of `Function`.
        close: allowed relative and absolute difference of numbers.
    """

    def __init__(
        self,
        measure: Callable,
        right: Callable,
        cases: Sequence[tuple],
        faults: Mapping[str, Callable],
        close: float = 1e-4,
    ) -> None:
        super().__init__(right, cases, faults, close)
        self.measure = measure

    def _outcome(self, function: Callable, arguments: list) -> Any:
        return self.measure(function, *arguments)

    @property
    def _names(self) -> list[str]:
        return list(inspect.signature(self.measure).parameters)[1:]


def _alike(answer: Any, before: Any) -> bool:
    """Whether two functions are the same code under the same decorators, wherever it stands."""
    return _codes(answer) == _codes(before)


def _codes(function: Any) -> list[list[tuple]]:
    """The code of a function, after that of the decorators around it."""
    found = []
    while isinstance(function, FunctionType) and len(found) < _DEEP:  # of what a reader hands in, nothing else is asked
        code = function.__code__
        parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        found.append([*_parts(code), (parameters, repr(function.__defaults__))])
        function = vars(function).get("__wrapped__")
    return found


def _parts(code: CodeType | None) -> list[tuple]:
    """What a piece of code does, step by step.

    Left out is what a compiler decides by the lines around a function: an import in the same cell makes of
    ``F.relu(x)`` the call of an attribute and not of a method, and moves the places to which a jump leads.
    """
    steps = []
    for step in dis.get_instructions(code) if code else ():
        if step.opname in _BESIDE:
            continue
        name = step.opname.replace("METHOD", "ATTR").replace("_BORROW", "")
        fused = _FAST.findall(name)
        if len(fused) > 1:
            steps += [(part, repr(value)) for part, value in zip(fused, step.argval, strict=True)]
            continue
        value = _parts(step.argval) if isinstance(step.argval, CodeType) else step.argval
        steps.append((name, None if step.opcode in _JUMPS else repr(value)))
    return steps
