"""Tests of differences against SciPy's, and the correction against the principle that it is derived from."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from carvana_lessons.comparison import holm, permutation_test


@pytest.mark.parametrize("count", [1, 2, 5, 12, 16])
def test_all_signs_are_tried_as_scipy_does(count):
    differences = np.random.default_rng(count).normal(0.5, 1, count)
    expected = 1.0 if count == 1 else stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=2**count
    ).pvalue  # fmt: skip
    assert permutation_test(differences) == pytest.approx(expected)


def test_many_cars_are_tested_with_random_signs():
    differences = np.random.default_rng(1).normal(0.3, 1, 60)
    expected = stats.ttest_1samp(differences, 0).pvalue
    assert permutation_test(differences) == pytest.approx(expected, abs=0.005)
    assert permutation_test(differences) == permutation_test(differences)
    assert permutation_test(differences + 100) == pytest.approx(1 / 50_001)  # the observed signs are among them


def test_no_difference_is_no_evidence():
    assert permutation_test(np.zeros(5)) == 1 and permutation_test(np.array([])) == 1
    assert permutation_test(np.full(3, 0.1)) == 2 / 8  # all plus and all minus, though sums differ in a last digit


def test_equal_networks_raise_one_alarm_in_twenty():
    rng = np.random.default_rng(0)
    alarms = [permutation_test(rng.normal(size=10)) <= 0.05 for _ in range(1_000)]
    assert 0.03 < np.mean(alarms) < 0.07


@pytest.mark.parametrize("seed", range(5))
def test_holm_is_bonferroni_on_every_subset(seed):
    """Closed testing: a comparison stands if every set of comparisons that contains it is refuted by Bonferroni."""
    p = pd.Series(np.random.default_rng(seed).uniform(0, 0.2, 6), list("abcdef"))
    sets = [set(s) for count in range(1, 7) for s in combinations(p.index, count)]
    expected = {k: min(1, max(len(s) * p[list(s)].min() for s in sets if k in s)) for k in p.index}
    assert holm(p).to_dict() == pytest.approx(expected)
    assert list(holm(p).index) == list(p.index)


def test_holm_by_hand():
    """Of R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")."""
    assert holm(pd.Series([0.01, 0.04, 0.03, 0.005])).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(pd.Series([0.6, 0.9])).tolist() == [1, 1]
