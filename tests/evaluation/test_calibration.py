"""Calibration against naive loops, and against logits whose probabilities are true by construction."""

import numpy as np
import pytest
import torch

from carvana_lessons.evaluation.calibration import HOTTEST, calibration_error, fit_temperature, reliability


def drawn(temperature: float, count: int = 200_000, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and pixels that are car as often as the logits divided by the temperature say."""
    g = torch.Generator().manual_seed(seed)
    z = 3 * torch.randn(count, generator=g)
    return z, (torch.rand(count, generator=g) < (z / temperature).sigmoid()).float()


def naive(z, y, bins) -> list[tuple[int, float, float]]:
    """Pixel after pixel into its bin."""
    held = [[] for _ in range(bins)]
    for logit, car in zip(z.flatten().tolist(), y.flatten().tolist(), strict=True):
        p = 1 / (1 + np.exp(-logit))
        held[min(int(p * bins), bins - 1)].append((p, car))
    return [(len(h), *(np.mean(h, axis=0) if h else (np.nan, np.nan))) for h in held]


@pytest.mark.parametrize("bins", [1, 4, 10])
def test_the_table_is_that_of_a_loop_over_pixels(bins):
    z, y = (part.view(2, 1, 10, 25) for part in drawn(1.0, 500))
    z[0, 0, 0, :3] = torch.tensor([0.0, 700.0, -700.0])  # one half, and the two ends
    table = reliability(z, y, bins)
    expected = np.array(naive(z, y, bins))
    np.testing.assert_allclose(table[["pixels", "said", "found"]], expected)
    assert table.pixels.sum() == 500
    np.testing.assert_allclose(table.low, np.arange(bins) / bins)
    whole = np.nansum(expected[:, 0] * abs(expected[:, 1] - expected[:, 2])) / 500
    assert calibration_error(table) == pytest.approx(whole)


def test_an_empty_bin_has_no_numbers_and_counts_for_nothing():
    table = reliability(torch.tensor([-9.0, 9.0]), torch.tensor([0, 1]))
    assert table.pixels.tolist() == [1] + [0] * 8 + [1]
    assert table.said.isna().sum() == 8
    assert calibration_error(table) == pytest.approx(1 / (1 + np.exp(9)))
    assert np.isnan(calibration_error(table[1:9]))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_pixels_is_found(temperature):
    z, y = drawn(temperature)
    found = fit_temperature(z, y)
    assert found == pytest.approx(temperature, rel=0.03)
    # At the minimum the derivative, the mean of z (sigmoid(z/T) - y), is zero.
    assert (z * ((z / found).sigmoid() - y)).mean().item() == pytest.approx(0, abs=1e-4)
    others = drawn(temperature, seed=1)
    after = calibration_error(reliability(others[0] / found, others[1]))
    assert after < 0.005
    if temperature != 1:
        assert calibration_error(reliability(*others)) > 4 * after


def test_a_network_that_guesses_surely_is_told_to_be_as_unsure_as_can_be():
    z = torch.tensor([8.0, -8.0] * 50)
    assert fit_temperature(z, torch.tensor([1.0, 1.0, 0.0, 0.0] * 25)) == pytest.approx(HOTTEST, rel=0.01)


@pytest.mark.parametrize(
    ("z", "y", "said"),
    [
        (torch.zeros(3), torch.zeros(2), "differ in shape"),
        (torch.zeros(0), torch.zeros(0), "no pixels"),
        (torch.zeros(2), torch.tensor([0, 255]), "other than 0 and 1"),
        (torch.zeros(2), torch.tensor([0, float("nan")]), "other than 0 and 1"),
        (torch.tensor([0, float("nan")]), torch.zeros(2), "not a number"),
    ],
)
def test_what_is_no_pair_of_logits_and_target_is_refused(z, y, said):
    for judge in (reliability, fit_temperature):
        with pytest.raises(ValueError, match=said):
            judge(z, y)


def test_infinite_logits_are_sure_and_have_no_temperature():
    z, y = torch.tensor([torch.inf, -torch.inf, 1.0]), torch.tensor([1, 0, 0])
    assert reliability(z, y).pixels.sum() == 3
    with pytest.raises(ValueError, match="float32"):
        fit_temperature(z, y)


def test_no_bins_are_refused():
    with pytest.raises(ValueError, match="1 bin or more"):
        reliability(torch.zeros(1), torch.zeros(1), bins=0)
