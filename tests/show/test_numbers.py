"""Tables of numbers: each number in its own cell, and in the alt text."""

import importlib

import numpy as np
import pytest
from matplotlib import pyplot as plt

from carvana_lessons import show

module = importlib.import_module("carvana_lessons.show.numbers")  # show.numbers is the function


@pytest.fixture
def drawn(monkeypatch):
    """The figure that a call draws, before it becomes a picture."""
    figures = []

    def keep(fig, alt):
        figures.append(fig)
        return show.Picture(b"", alt, 1)

    monkeypatch.setattr(module, "figure", keep)
    yield figures
    plt.close("all")


def texts(axis):
    return {t.get_position(): t.get_text() for t in axis.texts}


def test_every_number_stands_in_its_cell(drawn):
    first, second = np.array([[1, -2.5], [np.nan, 0]]), np.array([[3, 4, 5]])
    show.numbers([first, second], ["a", "b"], alt="Two maps.")
    left, right = drawn[0].axes
    assert texts(left) == {(0, 0): "1", (1, 0): "-2.5", (1, 1): "0"}  # (column, row); nan is empty
    assert texts(right) == {(0, 0): "3", (1, 0): "4", (2, 0): "5"}
    assert [axis.get_title() for axis in (left, right)] == ["a", "b"]


def test_the_alt_text_reads_the_numbers():
    picture = show.numbers([[[1, 2], [3, np.nan]], [[0.5]]], ["x", "y"], alt="Two maps.", form=".2g")
    assert picture.alt == "Two maps. x: 1 2 / 3 –. y: 0.5."


def test_marked_cells_alone_have_a_thick_frame(drawn):
    show.numbers([np.zeros((2, 3)), np.zeros((2, 3))], ["x", "y"], alt="Zeros.", mark=[(1, 0, 2)])
    thick = [[p.get_xy() for p in axis.patches if p.get_linewidth() > 1] for axis in drawn[0].axes]
    assert thick == [[], [(1.5, -0.5)]]


def test_cells_are_square_and_of_one_size_and_maps_do_not_overlap(drawn):
    maps = [np.ones((2, 2)), np.ones((4, 3)), np.ones((1, 5)), np.ones((3, 3)), np.ones((2, 1))]
    show.numbers(maps, ["a title longer than its map", *"bcde"], alt="Ones.", columns=2, cell=0.3)
    fig = drawn[0]
    size = fig.get_size_inches()
    boxes = [axis.get_position() for axis in fig.axes]
    for box, array in zip(boxes, maps, strict=True):
        assert (box.width * size[0] / array.shape[1], box.height * size[1] / array.shape[0]) == pytest.approx(
            (0.3, 0.3)
        )
    fig.canvas.draw()
    tight = [axis.get_tightbbox() for axis in fig.axes]
    assert not [(a, b) for a in tight for b in tight if a is not b and a.overlaps(b)]


def test_larger_numbers_are_deeper_on_one_scale_for_all_maps(drawn):
    show.numbers([[[1, 4]], [[-8]]], ["x", "y"], alt="Scale.")
    limits = {axis.images[0].get_clim() for axis in drawn[0].axes}
    assert len(limits) == 1 and limits.pop()[1] > 8


def test_a_title_for_each_map():
    with pytest.raises(ValueError, match="1 titles for 2 maps"):
        show.numbers([np.ones((2, 2))] * 2, ["x"], alt="Ones.")
