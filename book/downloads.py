"""What a reader can take away from the site: the notebooks as they are stored, and the package as a wheel."""

import shutil
import zipfile
from pathlib import Path

from _ext.contents import pages

NOTEBOOKS = "notebooks.zip"


def make(root: Path, out: Path) -> None:
    """Write the wheel of ``root`` and a zip file of its notebooks and their tables into ``out``, an empty folder."""
    from hatchling.builders.wheel import WheelBuilder  # here: only who builds pages needs it

    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    list(WheelBuilder(str(root)).build(directory=str(out), versions=["standard"]))
    for other in out.glob(".*"):  # hatchling's .gitignore
        other.unlink()
    book = root / "book"
    with zipfile.ZipFile(out / NOTEBOOKS, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in notebooks(book) + sorted(p for p in (book / "results").rglob("*") if p.is_file()):
            archive.write(path, f"carvana-lessons/{path.relative_to(book)}")


def publish(out: Path, book: Path, html: Path) -> None:
    """Put them into the pages; the button of a chapter then gives the stored notebook, not the executed one."""
    shutil.copytree(out, html / "_downloads", dirs_exist_ok=True)
    for path in notebooks(book):
        shutil.copyfile(path, html / "_sources" / path.name)


def notebooks(book: Path) -> list[Path]:
    """The notebooks that the table of contents names; a page that is left out there cannot be taken away either."""
    kept = pages(book)
    return sorted(path for path in book.glob("*.ipynb") if path.stem in kept)
