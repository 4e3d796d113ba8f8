"""Heat maps of models by models in the order of their clustering, its tree beside them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import altair as alt
import polars as pl

from outputs.figures.dendrogram import dendrogram
from outputs.figures.heat import digits_for, heat
from outputs.figures.model_names import shown_names
from outputs.figures.parts import Chart, Column, Filter, Kind, Part
from outputs.figures.similarity_group import Group, basis, main_set
from outputs.report import number

MOST_WRITTEN = 12  # models, above which values are written below the diagonal only
MOST_DRAWN = 60  # above which there is no chart
_CELL, _SMALL_CELL = 40, 25  # CSS pixels
_LEGEND = ("similarity,", "least to most alike")  # in two lines: the tree's axis stands beside it


def map_parts(group: Group) -> Iterator[Part]:
    """One for each granularity, in their order; none of a single model."""
    similarities, order = group.tables["similarities"], group.tables["cluster_order"]
    for granularity in similarities["granularity"].unique(maintain_order=True):
        here = (pl.col("granularity") == granularity) & (pl.col("dataset") == main_set(similarities))
        yield _map_part(group, granularity, similarities.filter(here), order.filter(here))


def _map_part(group: Group, granularity: str, pairs: pl.DataFrame, order: pl.DataFrame) -> Part:
    prefix, over = basis(pairs)
    models = _ordered(pairs, order)
    names = shown_names(models)
    place = {model: number for number, model in enumerate(models)}
    rows = [_pair(row, prefix, place, names) for row in pairs.to_dicts()]
    frame = pl.DataFrame(sorted(rows, key=lambda row: (row["row"], row["column"])), infer_schema_length=None)
    known = bool(frame["mean"].count())
    drawn = known and len(models) <= MOST_DRAWN
    told = [over, "Models stand in the order of the clustering: average linkage on 1 - similarity."]
    told.append("Rows: the answers of both.")
    if drawn and len(models) > MOST_WRITTEN:
        told.append("Values are written below the diagonal.")
    if not known:
        told.append("No pair of models has a similarity: no map is drawn.")
    elif not drawn:
        told.append(f"A map of {len(models)} models would not be read: none is drawn.")
    columns = [
        Column("one", "Model"),
        Column("other", "Other"),
        Column("mean", "Similarity", Kind.NUMBER, low="low", high="high"),
        Column("prompts", "Prompts", Kind.COUNT),
    ]
    return Part(
        f"similarity_{slug(granularity)}",
        group.titled(f"Similarity of models: {granularity}"),
        frame,
        columns,
        group.filters(frame),
        " ".join(told),
        _chart(rows, models, names, order) if drawn else None,
        f"Heat map: {granularity} similarity of {len(models)} models to one another, clustered." if drawn else "",
        group.filters(frame, "other_model"),
    )


def slug(words: str) -> str:
    """As a part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def _ordered(pairs: pl.DataFrame, order: pl.DataFrame) -> list[str]:
    """The leaves, then those that the clustering leaves out."""
    leaves = order.sort("place")["model"].to_list()
    return list(dict.fromkeys([*leaves, *pairs["model_a"], *pairs["model_b"]]))


def _pair(row: Mapping[str, Any], prefix: str, place: Mapping[str, int], names: Mapping[str, str]) -> dict[str, Any]:
    """With the model that stands first in the order before the other."""
    first, second = sorted((row["model_a"], row["model_b"]), key=place.__getitem__)
    return {
        "one": names[first],
        "other": names[second],
        "model": first,
        "other_model": second,
        "dataset": row["dataset"],
        "row": place[first],
        "column": place[second],
        **{name: row[f"{prefix}{name}"] for name in ("mean", "low", "high", "prompts")},
        "warning": row["warning"],
    }


def _chart(
    rows: Sequence[Mapping[str, Any]], models: Sequence[str], names: Mapping[str, str], order: pl.DataFrame
) -> Chart:
    """No model is held against itself. Of many models columns have the numbers that stand before the lines' names."""
    small = len(models) > MOST_WRITTEN
    ys = [f"{place}. {names[model]}" if small else names[model] for place, model in enumerate(models, 1)]
    xs = [str(place) for place in range(1, len(models) + 1)] if small else ys
    known = [row["mean"] for row in rows if row["mean"] is not None]
    digits = 2 if small else min(3, digits_for(max(known, default=1.0) - min(known, default=0.0)))
    cells = []
    for row in rows:
        for line, column in ((row["row"], row["column"]), (row["column"], row["row"])):
            text = number(row["mean"], digits) if line > column or not small else ""
            cells.append({"x": xs[column], "y": ys[line], "value": row["mean"], "text": text})
    legend = _LEGEND if len(set(known)) > 1 else ("similarity",)
    made = heat(cells, xs, ys, legend, cell=_SMALL_CELL if small else _CELL, slanted=not small, ends=(0.0, 1.0))
    joined = order.sort("place")["joined"].drop_nulls().to_list()
    if not joined:
        return made
    beside = alt.hconcat(made, dendrogram(joined, len(models)), spacing=10, bounds="flush")
    drawn: Chart = beside.resolve_scale(color="independent", x="independent", y="independent")
    return drawn


def clusters_part(group: Group) -> Part | None:
    """How models are joined, step by step, in every granularity."""
    tables, clusters = group.tables, group.tables["clusters"]
    frame = clusters.filter(pl.col("dataset") == main_set(tables["similarities"]))
    if not frame.height:
        return None
    short = shown_names(tables["cluster_order"]["model"].unique().sort())
    sides = [pl.col(side).replace(short).alias(f"{side}_side") for side in ("left", "right")]
    columns = [
        Column("granularity", "Granularity"),
        Column("merge", "Step", Kind.COUNT),
        Column("left_side", "These"),
        Column("right_side", "And these"),
        Column("similarity", "Similarity", Kind.NUMBER),
        Column("models", "Models", Kind.COUNT),
    ]
    note = "Average linkage: the mean similarity between the two sides. #k: what step k joined. Rows: the answers of a "
    note += "side that is one model, else all that are compared."
    title = group.titled("How models are joined")
    left, right = (_of_side(group, frame, side) for side in ("left", "right"))
    return Part("similarity_clusters", title, frame.with_columns(sides), columns, left, note, others=right)


def _of_side(group: Group, frame: pl.DataFrame, side: str) -> list[Filter | None]:
    every = (group.compared(dataset) for dataset in frame["dataset"])
    return [one or other for one, other in zip(group.filters(frame, side), every, strict=True)]
