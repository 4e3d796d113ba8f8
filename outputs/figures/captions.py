"""The section on captions: how scores are spread, how metrics follow people's ratings, and what is covered."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from outputs.captions.page import dataset_notes
from outputs.figures.calibration import calibration_part
from outputs.figures.caption_data import JOBS, KEY, CaptionData, caption_data
from outputs.figures.caption_dimensions import dimensions_part
from outputs.figures.caption_forest import correlation_parts, pairwise_part
from outputs.figures.distributions import distribution_part
from outputs.figures.parts import Analysis, Column, Filter, Kind, Part, Section
from outputs.report import numbered

_COVERAGE = (
    Column("metric", "metric"),
    Column("judge", "judge"),
    Column("source", "source"),
    Column("dimensions", "dimensions"),
    Column("mean", "mean", Kind.NUMBER),
    Column("coverage", "coverage", Kind.PERCENT, 1),
    Column("ok", "scored", Kind.COUNT),
    Column("items", "captions", Kind.COUNT),
    Column("used", "used", Kind.COUNT),
    Column("rated", "rated", Kind.COUNT),
    Column("outcomes", "outcomes"),
    Column("reasons", "why not"),
)
_MODES = (
    Column("run", "run"),
    Column("judge", "judge"),
    Column("dimension", "dimension"),
    Column("coverage", "coverage", Kind.PERCENT, 1),
    Column("ok", "ok", Kind.COUNT),
    Column("expectation", "expectation", Kind.COUNT),
    Column("split", "split", Kind.COUNT),
    Column("no_logprobs", "no logprobs", Kind.COUNT),
    Column("mass_mean", "mean mass", Kind.NUMBER, 4),
    Column("mass_min", "least mass", Kind.NUMBER, 4),
)
_CORPUS = (
    Column("metric", "metric"),
    Column("system", "system"),
    Column("value", "value", Kind.NUMBER, 4),
    Column("captions", "captions", Kind.COUNT),
    Column("coverage", "coverage", Kind.PERCENT, 1),
    Column("reason", "why none"),
)


def captions_section(found: Analysis) -> Section | None:
    """What the runs that score captions come to; None where there are none."""
    document = found.section("captions")
    if not document:
        return None
    with np.errstate(over="ignore", invalid="ignore"):  # a mean of numbers near the end of the floats is n/a
        parts = [part for data in caption_data(found) for part in _of_dataset(found, data)]
    if found.table("modes").height:
        parts.append(_modes(found.table("modes")))
    simulated = any(one["simulated"] for one in (*document["datasets"], *document["modes"]))
    return Section("captions", "Captions", parts, tuple(_notes(document, found)), simulated)


def _of_dataset(found: Analysis, data: CaptionData) -> Iterator[Part]:
    """The parts of one dataset, those that there is something of."""
    its = {name: _its(found.table(name), data) for name in ("metric_coverage", "correlations", "pairwise", "corpus")}
    if its["metric_coverage"].height:
        yield _coverage(its["metric_coverage"], data)
    yield from _known(distribution_part(data), dimensions_part(data, its["correlations"]))
    if its["correlations"].height:
        yield from correlation_parts(data, its["correlations"], its["metric_coverage"])
        yield from _known(calibration_part(data, its["correlations"]))
    if its["pairwise"].height:
        yield pairwise_part(data, its["pairwise"])
    if its["corpus"].height:
        yield _corpus(its["corpus"], data)


def _its(table: pl.DataFrame, data: CaptionData) -> pl.DataFrame:
    return table.filter(pl.col("dataset") == data.captions.name)


def _known(*parts: Part | None) -> Iterator[Part]:
    yield from (part for part in parts if part is not None)


def _coverage(covered: pl.DataFrame, data: CaptionData) -> Part:
    return Part(
        name=data.part_name("captions_metrics"),
        title=data.title("metrics and what they cover"),
        frame=covered,
        columns=_COVERAGE,
        filters=[data.rows(key) for key in covered.select(KEY).iter_rows()],
        note="Coverage: captions with a score, of all; used: those that enter correlations; mean: over the used. Rows: "
        "of the judge or the import; of what is computed here, those about the captions.",
    )


def _corpus(corpus: pl.DataFrame, data: CaptionData) -> Part:
    return Part(
        name=data.part_name("captions_corpus"),
        title=data.title("one value for all captions"),
        frame=corpus.with_columns(pl.col("system").fill_null("all")),
        columns=_CORPUS,
        filters=[data.about() if captions else None for captions in corpus["captions"]],
        note="CIDEr is 0 to 10, the others 0 to 1. A system's CIDEr weighs words by its own references. Rows: those "
        "about the captions.",
    )


def _modes(modes: pl.DataFrame) -> Part:
    return Part(
        name="captions_modes",
        title="Where judged scores come from",
        frame=modes,
        columns=_MODES,
        filters=[_judged(row) for row in modes.iter_rows(named=True)],
        note="Modes of the ok scores: expectation over log probabilities, split token, or no log probabilities. Mass: "
        "probability on the scale's integers at an expectation's token.",
    )


def _judged(row: Mapping[str, Any]) -> Filter:
    """All requests of a run: its judges together where it has several."""
    return {"run": row["run"]}


def _notes(document: Mapping[str, Any], found: Analysis) -> Iterator[str]:
    for about in document["datasets"]:
        name = about["dataset"] or "captions"
        kind = about["ratings_kind"]
        made = f" Ratings: {kind}." if kind not in ("", "human") else ""
        yield f"{name}: {numbered(about['items'], 'caption')}, {about['rated']:,} rated.{made}"
        yield from (f"{name}: {note}" for note in dataset_notes(document, about))
    runs = [run for run in found.runs if run.record.job in JOBS]
    simulated = [run.name for run in runs if run.record.simulated]
    if simulated and len(simulated) < len(runs):
        yield f"Simulated: {', '.join(simulated)}; the other runs are not."
