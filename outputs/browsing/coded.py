"""The columns of a run's rows by which they are filtered and sorted, as numbers in memory.

A text that stands in many rows is held once, and a number in each row: the place of the text among all of them, in
order. A column with too many different texts, as `custom_id`, stays on disk.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from outputs.browsing.columns import BROWSE, SCORE_MAX, SCORE_MIN, SEVERAL, Value, condition
from outputs.browsing.writing import RANKED, RANKS, ROWS

MOST_TEXTS = 50_000  # different ones that are held of a column
_NOT_HELD = ("run", "excerpt", "custom_id")


class CodedColumns:
    """The columns of the rows in a folder; see `outputs.browsing.writing` for its files."""

    def __init__(self, folder: Path) -> None:
        self._scan = pl.scan_parquet(folder / ROWS, glob=False)
        self._ranks = pl.scan_parquet(folder / RANKS, glob=False)
        texts = [name for name, kind in BROWSE.schema.items() if kind == pl.String and name not in _NOT_HELD]
        self._texts = {name: known for name in texts if (known := self._known(name)) is not None}
        kept = [name for name, kind in BROWSE.schema.items() if kind != pl.String or name in self._texts]
        self._frame = pl.DataFrame([self._column(name) for name in kept])  # one by one: all at once are twice as large
        self._requests = self._frame["request"].to_numpy()

    @property
    def height(self) -> int:
        """How many rows there are."""
        return self._frame.height

    def request(self, place: int) -> int:
        """The seq of the request at a place."""
        return int(self._requests[place])

    @property
    def answers(self) -> pl.Series:
        """The seq of each row's answer."""
        return self._frame["answer"]

    def place(self, request: int) -> int | None:
        """The place of a request by its seq; None where no row has it."""
        place = int(np.searchsorted(self._requests, request))
        return place if place < self.height and self._requests[place] == request else None

    def mask(self, name: str, value: Value) -> NDArray[np.bool_]:
        """Which rows a filter of one column, or of the score, selects."""
        column = "score" if name in (SCORE_MIN, SCORE_MAX) else name
        if column in self._texts:
            found = self._frame.select(self._is_text(name, str(value)))
        elif column in self._frame.columns:
            found = self._frame.select(condition(name, value))
        else:
            found = self._scan.select(condition(name, value)).collect(engine="streaming")
        return found.to_series().to_numpy()

    def order(self, name: str, *, descending: bool) -> NDArray[np.uint32]:
        """The places of all rows, sorted by a column; without a value last, and where equal as the requests are."""
        if name == "request":
            places = np.arange(self.height, dtype=np.uint32)
            return places[::-1].copy() if descending else places
        if name in self._frame.columns:
            column = self._frame.select(name)
        else:
            column = (self._ranks if name in RANKED else self._scan).select(name).collect(engine="streaming")
        return places_by(column, descending=descending)

    def rows(self, places: Sequence[int]) -> list[dict[str, Any]]:
        """What is held of the rows at these places; None for what is not."""
        rows = self._frame[list(places)].to_dicts() if places else []
        for name, known in self._texts.items():
            for row in rows:
                row[name] = None if row[name] is None else known[row[name]]
        return [{name: row.get(name) for name in BROWSE.columns} for row in rows]

    def values(self, name: str, most: int) -> list[tuple[Value, int]]:
        """The values of a column and how often each stands there: the `most` frequent ones, in order."""
        if name not in self._frame.columns:
            return []
        if name == SEVERAL:
            return self._each(most)
        counted = self._frame.group_by(name).len().sort("len", name, descending=[True, False], nulls_last=True)
        shown = counted.head(most).sort(name, nulls_last=True)
        texts = self._texts.get(name)
        return [("" if code is None else code if texts is None else texts[code], n) for code, n in shown.iter_rows()]

    def different(self, name: str) -> int:
        """How many different values a column has, none among them."""
        if name == SEVERAL:
            return len(self._counted())
        if name in self._frame.columns:
            return self._frame[name].n_unique()
        return int(self._scan.select(pl.col(name).n_unique()).collect(engine="streaming").item())

    def _each(self, most: int) -> list[tuple[Value, int]]:
        """The values of the column that has several in a row, each counted by itself; that of rows without any last."""
        found: list[tuple[Value, int]] = [*self._counted().most_common(most)]
        return sorted(found, key=lambda one: (one[0] == "", one[0]))

    def _counted(self) -> Counter[str]:
        counts: Counter[str] = Counter()
        for values, rows in self._frame.group_by(SEVERAL).len().iter_rows():
            known = "" if values is None else self._texts[SEVERAL][values]
            counts.update(dict.fromkeys(known.split("\n"), rows))
        return counts

    def _known(self, name: str) -> list[str] | None:
        """The different texts of a column in order, the empty one counted as none; None where there are too many."""
        found = self._scan.select(pl.col(name).unique()).head(MOST_TEXTS + 2).collect(engine="streaming").to_series()
        known = found.filter(found.is_not_null())
        return None if len(known) > MOST_TEXTS else known.sort().to_list()

    def _column(self, name: str) -> pl.Series:
        known = self._texts.get(name)
        held = pl.col(name) if known is None else pl.col(name).cast(pl.Enum(known)).to_physical()
        return _narrowed(self._scan.select(held).collect(engine="streaming").to_series())

    def _is_text(self, name: str, value: str) -> pl.Expr:
        known = self._texts[name]
        none = pl.col(name).is_null() if value == "" else pl.lit(value=False)
        codes = [code for code, text in enumerate(known) if value in (text.split("\n") if name == SEVERAL else (text,))]
        if not codes:
            return none if value == "" else pl.repeat(value=False, n=pl.len(), dtype=pl.Boolean).alias(name)
        return pl.col(name).is_in(codes).fill_null(value=False) | none


def places_by(column: pl.DataFrame, *, descending: bool) -> NDArray[np.uint32]:
    """The places of the rows of a frame of one column, sorted by it; nulls last, and where equal as they stand."""
    ordered = pl.arg_sort_by(column.columns, descending=descending, nulls_last=True, maintain_order=True)
    return column.select(ordered.cast(pl.UInt32)).to_series().to_numpy()


def _narrowed(column: pl.Series) -> pl.Series:
    """In one piece, and whole numbers in as few bytes as hold all of a column's."""
    return (column.shrink_dtype() if column.dtype == pl.Int64 else column).rechunk()
