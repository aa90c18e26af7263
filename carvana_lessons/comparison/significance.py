"""Tests of differences, and their correction for the number of comparisons.

Lesson:
    09.
"""

import numpy as np
import pandas as pd

EXACT, DRAWS = 16, 50_000  # up to so many cars all signs are tried, beyond it so many random ones


def permutation_test(differences: np.ndarray, seed: int = 0) -> float:
    """Two-sided p-value of a mean of paired differences, by exchanging their signs.

    If two networks were equally good, each car's difference could as well have the opposite sign. The p-value is the
    share of all choices of signs whose mean is at least as far from zero as the one observed.

    Args:
        differences: (cars,), one per car.
        seed: of the random signs for more than 16 cars; up to 16 all are tried.

    Returns:
        between 0 and 1; 1 if there are no differences.

    Source:
        Fisher 1935, "The design of experiments", section 21.

    Lesson:
        09.
    """
    differences = np.asarray(differences, dtype=float)
    if not len(differences):
        return 1.0
    observed = abs(differences.sum())
    if len(differences) <= EXACT:
        choices = np.arange(2 ** len(differences))[:, None]
        signs = 1 - 2 * (choices >> np.arange(len(differences)) & 1)  # the digits of each number in base 2
    else:
        draws = np.random.default_rng(seed).choice((1, -1), size=(DRAWS, len(differences)))
        signs = np.vstack([np.ones_like(draws[:1]), draws])  # the observed signs are one of the choices
    tolerance = 1e-12 * np.abs(differences).sum()  # equal sums may differ in the last digit
    return float((np.abs(signs @ differences) >= observed - tolerance).mean())


def holm(p_values: pd.Series) -> pd.Series:
    """Correct p-values for the number of comparisons.

    Those that stay below 0.05 contain a false alarm in at most 5 % of all studies, however the comparisons depend on
    each other. The smallest p-value is multiplied by the number of comparisons, the next one by one less, and so on;
    none becomes smaller than the one before it.

    Args:
        p_values: one per comparison.

    Returns:
        the corrected p-values, with the same index, at most 1.

    Source:
        Holm 1979, "A simple sequentially rejective multiple test procedure".

    Lesson:
        09.
    """
    ordered = p_values.sort_values()
    factors = np.arange(len(ordered), 0, -1)
    return (ordered * factors).cummax().clip(upper=1).reindex(p_values.index)
