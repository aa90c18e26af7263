"""What stands behind a car: a picture covers without being stretched, a blur knows nothing of the car."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from carvana_lessons.prediction.backdrop import blur_background, cover, find_background
from carvana_lessons.utils.errors import ArgumentError, CarvanaError, DataError


@pytest.mark.parametrize("size", [(20, 90), (90, 20), (40, 60), (7, 5), (1, 1), (200, 300)])
def test_a_picture_covers_and_keeps_its_proportions(size):
    """The picture is a ramp in both directions, 4 grey levels per pixel: its slopes tell by how much it was scaled."""
    y, x = np.mgrid[:40, :60]
    made = cover(np.dstack([4 * x, 4 * y, 0 * x]).astype(np.uint8), size)
    assert made.shape == (*size, 3) and made.dtype == np.uint8
    if min(size) < 5:
        return
    scale = max(size[0] / 40, size[1] / 60)
    values = made.astype(float)
    across, down = np.diff(values[..., 0], axis=1).mean(), np.diff(values[..., 1], axis=0).mean()
    assert across == pytest.approx(4 / scale, rel=0.15) and down == pytest.approx(4 / scale, rel=0.15)
    for channel, middle in ((0, 4 * 29.5), (1, 4 * 19.5)):  # as much is cut off on either side
        assert values[..., channel].mean() == pytest.approx(middle, abs=4)


def test_a_picture_without_pixels_is_refused():
    with pytest.raises(CarvanaError, match="has none"):
        cover(np.zeros((0, 4, 3), np.uint8), (3, 4))


def test_colours_pictures_and_blur_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "my hall.v2.png")
    Image.fromarray(pixels).save(tmp_path / "white", format="PNG")
    assert find_background("white") == (255, 255, 255) and find_background("#e8eef4") == (232, 238, 244)
    assert find_background("REBECCAPURPLE") == (102, 51, 153) and find_background("blur") == "blur"
    assert find_background("#fff8") == (255, 255, 255), "how opaque a colour is does not matter behind everything"
    for name in ("my hall.v2.png", str(tmp_path / "my hall.v2.png"), "./white"):
        assert np.array_equal(find_background(name), pixels)
    for wrong in ("whit", "#12", "", " ", "nowhere.png", ".", "rgb(1,2)"):
        with pytest.raises(ArgumentError, match="is no background: write a colour"):
            find_background(wrong)
    (tmp_path / "note.png").write_text("no picture", encoding="utf-8")
    with pytest.raises(DataError, match=r"note\.png cannot be decoded"):
        find_background("note.png")


def test_blurred_is_the_background_and_nothing_of_the_car():
    """The same background with a red car, with a green one, and the blur by a plain loop over what is no car."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(20, 200, 180)[None, :, None] + np.linspace(-15, 15, 120)[:, None, None]
    photo = (ramp + rng.normal(0, 3, (120, 180, 3))).astype(np.uint8)  # darker on the left, and no wall is quite even
    alpha = np.zeros((120, 180), np.float32)
    alpha[50:90, 40:140] = 1
    alpha[50, 40:140] = 0.5
    made = []
    for colour in ((255, 0, 0), (0, 255, 0)):
        car = photo.copy()
        car[alpha > 0] = colour
        made.append(blur_background(car, alpha))
    assert np.array_equal(*made) and made[0].shape == photo.shape and made[0].dtype == np.uint8
    free = (alpha == 0)[..., None]
    sigma = (0.015 * 180, 0.015 * 180, 0)
    share = ndimage.gaussian_filter(free.astype(float), sigma)
    wanted = ndimage.gaussian_filter(photo * free.astype(float), sigma) / np.maximum(share, 1e-9)
    far = ndimage.distance_transform_cdt(alpha == 0) > 20
    assert np.abs(made[0][far] - wanted[far]).mean() < 2 and np.abs(made[0][far] - wanted[far]).max() < 12


@pytest.mark.parametrize("free", [0, 1, 7])
def test_where_there_is_hardly_a_background_the_blur_ends_all_the_same(free):
    photo, alpha = np.full((40, 300, 3), 90, np.uint8), np.ones((40, 300), np.float32)
    alpha[:free, :free] = 0
    made = blur_background(photo, alpha)
    assert (made == (90 if free > 5 else 255)).all()
    assert (blur_background(photo, np.zeros_like(alpha)) == 90).all()


def test_sizes_that_differ_are_refused():
    with pytest.raises(ValueError, match="one height and width"):
        blur_background(np.zeros((4, 6, 3), np.uint8), np.zeros((4, 5)))
