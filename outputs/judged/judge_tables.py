"""What can be told of the judges, for the terminal: between judges, between two orders, between repeats."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl
from rich.table import Table

from outputs.judged.differences import OVERALL, headline
from outputs.report import number, short_names, table

_MOST_LINES = 12
_Row = Mapping[str, Any]


def judges_tables(agreement: pl.DataFrame, order: pl.DataFrame, repeats: pl.DataFrame) -> Iterator[Table]:
    """Between judges, between the two orders, between repeats, by what models are compared by: each where it is."""
    if agreement.height:
        rows = _rows(agreement, "first", "second")
        yield table(_AGREEMENT, _AGREEMENT_HEADINGS, _most(_agreement, rows), words=2)
    if order.height:
        yield table(_ORDER, _ORDER_HEADINGS, _most(_order, _rows(order, "judge")), words=2)
    if repeats.height:
        yield table(_REPEATS, _REPEATS_HEADINGS, _most(_repeats, _rows(repeats, "judge")), words=2)


def _agreement(row: _Row) -> tuple[Any, ...]:
    dimension = "" if row["dimension"] == OVERALL else f": {row['dimension']}"
    numbers = (number(row[name], 2) for name in ("alpha_ordinal", "equal", "mean_absolute_difference"))
    return (
        row["first"],
        f"{row['second']}{dimension}",
        row["answers"] or "-",
        *numbers,
        _with_interval(row),
        number(row["spearman_of_models"], 2),
    )


def _order(row: _Row) -> tuple[Any, ...]:
    apart = number(row["mean_absolute_difference"], 2)
    return row["judge"], row["dimension"], row["pairs"], number(row["equal"], 2), apart, _with_interval(row)


def _repeats(row: _Row) -> tuple[Any, ...]:
    counted = (row[name] for name in ("judge", "dimension", "answers", "judgements"))
    return (*counted, number(row["equal"], 2), number(row["spread"]), number(row["widest"]))


_AGREEMENT = (
    "two judges, answer by answer; alpha: Krippendorff's, ordinal; equal: share of equal values; apart: mean absolute "
    "difference; models: rank correlation of the models' means"
)
_AGREEMENT_HEADINGS = ("judge", "other", "answers", "alpha", "equal", "apart", "judge - other, 95 %", "models")
_ORDER = "two texts in both orders; equal: share of equal values; apart: mean absolute difference"
_ORDER_HEADINGS = ("judge", "", "pairs", "equal", "apart", "usual - swapped, 95 %")
_REPEATS = "the same judgement asked again; equal: share of answers; spread: standard deviation within an answer"
_REPEATS_HEADINGS = ("judge", "", "answers", "judgements", "equal", "spread", "widest")


def _most(line: Callable[[_Row], tuple[Any, ...]], rows: Sequence[_Row]) -> list[tuple[Any, ...]]:
    """So many lines as a reader will look at; all are in the table."""
    if len(rows) <= _MOST_LINES:
        return [line(row) for row in rows]
    kept = [line(row) for row in rows[: _MOST_LINES - 1]]
    return [*kept, (f"... {len(rows) - len(kept)} more", *[""] * (len(kept[0]) - 1))]


def _rows(frame: pl.DataFrame, *names: str) -> list[dict[str, Any]]:
    """The lines for the page: by what models are compared by, and with short names in the columns `names`."""
    kept = set(headline(frame["dimension"].unique().to_list()))
    short = short_names(dict.fromkeys(value for name in names for value in frame[name]))
    shown = frame.filter(pl.col("dimension").is_in(kept))
    return shown.with_columns(pl.col(name).replace(short) for name in names).to_dicts()


def _with_interval(row: _Row) -> str:
    """A mean difference; with its interval, where there is one."""
    if row["mean_difference"] is None:
        return "-"
    limits = "" if row["low"] is None else f" [{row['low']:+.2f}, {row['high']:+.2f}]"
    return f"{row['mean_difference']:+.2f}{limits}"
