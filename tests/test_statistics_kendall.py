"""Taus: equal to scipy's, of the data and of resamples."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau, pearsonr, spearmanr

from outputs.statistics.correlations import pearson, resampled_pearson, resampled_spearman
from outputs.statistics.kendall import kendall, resampled_taus
from outputs.statistics.resampling import Floats

PAIRS = st.lists(st.tuples(st.integers(-3, 6), st.integers(1, 4)), min_size=2, max_size=60)
WIDE_PAIRS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 200)), min_size=2, max_size=150)


def scipy_taus(scores: Sequence[float] | Floats, ratings: Sequence[float] | Floats) -> list[float]:
    if len(scores) < 2:  # scipy warns
        return [math.nan, math.nan]
    return [float(kendalltau(scores, ratings, variant=variant).statistic) for variant in "bc"]


def made(rows: int, *, levels: int | None, grain: float | None = None, seed: int = 0) -> tuple[Floats, Floats]:
    """Scores and ratings that go together; continuous ratings where `levels` is None."""
    rng = np.random.default_rng(seed)
    quality = rng.normal(size=rows)
    scores, ratings = quality + rng.normal(size=rows), quality + rng.normal(size=rows)
    if grain is not None:
        scores = np.round(scores / grain)
    return scores, ratings if levels is None else np.clip(np.round(ratings + levels / 2), 1, levels)


def drawn(rows: int, sets: int, seed: int = 1) -> Floats:
    rng = np.random.default_rng(seed)
    return np.stack([np.bincount(rng.integers(0, rows, rows), minlength=rows) for _ in range(sets)]).astype(float)


@settings(deadline=None)
@given(st.one_of(PAIRS, WIDE_PAIRS))
def test_tau_is_scipys_to_the_last_bit(pairs: list[tuple[int, int]]) -> None:
    """With ties, constants and many levels, tau-b and tau-c are scipy's, NaN for NaN."""
    scores, ratings = zip(*pairs, strict=True)
    found = kendall(scores, ratings)
    assert np.array_equal([found.tau_b, found.tau_c], scipy_taus(scores, ratings), equal_nan=True)
    assert (found.reason is None) == (not math.isnan(found.tau_b))


@pytest.mark.parametrize(
    ("scores", "ratings", "reason"),
    [
        ([], [], "fewer than 2"),
        ([1.0], [2.0], "fewer than 2"),
        ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], "scores are equal"),
        ([1.0, 2.0, 3.0], [2.0, 2.0, 2.0], "ratings are equal"),
        ([1.0, math.nan, 3.0], [1.0, 2.0, 3.0], "NaN"),
        ([1.0, 2.0, 3.0], [1.0, math.nan, 3.0], "NaN"),
    ],
)
def test_an_undefined_tau_is_nan_with_a_reason(scores: list[float], ratings: list[float], reason: str) -> None:
    """Too few points, constants and NaN give NaN, as scipy does, and say why."""
    found = kendall(scores, ratings)
    assert math.isnan(found.tau_b)
    assert math.isnan(found.tau_c)
    assert reason in str(found.reason)
    assert all(math.isnan(one) for one in scipy_taus(scores, ratings))


def test_tau_of_unequal_lengths_is_refused() -> None:
    """Scores and ratings that do not pair are an error, not a number."""
    with pytest.raises(ValueError, match="3 scores and 2 ratings"):
        kendall([1, 2, 3], [1, 2])


def test_infinite_scores_have_an_order() -> None:
    """Infinities are the lowest and the highest scores."""
    scores, ratings = [-math.inf, 0.0, 1.0, math.inf, math.inf], [1.0, 1.0, 2.0, 3.0, 2.0]
    assert [kendall(scores, ratings).tau_b, kendall(scores, ratings).tau_c] == scipy_taus(scores, ratings)


@pytest.mark.parametrize(
    ("rows", "levels", "grain"),
    [(500, 4, None), (500, 4, 0.3), (500, 4, 3.0), (700, None, None), (700, None, 0.5), (400, 40, 0.1), (300, 2, None)],
)
def test_a_resample_has_the_tau_of_its_repeated_rows(rows: int, levels: int | None, grain: float | None) -> None:
    """Whole-number weights give to the last bit what scipy gives for the repeated rows, with any number of levels."""
    scores, ratings = made(rows, levels=levels, grain=grain)
    weights = drawn(rows, 12)
    found = resampled_taus(scores, ratings)(weights)
    for values, one in zip(found, weights, strict=True):
        places = np.repeat(np.arange(rows), one.astype(int))
        assert values.tolist() == scipy_taus(scores[places], ratings[places])


@settings(deadline=None, max_examples=50)
@given(PAIRS, st.integers(0, 99))
def test_a_small_resample_may_be_undefined(pairs: list[tuple[int, int]], seed: int) -> None:
    """Where a resample is constant its taus are NaN, as scipy's; elsewhere they are equal."""
    scores, ratings = np.array(pairs, dtype=np.float64).T
    weights = np.random.default_rng(seed).integers(0, 3, (4, len(pairs))).astype(float)
    found = resampled_taus(scores, ratings)(weights)
    for values, one in zip(found, weights, strict=True):
        places = np.repeat(np.arange(len(pairs)), one.astype(int))
        assert np.array_equal(values, scipy_taus(scores[places], ratings[places]), equal_nan=True)


def test_metrics_have_their_columns_in_turn() -> None:
    """Of scores (rows, metrics), each metric has its tau-b and tau-c; one with a NaN has NaN, the others theirs."""
    first, ratings = made(200, levels=4)
    second, _ = made(200, levels=4, seed=5)
    third = second.copy()
    third[3] = math.nan
    weights = drawn(200, 700)  # more sets than are counted at a time
    found = resampled_taus(np.stack([first, third, second], axis=1), ratings)(weights)
    assert np.array_equal(found[:, :2], resampled_taus(first, ratings)(weights))
    assert np.isnan(found[:, 2:4]).all()
    assert np.array_equal(found[:, 4:], resampled_taus(second, ratings)(weights))


@pytest.mark.parametrize("grain", [None, 0.7])
def test_other_correlations_of_a_resample_are_those_of_its_repeated_rows(grain: float | None) -> None:
    """Spearman's (with mid-ranks of the resample) and Pearson's equal scipy's of the repeated rows."""
    scores, ratings = made(150, levels=4, grain=grain)
    weights = drawn(150, 6)
    rho, linear = (one(scores, ratings)(weights)[:, 0] for one in (resampled_spearman, resampled_pearson))
    for n, one in enumerate(weights):
        places = np.repeat(np.arange(150), one.astype(int))
        assert rho[n] == pytest.approx(spearmanr(scores[places], ratings[places]).statistic, abs=1e-13)
        assert linear[n] == pytest.approx(pearsonr(scores[places], ratings[places]).statistic, abs=1e-12)


@pytest.mark.parametrize("one", [resampled_spearman, resampled_pearson])
@pytest.mark.parametrize(
    ("scores", "ratings"),
    [([], []), ([1.0], [2.0]), ([0.1, 0.1, 0.1], [1, 2, 3]), ([1, 2, 3], [7, 7, 7]), ([1, math.nan, 2], [1, 2, 3])],
)
def test_other_correlations_are_nan_where_undefined(one: object, scores: list[float], ratings: list[float]) -> None:
    """Too few points, constants and NaN in the input give NaN."""
    assert np.isnan(one(scores, ratings)(np.ones((2, len(scores))))).all()  # type: ignore[operator]


@pytest.mark.parametrize("one", [resampled_spearman, resampled_pearson])
def test_other_correlations_are_nan_in_a_constant_resample(one: object) -> None:
    """A resample in which only one value of the scores was drawn has no correlation, whatever rounding leaves."""
    scores, ratings = [0.1, 0.1, 0.1, 7.3], [1.0, 2.0, 4.0, 3.0]
    assert np.isnan(one(scores, ratings)(np.array([[1.0, 1, 2, 0], [0, 0, 0, 3], [0, 0, 0, 0]]))).all()  # type: ignore[operator]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [5e-310, 1e-300, 1e-160, 1e160, 1e300])
def test_pearson_is_the_same_at_any_scale(scale: float) -> None:
    """Values whose squares vanish or overflow have the correlation that ordinary ones have, in resamples too."""
    scores, ratings = made(50, levels=5)
    weights = np.stack([np.ones(50), *drawn(50, 3)])
    usual = resampled_pearson(scores, ratings)(weights)[:, 0]
    near = 1e-9 if scale > 1e-305 else 1e-3  # below, few digits are left
    assert pearson(scores * scale, ratings) == pytest.approx(pearsonr(scores, ratings).statistic, rel=near)
    assert resampled_pearson(ratings, scores * scale)(weights)[:, 0] == pytest.approx(usual, rel=near)


def test_an_infinite_value_has_no_pearson() -> None:
    """NaN, not a number made of what is left."""
    assert math.isnan(pearson([1.0, math.inf, 2.0], [1.0, 2.0, 3.0]))
