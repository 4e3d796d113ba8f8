"""The rows of a run without requests, as imported scores are: its items, with the first score that each has."""

from collections.abc import Iterator

import polars as pl

from outputs.browsing.columns import BROWSE, EXCERPT, completed
from outputs.browsing.gathering import APART, HELPERS, TEXT, searchable
from outputs.comparing_items import STAGE
from outputs.items import Item
from outputs.journal import Log
from outputs.judged.differences import OVERALL
from outputs.log_reader import read_records
from outputs.tables.loading import LoadedRun

_ROWS = 20_000  # of a part


class NumberedItem(Item, frozen=True, kw_only=True):
    """An item with the seq of its line."""

    seq: int


def item_parts(run: LoadedRun) -> Iterator[pl.DataFrame]:
    """The items as `gathering` gives the rows of requests; of lines of one item the last counts. At least one part."""
    path = run.folder / Log.ITEMS.file_name
    last = {line.item: line.seq for _, line in read_records(path, NumberedItem)}
    rows: list[dict[str, object]] = []
    for _, line in read_records(path, NumberedItem):
        if last[line.item] == line.seq:
            rows.append(_row(run.record.name, line))
        if len(rows) == _ROWS:
            yield _part(rows)
            rows = []
    yield _part(rows)


def _row(run: str, item: NumberedItem) -> dict[str, object]:
    metric, values = next(iter(item.scores.items()), ("", {}))
    dimension = OVERALL if OVERALL in values else next(iter(values), None)
    named = metric if dimension in (None, OVERALL) else f"{metric} {dimension}"
    return {
        "run": run,
        "request": item.seq,
        "custom_id": item.item,
        "model": item.system or None,
        "stage": STAGE,
        "item": item.item,
        "dataset": item.dataset or None,
        "state": "answered",
        "score": None if dimension is None else values[dimension],
        "dimension": named or None,
        "excerpt": item.candidate,
    }


def _part(rows: list[dict[str, object]]) -> pl.DataFrame:
    schema = {name: kind for name, kind in BROWSE.schema.items() if not rows or name in rows[0]}
    frame = pl.DataFrame(rows, schema=schema)
    helpers = [pl.lit(None, pl.Boolean).alias(name) for name in HELPERS]
    text = pl.concat_str(searchable(pl.col("custom_id")), searchable(pl.col("excerpt")), separator=APART)
    known = completed(frame.with_columns(score=pl.col("score").fill_nan(None)))
    return known.with_columns(*helpers, text.alias(TEXT), pl.col("excerpt").str.slice(0, EXCERPT))
