"""Agreement between raters: published values, and what there is to say of too little."""

import math

import numpy as np
import pytest

from outputs.statistics.agreement import Level, krippendorff_alpha, pair_agreement

NO = math.nan
# Krippendorff (2011), section C: four observers, twelve units.
PUBLISHED = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NO, NO, NO],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NO, 3],
        [NO, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NO],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NO],
    ]
).T


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_as_published(level: Level, alpha: float) -> None:
    """Krippendorff's own example, with missing values and a unit of one rating, to three decimals."""
    assert krippendorff_alpha(PUBLISHED, level) == pytest.approx(alpha, abs=5e-4)


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_alpha_of_agreement_is_1_and_of_too_little_nan(level: Level) -> None:
    """Equal ratings that vary: 1. One value only, one rater, no units, nothing but NaN: NaN."""
    assert krippendorff_alpha(np.array([[1.0, 1.0], [3.0, 3.0]]), level) == 1.0
    for values in (np.ones((4, 2)), np.array([[1.0], [2.0]]), np.empty((0, 2)), np.full((3, 2), NO)):
        assert math.isnan(krippendorff_alpha(values, level))


def test_two_raters_are_compared_where_both_rated() -> None:
    """Exact matches, the signed and the absolute difference, and the rank correlation, over three of five units."""
    found = pair_agreement(np.array([1.0, 2, 5, NO, 3]), np.array([1.0, 4, 4, 3, NO]))
    assert (found.n, found.exact) == pytest.approx((3, 1 / 3))
    assert found.mean_difference == pytest.approx(-1 / 3)
    assert found.mean_absolute_difference == 1.0
    assert found.spearman == pytest.approx(0.866025, abs=1e-6)


def test_two_raters_with_nothing_in_common_have_no_agreement() -> None:
    """No unit that both rated: all NaN; units without spread: no correlation, the rest stands."""
    nothing = pair_agreement(np.array([1.0, NO]), np.array([NO, 2.0]))
    assert nothing.n == 0
    assert math.isnan(nothing.exact)
    flat = pair_agreement(np.array([2.0, 2.0]), np.array([1.0, 2.0]))
    assert flat.exact == 0.5
    assert math.isnan(flat.spearman)
