"""The shadow: at the tyres and below the car, never on it, and under a transparent cut-out as "over" says."""

import numpy as np
import pytest
from scipy import ndimage

from carvana_lessons.prediction.contact_shadow import DARKEST, contact_shadow, under


def side_view(slope: float = 0.0) -> np.ndarray:
    """A body on two wheels, (200, 400), 40 pixels of air below the body; ``slope`` lifts the left wheel."""
    y, x = np.mgrid[:200, :400].astype(float)
    y = y + slope * (400 - x) / 4
    body = (x >= 60) & (x < 340) & (y >= 60) & (y < 130)
    wheels = (np.hypot(x - 110, y - 140) <= 30) | (np.hypot(x - 290, y - 140) <= 30)
    return (body | wheels).astype(np.float32)


@pytest.mark.parametrize("slope", [0.0, 0.5])
def test_it_lies_around_the_ground_line_and_never_on_the_car(slope):
    alpha = side_view(slope)
    shade = contact_shadow(alpha)
    assert shade.shape == alpha.shape and shade.dtype == np.float32
    assert shade.min() >= 0 and 0.3 < shade.max() <= DARKEST
    assert (shade[alpha == 1] == 0).all()
    bottom = 199 - (alpha[::-1, 60:340] > 0).argmax(axis=0)
    reach = 6 * 0.012 * 280 + 4  # three standard deviations of the wide blur, and the thickness of the line
    around = ndimage.distance_transform_edt(alpha < 0.5) <= 45 + reach  # below the body the air is 40 pixels high
    assert (shade[~around] == 0).all()
    assert (shade[: bottom.min() - 30] == 0).all(), "nothing beside or above the car"
    assert shade[:, 200].max() > 0.1, "below the body, between the wheels"
    tyre = bottom[110 - 60] + 2
    assert shade[tyre, 110] > 0.3 > shade[min(199, tyre + 40), 110]


def test_without_a_car_there_is_none_and_a_car_at_the_border_is_no_trouble():
    assert (contact_shadow(np.zeros((20, 30))) == 0).all()
    for alpha in (np.ones((20, 30)), np.eye(12), np.eye(12)[:, ::-1], np.pad([[1.0]], 5)):
        shade = contact_shadow(alpha)
        assert np.isfinite(shade).all() and (shade[alpha == 1] == 0).all() and shade.max() <= DARKEST


def test_under_a_cut_out_is_the_formula_of_over():
    rng = np.random.default_rng(0)
    rgba = rng.integers(0, 256, (9, 11, 4), dtype=np.uint8)
    rgba[0, :, 3], rgba[1, :, 3] = 255, 0
    shadow = rng.uniform(0, 1, (9, 11)).astype(np.float32)
    made = under(rgba, shadow)
    assert np.array_equal(made[0], rgba[0]), "opaque pixels stay"
    assert np.array_equal(made[1, :, 3], (255 * shadow[1] + 0.5).astype(np.uint8)) and (made[1, :, :3] == 0).all()
    # On any background the layers one after the other look as the one picture does.
    for behind in (0, 200, 255):
        a, s = rgba[..., 3:] / 255, shadow[..., None]
        wanted = a * rgba[..., :3] + (1 - a) * (1 - s) * behind
        b = made[..., 3:] / 255
        assert np.abs(b * made[..., :3] + (1 - b) * behind - wanted).max() < 1.5
    with pytest.raises(ValueError, match="one size"):
        under(rgba, shadow[1:])
