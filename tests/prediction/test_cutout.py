"""Cutting out: alpha against distances known by geometry, compositing and pieces against loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from samples import Brightness, draw_pair

from carvana_lessons import models
from carvana_lessons.prediction import cut_out, cutout
from carvana_lessons.prediction.backdrop import blur_background, cover
from carvana_lessons.prediction.crop import car_box
from carvana_lessons.prediction.cutout import (
    chessboard,
    composite,
    estimate_foreground,
    feather,
    gradient,
    remove_small_regions,
    to_rgba,
)
from carvana_lessons.prediction.refine import refined_logits


def disc(radius: float, side: int = 65, scale: float = 1.0) -> np.ndarray:
    """Logits whose 0 is a circle around the middle: the signed distance, times a scale."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return (scale * (radius - np.hypot(y, x))).astype(np.float32)


@pytest.mark.parametrize("scale", [0.01, 1.0, 50.0])
@pytest.mark.parametrize("radius", [1.0, 2.5, 6.0])
def test_alpha_is_the_distance_from_the_outline_however_sure_the_network_is(scale, radius):
    wanted = np.clip(0.5 + disc(20.3) / (2 * radius), 0, 1)
    alpha = feather(torch.from_numpy(disc(20.3, scale=scale))[None, None], radius)
    assert alpha.shape == (65, 65) and alpha.dtype == np.float32
    # The outline is known at its crossings with rows and columns, at most a pixel apart: √(d² + ¼) − d at worst.
    assert np.abs(alpha - wanted).max() < 0.15 / radius
    assert np.abs(alpha - wanted).mean() < 0.01


def test_alpha_is_a_half_on_the_outline_and_the_width_is_twice_the_radius():
    z = np.tile(np.arange(40, dtype=np.float32) - 20.0, (30, 1))  # 0 at column 20
    alpha = feather(z, 4)
    assert abs(alpha[15, 20] - 0.5) < 1e-3
    assert np.allclose(alpha[15, 16:25], np.arange(9) / 8, atol=1e-3)
    assert (alpha[:, :16] == 0).all() and (alpha[:, 25:] == 1).all()
    between = feather(z - 0.5, 4)  # the outline now lies between two pixels
    assert np.allclose(between[15, 20] + between[15, 21], 1, atol=1e-6)


def test_light_is_mixed_by_the_srgb_standard():
    """Half and half against values of IEC 61966-2-1; where nothing is mixed, all 256 values stay as they are."""
    photo = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    half = np.full((1, 256), 0.5)
    assert composite(photo, half, (0, 0, 0), linear=True)[0, [0, 10, 128, 255], 0].tolist() == [0, 5, 92, 188]
    assert np.array_equal(composite(photo, half, photo, linear=True), photo)
    for alpha in (0.0, 1.0):
        mixed = composite(photo, np.full((1, 256), alpha), (28, 44, 84), linear=True)
        assert np.array_equal(mixed, photo if alpha else np.full_like(photo, (28, 44, 84)))


@given(arrays(bool, (9, 12)), st.sampled_from([0, 0.5, 1, 3]))
@settings(max_examples=60, deadline=None)
def test_a_mask_is_where_alpha_is_above_a_half_also_as_a_byte(mask, radius):
    alpha = feather(mask, radius)
    assert np.array_equal(alpha > 0.5, mask)
    assert np.array_equal(to_rgba(np.zeros((9, 12, 3), np.uint8), alpha)[..., 3] > 127, mask)
    assert np.array_equal(alpha, feather(mask.astype(np.uint8) * 255, radius))


def test_pixels_that_are_exactly_undecided_are_not_car():
    z = np.zeros((5, 5), np.float32)
    z[2, 2] = 1
    opacity = to_rgba(np.zeros((5, 5, 3), np.uint8), feather(z, 2))[..., 3]
    assert np.array_equal(opacity > 127, z > 0)


def test_a_mask_against_every_distance():
    rng = np.random.default_rng(0)
    mask = rng.random((14, 17)) > 0.8
    marks = [(i + 0.5, j) for i in range(13) for j in range(17) if mask[i, j] != mask[i + 1, j]]
    marks += [(i, j + 0.5) for i in range(14) for j in range(16) if mask[i, j] != mask[i, j + 1]]
    for radius in (1.0, 2.2, 5.0):
        alpha = feather(mask, radius)
        for i in range(14):
            for j in range(17):
                away = min(np.hypot(i - a, j - b) for a, b in marks)
                wanted = np.clip(0.5 + (away if mask[i, j] else -away) / (2 * radius), 0, 1)
                assert abs(alpha[i, j] - wanted) < 1e-5


def test_all_or_no_car_has_no_edge():
    assert (feather(np.full((6, 8), 3.0), 2) == 1).all() and (feather(np.full((6, 8), -3.0), 2) == 0).all()


def test_compositing_is_the_formula_rounded():
    rng = np.random.default_rng(1)
    photo, behind = rng.integers(0, 256, (2, 7, 9, 3), dtype=np.uint8)
    alpha = rng.integers(0, 257, (7, 9)) / 256  # exact in float32, so that ties are ties
    made = composite(photo, alpha, behind)
    for i in range(7):
        for j in range(9):
            for c in range(3):
                exact = alpha[i, j] * int(photo[i, j, c]) + (1 - alpha[i, j]) * int(behind[i, j, c])
                assert made[i, j, c] == int(exact + 0.5)
    assert made.dtype == np.uint8
    assert np.array_equal(composite(photo, np.ones((7, 9)), behind), photo)
    assert np.array_equal(composite(photo, np.zeros((7, 9)), behind), behind)
    assert (composite(photo, np.zeros((7, 9)), (1, 2, 3)) == (1, 2, 3)).all()
    assert (composite(photo, np.zeros((7, 9))) == 255).all()


def test_sizes_that_do_not_fit_are_refused():
    photo = np.zeros((4, 6, 3), np.uint8)
    for act in (composite, estimate_foreground, to_rgba):
        with pytest.raises(ValueError, match=r"\(4, 6, 3\).*one height and width"):
            act(photo, np.ones((6, 4)))
    with pytest.raises(ValueError, match="resized to the photo's size"):
        composite(photo, np.ones((4, 6)), np.zeros((6, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="one photo at a time"):
        feather(np.ones((2, 1, 4, 6)))
    for radius in (-1, float("nan")):
        with pytest.raises(ValueError, match="0 or more"):
            feather(np.ones((4, 6)), radius)


def test_specks_go_small_holes_are_filled_the_rest_keeps_its_logits():
    z = np.full((60, 60), -2.0, np.float32)
    z[10:50, 10:50] = 3  # the car
    z[2:4, 2:4] = 1  # a speck
    z[20:22, 20:22] = -1  # a small hole
    z[21, 21] = 0
    z[30:40, 30:40] = -1  # a hole to look through
    z[10:12, 30] = -1  # a notch in the outline is no hole
    tidied = remove_small_regions(z, share=0.01)
    assert (tidied[2:4, 2:4] == -1).all() and (tidied[20:22, 20:22] > 0).all()
    rest = np.ones_like(z, bool)
    rest[2:4, 2:4] = rest[20:22, 20:22] = False
    assert np.array_equal(tidied[rest], z[rest])
    assert (remove_small_regions(z, share=0)[2:4, 2:4] == 1).all()
    assert (feather(tidied, 2)[0:6, 0:6] == 0).all()  # no ring of half alpha is left of it
    assert (remove_small_regions(np.full((5, 5), -1.0)) == -1).all()


def test_a_clean_edge_has_the_colour_of_the_car_and_nothing_else_changes():
    car, wall = np.array([200, 30, 40]), np.array([90, 120, 210])
    share = feather(disc(20), 3)
    photo = (share[..., None] * car + (1 - share[..., None]) * wall + 0.5).astype(np.uint8)
    clean = estimate_foreground(photo, share)
    assert (clean[share > 0] == car).all()  # on any background no trace of the wall
    assert np.array_equal(clean[share == 0], photo[share == 0])
    rim = (share > 0.2) & (share < 0.8)
    assert np.abs(photo[rim].astype(int) - car).max() > 50
    assert np.array_equal(estimate_foreground(photo, np.full((65, 65), 0.5)), photo)  # nothing to learn the colour from


def test_what_cannot_be_seen_may_be_blanked():
    photo, alpha = np.full((3, 4, 3), 9, np.uint8), np.zeros((3, 4), np.float32)
    alpha[1, 1], alpha[1, 2] = 1, 0.5
    kept, blank = to_rgba(photo, alpha), to_rgba(photo, alpha, blank=True)
    assert kept.shape == (3, 4, 4) and (kept[..., :3] == 9).all()
    assert np.array_equal(kept[..., 3], blank[..., 3]) and blank[1, 1, 3] == 255
    assert (blank[1, 1:3, :3] == 9).all() and blank[..., :3].sum() == 9 * 6


def test_backgrounds_have_the_size_that_was_asked_for():
    made = gradient((5, 3), (0, 0, 0), (100, 200, 40))
    assert made.shape == (5, 3, 3) and made.dtype == np.uint8 and (made[2] == (50, 100, 20)).all()
    board = chessboard((50, 60), 10)
    assert board.shape == (50, 60, 3) and board.dtype == np.uint8
    assert (board[0, 0] != board[0, 10]).all() and (board[0, 0] == board[10, 10]).all()


def test_logits_come_at_the_photos_size():
    torch.manual_seed(0)
    model = models.create("unet-tiny", width=2).eval()
    photo = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    logits = cutout.photo_logits(model, photo, 32)
    assert logits.shape == (1, 1, 37, 53) and logits.dtype == torch.float32
    # a photo of the network's own size goes in as it is
    exact = np.random.default_rng(1).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    with torch.no_grad():
        wanted = model(torch.from_numpy(exact).permute(2, 0, 1)[None] / 255)
    assert torch.allclose(cutout.photo_logits(model, exact, (32, 64)), wanted, atol=1e-5)


@pytest.mark.parametrize("look", [cutout.photo_logits, refined_logits])
def test_one_call_is_the_steps_one_after_the_other(look):
    photo, _ = draw_pair((56, 40), np.random.default_rng(0))
    alpha = feather(remove_small_regions(look(Brightness(), photo, 32)), 3.0)
    assert 0.1 < alpha.mean() < 0.9
    wanted = to_rgba(estimate_foreground(photo, alpha), alpha, blank=True)
    cut = cut_out(Brightness(), photo, size=32, radius=3.0, refined=look is refined_logits)
    assert cut.shape == (40, 56, 4) and np.array_equal(cut, wanted)
    assert not cut[cut[..., 3] == 0].any(), "what cannot be seen is not in the file"


def test_a_background_a_shadow_and_a_crop_are_steps_too():
    photo, _ = draw_pair((56, 40), np.random.default_rng(0))
    plain = cut_out(Brightness(), photo, 32)
    alpha = plain[..., 3] / np.float32(255)
    on_blue = cut_out(Brightness(), photo, 32, background=(0, 0, 200))
    assert on_blue.shape == (40, 56, 3)
    assert np.abs(on_blue.astype(int) - composite(plain[..., :3], alpha, (0, 0, 200))).max() <= 1
    shaded = cut_out(Brightness(), photo, 32, background=(0, 0, 200), shadow=True)
    below = cut_out(Brightness(), photo, 32, shadow=True)
    for with_it, without in ((shaded, on_blue), (below, plain)):
        assert np.array_equal(with_it[alpha == 1], without[alpha == 1])
    assert (shaded <= on_blue).all() and (shaded < on_blue).any() and (below[..., 3] >= plain[..., 3]).all()
    assert np.abs(shaded.astype(int) - composite(below[..., :3], below[..., 3] / 255, (0, 0, 200))).max() <= 2
    rows, columns = car_box(alpha, 10)
    assert np.array_equal(cut_out(Brightness(), photo, 32, margin=10), plain[rows, columns])
    picture = np.random.default_rng(1).integers(0, 256, (90, 30, 3), dtype=np.uint8)
    cropped = cut_out(Brightness(), photo, 32, margin=10, background=picture)
    far = plain[rows, columns, 3] == 0
    assert np.array_equal(cropped[far], cover(picture, far.shape)[far]), "the picture covers what is left of the photo"
    own = cut_out(Brightness(), photo, 32, margin=10, background="blur")
    assert np.array_equal(own[far], blur_background(photo, alpha)[rows, columns][far])
