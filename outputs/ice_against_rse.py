"""ICE against RSE: are the models that contradict the facts of their makers also those that answer like the reference?

Models that both sections have are points: the share of contradictions and the mean overall similarity. Models are few
and no sample of anything, so that the rank correlation has its exact p-value (by permutation) and no interval.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from outputs.identity.columns import MEASURES
from outputs.judged.panels import ALL_JUDGES, MACRO
from outputs.report import Report, number, page, records, short_names, table

OVERALL = "overall"
FEW = 10  # models, below which a correlation says little
_GROUP = ("judge", "prompt", "reference")
POINTS: dict[str, type[pl.DataType]] = {
    "model": pl.String,
    **dict.fromkeys(_GROUP, pl.String),  # of the similarity; null where the table does not say
    "dataset": pl.String,  # what the mean is over
    "rse": pl.Float64,  # mean overall similarity
    **dict.fromkeys(MEASURES, pl.Float64),
}
CORRELATIONS: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(_GROUP, pl.String),
    "measure": pl.String,  # of ICE
    "models": pl.Int64,
    "spearman": pl.Float64,
    "tau_b": pl.Float64,
    "p": pl.Float64,  # two-sided, of tau-b 0: exact up to 7 models, then of 9,999 permutations
    "warning": pl.String,
}
_EXACT = 7
_PERMUTATIONS = 9999


def report_ice_against_rse(ice: Report, judged: Report, seed: int = 0) -> Report | None:
    """The models of both sections against each other; None where a table is missing or no model is in both.

    Models are matched by their names, with or without the provider. `seed` is that of the permutations.
    """
    rates, means = ice.tables.get("rates"), judged.tables.get("means")
    if rates is None or means is None:
        return None
    points = points_table(rates, means)
    if not points.height:
        return None
    correlations = correlations_table(points, seed)
    tables = {"ice_against_rse": points, "ice_against_rse_correlations": correlations}
    notes = list(_notes(correlations))
    document = {"points": records(points), "correlations": records(correlations), "notes": notes}
    shown = [_points(points), _correlations(correlations)]
    return Report(tables, document, page("ICE against RSE", shown, notes))


def points_table(rates: pl.DataFrame, means: pl.DataFrame) -> pl.DataFrame:
    """One row for each model in both tables, judge, prompt and reference; columns as in `POINTS`.

    The similarity is the mean of the sets' means, or that of the only set; controls and other dimensions play no part.
    """
    ice = rates.pivot("measure", index="target", values="rate")
    ice = ice.with_columns(
        *(pl.lit(None, pl.Float64).alias(name) for name in MEASURES if name not in ice.columns),
        model=pl.col("target").replace_strict(matches(ice, means), default=None, return_dtype=pl.String),
    )
    groups = [name for name in _GROUP if name in means.columns]
    overall = means.filter(pl.col("dimension") == OVERALL, ~pl.col("control").fill_null(False))
    sets = pl.col("dataset").n_unique().over("model", *groups)
    single = overall.filter((pl.col("dataset") == MACRO) | (sets == 1))
    found = single.rename({"mean": "rse"}).join(ice, on="model", how="inner").sort("model", *groups)
    absent = [pl.lit(None, pl.String).alias(name) for name in _GROUP if name not in groups]
    return found.with_columns(absent).select(pl.col(name).cast(kind) for name, kind in POINTS.items())


def matches(ice: pl.DataFrame, means: pl.DataFrame) -> dict[str, str]:
    """Each target with the model of that name; without the provider where that leaves one of each."""
    models, targets = (
        frame[name].drop_nulls().unique().to_list() for frame, name in ((means, "model"), (ice, "target"))
    )
    found = {target: target for target in targets if target in models}
    for target in targets:
        bare = _bare(target)
        alike = [model for model in models if _bare(model) == bare]
        if target not in found and len(alike) == 1 and [_bare(one) for one in targets].count(bare) == 1:
            found[target] = alike[0]
    return found


def _bare(name: str) -> str:
    return name.partition("/")[2] or name


def correlations_table(points: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """The rank correlation of each measure of ICE with the similarity, by judge; columns as in `CORRELATIONS`."""
    rows = [
        {**dict(zip(_GROUP, key, strict=True)), "measure": measure, **_correlation(group, measure, seed)}
        for key, group in points.group_by(_GROUP, maintain_order=True)
        for measure in MEASURES
    ]
    return pl.DataFrame(rows, schema=CORRELATIONS, orient="row")


def _correlation(points: pl.DataFrame, measure: str, seed: int) -> dict[str, Any]:
    from scipy.stats import spearmanr

    from outputs.statistics.kendall import kendall

    known = points.select("rse", measure).fill_nan(None).drop_nulls()
    first, second = known["rse"].to_numpy(), known[measure].to_numpy()
    tau = kendall(first, second)
    if tau.reason is not None:
        return {"models": known.height, **dict.fromkeys(("spearman", "tau_b", "p"), math.nan), "warning": tau.reason}
    few = f"only {known.height} models: says little" if known.height < FEW else None
    rank = float(spearmanr(first, second).statistic)
    p = _p(first.tolist(), second.tolist(), seed)
    return {"models": known.height, "spearman": rank, "tau_b": tau.tau_b, "p": p, "warning": few}


def _p(first: Sequence[float], second: Sequence[float], seed: int) -> float:
    """How often concordant minus discordant pairs are as far from 0 as seen when one side is permuted."""
    import numpy as np

    signs = [np.sign(np.subtract.outer(side, side)) for side in map(np.asarray, (first, second))]
    seen = abs(float((signs[0] * signs[1]).sum()))
    orders = list(_orders(len(first), seed))
    hits = sum(abs(float((signs[0] * signs[1][np.ix_(order, order)]).sum())) >= seen - 0.5 for order in orders)
    return hits / len(orders) if len(first) <= _EXACT else (hits + 1) / (len(orders) + 1)


def _orders(n: int, seed: int) -> Iterator[Sequence[int]]:
    from itertools import permutations

    import numpy as np

    if n <= _EXACT:
        yield from permutations(range(n))
        return
    source = np.random.default_rng(seed)
    for _ in range(_PERMUTATIONS):
        yield source.permutation(n).tolist()


def _points(points: pl.DataFrame) -> Any:
    several = [name for name in _GROUP if points[name].n_unique() > 1]
    short = short_names(points["model"].unique(maintain_order=True))
    lines = (
        (short[row["model"]], *(row[name] for name in several), *(number(row[name]) for name in ("rse", *MEASURES)))
        for row in points.iter_rows(named=True)
    )
    caption = "models in both sections: mean overall similarity to the reference, and shares of contradictions"
    return table(caption, ("model", *several, "similarity", *MEASURES), lines, words=1 + len(several))


def _correlations(found: pl.DataFrame) -> Any:
    several = [name for name in _GROUP if found[name].n_unique() > 1]
    lines = (
        (
            row["measure"],
            *(row[name] for name in several),
            row["models"],
            *(number(row[name]) for name in ("spearman", "tau_b", "p")),
        )
        for row in found.iter_rows(named=True)
    )
    caption = "rank correlation over models of the similarity with each measure; p: by permutation, of tau-b 0"
    return table(caption, ("measure", *several, "models", "Spearman", "tau-b", "p"), lines, words=1 + len(several))


def _notes(found: pl.DataFrame) -> Iterator[str]:
    warned: Mapping[str, None] = dict.fromkeys(found["warning"].drop_nulls())
    yield from (f"ICE against RSE: {warning}." for warning in warned)
    if found.filter(pl.col("judge") == ALL_JUDGES).height:
        yield f"{ALL_JUDGES}: the judges' values of an item are averaged first."
