"""The tables of the section for the terminal, at most 100 columns wide."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from rich.table import Table

from outputs.report import number, percent, short_names, table
from outputs.similarity.clustering import cluster
from outputs.similarity.judge import STATISTICS
from outputs.similarity.matrices import matrix
from outputs.similarity.pairs import Compared
from outputs.similarity.set_means import set_names
from outputs.similarity.structure import FEATURES

FEWEST_IN_MATRIX, MOST_MODELS = 4, 12  # on the page; fewer are pairs, more are in the tables only
_NAME = 24  # characters of a model's name
_LETTERS = "ABCDEFGHIJKL"
_COLUMNS = 3  # datasets beside one another
_WORDED = {
    "mean_cosine": "mean cosine",
    "vendi": "Vendi score",
    "self_bleu": "self-BLEU",
    "compression_ratio": "compression ratio",
    "self_repetition": "self-repetition",
}
Tables = Mapping[str, pl.DataFrame]


def shown_tables(compared: Compared, tables: Tables) -> Iterator[Table]:
    """The tables of the page, in order; those that have nothing to say are left out."""
    names, datasets = _short(compared), compared.texts.datasets
    total = set_names(datasets)[-1]
    of_all = {name: _of(frame, total) for name, frame in tables.items() if "dataset" in frame.columns}
    yield _coverage(of_all["within_models"], names)
    if (likeness := tables["reference_likeness"]).height:
        yield _likeness(compared, of_all["reference_likeness"], names)
        if len(datasets) > 1 and len(names) <= MOST_MODELS:
            yield _likeness_by_dataset(compared, likeness.filter(pl.col("dataset") != total), names)
    if 1 < len(names) < FEWEST_IN_MATRIX:
        yield _pairs(compared, of_all["similarities"], names)
    elif len(names) <= MOST_MODELS:
        yield from _matrices(compared, tables["similarities"], names, total)
    if (known := of_all["follows_judge"].filter(pl.col("estimate").is_not_nan())).height:
        yield _follows(known)
    if of_all["diversity"].filter(pl.col("mean").is_not_nan()).height:
        yield _diversity(tables["diversity"], total)
    yield _structure(of_all["structure"], names)


def _of(frame: pl.DataFrame, dataset: str) -> pl.DataFrame:
    return frame.filter(pl.col("dataset") == dataset)


def _short(compared: Compared) -> dict[str, str]:
    """Names for the page, cut where that leaves them different."""
    short = short_names(compared.texts.models)
    cut = {name: bare if len(bare) <= _NAME else bare[: _NAME - 1] + "…" for name, bare in short.items()}
    return {name: cut[name] if list(cut.values()).count(cut[name]) == 1 else bare for name, bare in short.items()}


def _interval(row: Mapping[str, Any], prefix: str = "", name: str = "mean") -> str:
    low, high = row[f"{prefix}low"], row[f"{prefix}high"]
    limits = "" if math.isnan(low) else f" [{_bare(low)}, {_bare(high)}]"
    return f"{number(row[f'{prefix}{name}'])}{limits}"


def _bare(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.2f}"


def _coverage(within: pl.DataFrame, names: Mapping[str, str]) -> Table:
    caption = "the last two: how a model's answers repeat one another, over so many of them"
    headings = ("model", "coverage", "words", "compression\nratio", "self-\nrepetition", "over")
    rows = [
        (
            names[row["model"]],
            f"{percent(row['coverage'])} {row['answers']}/{row['asked']}",
            number(row["words"], 0),
            number(row["compression_ratio"], 2),
            number(row["self_repetition"], 2),
            row["compared"],
        )
        for row in within.iter_rows(named=True)
    ]
    return table(caption, headings, rows)


def _likeness(compared: Compared, likeness: pl.DataFrame, names: Mapping[str, str]) -> Table:
    """With intervals, over the datasets, or the only one."""
    prefix, over = _basis(likeness)
    caption = f"similarity to the reference ({', '.join(_references(likeness, names))}); {over}"
    return table(caption, ("model", *compared.values), _by_granularity(compared, likeness, ("model",), prefix, names))


def _pairs(compared: Compared, similarities: pl.DataFrame, names: Mapping[str, str]) -> Table:
    """Of few models every pair, with intervals."""
    prefix, over = _basis(similarities)
    rows = _by_granularity(compared, similarities, ("model_a", "model_b"), prefix, names)
    return table(f"similarity of two models; {over}", ("", *compared.values), rows)


def _by_granularity(
    compared: Compared, frame: pl.DataFrame, by: Sequence[str], prefix: str, names: Mapping[str, str]
) -> Iterator[tuple[str, ...]]:
    for models, found in frame.group_by(*by, maintain_order=True):
        cells = {row["granularity"]: row for row in found.iter_rows(named=True)}
        yield (
            " : ".join(names[str(model)] for model in models),
            *(_interval(cells[name], prefix) for name in compared.values),
        )


def _likeness_by_dataset(compared: Compared, likeness: pl.DataFrame, names: Mapping[str, str]) -> Table:
    """Means only: their intervals are in the table."""
    prefix, _ = _basis(likeness)
    rows = []
    for (dataset, model, _), found in likeness.group_by("dataset", "model", "reference", maintain_order=True):
        by = {row["granularity"]: row for row in found.iter_rows(named=True)}
        values = [number(by[name][f"{prefix}mean"]) for name in compared.values]
        rows.append((names[str(model)], dataset, *values, found[f"{prefix}prompts"][0]))
    caption = "the same by dataset"
    return table(caption, ("model", "dataset", *compared.values, "prompts"), rows, words=2)


def _references(likeness: pl.DataFrame, names: Mapping[str, str]) -> list[str]:
    return [names[name] for name in likeness["reference"].unique(maintain_order=True)]


def _basis(frame: pl.DataFrame) -> tuple[str, str]:
    if frame["common_prompts"].sum():
        return "common_", "over the prompts that all models answered"
    return "", "each pair over the prompts that both answered, as none was answered by all"


def _matrices(
    compared: Compared, similarities: pl.DataFrame, names: Mapping[str, str], dataset: str
) -> Iterator[Table]:
    models = compared.texts.models
    for granularity in compared.values:
        values = matrix(similarities, granularity, dataset, models)
        found = cluster(values, models)
        order = [models.index(model) for model in (*found.order, *found.left_out)]
        joined = [*found.joined, *(None for _ in found.left_out)]
        rows = [
            (
                f"{_LETTERS[place]} {names[models[row]]}",
                *(number(values[row, column], 2) for column in order),
                "" if joined[place] is None else number(joined[place], 2),
            )
            for place, row in enumerate(order)
        ]
        yield table(f"{granularity}, clustered", ("", *_LETTERS[: len(models)], "joined"), rows)


def _follows(follows: pl.DataFrame) -> Table:
    caption = "rank correlation of the similarity to the reference with the judge's overall rating"
    headings = ("granularity", "over", "Spearman", "Kendall tau-b", "points", "prompts")
    rows = []
    for (granularity, level), found in follows.group_by("granularity", "level", maintain_order=True):
        by = {row["statistic"]: row for row in found.iter_rows(named=True)}
        values = [_interval(by[name], name="estimate") if name in by else "n/a" for name in STATISTICS]
        rows.append((granularity, level, *values, found["points"][0], found["prompts"][0]))
    return table(caption, headings, rows, words=2)


def _diversity(diversity: pl.DataFrame, total: str) -> Table:
    """The mean over datasets with its interval; beside it those of the datasets, as far as there is room."""
    datasets = [name for name in diversity["dataset"].unique(maintain_order=True) if name != total][:_COLUMNS]
    found = {(row["measure"], row["dataset"]): row for row in diversity.iter_rows(named=True)}
    caption = "diversity of the models' answers to a prompt, over prompts that all with any answer answered"
    rows = []
    for measure in diversity["measure"].unique(maintain_order=True):
        row = found[measure, total]
        called = _WORDED[measure] + (f", {row['embedding']}" if row["embedding"] else "")
        means = [number(found[measure, name]["mean"]) for name in datasets]
        rows.append((called, _interval(row), *means, row["models"], f"{row['prompts']}/{row['of']}"))
    return table(caption, ("measure", "mean", *datasets, "models", "prompts"), rows)


def _structure(structure: pl.DataFrame, names: Mapping[str, str]) -> Table:
    caption = "form of the answers: means per answer"
    found = {(row["model"], row["feature"]): row["mean"] for row in structure.iter_rows(named=True)}
    models = structure["model"].unique(maintain_order=True).to_list()
    rows = [(names[model], *(_count(found[model, name]) for name in FEATURES)) for model in models]
    headings = ("model", *(_broken(name) for name in FEATURES))
    return table(caption, headings, rows)


def _count(value: float) -> str:
    return number(value, 0 if not np.isnan(value) and value >= 100 else 1)


def _broken(name: str) -> str:
    """A heading in lines of at most seven characters, so that all features fit the page."""
    halves = [name[:4] + "-\n" + name[4:]] if len(name) > 7 and "_" not in name else name.split("_")
    return "\n".join(halves)
