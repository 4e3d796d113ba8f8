"""What is compared of two runs without requests, as imports of scores are: the items that both have.

A score that was imported is told by its metric and dimension, an answer is the caption that an item brings. What is
resampled are pictures or clips, as far as items name them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from outputs.captions.points import cluster_of
from outputs.items import Item
from outputs.matching import Matching
from outputs.tables.loading import LoadedRun
from prompts.input_error import InputError

STAGE = "imported"
_NAMES = {"custom_id_a": pl.String, "custom_id_b": pl.String, "item_a": pl.String, "stage_a": pl.String}
_MODELS = {"model_a": pl.String, "model_b": pl.String}
_ANSWERS: dict[str, type[pl.DataType]] = {
    **_NAMES,
    **_MODELS,  # the system that made the caption; null where the item names none
    **{f"{name}_{side}": pl.String for name in ("state", "text") for side in "ab"},
    **{f"{name}_{side}": pl.Float64 for name in ("output_tokens", "cost_usd") for side in "ab"},  # not known
}
_SCORES: dict[str, type[pl.DataType]] = {
    **_NAMES,
    **_MODELS,  # the metric
    **{f"judge_{side}": pl.String for side in "ab"},  # null: no judge is known
    "dimension": pl.String,
    **{f"value_{side}": pl.Float64 for side in "ab"},
}


def match_items(a: LoadedRun, b: LoadedRun) -> tuple[Matching, pl.DataFrame, pl.DataFrame]:
    """The items of both, their captions and their scores, in the columns that `outputs.comparing` has of requests.

    Raises InputError where the runs share no item.
    """
    ours, theirs = a.items(), b.items()
    both = {name: (item, theirs[name]) for name, item in ours.items() if name in theirs}
    if not both:
        raise InputError(
            "the two runs have no item in common: neither has requests, and no id is in both", file=b.folder
        )
    rows = pl.DataFrame({f"custom_id_{side}": list(both) for side in "ab"})
    matching = Matching(rows, "by item, resampled by picture or clip", len(ours) - len(both), len(theirs) - len(both))
    answers, scores = _answers(both), _scores(both)
    return matching, pl.DataFrame(answers, schema=_ANSWERS), pl.DataFrame(scores, schema=_SCORES)


def _answers(both: Mapping[str, tuple[Item, Item]]) -> list[dict[str, Any]]:
    return [
        {
            **_named(name, pair[0]),
            **{f"model_{side}": item.system or None for side, item in zip("ab", pair, strict=True)},
            **{f"text_{side}": item.candidate for side, item in zip("ab", pair, strict=True)},
            **{
                f"state_{side}": "answered" if item.candidate else "none" for side, item in zip("ab", pair, strict=True)
            },
        }
        for name, pair in both.items()
        if any(item.candidate for item in pair)
    ]


def _scores(both: Mapping[str, tuple[Item, Item]]) -> list[dict[str, Any]]:
    """A row for each item and each metric's dimension that either run has of any of them."""
    kinds = dict.fromkeys(kind for pair in both.values() for item in pair for kind in _kinds(item))
    return [
        {
            **_named(name, pair[0]),
            "model_a": metric,
            "model_b": metric,
            "dimension": dimension,
            **{
                f"value_{side}": item.scores.get(metric, {}).get(dimension)
                for side, item in zip("ab", pair, strict=True)
            },
        }
        for metric, dimension in kinds
        for name, pair in both.items()
    ]


def _kinds(item: Item) -> Iterator[tuple[str, str]]:
    for metric, values in item.scores.items():
        for dimension in values:
            yield metric, dimension


def _named(name: str, item: Item) -> dict[str, str]:
    return {"custom_id_a": name, "custom_id_b": name, "item_a": cluster_of(item), "stage_a": STAGE}
