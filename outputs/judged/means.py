"""Mean judgements by model, dataset, judge and dimension, each with its interval, coverage and outcomes.

Every item counts once (see `outputs.judged.panels`). Intervals are of a bootstrap over prompts, the same draws for all
models. Over several datasets there are two means, by their names: the unweighted mean of the sets' means, which is
RSE's Avg (Lee et al., ACL 2025, long.248), and the mean over all items, weighted by how many each set has.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from outputs.analysis_options import Options
from outputs.judged.gathering import Judgements
from outputs.judged.panels import ALL_JUDGES, MACRO, POOLED, Column, Panel
from outputs.statistics.resampling import Interval
from prompts.records import Outcome

OTHERS = tuple(outcome.value for outcome in Outcome if outcome is not Outcome.OK)
UNANSWERED = "unanswered"
GROUP = ("model", "dataset", "judge")
MEANS_SCHEMA: dict[str, type[pl.DataType]] = {
    **dict.fromkeys((*GROUP, "prompt", "reference"), pl.String),
    "control": pl.Boolean,
    "dimension": pl.String,
    "mean": pl.Float64,  # on the prompt's scale; null over nothing
    "low": pl.Float64,  # of the 95 % interval
    "high": pl.Float64,
    "standard_error": pl.Float64,
    "items": pl.Int64,  # with a judgement that could be read: what the mean is over
    "ok": pl.Int64,  # judgements that could be read
    "asked": pl.Int64,  # judgements that there should be, those of answers that failed included
    "coverage": pl.Float64,  # ok / asked
    **dict.fromkeys(OTHERS, pl.Int64),  # judgements by why they could not be read
    UNANSWERED: pl.Int64,  # judgements that there should be and are not
    "runs": pl.Int64,  # that it is from
    "self_preference": pl.Boolean,  # the judge judged answers of its own, or ones held against its own
    "simulated": pl.Boolean,
    "warning": pl.String,  # why there is no mean or interval, or what is doubtful of it
}
_COUNTED = ("ok", *OTHERS)
_CELL = ("dataset", "model", "judge", "control")


def means_table(found: Judgements, panels: Sequence[Panel], options: Options) -> pl.DataFrame:
    """The means of all panels; columns as in `MEANS_SCHEMA`."""
    rows = [row for panel in panels for row in _of_panel(panel, Counts.of(found, panel), options)]
    return pl.DataFrame(rows, schema=MEANS_SCHEMA).with_columns(pl.col(pl.Float64).fill_nan(None))


def _of_panel(panel: Panel, counts: "Counts", options: Options) -> list[dict[str, Any]]:
    """Model by model, controls last."""
    rows = [row for judge in panel.judges for row in _Means(panel, judge, counts, options).rows()]
    return sorted(rows, key=lambda row: (row["control"], row["model"]))


@dataclass(frozen=True, slots=True)
class Counts:
    """How often judgements were asked for and how they were read, by (dataset, model, judge, control)."""

    asked: Counter[tuple[str, str, str, bool]]
    outcomes: Counter[tuple[str, str, str, bool, str, str]]  # the cell, dimension and outcome
    runs: dict[tuple[str, str, str, bool], set[int]]
    own: dict[tuple[str, str, str, bool], bool]
    simulated: bool

    @classmethod
    def of(cls, found: Judgements, panel: Panel) -> "Counts":
        """Those of one panel."""
        here = (pl.col("prompt") == panel.prompt) & (pl.col("reference") == panel.reference)
        rows, asked = found.rows.lazy().filter(here), found.asked.filter(here)
        counted = rows.group_by(*_CELL, "dimension", "outcome").len().collect()
        cells = rows.group_by(_CELL).agg(pl.col("run").unique(), pl.col("self_preference").any()).collect()
        outcomes: Counter[tuple[str, str, str, bool, str, str]] = Counter()
        for *key, times in counted.iter_rows():
            outcomes[tuple(key)] = times
        return cls(
            Counter({key[:-1]: key[-1] for key in asked.select(*_CELL, "asked").iter_rows()}),
            outcomes,
            {key[:4]: set(key[4]) for key in cells.iter_rows()},
            {key[:4]: key[5] for key in cells.iter_rows()},
            bool(rows.select(pl.col("simulated").any()).collect().item()),
        )

    def there(self, cell: tuple[str, str, str, bool]) -> bool:
        """Whether anything was asked of the cell."""
        return cell in self.asked or cell in self.runs


class _Means:
    """The rows of one judge of a panel, or of the mean over its judges."""

    def __init__(self, panel: Panel, judge: str, counts: Counts, options: Options) -> None:
        self.panel, self.options, self.counts = panel.of(judge), options, counts
        self.judges = [one for one in panel.judges if one != ALL_JUDGES] if judge == ALL_JUDGES else [judge]
        self.items = ~np.isnan(self.panel.values)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Column by column: each dataset, then the means over them."""
        intervals, sets = self._intervals(), self.panel.slices()
        single = dict(zip(self.panel.datasets, sets, strict=True))
        for place, column in enumerate(self.panel.columns):
            for dataset, cells in self._tables(column).items():
                counted = self.items[single[dataset]] if dataset in single else self.items
                for layer, dimension in enumerate(self.panel.dimensions):
                    found, items = intervals[dataset, place, layer], int(counted[:, place, layer].sum())
                    least = items if dataset != MACRO else min(int(self.items[s, place, layer].sum()) for s in sets)
                    about = self._about(column, dataset, cells, dimension)
                    yield {**about, "dimension": dimension, "items": items, **_cells(found, least)}

    def _intervals(self) -> dict[tuple[str, int, int], Interval]:
        """By dataset (or mean over them), column and dimension."""
        items, columns, layers = self.panel.values.shape
        flat = self.panel.values.reshape(items, columns * layers)
        by_table = dict(self.panel.intervals(flat, self.options))
        return {
            (dataset, *divmod(n, layers)): interval
            for dataset, intervals in by_table.items()
            for n, interval in enumerate(intervals)
        }

    def _tables(self, column: Column) -> dict[str, list[tuple[str, str, str, bool]]]:
        """The datasets of a column, and the means over them: which cells each is over."""
        cells = [(name, column.model, judge, column.control) for name in self.panel.datasets for judge in self.judges]
        cells = [cell for cell in cells if self.counts.there(cell)]
        single = {name: [cell for cell in cells if cell[0] == name] for name in self.panel.datasets}
        found = {name: its for name, its in single.items() if its}
        return found | ({MACRO: cells, POOLED: cells} if len(single) > 1 else {})

    def _about(
        self, column: Column, dataset: str, cells: list[tuple[str, str, str, bool]], dimension: str
    ) -> dict[str, Any]:
        counts = self.counts
        seen = {name: sum(counts.outcomes[(*cell, dimension, name)] for cell in cells) for name in _COUNTED}
        read = sum(seen.values())
        asked = max(sum(counts.asked[cell] for cell in cells), read)
        return {
            "model": column.model,
            "dataset": dataset,
            "judge": column.judge,
            "prompt": self.panel.prompt,
            "reference": self.panel.reference,
            "control": column.control,
            **seen,
            "asked": asked,
            "coverage": seen["ok"] / asked if asked else None,
            UNANSWERED: asked - read,
            "runs": len(set().union(*(counts.runs.get(cell, set()) for cell in cells))),
            "self_preference": any(counts.own.get(cell, False) for cell in cells),
            "simulated": counts.simulated,
        }


def _cells(found: Interval, least: int) -> dict[str, Any]:
    """The columns of an interval; `least` is how many items its smallest set has."""
    return {"mean": found.estimate, **interval_cells(found, least)}


def interval_cells(found: Interval, items: int) -> dict[str, Any]:
    """low, high, standard_error and warning, for tables; `items` is how many the estimate rests on."""
    if items == 0:
        return {"low": None, "high": None, "standard_error": None, "warning": "no item with a value"}
    if items == 1:
        return {"low": None, "high": None, "standard_error": None, "warning": "one item: no interval"}
    return {**found.ends, "warning": found.warning}
