"""Which row of one run is which row of another: by its name, or else by what it is about.

The names that a job gives its requests are the same in every run of the same spec, and a manifest's are its own. Two
runs of other models, or of another prompt, share no name: there a row is what it asks (stage, dataset, item, turn,
repeat, order, model), and without the model where each run has only one.
"""

from dataclasses import dataclass

import polars as pl

from outputs.tables.loading import LoadedRun
from prompts.input_error import InputError

BY_NAME = "custom_id"
_TOLD = ("turn", "repeat", "answer_repeat", "swapped", "question", "tree", "iteration")
_SUBJECT = "subject"
KEY = "row"


@dataclass(frozen=True, slots=True)
class Matching:
    """`rows`: custom_id_a, custom_id_b of the rows that both runs have; `how` says in words what told them."""

    rows: pl.DataFrame
    how: str
    only_a: int
    only_b: int


def match_rows(a: LoadedRun, b: LoadedRun) -> Matching:
    """The rows that two runs have in common. Raises InputError where there is no telling."""
    names = _asked(a).select(BY_NAME).collect(), _asked(b).select(BY_NAME).collect()
    found = _joined(*names, [BY_NAME])
    if found is not None:
        return _matching(found, "by their custom_id", names)
    rows = _places(a), _places(b)
    asked = f"by what they ask ({', '.join(('stage', 'dataset', 'item', *_TOLD[:4]))}"
    for columns, how in (
        (["stage", "dataset", "item", *_TOLD, _SUBJECT], f"{asked}, model)"),
        (["stage", "dataset", "item", *_TOLD], f"{asked}), whatever the model"),
    ):
        found = _joined(*rows, columns)
        if found is not None:
            return _matching(found, how, rows)
    raise InputError(
        "the two runs have no row in common: neither a custom_id, nor one question asked once in each",
        file=b.folder,
    )


def _matching(found: pl.DataFrame, how: str, rows: tuple[pl.DataFrame, pl.DataFrame]) -> Matching:
    return Matching(found, how, rows[0].height - found.height, rows[1].height - found.height)


def _asked(run: LoadedRun) -> pl.LazyFrame:
    return run.scan("requests").filter(pl.col("state") != "withdrawn")


def _joined(a: pl.DataFrame, b: pl.DataFrame, columns: list[str]) -> pl.DataFrame | None:
    """The pairs of custom_ids; None where there are none, or where a key stands for several rows of a run."""
    if columns != [BY_NAME]:
        a, b = (frame.filter(pl.col("item").is_not_null()) for frame in (a, b))
    if any(frame.select(columns).is_duplicated().any() for frame in (a, b)):
        return None
    keys = {f"{column}_key": pl.col(column) for column in columns}
    left = a.select(pl.col(BY_NAME).alias("custom_id_a"), **keys)
    right = b.select(pl.col(BY_NAME).alias("custom_id_b"), **keys)
    found = left.join(right, on=list(keys), how="inner", nulls_equal=True, maintain_order="left")
    return found.select("custom_id_a", "custom_id_b") if found.height else None


def _places(run: LoadedRun) -> pl.DataFrame:
    told = pl.col("metadata").fill_null("{}")
    subject = told.str.json_path_match("$.model").fill_null(told.str.json_path_match("$.target"))
    return (
        _asked(run)
        .select(
            BY_NAME,
            "stage",
            "dataset",
            "item",
            *(told.str.json_path_match(f"$.{name}").alias(name) for name in _TOLD),
            subject.alias(_SUBJECT),
        )
        .collect()
    )
