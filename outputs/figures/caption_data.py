"""What the parts on captions are made of: a dataset's captions with their scores, and which rows a number rests on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from outputs.analysis_options import Options
from outputs.browsing.columns import SCORE_OF
from outputs.captions.joining import CaptionSet, join_items
from outputs.captions.judged import OVERALL
from outputs.captions.metric_names import METRICS, metric_name
from outputs.captions.metric_scores import COMPUTED, IMPORTED, JUDGED
from outputs.captions.page_names import Names, names_of
from outputs.captions.series import Series, series_of
from outputs.figures.labels import text_labels
from outputs.figures.parts import Analysis, Filter
from outputs.tables.loading import LoadedRun

JOBS = frozenset({*METRICS, "scores"})
KEY = ("metric", "judge", "source")
Row = Mapping[str, Any]
Key = tuple[str, str | None, str]


@dataclass(frozen=True, slots=True)
class CaptionData:
    """A dataset. `number`: its place in the report, from 1; `alone`: the runs have no other.

    `scores`: its rows of `metric_scores`; `series`: the same as numbers in the captions' order; `names`: what its
    metrics are called, `labels` what a chart calls these; `options` are those of the analysis.
    """

    number: int
    alone: bool
    captions: CaptionSet
    scores: pl.DataFrame
    series: tuple[Series, ...]
    names: Names
    labels: Mapping[str, str]
    options: Options
    _rows: dict[Key, Filter | None] = field(default_factory=dict)  # what was found already

    def part_name(self, base: str) -> str:
        """Of a part: the same in every report, and told apart where there are several datasets."""
        return base if self.number == 1 else f"{base}_{self.number}"

    def title(self, what: str) -> str:
        """Of a part, with the dataset's name."""
        return f"{self.captions.name or 'captions'}: {what}"

    def label(self, row: Row) -> str:
        """What a chart calls the metric of a row."""
        return self.labels[self.names(row)]

    def metrics(self, source: str) -> list[Key]:
        """The metrics of a source by their key, in their order."""
        return self.scores.filter(pl.col("source") == source).select(KEY).unique(maintain_order=True).rows()

    def of(self, key: Key) -> pl.DataFrame:
        """The scores of one metric."""
        metric, judge, source = key
        its = pl.col("judge").eq_missing(pl.lit(judge, pl.String))
        return self.scores.filter(pl.col("metric") == metric, its, pl.col("source") == source)

    def rows(self, key: Key) -> Filter | None:
        """The rows of the captions that a metric was to score; None where no filter selects just these."""
        if key not in self._rows:
            self._rows[key] = self._found(key)
        return self._rows[key]

    def scored(self, key: Key, dimension: str) -> Filter | None:
        """The rows that have a score of a dimension; None where none has, or several have one together."""
        if key[2] == COMPUTED:
            return None  # no row has it as its score
        rows, its = self.rows(key), self.of(key)
        dimensions = its["dimension"].unique(maintain_order=True).to_list()
        main = OVERALL if OVERALL in dimensions else dimensions[0]
        once = key[2] == IMPORTED or not (its["asked"] > 1).any()
        if rows is None or not once or (dimension != main and key[2] != JUDGED):
            return None
        if dimension != main:
            return {**rows, SCORE_OF: dimension}
        called = dimension if key[2] == JUDGED else key[0] if dimension == OVERALL else f"{key[0]} {dimension}"
        return {**rows, "dimension": called}

    def _found(self, key: Key) -> Filter | None:
        metric, judge, source = key
        if source == JUDGED and judge is not None:
            return self._judged(metric, judge, int(self._first(key)["asked"].sum()))
        return self._imported(key) if source == IMPORTED else self.about()

    def about(self) -> Filter | None:
        """The rows about the captions in the first run that has them, which is what is computed here rests on."""
        rows = {"run": self.captions.runs[0].name}
        named = all(item.dataset == self.captions.name for item in self.captions.items.values())
        return rows if self.alone else {**rows, "dataset": self.captions.name} if named else None

    def _first(self, key: Key) -> pl.DataFrame:
        """The scores of a metric in its first dimension: a row a caption."""
        its = self.of(key)
        return its.filter(pl.col("dimension") == its["dimension"][0])

    def _judged(self, metric: str, judge: str, asked: int) -> Filter | None:
        found: list[Filter] = []
        for run in self.captions.runs:
            if run.record.job in METRICS and metric in (name := metric_name(run.record), f"{name} (run {run.name})"):
                found += _lane(run, judge, self.captions.name, asked)
        return found[0] if len(found) == 1 else None

    def _imported(self, key: Key) -> Filter | None:
        """Items are the rows of a run of scores: all of its items, or all of its dataset."""
        items = list(self.captions.items.values())
        if len(self.captions.runs) > 1 or self._first(key)["value"].null_count():
            return None
        if any(next(iter(item.scores)) != key[0] for item in items):
            return None  # a row shows the first of its scores
        return self.about()


def within(rows: Filter | None, low: float, high: float) -> Filter | None:
    """Of some rows those whose score lies in a range, both ends included."""
    return None if rows is None else {**rows, "score_min": low, "score_max": high}


def caption_data(found: Analysis) -> Iterator[CaptionData]:
    """The datasets of an analysis, in their order."""
    runs = [run for run in found.runs if run.record.job in JOBS]
    sets = join_items(runs)
    scores, coverage = found.table("metric_scores"), found.table("metric_coverage")
    for number, captions in enumerate(sets, 1):
        its = scores.filter(pl.col("dataset") == captions.name)
        metrics = coverage.filter(pl.col("dataset") == captions.name)
        names = names_of(metrics.iter_rows(named=True))
        labels = text_labels(names(row) for row in metrics.iter_rows(named=True))
        series = tuple(series_of(its, list(captions.items)))
        yield CaptionData(number, len(sets) == 1, captions, its, series, names, labels, found.options)


def _lane(run: LoadedRun, judge: str, dataset: str, asked: int) -> Iterator[Filter]:
    """The rows of a judge in a run, if they are as many as were asked; those of the dataset, if these are."""
    lane = pl.concat_str("provider", "model", separator="/") == judge
    rows = run.scan("requests").filter(pl.col("state") != "withdrawn", lane)
    total, its = rows.select(pl.len(), (pl.col("dataset") == dataset).sum().alias("its")).collect().row(0)
    if asked and total == asked:
        yield {"run": run.name, "lane": judge}
    elif asked and its == asked:
        yield {"run": run.name, "lane": judge, "dataset": dataset}
