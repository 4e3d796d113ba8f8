"""The clustered bootstrap: what is drawn, what is paired, what its intervals say of few, equal or missing data."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outputs.statistics import resampling
from outputs.statistics.intervals import spread
from outputs.statistics.resampling import Floats, bootstrap, joined, weighted_means


def weights_of(clusters: list[object], resamples: int = 50, **others: object) -> Floats:
    """The weights of each resample: (resamples, rows)."""
    return bootstrap(lambda weights: weights, clusters, resamples=resamples, **others).draws  # type: ignore[arg-type]


def test_clusters_are_drawn_whole_and_with_replacement() -> None:
    """Rows of a cluster weigh the same; the weights of the clusters sum to their number; some are drawn twice."""
    clusters = ["a", "b", "a", "c", "b", "d"]
    weights = weights_of(list(clusters))
    assert np.array_equal(weights[:, 0], weights[:, 2])
    assert np.array_equal(weights[:, 1], weights[:, 4])
    assert (weights[:, [0, 1, 3, 5]].sum(axis=1) == 4).all()
    assert weights.max() > 1
    assert (weights[:, 0] != weights[:, 1]).any()


def test_strata_keep_their_clusters() -> None:
    """In every resample each stratum has as many clusters as in the data; a label in two strata is two clusters."""
    weights = weights_of([1, 2, 3, 1, 2], strata=["x", "x", "x", "y", "y"])
    assert (weights[:, :3].sum(axis=1) == 3).all()
    assert (weights[:, 3:].sum(axis=1) == 2).all()
    assert (weights[:, 0] != weights[:, 3]).any()


def test_the_same_seed_gives_the_same_draws_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws depend on the seed alone, not on how many are made at a time."""
    clusters: list[object] = [n // 2 for n in range(40)]
    strata = ["x"] * 14 + ["y"] * 26
    whole = weights_of(clusters, strata=strata, seed=3)
    monkeypatch.setattr(resampling, "_CHUNK_BYTES", 7 * 8 * 40)
    assert np.array_equal(whole, weights_of(clusters, strata=strata, seed=3))
    assert not np.array_equal(whole, weights_of(clusters, strata=strata, seed=4))


@pytest.mark.parametrize("some", [1, 7, 40, 2**20])
def test_draws_are_the_same_however_many_are_made_at_a_time(monkeypatch: pytest.MonkeyPatch, some: int) -> None:
    """The stream of a seed goes on where the draws before have left it."""
    clusters: list[object] = [n // 2 for n in range(40)]
    whole = weights_of(clusters, seed=3)
    monkeypatch.setattr(resampling, "_DRAWN_AT_ONCE", some)
    assert np.array_equal(whole, weights_of(clusters, seed=3))


@given(st.lists(st.tuples(st.integers(0, 3), st.one_of(st.just(math.nan), st.floats(-5, 5))), min_size=1, max_size=12))
def test_weighted_means_are_means_of_the_repeated_rows(rows: list[tuple[int, float]]) -> None:
    """Missing values are left out of sum and count; where none is left the mean is NaN."""
    weights = np.array([[weight for weight, _ in rows]], dtype=float)
    values = np.array([value for _, value in rows])
    repeated = np.repeat(values, weights[0].astype(int))
    there = repeated[~np.isnan(repeated)]
    found = weighted_means(values[:, None])(weights)[0, 0]
    assert found == pytest.approx(there.mean() if len(there) else math.nan, nan_ok=True, abs=1e-12)


def test_a_difference_is_paired() -> None:
    """A column that is another plus a constant differs by exactly that, with no width, and the interval says why."""
    values = np.random.default_rng(0).normal(size=(30, 1)) + np.array([[0.0, 0.5]])
    found = bootstrap(weighted_means(values), range(30)).difference(1, 0)
    assert found.estimate == pytest.approx(0.5)
    assert (found.low, found.high) == pytest.approx((0.5, 0.5))
    assert found.warning == "no spread between the 30 clusters"


def test_a_combination_is_what_its_columns_make() -> None:
    """Coefficients 1 and -1 are the difference; a column with coefficient 0 may be undefined."""
    values = np.random.default_rng(0).normal(size=(30, 3))
    values[:, 2] = math.nan
    drawn = bootstrap(joined(weighted_means(values[:, :2]), weighted_means(values[:, 2:])), range(30))
    assert drawn.combination(np.array([1.0, -1.0, 0.0])) == drawn.difference(0, 1)


def test_the_interval_is_wider_than_the_plain_percentiles() -> None:
    """With 12 clusters it is that of Student's t, here within 5 %; its error is that of a mean, within 5 %."""
    values = np.random.default_rng(4).normal(size=12)
    found = bootstrap(weighted_means(values[:, None]), range(12), resamples=20_000).interval(0)
    error = values.std(ddof=1) / math.sqrt(12)
    reach = spread((values.sum() - values) / 11, np.zeros(12, dtype=np.int64)).reach
    assert found.standard_error == pytest.approx(error, rel=0.05)
    assert reach >= 2.2
    assert (found.high - found.low) / 2 == pytest.approx(reach * error, rel=0.05)
    assert found.warning is None


def test_the_error_by_strata_leaves_out_what_is_between_them() -> None:
    """Strata far apart add nothing to the error of their mean."""
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(size=40), 100 + rng.normal(size=40)])
    strata = ["x"] * 40 + ["y"] * 40
    within = math.sqrt(values[:40].var(ddof=1) + values[40:].var(ddof=1)) / math.sqrt(40) / 2
    found = bootstrap(weighted_means(values[:, None]), range(80), strata=strata).interval(0)
    assert found.standard_error == pytest.approx(within, rel=0.1)
    drawn = bootstrap(weighted_means(values[:, None]), range(80), strata=strata)
    assert drawn.left_out is not None
    assert spread(drawn.left_out[:, 0], drawn.strata).standard_error == pytest.approx(within, rel=0.05)


@pytest.mark.parametrize(
    ("values", "clusters", "warning"),
    [
        ([], [], "no data"),
        ([2.0, 3.0], ["one", "one"], "fewer than 2 clusters"),
        ([math.nan] * 3, [1, 2, 3], "undefined for these data"),
        ([math.nan, math.nan, math.nan, 4.0], [1, 2, 3, 4], "undefined without one of the 4 clusters"),
        ([3.0] * 12, list(range(12)), "no spread between the 12 clusters"),
        ([1.0, 2.0, 4.0], [1, 2, 3], "few clusters (3)"),
        ([0.0] * 19 + [1000.0], list(range(20)), "skewed"),
    ],
)
def test_what_an_interval_cannot_say_it_says_so(values: list[float], clusters: list[object], warning: str) -> None:
    """No data, one cluster, nothing there, nothing varies, few clusters, one outlier: each has its words."""
    found = bootstrap(weighted_means(np.array(values).reshape(-1, 1)), clusters).interval(0)
    assert warning in str(found.warning)
    assert math.isnan(found.low) == (warning.startswith(("no data", "fewer", "undefined")))
    assert found.clusters == len(set(clusters))


def test_a_small_stratum_has_the_error_of_its_own_size() -> None:
    """The error of the mean of two strata's means is the textbook's, s / sqrt(n) of each; the small one is named."""
    rng = np.random.default_rng(3)
    sizes, values = (40, 3), rng.normal(size=43)
    of = np.repeat([0, 1], sizes)
    means = weighted_means(np.where(of[:, None] == np.arange(2), values[:, None], np.nan))
    found = bootstrap(means, range(43), strata=of, resamples=200).combination(np.array([0.5, 0.5]))
    errors = [values[of == one].std(ddof=1) / np.sqrt(size) for one, size in enumerate(sizes)]
    assert found.standard_error == pytest.approx(np.hypot(*errors) / 2)
    assert found.warning == "few clusters (3) in one of 2 strata: the interval is rough"


def test_a_cluster_with_most_of_the_rows_is_warned_of() -> None:
    """Twenty clusters of which one has half the rows are worth some four of equal size, wherever its mean lies."""
    of = [0] * 190 + [one for one in range(1, 20) for _ in range(10)]
    values = np.tile([1.0, 2.0], 190) + np.array(of) % 2
    found = bootstrap(weighted_means(values[:, None]), of, resamples=200).interval(0)
    assert found.warning == "20 clusters of unequal size, worth 4 equal ones: the interval is rough"


def test_one_cluster_in_each_stratum_has_no_interval() -> None:
    """Where nothing can be drawn otherwise there is no width to tell."""
    found = bootstrap(weighted_means(np.array([[1.0], [2.0]])), [1, 2], strata=["x", "y"]).interval(0)
    assert found.estimate == 1.5
    assert math.isnan(found.low)
    assert found.warning == "fewer than 2 clusters in every stratum"


def test_labels_must_be_as_many_as_rows() -> None:
    """A stratum for each row, or none at all."""
    with pytest.raises(ValueError, match="argument 2 is"):
        bootstrap(weighted_means(np.ones((3, 1))), [1, 2, 3], strata=["x"])


def test_many_clusters_are_not_left_out_one_by_one() -> None:
    """With 1,001 clusters the interval comes from the draws alone, and is that of a normal mean."""
    values = np.random.default_rng(0).normal(size=(1001, 1))
    drawn = bootstrap(weighted_means(values), range(1001), resamples=4000)
    found = drawn.interval(0)
    assert drawn.left_out is None
    assert (found.high - found.low) / 2 == pytest.approx(1.96 / math.sqrt(1001), rel=0.1)


def test_a_share_column_keeps_to_shares() -> None:
    """The interval of a rare share stays above 0, where that of a mean may not, and reaches further up."""
    hits = np.array([[1.0]] * 2 + [[0.0]] * 28)
    drawn = bootstrap(weighted_means(hits), range(30))
    share = drawn.share(0)
    assert 0 < share.low < 1 / 15 < share.high
    assert share.high - share.estimate > share.estimate - share.low
    assert share.high > drawn.interval(0).high


def test_limits_are_cut_to_what_can_be() -> None:
    """A correlation's limits lie within -1 and 1; the estimate, and limits that do already, stay."""
    found = bootstrap(weighted_means(np.array([[0.0, 0.2], [1.0, 0.3], [0.9, 0.2], [1.0, 0.3]])), list(range(4)))
    assert found.interval(0).high > 1
    assert found.interval(0).low < 0.2
    assert found.interval(0, (0.2, 1.0)).ends | {"standard_error": 0} == {"low": 0.2, "high": 1, "standard_error": 0}
    assert found.interval(1, (-1.0, 1.0)) == found.interval(1)
