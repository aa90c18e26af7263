"""The built pages and the executed chapters, as `book/build.py` left them in ``build/``."""

import html
import json
import posixpath
import re
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from built import BUILD, CHAPTERS, HTML, PAGES, ROOT, Page, broken_links


@pytest.fixture(scope="module")
def pages() -> dict[str, Page]:
    assert HTML.exists(), "There are no pages in build/html; `python book/build.py` makes them."
    return {name: Page(HTML / f"{name}.html") for name in PAGES}


def executed(path: Path) -> list[dict]:
    cells = json.loads((BUILD / "book" / path.name).read_text(encoding="utf-8"))["cells"]
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
    record = json.loads((BUILD / "executed.json").read_text(encoding="utf-8"))[path.name]
    first = text.splitlines()[0]
    assert first.startswith(f"{path.stem} · device {record['device']}, ") and f" · scale {record['scale']} (" in first
    assert f"data: {record['data']}" in text


def test_a_page_carries_the_outputs_that_were_tested():
    for path in CHAPTERS:
        page = html.unescape(re.sub(r"<[^>]+>", "", (HTML / f"{path.stem}.html").read_text(encoding="utf-8")))
        outputs = [o for c in executed(path) for o in c["outputs"] if "text/html" not in o.get("data", {})]
        printed = [o.get("text") or o.get("data", {}).get("text/plain") for o in outputs]
        first_lines = ["".join(text).splitlines()[0].strip() for text in printed]
        assert len(first_lines) > 5 and [line for line in first_lines if line not in page] == []


def test_links_lead_somewhere(pages):
    assert broken_links(pages, HTML) == []


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
        text = (HTML / f"{path.stem}.html").read_text(encoding="utf-8")
        assert re.search(r"About \d+ minutes to read.* The computer works \d", text)
        assert len(re.findall(r"About \d+ minutes to read", text)) == 1
        assert any(
            "colab.research.google.com" in link and link.endswith(f"book/{path.name}")
            for link in pages[path.stem].links
        )


def test_every_folded_cell_shows_its_title():
    for path in CHAPTERS:
        text = (HTML / f"{path.stem}.html").read_text(encoding="utf-8")
        folded = sum("hide-input" in cell["metadata"].get("tags", []) for cell in executed(path))
        assert folded > 3 and text.count('<p class="admonition-title">Code: ') == folded, path.stem
        assert "@title" not in text


def test_no_page_and_not_the_site_is_heavy():
    assert {p.name: p.stat().st_size for p in HTML.rglob("*.html") if p.stat().st_size > 3_000_000} == {}
    assert sum(p.stat().st_size for p in HTML.rglob("*") if p.is_file()) < 60_000_000


def test_every_public_object_has_an_entry_that_leads_to_its_chapter_and_back(pages, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "book" / "_ext")
    import api

    entries = api.entries(str(ROOT / "book"))
    assert {"carvana_lessons.models.UNet", "carvana_lessons.training.losses.bce"} <= {e.full for e in entries}
    lost = []
    for entry in entries:
        chapters = api.chapters(entry.text, str(ROOT / "book"))
        identifier = f"module-{entry.full}" if entry.kind == "module" else entry.full
        there = {posixpath.basename(urlsplit(link).path) for link in pages[entry.page].links}
        lost += [f"{entry.full} has no entry"] * (identifier not in pages[entry.page].ids)
        lost += [f"{entry.full} names no chapter"] * (not chapters)
        for name in (name for name in chapters if name in pages):  # a chapter may be left out
            lost += [f"{entry.page} does not lead to {name}"] * (f"{name}.html" not in there)
            back = f"{entry.page}.html#{identifier}"
            lost += [f"{name} does not lead back to {entry.full}"] * (back not in pages[name].links)
    assert lost == []


@pytest.mark.parametrize(
    ("page", "link", "inside"),
    [
        ("data", "#carvana_lessons.data.recolor", "code"),  # `recolor` in its own room
        ("comparison", "data.html#carvana_lessons.data.Augment", "code"),  # `Augment` in another
        ("data", "course.html#carvana_lessons.course.start", "code"),  # `course.start`
        ("evaluation", "utils.html#carvana_lessons.utils.errors.DataError", "strong"),  # in Raises
    ],
)
def test_a_name_in_a_docstring_is_a_link(page, link, inside):
    text = (HTML / "api" / f"{page}.html").read_text(encoding="utf-8")
    assert re.search(rf'<a [^>]*href="{re.escape(link)}" title="[^"]+"><{inside}\b', text)


def test_the_rooms_name_every_module_that_a_reader_may_import(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "book" / "_ext")
    import api

    described = {entry.module.split(".")[1] for entry in api.entries(str(ROOT / "book"))}
    used = set()
    for path in CHAPTERS:
        text = "\n".join("".join(c["source"]) for c in executed(path))
        used |= set(re.findall(r"from carvana_lessons\.(\w+)", text))
        for names in re.findall(r"^from carvana_lessons import (\([^)]+\)|.+)$", text, re.MULTILINE):
            listed = [name.split() for name in names.strip("()").split(",")]
            used |= {words[0] for words in listed if words}  # "scores as reading" is scores
    assert len(used) > 10 and used - described == set()


def test_the_package_and_the_notebooks_can_be_taken_away():
    wheel = next((HTML / "_downloads").glob("carvana_lessons-*.whl"))
    names = zipfile.ZipFile(wheel).namelist()
    assert (
        "carvana_lessons/course/lesson.py" in names and "carvana_lessons/models/weights/unet-small.safetensors" in names
    )
    assert wheel.name in (HTML / "status.html").read_text(encoding="utf-8")
    with zipfile.ZipFile(HTML / "_downloads" / "notebooks.zip") as archive:
        for path in CHAPTERS:
            stored = path.read_bytes()
            assert archive.read(f"carvana-lessons/{path.name}") == stored
            assert (HTML / "_sources" / path.name).read_bytes() == stored


def test_a_field_shows_its_type_and_not_its_number(pages):
    page = (HTML / "api" / "evaluation.html").read_text(encoding="utf-8")
    assert 'id="carvana_lessons.evaluation.metrics.Confusion.tp"' in page
    assert "Alias for field number" not in "".join(
        (HTML / f"{name}.html").read_text(encoding="utf-8") for name in PAGES
    )


def test_every_chapter_offers_its_notebook(pages):
    for path in CHAPTERS:
        assert f"_sources/{path.name}" in pages[path.stem].links


def test_the_status_page_says_from_what_the_pages_were_made(pages):
    text = html.unescape(re.sub(r"<[^>]+>", " ", (HTML / "status.html").read_text(encoding="utf-8")))
    record = json.loads((BUILD / "executed.json").read_text(encoding="utf-8"))
    run = record[CHAPTERS[0].name]
    assert run["data"] in text and run["scale"] in text and re.search(r"\b[0-9a-f]{40}\b", text)
    assert all(path.stem in text for path in CHAPTERS)


def test_the_references_are_those_of_the_chapters(pages):
    outside = {link for link in pages["references"].links if link.startswith("http")}
    for path in CHAPTERS:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
        sources = text.partition("**Sources:**")[2].partition("\n\n")[0]
        assert set(re.findall(r"\]\((https?://[^)\s]+)\)", sources)) <= outside
