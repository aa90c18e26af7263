"""Slides and printed pages of the executed chapters, in a real browser."""

import json
from pathlib import Path

import pypdfium2
import pytest
from built import BUILD
from playwright.sync_api import Browser, Page

from carvana_lessons.exercises.kit import browser as printer
from carvana_lessons.exercises.kit.executed import DRAWN, NAMES, Piece, read_lesson
from carvana_lessons.exercises.kit.glossary import read_glossary
from carvana_lessons.exercises.kit.handouts import write_handouts
from carvana_lessons.exercises.kit.keys import KEY_CELLS
from carvana_lessons.exercises.kit.pages import text_of
from carvana_lessons.exercises.kit.slides import MOST, slides_of, write_slides
from carvana_lessons.utils.errors import CarvanaError

# What of a slide does not lie where it should: its text in the slide, the shown in its room, nothing tiny.
FAULTS = """() => [...document.querySelectorAll('section')].flatMap((slide, k) => {
  const box = q => slide.querySelector(q).getBoundingClientRect(), said = [];
  const shown = slide.querySelector('.shown'), filled = shown.firstElementChild;
  const within = (a, b, c, d) => a >= c - 1 && b <= d + 1;
  const inside = (a, b) => within(a.left, a.right, b.left, b.right) && within(a.top, a.bottom, b.top, b.bottom);
  if (!inside(box('.body'), box('.slide'))) said.push('body');
  if (slide.querySelector('.lead').textContent.trim() && !inside(box('.lead'), box('.body'))) said.push('lead');
  if (filled && !inside(box('.shown'), box('.room'))) said.push('shown');
  for (const part of slide.querySelectorAll('.slide pre, .slide table, .slide img, .slide mjx-container')) {
    if (part.checkVisibility() && !inside(part.getBoundingClientRect(), box('.slide'))) said.push(part.tagName);
    if (part.tagName === 'PRE' && part.scrollWidth > part.clientWidth + 1) said.push('cut code');
  }
  const fit = filled ? Number(getComputedStyle(shown).getPropertyValue('--fit')) : 1;
  if (fit < 0.45 || (slide.querySelector('.parts') && fit < 0.6)) said.push(`too small: ${fit}`);
  return said.map(what => `${k + 1}: ${what}`);
})"""


@pytest.fixture(scope="module", autouse=True)
def drawn_photos() -> None:
    """`make test` on real photos: the kit refuses their chapters, as `tests/exercises/test_kit.py` wants it."""
    record = json.loads((BUILD / "executed.json").read_text(encoding="utf-8"))
    if not all(run.get("data", DRAWN[0]).startswith(DRAWN) for run in record.values()):
        pytest.skip("the chapters were executed on real photos, and these do not get onto slides")


@pytest.fixture(scope="module")
def decks(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("kit") / "slides"
    write_slides(BUILD, out)
    return out


@pytest.fixture
def stage(browser: Browser):
    opened = browser.new_page(viewport={"width": 1280, "height": 720})
    yield opened
    opened.close()


@pytest.mark.parametrize("name", NAMES)
def test_every_slide_fits_its_box_and_asks_no_other_host(stage: Page, decks, name):
    asked, complaints = [], []
    stage.on("request", lambda request: asked.append(request.url))
    stage.on("pageerror", lambda error: complaints.append(str(error)))
    place = (decks / f"{name}.html").as_uri()
    stage.goto(place)
    stage.wait_for_selector("body[data-ready]", state="attached")
    assert 10 <= stage.locator("section").count() <= 25
    assert stage.evaluate(FAULTS) == []
    assert [url for url in asked if url != place and not url.startswith("data:")] == [] and complaints == []
    assert stage.evaluate("document.body.innerText.includes('\\\\(')") is False, "a formula that is not set"


def test_keys_turn_the_slides_forward_and_back(stage: Page, decks):
    stage.goto((decks / "05-segnet-unpooling.html").as_uri())
    told = stage.locator("nav output")
    last = stage.locator("section").count()

    def now() -> str:
        assert stage.locator("section:visible").count() == 1
        return told.inner_text()

    seen = [now()]
    for key in ("ArrowRight", "PageDown", " ", "ArrowLeft", "PageUp", "End", "ArrowRight", "Home", "ArrowLeft"):
        stage.keyboard.press(key)
        seen.append(now())
    assert seen == [f"{k} / {last}" for k in (1, 2, 3, 4, 3, 2, last, last, 1, 1)]
    stage.get_by_label("next slide").click()
    stage.keyboard.press("ArrowRight")
    assert now() == f"3 / {last}", "after a click the keys are still the slides'"
    stage.reload()
    assert now() == f"3 / {last}", "the address keeps the place"


def test_notes_come_with_a_key_and_in_a_window_of_their_own(stage: Page, decks):
    stage.goto((decks / "05-segnet-unpooling.html").as_uri())
    stage.keyboard.press("ArrowRight")
    notes = stage.locator("section.now .notes")
    assert notes.is_hidden() and "Before this" in notes.text_content()
    stage.keyboard.press("n")
    assert notes.is_visible()
    with stage.expect_popup() as opened:
        stage.keyboard.press("s")
    speaker = opened.value
    assert "Before this" in speaker.locator("body").inner_text()
    speaker.keyboard.press("ArrowRight")
    assert stage.locator("nav output").inner_text().startswith("3 /")
    assert speaker.locator("h2").inner_text().startswith("3 /")


def test_a_flipbook_on_a_slide_turns_and_the_slide_stays(stage: Page, decks):
    stage.goto((decks / "01-the-task.html").as_uri())
    stage.wait_for_selector("body[data-ready]", state="attached")
    while stage.locator("section.now figure.flipbook").count() == 0:
        stage.keyboard.press("ArrowRight")
    book, place = stage.locator("section.now figure.flipbook"), stage.locator("nav output").inner_text()
    before = book.locator("output").inner_text()
    book.locator("input").focus()
    stage.keyboard.press("ArrowRight")
    assert book.locator("output").inner_text() != before
    assert stage.locator("nav output").inner_text() == place


@pytest.mark.parametrize("name", NAMES)
def test_the_slides_hold_every_section_the_key_cell_and_the_rest_as_notes(name):
    lesson = read_lesson(BUILD, name)
    slides = slides_of(lesson)
    headings = [slide.heading for slide in slides]
    assert headings[0] == lesson.title and headings[-1] == "Summary" and len(slides) <= MOST
    assert [h for h in dict.fromkeys(headings) if h in {s.heading for s in lesson.sections}] == [
        section.heading for section in lesson.sections
    ]
    shown = [slide.piece.cell for slide in slides if slide.piece]
    assert KEY_CELLS[name] in shown
    told = " ".join(text for slide in slides for text in (slide.lead, *slide.notes, _text(slide.piece)))
    texts = " ".join(p.source for section in lesson.sections for p in section.pieces if p.kind == "text")
    assert sorted(set(texts.split()) - set(told.split())) == []


def _text(piece: Piece | None) -> str:
    return piece.source if piece and piece.kind == "text" else ""


@pytest.fixture(scope="module")
def handouts(browser, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("printed") / "handouts"
    write_handouts(BUILD, out)
    return out


@pytest.mark.parametrize("name", NAMES)
def test_a_handout_is_one_page_with_the_chapters_title_summary_and_terms(handouts, stage: Page, name):
    printed = pypdfium2.PdfDocument(handouts / f"{name}.pdf")
    assert len(printed) == 1 and [round(side) for side in printed[0].get_size()] == [595, 842]  # A4, in points
    text = " ".join(printed[0].get_textpage().get_text_range().split())
    lesson = read_lesson(BUILD, name)
    assert text.startswith(text_of(lesson.title))
    assert " Summary " in text and " Terms " in text
    assert any(term in text for term in read_glossary(BUILD / "book" / "glossary.md"))
    asked = []
    stage.on("request", lambda request: asked.append(request.url))
    stage.goto((handouts / f"{name}.html").as_uri())
    stage.wait_for_selector("body[data-ready]", state="attached")
    assert stage.locator("body").get_attribute("data-ready") == "yes", "it does not fit its page"
    assert [url for url in asked[1:] if not url.startswith("data:")] == []
    size = float(stage.locator(".sheet").evaluate("e => e.style.getPropertyValue('--size')").removesuffix("pt"))
    assert size >= 8 and stage.locator("dt").count() >= 3


def test_a_chapter_explains_its_own_terms_first(handouts):
    for name, term in (("07-dilated-convolution", "gridding"), ("06-coordinate-maps", "coordinate maps")):
        assert f"<dt>{term}</dt>" in (handouts / f"{name}.html").read_text(encoding="utf-8")


def test_terms_do_not_depend_on_which_chapters_are_wanted(handouts, monkeypatch, tmp_path):
    monkeypatch.setattr("carvana_lessons.exercises.kit.handouts.print_page", lambda *_: None)
    write_handouts(BUILD, tmp_path / "one", ("05-segnet-unpooling",))
    one, every = ((out / "05-segnet-unpooling.html").read_bytes() for out in (tmp_path / "one", handouts))
    assert one == every


def test_without_a_browser_the_html_stays_and_a_sentence_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(printer, "NAMES", ())
    monkeypatch.setattr(printer, "PLACES", ())
    with pytest.raises(CarvanaError, match=r"Wrote 1 HTML file to .+ and no PDF.+install one of them, or print"):
        write_handouts(BUILD, tmp_path / "out", ("cut-out",))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["cut-out.html"]


def test_a_browser_that_prints_nothing_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr("carvana_lessons.exercises.kit.handouts.find_browser", lambda: "false")
    with pytest.raises(CarvanaError, match=r"false made no PDF of .+cut-out\.html: open that file"):
        write_handouts(BUILD, tmp_path / "out", ("cut-out",))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["cut-out.html"]
