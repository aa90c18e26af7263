"""Where the built pages are, which there are, and what is in one: what the tests of pages and of browsers both need."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parents[2]
BOOK, BUILD = ROOT / "book", ROOT / "build"
HTML = BUILD / "html"
# Of the table of contents: an instructor may leave pages out of it.
PAGES = sorted(parse_toc_yaml(BOOK / "_toc.yml"))
CHAPTERS = [BOOK / f"{page}.ipynb" for page in PAGES if (BOOK / f"{page}.ipynb").exists()]


class Page(HTMLParser):
    """Links, ids, images and what the page loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links, self.ids, self.images, self.loads = [], set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

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


def broken_links(pages: dict[str, Page], html: Path) -> list[str]:
    """Links to a file or a place in a page that is not there, as "page: link"."""
    broken = []
    for name, page in pages.items():
        for link in page.links:
            url = urlsplit(link)
            if url.scheme or link == "#":
                continue
            here = html / f"{name}.html"
            target = (here.parent / unquote(url.path)).resolve() if url.path else here
            known = pages.get(str(target.relative_to(html).with_suffix("")))
            if not target.exists() or (url.fragment and known and unquote(url.fragment) not in known.ids):
                broken.append(f"{name}: {link}")
    return broken
