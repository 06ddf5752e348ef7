"""pass@k against counting every subset, against the product form, and by simulation."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from golddiff.statistics.pass_at_k import mean_pass_at_k, pass_at_k


@pytest.mark.parametrize(("n", "c", "k"), [(n, c, k) for n in (1, 4, 7) for c in range(n + 1) for k in range(1, n + 1)])
def test_equals_the_share_of_subsets_that_hold_a_passing_answer(n: int, c: int, k: int) -> None:
    subsets = list(combinations([True] * c + [False] * (n - c), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(any(one) for one in subsets) / len(subsets))


def test_equals_the_product_form_of_the_paper_for_many_answers() -> None:
    for n, c, k in ((200, 3, 100), (200, 150, 10), (1000, 1, 1)):
        product = 1.0 - float(np.prod(1.0 - k / np.arange(n - c + 1, n + 1))) if n - c >= k else 1.0
        assert pass_at_k(n, c, k) == pytest.approx(product, rel=1e-9)


def test_is_unbiased_where_the_plain_formula_is_not() -> None:
    random = np.random.default_rng(7)
    true, n, k = 0.2, 10, 5
    passed = random.binomial(n, true, 40_000)
    wanted = 1 - (1 - true) ** k
    assert np.mean([pass_at_k(n, int(c), k) for c in passed]) == pytest.approx(wanted, abs=0.005)
    assert abs(np.mean(1 - (1 - passed / n) ** k) - wanted) > 0.03


def test_the_interval_covers_the_truth_in_about_nineteen_of_twenty_runs() -> None:
    random = np.random.default_rng(3)
    a, b, n, k, tasks, runs = 0.5, 1.0, 6, 3, 80, 250
    truth = 1 - np.prod([(b + i) / (a + b + i) for i in range(k)])  # E[(1-p)^k], p ~ Beta(a, b)
    covered = 0
    for _ in range(runs):
        passed = random.binomial(n, random.beta(a, b, tasks))
        found = mean_pass_at_k([(n, int(c)) for c in passed], k, resamples=400).interval
        assert found is not None
        covered += found.low <= truth <= found.high
    assert 0.90 <= covered / runs <= 0.99


def test_a_task_with_fewer_answers_than_k_is_counted_and_not_guessed() -> None:
    found = mean_pass_at_k([(1, 1), (10, 0), (10, 10)], 10)
    assert (found.tasks, found.too_few) == (2, 1)
    assert found.interval is not None
    assert found.interval.estimate == 0.5
    assert mean_pass_at_k([(1, 1)], 2).interval is None


def test_all_passing_tasks_are_no_certainty() -> None:
    for clusters in (None, ["a"] * 5 + ["b"] * 5):
        found = mean_pass_at_k([(2, 2)] * 10, 1, clusters).interval
        assert found is not None
        assert found.estimate == found.high == 1.0
        assert found.low < 0.9


def test_one_task_tells_nothing_of_others() -> None:
    for counts, clusters in (([(10, 3)], None), ([(10, 3)] * 4, None), ([(10, 3), (10, 4)], ["a", "a"])):
        found = mean_pass_at_k(counts, 1, clusters)
        assert found.interval is None
        assert found.tasks == len(counts)


@pytest.mark.parametrize(("n", "c", "k"), [(3, 1, 4), (3, 4, 1), (3, -1, 1), (3, 1, 0)])
def test_impossible_counts_are_refused(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match="need 1 <= k"):
        pass_at_k(n, c, k)
