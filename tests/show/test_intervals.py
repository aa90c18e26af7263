"""A picture of intervals says its numbers, and draws them where they belong."""

import sys

import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgba

from carvana_lessons import show


@pytest.fixture
def table():
    rows = {"larger": (0.5, 0.2, 0.9), "mirrored": (-0.1, -0.3, 0.1), "once": (0.25, None, None)}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high"])


def test_alt_text_tells_values_and_intervals(table):
    alt = show.intervals(table, "%", alt="Gains.").alt
    assert alt == "Gains. larger: +0.50, from +0.20 to +0.90; mirrored: -0.10, from -0.30 to +0.10; once: +0.25."


def test_the_first_row_is_on_top_and_each_line_spans_its_interval(table, monkeypatch):
    kept = []
    monkeypatch.setattr(sys.modules["carvana_lessons.show.intervals"], "figure", lambda fig, alt: kept.append(fig))
    show.intervals(table, "%", alt="Gains.")
    (axis,) = kept[0].axes
    bottom, top = axis.get_ylim()
    assert bottom > 2 and top < 0 and [t.get_text() for t in axis.get_yticklabels()] == list(table.index)
    segments = axis.collections[0].get_segments()
    assert [s[:, 0].tolist() for s in segments[:2]] == [[0.2, 0.9], [-0.3, 0.1]]
    dots = axis.collections[1]
    assert dots.get_offsets().tolist() == [[0.5, 0], [-0.1, 1], [0.25, 2]]
    assert [tuple(c) == to_rgba("gray") for c in dots.get_facecolors()] == [False, True, False]
    plt.close(kept[0])
