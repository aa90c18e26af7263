"""Bars say in words what they show."""

import pandas as pd
import pytest

from carvana_lessons.show.bars import bars
from carvana_lessons.utils.errors import DataError


def test_alt_text_lists_the_values():
    picture = bars({"decode": 20.0, "cache": 0.02}, "ms", alt="Time a photo")
    assert picture.alt == "Time a photo, as bars on a logarithmic axis: decode 20 ms, cache 0.02 ms."


def test_groups_and_a_line_to_compare_with():
    table = pd.DataFrame({"uint8": {"128": 0.25}, "float32": {"128": 1.0}})
    picture = bars(table, "GiB", alt="Memory", line=(16, "this machine"))
    assert "128 as uint8 0.25 GiB, 128 as float32 1 GiB." in picture.alt
    assert "this machine, 16 GiB" in picture.alt


def test_no_bars_without_alt_text():
    with pytest.raises(TypeError):
        bars({"decode": 20.0}, "ms")


@pytest.mark.parametrize("values", [{}, {"a": 0.0}, {"a": 1.0, "b": -2.0}, {"a": float("nan")}])
def test_what_has_no_place_on_a_logarithmic_axis_is_refused(values):
    with pytest.raises(DataError, match="of values above 0"):
        bars(values, "ms", alt="Time")
