"""Rank correlation of a metric's scores with people's ratings, and of people with each other.

Scores and ratings meet by the item's name, never by position. Values are x100, as the field prints them. What cannot be
computed is NaN with a reason beside it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

import polars as pl
from scipy.stats import kendalltau

from outputs.items import Item
from prompts.input_error import InputError
from prompts.records import Mode, Outcome

PROTOCOL = "per-annotator"

CORRELATIONS_SCHEMA: dict[str, type[pl.DataType]] = {
    "metric": pl.String,
    "model": pl.String,
    "dimension": pl.String,
    "protocol": pl.String,
    "n": pl.Int64,
    "items": pl.Int64,
    "asked": pl.Int64,
    "ok": pl.Int64,
    "coverage": pl.Float64,
    "left_out": pl.Int64,
    "include_sampled": pl.Boolean,
    "tau_b": pl.Float64,
    "tau_c": pl.Float64,
    "reason": pl.String,
    "human_tau_b": pl.Float64,
    "human_n": pl.Int64,
    "human_reason": pl.String,
    "ratings_kind": pl.String,
    "simulated": pl.Boolean,
}


@dataclass(frozen=True, slots=True)
class Tau:
    """Kendall's tau-b and tau-c x100 over `n` points; NaN with a reason where they are not defined."""

    n: int
    tau_b: float
    tau_c: float
    reason: str | None = None


def kendall(scores: Sequence[float], ratings: Sequence[float]) -> Tau:
    """Kendall's tau-b and tau-c x100 of paired values (tau-b: Kendall 1945; tau-c: Stuart 1953), ties counted."""
    reason = _undefined(scores, ratings)
    if reason is not None:
        return Tau(len(scores), math.nan, math.nan, reason)
    tau_b, tau_c = (100 * float(kendalltau(scores, ratings, variant=variant).statistic) for variant in "bc")
    return Tau(len(scores), tau_b, tau_c)


def _undefined(scores: Sequence[float], ratings: Sequence[float]) -> str | None:
    if len(scores) < 2:
        return "fewer than 2 points"
    if min(scores) == max(scores):
        return "every score is the same"
    if min(ratings) == max(ratings):
        return "every rating is the same"
    return None


def human_agreement(items: Iterable[Item], dimension: str) -> Tau:
    """Agreement between annotators: tau over the items that both rated, averaged over all pairs of annotators.

    `n` is the number of items that two annotators or more rated. A pair without a defined tau is left out of the mean.
    """
    rated = [by for item in items if len(by := _by_annotator(item, dimension)) > 1]
    annotators = sorted({annotator for by in rated for annotator in by})
    taus = []
    for first, second in combinations(annotators, 2):
        both = [(by[first], by[second]) for by in rated if first in by and second in by]
        taus.append(kendall([pair[0] for pair in both], [pair[1] for pair in both]))
    defined = [tau for tau in taus if tau.reason is None]
    if not defined:
        reason = (taus[0].reason or "").replace("score", "rating") if taus else "no item with two annotators"
        return Tau(len(rated), math.nan, math.nan, reason)
    return Tau(len(rated), fmean(tau.tau_b for tau in defined), fmean(tau.tau_c for tau in defined))


def _by_annotator(item: Item, dimension: str) -> dict[str, float]:
    return {rating.annotator: rating.scores[dimension] for rating in item.ratings if dimension in rating.scores}


def correlations_table(
    scores: pl.DataFrame,
    items: Mapping[str, Item],
    dimensions: Sequence[str],
    *,
    metric: str,
    asked: int,
    simulated: bool,
    include_sampled: bool = False,
) -> pl.DataFrame:
    """One row per dimension that the items have ratings for; `scores` as `outputs.scores` makes them.

    The columns are those of `CORRELATIONS_SCHEMA`. Each annotator's rating of an item is a point, paired with the
    item's score. Coverage is ok answers / `asked`, the requests of the run. Scores that are no expectation are left out
    and counted in `left_out`, unless `include_sampled`. Raises InputError where an answer is about an item that `items`
    has not.
    """
    rated = {name for item in items.values() for rating in item.ratings for name in rating.scores}
    about = {
        "metric": metric,
        "model": ", ".join(sorted(scores["model"].drop_nulls().unique())),
        "protocol": PROTOCOL,
        "asked": asked,
        "include_sampled": include_sampled,
        "ratings_kind": ", ".join(sorted({item.ratings_kind for item in items.values() if item.ratings})),
        "simulated": simulated,
    }
    rows = [
        about | _row(scores.filter(pl.col("dimension") == dimension), items, dimension, asked, include_sampled)
        for dimension in dimensions
        if dimension in rated
    ]
    return pl.DataFrame(rows, schema=CORRELATIONS_SCHEMA, orient="row")


def _row(
    scores: pl.DataFrame, items: Mapping[str, Item], dimension: str, asked: int, include_sampled: bool
) -> dict[str, object]:
    ok = scores.filter(pl.col("outcome") == Outcome.OK.value)
    kept = ok if include_sampled else ok.filter(pl.col("mode") == Mode.EXPECTATION.value)
    points = _points(kept, items, dimension)
    tau = kendall([point[1] for point in points], [point[2] for point in points])
    human = human_agreement(items.values(), dimension)
    return {
        "dimension": dimension,
        "n": tau.n,
        "items": len({point[0] for point in points}),
        "ok": ok.height,
        "coverage": ok.height / asked if asked else math.nan,
        "left_out": ok.height - kept.height,
        "tau_b": tau.tau_b,
        "tau_c": tau.tau_c,
        "reason": tau.reason,
        "human_tau_b": human.tau_b,
        "human_n": human.n,
        "human_reason": human.reason,
    }


def _points(scores: pl.DataFrame, items: Mapping[str, Item], dimension: str) -> list[tuple[str, float, float]]:
    """(item, score, rating) per annotator of each scored item; an item with several scores has their mean."""
    means = scores.group_by("item", maintain_order=True).agg(pl.col("custom_id").first(), pl.col("value").mean())
    points = []
    for name, custom_id, value in means.iter_rows():
        if name not in items:
            raise InputError(f"the answer to {custom_id} is about item {name!r}, which the run's items.jsonl has not")
        points += [(name, value, rating) for rating in _by_annotator(items[name], dimension).values()]
    return points
