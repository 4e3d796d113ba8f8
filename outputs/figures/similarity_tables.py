"""Tables about answers without a judge: likeness to the reference, diversity, form, and what is compared."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from outputs.figures.model_names import shown_names
from outputs.figures.parts import Column, Kind, Part
from outputs.figures.scales import cut_note
from outputs.figures.similarity_group import Group, basis, main_set
from outputs.judged.panels import MACRO

_NUMBERS = ("mean", "low", "high")
_DIVERSITY = {
    "mean_cosine": "mean cosine",
    "vendi": "Vendi score",
    "self_bleu": "self-BLEU",
    "compression_ratio": "compression ratio",
    "self_repetition": "self-repetition",
}
_LEADS = "Rows: the model's own answers, one for each turn."
_TURNS = (
    "There may be more rows than answers: of a dialogue all turns together are one answer, and repeats and prompts "
    "that were not drawn are not compared."
)


def reference_part(group: Group) -> Part | None:
    """A line a model and dataset, a column a granularity. None where there is no reference."""
    likeness = group.tables["reference_likeness"]
    if not likeness.height:
        return None
    prefix, over = basis(likeness)
    granularities = group.tables["similarities"]["granularity"].unique(maintain_order=True).to_list()
    values = [f"{prefix}{name}" for name in _NUMBERS]
    keys = ("dataset", "model", "reference")
    lines: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in likeness.to_dicts():
        line = lines.setdefault(tuple(row[key] for key in keys), {key: row[key] for key in keys})
        line["prompts"] = row[f"{prefix}prompts"]
        line |= {_key(row["granularity"], name): row[value] for name, value in zip(_NUMBERS, values, strict=True)}
    main = main_set(likeness) if MACRO in likeness["dataset"] else None
    rows = sorted(lines.values(), key=lambda row: (row["dataset"] != main, row["dataset"], row["model"]))
    frame = _named(rows, "model", "reference")
    columns = [
        Column("model_name", "Model"),
        *([Column("reference_name", "Reference")] if frame["reference"].n_unique() > 1 else []),
        *_set_column(frame),
        *(
            Column(_key(name, "mean"), name, Kind.NUMBER, low=_key(name, "low"), high=_key(name, "high"))
            for name in granularities
        ),
        Column("prompts", "Prompts", Kind.COUNT),
    ]
    references = ", ".join(shown_names(frame["reference"]).values())
    note = f"Similarity to {references}, with 95 % intervals. {over} {_LEADS}"
    title = group.titled("Likeness to the reference")
    return Part("similarity_to_reference", title, frame, columns, group.filters(frame), note)


def _key(granularity: str, number: str) -> str:
    return f"{granularity}: {number}"


def follows_part(group: Group) -> Part | None:
    """How well each granularity follows the judge. None where nothing is known of it."""
    known = group.tables["follows_judge"].filter(pl.col("estimate").is_not_null())
    if not known.height:
        return None
    frame = known.with_columns(pl.col("statistic").replace({"spearman": "Spearman", "kendall_tau_b": "Kendall tau-b"}))
    columns = [
        Column("granularity", "Granularity"),
        *_set_column(frame),
        Column("level", "Over"),
        Column("statistic", "Correlation"),
        Column("estimate", "Estimate", Kind.NUMBER, low="low", high="high"),
        Column("points", "Points", Kind.COUNT),
        Column("prompts", "Prompts", Kind.COUNT),
        *([Column("warning", "Warning")] if frame["warning"].count() else []),
    ]
    note = "Rank correlation of the similarity to the reference with the judge's overall rating, with 95 % intervals."
    title = group.titled("Similarity against the judge")
    filters = [group.judged(dataset) for dataset in frame["dataset"]]
    note = f"{note} Rows: what judges said. {cut_note([*frame['low'], *frame['high']], 1)}".rstrip()
    return Part("similarity_against_judge", title, frame, columns, filters, note)


def diversity_part(group: Group) -> Part | None:
    """How diverse the models' answers to a prompt are. None where there is no value."""
    diversity = group.tables["diversity"]
    if not diversity["mean"].count():
        return None
    called = pl.col("measure").replace(_DIVERSITY)
    embedded = (
        pl.when(pl.col("embedding").fill_null("") != "").then(pl.format(", {}", "embedding")).otherwise(pl.lit(""))
    )
    frame = _main_first(diversity.with_columns((called + embedded).alias("called")))
    columns = [
        Column("called", "Measure"),
        *_set_column(frame),
        Column("mean", "Mean", Kind.NUMBER, low="low", high="high"),
        Column("models", "Models", Kind.COUNT),
        Column("prompts", "Prompts", Kind.COUNT),
        Column("of", "Drawn", Kind.COUNT),
    ]
    note = "Of all models' answers to a prompt, over prompts that all models answered; with 95 % intervals."
    title = group.titled("Diversity of the answers to a prompt")
    filters = [group.compared(dataset) for dataset in frame["dataset"]]
    return Part("similarity_diversity", title, frame, columns, filters, f"{note} Rows: all answers compared.")


def answers_part(group: Group) -> Part:
    """What is compared: coverage, length, and how a model's answers repeat one another."""
    frame = _named(_main_first(group.tables["within_models"]).to_dicts(), "model")
    columns = [
        Column("model_name", "Model"),
        *_set_column(frame),
        Column("coverage", "Coverage", Kind.PERCENT),
        Column("answers", "Answers", Kind.COUNT),
        Column("asked", "Prompts asked", Kind.COUNT),
        Column("words", "Words", Kind.NUMBER, 1),
        Column("compression_ratio", "Compression ratio", Kind.NUMBER, 2),
        Column("self_repetition", "Self-repetition", Kind.NUMBER, 2),
        Column("compared", "Over", Kind.COUNT),
    ]
    note = (
        "Answers: to the prompts that are drawn. The last columns: how a model's answers repeat one another, over so "
        f"many of them. {_LEADS} {_TURNS}"
    )
    title = group.titled("What is compared")
    return Part("similarity_answers", title, frame, columns, group.filters(frame), note)


def form_part(group: Group) -> Part:
    """The form of each model's answers, a column a feature."""
    structure = group.tables["structure"]
    main = structure.filter(pl.col("dataset") == main_set(structure))
    features = main["feature"].unique(maintain_order=True).to_list()
    lines: dict[str, dict[str, Any]] = {}
    for row in main.to_dicts():
        line = lines.setdefault(row["model"], {"model": row["model"], "dataset": row["dataset"]})
        line |= {_key(row["feature"], name): row[name] for name in _NUMBERS}
    frame = _named(list(lines.values()), "model")
    columns = [
        Column("model_name", "Model"),
        *(
            Column(_key(name, "mean"), name.replace("_", " "), Kind.NUMBER, 1, _key(name, "low"), _key(name, "high"))
            for name in features
        ),
    ]
    note = f"Means per answer, with 95 % intervals. {_LEADS}"
    title = group.titled("Form of the answers")
    return Part("similarity_form", title, frame, columns, group.filters(frame), note)


def _named(rows: Sequence[Mapping[str, Any]], *columns: str) -> pl.DataFrame:
    """With short names beside those in `columns`."""
    frame = pl.DataFrame([dict(row) for row in rows], infer_schema_length=None)
    short = shown_names(sorted({name for column in columns for name in frame[column]}))
    added = (pl.col(one).replace_strict(short, return_dtype=pl.String).alias(f"{one}_name") for one in columns)
    return frame.with_columns(added)


def _main_first(frame: pl.DataFrame) -> pl.DataFrame:
    """The mean over datasets above what it is of."""
    return frame.sort(pl.col("dataset") != MACRO, maintain_order=True)


def _set_column(frame: pl.DataFrame) -> list[Column]:
    return [Column("dataset", "Set")] if frame["dataset"].n_unique() > 1 else []
