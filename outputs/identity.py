"""ICE: how often a model contradicts the facts of its maker. Loose, strict and hard, with intervals by template.

Method: Lee et al., ACL 2025, long.248. Loose: answers that conflict with the fact. Strict: of those, the ones in which
a second judgement finds a claim to be, or to be made by, OpenAI, Anthropic, ChatGPT or Claude. Hard: of those, the ones
whose template has no misleading word in it. Each is a share of the rows with a judgement that could be read.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from outputs.answers import StoredAnswer
from outputs.asked import AskedRow
from prompts.parsers import AnswerReader
from prompts.records import Outcome

LEVELS = ("loose", "strict", "hard")
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
    "rate": pl.Float64,  # hits / judged
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


def read_verdicts(
    answers: Iterable[StoredAnswer], readers: Mapping[str, AnswerReader]
) -> dict[tuple[str, Place], bool]:
    """By stage and place, whether a judge found what its prompt asks about, where its answer could be read."""
    found = {}
    for answer in answers:
        read = readers.get(str(answer.metadata.get("prompt_sha256")))
        if read is None:
            continue
        parsed = read(answer.completion)
        if parsed.outcome is Outcome.OK:
            score = parsed.scores[read.dimensions[0]]
            found[str(answer.metadata.get("stage")), place_of(answer.metadata)] = score.sampled > 0
    return found


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
    read = pl.col("conflict").is_not_null()
    second = read & (~pl.col("conflict") | pl.col("claim").is_not_null())
    claimed = pl.col("conflict") & pl.col("claim")
    hits = {"loose": pl.col("conflict"), "strict": claimed, "hard": claimed & ~pl.col("misleading")}
    simulated = bool(rows["simulated"].any())
    for measure in LEVELS:
        needed = read if measure == "loose" else second
        clusters = rows.group_by("tree", "iteration", maintain_order=True).agg(
            (needed & hits[measure].fill_null(value=False)).sum().alias("hits"), needed.sum().alias("judged")
        )
        found = clustered_share(clusters["hits"].to_list(), clusters["judged"].to_list())
        share = found.judged / rows.height if rows.height else math.nan
        over_all = found.hits / rows.height if rows.height else math.nan
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
            share,
            over_all,
            found.clusters,
            simulated,
        )


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its interval; NaN where there is nothing to say."""

    rate: float
    low: float
    high: float
    standard_error: float
    hits: int
    judged: int
    clusters: int


def clustered_share(hits: list[int], judged: list[int]) -> Share:
    """hits / judged over clusters, with a 95 % interval from Student's t over the clusters.

    The standard error is the linearised one of a ratio over K clusters: with d_k = hits_k - rate * judged_k,
    sqrt(K / (K - 1) * sum(d_k^2)) / sum(judged) (Cochran, Sampling Techniques, 1977, section 6.3). Clusters without a
    judged row are none. The interval is cut to 0 and 1.
    """
    pairs = [(hit, count) for hit, count in zip(hits, judged, strict=True) if count]
    total, count, k = sum(hit for hit, _ in pairs), sum(n for _, n in pairs), len(pairs)
    if not count:
        return Share(math.nan, math.nan, math.nan, math.nan, 0, 0, 0)
    rate = total / count
    if k < 2:
        return Share(rate, math.nan, math.nan, math.nan, total, count, k)
    error = math.sqrt(k / (k - 1) * math.fsum((hit - rate * n) ** 2 for hit, n in pairs)) / count
    reach = _t_quantile(k - 1) * error
    return Share(rate, max(0.0, rate - reach), min(1.0, rate + reach), error, total, count, k)


def _t_quantile(freedom: int) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + CONFIDENCE) / 2, freedom))
