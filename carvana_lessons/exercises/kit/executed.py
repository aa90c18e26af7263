"""An executed chapter, taken apart: its sections, and in each the text, the code and the pictures in their order."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from carvana_lessons.exercises.chapters import CHAPTERS, FIRST, LAST, PAGES
from carvana_lessons.exercises.kit.pages import split_blocks
from carvana_lessons.exercises.minutes import EXERCISE
from carvana_lessons.utils.errors import CarvanaError, DataError

NAMES = (*CHAPTERS, *PAGES)
DRAWN = ("synthetic studio", "drawn photos")  # how `course.describe_data` begins where no photo is real
HIDDEN, REMOVED = "hide-input", "remove-cell"
EXERCISES, SUMMARY = FIRST[3:], LAST[3:]  # the headings without their signs
QUIZ, AIMS = "Quiz", "**What you will be able to do**"
TITLE = re.compile(r"# @title (.+)\n?")
PICTURES = re.compile(r"<img|<svg|<figure")
STYLE = re.compile(r"<style.*?</style>", re.DOTALL)  # of a table: each page has its own
SAID_LINES = 14  # of what a cell prints


@dataclass(frozen=True)
class Piece:
    """Something of a chapter that is read or looked at.

    Attributes:
        kind: "text", "code", "picture" or "table"; lists and formulae are text.
        source: Markdown of a text, Python of code; HTML of anything else.
        cell: the id of its cell.
        title: what the cell's first line, ``# @title``, calls it.
        said: of code: what it printed, as plain text.
        shows: of code: HTML of the picture or table that it made.
    """

    kind: str
    source: str
    cell: str
    title: str = ""
    said: str = ""
    shows: str = ""


@dataclass
class Section:
    """What stands under one heading.

    Attributes:
        heading: in Markdown.
        pieces: in their order.
    """

    heading: str
    pieces: list[Piece] = field(default_factory=list)


@dataclass(frozen=True)
class Lesson:
    """An executed chapter.

    Attributes:
        name: of the notebook.
        title: in Markdown.
        picture: Markdown of the picture under the title.
        question: the paragraphs between that picture and the aims.
        aims: what a reader will be able to do, as a list in Markdown.
        before: the paragraph that says what one has to know.
        opening: what comes before the first section.
        sections: those between.
        summary: the list at the end, in Markdown.
        further: Markdown after that list.
        exercises: the titles of the exercises, with their minutes.
    """

    name: str
    title: str
    picture: str
    question: list[str]
    aims: str
    before: str
    opening: Section
    sections: list[Section]
    summary: str
    further: str
    exercises: list[str]


def read_lesson(build: Path, name: str) -> Lesson:
    """Read an executed chapter from the folder in which the book was built.

    Args:
        build: the folder, with ``executed.json``.
        name: of the notebook, without ending.

    Returns:
        the chapter.

    Raises:
        CarvanaError: for a chapter that the course does not have, that was not executed or stopped at an error, or that
            was executed on real photos, which may not be passed on.
        DataError: where a file is damaged.
    """
    if name not in NAMES:
        raise CarvanaError(f"There is no chapter {name!r}; the chapters are {', '.join(NAMES)}.")
    path = build / "book" / f"{name}.ipynb"
    try:
        run = json.loads((build / "executed.json").read_text(encoding="utf-8")).get(path.name)
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except FileNotFoundError as error:
        raise CarvanaError(
            f"{error.filename} is not there: run `make book` first, which executes the chapters, or name the folder in "
            "which it did with --build."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} or executed.json beside its folder is damaged: run `make book` again.") from error
    if run is None or "error" in run or "data" not in run:
        why = "was not executed yet" if "error" not in (run or {}) else f"stopped ({run['error'].rstrip('.')})"
        raise CarvanaError(f"{name} {why}: run `make book`, then try again.")
    if not run["data"].startswith(DRAWN):
        raise CarvanaError(
            f"{name} was executed on {run['data']}, and these may not be passed on: unset CARVANA_DATA, run `make "
            "book`, then try again."
        )
    return _lesson(name, cells)


def _lesson(name: str, cells: list[dict]) -> Lesson:
    sections = [Section("")]
    for cell in cells:
        source, tags = "".join(cell["source"]), cell["metadata"].get("tags", [])
        if REMOVED in tags:
            continue
        if cell["cell_type"] == "markdown":
            for block in split_blocks(source):
                if block.startswith("## "):
                    sections.append(Section(block[3:].strip()))
                else:
                    sections[-1].pieces.append(Piece("text", block, cell["id"]))
        elif cell["cell_type"] == "code":
            sections[-1].pieces += _of_code(cell, source, HIDDEN in tags)
    named = {section.heading: section for section in sections}
    if SUMMARY not in named or not sections[0].pieces or not sections[0].pieces[0].source.startswith("# "):
        raise DataError(f"{name} has no title or no section {SUMMARY!r}; fetch it from the repository again.")
    opening = sections[0]
    texts = [piece.source for piece in opening.pieces if piece.kind == "text"]
    start = next((k for k, text in enumerate(texts) if text.startswith(AIMS)), None)
    if start is None or not texts[1].startswith("!["):
        raise DataError(f"{name} needs a picture under its title, and {AIMS}; fetch it from the repository again.")
    last = [piece.source for piece in named[SUMMARY].pieces]
    told = set(texts[: start + 3])
    tasks = named.get(EXERCISES, Section("")).pieces
    return Lesson(
        name=name,
        title=texts[0][2:].strip(),
        picture=texts[1],
        question=texts[2:start],
        aims=texts[start + 1],
        before=texts[start + 2] if start + 2 < len(texts) else "",
        opening=Section("", [piece for piece in opening.pieces if piece.source not in told]),
        sections=[s for s in sections[1:] if s.heading not in (EXERCISES, QUIZ, SUMMARY)],
        summary=last[0],
        further="\n\n".join(last[1:]),
        exercises=[found[1] for piece in tasks if (found := EXERCISE.match(piece.source))],
    )


def _of_code(cell: dict, source: str, hidden: bool) -> list[Piece]:
    """A visible cell with what it showed; of a folded one what it showed alone, and nothing where it showed nothing."""
    title = TITLE.match(source)
    said, shows = [], []
    for output in cell.get("outputs", []):
        if output["output_type"] == "stream":
            said += "".join(output["text"]).splitlines()
        elif html := "".join(output.get("data", {}).get("text/html", "")):
            shows.append(STYLE.sub("", html))
        elif text := "".join(output.get("data", {}).get("text/plain", "")):
            said += text.splitlines()
    name = title[1].strip() if title else ""
    if hidden:
        kinds = [("picture" if PICTURES.search(html) else "table", html) for html in shows]
        return [Piece(kind, html, cell["id"], name) for kind, html in kinds]
    if len(said) > SAID_LINES:
        said = [*said[: SAID_LINES - 1], "…"]
    return [Piece("code", source, cell["id"], name, "\n".join(said), "".join(shows))]
