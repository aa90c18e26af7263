"""Drawn leaves: exact masks, plants that keep what they share, a folder that any tool of the package opens."""

import shutil

import numpy as np
import pytest
from PIL import Image

from carvana_lessons import data, studio
from carvana_lessons.data.report import check_folder
from carvana_lessons.studio.leaves import COLOURS, Plant, draw_leaf


@pytest.mark.parametrize(("photo", "shape"), [(0, (90, 120)), (1, (120, 90))])
def test_a_leaf_is_one_piece_with_its_stem_and_the_photo_stands_or_lies(photo, shape):
    picture, mask = draw_leaf(2, photo, (120, 90))
    assert picture.shape == (*shape, 3) and mask.shape == shape and picture.dtype == mask.dtype == np.uint8
    assert set(np.unique(mask)) == {0, 1} and 0.02 < mask.mean() < 0.4


def test_the_mask_is_where_the_leaf_is():
    """A leaf has one of the leaf colours, its desk has not: green and ochre hold little blue."""
    apart = []
    for plant in range(6):
        picture, mask = draw_leaf(plant, 0)
        blue = picture[..., 2] / picture.sum(axis=2).clip(1)
        apart.append(blue[mask == 0].mean() - blue[mask == 1].mean())
    assert min(apart) > 0.03 and all(b < r for r, g, b in COLOURS)


def test_the_same_number_draws_the_same_and_another_one_does_not():
    first, again, other, seed = draw_leaf(3, 0), draw_leaf(3, 0), draw_leaf(3, 2), draw_leaf(3, 0, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0]) and not np.array_equal(first[0], seed[0])


def test_a_plant_has_its_kind_of_margin():
    along = np.linspace(-0.2, 1.2, 1401)
    plain, lobed, toothed = (Plant.drawn(0, k).half_width(along) for k in range(3))
    for half in (plain, lobed, toothed):
        assert half[along <= 0].max() == half[along >= 1].max() == 0 and half.max() > 0.1

    def peaks(half: np.ndarray) -> int:
        return int(((half[1:-1] > half[:-2]) & (half[1:-1] >= half[2:])).sum())

    assert peaks(plain) == 1 and 3 <= peaks(lobed) <= 7 and 14 <= peaks(toothed) <= 25


def test_some_leaves_are_eaten_and_some_lie_beside_a_coin():
    holes = sum(_holes(draw_leaf(plant, photo)[1]) for plant in range(6) for photo in (0, 2))
    assert holes >= 3


def _holes(mask: np.ndarray) -> int:
    from scipy import ndimage

    return ndimage.label(mask == 0)[1] - 1


def test_the_folder_is_made_once_and_is_in_order(own_cache):
    folder = studio.ensure_leaves(plants=3, photos=2, progress=False)
    times = {file: file.stat().st_mtime_ns for file in folder.rglob("*.*")}
    assert studio.ensure_leaves(plants=3, photos=2, progress=False) == folder
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*.*")} == times and len(times) == 12
    first = data.open_folder(folder, group=studio.PLANT).fingerprint
    shutil.rmtree(folder)
    studio.ensure_leaves(plants=3, photos=2, progress=False)
    assert data.open_folder(folder, group=studio.PLANT).fingerprint == first, "trainings of them are found again"
    with Image.open(folder / "masks" / "plant01_1.png") as mask:
        assert set(np.unique(np.array(mask))) == {0, 255}
    leaves = data.open_folder(folder, group=studio.PLANT)
    assert (len(leaves), len(leaves.ids), leaves.unit) == (6, 3, "group")
    assert [f for f in check_folder(folder, group=studio.PLANT, progress=False).findings if f.level == "problem"] == []
