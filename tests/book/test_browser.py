"""The built pages in a real browser: what moves when a reader clicks or presses a key, and what no page may do."""

import pytest
from built import PAGES
from playwright.sync_api import Page

from carvana_lessons import exercises, show
from carvana_lessons.show.figures import Picture


def test_a_quiz_tells_about_each_choice_by_mouse_and_by_keyboard(page: Page, site):
    page.goto(f"{site}/05-segnet-unpooling.html")
    question = page.locator(".quiz fieldset").first
    told = question.locator("[data-why]")
    assert told.count() == 3 and not any(told.nth(k).is_visible() for k in range(3))
    question.locator("label").nth(0).click()
    assert [told.nth(k).is_visible() for k in range(3)] == [True, False, False]
    assert told.nth(0).inner_text().startswith("✗")
    page.keyboard.press("ArrowDown")
    assert [told.nth(k).is_visible() for k in range(3)] == [False, True, False]
    assert told.nth(1).inner_text().startswith("✓")


def test_arrow_keys_choose_and_turn_and_the_page_hears_nothing_of_them(page: Page):
    """As in JupyterLab, where whoever listens on the document moves to another cell."""
    book = show.flipbook([Picture(b"", "one", 40), Picture(b"", "two", 40)], ["1", "2"], "view")
    page.set_content(f"{exercises.ex02.quiz._repr_html_()}{book._repr_html_()}<p tabindex=0>text</p>")
    page.evaluate("heard = []; document.addEventListener('keydown', (event) => heard.push(event.key))")
    choices = page.locator(".quiz fieldset").first.locator("input")
    choices.first.check()
    page.keyboard.press("ArrowDown")
    assert choices.nth(1).is_checked()
    page.locator(".flipbook input").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".flipbook output").inner_text() == "2"
    page.keyboard.press("Escape")
    page.locator("p[tabindex]").focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("heard") == ["Escape", "ArrowDown"]


def test_questions_do_not_hang_together(page: Page, site):
    page.goto(f"{site}/05-segnet-unpooling.html")
    questions = page.locator(".quiz fieldset")
    for k in range(questions.count()):
        questions.nth(k).locator("input").first.check()
    assert page.locator(".quiz input:checked").count() == questions.count() == 3


@pytest.mark.parametrize(
    "name",
    ["01-the-task", "02-u-net", "04-augmentation", "05-segnet-unpooling", "07-dilated-convolution", "08-feature-maps"],
)
def test_a_flipbook_turns_by_keyboard(page: Page, site, name):
    page.goto(f"{site}/{name}.html")
    book = page.locator("figure.flipbook").first
    shown = book.locator(":scope > img:visible, :scope > [role=img]:visible")  # a picture, or a sheet of pictures

    def told() -> str | None:
        return shown.get_attribute("alt") or shown.get_attribute("aria-label")

    seen, label = [told()], book.locator("output").inner_text()
    book.locator("input").focus()
    page.keyboard.press("ArrowRight")
    seen.append(told())
    assert shown.count() == 1 and seen[0] and seen[0] != seen[1]
    assert book.locator("output").inner_text() == book.locator("input").get_attribute("aria-valuetext") != label


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_no_one_else_and_fits_a_phone(page: Page, site, name):
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("response", lambda r: complaints.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    page.set_viewport_size({"width": 375, "height": 800})
    page.goto(f"{site}/{name}.html", wait_until="load")
    assert [url for url in asked if not url.startswith((site, "data:"))] == []
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("api/")])
def test_the_name_of_a_module_fits_a_phone(page: Page, site, name):
    page.set_viewport_size({"width": 375, "height": 800})
    page.goto(f"{site}/{name}.html")
    for module in page.locator("article h2 code").all():
        assert module.evaluate("e => e.getClientRects().length") == 1, module.inner_text()


def test_a_picture_stands_on_no_board_in_the_dark(page: Page, site):
    page.emulate_media(color_scheme="dark")
    page.goto(f"{site}/04-augmentation.html")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    caption = page.locator("figure.flipbook figcaption span").first
    ground = "e => { while (getComputedStyle(e).backgroundColor === 'rgba(0, 0, 0, 0)') e = e.parentElement;"
    dark = caption.evaluate(ground + " return getComputedStyle(e).backgroundColor }")
    light = caption.evaluate("e => getComputedStyle(e).color")
    assert _brightness(dark) < 60 and _brightness(light) > 150


def test_search_finds_offline_what_a_chapter_says(page: Page, site):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site}/intro.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("gridding")
    page.keyboard.press("Enter")
    found = page.locator("ul.search li a[href*='07-dilated-convolution']").first
    found.click()  # results come one by one; this waits for ours
    page.wait_for_load_state()
    assert "gridding" in page.locator("article").inner_text().lower()
    assert [url for url in asked if not url.startswith((site, "data:"))] == []


def test_the_reader_chooses_light_or_dark(page: Page, site):
    page.emulate_media(color_scheme="light")
    page.goto(f"{site}/intro.html")
    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == "light"
    button = page.locator("button.theme-switch-button:visible").first
    for _ in range(3):  # light, dark, as the system has it
        button.click()
        if page.evaluate(theme) == "dark":
            break
    assert page.evaluate(theme) == "dark"
    page.goto(f"{site}/01-the-task.html")
    assert page.evaluate(theme) == "dark"


def test_pages_follow_each_other(page: Page, site):
    page.goto(f"{site}/01-the-task.html")
    page.locator("a.right-next").click()
    page.wait_for_url("**/02-u-net.html")
    page.locator("a.left-prev").click()
    page.wait_for_url("**/01-the-task.html")


def test_a_page_prints_without_its_bars(page: Page, site):
    page.emulate_media(media="print")
    page.goto(f"{site}/07-dilated-convolution.html")
    assert page.locator("#pst-primary-sidebar").is_hidden() and page.locator(".bd-header-article").is_hidden()
    assert page.locator("article").is_visible()
    wide = page.evaluate(
        "[...document.querySelectorAll('article img')].filter(i => i.getBoundingClientRect().right > innerWidth).length"
    )
    assert wide == 0


def _brightness(color: str) -> float:
    """Of "rgb(1, 2, 3)", 0 to 255."""
    return sum(float(v) for v in color[color.index("(") + 1 : -1].split(",")[:3]) / 3


def test_the_start_page_weighs_less_than_a_megabyte_with_all_it_loads(page: Page, site):
    sizes = []
    page.on("requestfinished", lambda request: sizes.append(len(request.response().body())))
    page.goto(f"{site}/intro.html", wait_until="networkidle")
    assert len(sizes) > 5 and sum(sizes) < 1_000_000


def test_icons_are_drawn_without_their_script(page: Page, site):
    page.goto(f"{site}/01-the-task.html")
    rocket = page.locator(".fa-rocket").first
    family = "e => getComputedStyle(e).fontFamily + getComputedStyle(e, '::before').content"
    assert rocket.evaluate(family).startswith('"Font Awesome') and rocket.bounding_box()["width"] > 5
    assert page.evaluate("document.fonts.check('900 16px \\'Font Awesome 6 Free\\'')")
