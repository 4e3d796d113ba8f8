"""The section on ICE: loose, strict and hard of each target, in parts, as a search goes on, and the search trees."""

from collections.abc import Iterator, Mapping

import polars as pl

from outputs.figures.identity_by import by_parts
from outputs.figures.identity_growth import growth_part
from outputs.figures.identity_rows import TargetRows, target_rows
from outputs.figures.interval_plot import Look, Point, interval_plot
from outputs.figures.labels import text_labels
from outputs.figures.measure_colours import MEASURE_COLOURS
from outputs.figures.model_colours import shown_colours
from outputs.figures.model_names import shown_names
from outputs.figures.parts import Analysis, Column, Kind, Part, Section
from outputs.figures.search_tree import tree_parts

_WHAT = (
    "Loose: answers that contradict the facts of the target's maker, of those with a first judgement that could be "
    "read. Strict: loose, times the share of its second judgements that find a claim to be another's. Hard: strict "
    "without the hits of templates that have a misleading word. Intervals: 95 %, by template."
)
_RATES = (
    Column("target", "target"),
    Column("measure", "measure"),
    Column("rate", "rate, 95 %", Kind.NUMBER, low="low", high="high"),
    Column("standard_error", "s.e.", Kind.NUMBER),
    Column("hits", "hits", Kind.COUNT),
    Column("judged", "judged", Kind.COUNT),
    Column("rows", "rows", Kind.COUNT),
    Column("coverage", "coverage", Kind.PERCENT, 1),
    Column("templates", "templates", Kind.COUNT),
    Column("templates_with_hits", "with hits", Kind.COUNT),
    Column("warning", "to be known"),
)
_COVERAGE = (
    Column("target", "target"),
    Column("runs", "runs", Kind.COUNT),
    Column("trees", "trees", Kind.COUNT),
    Column("templates", "templates", Kind.COUNT),
    Column("rows", "rows", Kind.COUNT),
    Column("answered", "answered", Kind.COUNT),
    Column("judged", "judged", Kind.COUNT),
    Column("first_read", "coverage", Kind.PERCENT, 1),
    Column("conflicts", "conflicts", Kind.COUNT),
    Column("judged_again", "judged again", Kind.COUNT),
    Column("second_read", "coverage", Kind.PERCENT, 1),
)
_DIFFERENCES = (
    Column("base", "first"),
    Column("instruct", "second"),
    Column("measure", "measure"),
    Column("base_rate", "rate of first", Kind.NUMBER),
    Column("instruct_rate", "of second", Kind.NUMBER),
    Column("difference", "difference, 95 %", Kind.NUMBER, low="low", high="high"),
    Column("p", "p", Kind.P),
    Column("p_holm", "p Holm", Kind.P),
    Column("family", "corrected over"),
    Column("paired_by", "paired by"),
    Column("questions", "questions", Kind.COUNT),
    Column("base_rows", "rows of first", Kind.COUNT),
    Column("instruct_rows", "of second", Kind.COUNT),
    Column("warning", "to be known"),
)


def identity_section(found: Analysis) -> Section | None:
    """What the ICE runs of an analysis come to; None where there are none."""
    document = found.section("ice")
    if not document:
        return None
    parts = list(_parts(found)) if found.table("rates").height else []
    notes = (*_mixed(found.table("rates")), *document["notes"])
    return Section("ice", "ICE: identity consistency", parts, notes, bool(document["simulated"]))


def _mixed(rates: pl.DataFrame) -> Iterator[str]:
    """Which targets are simulated, where others are not."""
    if rates.height and rates["simulated"].any() and not rates["simulated"].all():
        names = rates.filter("simulated")["target"].unique(maintain_order=True)
        yield f"Simulated: {', '.join(names)}; the other targets are not."


def _parts(found: Analysis) -> Iterator[Part]:
    rows = target_rows(found.table("identity"))
    labels = shown_names(found.table("rates")["target"])
    yield _rates(found.table("rates"), labels, rows)
    yield _coverage(found.table("identity_coverage"), rows)
    colours = shown_colours(found, labels)
    yield from by_parts(found.table("rates_by"), labels, rows, colours)
    if found.table("identity_growth")["iteration"].n_unique() > 1:
        yield growth_part(found.table("identity_growth"), labels, rows, colours)
    if found.table("identity_differences").height:
        yield _differences(found.table("identity_differences"), labels, rows)
    yield from tree_parts(found)


def _rates(rates: pl.DataFrame, labels: Mapping[str, str], rows: TargetRows) -> Part:
    points = [
        Point(labels[row["target"]], row["rate"], row["low"], row["high"], part=row["measure"])
        for row in rates.iter_rows(named=True)
    ]
    return Part(
        name="ice_rates",
        title="Loose, strict and hard of each target",
        frame=rates,
        columns=_RATES,
        filters=[rows.asked(target) for target in rates["target"]],
        note=_WHAT,
        chart=interval_plot(points, Look("share of judged answers, 95 % interval", MEASURE_COLOURS, bars=True)),
        alt="Bars of the loose, strict and hard share of each target, with 95 % intervals clustered by template.",
    )


def _coverage(covered: pl.DataFrame, rows: TargetRows) -> Part:
    shares = {"first_read": ("judged", "rows"), "second_read": ("judged_again", "conflicts")}
    frame = covered.with_columns(
        pl.when(pl.col(of) > 0).then(pl.col(some) / pl.col(of)).alias(name) for name, (some, of) in shares.items()
    )
    return Part(
        name="ice_coverage",
        title="What was asked, answered and judged",
        frame=frame,
        columns=_COVERAGE,
        filters=[rows.asked(target) for target in frame["target"]],
        note="Coverage: first judgements that could be read, of the rows; second judgements, of the conflicts.",
    )


def _differences(table: pl.DataFrame, labels: Mapping[str, str], rows: TargetRows) -> Part:
    frame = table.filter(pl.col("named") | (pl.col("base_rows") > 0) | (pl.col("instruct_rows") > 0))
    pairs = frame.select("base", "instruct", "named").unique(maintain_order=True).rows()
    shown = text_labels(_pair(pair, labels) for pair in pairs)
    names = {pair: shown[_pair(pair, labels)] for pair in pairs}
    points = [
        Point(
            names[row["base"], row["instruct"], row["named"]],
            row["difference"], row["low"], row["high"], part=row["measure"],
        )
        for row in frame.iter_rows(named=True)
    ]  # fmt: skip
    return Part(
        name="ice_differences",
        title="How targets differ",
        frame=frame,
        columns=_DIFFERENCES,
        filters=[rows.asked(target) for target in frame["base"]],
        others=[rows.asked(target) for target in frame["instruct"]],
        note="The first target's rate less the second's, over their common rows only; intervals 95 %, by template. "
        "p Holm: corrected over the named pairs, or over all others. Rows: all questions put to the first, and to the "
        "second.",
        chart=interval_plot(points, Look("difference of shares, 95 % interval", MEASURE_COLOURS, at=0.0)),
        alt="Differences of the targets' loose, strict and hard shares with 95 % intervals, and a line at 0.",
    )


def _pair(pair: tuple[str, str, bool], labels: Mapping[str, str]) -> str:
    first, second, named = pair
    return f"{labels[first]} − {labels[second]}{' (named)' if named else ''}"
