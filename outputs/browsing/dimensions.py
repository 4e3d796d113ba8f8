"""The scores of rows by dimension, where a row has several: a row holds its main one, the others are read when asked.

They are read from the table of scores. Where that was made anew meanwhile, it says the same of the same answers.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from outputs.browsing.coded import places_by
from outputs.browsing.columns import SCORE_OF, Value, condition
from outputs.tables.loading import LoadedRun


class Dimensions:
    """The table of scores at a path, told by the rows' answers (a seq for each row, null where it has none)."""

    def __init__(self, scores: Path, answers: pl.Series) -> None:
        self._scores = scores
        self._answers = pl.DataFrame({"seq": answers.cast(pl.Int64)})
        self._known: list[tuple[str, int]] | None = None
        self._last: tuple[str, pl.Series] | None = None

    def known(self) -> list[tuple[str, int]]:
        """The dimensions, and how many rows have a score of each; of a single one nothing, as rows hold that."""
        if self._known is None:
            counts = pl.col("seq").is_in(self._answers["seq"].drop_nulls().implode())
            found = self._read(counts).group_by("dimension").len().sort("dimension").collect(engine="streaming")
            self._known = list(found.iter_rows()) if found.height > 1 else []
        return self._known

    def mask(self, dimension: str, name: str, value: Value) -> NDArray[np.bool_]:
        """Which rows a filter of the score selects in a dimension; with `SCORE_OF`, those that have a score there."""
        wanted = pl.col("score").is_not_null() if name == SCORE_OF else condition(name, value)
        return self.scored(dimension).to_frame().select(wanted).to_series().to_numpy()

    def order(self, dimension: str, *, descending: bool) -> NDArray[np.uint32]:
        """The places of all rows, sorted by their score in a dimension."""
        return places_by(self.scored(dimension).to_frame(), descending=descending)

    def scored(self, dimension: str) -> pl.Series:
        """The score of each row in a dimension; null where it has none."""
        if self._last is None or self._last[0] != dimension:
            found = self._read(pl.col("dimension") == dimension).select("seq", "score").collect(engine="streaming")
            joined = self._answers.join(found, on="seq", how="left", maintain_order="left")
            self._last = dimension, joined["score"].rechunk()
        return self._last[1]

    def _read(self, wanted: pl.Expr) -> pl.LazyFrame:
        return _scores(pl.scan_parquet(self._scores, glob=False).filter(wanted))


def scores_of(run: LoadedRun, answers: Sequence[int]) -> dict[int, dict[str, float]]:
    """By the seq of an answer, of these, its scores by dimension; of those that have several."""
    found: dict[int, dict[str, float]] = {}
    for seq, dimension, score in _scores(run.scan("scores").filter(pl.col("seq").is_in(answers))).collect().iter_rows():
        found.setdefault(seq, {})[dimension] = score
    return {seq: scores for seq, scores in found.items() if len(scores) > 1}


def _scores(table: pl.LazyFrame) -> pl.LazyFrame:
    return table.select("seq", "dimension", score=pl.col("value").fill_nan(None)).drop_nulls()
