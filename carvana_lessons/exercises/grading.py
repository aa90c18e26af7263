"""Grade a folder of notebooks as they come back from a class: a table with a row for each, and a summary.

Each answer is checked by `Exercise.check` in a process of its own (`judge_process`); the notebook's check cells and
outputs count for nothing. This is a help for an instructor who looks at the class, not an examination hall: see there
what it does not protect from.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from carvana_lessons.exercises.base import NOT_ATTEMPTED, RIGHT, WRONG, Verdict
from carvana_lessons.exercises.chapters import CHAPTERS, Chapter, chapter
from carvana_lessons.exercises.judge_process import NOT_JUDGED, SECONDS, Judges, Task
from carvana_lessons.exercises.returned_notebook import read_returned
from carvana_lessons.exercises.submitted import Candidate, Submission, read_submission
from carvana_lessons.utils.errors import CarvanaError, DataError
from carvana_lessons.utils.files import new_file, replacing
from carvana_lessons.utils.locking import owned
from carvana_lessons.utils.paths import expand
from carvana_lessons.utils.progress import bar
from carvana_lessons.utils.wording import counted

ENDING = ".ipynb"
BACKUPS = ("~", ".bak", ".part", ".crdownload")
STOPPED = "It was not graded: the grading was stopped before."
COMMONEST = 3  # mistakes of an exercise that the summary lists
_WORDS = {RIGHT: "right", WRONG: "wrong", NOT_ATTEMPTED: "not attempted", NOT_JUDGED: "not judged"}
_FORMULA = ("=", "+", "-", "@")  # a spreadsheet computes what begins with one of these


@dataclass(frozen=True)
class Mark:
    """What came of one exercise in one notebook.

    Attributes:
        verdict: of the check; its status can also be `judge_process.NOT_JUDGED`.
        same: whether a right answer is the course's own solution.
        minutes: between the first and the last recorded execution of the exercise's cells; None where that is unknown.
    """

    verdict: Verdict
    same: bool = False
    minutes: float | None = None

    def __str__(self) -> str:
        word = _WORDS[self.verdict.status] + (" (the course's own solution)" if self.same else "")
        return f"{word}: because {self.verdict.why}" if self.verdict.why else word


@dataclass(frozen=True)
class Graded:
    """A notebook and its marks.

    Attributes:
        student: the notebook's path below the folder, without ending.
        chapter: its name, "" where it is none.
        marks: one per exercise of the chapter, in their order.
        remark: a sentence where there is nothing to grade.
    """

    student: str
    chapter: str = ""
    marks: list[Mark] = field(default_factory=list)
    remark: str = ""

    @property
    def right(self) -> int:
        """How many exercises are right."""
        return sum(mark.verdict.status == RIGHT for mark in self.marks)


def grade(folder: Path, out: Path, overwrite: bool = False, seconds: float = SECONDS) -> list[Graded]:
    """Grade all notebooks below a folder and write a table of them.

    Args:
        folder: of the notebooks; hidden folders and files in it are left out.
        out: CSV file to write, in UTF-8 with a mark at its beginning by which Excel knows that.
        overwrite: replace ``out`` if it is there.
        seconds: that the cells of one answer may compute; the check has its own limit.

    Returns:
        the notebooks in the order of their paths.

    Raises:
        ExistsError: if ``out`` is there and is not to be replaced.
        CarvanaError: if there is no notebook in ``folder``, or ``out`` cannot be written.
    """
    folder = expand(folder)
    files = find_notebooks(folder)
    out = new_file(expand(out), overwrite)
    with owned(out):
        judges = Judges(seconds)
        graded = []
        try:
            with bar(total=len(files), desc="Grading", unit="notebook") as shown:
                for file in files:
                    shown.set_postfix_str(file.name[:40])
                    graded.append(grade_notebook(file, _student(file, folder), judges))
                    shown.update()
        finally:  # whoever stops an hour's work keeps what is done, and the table says what is not
            left = [Graded(_student(file, folder), remark=STOPPED) for file in files[len(graded) :]]
            write_table([*graded, *left], new_file(out, overwrite))
    return graded


def find_notebooks(folder: Path) -> list[Path]:
    """Find the notebooks below a folder; browsers and learning platforms may have put a second ending on them.

    Args:
        folder: to look in.

    Returns:
        files in the order of their paths.

    Raises:
        CarvanaError: if there is none.
    """
    if not folder.is_dir():
        raise CarvanaError(f"There is no folder {folder}: name the one that holds the notebooks.")
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if ENDING in path.name.lower()
        and path.is_file()
        and not path.name.endswith(BACKUPS)
        and not any(part.startswith((".", "__MACOSX")) for part in path.relative_to(folder).parts)
    ]
    if not files:
        packed = counted(len(list(folder.rglob("*.zip"))), "zip file")
        raise CarvanaError(f"There are no notebooks in {folder} (and {packed}): unpack what came, and name its folder.")
    return files


def _student(file: Path, folder: Path) -> str:
    """The path below the folder, without ending; what cannot be printed of a name becomes question marks."""
    name = file.relative_to(folder).as_posix()
    ending = re.escape(ENDING)
    name = re.sub(rf"(?is){ending}(?!.*{ending}).*", "", name)  # a name in lower case may have another length
    return "".join(c if c.isprintable() else "?" for c in name)  # bytes that are no text are not printable either


def grade_notebook(file: Path, student: str, judges: Judges) -> Graded:
    """Grade one notebook.

    Args:
        file: its path.
        student: its name in the table.
        judges: check the answers.

    Returns:
        its marks, or the sentence that says why there are none.
    """
    try:
        submission = read_submission(read_returned(file))
    except DataError as error:
        return Graded(student, remark=str(error))
    except Exception as error:  # one notebook must not take the others with it
        return Graded(student, remark=f"It cannot be read ({type(error).__name__}: {error}): look at it yourself.")
    marks = [_mark(name, found, submission, judges) for name, found in submission.answers.items()]
    return Graded(student, submission.chapter.name, marks)


def _mark(name: str, candidates: list[Candidate], submission: Submission, judges: Judges) -> Mark:
    """The mark of an exercise: right if one of the candidates is, else what came of the last."""
    minutes = submission.minutes[name]
    verdict = Verdict(NOT_ATTEMPTED)
    for candidate in candidates:
        if candidate.problem:
            found = Verdict(WRONG, candidate.problem)
        else:
            found = judges.check(Task(submission.chapter.name, name, candidate.codes, submission.computed))
        if found.status == RIGHT:
            return Mark(found, candidate.same, minutes)
        verdict = verdict if found.status == NOT_ATTEMPTED else found
    return Mark(verdict, minutes=minutes)


def write_table(graded: list[Graded], out: Path) -> None:
    """Write a row for each notebook.

    Args:
        graded: the notebooks.
        out: CSV file, replaced if it is there. Columns: student, chapter, right, of, one per exercise, the minutes of
            each exercise, remark. Exercise 3 is the third of the chapter that the row names.
    """
    most = max((len(it.marks) for it in graded), default=0)
    numbers = range(1, most + 1)
    head = ["student", "chapter", "right", "of", *(f"exercise {k}" for k in numbers)]
    head += [*(f"minutes {k}" for k in numbers), "remark"]
    with replacing(out) as temporary, temporary.open("w", encoding="utf-8-sig", newline="\n") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(head)
        for it in graded:
            empty = [""] * (most - len(it.marks))
            totals = [it.right, len(it.marks)] if it.marks else ["", ""]
            words = [str(mark) for mark in it.marks]
            minutes = ["" if mark.minutes is None else mark.minutes for mark in it.marks]
            row = [it.student, it.chapter, *totals, *words, *empty, *minutes, *empty, it.remark]
            table.writerow([_plain(value) for value in row])


def _plain(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def summarise(graded: list[Graded]) -> Iterator[str]:
    """Tell of each exercise how many attempted it, how many are right, and the commonest mistakes.

    Args:
        graded: the notebooks.

    Yields:
        a line.
    """
    for name in CHAPTERS:
        rows = [it for it in graded if it.chapter == name]
        if rows:
            yield from _summarise_chapter(chapter(name), rows)
            yield ""
    for it in graded:
        if it.remark:
            yield f"{it.student}: {it.remark}"


def _summarise_chapter(found: Chapter, rows: list[Graded]) -> Iterator[str]:
    titles = [f"{k} · {exercise.title}" for k, exercise in enumerate(found.exercises.values(), start=1)]
    wide = max(map(len, [*titles, found.title]))
    yield f"{found.title:{wide}}  attempted  right   of {counted(len(rows), 'notebook')}"
    for k, title in enumerate(titles):
        marks = [it.marks[k].verdict for it in rows]
        attempted = sum(mark.status != NOT_ATTEMPTED for mark in marks)
        yield f"{title:{wide}}  {attempted:9}  {sum(mark.status == RIGHT for mark in marks):5}"
        mistakes = Counter(f"{_WORDS[mark.status]}: {mark.why}" for mark in marks if mark.why)
        for words, count in mistakes.most_common(COMMONEST):
            yield f"    {count} × {words}"
        if more := sum(mistakes.values()) - sum(count for _, count in mistakes.most_common(COMMONEST)):
            yield f"    {more} × something else"
