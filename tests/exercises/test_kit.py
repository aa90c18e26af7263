"""Slides and printed pages from a chapter of a few cells: what is refused, and how text is cut."""

import json
from pathlib import Path

import pytest

from carvana_lessons.exercises.kit.executed import NAMES, read_lesson
from carvana_lessons.exercises.kit.keys import KEY_CELLS
from carvana_lessons.exercises.kit.pages import first_sentences, rendered, split_blocks
from carvana_lessons.exercises.kit.slides import deck, slides_of, write_slides
from carvana_lessons.utils.errors import CarvanaError, DataError, ExistsError

BOOK = Path(__file__).resolve().parents[2] / "book"
NAME = "05-segnet-unpooling"
DRAWN = {"seconds": 1.0, "data": "synthetic studio, 48 cars, 768 drawn photos"}


def markdown(name: str, text: str) -> dict:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text.splitlines(keepends=True)}


def code(name: str, text: str, outputs: tuple = (), tags: tuple = ()) -> dict:
    lines = text.splitlines(keepends=True)
    return {"cell_type": "code", "id": name, "metadata": {"tags": tags}, "outputs": outputs, "source": lines}


def shows(html: str) -> dict:
    return {"output_type": "display_data", "data": {"text/html": html}}


AIMS = "**What you will be able to do**\n\n- pool,\n- unpool.\n\n**Before this:** chapter 2."
PRINTED = {"output_type": "stream", "text": ["42\n"]}
CELLS = [
    markdown("title", f"# 5 · A *title*\n\n![A wheel.](data:image/png;base64,AAAA)\n\nWhere? Here.\n\n{AIMS}"),
    code("set-up", "# @title Set-up\nhidden_setup = 1", (PRINTED,), ("hide-input",)),
    markdown("first", "## One\n\nA first sentence. See [chapter 2](02-u-net.ipynb), $a < b$.\n\nA second paragraph."),
    code("u-net-lack-code-1", "print(6 * 7)", (PRINTED,)),
    code("drawing", "# @title A picture\nhidden = 1", (shows('<img alt="p" src="data:,">'),), ("hide-input",)),
    markdown("after", "What it shows.\n\n## Exercises\n\nHow.\n\n**1 · Count (3 minutes).** Do it."),
    code("live", "play()", (shows("<img alt='live' src='data:,'>"),), ("remove-cell",)),
    markdown("summary", "## Summary\n\n- One thing.\n- Another.\n\n**Next:** more."),
]


@pytest.fixture
def build(tmp_path):
    """A folder as `make book` leaves it, with one chapter."""

    def make(cells=CELLS, **run) -> Path:
        (tmp_path / "build" / "book").mkdir(parents=True, exist_ok=True)
        (tmp_path / "build" / "book" / f"{NAME}.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
        record = {f"{NAME}.ipynb": run or DRAWN}
        (tmp_path / "build" / "executed.json").write_text(json.dumps(record), encoding="utf-8")
        return tmp_path / "build"

    return make


def test_a_chapter_is_taken_apart(build):
    lesson = read_lesson(build(), NAME)
    assert (lesson.title, lesson.question) == ("5 · A *title*", ["Where? Here."])
    assert lesson.aims == "- pool,\n- unpool." and lesson.before == "**Before this:** chapter 2."
    assert [section.heading for section in lesson.sections] == ["One"]
    assert [(p.kind, p.cell) for p in lesson.sections[0].pieces][2:4] == [
        ("code", "u-net-lack-code-1"),
        ("picture", "drawing"),
    ]
    assert lesson.exercises == ["1 · Count (3 minutes)"] and lesson.summary == "- One thing.\n- Another."


def test_slides_show_code_with_what_it_printed_and_hide_what_the_page_hides(build):
    lesson = read_lesson(build(), NAME)
    assert [slide.heading for slide in slides_of(lesson)] == [
        "5 · A *title*",
        "What you will be able to do",
        "One",
        "One",
        "Exercises",
        "Summary",
    ]
    page = deck(lesson)
    assert "42" in page and "hidden_setup" not in page and "alt='live'" not in page
    assert "02-u-net.ipynb" not in page, "a link into the book leads nowhere from here"
    assert "\\(a &lt; b\\)" in page and "A second paragraph." in page


def test_too_many_slides_lose_code_first_and_never_the_key_cell(build):
    many = [code(f"more-{k}", f"x = {k}") for k in range(40)]
    key = CELLS[3]
    lesson = read_lesson(build([*CELLS[:3], *many, key, *CELLS[4:]]), NAME)
    slides = slides_of(lesson)
    assert len(slides) == 25 and any(s.piece and s.piece.cell == key["id"] for s in slides)
    assert any(s.piece and s.piece.cell == "drawing" for s in slides)
    assert any("x = 39" in note for slide in slides for note in slide.notes)


@pytest.mark.parametrize(
    "run, words",
    [
        ({"data": "real photos, 318 cars, 5,088 photos"}, "may not be passed on"),
        ({"error": "ValueError in the section “One”"}, "stopped (ValueError in the section “One”): run `make book`"),
    ],
)
def test_a_chapter_that_stopped_or_saw_real_photos_is_refused(build, tmp_path, run, words):
    with pytest.raises(CarvanaError) as told:
        write_slides(build(**run), tmp_path / "out", (NAME,))
    assert words in str(told.value) and not (tmp_path / "out").exists()


def test_what_is_missing_or_damaged_is_told(build, tmp_path):
    with pytest.raises(CarvanaError, match="run `make book` first"):
        read_lesson(tmp_path / "nowhere", NAME)
    with pytest.raises(CarvanaError, match="There is no chapter '5'"):
        read_lesson(build(), "5")
    with pytest.raises(DataError, match="needs a picture under its title"):
        read_lesson(build([markdown("title", "# T\n\nText."), CELLS[-1]]), NAME)
    with pytest.raises(DataError, match="has no title"):
        read_lesson(build(CELLS[:3]), NAME)
    (tmp_path / "build" / "executed.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="damaged"):
        read_lesson(tmp_path / "build", NAME)
    (build() / "book" / "cut-out.ipynb").write_text('{"cells": []}', encoding="utf-8")
    with pytest.raises(CarvanaError, match="cut-out was not executed yet"):
        read_lesson(tmp_path / "build", "cut-out")
    (tmp_path / "old").mkdir()
    with pytest.raises(ExistsError):
        write_slides(build(), tmp_path / "old", (NAME,))


@pytest.mark.parametrize(
    "text, head",
    [
        ("One two. Three four. Five six.", "One two. Three four."),
        ("A **bold. Part** here. Then more words.", "A **bold. Part** here."),
        ("See (Roy et al. 2018) for it. And then.", "See (Roy et al. 2018) for it."),
        ("A first sentence that is longer than the words allow, and stays whole. B.", None),
    ],
)
def test_a_paragraph_is_cut_between_sentences_and_never_inside_a_mark(text, head):
    first, rest = first_sentences(text, 5)
    assert f"{first} {rest}".strip() == text
    assert first == (head or text.removesuffix(" B."))


def test_markdown_of_the_notebooks_becomes_html():
    assert "\\[x^2\\]" in rendered("$$x^2$$") and "\\(x\\)" in rendered("$x$")
    assert rendered("[chapter](01-the-task.ipynb) and [site](https://example.org)").strip() == (
        '<p>chapter and <a href="https://example.org">site</a></p>'
    )
    assert split_blocks("a\nb\n\n- c\n- d\n\n$$e$$\n\n| f |\n| - |\n| g |") == [
        "a\nb",
        "- c\n- d",
        "$$e$$",
        "| f |\n| - |\n| g |",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_each_chapter_has_a_key_cell_that_a_page_shows(name):
    cells = json.loads((BOOK / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    cell = next(cell for cell in cells if cell["id"] == KEY_CELLS[name])
    assert cell["cell_type"] == "code" and not cell["metadata"].get("tags") and len(cell["source"]) <= 12
