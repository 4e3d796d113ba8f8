"""The page of an identity analysis: coverage, rates, then what they are by, how they grow, and how targets differ."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl
from rich.table import Table

from outputs.identity.columns import MEASURES
from outputs.report import number, numbered, percent, short_names, table

Row = Mapping[str, Any]
_MOST = 40  # lines of a table on the page
_MOST_NAMES = 6  # of what a note is about
_POINTS = 4  # of the growth
_BY = (("field", "language"), ("operator", "level"))  # the others are in the table only
_PREFIXED = ("level",)  # whose values say too little by themselves


def tables_shown(found: Mapping[str, pl.DataFrame]) -> Iterator[Table]:
    """What the page shows of the tables of an analysis, by their names."""
    short = short_names(found["rates"]["target"].unique(maintain_order=True))
    yield _coverage(found["identity_coverage"], short)
    yield _rates(found["rates"], short)
    for kinds in _BY:
        some = found["rates_by"].filter(pl.col("by").is_in(kinds))
        if some.height:
            yield _by(some, kinds, short)
    if found["identity_growth"]["iteration"].n_unique() > 1:
        yield _growth(found["identity_growth"], short)
    if found["identity_differences"].height:
        yield _differences(found["identity_differences"], short)


def _coverage(rows: pl.DataFrame, short: Mapping[str, str]) -> Table:
    caption = "coverage: first judgements read, of the rows; second judgements read, of the conflicts"
    headings = ("target", "runs", "trees", "templates", "rows", "answered", "first", "second")
    lines = (
        (
            short[row["target"]], row["runs"], row["trees"], row["templates"], row["rows"], row["answered"],
            _part(row["judged"], row["rows"]), _part(row["judged_again"], row["conflicts"]),
        )
        for row in rows.iter_rows(named=True)
    )  # fmt: skip
    return _table(caption, headings, lines, 1)


def _part(some: int, of: int) -> str:
    return f"{percent(some / of if of else None)} {some}/{of}"


def _rates(rows: pl.DataFrame, short: Mapping[str, str]) -> Table:
    caption = (
        "loose: conflicts, of the rows with a first judgement that could be read; strict and hard: loose, times the "
        "share of its second judgements that find a claim; interval: 95 %, by template; s.e.: over templates"
    )
    headings = ("target", "measure", "rate", "interval", "s.e.", "hits", "coverage", "templates")
    conflicts = dict(rows.filter(pl.col("measure") == "loose").select("target", "hits").iter_rows())
    lines = (
        (
            short[row["target"]], row["measure"], number(row["rate"]), _interval(row), number(row["standard_error"]),
            *_counted(row, conflicts[row["target"]]),
        )
        for row in rows.iter_rows(named=True)
    )  # fmt: skip
    return _table(caption, headings, lines, 2)


def _counted(row: Row, conflicts: int) -> tuple[object, str, str]:
    """Hits, coverage and templates; where no conflict was judged again, coverage is of these."""
    if row["hits"] is None:
        return "n/a", f"{_part(0, conflicts)} conflicts", f"n/a of {row['templates']}"
    return row["hits"], _part(row["judged"], row["rows"]), f"{row['templates_with_hits']} of {row['templates']}"


def _interval(row: Row) -> str:
    return "n/a" if math.isnan(row["low"]) else f"{number(row['low'])} to {number(row['high'])}"


def _by(rows: pl.DataFrame, kinds: Sequence[str], short: Mapping[str, str]) -> Table:
    lines = []
    for kind in kinds:
        of_kind = rows.filter(pl.col("by") == kind).group_by("value", "target", maintain_order=True)
        for (value, target), measures in of_kind:
            known = "n/a" if value is None else str(value)
            label = f"{kind} {known}" if kind in _PREFIXED or value is None else known
            cells = map(_brief, measures.iter_rows(named=True))
            lines.append((label, short[str(target)], *cells, measures["templates"][0]))
    headings = (" or ".join(kinds), "target", *MEASURES, "templates")
    return _table(f"by {' and '.join(kinds)}: rate and 95 % interval, by template", headings, lines, 2)


def _brief(row: Row) -> str:
    rate, low, high = (number(row[name], 2).removeprefix("0") for name in ("rate", "low", "high"))
    return rate if math.isnan(row["low"]) else f"{rate} {low}-{high}"


def _growth(rows: pl.DataFrame, short: Mapping[str, str]) -> Table:
    """A few points of the longest search; a target that ended before has none there."""
    steps = rows["iteration"].unique().sort().to_list()
    shown = sorted({steps[round(place * (len(steps) - 1) / (_POINTS - 1))] for place in range(_POINTS)})
    queries = dict(
        rows.filter(pl.col("iteration").is_in(shown)).group_by("iteration").agg(pl.col("queries").max()).rows()
    )
    lines = []
    for (target, measure), group in rows.group_by("target", "measure", maintain_order=True):
        at = {row["iteration"]: row for row in group.iter_rows(named=True)}
        cells = (_brief(at[step]) if step in at else "" for step in shown)
        lines.append((short[str(target)], measure, *cells))
    headings = ("target", "measure", *(f"{queries[step]:.0f}" for step in shown))
    return _table("rate after so many queries of a tree, all trees together, and 95 % interval", headings, lines, 2)


def _differences(rows: pl.DataFrame, short: Mapping[str, str]) -> Table:
    caption = (
        "difference of two targets over their common rows only, 95 % interval by template; p Holm: corrected over "
        "the named pairs, or over all others"
    )
    headings = ("first - second", "measure", "rates", "difference", "interval", "p", "p Holm")
    lines = []
    rows = rows.filter(pl.col("named") | (pl.col("base_rows") > 0))
    for (first, second, named), measures in rows.group_by("base", "instruct", "named", maintain_order=True):
        names = iter((short[str(first)], f"- {short[str(second)]}", "(named)" if named else ""))
        lines += [
            (
                next(names, ""), row["measure"], f"{number(row['base_rate'])} {number(row['instruct_rate'])}",
                number(row["difference"]), _interval(row), _p(row["p"]), _p(row["p_holm"]),
            )
            for row in measures.iter_rows(named=True)
        ]  # fmt: skip
    return _table(caption, headings, lines, 2)


def _p(value: float) -> str:
    return "<.001" if value < 0.001 else number(value)


def _table(caption: str, headings: Sequence[str], lines: Iterable[Sequence[object]], words: int) -> Table:
    every = list(lines)
    more = f"; {len(every) - _MOST} more lines are in the table's file" if len(every) > _MOST else ""
    return table(caption + more, headings, every[:_MOST], words=words)


def notes_shown(document: Mapping[str, Any]) -> Iterator[str]:
    """What is to be known of the numbers, in sentences."""
    short = short_names(dict.fromkeys(row["target"] for row in document["rates"]))
    for row in document["rules"]:
        unknown = f", {row['unknown']} unknown" if row["unknown"] else ""
        counted = f"{row['misleading']} of {numbered(row['templates'], 'template')}{unknown}"
        yield f"{row['run']}: misleading rule ({row['source']}): {row['rule']}: {counted}."
    for row in document["rates"]:
        if row["measure"] == "loose" and row["judged"] < row["rows"]:
            bound = number(row["rate_over_all_rows"])
            yield f"{short[row['target']]}: loose is at least {bound}, if no row without a judgement is a conflict."
    pairs = document["differences"]
    named = [(short[row["target"]], row) for row in document["rates"]]
    yield from _warnings([*named, *((f"{short[row['base']]} - {short[row['instruct']]}", row) for row in pairs)])
    yield from _common(pairs, short)
    if document["rates_by"]:
        yield "By family, seed, template and slot: in the table rates_by that overnight analyze writes."


def _warnings(named: Iterable[tuple[str, Row]]) -> Iterator[str]:
    """A line for each warning: what it says, then the targets and pairs by the measures that it is about."""
    found: dict[str, dict[str, dict[str, None]]] = {}
    for name, row in named:
        if row["warning"]:
            found.setdefault(row["warning"], {}).setdefault(name, {})[row["measure"]] = None
    for warning, about in found.items():
        by_measures: dict[str, list[str]] = {}
        for name, measures in about.items():
            by_measures.setdefault(", ".join(measures), []).append(name)
        yield f"{warning}: {'; '.join(f'{_some(names)} ({measures})' for measures, names in by_measures.items())}."


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _common(pairs: Iterable[Row], short: Mapping[str, str]) -> Iterator[str]:
    """What pairs are compared over; those of which it is the same together."""
    said: dict[str, dict[str, None]] = {}
    for row in pairs:
        if row["questions"]:
            left = row["base_left_out"] + row["instruct_left_out"]
            what = (
                f"paired by {row['paired_by']}, {numbered(row['questions'], 'common question')}, "
                f"{numbered(row['shared_templates'], 'shared template')}; judged rows left out as not common: {left}"
            )
            said.setdefault(what, {})[f"{short[row['base']]} - {short[row['instruct']]}"] = None
    for what, names in said.items():
        yield f"{_some(list(names))}: {what}."
