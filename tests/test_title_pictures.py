"""Every chapter begins with a picture, in the notebook itself; drawing them again changes nothing."""

import base64
import io
import json
import re
from pathlib import Path
from types import ModuleType

import pytest
from matplotlib import pyplot as plt
from PIL import Image

BOOK = Path(__file__).resolve().parents[1] / "book"
CHAPTERS = sorted(BOOK.glob("*.ipynb"))
PICTURE = re.compile(r"!\[([^\]]*)\]\(data:image/jpeg;base64,([^)]*)\)")


@pytest.fixture
def title_pictures(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BOOK)
    import title_pictures

    return title_pictures


@pytest.fixture
def toy(title_pictures: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A notebook of two cells, and a picture for it that is drawn in a moment."""
    cells = [
        {
            "cell_type": "markdown",
            "id": "a",
            "metadata": {},
            "source": ["# 1 · Toy\n", "\n", "Why – \\text{so}?\n", "\n", "End"],
        },
        {"cell_type": "code", "execution_count": None, "id": "b", "metadata": {}, "outputs": [], "source": ["1 + 1"]},
    ]
    notebook = {"cells": cells, "metadata": {"k": 1}, "nbformat": 4, "nbformat_minor": 5}
    path = tmp_path / "toy.ipynb"
    path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", newline="\n")
    monkeypatch.setattr(title_pictures, "PICTURES", {"toy": lambda: draw("a line that rises from left to right")})
    return path


def draw(alt: str, end: float = 1) -> str:
    plt.figure(figsize=(3.6, 1)).add_subplot().plot([0, end])
    return alt


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_begins_with_a_picture(chapter, title_pictures):
    first, *rest = json.loads(chapter.read_text(encoding="utf-8"))["cells"]
    title, blank, line, after = "".join(first["source"]).split("\n")[:4]
    assert first["cell_type"] == "markdown" and title.startswith("# ") and blank == after == ""
    alt, encoded = PICTURE.fullmatch(line).groups()
    assert "".join(first["source"]).count("data:image") == 1 and "data:image" not in json.dumps(rest)
    assert len(alt.split()) >= 5
    with Image.open(io.BytesIO(base64.b64decode(encoded, validate=True))) as picture:
        picture.load()
    assert picture.format == "JPEG" and picture.width == title_pictures.WIDTH * title_pictures.SCALE
    assert len(encoded) <= 4 * 30_000 / 3 + 4
    assert picture.height < 0.75 * picture.width  # the text below is still in sight


def test_every_chapter_has_its_drawing(title_pictures):
    assert {path.stem for path in CHAPTERS} <= set(title_pictures.PICTURES)


def test_a_picture_is_written_under_the_title_and_nothing_else_changes(title_pictures, toy):
    before = toy.read_text(encoding="utf-8")
    title_pictures.main([], toy.parent)
    lines = toy.read_text(encoding="utf-8").splitlines(keepends=True)
    added = [line for line in lines if "data:image" in line]
    assert len(added) == 1 and added[0].strip().startswith('"![a line that rises from left to right](data:image/jpeg')
    where = lines.index(added[0])
    assert lines[where - 2].strip() == '"# 1 · Toy\\n",'
    assert "".join(lines[:where] + lines[where + 2 :]) == before


def test_drawing_again_changes_nothing(title_pictures, toy, capsys):
    title_pictures.main(["toy"], toy.parent)
    first = toy.read_bytes()
    toy.chmod(0o444)  # not even written again
    title_pictures.main(["toy"], toy.parent)
    assert toy.read_bytes() == first
    assert "as it was" in capsys.readouterr().out


def test_another_picture_replaces_the_first(title_pictures, toy, monkeypatch):
    monkeypatch.setitem(title_pictures.PICTURES, "toy", lambda: draw("quite another line, which falls", -1))
    title_pictures.main([], toy.parent)
    other = toy.read_bytes()
    monkeypatch.setitem(title_pictures.PICTURES, "toy", lambda: draw("a line that rises again"))
    title_pictures.main([], toy.parent)
    assert toy.read_bytes() != other and toy.read_text(encoding="utf-8").count("data:image") == 1
    monkeypatch.setitem(title_pictures.PICTURES, "toy", lambda: draw("quite another line, which falls", -1))
    title_pictures.main([], toy.parent)
    assert toy.read_bytes() == other


def test_a_chapter_that_is_not_there_yet_is_passed_over(title_pictures, tmp_path, capsys):
    title_pictures.main(["appendix-loading"], tmp_path)
    assert capsys.readouterr().out == "appendix-loading: no such notebook yet\n"
    assert list(tmp_path.iterdir()) == []
