"""The table `corpus`: one value of each computed metric for all captions together, and for those of each system."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from outputs.captions.joining import CaptionSet
from outputs.captions.metric_scores import CaptionScores

CORPUS_SCHEMA: dict[str, type[pl.DataType]] = {
    "dataset": pl.String,
    "system": pl.String,  # null: all captions together
    "metric": pl.String,
    "value": pl.Float64,  # 0 to 1, CIDEr 0 to 10; null where the metric is absent
    "captions": pl.Int64,  # that it is over
    "coverage": pl.Float64,  # of the dataset's captions, or the system's
    "reason": pl.String,
    "simulated": pl.Boolean,
}


def corpus_table(captions: CaptionSet, scored: CaptionScores) -> pl.DataFrame:
    """A row for each metric, absent ones with their reason; then for each system, where captions name two or more.

    A system's CIDEr weighs words by how rare they are among that system's references, as everywhere in the field.
    """
    rows = list(_rows(captions, None, scored.corpus, scored.absent))
    systems = sorted({item.system for item in captions.items.values() if item.system})
    for system in systems if len(systems) > 1 else []:
        rows += _of_system(captions, system)
    return pl.DataFrame(rows, schema=CORPUS_SCHEMA, orient="row")


def _of_system(captions: CaptionSet, system: str) -> Iterator[dict[str, Any]]:
    from outputs.metrics.captions import caption_metrics

    its = [item for item in captions.items.values() if item.system == system]
    usable = [item for item in its if item.candidate and item.references]
    if usable:
        found = caption_metrics(usable)
        yield from _rows(captions, system, found.corpus, found.absent)


def _rows(captions: CaptionSet, system: str | None, values: Any, absent: Any) -> Iterator[dict[str, Any]]:
    items = [item for item in captions.items.values() if system is None or item.system == system]
    over = sum(bool(item.candidate and item.references) for item in items)
    about = {"dataset": captions.name, "system": system, "simulated": captions.simulated}
    for metric, value in values.items():
        coverage = over / len(items) if items else float("nan")
        yield about | {"metric": metric, "value": value, "captions": over, "coverage": coverage, "reason": None}
    for metric, reason in absent.items():
        yield about | {"metric": metric, "value": None, "captions": 0, "coverage": 0.0, "reason": reason}
