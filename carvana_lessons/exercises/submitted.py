"""From the cells of a returned notebook to its chapter, and to the code that each answer needs.

An answer is run without the chapter: of the cells above the exercises, imports, functions, classes and plain constants
are taken, of those among the exercises everything; and of all that only what the answer needs, as its names say. So one
cell that never ends, or that trains a network, stands in the way of no other answer.
"""

from __future__ import annotations

import ast
import marshal
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from carvana_lessons.exercises import cell_code
from carvana_lessons.exercises.base import Exercise
from carvana_lessons.exercises.chapters import CHAPTERS, FIRST, PAGES, Chapter, chapter
from carvana_lessons.exercises.returned_notebook import Cell
from carvana_lessons.utils.errors import DataError

_START = re.compile(r"course\.start\(\s*[\"']([\w-]+)[\"']")
_CHECK = re.compile(r"exercises\.(\w+)\.(\w+)\.check")
_STUB = re.compile(r"exercise-(\d+)-stub")
_OF_EXERCISE = re.compile(r"exercise-(\d+)(-stub|-check)?")
# For a notebook whose first cells are gone: what the chapters import there.
_IMPORTS = """
import math, random
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from dataclasses import dataclass, replace
from pathlib import Path
from torch import nn
from carvana_lessons import course, data, exercises, models, show
from carvana_lessons.evaluation import metrics
from carvana_lessons.training import losses
"""


@dataclass(frozen=True)
class Candidate:
    """Code that may be the answer to an exercise.

    Attributes:
        codes: compiled code, in the order in which it is to run, as ``marshal`` writes it.
        same: whether it is the course's own solution.
        problem: a sentence where it cannot even be compiled, else "".
    """

    codes: tuple[bytes, ...] = ()
    same: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Submission:
    """What a returned notebook holds of a chapter.

    Attributes:
        chapter: the chapter.
        answers: by the exercise's name, what may be its answer, to be tried in this order; none where nothing was
            attempted.
        minutes: by the exercise's name, minutes between the first and the last recorded execution of its cells; None
            where fewer than two are recorded.
        computed: names that cells above the exercises compute, and that grading therefore does not have.
    """

    chapter: Chapter
    answers: dict[str, list[Candidate]]
    minutes: dict[str, float | None]
    computed: frozenset[str]


@dataclass(frozen=True, eq=False)
class _Piece:
    """Statements that run together: a whole cell, or one statement of a cell above the exercises."""

    place: int  # of the cell
    statements: list[ast.stmt]
    bound: frozenset[str]
    taken: frozenset[str]
    code: bytes
    star: bool

    def gives(self, names: Iterable[str]) -> bool:
        return self.bound.issuperset(names)


@dataclass
class _Pieces:
    """The code of a notebook, piece by piece, in the order of its cells."""

    all: list[_Piece] = field(default_factory=list)
    computed: set[str] = field(default_factory=set)
    broken: dict[int, str] = field(default_factory=dict)  # by the cell's place, what is wrong with it
    modules: set[str] = field(default_factory=set)  # names of imports: torch.manual_seed(0) changes no `torch`

    def add(self, place: int, statements: list[ast.stmt]) -> None:
        code = cell_code.compiled(statements)
        imports = [part for s in statements for part in ast.walk(s) if isinstance(part, ast.Import | ast.ImportFrom)]
        names = [alias.asname or alias.name.partition(".")[0] for part in imports for alias in part.names]
        self.modules |= set(names)
        given = cell_code.bound(statements) | (cell_code.touched(statements) - self.modules)
        self.all.append(
            _Piece(
                place,
                statements,
                frozenset(given),
                frozenset(cell_code.taken(code)),
                marshal.dumps(code),
                "*" in names,
            )
        )

    def needed(self, targets: list[_Piece], given: frozenset[str]) -> tuple[bytes, ...]:
        """The code of some pieces after all that they need; names in ``given`` are there already."""
        order: list[_Piece] = []
        seen = set(targets)

        def need(piece: _Piece) -> None:
            for name in sorted(piece.taken - given):
                found = [other for other in self.all if name in other.bound]
                for other in found or [other for other in self.all if other.star]:
                    if other not in seen:
                        seen.add(other)
                        need(other)
                        order.append(other)

        for target in targets:
            need(target)
        return tuple(piece.code for piece in [*order, *targets])


def find_chapter(cells: list[Cell]) -> Chapter:
    """Find out from its content which chapter a notebook is, whatever its file is called.

    Args:
        cells: of the notebook.

    Returns:
        the chapter most of whose exercises are in it; among equals the one that ``course.start`` names.

    Raises:
        DataError: if it is none with exercises.
    """
    text = "\n".join(cell.source for cell in cells if cell.code)
    started = _START.findall(text)
    checked = {module for module, _ in _CHECK.findall(text)}
    exercised = any(_STUB.fullmatch(cell.name) for cell in cells)
    best, most = None, (0, False, False)
    for name in CHAPTERS:
        found = chapter(name)
        there = sum(_defines_all(text, exercise.names) for exercise in found.exercises.values())
        marks = (there, name in started, found.module in checked)
        if marks > most and (name in started or found.module in checked or exercised or there > 1):
            best, most = found, marks
    if best is not None:
        return best
    if page := next((name for name in started if name in PAGES), None):
        raise DataError(f"It is the page {page}, which has no exercises.")
    raise DataError("It is no chapter of the course: none of its cells starts one, and none holds an exercise.")


def _defines(text: str, name: str) -> bool:
    """Whether code looks as if it defines a name; it may be too broken to be parsed."""
    return bool(re.search(rf"^[ \t]*(?:def|class)[ \t]+{name}\b|^[^\n=#]*\b{name}\b[^\n=#]*=(?!=)", text, re.MULTILINE))


def _defines_all(text: str, names: Iterable[str]) -> bool:
    return all(_defines(text, name) for name in names)


def read_submission(cells: list[Cell]) -> Submission:
    """Find the chapter of a notebook and the code of each answer.

    Args:
        cells: of the notebook.

    Returns:
        what is to be checked.

    Raises:
        DataError: as `find_chapter`.
    """
    found = find_chapter(cells)
    wanted = [exercise.names for exercise in found.exercises.values()]
    begin = _begin(cells, wanted)
    pieces = _Pieces()
    if not any(cell.code and _START.search(cell.source) for cell in cells):
        _take_parts(pieces, -1, cell_code.parse(_IMPORTS), set())
    changed = _changed_above(cells[:begin])
    for place, cell in enumerate(cells):
        if not cell.code:
            continue
        try:
            tree = cell_code.parse(cell.source)
            if place >= begin or _is_answer(cell, wanted):
                pieces.add(place, tree.body)
            else:
                _take_parts(pieces, place, tree, changed)
        except SyntaxError as error:
            line = f", in line {error.lineno} of its cell" if error.lineno else ""
            pieces.broken[place] = f"its cell is no Python code ({error.msg}){line}."
    answers = {
        name: _candidates(number, exercise, cells, pieces)
        for number, (name, exercise) in enumerate(found.exercises.items(), start=1)
    }
    minutes = dict(zip(found.exercises, _minutes(cells, len(answers)), strict=True))
    return Submission(found, answers, minutes, frozenset(pieces.computed))


def _begin(cells: list[Cell], wanted: list[list[str]]) -> int:
    """The place of the first cell of the exercises."""
    for place, cell in enumerate(cells):
        heading = not cell.code and cell.source.lstrip().startswith(FIRST)
        if heading or _OF_EXERCISE.fullmatch(cell.name) or (cell.code and _is_answer(cell, wanted)):
            return place
    return len(cells)


def _is_answer(cell: Cell, wanted: list[list[str]]) -> bool:
    return bool(_STUB.fullmatch(cell.name)) or any(_defines_all(cell.source, names) for names in wanted)


def _changed_above(cells: list[Cell]) -> set[str]:
    """Names that cells above the exercises compute, or change in place."""
    found = set()
    for cell in cells:
        if cell.code:
            try:
                for statement in cell_code.parse(cell.source).body:
                    if not _is_part(statement):
                        found |= cell_code.bound([statement]) | cell_code.touched([statement])
            except SyntaxError:
                continue
    return found


def _is_part(statement: ast.stmt) -> bool:
    """Whether a statement of the chapter costs nothing: imports, definitions, constants."""
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        try:
            ast.literal_eval(statement.value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return False
        return True
    kinds = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return isinstance(statement, kinds)


def _take_parts(pieces: _Pieces, place: int, tree: ast.Module, changed: set[str]) -> None:
    """Of a cell above the exercises what costs nothing; the names of the rest are noted."""
    for statement in tree.body:
        names = cell_code.bound([statement])
        constant = isinstance(statement, ast.Assign | ast.AnnAssign)
        if _is_part(statement) and not (constant and names & changed):
            pieces.add(place, [statement])
        else:
            pieces.computed |= names


def _candidates(number: int, exercise: Exercise, cells: list[Cell], pieces: _Pieces) -> list[Candidate]:
    """What may be the answer: the cell with the exercise's id, then whatever else gives its names, the last first."""
    own = [k for k, cell in enumerate(cells) if cell.code and cell.name == f"exercise-{number}-stub"]
    given = frozenset(cell_code.bound(cell_code.parse(exercise.given).body))
    stub, answer = (_bare(cell_code.parse(text)) for text in (exercise.stub, exercise.answer))
    named = [piece for piece in pieces.all if piece.gives(exercise.names) and _bare_piece(piece) != stub]
    chosen = [[piece] for piece in named if piece.place in own][-1:]
    others = [piece for piece in named if piece.place not in own]
    if others:
        chosen.append(others[-1:])
    elif not chosen:  # several names, a cell for each
        last = [[p for p in pieces.all if name in p.bound and _bare_piece(p) != stub][-1:] for name in exercise.names]
        if len(last) > 1 and all(last):
            parts = {piece.place: piece for [piece] in last}
            chosen.append([parts[place] for place in sorted(parts)])
    made = [
        Candidate(pieces.needed(targets, given), any(_bare_piece(p) == answer for p in targets)) for targets in chosen
    ]
    broken = [k for k in pieces.broken if k in own or _defines_all(cells[k].source, exercise.names)]
    if broken and not any(piece.place > broken[-1] for targets in chosen for piece in targets):
        made.append(Candidate(problem=pieces.broken[broken[-1]]))
    return made


def _bare_piece(piece: _Piece) -> str:
    return _bare(ast.Module(body=piece.statements, type_ignores=[]))


def _bare(tree: ast.Module) -> str:
    """Code without comments, blank lines, imports at its top and checks below it."""
    parts = [s for s in tree.body if not isinstance(s, ast.Import | ast.ImportFrom | ast.Expr | ast.Pass)]
    try:
        return ast.unparse(ast.Module(body=parts, type_ignores=[]))
    except RecursionError:
        return ""


def _minutes(cells: list[Cell], count: int) -> list[float | None]:
    """For each exercise, minutes from the first to the last execution that its cells recorded."""
    times: list[list[float]] = [[] for _ in range(count)]
    current = 0
    for cell in cells:
        if found := _OF_EXERCISE.fullmatch(cell.name):
            current = int(found[1])
        elif cell.name in ("quiz", "quiz-questions", "summary"):
            current = 0
        if cell.executed is not None and 1 <= current <= count:
            times[current - 1].append(cell.executed)
    return [round((max(found) - min(found)) / 60, 1) if len(found) > 1 else None for found in times]
