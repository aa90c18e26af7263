"""A page whose line is taken out of the table of contents: a real build without it, and nothing leads there."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from built import BOOK, ROOT, Page, broken_links
from PIL import Image

# The one that the instructors' page names; and a chapter, an appendix and a page of the package, to which many lead.
LEFT_OUT = {"solutions", "10-beyond", "export", "references", "api/utils"}


@pytest.fixture(scope="module")
def html(tmp_path_factory) -> Path:
    """The other pages, built; chapters are not executed."""
    folder = tmp_path_factory.mktemp("book")
    book = folder / "book"
    shutil.copytree(BOOK, book, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    shutil.copyfile(ROOT / "_config.yml", book / "_config.yml")
    for notebook in book.glob("*.ipynb"):
        text = json.loads(notebook.read_text(encoding="utf-8"))
        text["metadata"]["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}  # as execution leaves it
        notebook.write_text(json.dumps(text), encoding="utf-8")
    Image.new("RGB", (8, 8)).save(book / "_static" / "landing.webp")  # `build.py` draws it
    lines = (book / "_toc.yml").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if line.strip().removeprefix("- file: ") not in LEFT_OUT]
    assert len(kept) < len(lines)  # a line that an instructor has taken out is gone already
    (book / "_toc.yml").write_text("".join(kept), encoding="utf-8")
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(book)]
    command += ["-W", "-n", "--keep-going", "--quiet", "--path-output", str(folder)]
    made = subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8")
    assert made.returncode == 0, made.stderr[-3000:]
    return folder / "_build" / "html"


def test_a_page_that_is_left_out_is_gone_and_nothing_leads_to_it(html):
    files = [path.relative_to(html) for path in html.rglob("*") if path.suffix in {".html", ".md", ".ipynb"}]
    places = {path.with_suffix("").as_posix().removeprefix("_sources/") for path in files}
    assert {"instructors", "api/data", "09-results"} <= places and places & LEFT_OUT == set()
    built = {path.relative_to(html).with_suffix("").as_posix(): Page(path) for path in html.rglob("*.html")}
    assert len(built) > 30 and broken_links(built, html) == []
    index = (html / "searchindex.js").read_text(encoding="utf-8")
    found = set(json.loads(index.removeprefix("Search.setIndex(").removesuffix(")"))["docnames"])
    assert "instructors" in found and found & LEFT_OUT == set()


def test_what_led_to_it_is_text(html):
    page = (html / "instructors.html").read_text(encoding="utf-8")
    text = " ".join(re.sub(r"<[^>]+>", "", page).split())
    assert "A page Solutions holds the same solutions" in text
    assert "9 · Results" in text and "10-beyond" not in page  # a row of the table of exercises
    entry = (html / "api" / "prediction.html").read_text(encoding="utf-8")
    assert "10 · Beyond" in entry and "CarvanaError" in entry  # the chapter's own title, and an error of the last room
