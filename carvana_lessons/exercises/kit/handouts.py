"""A printed page for each chapter: its picture, its question, one cell, its summary, and the terms that it uses."""

from __future__ import annotations

import html
from pathlib import Path

from carvana_lessons.exercises.kit.browser import find_browser, print_page
from carvana_lessons.exercises.kit.executed import NAMES, Lesson, read_lesson
from carvana_lessons.exercises.kit.glossary import read_glossary, terms_of, texts_of
from carvana_lessons.exercises.kit.keys import KEY_CELLS
from carvana_lessons.exercises.kit.pages import (
    first_sentences,
    highlighted,
    page,
    plain,
    rendered,
    rendered_inline,
    text_of,
)
from carvana_lessons.utils.errors import CarvanaError, DataError
from carvana_lessons.utils.folders import building
from carvana_lessons.utils.paths import expand
from carvana_lessons.utils.wording import counted

WORDS = 90  # of the question
TERMS = 8  # the script on the page drops the last ones where they have no room


def handout(lesson: Lesson, terms: dict[str, str]) -> str:
    """The page of a chapter.

    Args:
        lesson: the executed chapter.
        terms: explanations by term, the most important first.

    Returns:
        HTML of one A4 page, which loads nothing.

    Raises:
        DataError: if the chapter has lost the cell that the page shows.
    """
    pieces = [piece for section in (lesson.opening, *lesson.sections) for piece in section.pieces]
    cell = next((piece for piece in pieces if piece.cell == KEY_CELLS[lesson.name] and piece.kind == "code"), None)
    if cell is None:
        raise DataError(
            f"{lesson.name} has no visible cell {KEY_CELLS[lesson.name]!r}: name another one in "
            "carvana_lessons/exercises/kit/keys.py."
        )
    question, _ = first_sentences("\n\n".join(lesson.question), WORDS)
    entries = "".join(
        f"<div><dt>{html.escape(term)}</dt><dd>{rendered_inline(text)}</dd></div>" for term, text in terms.items()
    )
    body = (
        f'<article class="sheet"><header><div><h1>{rendered_inline(lesson.title)}</h1>{rendered(question)}</div>'
        f'<div class="picture">{rendered(lesson.picture)}</div></header>'
        f"<h2>In code</h2>{highlighted(cell.source)}{plain(cell.said)}"
        f"<h2>Summary</h2>{rendered(lesson.summary)}"
        f'<h2>Terms</h2><dl class="terms">{entries}</dl></article>'
    )
    return page(text_of(lesson.title), body, "handout.css", "handout.js")


def write_handouts(build: Path, out: Path, names: tuple[str, ...] = ()) -> list[Path]:
    """Write a page for each chapter into a new folder, as HTML and as PDF.

    Args:
        build: the folder in which the book was built; its chapters were executed there.
        out: a new folder.
        names: of the chapters; none for all.

    Returns:
        the PDF files.

    Raises:
        ExistsError: if the folder is there already.
        CarvanaError: as `read_lesson`; and after the HTML files were written if no browser prints them.
    """
    out = expand(out)
    with building(out) as folder:
        lessons = {name: read_lesson(build, name) for name in names or NAMES}
        glossary = read_glossary(build / "book" / "glossary.md")
        texts = texts_of(build / "book")
        for name, lesson in lessons.items():
            text = handout(lesson, terms_of(lesson, glossary, texts, TERMS))
            (folder / f"{name}.html").write_text(text, encoding="utf-8", newline="\n")
    browser = find_browser()
    if browser is None:
        raise CarvanaError(
            f"Wrote {counted(len(lessons), 'HTML file')} to {out} and no PDF, for there is no Chromium, Chrome or Edge "
            "here that prints: install one of them, or print the files from the browser that you have."
        )
    files = [out / f"{name}.pdf" for name in lessons]
    for file in files:
        print_page(browser, file.with_suffix(".html"), file)
    return files
