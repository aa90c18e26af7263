"""The guided filter against a loop over windows."""

import numpy as np
import pytest

from carvana_lessons.prediction.guided_filter import guided_filter


def slow(guide, values, radius, eps):
    """As the paper says it: a line fitted in every window, and the mean of all lines that know a pixel."""
    height, width = guide.shape

    def window(x, i, j):
        rows = np.clip(np.arange(i - radius, i + radius + 1), 0, height - 1)
        columns = np.clip(np.arange(j - radius, j + radius + 1), 0, width - 1)
        return x[np.ix_(rows, columns)]

    slope, height_of = np.zeros((2, height, width))
    for i in range(height):
        for j in range(width):
            g, v = window(guide, i, j), window(values, i, j)
            slope[i, j] = ((g - g.mean()) * (v - v.mean())).mean() / (g.var() + eps)
            height_of[i, j] = v.mean() - slope[i, j] * g.mean()
    made = np.zeros_like(guide)
    for i in range(height):
        for j in range(width):
            made[i, j] = window(slope, i, j).mean() * guide[i, j] + window(height_of, i, j).mean()
    return made


@pytest.mark.parametrize(("radius", "eps"), [(1, 1e-2), (2, 1e-3), (4, 1e-1)])
def test_it_is_what_the_paper_says(radius, eps):
    rng = np.random.default_rng(radius)
    guide, values = rng.uniform(0, 1, (11, 14)), rng.integers(0, 2, (11, 14)).astype(float)
    made = guided_filter(guide, values, radius, eps)
    assert made.dtype == np.float32 and np.abs(made - slow(guide, values, radius, eps)).max() < 2e-3


def test_a_mask_moves_to_the_edge_of_the_photo_and_stays_where_there_is_none():
    """The photo's edge lies at column 20, that of the mask at 19; the lower half of the photo is flat."""
    guide = np.full((40, 40), 0.2)
    guide[:20, 20:] = 0.8
    mask = np.zeros((40, 40))
    mask[:, 19:] = 1
    car = guided_filter(guide, mask, 4, 1e-3) > 0.5
    assert (car[4:12].argmax(axis=1) == 20).all() and (car[28:36].argmax(axis=1) == 19).all()


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="must be one"):
        guided_filter(np.zeros((3, 4)), np.zeros((4, 3)), 1, 0.1)
