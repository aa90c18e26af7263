"""A reader's marks: what the checks said, in a small file beside the notebook.

The room of the exercises writes them, `course.progress` shows them. A check never fails because of them: where the file
cannot be written, is damaged, or belongs to another kernel at this moment, the mark is lost, and nothing is said.

Lesson:
    01.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from filelock import Timeout

from carvana_lessons.course import colab
from carvana_lessons.utils.archive import VARIABLE as KEEP
from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.files import write_json
from carvana_lessons.utils.locking import owned
from carvana_lessons.utils.progress import in_notebook

FILE = ".carvana-progress.json"
VARIABLE = "CARVANA_PROGRESS"
TRIES, PAUSE = 5, 0.1  # to get the file while another kernel writes it; seconds between two


@dataclass(frozen=True)
class Mark:
    """What is known of one exercise.

    Attributes:
        chapter: the notebook's name.
        heading: the chapter's title.
        number: of the exercise in its chapter, from 1.
        title: of the exercise.
        tries: how often an answer was checked.
        first: when the first was, in seconds since 1970.
        last: when the last was.
        right: when the first right one was; None if there was none.
    """

    chapter: str
    heading: str
    number: int
    title: str
    tries: int = 0
    first: float | None = None
    last: float | None = None
    right: float | None = None

    @property
    def state(self) -> str:
        """ "right", "tried" or "not tried"."""
        return "right" if self.right is not None else "tried" if self.tries else "not tried"

    @property
    def minutes(self) -> float | None:
        """From the first check to the first right one, or to the last; None where nothing was checked."""
        end = self.last if self.right is None else self.right
        return None if self.first is None or end is None else round((end - self.first) / 60, 1)


def are_kept() -> bool:
    """Whether marks are kept: where a reader works, and neither in a build nor in tests nor when a class is graded.

    ``CARVANA_PROGRESS`` is 1 to keep them and 0 to keep none. Unset, they are kept in the kernel of a notebook that
    JupyterLab has started (it sets ``JPY_SESSION_NAME``) or Colab, unless ``CI`` or pytest says that nobody reads.

    Returns:
        True or False.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen in ("0", "1"):
        return chosen == "1"
    reader = "JPY_SESSION_NAME" in os.environ or colab.in_colab()
    nobody = os.environ.get("CI") or "PYTEST_CURRENT_TEST" in os.environ
    return reader and in_notebook() and not nobody


def place() -> Path:
    """The file of the marks: in the notebook's folder; in Colab in the kept folder, where there is one.

    Returns:
        its path.
    """
    kept = os.environ.get(KEEP) if colab.in_colab() else None
    return Path(kept) / FILE if kept else Path.cwd() / FILE


def read_marks(path: Path) -> list[Mark]:
    """Read the marks of a file.

    Args:
        path: of the file.

    Returns:
        the marks in the order of chapters and exercises; none if it is missing, and those that can be read of one that
        is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    found = content.get("marks") if isinstance(content, dict) else None
    made = [mark for entry in found if (mark := _mark(entry))] if isinstance(found, list) else []
    return sorted(made, key=_key)


def _mark(entry: Any) -> Mark | None:
    try:
        mark = Mark(**entry)
        times = [value for value in (mark.first, mark.last, mark.right) if value is not None]
        for moment in times:
            datetime.fromtimestamp(moment, tz=timezone.utc)
        texts = (mark.chapter, mark.heading, mark.title)
        sound = all(isinstance(text, str) for text in texts) and all(type(n) is int for n in (mark.number, mark.tries))
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    return mark if sound else None


def _count(path: Path) -> float:
    """How many marks a file holds, readable or not; infinitely many where that cannot be told."""
    try:
        return len(json.loads(path.read_text(encoding="utf-8"))["marks"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return math.inf


def _key(mark: Mark) -> tuple[str, int]:
    return mark.chapter, mark.number


def add_mark(chapter: Sequence[Mark], number: int, right: bool, path: Path | None = None) -> None:
    """Note that an answer was checked; if that cannot be written, it is forgotten.

    Args:
        chapter: the exercises of the chapter, with no tries, so that those are shown too that wait.
        number: of the exercise that was checked, from 1.
        right: whether the answer was.
        path: the file; None for `place`.
    """
    for _ in range(TRIES):
        try:
            path = place() if path is None else path
            with owned(path):
                _write(path, chapter, number, right)
            return
        except CarvanaError as error:
            if not isinstance(error.__cause__, Timeout):  # not another kernel that writes: no wait would help
                return
            time.sleep(PAUSE)
        except Exception:  # whatever a disk may do: a reader asked for a verdict, not for this
            return


def _write(path: Path, chapter: Sequence[Mark], number: int, right: bool) -> None:
    marks = read_marks(path)
    if path.is_file() and len(marks) < _count(path):  # of a newer version, or damaged: what it held stays beside it
        shutil.copyfile(path, path.with_name(f"{path.name}.damaged"))
    known = {_key(mark): mark for mark in marks}
    for mark in chapter:
        old = known.get(_key(mark), mark)
        known[_key(mark)] = replace(old, heading=mark.heading, title=mark.title)
    key, now = (chapter[0].chapter, number), round(time.time(), 1)
    mark = known[key]
    known[key] = replace(
        mark,
        tries=mark.tries + 1,
        first=now if mark.first is None else mark.first,
        last=now,
        right=now if right and mark.right is None else mark.right,
    )
    write_json(path, {"marks": [asdict(known[key]) for key in sorted(known)]})


@dataclass(frozen=True)
class Progress:
    """Marks as a table, in JupyterLab, in Colab and as plain text.

    Attributes:
        marks: of the chapters in which something was checked.
        kept: whether checks are noted here.
    """

    marks: tuple[Mark, ...]
    kept: bool = True

    def _repr_markdown_(self) -> str:
        if not self.marks:
            return self._nothing()
        lines = ["| chapter | exercise | state | tries | minutes | when |", "| --- | --- | --- | ---: | ---: | --- |"]
        lines += [f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in self._rows()]
        return "\n".join([*lines, "", self._total()])

    def __repr__(self) -> str:
        if not self.marks:
            return self._nothing()
        rows = [("chapter", "exercise", "state", "tries", "minutes", "when"), *self._rows()]
        wide = [max(len(row[k]) for row in rows) for k in range(6)]
        lines = ["  ".join(f"{cell:{w}}" for cell, w in zip(row, wide, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, self._total()])

    def _rows(self) -> list[tuple[str, ...]]:
        rows, before = [], None
        for mark in self.marks:
            when = "" if mark.last is None else f"{datetime.fromtimestamp(mark.right or mark.last):%Y-%m-%d %H:%M}"
            minutes = "" if mark.minutes is None else f"{mark.minutes:g}"
            heading = "" if mark.heading == before else mark.heading
            tries = str(mark.tries or "")
            rows.append((heading, f"{mark.number} · {mark.title}", mark.state, tries, minutes, when))
            before = mark.heading
        return rows

    def _total(self) -> str:
        return f"{sum(mark.right is not None for mark in self.marks)} of {len(self.marks)} right."

    def _nothing(self) -> str:
        if self.kept:
            return f"No exercise was checked yet. Marks are kept in {FILE}, beside the notebook."
        return f"No exercise was checked, and none is noted here: set {VARIABLE}=1 to keep marks outside JupyterLab."


def progress() -> Progress:
    """Show your own marks: which exercises are right, which were tried, how long it took and when.

    Each check in JupyterLab or Colab is noted in ``.carvana-progress.json`` beside the notebook; nobody else reads it.
    ``CARVANA_PROGRESS=0`` keeps no marks, 1 keeps them in other editors too.

    Returns:
        a table of all chapters in which something was checked, displayed as the last value of a cell.

    Lesson:
        01.
    """
    return Progress(tuple(read_marks(place())), are_kept())
