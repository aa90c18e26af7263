"""The built pages in a real browser: what moves when a reader clicks or presses a key, and what no page may do."""

import os
import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "build" / "html"
PAGES = sorted(p.stem for p in [*(ROOT / "book").glob("*.ipynb"), *(ROOT / "book").glob("*.md")])
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site():
    """The address of the pages on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=HTML))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("There is no Chromium; .ci/run should have installed it.")
        pytest.skip("no Chromium here; `apt-get install chromium` brings it, then these tests run")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser):
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    yield opened
    opened.close()


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
    seen = [book.locator("img:visible").get_attribute("alt")]
    label = book.locator("output").inner_text()
    book.locator("input").focus()
    page.keyboard.press("ArrowRight")
    seen.append(book.locator("img:visible").get_attribute("alt"))
    assert book.locator("img:visible").count() == 1 and seen[0] != seen[1]
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


def test_a_picture_stands_on_no_board_in_the_dark(page: Page, site):
    page.emulate_media(color_scheme="dark")
    page.goto(f"{site}/04-augmentation.html")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    caption = page.locator("figure.flipbook figcaption span").first
    ground = "e => { while (getComputedStyle(e).backgroundColor === 'rgba(0, 0, 0, 0)') e = e.parentElement;"
    dark = caption.evaluate(ground + " return getComputedStyle(e).backgroundColor }")
    light = caption.evaluate("e => getComputedStyle(e).color")
    assert _brightness(dark) < 60 and _brightness(light) > 150


def _brightness(color: str) -> float:
    """Of "rgb(1, 2, 3)", 0 to 255."""
    return sum(float(v) for v in color[color.index("(") + 1 : -1].split(",")[:3]) / 3
