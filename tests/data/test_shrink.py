"""The mask that shrinks by counting is the one that a loop, and Pillow's box filter, find by averaging."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from carvana_lessons.data.shrink import shrink_mask

SIDES = st.integers(1, 40)


def blobs(height, width, seed):
    """Random, in patches: neighbours mostly agree, as in a mask."""
    rng = np.random.default_rng(seed)
    small = rng.random((rng.integers(1, height + 1), rng.integers(1, width + 1))) < rng.random()
    rows, columns = (np.sort(rng.integers(0, n, m)) for n, m in zip(small.shape, (height, width), strict=True))
    return (small[np.ix_(rows, columns)] ^ (rng.random((height, width)) < 0.05)).astype(np.uint8)


def edges(old, new):
    return [floor(Fraction(i * old, new) + Fraction(1, 2)) for i in range(new + 1)]


def has_a_tie(old, new):
    """Whether an area ends in the middle of a pixel: Pillow's floats give that pixel to one side or the other."""
    places = [Fraction(i * old, new) for i in range(new + 1)]
    places += [place + Fraction(old, 2 * new) - Fraction(1, 2) for place in places]  # centres, where it grows
    return any(place % 1 == Fraction(1, 2) for place in places)


@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_it_is_the_average_over_each_area(height, width, h, w, seed):
    h, w = min(h, height), min(w, width)
    mask, small = blobs(height, width, seed), np.zeros((h, w), np.uint8)
    ys, xs = edges(height, h), edges(width, w)
    for i in range(h):
        for j in range(w):
            small[i, j] = mask[ys[i] : ys[i + 1], xs[j] : xs[j + 1]].mean() >= 0.5
    answer = shrink_mask(mask, (h, w))
    assert answer.dtype == np.uint8
    np.testing.assert_array_equal(answer, small)


@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_it_is_what_pillow_finds_smaller_or_larger(height, width, h, w, seed):
    assume(not has_a_tie(height, h) and not has_a_tie(width, w))
    mask = blobs(height, width, seed)
    share = np.asarray(Image.fromarray(mask.astype(np.float32)).resize((w, h), Image.Resampling.BOX))
    clear = np.abs(share - 0.5) > 1e-4  # an exact half is car, whatever a sum of rounded floats says
    np.testing.assert_array_equal(shrink_mask(mask, (h, w))[clear], share[clear] > 0.5)


@pytest.mark.parametrize("size", [(1, 1), (1, 3), (2, 1), (4, 5)])
def test_areas_of_many_pixels_are_counted_whole(size):
    """Sums that one byte, or two, do not hold."""
    mask = np.zeros((1200, 1500), np.uint8)
    mask[:600] = 1
    expected = np.zeros(size, np.uint8)
    expected[: max(1, size[0] // 2)] = 1
    np.testing.assert_array_equal(shrink_mask(mask, size), expected)
