"""The normal limit of means over very many clusters."""

import math

import numpy as np
import polars as pl
import pytest

from outputs.statistics.many import normal_mean
from outputs.statistics.resampling import bootstrap, weighted_means


def test_it_says_what_resampling_says() -> None:
    """Over 2,000 clusters of unequal size the interval is the bootstrap's, but for chance."""
    rng = np.random.default_rng(5)
    of = np.repeat(np.arange(2000), rng.integers(1, 6, 2000))
    values = rng.exponential(size=2000)[of] + rng.normal(size=len(of))
    found, p = normal_mean(pl.Series(values), pl.Series(of).cast(pl.String))
    resampled = bootstrap(weighted_means(values[:, None]), of, resamples=2000).interval(0)
    assert found.estimate == pytest.approx(resampled.estimate)
    assert (found.low, found.high) == pytest.approx((resampled.low, resampled.high), abs=0.01)
    assert p < 1e-9
    assert found.clusters == 2000


def test_the_p_is_that_of_a_mean_of_0() -> None:
    """A mean two standard errors from 0 has a p of .0455; without spread it is 1 where the mean is 0, else 0."""
    values = pl.Series([3.0, 1.0] * 50) - 2
    shifted = values + 2 * float(np.sqrt(1 / 99))
    of = pl.Series([str(n) for n in range(100)])
    assert normal_mean(shifted, of)[1] == pytest.approx(0.0455, abs=1e-4)
    assert normal_mean(values * 0, of)[1] == 1.0
    assert normal_mean(values * 0, of)[0].warning == "no spread between the 100 clusters"


@pytest.mark.parametrize("rows", [0, 3])
def test_one_cluster_or_none_has_no_interval(rows: int) -> None:
    """The ends are NaN, and it says why."""
    found, p = normal_mean(pl.Series([1.0] * rows, dtype=pl.Float64), pl.Series(["x"] * rows, dtype=pl.String))
    assert math.isnan(found.low)
    assert math.isnan(p)
    assert found.warning == "fewer than 2 clusters"
