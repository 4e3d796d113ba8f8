"""The table `comparisons`: is one metric better than another, on the captions that both scored, at either level."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from outputs.analysis_options import Options
from outputs.captions.correlated import SEGMENT
from outputs.captions.joining import CaptionSet
from outputs.captions.points import Points
from outputs.captions.resampled import Common
from outputs.captions.series import Series
from outputs.statistics.kendall import undefined
from outputs.statistics.permutation import holm, perm_both

_SIDE: dict[str, type[pl.DataType]] = {
    "metric": pl.String,
    "judge": pl.String,
    "source": pl.String,
    "dimension": pl.String,
}
COMPARISONS_SCHEMA: dict[str, type[pl.DataType]] = {
    "dataset": pl.String,
    "human_dimension": pl.String,
    "protocol": pl.String,
    "level": pl.String,  # segment or system, as in `correlations`
    "statistic": pl.String,  # tau_b or tau_c, as the dataset's field publishes
    **{f"first_{name}": kind for name, kind in _SIDE.items()},  # the one with the higher tau on the common captions
    **{f"second_{name}": kind for name, kind in _SIDE.items()},
    "items": pl.Int64,  # captions that both scored and people rated
    "n": pl.Int64,  # points of those: ratings or captions, or at system level systems
    "clusters": pl.Int64,
    "left_out_first": pl.Int64,  # rated captions that the first alone scored
    "left_out_second": pl.Int64,
    "tau_first": pl.Float64,  # x100
    "tau_second": pl.Float64,
    "difference": pl.Float64,
    "low": pl.Float64,  # 95 %, paired over pictures or clips
    "high": pl.Float64,
    "standard_error": pl.Float64,
    "p": pl.Float64,  # two-sided, by `test`
    "p_holm": pl.Float64,  # corrected over the pairs of this dataset, level, human dimension and protocol
    "pairs": pl.Int64,  # those with a p
    "test": pl.String,  # PERM-BOTH, what of it is swapped between the metrics, and how their scales are made one
    "reason": pl.String,
    "warning": pl.String,
    "simulated": pl.Boolean,
}


Test = Callable[[Series, Series, Common], dict[str, Any]]
"""Of two metrics over what both have: `items`, `n`, `p`, `reason`, `warning`."""
_THREADS = min(4, os.cpu_count() or 1)  # each holds 32 MB of draws at a time
PERMUTATIONS = 4999  # the least p of 105 pairs, of 15 metrics, is .021 after Holm's correction
_SEGMENT_TEST = "PERM-BOTH by picture or clip, ranks"


def comparison_rows(
    captions: CaptionSet,
    points: Points,
    series: Sequence[Series],
    commons: Mapping[tuple[int, ...], Common],
    options: Options,
) -> list[dict[str, Any]]:
    """A row for each pair of metrics, caption by caption."""
    tau = captions.field.tau

    def test(one: Series, other: Series, common: Common) -> dict[str, Any]:
        items, ratings = points.item[common.kept], points.rating[common.kept]
        a, b = one.values[items], other.values[items]
        reason = undefined(a, ratings) or undefined(b, ratings)
        p = math.nan
        if reason is None:
            p = perm_both(
                a, b, ratings, clusters=points.cluster[common.kept], variant=tau, two_sided=True,
                permutations=PERMUTATIONS, seed=options.seed,
            )  # fmt: skip
        return {"items": len(np.unique(items)), "n": len(items), "p": p, "reason": reason, "warning": None}

    about = {"protocol": points.protocol.value, "level": SEGMENT, "test": _SEGMENT_TEST}
    about |= {"dataset": captions.name, "human_dimension": points.dimension, "statistic": tau}
    return [about | row for row in compared_pairs(series, points.rated, commons, tau, test)]


def compared_pairs(
    series: Sequence[Series],
    rated: NDArray[np.bool_],
    commons: Mapping[tuple[int, ...], Common],
    tau: str,
    test: Test,
) -> list[dict[str, Any]]:
    """A row for each pair of metrics, all of one family of Holm's correction; `rated` (items,): by people."""
    pairs = list(combinations(range(len(series)), 2))
    with ThreadPoolExecutor(_THREADS) as threads:  # numpy lets go of the interpreter
        rows = list(threads.map(lambda pair: _row(series, rated, pair, commons[pair], tau, test), pairs))
    corrected = holm(np.array([row["p"] for row in rows], dtype=np.float64))
    tested = int(np.isfinite(corrected).sum())
    return [row | {"p_holm": float(p), "pairs": tested} for row, p in zip(rows, corrected, strict=True)]


def _row(
    series: Sequence[Series], rated: NDArray[np.bool_], pair: tuple[int, int], common: Common, tau: str, test: Test
) -> dict[str, Any]:
    estimates = {at: common.interval(at, tau).estimate for at in pair}
    first, second = sorted(pair, key=lambda at: -estimates[at]) if not _any_nan(estimates.values()) else pair
    one, other = series[first], series[second]
    tested = test(one, other, common)
    found = common.difference(first, second, tau)
    both = one.used & other.used
    said = dict.fromkeys(warning for warning in (tested["warning"], found.warning) if warning)
    return {
        **_side("first", one),
        **_side("second", other),
        **tested,
        "clusters": found.clusters,
        "left_out_first": int((rated & one.used & ~both).sum()),
        "left_out_second": int((rated & other.used & ~both).sum()),
        "tau_first": estimates[first],
        "tau_second": estimates[second],
        "difference": found.estimate,
        **found.ends,
        "warning": None if tested["reason"] else "; ".join(said) or None,
        "simulated": one.simulated or other.simulated,
    }


def _side(name: str, series: Series) -> dict[str, Any]:
    return {f"{name}_{key}": getattr(series, key) for key in _SIDE}


def _any_nan(values: Any) -> bool:
    return any(math.isnan(value) for value in values)
