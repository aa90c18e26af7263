"""Duplicates against a naive loop, on photos that were saved again, and on neighbouring views."""

import io

import numpy as np
import pytest
from PIL import Image

from carvana_lessons import data
from carvana_lessons.data.duplicates import FEW, NEAR, SIDE, STEP, clusters, difference_hash, exact_groups, near_pairs


def difference(one: np.ndarray, two: np.ndarray) -> float:
    """Of the marks that either has, the share that only one has."""
    ours, theirs = set(np.flatnonzero(one).tolist()), set(np.flatnonzero(two).tolist())
    return len(ours ^ theirs) / max(len(ours | theirs), 1)


def naive(hashes: np.ndarray, most: float) -> set[tuple[int, int]]:
    both = [(i, j) for i in range(len(hashes)) for j in range(i + 1, len(hashes))]
    enough = [(i, j) for i, j in both if (hashes[i] | hashes[j]).sum() >= FEW]
    return {(i, j) for i, j in enough if difference(hashes[i], hashes[j]) <= most}


@pytest.mark.parametrize("block", [1024, 7])
@pytest.mark.parametrize("most", [0, 0.05, NEAR, 0.8])
def test_pairs_are_those_of_a_loop(most, block, monkeypatch):
    monkeypatch.setattr("carvana_lessons.data.duplicates.BLOCK", block)
    rng = np.random.default_rng(0)
    hashes = rng.random((40, 2 * SIDE * SIDE)) < 0.2
    hashes[20:] = hashes[:20] ^ (rng.random((20, 2 * SIDE * SIDE)) < 0.02)
    hashes[39], hashes[[5, 6]] = hashes[3], False
    found = near_pairs(hashes, most)
    assert {tuple(row) for row in found.tolist()} == naive(hashes, most)
    assert len(found) == len(naive(hashes, most)) > 0


def test_empty_pictures_are_not_like_each_other():
    grey = [difference_hash(Image.new("L", (60, 40), value)) for value in (90, 91)]
    assert near_pairs(np.stack(grey)).tolist() == []


def test_marks_are_the_steps_of_a_tiny_copy():
    steps = np.zeros((SIDE, SIDE + 1), np.uint8)
    steps[:, 5:] += 100
    steps[:, 9:] -= 50
    steps[:, 20:] += STEP  # noise
    brighter, darker = difference_hash(Image.fromarray(steps)).reshape(2, SIDE, SIDE)
    assert np.flatnonzero(brighter.all(axis=0)).tolist() == [4] and brighter.sum() == SIDE
    assert np.flatnonzero(darker.all(axis=0)).tolist() == [8] and darker.sum() == SIDE


def test_no_photos_and_one_photo_have_no_pairs():
    assert near_pairs(np.ones((1, 256), bool)).shape == (0, 2)
    assert clusters(3, near_pairs(np.ones((1, 256), bool))) == []


def test_pairs_that_share_a_photo_are_one_cluster():
    pairs = np.array([[0, 4], [4, 7], [2, 3]])
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


def test_a_photo_saved_again_is_found(drawn):
    for image in pictures(drawn)[::5]:
        own = difference_hash(image)
        for other in (
            again(image, format="JPEG", quality=60),
            again(image, 0.97, format="JPEG", quality=80),
            again(image, 1.03, format="WEBP", quality=80),
            again(image.point(lambda value: value * 0.9), format="PNG"),
        ):
            assert difference(own, difference_hash(other)) <= NEAR


def test_neighbouring_views_and_other_cars_are_no_duplicates(drawn):
    assert near_pairs(np.stack([difference_hash(image) for image in pictures(drawn)])).tolist() == []


def test_real_neighbouring_views_are_no_duplicates(real_photos):
    some = real_photos.select(cars=real_photos.ids[:2])
    assert near_pairs(np.stack([difference_hash(image) for image in pictures(some)])).tolist() == []
