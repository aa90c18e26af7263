"""The built pages and the executed chapters, as `book/build.py` left them in ``build/``."""

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from built import BUILD, CHAPTERS, HTML, PAGES


class Page(HTMLParser):
    """Links, ids, images and what the page loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links, self.ids, self.images, self.loads = [], set(), [], []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if "id" in a:
            self.ids.add(a["id"])
        if tag == "a" and "href" in a:
            self.links.append(a["href"])
        if tag == "img":
            self.images.append(a)
        if tag in ("script", "img", "iframe", "source") and "src" in a:
            self.loads.append(a["src"])
        if tag == "link" and a.get("rel") in ("stylesheet", "preload", "icon", "shortcut icon"):
            self.loads.append(a["href"])


@pytest.fixture(scope="module")
def pages() -> dict[str, Page]:
    assert HTML.exists(), "There are no pages in build/html; `python book/build.py` makes them."
    return {name: Page(HTML / f"{name}.html") for name in PAGES}


def executed(path: Path) -> list[dict]:
    cells = json.loads((BUILD / "book" / path.name).read_text())["cells"]
    return [c for c in cells if c["cell_type"] == "code"]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_every_cell_ran_and_nothing_complained(path):
    cells = executed(path)
    assert [c["id"] for c in cells if c["source"] and c["execution_count"] is None] == []
    outputs = [o for c in cells for o in c["outputs"]]
    assert [o for o in outputs if o["output_type"] == "error"] == []
    assert [o["text"] for o in outputs if o.get("name") == "stderr"] == []
    # A widget's view asks a foreign server for its scripts; a bare PNG has no alt text.
    kinds = {kind for o in outputs for kind in o.get("data", {})}
    assert kinds <= {"text/html", "text/plain", "text/markdown", "text/latex"}


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_a_chapter_begins_with_its_setting(path):
    text = "".join("".join(o.get("text", "")) for o in executed(path)[1]["outputs"])
    record = json.loads((BUILD / "executed.json").read_text())[path.name]
    assert text.startswith(f"{path.stem} · device {record['device']} · scale {record['scale']}")
    assert f"data: {record['data']}" in text


def test_a_page_carries_the_outputs_that_were_tested():
    for path in CHAPTERS:
        page = html.unescape(re.sub(r"<[^>]+>", "", (HTML / f"{path.stem}.html").read_text()))
        outputs = [o for c in executed(path) for o in c["outputs"] if "text/html" not in o.get("data", {})]
        printed = [o.get("text") or o.get("data", {}).get("text/plain") for o in outputs]
        first_lines = ["".join(text).splitlines()[0].strip() for text in printed]
        assert len(first_lines) > 5 and [line for line in first_lines if line not in page] == []


def test_links_lead_somewhere(pages):
    broken = []
    for name, page in pages.items():
        for link in page.links:
            url = urlsplit(link)
            if url.scheme or link == "#":
                continue
            target = HTML / (unquote(url.path) or f"{name}.html")
            if not target.exists() or (
                url.fragment and target.stem in pages and unquote(url.fragment) not in pages[target.stem].ids
            ):
                broken.append(f"{name}: {link}")
    assert broken == []


def test_every_image_says_what_is_seen(pages):
    silent = [
        f"{name}: {str(i)[:80]}" for name, p in pages.items() for i in p.images if not (i.get("alt") or "").strip()
    ]
    assert silent == []


def test_no_page_loads_from_elsewhere(pages):
    foreign = [
        f"{n}: {s[:80]}"
        for n, p in pages.items()
        for s in p.loads
        if urlsplit(s).scheme in ("http", "https") or s.startswith("//")
    ]
    assert foreign == []


def test_every_chapter_has_its_time_and_its_colab_button(pages):
    for path in CHAPTERS:
        text = (HTML / f"{path.stem}.html").read_text()
        assert "Time of the whole chapter" in text
        assert any(
            "colab.research.google.com" in link and link.endswith(f"book/{path.name}")
            for link in pages[path.stem].links
        )


def test_no_page_is_heavy():
    assert {p.name: p.stat().st_size for p in HTML.glob("*.html") if p.stat().st_size > 3_000_000} == {}
