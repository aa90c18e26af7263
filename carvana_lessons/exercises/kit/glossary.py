"""Which terms of the book's glossary a chapter is about."""

from __future__ import annotations

import json
import re
from pathlib import Path

from carvana_lessons.exercises.kit.executed import Lesson
from carvana_lessons.utils.errors import DataError

ENTRY = re.compile(r"^(\S.*)\n  (\S.*)$", re.MULTILINE)
BOLD = re.compile(r"\*\*(.+?)\*\*")
INTRODUCED, SUMMED_UP = 30, 5  # a term in bold counts as much as 30 mentions of it, one in the summary as 5


def read_glossary(file: Path) -> dict[str, str]:
    """The terms of a page with a ``{glossary}``.

    Args:
        file: the page.

    Returns:
        explanations by term, in the page's order.

    Raises:
        DataError: if there is no term in it.
    """
    found = dict(ENTRY.findall(file.read_text(encoding="utf-8"))) if file.exists() else {}
    if not found:
        raise DataError(f"There are no terms in {file}; fetch book/glossary.md from the repository and `make book`.")
    return {term: text.strip() for term, text in found.items()}


def _text_of(lesson: Lesson) -> str:
    """All that a chapter says; its headings in bold."""
    pieces = [piece for section in (lesson.opening, *lesson.sections) for piece in section.pieces]
    headings = [f"**{text}**" for text in (lesson.title, *(section.heading for section in lesson.sections))]
    return "\n\n".join([*headings, *lesson.question, *(p.source for p in pieces if p.kind == "text"), lesson.summary])


def texts_of(book: Path) -> list[str]:
    """What the chapters say, whichever of them are wanted: terms must not depend on that.

    Args:
        book: the folder of the chapters.

    Returns:
        the Markdown of each.
    """
    notebooks = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(book.glob("*.ipynb"))]
    return ["\n\n".join("".join(c["source"]) for c in n["cells"] if c["cell_type"] == "markdown") for n in notebooks]


def terms_of(lesson: Lesson, glossary: dict[str, str], book: list[str], most: int) -> dict[str, str]:
    """The terms that a chapter introduces in bold, sums up, or mentions more than other chapters do.

    Args:
        lesson: the chapter.
        glossary: all terms.
        book: texts of all chapters.
        most: as many at most.

    Returns:
        terms with their explanations, the most important first.
    """
    text = _text_of(lesson)
    bold = "\n".join(BOLD.findall(text))
    weights = {}
    for term in glossary:
        name = _names(term)
        here = len(name.findall(text))
        if here:
            said = here + INTRODUCED * bool(name.search(bold)) + SUMMED_UP * len(name.findall(lesson.summary))
            weights[term] = said * here / max(here, sum(len(name.findall(other)) for other in book))
    best = sorted(weights, key=lambda term: -weights[term])
    return {term: glossary[term] for term in best[:most]}


def _names(term: str) -> re.Pattern:
    """What a text may call it: "encoder, decoder" has two names, "run-length encoding (RLE)" as well, each a plural.

    Of an enumeration with "and" its last member counts, "test set": "training" alone stands on every page.
    """
    names = [re.escape(name.strip()) for name in re.split(r"[,()]", term.split(" and ")[-1]) if name.strip()]
    return re.compile(rf"(?<![\w-])(?:{'|'.join(names)})s?(?![\w-])", re.IGNORECASE)
