"""The package without its solutions, as a wheel for a class: `Exercise.solution` says who has them.

Answers, explanations, worked-out mistakes and the questions of exams go; what a check compares with stays, or it could
check nothing. So who reads the package's code finds functions that are right: a solution takes more than one line now,
and it can be found.
"""

from __future__ import annotations

import ast
import importlib
import re
import shutil
import tempfile
from pathlib import Path
from types import ModuleType

from carvana_lessons.exercises.chapters import CHAPTERS
from carvana_lessons.utils.errors import CarvanaError

EXERCISES = ("Exercise", "Case")
REMOVED = {"answer": '""', "explanation": '""', "faults": "{}"}  # of an Exercise
MARK = "students"  # behind the version, so that pip takes it for another one
_VERSION = re.compile(r'^(version = "[^"+]+)(?:\+\w+)?"$', re.MULTILINE)


def exam_paper() -> ModuleType:
    """The module that writes exams.

    Returns:
        `carvana_lessons.exercises.exam.paper`.

    Raises:
        CarvanaError: in a class's package, which has none.
    """
    try:
        return importlib.import_module("carvana_lessons.exercises.exam.paper")
    except ModuleNotFoundError as error:
        raise CarvanaError("This is a class's package, and it holds no exams: use the one of the course.") from error


def without_solutions(source: str) -> str:
    """A module of exercises without their answers and explanations.

    Args:
        source: of the module.

    Returns:
        the same with empty texts in their places, and without private constants and functions that nothing else used.
    """
    lines = source.encode().splitlines(keepends=True)  # columns of a syntax tree count bytes
    values = [
        (keyword.value, REMOVED[keyword.arg])
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in EXERCISES
        for keyword in node.keywords
        if keyword.arg in REMOVED
    ]
    for value, empty in sorted(values, key=lambda pair: (pair[0].lineno, pair[0].col_offset), reverse=True):
        first, last = value.lineno - 1, value.end_lineno - 1
        head, tail = lines[first][: value.col_offset], lines[last][value.end_col_offset :]
        lines[first : last + 1] = [head + empty.encode() + tail]
    text = b"".join(lines).decode()
    while (shorter := _without_unused(text)) != text:
        text = shorter
    return text


def _without_unused(source: str) -> str:
    """Without private constants and functions that no other statement of the module uses."""
    body = ast.parse(source).body
    used = [{node.id for node in ast.walk(s) if isinstance(node, ast.Name)} for s in body]
    lines = source.splitlines(keepends=True)
    for k in reversed(range(len(body))):
        names = _private(body[k])
        elsewhere = set().union(*(found for j, found in enumerate(used) if not names & _private(body[j])))
        if names and not names & elsewhere:
            decorators = getattr(body[k], "decorator_list", [])
            first = min([body[k].lineno, *(d.lineno for d in decorators)]) - 1
            while first and lines[first - 1].startswith("#"):
                first -= 1
            del lines[first : body[k].end_lineno]
    return "".join(lines)


def _private(statement: ast.stmt) -> set[str]:
    """The names that a statement defines if all are private; else none."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        names = {statement.name}
    elif isinstance(statement, ast.Assign | ast.AugAssign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        names = {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    else:
        return set()
    return names if all(name.startswith("_") for name in names) else set()


def build_student_package(root: Path, out: Path) -> Path:
    """Write a wheel of the package without solutions.

    Args:
        root: folder of the course, with ``pyproject.toml`` and ``carvana_lessons``.
        out: folder for the wheel.

    Returns:
        the wheel; the version in its name ends with ``+students``.

    Raises:
        CarvanaError: if ``root`` is not the course's folder, or hatchling is not installed.
    """
    try:
        from hatchling.builders.wheel import WheelBuilder  # what builds the package for everybody else
    except ImportError as error:
        raise CarvanaError("Packing the package needs hatchling: `pip install hatchling`.") from error
    if not (root / "pyproject.toml").is_file() or not (root / "carvana_lessons").is_dir():
        raise CarvanaError(
            f"{root} holds no package carvana_lessons to pack: name the folder `book` of the whole course with --book."
        )
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place, "course")
        ignored = shutil.ignore_patterns("__pycache__", ".*", "exam")  # an exam is its instructor's
        for folder in ("carvana_lessons", "book/results"):
            shutil.copytree(root / folder, copy / folder, ignore=ignored)
        for name in ("README.md", "LICENSE"):
            shutil.copyfile(root / name, copy / name)
        settings = (root / "pyproject.toml").read_text(encoding="utf-8")
        _write(copy / "pyproject.toml", _VERSION.sub(rf'\1+{MARK}"', settings, count=1))
        for module, _ in CHAPTERS.values():
            path = copy / "carvana_lessons" / "exercises" / f"{module}.py"
            _write(path, without_solutions(path.read_text(encoding="utf-8")))
        [wheel] = WheelBuilder(str(copy)).build(directory=place, versions=["standard"])
        return Path(shutil.copy(wheel, out))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
