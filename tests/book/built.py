"""Where the built pages are, and which there are: what the tests of pages and of browsers both need."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BOOK, BUILD = ROOT / "book", ROOT / "build"
HTML = BUILD / "html"
CHAPTERS = sorted(BOOK.glob("*.ipynb"))
PAGES = sorted(str(p.relative_to(BOOK).with_suffix("")) for kind in ("ipynb", "md") for p in BOOK.rglob(f"*.{kind}"))
