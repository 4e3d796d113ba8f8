"""How much oftener one target contradicts its facts than another: on their common rows only, with interval and test.

Two targets are compared over the questions that both have judged. Where most rows of both were asked through templates
that both have, they are compared over the common pairs of template and question. Interval and p-value are Student's t
with the jackknife's standard error over templates and its degrees of freedom (`outputs.statistics.intervals.spread`);
a template that both have is one cluster, where they have none in common each target is a stratum. In simulated data of
20 templates each (shares of .001 to .34, correlations within a template of .1 and .4) the interval holds the truth in
92 to 97 % of the cases in which some target has hits in 8 templates or more; in the others in as few as 85 %, or in
more than 98 %, and there is a warning.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from scipy.special import stdtr

from outputs.identity.columns import DIFFERENCES, MEASURES
from outputs.identity.shares import COUNTS, cluster_counts, rates_of, undefined
from outputs.report import numbered
from outputs.statistics.intervals import Floats, Places, spread
from outputs.statistics.permutation import holm
from prompts.input_error import InputError

MOST_TARGETS = 6  # for which all pairs are compared
BY_QUESTION, BY_BOTH = "question", "template and question"
_MOST_OF = 0.5  # of the rows of both targets in common templates, for a comparison by template
_ROUNDING = 1e-12
FEW_WITH_HITS = 8  # templates of the target that has more of them, see above
_NOTHING = dict.fromkeys(("low", "high", "standard_error", "p"), math.nan)
Pair = tuple[str, str]


def differences_table(rows: pl.DataFrame, pairs: Iterable[Pair] = ()) -> pl.DataFrame:
    """Each named pair, then all pairs of targets where they are few; columns as in `DIFFERENCES`.

    Names are those of targets, with or without their provider. Raises InputError for one that is unknown or ambiguous.
    """
    targets = rows["target"].unique(maintain_order=True).to_list()
    known = [_known(pair, targets) for pair in pairs]
    named = [pair for place, pair in enumerate(known) if set(pair) not in map(set, known[:place])]  # as named first
    every = list(combinations(targets, 2)) if len(targets) <= MOST_TARGETS else []
    if {frozenset(pair) for pair in every} <= {frozenset(pair) for pair in named}:
        every = []
    rows = rows.with_columns(_cluster().alias("cluster"))
    families = [_family(rows, group, wanted) for group, wanted in ((named, True), (every, False)) if group]
    return pl.concat([pl.DataFrame(schema=DIFFERENCES), *families])


def _known(pair: Pair, targets: Sequence[str]) -> Pair:
    base, instruct = (_target(name, targets) for name in pair)
    if base == instruct:
        raise InputError(f"{base!r} is compared with itself", field="pair")
    return base, instruct


def _target(name: str, targets: Sequence[str]) -> str:
    if name in targets:
        return name
    found = [target for target in targets if target.partition("/")[2] == name]
    if len(found) == 1:
        return found[0]
    what = "is the name of several targets" if found else "is no target"
    known = ", ".join(found or targets) or "none"
    raise InputError(f"{name!r} {what}: {known}", field="pair")


def _cluster() -> pl.Expr:
    """A template by its text, whoever was asked through it; without a digest, where it stands."""
    return pl.coalesce("template_sha256", pl.format("{}/{}/{}/{}", "run", "target", "tree", "iteration"))


def _family(rows: pl.DataFrame, pairs: Sequence[Pair], named: bool) -> pl.DataFrame:
    """All comparisons of a family; p is corrected over its pairs, each measure by itself."""
    found = pl.DataFrame(
        [row for pair in pairs for row in _compare(rows, pair, named)], schema=DIFFERENCES, orient="row"
    )
    kind = "named" if named else "of all pairs"
    corrected = pl.col("p").map_batches(lambda p: pl.Series(holm(p.to_numpy())), return_dtype=pl.Float64)
    tested = pl.col("p").is_not_nan().sum().over("measure")
    family = pl.format(f"{{}}: {{}} {kind}", "measure", tested)
    return found.with_columns(corrected.over("measure").alias("p_holm"), family.alias("family"))


def _compare(rows: pl.DataFrame, pair: Pair, named: bool) -> Iterator[dict[str, Any]]:
    read = pl.col("conflict").is_not_null()
    judged = [rows.filter(pl.col("target") == target, read) for target in pair]
    by, common = _common(*judged)
    clusters = [one["cluster"].unique() for one in common]
    about = {
        "base": pair[0], "instruct": pair[1], "named": named, "paired_by": by,
        "questions": common[0]["question"].n_unique(),
        "base_rows": common[0].height, "instruct_rows": common[1].height,
        "base_left_out": judged[0].height - common[0].height,
        "instruct_left_out": judged[1].height - common[1].height,
        "base_templates": len(clusters[0]), "instruct_templates": len(clusters[1]),
        "shared_templates": int(clusters[0].is_in(clusters[1].implode()).sum()),
        "simulated": any(bool(one["simulated"].any()) for one in common),
    }  # fmt: skip
    sides = [cluster_counts(one, ["cluster"]) for one in common]
    for measure in MEASURES:
        yield {**about, "measure": measure, **_difference([side.filter(measure=measure) for side in sides])}


def _common(base: pl.DataFrame, instruct: pl.DataFrame) -> tuple[str, list[pl.DataFrame]]:
    """How the two are paired, and their rows that are in common."""
    shared = base.join(instruct, on="template_sha256", how="semi")  # of which only the heights count
    back = instruct.join(base, on="template_sha256", how="semi")
    mostly = min(shared.height / max(base.height, 1), back.height / max(instruct.height, 1)) >= _MOST_OF
    by, keys = (BY_BOTH, ["template_sha256", "question"]) if mostly else (BY_QUESTION, ["question"])
    sides = (base, instruct), (instruct, base)
    return by, [one.join(other, on=keys, how="semi", maintain_order="left") for one, other in sides]


def _difference(sides: Sequence[pl.DataFrame]) -> dict[str, Any]:
    """difference, its interval, error and p, and what is to be known of them; NaN where there is nothing to say."""
    sums = [side.select(*COUNTS, "unknown").sum().row(0, named=True) for side in sides]
    reasons = [reason for one in sums if (reason := undefined(one))]
    empty = not any(side.height for side in sides)
    base, instruct = (math.nan if undefined(one) else float(rates_of(_sums(one))[0]) for one in sums)
    found = {"base_rate": base, "instruct_rate": instruct, "difference": base - instruct}
    if reasons:
        return {**found, **_NOTHING, "warning": "no common rows" if empty else reasons[0]}
    return {**found, **_interval(base - instruct, sides)}


def _sums(named: Mapping[str, float]) -> Floats:
    return np.array([[named[name] for name in COUNTS]], dtype=np.float64)


def _interval(difference: float, sides: Sequence[pl.DataFrame]) -> dict[str, Any]:
    """low, high, standard_error, p and a warning."""
    if min(side.height for side in sides) < 2:
        return {**_NOTHING, "warning": "one template: no interval"}
    left_out, strata = _jackknife(sides)
    found = spread(left_out, strata)
    if not math.isfinite(found.standard_error):
        return {**_NOTHING, "warning": "all that was judged again is in one template: no interval"}
    if found.standard_error < _ROUNDING:
        return {**_NOTHING, "warning": "the same in every template: no interval"}
    reach = found.reach * found.standard_error
    return {
        "low": max(-1.0, difference - reach),
        "high": min(1.0, difference + reach),
        "standard_error": found.standard_error,
        "p": float(2 * stdtr(found.freedom, -abs(difference) / found.standard_error)),
        "warning": _doubt(max(int((side["y"] > 0).sum()) for side in sides)),
    }


def _jackknife(sides: Sequence[pl.DataFrame]) -> tuple[Floats, Places]:
    """The difference without each cluster, and which stratum each is of."""
    both = sides[0].join(sides[1], on="cluster", how="full", coalesce=True).sort("cluster")  # sums need one order
    names = [list(COUNTS), [f"{name}_right" for name in COUNTS]]
    counts = [both.select(pl.col(some).fill_null(0)).to_numpy().astype(np.float64) for some in names]
    rates = [rates_of(one.sum(axis=0) - one) for one in counts]
    apart = both.height == sides[0].height + sides[1].height
    strata = (counts[0][:, 0] > 0) if apart else np.zeros(both.height)
    return rates[0] - rates[1], strata.astype(np.int64)


def _doubt(with_hits: int) -> str | None:
    return (
        f"hits in {numbered(with_hits, 'template')} at most: may hold less than 95 %"
        if with_hits < FEW_WITH_HITS
        else None
    )
