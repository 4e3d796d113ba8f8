"""Intervals of columns with missing values."""

import numpy as np
import pytest

from outputs.statistics.columns import column_intervals
from outputs.statistics.resampling import bootstrap, weighted_means


def test_a_column_counts_the_clusters_that_have_a_value() -> None:
    """Six values among 400 rows are six clusters, and are warned of; a whole column beside them has its 400."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(400, 2))
    values[6:, 1] = np.nan
    whole, few = column_intervals(values, np.arange(400), resamples=200, seed=0)[0]
    assert (whole.clusters, whole.warning) == (400, None)
    assert (few.clusters, few.warning) == (6, "few clusters (6): the interval is rough")
    assert few.standard_error == pytest.approx(values[:6, 1].std(ddof=1) / np.sqrt(6))


def test_whole_columns_share_their_draws() -> None:
    """Columns without a gap have the intervals of one bootstrap, whatever stands beside them."""
    values = np.random.default_rng(2).normal(size=(50, 3))
    drawn = bootstrap(weighted_means(values[:, :2]), np.arange(50), resamples=200, seed=4)
    values[:5, 2] = np.nan
    found = column_intervals(values, np.arange(50), resamples=200, seed=4)[0]
    assert found[:2] == [drawn.interval(0), drawn.interval(1)]
    assert found[2].clusters == 45


def test_a_column_without_a_value_has_a_reason() -> None:
    """Nothing is NaN without a word: it says that there are no data."""
    [found] = column_intervals(np.full((5, 1), np.nan), np.arange(5), resamples=100, seed=0)[0]
    assert np.isnan(found.estimate)
    assert (found.clusters, found.warning) == (0, "no data")
