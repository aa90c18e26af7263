"""Outlines against a loop over neighbours, and what stands on a sheet."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from carvana_lessons.data import find_pairs
from carvana_lessons.show.mask_sheet import COLUMNS, LINE, PHOTOS, WIDTH, outline, write_sheet
from carvana_lessons.show.photos import BLUE, ORANGE
from carvana_lessons.utils.errors import CarvanaError


def test_an_outline_is_the_pixels_that_touch_the_other_side():
    mask = (np.random.default_rng(0).random((9, 12)) < 0.4).astype(np.uint8)
    drawn = outline(np.full((9, 12, 3), 7, np.uint8), mask)
    for y in range(9):
        for x in range(12):
            around = [
                mask[a, b] if 0 <= a < 9 and 0 <= b < 12 else 0
                for a, b in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1))
            ]
            edge = not all(around) if mask[y, x] else any(around)
            color = ORANGE if mask[y, x] else BLUE
            assert tuple(drawn[y, x].tolist()) == (color if edge else (7, 7, 7))
    with pytest.raises(ValueError, match="cannot be laid on"):
        outline(np.zeros((2, 2, 3), np.uint8), mask)


def test_a_sheet_shows_those_first_that_are_to_be_looked_at(make_folder, tmp_path):
    root = make_folder(cars=6, views=16)
    pairs = find_pairs(root / "train", root / "train_masks").pairs
    page = write_sheet(pairs, tmp_path / "sheet.html", [pairs[40]], name="<mine>").read_text(encoding="utf-8")
    assert page.count("<img ") == PHOTOS and "&lt;mine&gt;" in page
    assert page.index(f"(!) {pairs[40].name}") < page.index(pairs[0].name)
    shown = [pair for pair in pairs if f"{pair.name}<" in page]
    views = Counter(pair.name[-2:] for pair in shown if pair != pairs[40])
    assert len(shown) == PHOTOS and max(views.values()) - min(views.values()) <= 2, "all views, not every so-manieth"
    assert max(Counter(pair.group for pair in shown).values()) <= PHOTOS // 6 + 1
    picture = Image.open(write_sheet(pairs[:5], tmp_path / "sheet.png"))
    assert picture.size == (COLUMNS * WIDTH, 2 * (LINE + 32))
    pixels = np.asarray(picture)
    assert (pixels == ORANGE).all(axis=-1).any() and (pixels == BLUE).all(axis=-1).any()


def test_a_pair_that_cannot_be_read_is_a_grey_field(make_folder, tmp_path):
    root = make_folder(cars=1, views=2)
    pairs = find_pairs(root / "train", root / "train_masks").pairs
    pairs[1].mask.write_bytes(b"")
    shown = np.asarray(Image.open(write_sheet(pairs, tmp_path / "sheet.png")))
    assert (shown[LINE + 5, WIDTH + 5 : 2 * WIDTH - 5] == 200).all()


def test_another_kind_of_file_and_no_pairs_are_refused(tmp_path):
    with pytest.raises(CarvanaError, match=r"sheet\.pdf is neither"):
        write_sheet([], tmp_path / "sheet.pdf")
    with pytest.raises(CarvanaError, match="needs photos with masks"):
        write_sheet([], tmp_path / "sheet.png")
