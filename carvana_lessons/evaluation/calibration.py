"""Calibration: is a pixel that gets a probability of 0.8 a car's pixel in 8 of 10 cases?

Dice reads a mask that was cut at one half and cannot see this. A network can have a good Dice and be too sure, or not
sure enough. A temperature, one number, mends most of that and leaves every mask as it was.

Lesson:
    09.
"""

import numpy as np
import pandas as pd
import torch
from scipy import optimize
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

#: A temperature is searched for between these two.
COLDEST, HOTTEST = 0.02, 50.0


def reliability(logits: Tensor, target: Tensor, bins: int = 10) -> pd.DataFrame:
    """What a network says of its pixels, and what is found: the numbers of a reliability diagram.

    Args:
        logits: of the car, any shape; above 0 where the network answers "car".
        target: the same shape, in {0, 1}.
        bins: number of equal parts of the probabilities 0 to 1, 1 or more.

    Returns:
        A row per bin: ``low`` and ``high`` (a probability of ``low`` belongs to the bin, one of ``high`` to the next,
        1 to the last), ``pixels``, ``said`` (their mean probability) and ``found`` (the share of them that is car);
        both nan in an empty bin.

    Raises:
        ValueError: if the shapes differ, the target has another value, a logit is not a number, or there are no pixels
            or no bins.

    Source:
        Niculescu-Mizil & Caruana 2005, "Predicting good probabilities with supervised learning".

    Lesson:
        09.
    """
    if bins < 1:
        raise ValueError(f"Probabilities are sorted into 1 bin or more, not {bins}.")
    z, y = _pair(logits, target)
    p = z.sigmoid()
    place = (p * bins).long().clamp_(max=bins - 1)
    pixels, said, found = (
        torch.bincount(place, weights, minlength=bins).numpy() for weights in (torch.ones_like(p), p, y)
    )
    edges = np.linspace(0, 1, bins + 1)
    with np.errstate(invalid="ignore"):
        means = {"said": said / pixels, "found": found / pixels}
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "pixels": pixels.astype(int), **means})


def calibration_error(table: pd.DataFrame) -> float:
    """Expected calibration error (ECE): how far what is said is from what is found, on average over the pixels.

    Args:
        table: of `reliability`, or some of its rows.

    Returns:
        in [0, 1]; nan where the rows hold no pixels.

    Source:
        Naeini et al. 2015, "Obtaining well calibrated probabilities using Bayesian binning"; for two classes with the
        probability of "car" in place of the winning class.

    Lesson:
        09.
    """
    pixels = table["pixels"].sum()
    return float((table["pixels"] * (table["said"] - table["found"]).abs()).sum() / pixels) if pixels else float("nan")


def fit_temperature(logits: Tensor, target: Tensor) -> float:
    """The number by which logits are to be divided so that their binary cross-entropy is smallest.

    Above 1 the network was too sure, below 1 not sure enough. No logit changes its sign, so no mask changes. It has to
    be fitted on photos that are not scored afterwards.

    Args:
        logits: of the car, any shape.
        target: the same shape, in {0, 1}.

    Returns:
        the temperature, from `COLDEST` to `HOTTEST`.

    Raises:
        ValueError: as `reliability`, or for an infinite logit.

    Source:
        Guo et al. 2017, "On calibration of modern neural networks".

    Lesson:
        09.
    """
    z, y = _pair(logits, target)
    if z.isinf().any():
        raise ValueError("A logit is infinite: compute the logits in float32.")
    # In 1/T the loss is convex, so the one minimum that a search finds is the minimum.
    bounds = (1 / HOTTEST, 1 / COLDEST)
    found = optimize.minimize_scalar(lambda a: cross_entropy(a * z, y).item(), bounds=bounds, method="bounded")
    return float(1 / found.x)


def _pair(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """(n,) float64 each, on the CPU."""
    z, y = torch.as_tensor(logits), torch.as_tensor(target)
    if z.shape != y.shape:
        raise ValueError(f"Logits {tuple(z.shape)} and target {tuple(y.shape)} differ in shape.")
    if not z.numel():
        raise ValueError("There are no pixels; give at least one.")
    z, y = z.detach().flatten().cpu().double(), y.detach().flatten().cpu().double()
    if not ((y == 0) | (y == 1)).all():
        raise ValueError("The target has values other than 0 and 1: cut it first, `mask > 0`.")
    if z.isnan().any():
        raise ValueError("A logit is not a number (NaN): look at the training that made this network.")
    return z, y
