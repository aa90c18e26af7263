"""Cropping to the car against a loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from carvana_lessons.prediction.crop import car_box
from carvana_lessons.utils.errors import ArgumentError


@given(arrays(bool, (7, 9)), st.sampled_from([0, 10, 50, 400]))
def test_a_box_is_the_smallest_that_holds_the_car_and_its_margin(mask, margin):
    rows, columns = car_box(mask.astype(float), margin)
    there = [(i, j) for i in range(7) for j in range(9) if mask[i, j]]
    if not there:
        assert (rows, columns) == (slice(0, 7), slice(0, 9))
        return
    (top, bottom), (left, right) = ((min(p[k] for p in there), max(p[k] for p in there)) for k in (0, 1))
    more = round(margin / 100 * max(bottom - top + 1, right - left + 1))
    assert (rows.start, rows.stop) == (max(0, top - more), min(7, bottom + 1 + more))
    assert (columns.start, columns.stop) == (max(0, left - more), min(9, right + 1 + more))


def test_a_margin_below_zero_is_refused():
    for wrong in (-1, float("nan"), float("inf")):
        with pytest.raises(ArgumentError, match="take 0 or more"):
            car_box(np.ones((3, 4)), wrong)
