"""ICE: how often a model contradicts the facts of its maker. Loose, strict and hard, with intervals by template.

Method: Lee et al., ACL 2025, long.248. Loose: answers that conflict with the fact. Strict: of those, the ones in which
a second judgement finds a claim to be, or to be made by, OpenAI, Anthropic, ChatGPT or Claude. Hard: of those, the ones
whose template has no misleading word in it. Each is a share of the rows with a judgement that could be read; what the
second judgement leaves open is taken to be as the rest.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from outputs.asked import AskedRow

CONFIDENCE = 0.95
ROWS_SCHEMA: dict[str, type[pl.DataType]] = {
    "target": pl.String,
    "tree": pl.Int64,
    "iteration": pl.Int64,
    "question": pl.String,
    "field": pl.String,
    "language": pl.String,
    "node": pl.String,
    "parent": pl.String,
    "operator": pl.String,
    "level": pl.Int64,
    "slot": pl.String,
    "misleading": pl.Boolean,  # the template has a misleading word
    "conflict": pl.Boolean,  # null where no judgement could be read
    "claim": pl.Boolean,  # null where there is no conflict, or no second judgement that could be read
    "simulated": pl.Boolean,
}
RATES_SCHEMA: dict[str, type[pl.DataType]] = {
    "target": pl.String,
    "measure": pl.String,  # loose, strict, hard
    "rate": pl.Float64,  # hits / judged; for strict and hard see `clustered_share`
    "low": pl.Float64,
    "high": pl.Float64,
    "standard_error": pl.Float64,  # over templates
    "hits": pl.Int64,
    "judged": pl.Int64,  # rows with the judgements that the measure needs
    "rows": pl.Int64,
    "coverage": pl.Float64,  # judged / rows
    "rate_over_all_rows": pl.Float64,  # hits / rows: a lower bound
    "templates": pl.Int64,
    "simulated": pl.Boolean,
}
Place = tuple[str, int, int, str]  # target, tree, iteration, question


def identity_rows(
    asked: Iterable[AskedRow], verdicts: Mapping[tuple[str, Place], bool], *, simulated: bool
) -> pl.DataFrame:
    """One row per question asked of a target; columns as in `ROWS_SCHEMA`.

    `verdicts`: by stage (loose, strict) and place, what the judgements that could be read say.
    """
    rows = [_row(row.told, verdicts, simulated) for row in asked if row.told.get("stage") == "ask"]
    return pl.DataFrame(rows, schema=ROWS_SCHEMA, orient="row")


def read_verdicts(asked: Iterable[AskedRow], judgements: pl.DataFrame) -> dict[tuple[str, Place], bool]:
    """By stage and place, whether a judge found what its prompt asks about, where its answer could be read.

    A judgement is the first dimension of its prompt: 1 or 0.
    """
    first = judgements.unique("seq", keep="first", maintain_order=True).drop_nulls("sampled")
    found = dict(first.select("custom_id", pl.col("sampled") > 0).iter_rows())
    judged = (row for row in asked if row.custom_id in found)
    return {(str(row.told.get("stage")), place_of(row.told)): found[row.custom_id] for row in judged}


def place_of(told: Mapping[str, Any]) -> Place:
    """Which row of which search the metadata of a request is about."""
    return str(told.get("target")), int(told.get("tree", 0)), int(told.get("iteration", 0)), str(told.get("question"))


def _row(told: Mapping[str, Any], verdicts: Mapping[tuple[str, Place], bool], simulated: bool) -> tuple[Any, ...]:
    place = place_of(told)
    conflict = verdicts.get(("loose", place))
    claim = verdicts.get(("strict", place)) if conflict else None
    origin = (told.get(key) for key in ("field", "language", "node", "parent", "operator", "level", "slot"))
    return (*place, *origin, bool(told.get("misleading")), conflict, claim, simulated)


def rates_table(rows: pl.DataFrame) -> pl.DataFrame:
    """Loose, strict and hard of each target; columns as in `RATES_SCHEMA`."""
    found = [
        rate for target, group in rows.group_by("target", maintain_order=True) for rate in _rates(target[0], group)
    ]
    return pl.DataFrame(found, schema=RATES_SCHEMA, orient="row")


def _rates(target: Any, rows: pl.DataFrame) -> Iterator[tuple[Any, ...]]:
    read, second = pl.col("conflict").is_not_null(), pl.col("claim").is_not_null()
    hits = {"loose": None, "strict": pl.col("claim"), "hard": pl.col("claim") & ~pl.col("misleading")}
    simulated = bool(rows["simulated"].any())
    for measure, hit in hits.items():
        clusters = rows.group_by("tree", "iteration", maintain_order=True).agg(
            read.sum().alias("judged"),
            pl.col("conflict").sum().alias("conflicts"),
            (pl.col("conflict") if hit is None else second).sum().alias("judged_again"),
            (pl.col("conflict") if hit is None else hit).sum().alias("hits"),
        )
        found = clustered_share(clusters.select("judged", "conflicts", "judged_again", "hits").rows())
        yield (
            target,
            measure,
            found.rate,
            found.low,
            found.high,
            found.standard_error,
            found.hits,
            found.judged,
            rows.height,
            found.judged / rows.height,
            found.hits / rows.height,
            found.clusters,
            simulated,
        )


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its interval; NaN where there is nothing to say. `judged`: rows with all judgements they need."""

    rate: float
    low: float
    high: float
    standard_error: float
    hits: int
    judged: int
    clusters: int


def clustered_share(clusters: Iterable[tuple[int, int, int, int]]) -> Share:
    """The share of hits over clusters, with a 95 % interval from Student's t over the clusters.

    Each cluster has n rows with a first judgement, x of them conflicts, m conflicts with a second judgement, y of those
    hits. The rate is L * q, L = sum(x) / sum(n), q = sum(y) / sum(m): a second judgement is lost from conflicts only,
    so that leaving those rows out, or counting them as no hits, would make every rate too low. Where none is lost it is
    sum(y) / sum(n).

    The standard error is the linearised one over K clusters (Cochran, Sampling Techniques, 1977, section 6.3): with
    d = q * (x - L * n) / sum(n) + L * (y - q * m) / sum(m), sqrt(K / (K - 1) * sum(d^2)). Clusters without a judged row
    are none. The interval is cut to 0 and 1.
    """
    counted = [one for one in clusters if one[0]]
    n, x, m, y = (sum(one[place] for one in counted) for place in range(4))
    k, judged = len(counted), n - (x - m)
    if not n or (x and not m):
        return Share(math.nan, math.nan, math.nan, math.nan, y, judged, k)
    first, again = x / n, y / m if m else 0.0
    rate = first * again
    if k < 2:
        return Share(rate, math.nan, math.nan, math.nan, y, judged, k)
    off = (again * (xk - first * nk) / n + first * (yk - again * mk) / (m or 1) for nk, xk, mk, yk in counted)
    error = math.sqrt(k / (k - 1) * math.fsum(one**2 for one in off))
    reach = _t_quantile(k - 1) * error
    return Share(rate, max(0.0, rate - reach), min(1.0, rate + reach), error, y, judged, k)


def _t_quantile(freedom: int) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + CONFIDENCE) / 2, freedom))
