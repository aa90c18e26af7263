"""Where the built pages are, and which there are: what the tests of pages and of browsers both need."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BOOK, BUILD = ROOT / "book", ROOT / "build"
HTML = BUILD / "html"
CHAPTERS = sorted(BOOK.glob("*.ipynb"))


def pages_of(book: Path) -> list[str]:
    """Names of the pages' sources below a folder; JupyterLab keeps copies of its own in hidden ones."""
    files = [path.relative_to(book) for kind in ("ipynb", "md") for path in book.rglob(f"*.{kind}")]
    return sorted(str(path.with_suffix("")) for path in files if not any(part[0] == "." for part in path.parts))


PAGES = pages_of(BOOK)
