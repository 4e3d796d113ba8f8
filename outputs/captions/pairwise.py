"""Pairwise accuracy: of two captions of one picture, does the metric prefer the one that people prefer.

Ties are counted by a named rule. `half`: a tie of the metric's scores counts half, and so does a pair on which people
are tied, which is what breaking ties at random gives on average. `strict`: a metric's tie is wrong, and pairs on which
people are tied are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
import polars as pl

from outputs.analysis_options import Options
from outputs.captions.joining import CaptionSet
from outputs.captions.points import cluster_of, points_of
from outputs.captions.protocols import Protocol
from outputs.captions.series import Series, held_against
from outputs.items import Item
from outputs.statistics.columns import column_intervals
from outputs.statistics.resampling import Floats, Interval, Resampled, bootstrap, weighted_means
from prompts.input_error import InputError

MEAN = "mean"  # over categories, unweighted


class TieRule(StrEnum):
    """See the module; `HALF` is what a report shows first."""

    HALF = "half"
    STRICT = "strict"


PAIRWISE_SCHEMA: dict[str, type[pl.DataType]] = {
    "dataset": pl.String,
    "metric": pl.String,
    "judge": pl.String,
    "source": pl.String,
    "dimension": pl.String,
    "human_dimension": pl.String,
    "category": pl.String,  # empty where pairs have none; "mean": of the categories, unweighted
    "ties": pl.String,  # half or strict
    "accuracy": pl.Float64,  # 0 to 1
    "low": pl.Float64,
    "high": pl.Float64,
    "standard_error": pl.Float64,
    "pairs": pl.Int64,  # that people rated
    "n": pl.Int64,  # of those, the ones counted
    "coverage": pl.Float64,  # pairs of which the metric scored both captions / pairs
    "metric_ties": pl.Int64,
    "human_ties": pl.Int64,
    "clusters": pl.Int64,
    "reason": pl.String,
    "warning": pl.String,
    "ratings_kind": pl.String,
    "simulated": pl.Boolean,
}


@dataclass(frozen=True, slots=True)
class _Pairs:
    """`first`, `second` (pairs,): places of the items; `preference` (pairs,): of people, first less second."""

    dimension: str
    first: Any
    second: Any
    preference: Floats
    category: tuple[str, ...]
    cluster: tuple[str, ...]


def pairwise_table(captions: CaptionSet, series: Sequence[Series], options: Options) -> pl.DataFrame:
    """A row for each metric, rated dimension, category and rule for ties; empty where no captions come in pairs.

    Raises InputError where more than two captions are of one pair.
    """
    rows: list[dict[str, Any]] = []
    items = list(captions.items.values())
    linked = _linked(items, captions)
    for dimension in captions.rated if linked else ():
        pairs = _pairs(items, linked, dimension)
        for one in held_against(series, dimension, captions.rated):
            for rule in TieRule:
                rows += _rows(captions, pairs, one, rule, options)
    return pl.DataFrame(rows, schema=PAIRWISE_SCHEMA, orient="row")


def _linked(items: Sequence[Item], captions: CaptionSet) -> list[tuple[int, int]]:
    """The places of the two captions of each pair."""
    by: dict[str, dict[str, int]] = {}
    for at, item in enumerate(items):
        pair, place = item.fields.get("pair"), item.fields.get("place")
        if pair is None or place is None:
            continue
        known = by.setdefault(str(pair), {})
        if str(place) in known or len(known) == 2:
            what = f"items {items[next(iter(known.values()))].item!r} and {item.item!r} take one place of pair {pair!r}"
            raise InputError(what, file=captions.runs[0].folder, field="items.fields.place")
        known[str(place)] = at
    return [(two[min(two)], two[max(two)]) for two in by.values() if len(two) == 2]


def _pairs(items: Sequence[Item], linked: Sequence[tuple[int, int]], dimension: str) -> _Pairs:
    points = points_of(items, dimension, Protocol.AVERAGED)
    rating = dict(zip(points.item.tolist(), points.rating.tolist(), strict=True))
    kept = [(a, b) for a, b in linked if a in rating and b in rating]
    return _Pairs(
        dimension,
        np.array([a for a, _ in kept], dtype=np.int64),
        np.array([b for _, b in kept], dtype=np.int64),
        np.array([rating[a] - rating[b] for a, b in kept], dtype=np.float64),
        tuple(str(items[a].fields.get("category") or "") for a, _ in kept),
        tuple(cluster_of(items[a]) for a, _ in kept),
    )


def _rows(captions: CaptionSet, pairs: _Pairs, series: Series, rule: TieRule, options: Options) -> list[dict[str, Any]]:
    gaps = series.values[pairs.first] - series.values[pairs.second]
    right = _right(gaps, pairs.preference, rule)
    names = sorted(set(pairs.category))
    of = np.array(pairs.category)
    columns = np.stack([np.where(of == name, right, np.nan) for name in names], axis=1) if names else np.empty((0, 0))
    about = {
        "dataset": captions.name,
        **{key: getattr(series, key) for key in ("metric", "judge", "source", "dimension", "simulated")},
        "human_dimension": pairs.dimension,
        "ties": rule.value,
        "ratings_kind": captions.ratings_kind,
    }
    clusters, resamples, seed = np.array(pairs.cluster), options.resamples, options.seed
    found = column_intervals(columns, clusters, share=True, resamples=resamples, seed=seed)[0] if names else []
    parts = [(name, interval, of == name) for name, interval in zip(names, found, strict=True)]
    if len(names) > 1:
        there = ~np.isnan(right)
        drawn = bootstrap(
            weighted_means(columns[there]), clusters[there], strata=of[there], resamples=resamples, seed=seed
        )
        parts.append((MEAN, _mean(drawn, len(names)), np.ones(len(of), dtype=bool)))
    return [about | _part(name, found, gaps, pairs, right, among) for name, found, among in parts]


def _right(gaps: Floats, preference: Floats, rule: TieRule) -> Floats:
    """1 where the metric is right, NaN where it has no say or the rule leaves the pair out."""
    right: Floats = (np.sign(gaps) == np.sign(preference)).astype(np.float64)
    if rule is TieRule.HALF:
        right[(gaps == 0) | (preference == 0)] = 0.5
    else:
        right[preference == 0] = np.nan
    right[np.isnan(gaps)] = np.nan
    return right


def _mean(drawn: Resampled, categories: int) -> Interval:
    found = drawn.combination(np.full(categories, 1 / categories))
    return replace(found, low=max(found.low, 0.0), high=min(found.high, 1.0))


def _part(name: str, found: Interval, gaps: Floats, pairs: _Pairs, right: Floats, among: Any) -> dict[str, Any]:
    n, scored = int((among & ~np.isnan(right)).sum()), among & ~np.isnan(gaps)
    reason = None if np.isfinite(found.estimate) else "no pair that counts" + (" in a category" if name == MEAN else "")
    return {
        "category": name,
        "accuracy": found.estimate,
        **found.ends,
        "pairs": int(among.sum()),
        "n": n,
        "coverage": float(scored.sum() / among.sum()) if among.any() else float("nan"),
        "metric_ties": int((scored & (gaps == 0)).sum()),
        "human_ties": int((among & (pairs.preference == 0)).sum()),
        "clusters": len(
            {cluster for cluster, is_in in zip(pairs.cluster, among & ~np.isnan(right), strict=True) if is_in}
        ),
        "reason": reason,
        "warning": None if reason else found.warning,
    }
