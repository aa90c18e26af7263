"""Duplicates against a naive loop, on photos that were saved again, and on neighbouring views."""

import io

import numpy as np
import pytest
from PIL import Image

from carvana_lessons import data
from carvana_lessons.data.duplicates import NEAR, SIDE, clusters, difference_hash, exact_groups, near_pairs


def naive(hashes: np.ndarray, most: int) -> set[tuple[int, int, int]]:
    count = len(hashes)
    far = {(i, j): int((hashes[i] != hashes[j]).sum()) for i in range(count) for j in range(i + 1, count)}
    return {(i, j, d) for (i, j), d in far.items() if d <= most}


@pytest.mark.parametrize("block", [1024, 7])
@pytest.mark.parametrize("most", [0, 25, NEAR, 500])
def test_pairs_are_those_of_a_loop(most, block, monkeypatch):
    monkeypatch.setattr("carvana_lessons.data.duplicates.BLOCK", block)
    rng = np.random.default_rng(0)
    hashes = rng.random((40, SIDE * SIDE)) < 0.5
    hashes[20:] = hashes[:20] ^ (rng.random((20, SIDE * SIDE)) < 0.03)
    hashes[39] = hashes[3]
    found = near_pairs(hashes, most)
    assert {tuple(row) for row in found.tolist()} == naive(hashes, most)
    assert len(found) == len(naive(hashes, most)) > 0


def test_no_photos_and_one_photo_have_no_pairs():
    assert near_pairs(np.zeros((1, 256), bool)).shape == (0, 3)
    assert clusters(3, near_pairs(np.zeros((1, 256), bool))) == []


def test_pairs_that_share_a_photo_are_one_cluster():
    pairs = np.array([[0, 4, 1], [4, 7, 1], [2, 3, 0]])
    assert clusters(9, pairs) == [[0, 4, 7], [2, 3]]


def test_files_of_one_digest_are_one_group():
    assert exact_groups(["a", "b", "a", "c", "b", "a"]) == [[0, 2, 5], [1, 4]]


def again(image: Image.Image, factor: float = 1.0, **saved: object) -> Image.Image:
    """The photo resized and saved as another file."""
    if factor != 1:
        image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, **saved)
    return Image.open(file)


def pictures(cars: data.CarFolder) -> list[Image.Image]:
    return [Image.fromarray(photo.read()) for photo in cars]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> data.CarFolder:
    from carvana_lessons import studio

    return data.CarFolder(studio.make(tmp_path_factory.mktemp("drawn") / "photos", cars=2, size=(192, 128), workers=1))


def bits_that_differ(one: np.ndarray, two: np.ndarray) -> int:
    return int((one != two).sum())


def test_a_photo_saved_again_is_found(drawn):
    for image in pictures(drawn)[::5]:
        own = difference_hash(image)
        for other in (
            again(image, format="JPEG", quality=60),
            again(image, 0.97, format="JPEG", quality=80),
            again(image, 1.03, format="WEBP", quality=80),
            again(image.point(lambda value: value * 0.9), format="PNG"),
        ):
            assert bits_that_differ(own, difference_hash(other)) <= NEAR


def test_neighbouring_views_and_other_cars_are_no_duplicates(drawn):
    assert near_pairs(np.stack([difference_hash(image) for image in pictures(drawn)])).tolist() == []


def test_real_neighbouring_views_are_no_duplicates(real_photos):
    some = real_photos.select(cars=real_photos.ids[:2])
    assert near_pairs(np.stack([difference_hash(image) for image in pictures(some)])).tolist() == []
