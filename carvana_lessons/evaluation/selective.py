"""Selective prediction: how well an order of the masks, the doubtful ones first, finds those that are wrong.

Whoever looks at the most doubtful masks and mends them keeps the others: the coverage is their share, the risk their
mean error, 1 − Dice. A good order makes the risk fall fast as the coverage falls.

Lesson:
    11.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats


class RiskCoverage(NamedTuple):
    """A risk–coverage curve.

    Attributes:
        coverage: (n,) share of the masks that are kept, 1/n to 1.
        risk: (n,) mean error of those that are kept.

    Lesson:
        11.
    """

    coverage: np.ndarray
    risk: np.ndarray

    @property
    def area(self) -> float:
        """The area under the curve (AURC), the mean of the risk over all coverages."""
        return float(self.risk.mean())


def risk_coverage(error: Sequence[float], doubt: Sequence[float]) -> RiskCoverage:
    """The risk of the masks that are kept, for every number of them.

    Equal doubts have no order: each of their masks counts with their mean error, which is the mean curve over all
    orders of them. So a constant doubt gives the curve of a random order, and ``doubt=error`` the best there is.

    Args:
        error: (n,) 1 − Dice of each mask.
        doubt: (n,) high for masks that are to be looked at first.

    Returns:
        the curve.

    Raises:
        ValueError: if there is no mask, the lengths differ, or a value is not a number.

    Source:
        El-Yaniv & Wiener 2010, "On the foundations of noise-free selective classification"; Geifman, Uziel & El-Yaniv
        2019 for the area.

    Lesson:
        11.
    """
    error, doubt = _pair(error, doubt)
    _, group = np.unique(doubt, return_inverse=True)
    shared = (np.bincount(group, error) / np.bincount(group))[group]
    kept = np.arange(1, len(error) + 1)
    return RiskCoverage(kept / len(error), np.cumsum(shared[np.argsort(doubt, kind="stable")]) / kept)


def recovered(error: Sequence[float], doubt: Sequence[float]) -> float:
    """How far an order comes from a random one to the best: the areas of their risk–coverage curves compared.

    Args:
        error: as for `risk_coverage`.
        doubt: as for `risk_coverage`.

    Returns:
        1 for the best order, 0 for a random one, below 0 for a worse; nan where all errors are equal.

    Raises:
        ValueError: as `risk_coverage`.

    Lesson:
        11.
    """
    area, best, random = (risk_coverage(error, order).area for order in (doubt, error, np.zeros(len(error))))
    return (random - area) / (random - best) if random > best else float("nan")


def auroc(failed: Sequence[bool], doubt: Sequence[float]) -> float:
    """The probability that a failed mask has more doubt than one that is right; equal doubts count half.

    Args:
        failed: (n,) whether each mask is a failure.
        doubt: (n,) high for masks that are to be looked at first.

    Returns:
        the area under the receiver operating characteristic, ½ for a random order; nan unless there are both kinds.

    Raises:
        ValueError: as `risk_coverage`.

    Source:
        Hanley & McNeil 1982.

    Lesson:
        11.
    """
    failed, doubt = _pair(failed, doubt)
    failed = failed.astype(bool)
    wrong, right = failed.sum(), (~failed).sum()
    if not (wrong and right):
        return float("nan")
    ranks = stats.rankdata(doubt)
    return float((ranks[failed].sum() - wrong * (wrong + 1) / 2) / (wrong * right))


def _pair(error: Sequence[float], doubt: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    pair = np.asarray(error, dtype=float), np.asarray(doubt, dtype=float)
    if pair[0].ndim != 1 or pair[0].shape != pair[1].shape or not len(pair[0]):
        raise ValueError(f"Errors and doubts are one of each per mask, and these are {pair[0].shape}, {pair[1].shape}.")
    if np.isnan(pair).any():
        raise ValueError("An error or a doubt is not a number; leave that mask out.")
    return pair
