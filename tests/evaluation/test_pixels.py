"""A score in wrong pixels agrees with pixels that are counted."""

import numpy as np
import pandas as pd
import pytest
import torch

from carvana_lessons.evaluation import CAR_PIXELS, metrics, wrong_pixels


@pytest.mark.parametrize("step", [0, 1, 3, 10])
def test_it_counts_the_pixels_that_differ(step):
    target = torch.zeros(20, 30, dtype=torch.bool)
    target[5:15, 5:15] = True
    prediction = target.roll(step, dims=1)  # as large as the target
    dice = metrics.dice(prediction, target).item()
    assert wrong_pixels(dice, car_pixels=100) == pytest.approx((prediction != target).sum().item())


def test_a_cars_size_is_the_measured_share_of_a_photo():
    assert pytest.approx(0.211, abs=0.0005) == CAR_PIXELS / (1918 * 1280)
    assert wrong_pixels(0.9999) == pytest.approx(103.6)


def test_many_scores_at_once_keep_their_kind():
    for dice in (np.array([0.99, 1.0]), torch.tensor([0.99, 1.0]), pd.Series([0.99, 1.0], index=["a", "b"])):
        found = wrong_pixels(dice)
        assert type(found) is type(dice)
        np.testing.assert_allclose(np.asarray(found), [10_360, 0], rtol=1e-5)
