"""Risk–coverage curves against naive loops over all orders of equal doubts."""

from itertools import pairwise, permutations

import numpy as np
import pytest

from carvana_lessons.evaluation.selective import auroc, recovered, risk_coverage

ERROR = np.array([0.3, 0.0, 0.1, 0.6, 0.05, 0.2])


def naive(error, doubt) -> np.ndarray:
    """Keep the least doubtful, for every number of them; the mean over every order of equal doubts."""
    curves = []
    for order in permutations(range(len(error))):
        if all(doubt[a] <= doubt[b] for a, b in pairwise(order)):
            curves.append([np.mean([error[k] for k in order[: n + 1]]) for n in range(len(error))])
    return np.mean(curves, axis=0)


@pytest.mark.parametrize("doubt", [[6, 5, 4, 3, 2, 1], [1, 0, 1, 0, 1, 0], [2, 2, 2, 2, 2, 2], [3, 3, 1, 9, 1, 1]])
def test_the_curve_is_the_mean_over_all_orders_of_equal_doubts(doubt):
    curve = risk_coverage(ERROR, doubt)
    np.testing.assert_allclose(curve.risk, naive(ERROR, doubt))
    np.testing.assert_allclose(curve.coverage, [1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1])
    assert curve.area == pytest.approx(naive(ERROR, doubt).mean())


def test_no_order_is_better_than_that_of_the_errors_themselves():
    areas = [risk_coverage(ERROR, order).area for order in permutations(range(6))]
    assert risk_coverage(ERROR, ERROR).area == pytest.approx(min(areas))
    assert risk_coverage(ERROR, -ERROR).area == pytest.approx(max(areas))
    assert np.mean(areas) == pytest.approx(risk_coverage(ERROR, np.zeros(6)).area) == pytest.approx(ERROR.mean())


def test_recovered_is_one_for_the_best_order_and_nothing_for_a_random_one():
    assert recovered(ERROR, 3 * ERROR + 1) == pytest.approx(1)
    assert recovered(ERROR, np.ones(6)) == pytest.approx(0)
    assert recovered(ERROR, -ERROR) < -0.5
    assert np.isnan(recovered([0.1, 0.1], [1, 2]))


def test_auroc_counts_pairs():
    rng = np.random.default_rng(0)
    failed, doubt = rng.integers(0, 2, 40).astype(bool), rng.integers(0, 9, 40)
    pairs = [(a > b) + (a == b) / 2 for a in doubt[failed] for b in doubt[~failed]]
    assert auroc(failed, doubt) == pytest.approx(np.mean(pairs))
    assert np.isnan(auroc([True, True], [1, 2]))


@pytest.mark.parametrize(
    ("error", "doubt", "words"),
    [([], [], "one of each"), ([0.1], [1, 2], "one of each"), ([0.1, np.nan], [1, 2], "not a number")],
)
def test_what_has_no_order_is_refused(error, doubt, words):
    for function in (risk_coverage, auroc):
        with pytest.raises(ValueError, match=words):
            function(error, doubt)
