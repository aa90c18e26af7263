"""Slides of a chapter: its title, each section with its first paragraph, pictures, code, and the summary.

Which slides there are follows from the chapter alone: every section has one; the rest of `MOST` go to pictures, then
tables, then code. What no slide shows stands in the speaker's notes of the slide before it.
"""

from __future__ import annotations

import html
from dataclasses import dataclass, field, replace
from pathlib import Path

from carvana_lessons.exercises.kit.executed import NAMES, PICTURES, Lesson, Piece, Section, read_lesson
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
from carvana_lessons.utils.folders import building
from carvana_lessons.utils.paths import expand

MOST = 25
LEAD, CAPTION = 55, 40  # words, at most; a first sentence stays whole
BULLETS = 6  # on one slide
ROWS = 9  # of a table beside code
SET_APART = ("- ", "|", "$$", "<", "1. ", "![")  # a list, a table, a formula, a picture
RANK = {"picture": 1, "table": 2, "code": 3}


@dataclass
class Slide:
    """One slide.

    Attributes:
        heading: in Markdown.
        kind: "title", "list", "section" or "piece".
        above: the chapter's or the section's name, in small letters over the heading.
        lead: Markdown.
        piece: what is shown.
        notes: Markdown for the speaker.
        rank: what is left out first when there are too many slides; 0 is never left out.
    """

    heading: str
    kind: str
    above: str = ""
    lead: str = ""
    piece: Piece | None = None
    notes: list[str] = field(default_factory=list)
    rank: int = 0


def slides_of(lesson: Lesson) -> list[Slide]:
    """Choose the slides of a chapter.

    Args:
        lesson: the executed chapter.

    Returns:
        at most `MOST`, but for a chapter with more sections than that.
    """
    question = "\n\n".join(lesson.question)
    lead, rest = first_sentences(question, LEAD)
    slides = [Slide(lesson.title, "title", lead=lead, notes=[rest])]
    slides += _lists("What you will be able to do", lesson.aims, [lesson.before])
    for section in (lesson.opening, *lesson.sections):
        slides += _of_section(section, lesson.title)
    if lesson.exercises:
        slides += _lists("Exercises", "\n".join(f"- {text}" for text in lesson.exercises), [])
    slides += _lists("Summary", lesson.summary, [lesson.further])
    key = KEY_CELLS[lesson.name]
    return _fewer([replace(s, rank=0) if s.piece and s.piece.cell == key else s for s in slides])


def _lists(heading: str, markdown: str, notes: list[str]) -> list[Slide]:
    """A list on as few slides as its length allows, each with about as many items."""
    items = ("\n" + markdown).split("\n- ")[1:]
    words = len(markdown.split())
    count = max(-(-len(items) // BULLETS), -(-words // 170))
    size = -(-len(items) // count)
    parts = [items[k : k + size] for k in range(0, len(items), size)]
    return [
        Slide(heading, "list", lead="\n".join(f"- {item}" for item in part), notes=notes if k == 0 else [])
        for k, part in enumerate(parts)
    ]


def _of_section(section: Section, chapter: str) -> list[Slide]:
    """A slide with the first paragraph and what follows it, and one for each further picture, table and cell."""
    slides: list[Slide] = []
    pieces = list(section.pieces)
    if section.heading:
        first = Slide(section.heading, "section", text_of(chapter))
        if pieces and pieces[0].kind == "text":
            first.lead, rest = first_sentences(pieces.pop(0).source, LEAD)
            first.notes.append(rest)
        slides.append(first)
    for piece in pieces:
        if piece.kind == "text":
            if slides:
                _add_text(slides[-1], piece.source)
        elif slides and slides[-1].kind == "section" and slides[-1].piece is None:
            slides[-1].piece, more = _of_piece(piece)
            slides[-1].notes += more
        else:
            shown, more = _of_piece(piece)
            heading, above = (section.heading, piece.title) if section.heading else (piece.title, "")
            slides.append(Slide(heading or chapter, "piece", above or text_of(chapter), "", shown, more, _rank(shown)))
    return slides


def _add_text(slide: Slide, text: str) -> None:
    """A first paragraph under a picture is shown, and what an unfinished sentence leads to; the rest becomes notes."""
    set_apart = text.startswith(SET_APART)
    announced = slide.lead and slide.lead[-1] not in ".?!)" and not any(slide.notes)
    if set_apart and announced and slide.piece is None and text[0] in "|-":
        slide.piece = Piece("text", text, "")
        return
    if set_apart and announced and text.startswith("$$"):
        slide.lead += f"\n\n{text}"
        return
    if slide.kind == "piece" and not slide.lead and not set_apart:
        slide.lead, text = first_sentences(text, CAPTION)
    slide.notes.append(text)


def _of_piece(piece: Piece) -> tuple[Piece, list[str]]:
    """What is shown of a cell, and the rest as notes: code that draws a picture or a long table is not looked at."""
    long = piece.shows.count("<tr") > ROWS or PICTURES.search(piece.shows)
    if piece.kind != "code" or not long:
        return piece, []
    kind = "picture" if PICTURES.search(piece.shows) else "table"
    return replace(piece, kind=kind, source=piece.shows), [_fenced(piece.source)]


def _fenced(code: str) -> str:
    return f"```python\n{code}\n```"


def _rank(piece: Piece) -> int:
    """Code that showed nothing comes last."""
    return RANK[piece.kind] + (piece.kind == "code" and not (piece.said or piece.shows))


def _fewer(slides: list[Slide]) -> list[Slide]:
    """At most `MOST` slides; one that is left out leaves its text in the notes of the slide before it."""
    spare = sorted((k for k, slide in enumerate(slides) if slide.rank), key=lambda k: (-slides[k].rank, -k))
    gone = set(spare[: max(0, len(slides) - MOST)])
    kept: list[Slide] = []
    for k, slide in enumerate(slides):
        if k in gone:
            code = [_fenced(slide.piece.source)] if slide.piece and slide.piece.kind == "code" else []
            kept[-1].notes += [*code, slide.lead, *slide.notes]
        else:
            kept.append(slide)
    return kept


def deck(lesson: Lesson) -> str:
    """The slides of a chapter as one HTML file that loads nothing.

    Args:
        lesson: the executed chapter.

    Returns:
        HTML.
    """
    slides = slides_of(lesson)
    body = "\n".join(_html(slide, lesson, k + 1, len(slides)) for k, slide in enumerate(slides))
    bar = (
        '<nav><button type="button" data-step="-1" aria-label="previous slide">‹</button>'
        '<output aria-live="polite"></output>'
        '<button type="button" data-step="1" aria-label="next slide">›</button></nav>'
    )
    return page(text_of(lesson.title), f"<main>\n{body}\n</main>\n{bar}", "deck.css", "deck.js")


def _html(slide: Slide, lesson: Lesson, number: int, count: int) -> str:
    level = "h1" if slide.kind == "title" else "h2"
    above = f'<p class="above">{html.escape(slide.above)}</p>' if slide.above else ""
    notes = "\n\n".join(filter(None, slide.notes))
    shown = rendered(lesson.picture) if slide.kind == "title" else _shown(slide.piece)
    kind = slide.piece.kind if slide.piece else ""
    return (
        f'<section class="{slide.kind}" aria-label="slide {number} of {count}"><div class="slide">{above}'
        f"<{level}>{rendered_inline(slide.heading)}</{level}>"
        f'<div class="body"><div class="lead">{rendered(slide.lead)}</div>'
        f'<div class="room"><div class="shown {kind}">{shown}</div></div></div></div>'
        f'<aside class="notes">{rendered(notes)}</aside></section>'
    )


def _shown(piece: Piece | None) -> str:
    if piece is None:
        return ""
    if piece.kind == "text":
        return f'<div class="wide">{rendered(piece.source)}</div>'
    if piece.kind != "code":
        return piece.source
    said = plain(piece.said)
    shows = f"<div>{piece.shows}</div>" if piece.shows else ""
    return f'<div class="parts"><div class="code">{highlighted(piece.source)}</div>{said}{shows}</div>'


def write_slides(build: Path, out: Path, names: tuple[str, ...] = ()) -> list[Path]:
    """Write the slides of chapters into a new folder, one HTML file each.

    Args:
        build: the folder in which the book was built; its chapters were executed there.
        out: a new folder.
        names: of the chapters; none for all.

    Returns:
        the files.

    Raises:
        ExistsError: if the folder is there already.
        CarvanaError: as `read_lesson`.
    """
    out = expand(out)
    with building(out) as folder:
        decks = {f"{name}.html": deck(read_lesson(build, name)) for name in names or NAMES}
        for name, text in decks.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return [out / name for name in decks]
