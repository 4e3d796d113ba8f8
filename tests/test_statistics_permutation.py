"""Permutation tests against every permutation there is, and Holm's correction."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, rankdata

from outputs.statistics.permutation import holm, perm_both, sign_flip_tests
from outputs.statistics.resampling import Floats

FIRST = np.array([0.1, 0.4, 0.5, 0.9, 1.5, 2.5, 2.6, 90.0])
SECOND = np.array([3.0, 1.0, 2.0, 2.0, 5.0, 1.0, 4.0, 2.5])
RATINGS = np.array([1.0, 1.0, 2.0, 2.0, 3.0, 4.0, 3.0, 4.0])


def every_swap(clusters: list[int], *, two_sided: bool, variant: str) -> float:
    """The share of all swaps of ranks in which the first is as far above the second as in the data."""
    ranks = rankdata(FIRST), rankdata(SECOND)
    gaps = []
    for swaps in product([False, True], repeat=max(clusters) + 1):
        swapped = np.array(swaps)[clusters]
        a, b = np.where(swapped, ranks[1], ranks[0]), np.where(swapped, ranks[0], ranks[1])
        gaps.append(
            kendalltau(a, RATINGS, variant=variant).statistic - kendalltau(b, RATINGS, variant=variant).statistic
        )
    found = np.abs(gaps) if two_sided else np.array(gaps)
    return float((found >= found[0] - 1e-12).mean())


@pytest.mark.parametrize("two_sided", [False, True])
@pytest.mark.parametrize(("clusters", "variant"), [(range(8), "tau_b"), ([0, 0, 1, 1, 2, 2, 3, 4], "tau_c")])
def test_perm_both_finds_the_share_of_all_swaps(clusters: list[int], variant: str, two_sided: bool) -> None:
    """Of thousands of random swaps, as many are as far apart as of all swaps, within four standard errors."""
    expected = every_swap(list(clusters), two_sided=two_sided, variant=variant[-1])
    found = perm_both(
        FIRST, SECOND, RATINGS, clusters=clusters, variant=variant, two_sided=two_sided, permutations=4000
    )
    assert found == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 4000) + 1e-3)


def test_perm_both_tells_better_from_worse() -> None:
    """One-sided, the better metric has the small p and the worse one the large; the same seed gives the same p."""
    rng = np.random.default_rng(0)
    quality = rng.normal(size=150)
    ratings = np.clip(np.round(quality + 2.5), 1, 4)
    good, bad = np.exp(quality + 0.3 * rng.normal(size=150)), quality + 2 * rng.normal(size=150)
    assert perm_both(good, bad, ratings, permutations=999) == 0.001
    assert perm_both(bad, good, ratings, permutations=999) == 1.0
    assert perm_both(good, good, ratings, permutations=99) == 1.0
    near = good + rng.normal(size=150)
    assert perm_both(good, near, ratings, permutations=99) == perm_both(good, near, ratings, permutations=99)


@pytest.mark.parametrize(
    ("first", "ratings"), [([], []), ([1.0], [1.0]), ([1.0, 1.0], [1.0, 2.0]), ([1.0, math.nan], [1.0, 2.0])]
)
def test_perm_both_is_nan_where_a_tau_is_undefined(first: list[float], ratings: list[float]) -> None:
    """Nothing to compare has no p."""
    assert math.isnan(perm_both(first, list(range(len(first))), ratings))


def test_sign_flips_find_the_share_of_all_flips() -> None:
    """By whole clusters, with a missing value, as of all flips; all zeros have p 1, no value at all NaN."""
    values = np.array([0.5, 0.2, -0.1, math.nan, 0.9, 0.4, 0.3, -0.2, 0.6, 0.1])
    clusters = [0, 0, 1, 2, 2, 3, 4, 5, 6, 7]
    sums = np.bincount(clusters, weights=np.nan_to_num(values))
    flipped = np.array(list(product([-1, 1], repeat=8))) @ sums
    expected = float((np.abs(flipped) >= abs(sums.sum()) - 1e-12).mean())
    three = np.stack([values, np.zeros(10), np.full(10, math.nan)], axis=1)
    found = sign_flip_tests(three, clusters, permutations=4000)
    assert found[0] == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 4000) + 1e-3)
    assert found[1] == 1.0
    assert math.isnan(found[2])


def test_sign_flips_of_nothing_are_nan() -> None:
    """No rows: NaN for each comparison; no comparisons: nothing."""
    assert np.isnan(sign_flip_tests(np.empty((0, 2)), [])).tolist() == [True, True]
    assert sign_flip_tests(np.empty((3, 0)), [1, 2, 3]).shape == (0,)


def stepwise(given_p: list[float]) -> list[float]:
    """Holm's adjusted p, by its definition: the largest of (number - rank) x p of all that are not larger."""
    known = sorted(one for one in given_p if not math.isnan(one))
    steps = [min(1.0, (len(known) - rank) * p) for rank, p in enumerate(known)]
    adjusted = {p: max(steps[: len(known) - known[::-1].index(p)]) for p in known}
    return [adjusted.get(one, math.nan) for one in given_p]


@given(st.lists(st.one_of(st.just(math.nan), st.sampled_from([0.0, 0.01, 0.02, 0.03, 0.2, 0.5, 1.0])), max_size=9))
def test_holm_is_what_its_definition_says(given_p: list[float]) -> None:
    """Ties are adjusted alike, NaN stays NaN and does not count."""
    found: Floats = holm(np.array(given_p))
    assert found.tolist() == pytest.approx(stepwise(given_p), nan_ok=True)
