"""Signals of doubt against formulas, naive loops and draws; the order of planted failures."""

import math
from collections import deque

import numpy as np
import pytest
import torch

from carvana_lessons.prediction.uncertainty import (
    edge_band,
    expected_dice,
    flip_disagreement,
    large_pieces,
    predictive_entropy,
    touched_borders,
    uncertainty,
)
from carvana_lessons.utils.errors import CarvanaError


def disc(size=(48, 64), centre=(24, 32), radius=12, sharp=3.0) -> torch.Tensor:
    """Logits of a disc, whose edge is the softer the lower ``sharp`` is."""
    y, x = np.mgrid[: size[0], : size[1]]
    away = radius - np.hypot(y - centre[0], x - centre[1])
    return torch.from_numpy(sharp * away).float()


def test_entropy_is_its_formula_in_bits():
    z = torch.linspace(-12, 12, 97, dtype=torch.float64)
    p = 1 / (1 + np.exp(-z.numpy()))
    np.testing.assert_allclose(predictive_entropy(z), -p * np.log2(p) - (1 - p) * np.log2(1 - p), atol=1e-12)
    assert predictive_entropy(torch.tensor([0.0])) == 1
    assert predictive_entropy(torch.tensor([-700.0, 700.0])).tolist() == [0, 0]


@pytest.mark.parametrize("scale", [0.3, 1, 4])
def test_expected_dice_is_the_mean_dice_of_drawn_true_masks(scale):
    rng = np.random.default_rng(0)
    logits = scale * disc((12, 16), (6, 8), 4, 1) + torch.from_numpy(rng.normal(size=(12, 16))).float()
    mask, p = (logits > 0).numpy(), logits.sigmoid().numpy()
    truth = rng.uniform(size=(20_000, 12, 16)) < p
    drawn = 2 * (truth & mask).sum((1, 2)) / (mask.sum() + truth.sum((1, 2)))
    assert expected_dice(logits) == pytest.approx(drawn.mean(), abs=0.005)
    assert 0.3 < drawn.mean() < 0.99


def test_an_empty_mask_is_worth_nothing_and_a_sure_one_all():
    assert expected_dice(torch.full((4, 6), -900.0)) == 0
    assert expected_dice(torch.where(disc() > 0, 900.0, -900.0)) == 1


def naive_pieces(mask) -> list[int]:
    """Areas by walking from pixel to pixel, largest first."""
    left, areas = {tuple(p) for p in np.argwhere(mask)}, []
    while left:
        queue, area = deque([left.pop()]), 0
        while queue:
            y, x = queue.popleft()
            area += 1
            for step in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                if step in left:
                    left.remove(step)
                    queue.append(step)
        areas.append(area)
    return sorted(areas, reverse=True)


def test_pieces_and_borders_are_those_that_a_loop_finds():
    rng = np.random.default_rng(0)
    for share in (0, 0.1, 0.3, 0.55, 1):
        mask = rng.uniform(size=(9, 13)) < share
        mask[0, :] &= share in (0.3, 1)  # else the upper border would always be touched
        areas = naive_pieces(mask)
        assert large_pieces(torch.from_numpy(mask), share=0) == areas
        assert large_pieces(mask, share=0.5) == [a for a in areas if a >= 0.5 * areas[0]]
        edges = [any(mask[0]), any(mask[8]), any(row[0] for row in mask), any(row[12] for row in mask)]
        assert touched_borders(torch.from_numpy(mask)) == sum(edges)


def test_the_band_is_what_lies_near_a_pixel_of_the_other_kind():
    mask = disc() > 0
    for width, reach in ((0.05, 3), (0.001, 1)):
        band = edge_band(mask, width)
        for y, x in [(24, 32), (24, 44), (24, 42), (24, 41), (24, 40), (12, 32), (0, 0), (20, 20)]:
            near = mask[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
            assert band[y, x] == (near.any() and not near.all()), (width, y, x)
    assert not edge_band(torch.zeros(5, 7, dtype=torch.bool)).any()
    assert not edge_band(torch.ones(5, 7, dtype=torch.bool)).any()


def test_disagreement_of_a_mask_that_moves_in_the_mirror():
    here, there = disc(centre=(24, 30)), disc(centre=(24, 34))
    one, other = here > 0, there > 0
    shared = (one & other).sum().item()
    expected = 1 - 2 * shared / (one.sum() + other.sum()).item()
    assert flip_disagreement(here, there) == pytest.approx(expected) and 0.1 < expected < 0.5
    assert flip_disagreement(here, here) == 0
    empty = torch.full((48, 64), -1.0)
    assert flip_disagreement(empty, empty) == 0 and flip_disagreement(empty, here) == 1


def test_all_signals_of_one_photo():
    soft = disc(sharp=1.0)
    seen = uncertainty(soft)
    entropy, band = predictive_entropy(soft), edge_band(soft > 0)
    assert seen.entropy_edge == pytest.approx(entropy[band].mean().item(), rel=1e-5)
    assert seen.entropy_elsewhere == pytest.approx(entropy[~band].mean().item(), rel=1e-5)
    assert seen.share == pytest.approx((soft > 0).sum().item() / (48 * 64))
    assert (seen.pieces, seen.largest_piece, seen.borders) == (1, 1, 0) and math.isnan(seen.flip_disagreement)
    mirrored = disc(centre=(24, 34), sharp=1.0)
    both = uncertainty(soft, mirrored)
    assert both.flip_disagreement == flip_disagreement(soft, mirrored)
    assert both.expected_dice == pytest.approx(expected_dice((soft + mirrored) / 2))


def test_two_cars_are_two_pieces_and_their_dice_is_that_of_the_largest():
    two = torch.maximum(disc(centre=(24, 15), radius=10), disc(centre=(24, 48), radius=10))
    seen = uncertainty(two)
    assert seen.pieces == 2 and seen.largest_piece == pytest.approx(2 / 3)
    assert uncertainty(torch.maximum(disc(radius=15), disc(centre=(5, 5), radius=2))).pieces == 1, "a speck is no car"


def test_what_is_no_answer_is_refused():
    with pytest.raises(ValueError, match="height, width"):
        uncertainty(torch.zeros(1, 4, 6))
    with pytest.raises(ValueError, match="one shape"):
        uncertainty(torch.zeros(4, 6), torch.zeros(6, 4))
    with pytest.raises(CarvanaError, match=r"not a number.*diverged"):
        uncertainty(torch.full((4, 6), math.nan))
