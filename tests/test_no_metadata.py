"""A folder without ``metadata.csv``, as most copies of the photos are, or with rows of some cars alone."""

import json
from pathlib import Path

import pytest

from carvana_lessons import data

BOOK = Path(__file__).resolve().parents[1] / "book"


def run(chapter: str, last: str) -> dict:
    """Execute a chapter's cells, but the installation, up to the cell with the id ``last``; its names."""
    names: dict = {}
    for cell in json.loads((BOOK / f"{chapter}.ipynb").read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code" and cell["id"] != "install":
            exec("".join(cell["source"]), names)  # ours
        if cell["id"] == last:
            return names
    raise KeyError(last)


@pytest.mark.parametrize("rows", [None, 0, 2], ids=["no file", "no row", "two rows"])
def test_the_cars_of_chapter_1_are_shown_by_make_or_by_id(make_folder, own_cache, monkeypatch, rows):
    root = make_folder(cars=13, views=16)
    table = root / "metadata.csv"
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    table.write_text("".join(lines[: 1 + (rows or 0)]), encoding="utf-8")
    if rows is None:
        table.unlink()
    monkeypatch.setenv("CARVANA_DATA", str(root))
    names = run("01-the-task", last="sheet")
    assert len(names["cars"].metadata) == (rows or 0)
    assert len(names["chosen"]) == 12 and len({photo.view for photo in names["chosen"]}) == 12


def test_a_folder_without_the_table_says_photos(make_folder):
    root = make_folder()
    (root / "metadata.csv").unlink()
    cars = data.CarFolder(root)
    assert cars.source == "photos" and cars.metadata.empty and {"make", "model", "year"} <= set(cars.metadata)
