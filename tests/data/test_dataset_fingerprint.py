"""What a folder is like in numbers, against masks whose numbers are known."""

import numpy as np
import pytest
from PIL import Image
from samples import save_mask

from carvana_lessons import data
from carvana_lessons.data.dataset_fingerprint import dataset_fingerprint, dice_of_shrunk, mean_width


def bar_mask(size: tuple[int, int], thick: int) -> np.ndarray:
    """A horizontal bar across the middle of an (h, w) mask, from edge to edge."""
    mask = np.zeros(size, np.uint8)
    mask[size[0] // 2 : size[0] // 2 + thick] = 1
    return mask


@pytest.mark.parametrize("thick", [2, 6, 20])
def test_mean_width_is_the_width_of_a_bar_and_the_radius_of_a_disk(thick):
    assert mean_width(bar_mask((64, 200), thick)) == thick
    y, x = np.mgrid[:500, :500]
    disk = ((y - 250) ** 2 + (x - 250) ** 2 < (10 * thick) ** 2).astype(np.uint8)
    # The boundary of a digital disk has 4·√2·r pixels, not 2·π·r.
    assert mean_width(disk) == pytest.approx(2 * np.pi * (10 * thick) ** 2 / (4 * np.sqrt(2) * 10 * thick), rel=0.05)
    assert mean_width(np.zeros((4, 6), np.uint8)) == 0
    assert mean_width(np.ones((4, 6), np.uint8)) == 6


def test_what_shrinking_loses_grows_with_thinness():
    thick, thin = (bar_mask((512, 512), t) for t in (128, 3))
    for mask in (thick, thin):
        assert dice_of_shrunk(mask, 512) == 1
    assert dice_of_shrunk(thick, 64) > 0.97
    assert dice_of_shrunk(thin, 64) == 0, "less than half a pixel of the input is no object there"


def test_the_numbers_are_those_of_the_files(make_folder):
    root = make_folder(cars=3, views=2, size=(96, 64))
    cars = data.CarFolder(root)
    found = dataset_fingerprint(cars, progress=False)
    shares = [data.read_mask(photo.mask).mean() for photo in cars]
    assert (found.photos, found.groups, found.sample, found.mixed_sizes) == (6, 3, 6, False)
    assert (found.width.median, found.height.median, found.aspect.median) == (96, 64, 1.5)
    assert (found.share.median, found.share.smallest, found.share.largest) == (
        np.median(shares), min(shares), max(shares),
    )  # fmt: skip
    assert list(found.resolved) == [32, 64, 96], "beyond the photos' own pixels nothing is gained"
    assert list(found.resolved.values()) == sorted(found.resolved.values())


def test_mixed_sizes_and_empty_masks_are_counted(make_folder):
    root = make_folder(cars=2, views=2)
    photos = list(data.CarFolder(root))
    Image.new("RGB", (20, 90)).save(photos[0].image)
    save_mask(photos[0].mask, np.zeros((90, 20), np.uint8))
    found = dataset_fingerprint(data.CarFolder(root), progress=False)
    assert found.mixed_sizes and found.share.smallest == 0
    assert (found.width.smallest, found.height.largest) == (20, 90)
    assert found.aspect.smallest == pytest.approx(20 / 90)
    assert found.thickness > 0.1, "an empty mask has no object whose width would count"


def test_a_folder_without_objects_has_a_fingerprint(make_folder):
    root = make_folder(cars=2, views=1)
    for photo in data.CarFolder(root):
        save_mask(photo.mask, np.zeros((32, 48), np.uint8))
    found = dataset_fingerprint(data.CarFolder(root), progress=False)
    assert found.thickness == 0 and set(found.resolved.values()) == {1.0}
