"""An exam on paper: the questions in one file, the same with answers in another, both for one seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from carvana_lessons.exercises.chapters import CHAPTERS
from carvana_lessons.exercises.exam import clinic, first_chapters, networks, results
from carvana_lessons.exercises.exam.question import ExamQuestion, Maker
from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.files import replacing
from carvana_lessons.utils.folders import building
from carvana_lessons.utils.paths import expand

QUESTIONS: dict[str, tuple[Maker, ...]] = (
    first_chapters.QUESTIONS | networks.QUESTIONS | results.QUESTIONS | clinic.QUESTIONS
)
PAPER, ANSWERS = "exam.md", "exam-answers.md"
SEEDS = 10**6


def any_seed() -> int:
    """A seed that nobody knows beforehand; both files name it.

    Returns:
        a whole number.
    """
    return random.SystemRandom().randrange(SEEDS)


def questions_of(name: str, seed: int) -> list[ExamQuestion]:
    """The questions of a chapter with their numbers drawn.

    Args:
        name: of the notebook.
        seed: of all numbers; each question draws its own, whichever chapters are asked for.

    Returns:
        the questions.

    Raises:
        CarvanaError: for a chapter that has none.
    """
    if name not in QUESTIONS:
        raise CarvanaError(
            f"There are no exam questions on {name!r}; the chapters with some are {', '.join(CHAPTERS)}."
        )
    return [make(random.Random(f"{seed} {name} {make.__name__}")) for make in QUESTIONS[name]]


def exam(seed: int, names: Sequence[str] = ()) -> dict[str, str]:
    """Both files of an exam.

    Args:
        seed: of its numbers.
        names: of the chapters; none for all.

    Returns:
        their Markdown by name.

    Raises:
        CarvanaError: as `questions_of`.
    """
    chosen = {name: questions_of(name, seed) for name in CHAPTERS if not names or name in names}
    for name in names:
        questions_of(name, seed)  # refuses what is no chapter
    every = [question for found in chosen.values() for question in found]
    head = f"Seed {seed} · {len(every)} questions · {sum(question.points for question in every)} points"
    paper, answers = [f"# Exam\n\n{head}\n\nName: \\_\\_\\_\\_\\_\\_\\_\\_"], [f"# Exam, with answers\n\n{head}"]
    number = 0
    for name, found in chosen.items():
        for part in (paper, answers):
            part.append(f"## {CHAPTERS[name][1]}")
        for question in found:
            number += 1
            title = f"### {number} · {question.title} ({question.points} points)\n\n{question.task}"
            paper.append(title)
            answers.append(f"{title}\n\n**Answer.** {question.answer}")
    return {PAPER: "\n\n".join(paper) + "\n", ANSWERS: "\n\n".join(answers) + "\n"}


def put_exam(folder: Path, seed: int, names: Sequence[str] = ()) -> None:
    """Write both files into a folder that is there.

    Args:
        folder: where.
        seed: of the numbers.
        names: of the chapters; none for all.

    Raises:
        CarvanaError: as `questions_of`.
    """
    for file, text in exam(seed, names).items():
        with replacing(folder / file) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")


def write_exam(out: Path, seed: int, names: Sequence[str] = ()) -> Path:
    """Write both files into a new folder.

    Args:
        out: a new folder.
        seed: of the numbers.
        names: of the chapters; none for all.

    Returns:
        the folder.

    Raises:
        ExistsError: if the folder is there already.
        CarvanaError: as `questions_of`.
    """
    out = expand(out)
    with building(out) as folder:
        put_exam(folder, seed, names)
    return out
