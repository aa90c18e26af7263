"""Losses against their formulas, written out."""

import math

import pytest
import torch
import torch.nn.functional as F

from carvana_lessons.training import losses


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 1, 8, 9, generator=generator)
    return logits, (torch.rand(2, 1, 8, 9, generator=generator) > 0.5).float()


def test_bce_is_its_formula(batch):
    logits, y = batch
    p = 1 / (1 + torch.exp(-logits))
    expected = -(y * p.log() + (1 - y) * (1 - p).log()).mean()
    torch.testing.assert_close(losses.bce(logits, y), expected)
    assert losses.bce(torch.zeros_like(logits), y).item() == pytest.approx(math.log(2))


def test_bce_of_two_channels_is_softmax_cross_entropy(batch):
    _, y = batch
    logits = torch.randn(2, 2, 8, 9)
    torch.testing.assert_close(losses.bce(logits, y), F.cross_entropy(logits, y[:, 0].long()))


def test_bce_stays_finite_where_the_formula_does_not():
    assert losses.bce(torch.full((1, 1, 2, 2), 1e4), torch.zeros(1, 1, 2, 2)).item() == pytest.approx(1e4)


def test_soft_dice_of_a_sure_network_is_one_minus_dice(batch):
    _, y = batch
    other = y.flip(-1)
    loss = losses.soft_dice((other * 2 - 1) * 50, y, smooth=0)
    dice = [2 * (a * b).sum() / (a.sum() + b.sum()) for a, b in zip(other, y, strict=True)]
    torch.testing.assert_close(loss, 1 - sum(dice) / len(dice))
    assert losses.soft_dice(torch.full_like(y, -50), torch.zeros_like(y)).item() == pytest.approx(0, abs=1e-6)


def test_boundary_weights_against_a_loop():
    y = torch.zeros(1, 1, 9, 11)
    y[..., 2:6, 3:] = 1  # touches the right border: that is no boundary
    weights = losses.boundary_weights(y, reach=1, weight=7.0)[0, 0]
    for i in range(9):
        for j in range(11):
            around = y[0, 0, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
            assert weights[i, j] == (7.0 if 0 < around.mean() < 1 else 1.0), (i, j)


def test_boundary_bce_is_a_weighted_mean(batch):
    logits, y = batch
    torch.testing.assert_close(losses.boundary_bce(logits, y, weight=1.0), losses.bce(logits, y))
    w = losses.boundary_weights(y, reach=1, weight=3.0)
    pixels = F.binary_cross_entropy_with_logits(logits, y, reduction="none")
    torch.testing.assert_close(losses.boundary_bce(logits, y, reach=1, weight=3.0), (w * pixels).sum() / w.sum())
