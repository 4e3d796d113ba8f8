"""How far judges can be relied on: between judges, between the two orders of a pair, between repeats."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from outputs.figures.forest import forest
from outputs.figures.judged_rows import JudgedRows
from outputs.figures.model_names import apart, shown_names
from outputs.figures.parts import Analysis, Column, Filter, Kind, Part
from outputs.judged.differences import OVERALL, headline

MOST_LINES = 60  # of a chart
_PANEL = (("prompt", "Prompt"), ("reference", "Reference"))


def judges_parts(found: Analysis, rows: JudgedRows) -> Iterator[Part]:
    """Each where the runs have something of it. A line leads to all that its judges said."""
    agreement, order, repeats = (_headlines(found.table(f"judge_{name}")) for name in ("agreement", "order", "repeats"))
    if agreement.height:
        yield _agreement(agreement, rows)
    if order.height:
        yield _order(order, rows)
    if repeats.height:
        yield _repeats(repeats, rows)


def _headlines(frame: pl.DataFrame) -> pl.DataFrame:
    """By what models are compared by."""
    if not frame.height:
        return frame
    kept = headline(frame["dimension"].unique(maintain_order=True).to_list())
    return frame.filter(pl.col("dimension").is_in(list(kept)))


def _named(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """With short names beside the names, each in NAME_name; an empty one stays empty."""
    short = shown_names(name for column in columns for name in frame[column] if name)
    return frame.with_columns(
        pl.col(column).replace_strict({"": "", **short}, return_dtype=pl.String).alias(f"{column}_name")
        for column in columns
    )


def _told(frame: pl.DataFrame) -> list[Column]:
    """What tells lines apart besides the judges, where it does."""
    several = [Column(name, heading) for name, heading in _PANEL if frame[name].n_unique() > 1]
    single = frame["dimension"].n_unique() == 1 and frame["dimension"][0] == OVERALL
    return several if single else [*several, Column("dimension", "Dimension")]


def _agreement(table: pl.DataFrame, rows: JudgedRows) -> Part:
    frame = _named(table, "first", "second")
    pairs = [row for row in frame.to_dicts() if row["second"]]
    told = _told(frame)
    columns = [
        Column("first_name", "Judge"),
        Column("second_name", "Other"),
        *told,
        Column("answers", "Answers", Kind.COUNT),
        Column("alpha_ordinal", "Krippendorff's alpha", Kind.NUMBER),
        Column("equal", "Equal", Kind.PERCENT),
        Column("mean_absolute_difference", "Apart", Kind.NUMBER),
        Column("mean_difference", "Judge minus other", Kind.NUMBER, low="low", high="high"),
        Column("spearman_of_models", "Ranks of models", Kind.NUMBER),
    ]
    note = (
        "Answer by answer; alpha: ordinal; apart: mean absolute difference; ranks of models: Spearman's correlation of "
        "the models' means. Controls are left out."
    )
    chart = _differences(pairs, ("first_name", "second_name"), told, "judge minus other, mean difference")
    alt = f"Forest plot: mean difference of {len(pairs)} pairs of judges with 95 % intervals, and a line at none."
    part = _part("judged_agreement", "Agreement between judges", frame, columns, note, chart, alt)
    return replace(part, filters=_filters(frame, "first", rows), others=_filters(frame, "second", rows))


def _order(table: pl.DataFrame, rows: JudgedRows) -> Part:
    frame = _named(table, "judge")
    told = _told(frame)
    columns = [
        Column("judge_name", "Judge"),
        *told,
        Column("pairs", "Pairs", Kind.COUNT),
        Column("equal", "Equal", Kind.PERCENT),
        Column("mean_absolute_difference", "Apart", Kind.NUMBER),
        Column("mean_difference", "Usual minus swapped", Kind.NUMBER, low="low", high="high"),
    ]
    note = "Two texts judged in both orders; apart: mean absolute difference. Controls are left out."
    chart = _differences(frame.to_dicts(), ("judge_name",), told, "usual minus swapped order, mean difference")
    alt = f"Forest plot: what swapping the two texts changed, {frame.height} lines with 95 % intervals."
    part = _part("judged_order", "The order of the two texts", frame, columns, note, chart, alt)
    return replace(part, filters=_filters(frame, "judge", rows))


def _repeats(table: pl.DataFrame, rows: JudgedRows) -> Part:
    frame = _named(table, "judge")
    columns = [
        Column("judge_name", "Judge"),
        *_told(frame),
        Column("answers", "Answers", Kind.COUNT),
        Column("judgements", "Judgements", Kind.COUNT),
        Column("equal", "Equal", Kind.PERCENT),
        Column("spread", "Spread", Kind.NUMBER),
        Column("widest", "Widest", Kind.NUMBER),
    ]
    note = (
        "The same judgement asked again. Equal: share of answers whose repeats are all the same; spread: standard "
        "deviation within an answer; widest: greatest minus least. Controls are left out."
    )
    part = _part("judged_repeats", "Judgements asked again", frame, columns, note, None, "")
    return replace(part, filters=_filters(frame, "judge", rows))


def _filters(frame: pl.DataFrame, judge: str, rows: JudgedRows) -> list[Filter | None]:
    """By the judge in this column; nothing where it has none."""
    lines = frame.select("prompt", "reference", judge).iter_rows()
    return [rows.of_judge(*line) if line[2] else None for line in lines]


def _differences(rows: Sequence[Mapping[str, Any]], names: Sequence[str], told: Sequence[Column], title: str) -> Any:
    """A forest of mean differences, of the first so many lines. None where nothing is defined."""
    shown = rows[:MOST_LINES]
    if all(row["mean_difference"] is None for row in shown):
        return None
    words = {
        place: ", ".join([" – ".join(str(row[name]) for name in names), *(str(row[one.key]) for one in told)])
        for place, row in enumerate(shown)
    }
    called = apart(words)
    points = [
        {"label": called[place], "mean": row["mean_difference"], "low": row["low"], "high": row["high"]}
        for place, row in enumerate(shown)
    ]
    return forest(points, title, zero=True)


def _part(
    name: str, title: str, frame: pl.DataFrame, columns: Sequence[Column], note: str, chart: Any, alt: str
) -> Part:
    more = f" The first {MOST_LINES} of {frame.height} lines are drawn." if chart and frame.height > MOST_LINES else ""
    told = f"{note} Rows: all that the judge said.{more}"
    return Part(name, title, frame, columns, [None] * frame.height, told, chart, alt if chart else "")
