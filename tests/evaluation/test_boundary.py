"""Scores of the boundary against erosion step by step, pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from carvana_lessons.evaluation.boundary import boundary_iou, inner_band, relative_width

pairs = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
)


def eroded(mask):
    """Pixels whose eight neighbours are all there and all car."""
    height, width = mask.shape
    left = np.zeros_like(mask)
    for i in range(1, height - 1):
        for j in range(1, width - 1):
            left[i, j] = all(mask[a, b] for a in (i - 1, i, i + 1) for b in (j - 1, j, j + 1))
    return left


def band(mask, width):
    left = mask
    for _ in range(width):
        left = eroded(left)
    return mask & ~left


@given(pairs, st.integers(1, 4))
def test_bands_and_their_iou_are_those_of_a_loop(pair, width):
    one, other = (band(mask, width) for mask in pair)
    assert np.array_equal(inner_band(pair[0], width), one)
    both, any_ = (one & other).sum(), (one | other).sum()
    assert boundary_iou(*pair, width) == pytest.approx(both / any_ if any_ else 1.0, abs=1e-12)
    assert boundary_iou(*pair[::-1], width) == boundary_iou(*pair, width)


def test_a_square_that_is_one_pixel_too_wide():
    """The bands are frames of 1 pixel: 36 and 40 pixels, and 28 of them are the same."""
    true, wide = np.zeros((2, 30, 30), np.uint8)
    true[10:20, 10:20] = wide[10:20, 10:21] = 1
    assert inner_band(true, 1).sum() == 36 and inner_band(wide, 1).sum() == 38
    assert boundary_iou(wide, true, 1) == 28 / (36 + 38 - 28)
    assert boundary_iou(wide, true, 40) == pytest.approx(100 / 110), "as wide as the car: plain IoU"


def test_the_border_of_a_photo_is_a_boundary():
    assert inner_band(np.ones((5, 7), bool), 2).sum() == 35 - 3


def test_what_is_no_pair_of_masks_is_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        boundary_iou(np.ones((3, 4)), np.ones((4, 3)))
    with pytest.raises(ValueError, match="one photo at a time"):
        boundary_iou(np.ones((1, 3, 4)), np.ones((1, 3, 4)))
    with pytest.raises(ValueError, match="other than 0 and 1"):
        boundary_iou(np.full((3, 4), 255), np.ones((3, 4)))
    with pytest.raises(ValueError, match="1 pixel wide or more"):
        boundary_iou(np.ones((3, 4)), np.ones((3, 4)), 0)


def test_the_width_of_the_source_is_a_share_of_the_diagonal():
    assert relative_width((1280, 1918)) == 46 and relative_width((3, 4), 0.4) == 2 and relative_width((3, 4)) == 1
