"""``benchmarks calibration``: photos pooled are the photos together, and what is fitted is judged on other cars."""

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import calibration
from carvana_lessons import data
from carvana_lessons.evaluation.calibration import calibration_error, fit_temperature, reliability
from carvana_lessons.evaluation.metrics import dice


def test_tables_of_photos_are_pooled_pixel_by_pixel():
    g = torch.Generator().manual_seed(0)
    z = [3 * torch.randn(n, generator=g) for n in (7, 400, 50)]
    y = [(part + torch.randn(len(part), generator=g) > 0).float() for part in z]
    pooled = calibration.pooled([reliability(*pair) for pair in zip(z, y, strict=True)])
    whole = reliability(torch.cat(z), torch.cat(y))
    np.testing.assert_allclose(pooled[["pixels", "said", "found"]], whole[["pixels", "said", "found"]], atol=1e-12)


def test_a_temperature_is_fitted_on_one_half_of_the_cars_and_judged_on_the_other(cars, monkeypatch):
    half = {car: k % 2 for k, car in enumerate(cars.ids)}

    def answers(_, photo):
        y = torch.from_numpy(data.read_mask(photo)) > 0
        g = torch.Generator().manual_seed(photo.view)
        z = 4 * (y.float() - 0.5) + 2 * torch.randn(y.shape, generator=g)  # of normal noise: z itself is calibrated
        return (z * (3.0 if half[photo.car] else 1.0))[None, None], y

    def together(side):
        pairs = [answers(None, photo) for photo in cars if half[photo.car] == side]
        return tuple(torch.cat([part.flatten() for part in parts]) for parts in zip(*pairs, strict=True))

    monkeypatch.setattr(calibration, "logits_and_mask", answers)
    numbers, photos, curve, thresholds = calibration.measure(nn.Identity(), cars)
    # One half asks for 1 or so, the other for 3 or so; each is given that of the other.
    assert numbers["temperature"] == pytest.approx(2, abs=0.4)
    sides = [together(0), together(1)]
    mended = torch.cat([z / fit_temperature(*other) for (z, _), other in zip(sides, sides[::-1], strict=True)])
    expected = calibration_error(reliability(mended, torch.cat([y for _, y in sides])))
    assert numbers["ece_mended"] == pytest.approx(expected, rel=0.2)  # fitted here on all pixels, not on 1 of 97
    one = calibration_error(curve[curve.mended == 1])
    assert numbers["ece_mended"] == pytest.approx(one)
    middle = curve[(curve.mended == 0) & (curve.low > 0.05) & (curve.high < 0.95)]
    assert numbers["ece_undecided"] == pytest.approx(calibration_error(middle)) and len(middle) == 8
    first = photos[photos.car == cars.ids[0]].iloc[0]
    z, y = answers(None, cars[0])
    z = z[0, 0]
    assert first.dice == pytest.approx(dice(z > 0, y).item())
    assert first["0.90"] == pytest.approx(dice(z.sigmoid() > 0.9, y).item())
    at = [f"{t:.2f}" for t in calibration.THRESHOLDS]
    chosen = [photos.loc[photos.half != side, at].mean().idxmax() for side in (0, 1)]
    assert numbers["thresholds"] == " and ".join(chosen)
    expected = [row[chosen[int(row.half)]] for _, row in photos.iterrows()]
    assert photos.dice_best_threshold.tolist() == pytest.approx(expected)
    assert curve[curve.mended == 0].pixels.sum() == sum(data.read_mask(photo).size for photo in cars)
    assert len(thresholds) == len(calibration.THRESHOLDS)
