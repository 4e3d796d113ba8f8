"""Judgements as matrices: one row per item, one column per model and judge, a layer per dimension, NaN for missing.

A panel holds what is comparable: judgements by one prompt, against one reference. An item's repeats, both orders and
its several answers are averaged first, so that every item counts once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from outputs.analysis_options import Options
from outputs.judged.gathering import Judgements
from outputs.statistics.columns import column_intervals
from outputs.statistics.resampling import Floats, Interval, Statistic

ALL_JUDGES = "(mean of judges)"
MACRO = "(mean of datasets)"  # the unweighted mean of the sets' means, RSE's Avg
POOLED = "(sample-weighted)"  # the mean over all items
_COLUMN = ["model", "judge", "control"]
_ITEM = ["dataset", "item"]


@dataclass(frozen=True, slots=True)
class Column:
    """Whose answers, and who judged; `control`: the reference against itself."""

    model: str
    judge: str
    control: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """`values` (items, columns, dimensions) on the prompt's scale; the items stand dataset by dataset.

    `sizes` says how many items each of `datasets` has, `asked` which judge was asked about which dataset.
    """

    prompt: str
    reference: str
    datasets: tuple[str, ...]
    sizes: tuple[int, ...]
    columns: tuple[Column, ...]
    dimensions: tuple[str, ...]
    values: Floats
    asked: frozenset[tuple[str, str]]

    @property
    def judges(self) -> tuple[str, ...]:
        """In the order of the columns; the mean over judges last."""
        return tuple(dict.fromkeys(column.judge for column in self.columns))

    def of(self, judge: str) -> "Panel":
        """What one judge said, over the datasets that it was asked about; of the mean over judges, that all were."""
        judges = [one for one in self.judges if one != ALL_JUDGES] if judge == ALL_JUDGES else [judge]
        kept = [n for n, name in enumerate(self.datasets) if all((one, name) in self.asked for one in judges)]
        rows = np.isin(self.strata(), kept)
        columns = [n for n, column in enumerate(self.columns) if column.judge == judge]
        return replace(
            self,
            datasets=tuple(self.datasets[n] for n in kept),
            sizes=tuple(self.sizes[n] for n in kept),
            columns=tuple(self.columns[n] for n in columns),
            values=self.values[rows][:, columns],
        )

    def slices(self) -> list[slice]:
        """The rows of each dataset."""
        ends = np.cumsum(self.sizes).tolist()
        return [slice(end - size, end) for end, size in zip(ends, self.sizes, strict=True)]

    def strata(self) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """The place of each item's dataset."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def intervals(self, values: Floats, options: Options) -> Iterator[tuple[str, list[Interval]]]:
        """Of the columns of `values` (items, columns): of each dataset and, where several, of both means over them."""
        made = partial(column_intervals, resamples=options.resamples, seed=options.seed)
        for dataset, rows in zip(self.datasets, self.slices(), strict=True):
            yield dataset, made(values[rows], np.arange(len(values[rows])))[0]
        if len(self.datasets) > 1:
            overall = partial(overall_means, sets=len(self.datasets))
            over = made(values, np.arange(len(values)), strata=self.strata(), make=overall, layers=2)
            yield from zip((MACRO, POOLED), over, strict=True)

    def tested(self) -> list[int]:
        """The columns of the models that are compared, without controls."""
        return [place for place, column in enumerate(self.columns) if not column.control]


def make_panels(found: Judgements) -> list[Panel]:
    """One panel for each prompt and reference, in a fixed order; also where nothing could be read."""
    keys = _distinct(("prompt", "reference"), found.rows, found.asked).sort(pl.all())
    return [_panel(found, prompt, reference) for prompt, reference in keys.iter_rows()]


def _distinct(names: Sequence[str], *frames: pl.DataFrame) -> pl.DataFrame:
    """What stands in these columns of any of the frames, once each: names as texts."""
    return pl.concat([frame.select(names).unique().cast({pl.Categorical: pl.String}) for frame in frames]).unique()


def _panel(found: Judgements, prompt: str, reference: str) -> Panel:
    here = (pl.col("prompt") == prompt) & (pl.col("reference") == reference)
    rows, asked = found.rows.lazy().filter(here), found.asked.filter(here)
    dimensions = found.dimensions.get(prompt, ())
    grouped = rows.group_by(*_ITEM, *_COLUMN, "dimension", maintain_order=True)
    cells = grouped.agg(pl.col("value").mean()).collect()
    items = cells.select(_ITEM).unique().sort(_ITEM).with_row_index("row")
    columns = _distinct(_COLUMN, cells, asked).sort("control", "model", "judge").with_row_index("column")
    layers = pl.DataFrame({"dimension": dimensions}, schema={"dimension": pl.String}).with_row_index("layer")
    placed = cells.join(items, on=_ITEM)
    for keys, places in ((_COLUMN, columns), (["dimension"], layers)):
        placed = placed.join(places.cast({name: cells.schema[name] for name in keys}), on=keys)
    values = np.full((items.height, columns.height, len(dimensions)), np.nan)
    at = tuple(placed[name].to_numpy() for name in ("row", "column", "layer"))
    values[at] = placed["value"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    datasets = sorted({*items["dataset"], *asked["dataset"]})
    counted = dict(items.group_by("dataset").len().iter_rows())
    sizes = tuple(int(counted.get(name, 0)) for name in datasets)
    listed = tuple(Column(*row) for row in columns.select(_COLUMN).iter_rows())
    judged = frozenset(_distinct(("judge", "dataset"), cells, asked).iter_rows())
    return _with_all_judges(Panel(prompt, reference, tuple(datasets), sizes, listed, dimensions, values, judged))


def _with_all_judges(panel: Panel) -> Panel:
    """With a column for the mean over judges of each model that all of them judged, over the items that all could."""
    judges = panel.judges
    if len(judges) < 2 or not any(all((one, name) in panel.asked for one in judges) for name in panel.datasets):
        return panel
    added, means = [], []
    for model, control in dict.fromkeys((column.model, column.control) for column in panel.columns):
        of = [n for n, column in enumerate(panel.columns) if (column.model, column.control) == (model, control)]
        if len(of) == len(judges):
            added.append(Column(model, ALL_JUDGES, control))
            means.append(panel.values[:, of].mean(axis=1, keepdims=True))
    return replace(panel, columns=(*panel.columns, *added), values=np.concatenate([panel.values, *means], axis=1))


def macro_mean(set_means: Floats) -> Floats:
    """The unweighted mean over sets (sets, ...), as RSE's Avg is (Lee et al., ACL 2025, long.248).

    NaN where a set has none: a mean of some is not the mean of all.
    """
    return np.asarray(set_means.mean(axis=0))


def overall_means(values: Floats, set_of: NDArray[np.int64], sets: int) -> Statistic:
    """Of `values` (items, columns), NaN for missing: the macro means of all columns, then their sample-weighted means.

    `set_of` (items,), rising, says which of the `sets` an item is of; a column without one of them has no macro mean.
    """
    starts = np.searchsorted(set_of, np.arange(sets + 1)).tolist()
    slices = [slice(start, end) for start, end in pairwise(starts)]
    there = ~np.isnan(values)
    filled, mask = np.where(there, values, 0.0), there.astype(np.float64)

    def means(weights: Floats) -> Floats:
        sums = np.stack([weights[:, rows] @ filled[rows] for rows in slices])
        counts = np.stack([weights[:, rows] @ mask[rows] for rows in slices])
        return np.concatenate(
            [macro_mean(ratio_of(sums, counts)), ratio_of(sums.sum(axis=0), counts.sum(axis=0))], axis=1
        )

    return means


def ratio_of(sums: Floats, counts: Floats) -> Floats:
    """NaN where nothing was counted."""
    return np.asarray(np.divide(sums, counts, out=np.full(counts.shape, np.nan), where=counts > 0))
