"""Scores against a loop over pixels."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from carvana_lessons.evaluation import metrics
from carvana_lessons.models.logits import car_logit

pairs = st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
)


def count(prediction, target):
    """Pixel by pixel, in plain Python."""
    cases = [(bool(p), bool(t)) for p, t in zip(prediction.ravel(), target.ravel(), strict=True)]
    return tuple(cases.count(c) for c in [(True, True), (True, False), (False, True), (False, False)])


@given(pairs)
def test_counts_and_scores_are_those_of_a_loop(pair):
    prediction, target = pair
    tp, fp, fn, tn = count(prediction, target)
    p, t = torch.from_numpy(prediction), torch.from_numpy(target)
    assert tuple(v.item() for v in metrics.confusion(p, t)) == (tp, fp, fn, tn)
    dice = 1.0 if tp + fp + fn == 0 else 2 * tp / (2 * tp + fp + fn)
    assert metrics.dice(p, t).item() == pytest.approx(dice, abs=1e-12)
    assert metrics.iou(p, t).item() == pytest.approx(dice / (2 - dice), abs=1e-12)


def test_a_batch_gives_a_score_an_image():
    p, t = torch.zeros(3, 1, 2, 2), torch.zeros(3, 1, 2, 2)
    p[1, 0, 0, 0] = t[1, 0, 0, 0] = 1
    t[2] = 1
    assert metrics.dice(p, t).tolist() == [[1.0], [1.0], [0.0]]


def test_half_a_million_pixels_do_not_overflow_or_round():
    p = torch.ones(1280, 1918, dtype=torch.uint8)
    t = p.clone()
    t[0, 0] = 0
    pixels = 1280 * 1918
    assert metrics.dice(p, t).item() == 2 * (pixels - 1) / (2 * pixels - 1)


@pytest.mark.parametrize("wrong", [torch.tensor([[0, 255]]), torch.tensor([[0.2, 0.9]])])
def test_what_is_no_mask_is_refused(wrong):
    with pytest.raises(ValueError, match="values other than 0 and 1"):
        metrics.dice(wrong, torch.tensor([[0, 1]]))


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="differ in shape"):
        metrics.dice(torch.zeros(1, 2, 2), torch.zeros(1, 3, 2))


def test_two_channels_mean_the_same_as_softmax():
    logits = torch.randn(2, 2, 3, 4)
    torch.testing.assert_close(car_logit(logits).sigmoid()[:, 0], logits.softmax(dim=1)[:, 1])
    assert car_logit(logits[:, :1].bfloat16()).dtype == torch.float32
    with pytest.raises(ValueError, match="not 3"):
        car_logit(torch.zeros(1, 3, 2, 2))
