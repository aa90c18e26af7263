"""The pages that the table of contents names: all that is executed, built and handed out.

sphinx-external-toc reads ``_toc.yml`` too, and is there only where pages are built; chapters are executed without it.
"""

import re
from pathlib import Path

_PAGE = re.compile(r"^(?:root| *- file): *(\S+)", re.MULTILINE)


def pages(book: str | Path) -> set[str]:
    """Names without endings, "api/data" for example; a line that is missing or commented out leaves its page out."""
    return set(_PAGE.findall(Path(book, "_toc.yml").read_text(encoding="utf-8")))


def left_out(book: Path) -> list[str]:
    """Pages whose sources are there, and which the table of contents does not name."""
    files = [*book.glob("*.md"), *book.glob("*.ipynb"), *book.glob("api/*.md")]
    return sorted({file.relative_to(book).with_suffix("").as_posix() for file in files} - pages(book))
