"""The section on captions: metrics' scores, and how they agree with people's ratings and with each other.

Runs that judge captions (`gveval`) and runs of imported scores (`scores`) are taken together: an item of the same id is
the same caption in all of them. Whatever rests on simulated answers or constructed ratings says so.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from outputs.analysis_options import Options
from outputs.captions.agreement import human_agreement
from outputs.captions.compared import COMPARISONS_SCHEMA, comparison_rows
from outputs.captions.corpus import CORPUS_SCHEMA, corpus_table
from outputs.captions.correlated import CORRELATIONS_SCHEMA, correlation_rows
from outputs.captions.covered import COVERAGE_SCHEMA, coverage_table
from outputs.captions.joining import CaptionSet, join_items
from outputs.captions.judged import dimensions_of
from outputs.captions.metric_names import METRICS
from outputs.captions.metric_scores import METRIC_SCORES_SCHEMA, score_captions
from outputs.captions.modes import MODES_SCHEMA, modes_table
from outputs.captions.page import captions_page
from outputs.captions.pairwise import PAIRWISE_SCHEMA, pairwise_table
from outputs.captions.points import human_dimensions, points_of
from outputs.captions.protocols import Protocol, chosen_protocols
from outputs.captions.resampled import resample
from outputs.captions.series import Series, held_against, series_of
from outputs.captions.systems import resample_systems, system_comparison_rows, system_rows, systems_of
from outputs.report import Report, records
from outputs.tables.loading import LoadedRun

_SCHEMAS: dict[str, dict[str, type[pl.DataType]]] = {
    "metric_scores": METRIC_SCORES_SCHEMA,
    "metric_coverage": COVERAGE_SCHEMA,
    "correlations": CORRELATIONS_SCHEMA,
    "comparisons": COMPARISONS_SCHEMA,
    "pairwise": PAIRWISE_SCHEMA,
    "corpus": CORPUS_SCHEMA,
    "modes": MODES_SCHEMA,
}
_IN_TABLES_ONLY = "metric_scores"


def report_captions(runs: Sequence[LoadedRun], options: Options) -> Report:
    """The tables of runs that score captions.

    Raises InputError for a run that it cannot read, for runs that say different things of one item, and for a protocol
    that is not known.
    """
    chosen = chosen_protocols(options.protocols)
    sets = join_items(runs)
    parts = [_of_set(captions, runs, options, chosen) for captions in sets] + [{"modes": _modes(runs)}]
    tables = {
        name: pl.concat([pl.DataFrame(schema=schema), *(part[name] for part in parts if name in part)])
        for name, schema in _SCHEMAS.items()
    }
    document: dict[str, Any] = {
        "runs": [run.name for run in runs],
        "datasets": [_about(captions, chosen) for captions in sets],
        **{name: records(table) for name, table in tables.items() if name != _IN_TABLES_ONLY},
    }
    return Report(tables, document, captions_page(document))


def _about(captions: CaptionSet, chosen: Sequence[Protocol]) -> dict[str, Any]:
    items = captions.items.values()
    return {
        "dataset": captions.name,
        "runs": [run.name for run in captions.runs],
        "items": len(captions.items),
        "rated": sum(bool(item.ratings) for item in items),
        "with_references": sum(any(item.references) for item in items),
        "rated_dimensions": list(captions.rated),
        "protocols": [protocol.value for protocol in (chosen or (captions.field.protocol,))],
        "published": captions.field.tau,
        "ratings_kind": captions.ratings_kind,
        "simulated": captions.simulated or any(run.record.simulated for run in captions.runs),
    }


def _of_set(
    captions: CaptionSet, runs: Sequence[LoadedRun], options: Options, chosen: Sequence[Protocol]
) -> dict[str, pl.DataFrame]:
    scored = score_captions(captions, runs, include_sampled=options.include_sampled)
    series = series_of(scored.scores, list(captions.items))
    correlations, comparisons = _correlate(captions, series, options, chosen)
    rated = {name for name, item in captions.items.items() if item.ratings}
    return {
        "metric_scores": scored.scores,
        "metric_coverage": coverage_table(scored.scores, rated),
        "correlations": pl.DataFrame(correlations, schema=CORRELATIONS_SCHEMA, orient="row"),
        "comparisons": pl.DataFrame(comparisons, schema=COMPARISONS_SCHEMA, orient="row"),
        "pairwise": pairwise_table(captions, series, options),
        "corpus": corpus_table(captions, scored),
    }


def _correlate(
    captions: CaptionSet, series: Sequence[Series], options: Options, chosen: Sequence[Protocol]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of `correlations` and of `comparisons`."""
    items = list(captions.items.values())
    correlations: list[dict[str, Any]] = []
    comparisons: list[dict[str, Any]] = []
    rated = human_dimensions(captions.rated)
    for dimension in rated:
        fitting = held_against(series, dimension, rated)
        human = human_agreement(items, dimension)
        for protocol in chosen or (captions.field.protocol,):
            points = points_of(items, dimension, protocol)
            commons = resample(points, fitting, options)
            own = [commons[(at,)] for at in range(len(fitting))]
            segment = correlation_rows(captions, points, fitting, own, human, include_sampled=options.include_sampled)
            correlations += segment
            comparisons += comparison_rows(captions, points, fitting, commons, options)
        systems = systems_of(captions, dimension)
        if systems is not None:
            commons = resample_systems(systems, fitting, options)
            correlations += system_rows(captions, systems, fitting, commons, include_sampled=options.include_sampled)
            comparisons += system_comparison_rows(captions, systems, fitting, commons, options)
    return correlations, comparisons


def _modes(runs: Iterable[LoadedRun]) -> pl.DataFrame:
    """The modes of the judged runs, by judge."""
    frames = [pl.DataFrame(schema=MODES_SCHEMA)]
    for run in runs:
        if run.record.job not in METRICS:
            continue
        dimensions = dimensions_of(run.record, run.folder)
        scores = run.scan("scores").filter(pl.col("dimension").is_in(dimensions)).collect()
        judge = ", ".join(scores["judge"].unique(maintain_order=True))
        about: dict[str, Any] = {"run": run.name, "judge": judge, "simulated": run.record.simulated}
        frames.append(modes_table(scores, dimensions, asked=run.counts.asked, **about))
    return pl.concat(frames)
