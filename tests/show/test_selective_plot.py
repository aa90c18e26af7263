"""A risk–coverage picture draws each order as it is given."""

import sys

import numpy as np
import pytest
from matplotlib import pyplot as plt

from carvana_lessons import show


def test_each_order_is_a_line_with_its_name(monkeypatch):
    kept = []
    monkeypatch.setattr(sys.modules["carvana_lessons.show.selective"], "figure", lambda fig, alt: kept.append(fig))
    coverage = np.array([0.25, 0.5, 0.75, 1])
    curves = {"doubt": (coverage, [0, 0.1, 0.1, 0.2]), "best": (coverage, [0, 0, 0.1, 0.2])}
    show.risk_coverage(curves, "Two orders.")
    (axis,) = kept[0].axes
    lines = {line.get_label(): line for line in axis.get_lines()}
    for name, (x, y) in curves.items():
        assert lines[name].get_xdata().tolist() == list(x) and lines[name].get_ydata().tolist() == list(y)
    assert lines["doubt"].get_linestyle() == "-" and lines["best"].get_linestyle() == "--"
    assert axis.get_ylim()[0] == 0 and [t.get_text() for t in axis.get_legend().get_texts()] == list(curves)
    plt.close(kept[0])


def test_the_alt_text_is_the_callers():
    assert show.risk_coverage({"doubt": ([0.5, 1], [0, 0.1])}, "It falls.").alt == "It falls."
    with pytest.raises(ValueError, match="alt text"):
        show.risk_coverage({"doubt": ([0.5, 1], [0, 0.1])}, " ")
