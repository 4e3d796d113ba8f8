"""ICE's shares in parts: by field and language of the question, and by how the template was made."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from outputs.figures import theme
from outputs.figures.identity_rows import TargetRows
from outputs.figures.interval_plot import Look, Point, interval_plot
from outputs.figures.labels import NOT_DEFINED, text_labels
from outputs.figures.parts import Chart, Column, Kind, Part
from outputs.identity.columns import MEASURES

_DRAWN = ("field", "language")
_LISTED = ("operator", "level")
_NUMBERS = ("rate", "low", "high", "hits", "judged", "coverage", "warning")
_NOTE = "Shares with 95 % intervals, by template; coverage of the first judgement."


def by_parts(
    by: pl.DataFrame, labels: Mapping[str, str], rows: TargetRows, colours: Mapping[str, str]
) -> Iterator[Part]:
    """Parts of the table `rates_by`: what no row says is left out. `labels`: what targets are called; their colours."""
    for kind in _DRAWN:
        its = by.filter(pl.col("by") == kind)
        if its.height:
            yield _drawn(kind, its, labels, rows, colours)
    listed = by.filter(pl.col("by").is_in(_LISTED))
    if listed.height:
        frame = _wide(listed)
        yield Part(
            name="ice_by_operator",
            title="Loose, strict and hard by operator and level of the template",
            frame=frame,
            columns=(Column("by", "by"), *_columns("value")),
            filters=_filters(frame, rows),
            note=_NOTE,
        )


def _drawn(
    kind: str, by: pl.DataFrame, labels: Mapping[str, str], rows: TargetRows, colours: Mapping[str, str]
) -> Part:
    frame = _wide(by)
    return Part(
        name=f"ice_by_{kind}",
        title=f"Loose, strict and hard by {kind} of the question",
        frame=frame,
        columns=_columns(kind),
        filters=_filters(frame, rows),
        note=_NOTE,
        chart=_chart(by, labels, colours),
        alt=f"Loose, strict and hard shares by {kind}, a panel each, with 95 % intervals clustered by template.",
    )


def _wide(by: pl.DataFrame) -> pl.DataFrame:
    """A row for each target and value, the numbers of each measure side by side."""
    key = ("by", "value", "target")
    frames = [
        by.filter(pl.col("measure") == measure).select(
            *key, "rows", "templates", *(pl.col(name).alias(f"{measure}_{name}") for name in _NUMBERS)
        )
        for measure in MEASURES
    ]
    wide = frames[0]
    for frame in frames[1:]:
        more = frame.drop("rows", "templates")
        wide = wide.join(more, on=key, how="left", nulls_equal=True, maintain_order="left")
    places = wide.group_by("by", "value", maintain_order=True).agg().with_row_index("place")
    return (
        wide.join(places, on=["by", "value"], how="left", nulls_equal=True)
        .sort("place", maintain_order=True)
        .drop("place")
    )


def _columns(kind: str) -> Sequence[Column]:
    return (
        Column("value", kind),
        Column("target", "target"),
        *(
            Column(
                f"{measure}_rate", f"{measure}, 95 %", low=f"{measure}_low", high=f"{measure}_high", kind=Kind.NUMBER
            )
            for measure in MEASURES
        ),
        Column("rows", "rows", Kind.COUNT),
        Column("loose_coverage", "coverage", Kind.PERCENT, 1),
        Column("templates", "templates", Kind.COUNT),
    )


def _filters(frame: pl.DataFrame, rows: TargetRows) -> list[Any]:
    return [rows.by(*line) for line in frame.select("target", "by", "value").iter_rows()]


def _chart(by: pl.DataFrame, labels: Mapping[str, str], colours: Mapping[str, str]) -> Chart:
    """A line for each value and a colour for each target; with many targets the other way round."""
    known = text_labels(by["value"].drop_nulls())
    values = {name: NOT_DEFINED if name is None else known[name] for name in by["value"].unique(maintain_order=True)}
    targets = [labels[name] for name in by["target"].unique(maintain_order=True)]
    many = len(targets) > len(theme.OKABE_ITO)
    shown = list(values.values())
    points = []
    for row in by.iter_rows(named=True):
        value, target = values[row["value"]], labels[row["target"]]
        name, part = (target, value) if many else (value, target)
        points.append(Point(name, row["rate"], row["low"], row["high"], part, panel=row["measure"]))
    parts = theme.colours(shown) if many else {name: colours[name] for name in targets}
    return interval_plot(points, Look("share, 95 % interval", parts, zero=True))
