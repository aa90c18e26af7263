"""Rules of thumb against what can be counted by hand."""

import re

import numpy as np
import pytest
import torch
from samples import Brightness

from carvana_lessons import data
from carvana_lessons.evaluation import baselines, tables
from carvana_lessons.prediction import pseudo_label
from carvana_lessons.utils.errors import DataError


@pytest.fixture(autouse=True)
def _own_cache(own_cache):
    """No test here writes into the user's cache."""


def masks_of(photos, size):
    return torch.stack([y for _, y in data.CarDataset(photos, size, cached=False)])


def test_the_mean_mask_is_the_share_of_photos_with_car(cars):
    share = baselines.mean_mask(cars, size=(16, 24))
    assert share.shape == (1, 16, 24)
    torch.testing.assert_close(share, masks_of(cars, (16, 24)).mean(dim=0))


def test_a_mean_mask_for_each_view_that_is_there(cars):
    shares = baselines.mean_mask_by_view(cars.select(views=[2, 9]), size=16)
    assert list(shares) == [2, 9]
    torch.testing.assert_close(shares[9], masks_of(cars.select(views=9), 16).mean(dim=0))


def test_a_mask_has_the_photos_size_and_is_car_above_the_threshold(cars):
    share = torch.tensor([[[0.0, 1.0]]])
    mask = baselines.as_mask(share, cars[0].size)
    assert mask.shape == data.read_mask(cars[0].mask).shape == (32, 48)
    assert mask.dtype == bool
    assert not mask[:, :24].any() and mask[:, 24:].all()
    assert baselines.as_mask(share, (8, 2), threshold=0.1).sum() > baselines.as_mask(share, (8, 2)).sum()


def test_a_photo_that_is_in_the_training_set_finds_itself(cars):
    matches = baselines.most_similar(cars, cars)
    assert [m.photo.name for m in matches] == [p.name for p in cars]
    assert not any(m.mirrored for m in matches)
    np.testing.assert_array_equal(matches[3].mask(), data.read_mask(cars[3].mask))


def test_the_same_car_can_be_excluded(cars):
    matches = baselines.most_similar(cars, cars, exclude_same_car=True)
    assert all(m.photo.car != p.car for m, p in zip(matches, cars, strict=True))
    one = cars.select(cars=cars.ids[0])
    with pytest.raises(ValueError, match="own car"):
        baselines.most_similar(one, one, exclude_same_car=True)


def test_a_mirrored_photo_is_found_in_the_mirror(make_folder):
    from PIL import Image, ImageOps

    root = make_folder(cars=2, views=1, size=(64, 64))
    original = next(iter(data.CarFolder(root)))
    other = data.CarFolder(root)[1]
    ImageOps.mirror(Image.open(original.image)).save(other.image, quality=95)
    folder = data.CarFolder(root)
    (match,) = baselines.most_similar(folder[1:], folder[:1])
    assert match.mirrored
    np.testing.assert_array_equal(match.mask(), data.read_mask(original.mask)[:, ::-1])
    assert np.abs(match.read().astype(int) - folder[1].read()).mean() < 3


@pytest.fixture
def bare(cars):
    return data.CarFolder(cars.root, masks=None)


@pytest.mark.parametrize(
    "rule",
    [
        baselines.mean_mask,
        baselines.mean_mask_by_view,
        lambda photos: baselines.most_similar(photos, photos),
        tables.car_colors,
        lambda photos: pseudo_label(Brightness(), photos, photos[:1], photos.root.parent / "out", 8),
    ],
)
def test_photos_without_masks_are_refused_in_one_sentence(bare, rule):
    root = re.escape(str(bare.root))
    words = rf'^\S.* needs masks, and {root} was opened without: open it with .*masks="train_masks" for example\.$'
    with pytest.raises(DataError, match=words):
        rule(bare)
    assert [path.name for path in bare.root.parent.iterdir()] == ["photos"], "nothing was begun"


def test_the_mask_of_a_photo_without_one_is_refused(cars, bare):
    matches = baselines.most_similar(bare[:2], cars)  # two: a batch of them is no pair of photos and masks
    assert [match.photo.name for match in matches] == [photo.name for photo in cars[:2]]
    np.testing.assert_array_equal(matches[1].mask(), data.read_mask(cars[1].mask))
    with pytest.raises(DataError, match="has no mask"):
        baselines.Match(bare[0], mirrored=False).mask()


@pytest.mark.parametrize(
    "rule",
    [
        baselines.mean_mask,
        baselines.mean_mask_by_view,
        baselines.thumbnails,
        lambda none: baselines.most_similar(none, none),
        lambda none: baselines.most_similar(none.whole, none),
        lambda none: baselines.most_similar(none, none.whole),
        tables.car_colors,
        lambda none: pseudo_label(Brightness(), none.whole, none, none.root.parent / "out", 8),
    ],
)
def test_no_photos_are_refused(cars, rule):
    with pytest.raises(DataError, match=rf"needs photos, and this part of {re.escape(str(cars.root))} has none"):
        rule(cars[:0])
