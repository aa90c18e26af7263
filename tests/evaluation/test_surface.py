"""Distances between outlines, against a loop over all pairs of boundary pixels and SciPy's Hausdorff distance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from samples import Brightness
from scipy.spatial.distance import directed_hausdorff

from carvana_lessons.data import read_mask
from carvana_lessons.evaluation import boundary_scores, evaluate, hausdorff95, score, surface, surface_dice, tables
from carvana_lessons.evaluation.boundary import boundary_iou

pairs = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
)


def outline(mask):
    """Places of car that have background, or nothing, among their eight neighbours."""
    height, width = mask.shape
    around = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return [
        (y, x)
        for y, x in np.argwhere(mask)
        if not all(0 <= y + i < height and 0 <= x + j < width and mask[y + i, x + j] for i, j in around)
    ]


def by_hand(one, other):
    """Distance of every pixel of an outline from the nearest of the other; the diagonal where there is none."""
    far = np.hypot(*one.shape)
    return [
        [min((np.hypot(a - c, b - d) for c, d in outline(second)), default=far) for a, b in outline(first)]
        for first, second in ((one, other), (other, one))
    ]


@given(pairs, st.floats(0, 4))
def test_scores_are_those_of_a_loop(pair, tolerance):
    there, back = by_hand(*pair)
    got = surface.surface_distances(*pair)
    assert [sorted(way) for way in got] == [pytest.approx(sorted(there)), pytest.approx(sorted(back))]
    if there and back:
        expected = sum(d <= tolerance for d in there + back) / len(there + back)
        assert hausdorff95(*pair) == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)))
        points = [np.array(outline(mask)) for mask in pair]
        farthest = max(directed_hausdorff(*points)[0], directed_hausdorff(*points[::-1])[0])
        assert max(map(max, got)) == pytest.approx(farthest)
    else:
        expected = float(len(there) == len(back))
        assert hausdorff95(*pair) == pytest.approx(0 if expected else np.hypot(*pair[0].shape))
    assert surface_dice(*pair, tolerance) == pytest.approx(expected)
    assert surface_dice(*pair[::-1], tolerance) == surface_dice(*pair, tolerance)


def test_a_square_that_is_moved():
    """Three to the right: the left and the right side are 3 pixels off, and of the other sides the ends."""
    true, moved = np.zeros((2, 60, 60), np.uint8)
    true[10:50, 10:50] = moved[10:50, 13:53] = 1
    assert hausdorff95(moved, true) == 3.0
    there, _ = surface.surface_distances(moved, true)
    assert surface_dice(moved, true, 3) == 1.0 and 34 <= np.count_nonzero(there == 3) <= 76
    assert surface_dice(moved, true, 0) == pytest.approx(np.mean(there == 0))


def test_many_pixels_are_measured_as_few_are(monkeypatch):
    rng = np.random.default_rng(0)
    one, other = rng.random((2, 40, 50)) > 0.7
    searched = surface.surface_distances(one, other)
    monkeypatch.setattr(surface, "_MANY", 10)
    for few, many in zip(searched, surface.surface_distances(one, other), strict=True):
        np.testing.assert_allclose(few, many)


def test_masks_of_equal_error_may_have_very_different_outlines():
    """Three columns of pixels too many along an edge, and a hole of as many pixels: Dice hardly tells them apart."""
    true = np.zeros((400, 600), bool)
    true[100:300, 100:500] = True
    wide, hole = true.copy(), true.copy()
    wide[100:300, 500:503] = True
    hole[250:270, 150:180] = False
    assert wide.sum() - true.sum() == true.sum() - hole.sum() == 600
    assert hausdorff95(wide, true) == 3 and hausdorff95(hole, true) == 33
    assert surface_dice(hole, true) < 1 and max(surface.surface_distances(hole, true)[0]) == 50


def test_what_is_no_pair_of_masks_is_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        hausdorff95(np.ones((3, 4)), np.ones((4, 3)))
    with pytest.raises(ValueError, match="other than 0 and 1"):
        surface_dice(np.full((3, 4), 255), np.ones((3, 4)))
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError, match="0 pixels or more"):
            surface_dice(np.ones((3, 4)), np.ones((3, 4)), wrong)


def test_a_table_of_scores_has_the_outlines_where_they_are_asked_for(cars):
    truths = [read_mask(photo) for photo in cars]
    masks = [np.roll(truth, 1, axis=1) for truth in truths]
    scores = score(masks, cars, boundary=True)
    for row, mask, truth in zip(scores.itertuples(), masks, truths, strict=True):
        assert row.hd95 == hausdorff95(mask, truth) and row.boundary_iou == boundary_iou(mask, truth)
        assert row.surface_dice == surface_dice(mask, truth)
        assert boundary_scores(mask, truth).keys() <= set(scores.columns)
    assert not {"hd95", "surface_dice", "boundary_iou"} & set(score(masks, cars).columns)
    mean = scores[["boundary_iou", "hd95", "surface_dice"]].mean()
    for told in (
        f"{mean.boundary_iou:.4f} in a band of 5",
        f"{mean.hd95:.2f} pixels",
        f"{mean.surface_dice:.4f} within 2",
    ):
        assert told in tables.outline(scores)


def test_a_network_is_scored_by_its_outlines_too(cars, own_cache):
    scores = evaluate(Brightness(), cars[:2], size=16, boundary=True)
    assert scores.hd95.between(0, 200).all() and scores.surface_dice.between(0, 1).all()
