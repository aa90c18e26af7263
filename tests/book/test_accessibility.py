"""Every page before axe-core's judgement, in the light and in the dark, and what a screen reader reads first."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from built import PAGES
from playwright.sync_api import Page

# The theme's own search field, buttons and logo break these two; in an article they would be ours.
OF_THE_THEME = {"label-content-name-mismatch", "region"}
# A chapter's code is some 6,000 coloured words, and axe measures the contrast of each for nine tenths of its time. A
# word's colour follows from classes and styles, its own and those around it: of each kind the first word is measured.
ONE_OF_A_KIND = """() => {
    const seen = new Set()
    for (const word of document.querySelectorAll("pre span:not(:has(*))")) {
        let kind = ""
        for (let e = word; e; e = e.parentElement) kind += `|${e.className};${e.getAttribute("style")}`
        if (seen.has(kind)) word.replaceWith(...word.childNodes)
        seen.add(kind)
    }
}"""


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(page: Page, site, name):
    page.emulate_media(color_scheme="light")
    page.goto(f"{site}/{name}.html", wait_until="load")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")  # what is folded counts too
    # Else colours are judged on their way.
    page.add_style_tag(content="* { transition: none !important; animation: none !important }")
    page.evaluate(ONE_OF_A_KIND)
    found = _violations(page)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")  # where nothing but the colours is different
    assert found + _violations(page, runOnly=["color-contrast"]) == []


def _violations(page: Page, **options) -> list[str]:
    """What axe objects to, less what is the theme's."""
    found = []
    options["resultTypes"] = ["violations"]  # what is in order would be told at length, for half a minute a page
    for violation in Axe().run(page, options=options).response["violations"]:
        for node in violation["nodes"]:
            inside = page.evaluate("s => !!document.querySelector(s)?.closest('article')", node["target"][0])
            if inside or violation["id"] not in OF_THE_THEME:
                found.append(f"{violation['id']}: {node['target'][0]} {node['html'][:120]}")
    return found


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_a_language_a_title_and_one_main_heading(page: Page, site, name):
    page.goto(f"{site}/{name}.html")
    assert page.locator("html").get_attribute("lang") == "en"
    heading = page.locator("article h1")
    assert heading.count() == 1
    assert page.title().startswith(heading.inner_text().rstrip("#").strip())


@pytest.mark.parametrize("pale", ["class", "word"])
def test_axe_would_find_a_pale_word_of_code(page: Page, site, pale):
    """Be it all words of a class or the last one alone: what is taken away is not what a fault could hide in."""
    page.goto(f"{site}/02-u-net.html")
    if pale == "class":
        page.add_style_tag(content=".highlight .nb { color: #ddd !important }")
    else:
        page.locator("pre .nb").last.evaluate("word => word.style.color = '#ddd'")
    count = page.locator("pre span").count()
    page.evaluate(ONE_OF_A_KIND)
    assert page.locator("pre span").count() < count / 10
    assert any(found.startswith("color-contrast") for found in _violations(page, runOnly=["color-contrast"]))


def test_axe_would_find_a_picture_without_words(page: Page, site):
    page.goto(f"{site}/intro.html")
    page.evaluate("document.querySelector('article img').removeAttribute('alt')")
    assert "image-alt" in {v["id"] for v in Axe().run(page).response["violations"]}
