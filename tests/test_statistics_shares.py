"""Intervals of shares over clusters, and of everything in simulated data whose truth is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outputs.statistics.intervals import spread
from outputs.statistics.resampling import bootstrap, weighted_means
from outputs.statistics.shares import share_interval

ONE = np.zeros(20, dtype=np.int64)


def test_the_error_of_a_share_is_that_of_its_clusters() -> None:
    """With clusters of one size it is the standard error of the mean of their shares."""
    hits = np.array([0, 3, 10, 20, 50, 2, 2, 40, 7, 9, 30, 1])
    found = share_interval(np.stack([np.full(12, 50), hits], axis=1))
    assert found.estimate == pytest.approx(hits.sum() / 600)
    assert found.standard_error == pytest.approx((hits / 50).std(ddof=1) / math.sqrt(12))
    assert 0 < found.low < found.estimate < found.high < 1
    assert found.warning is None


def test_a_product_is_the_plain_share_where_all_were_judged_again() -> None:
    """Rows, conflicts, all of them judged again, hits: the same as rows and hits."""
    rng = np.random.default_rng(0)
    conflicts = rng.binomial(50, 0.3, 20)
    hits = rng.binomial(conflicts, 0.5)
    rows = np.full(20, 50)
    four, two = (share_interval(np.stack(one, axis=1)) for one in ([rows, conflicts, conflicts, hits], [rows, hits]))
    assert (four.estimate, four.low, four.high) == pytest.approx((two.estimate, two.low, two.high))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=8))
def test_a_share_lies_in_its_interval_and_the_interval_in_0_to_1(pairs: list[tuple[int, int]]) -> None:
    """Whatever the counts: in order and within bounds, or NaN with a reason."""
    counts = [(rows, min(rows, hits)) for rows, hits in pairs]
    found = share_interval(np.array(counts).reshape(-1, 2))
    if math.isnan(found.low):
        assert found.warning
        assert math.isnan(found.high)
    else:
        assert 0 <= found.low <= found.estimate + 1e-12
        assert found.estimate - 1e-12 <= found.high <= 1


@pytest.mark.parametrize(
    ("counts", "warning"),
    [
        ([], "no data"),
        ([[0, 0]], "no data"),
        ([[50, 3], [0, 0]], "fewer than 2 clusters"),
        ([[50, 3, 0, 0], [50, 2, 0, 0]], "no conflict was judged again"),
        ([[50, 3, 3, 1], [50, 2, 0, 0]], "all that was judged again is in one cluster"),
        ([[50, 3], [50, 9], [50, 1]], "few clusters (3)"),
        ([[50, 25]] * 12, "no spread between the 12 clusters"),
        ([[50, 49]] + [[50, 0]] * 19, "comes from one or two"),
    ],
)
def test_a_doubtful_share_says_so(counts: list[list[int]], warning: str) -> None:
    """Nothing there, one cluster, no second judgement, few clusters, all alike, one that has all hits."""
    assert warning in str(share_interval(counts).warning)


def test_no_hit_is_bounded_by_what_could_have_been_missed() -> None:
    """In 20 clusters without a hit, more than 1 - 0.025^(1/20) of all having any is refuted; likewise the other end."""
    none, only = share_interval([[50, 0]] * 20), share_interval([[50, 50]] * 20)
    assert (none.low, none.high) == pytest.approx((0.0, 1 - 0.025 ** (1 / 20)))
    assert (only.low, only.high) == pytest.approx((0.025 ** (1 / 20), 1.0))
    assert "no hits in 20 clusters" in str(none.warning)
    assert "nothing but hits in 20 clusters" in str(only.warning)


def test_the_freedom_falls_where_few_clusters_carry_the_spread() -> None:
    """Normal influences keep nearly all degrees of freedom, one cluster that stands out leaves about two."""
    even = np.sort(np.random.default_rng(0).normal(size=20))
    assert spread(even, ONE).freedom > 15
    assert spread(np.append(even[:19] / 1000, 5.0), ONE).freedom < 2.5
    assert spread(np.zeros(20), ONE).freedom == 19
    assert spread(even * 1e-200, ONE).freedom == pytest.approx(spread(even, ONE).freedom)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """In 150 simulated sets of 20 clusters, means and rare shares are in their intervals 90 to 99 times in 100.

    Plain percentiles hold a share as rare and as clustered as this one 85 times. `benchmarks/coverage.py` looks closer.
    """
    rng = np.random.default_rng(0)
    held = np.zeros(2)
    for seed in range(150):
        values = rng.normal(size=(20, 1)) + rng.normal(size=(20, 4))
        mean = bootstrap(
            weighted_means(values.reshape(-1, 1)), np.repeat(np.arange(20), 4), resamples=500, seed=seed
        ).interval(0)
        hits = rng.binomial(50, rng.beta(0.16, 2.07, 20))
        share = share_interval(np.stack([np.full(20, 50), hits], axis=1))
        held += [mean.low <= 0 <= mean.high, share.low <= 0.16 / 2.23 <= share.high]
    assert ((held / 150 >= 0.9) & (held / 150 <= 0.99)).all()
