"""Which module holds the exercises of which chapter."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from carvana_lessons.exercises.base import Exercise
from carvana_lessons.exercises.quiz import Quiz
from carvana_lessons.utils.errors import CarvanaError

# The notebook's name, the module, and the chapter's title.
CHAPTERS = {
    "01-the-task": ("ex01", "1 · The task"),
    "02-u-net": ("ex02", "2 · A U-Net in an afternoon"),
    "03-data-generators": ("ex03", "3 · Data generators"),
    "04-augmentation": ("ex04", "4 · Augmentation"),
    "05-segnet-unpooling": ("ex05", "5 · SegNet and unpooling"),
    "06-coordinate-maps": ("ex06", "6 · Coordinate maps"),
    "07-dilated-convolution": ("ex07", "7 · Dilated convolution"),
    "08-feature-maps": ("ex08", "8 · Feature maps"),
    "09-results": ("ex09", "9 · Results"),
    "10-beyond": ("ex10", "10 · Beyond"),
    "11-your-own-photos": ("ex11", "11 · Your own photos"),
    "12-the-clinic": ("ex12", "12 · The clinic"),
    "appendix-upsampling": ("appendix", "Appendix · Upsampling"),
}
FIRST, LAST = "## Exercises", "## Summary"  # between these headings of a notebook stand its exercises
PAGES = ("cut-out", "appendix-loading")  # notebooks without exercises


@dataclass(frozen=True)
class Chapter:
    """The exercises of one chapter.

    Attributes:
        name: of the notebook.
        module: of the exercises.
        title: as a heading.
        exercises: by the name that a reader types, in their order.
        quiz: its questions.
    """

    name: str
    module: str
    title: str
    exercises: dict[str, Exercise]
    quiz: Quiz

    @property
    def path(self) -> str:
        """What a reader types before the exercise's name: "exercises.ex05"."""
        return f"exercises.{self.module}"


def chapter(name: str) -> Chapter:
    """The exercises of a notebook, by its name without ending.

    Args:
        name: of the notebook, without ending.

    Returns:
        the chapter.

    Raises:
        CarvanaError: for a notebook that the course does not have.
    """
    if name not in CHAPTERS:
        raise CarvanaError(f"There are no exercises for {name!r}; the chapters are {', '.join(CHAPTERS)}.")
    module, title = CHAPTERS[name]
    held = vars(importlib.import_module(f"carvana_lessons.exercises.{module}"))
    found = {key: value for key, value in held.items() if isinstance(value, Exercise)}
    return Chapter(name, module, title, found, held["quiz"])
