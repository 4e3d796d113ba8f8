"""ICE against RSE: each model as a point with both intervals, one chart for each measure of ICE."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from outputs.figures.boards import told_apart
from outputs.figures.model_names import shown_names
from outputs.figures.parts import Analysis, Column, Kind, Part, Section
from outputs.figures.scatter import MOST_NAMED, have_room, scatter
from outputs.ice_against_rse import OVERALL, matches
from outputs.identity.columns import MEASURES
from outputs.identity.rows import ASK
from outputs.judged.asked import JUDGE
from outputs.judged.panels import ALL_JUDGES
from outputs.report import number, numbered

KEY = "ice_against_rse"
_GROUP = ("judge", "prompt", "reference")


def against_section(found: Analysis) -> Section | None:
    """Models that both ICE and RSE know. None where no model is in both."""
    points = found.table(KEY)
    if not points.height:
        return None
    notes = [str(note) for note in found.section(KEY).get("notes", ())]
    simulated = any(run.record.simulated for run in found.runs)
    return Section(KEY, "ICE against RSE", told_apart(_parts(found, points)), notes, simulated)


def _parts(found: Analysis, points: pl.DataFrame) -> Iterator[Part]:
    correlations = found.table(f"{KEY}_correlations")
    groups = _drawn_groups(points)
    for group in groups:
        its = points.filter(pl.col(name).eq_missing(value) for name, value in group.items())
        label = _label(group, groups)
        for measure in MEASURES:
            told = correlations.filter(
                pl.col("measure") == measure, *(pl.col(name).eq_missing(value) for name, value in group.items())
            )
            yield _part(found, its, measure, label, told.to_dicts())
    if correlations.height:
        yield _correlations(correlations)


def _drawn_groups(points: pl.DataFrame) -> list[dict[str, Any]]:
    """By prompt and reference: the mean over judges where there are several of them, else the judge."""
    groups = points.select(_GROUP).unique(maintain_order=True).to_dicts()
    together = {(group["prompt"], group["reference"]) for group in groups if group["judge"] == ALL_JUDGES}
    return [
        group
        for group in groups
        if group["judge"] == ALL_JUDGES or (group["prompt"], group["reference"]) not in together
    ]


def _label(group: Mapping[str, Any], groups: Sequence[Mapping[str, Any]]) -> str:
    """What tells this chart from those by other judges, prompts or references."""
    several = [name for name in _GROUP if len({other[name] for other in groups}) > 1]
    return ", ".join(f"{name} {shown_names([group[name] or ''])[group[name] or '']}" for name in several)


def _part(
    found: Analysis, points: pl.DataFrame, measure: str, label: str, correlation: Sequence[Mapping[str, Any]]
) -> Part:
    lines = _lines(found, points, measure)
    known = [line for line in lines if line["similarity"] is not None and line["rate"] is not None]
    many = len(lines) > MOST_NAMED or not have_room([{**line, "label": line["name"]} for line in known])
    frame = pl.DataFrame(lines, infer_schema_length=None)
    columns = [
        *([Column("point", "Point", Kind.COUNT)] if many else []),
        Column("name", "Model"),
        Column("similarity", "Mean similarity (RSE)", Kind.NUMBER, low="similarity_low", high="similarity_high"),
        Column("rate", f"{measure.capitalize()} (ICE)", Kind.PERCENT, low="rate_low", high="rate_high"),
        Column("rse_coverage", "Read (RSE)", Kind.PERCENT),
        Column("ice_coverage", "Judged (ICE)", Kind.PERCENT),
    ]
    drawn = [{**line, "label": str(line["point"]) if many else line["name"]} for line in known]
    title = f"{measure.capitalize()} contradictions against similarity" + (f" ({label})" if label else "")
    told = [*map(_correlated, correlation), "Lines: 95 % intervals. Rows: judgements of the model's answers, and the "]
    told[-1] += "questions put to it."
    if points["judge"][0] == ALL_JUDGES:
        told.append("Similarity: the mean of the judges.")
    if left := len(lines) - len(known):
        told.append(f"{numbered(left, 'model')} without both numbers {'is' if left == 1 else 'are'} not drawn.")
    words = ("mean overall similarity to the reference (RSE)", f"share of {measure} contradictions (ICE)")
    return Part(
        f"{KEY}_{measure}",
        title,
        frame,
        columns,
        [{"stage": JUDGE, "model": line["model"]} for line in lines],
        " ".join(told),
        scatter(drawn, *words) if drawn else None,
        f"Scatter plot: share of {measure} contradictions against mean similarity of {len(known)} models."
        if known
        else "",
        [{"stage": ASK, "model": line["target"]} for line in lines],
    )


def _lines(found: Analysis, points: pl.DataFrame, measure: str) -> list[dict[str, Any]]:
    """The points with both intervals, by similarity."""
    means, rates = found.table("means"), found.table("rates")
    by_model = {model: target for target, model in matches(rates, means).items()}
    similar = {
        tuple(row[name] for name in ("model", "dataset", *_GROUP)): row
        for row in means.filter(pl.col("dimension") == OVERALL, ~pl.col("control").fill_null(value=False)).to_dicts()
    }
    of_target = {row["target"]: row for row in rates.filter(pl.col("measure") == measure).fill_nan(None).to_dicts()}
    called = shown_names(points["model"])
    lines: list[dict[str, Any]] = []
    for point in points.sort("rse", "model", descending=[True, False], nulls_last=True).fill_nan(None).to_dicts():
        target = by_model.get(point["model"], "")
        mean = similar.get(tuple(point[name] for name in ("model", "dataset", *_GROUP)), {})
        rate = of_target.get(target, {})
        lines.append(
            {
                "point": len(lines) + 1,
                "name": called[point["model"]],
                "model": point["model"],
                "target": target,
                **{name: point[name] for name in _GROUP},
                "similarity": point["rse"],
                "similarity_low": mean.get("low"),
                "similarity_high": mean.get("high"),
                "rate": point[measure],
                "rate_low": rate.get("low"),
                "rate_high": rate.get("high"),
                "rse_coverage": mean.get("coverage"),
                "ice_coverage": rate.get("coverage"),
            }
        )
    return lines


def _correlated(row: Mapping[str, Any]) -> str:
    values = ", ".join(f"{words} {number(row[name])}" for words, name in (("Spearman", "spearman"), ("tau-b", "tau_b")))
    warning = f" ({row['warning']})" if row["warning"] else ""
    return f"Rank correlation over {row['models']} models: {values}, p {number(row['p'])}{warning}."


def _correlations(table: pl.DataFrame) -> Part:
    several = [Column(name, name.capitalize()) for name in _GROUP if table[name].n_unique() > 1]
    columns = [
        Column("measure", "Measure"),
        *several,
        Column("models", "Models", Kind.COUNT),
        Column("spearman", "Spearman", Kind.NUMBER),
        Column("tau_b", "Kendall tau-b", Kind.NUMBER),
        Column("p", "p", Kind.P),
        Column("warning", "To be known"),
    ]
    frame = table.with_columns(pl.col(pl.Float64).fill_nan(None))
    note = "Over models, of the similarity with each measure; p by permutation, of tau-b 0. Rows: all judgements of "
    note += "answers, and all questions of ICE."
    judged, asked = ([{"stage": stage}] * frame.height for stage in (JUDGE, ASK))
    return Part(f"{KEY}_correlations", "Rank correlations", frame, columns, judged, note, others=asked)
