"""The definition of a table or a chart: its numbers, how they are written, and which rows each of them rests on.

A part is made once and shown in many ways: in the report, as SVG, PDF and PNG, as CSV, Markdown and LaTeX.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import altair as alt
import polars as pl

from outputs.analysis_options import Options
from outputs.report import Report
from outputs.tables.loading import LoadedRun

Chart = alt.Chart | alt.LayerChart | alt.HConcatChart | alt.VConcatChart | alt.FacetChart
Filter = Mapping[str, str | int | float | bool]  # of rows: columns as in outputs.browsing.columns, and their values


class Kind(StrEnum):
    """How a column's values are written."""

    TEXT = "text"
    COUNT = "count"
    NUMBER = "number"
    PERCENT = "percent"  # of a share
    USD = "usd"
    SECONDS = "seconds"
    P = "p"  # of a test


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is shown: `key` in the frame, its heading, and how values are written. With `low` and `high`, the
    columns of its 95 % interval, it is written with it.
    """

    key: str
    heading: str
    kind: Kind = Kind.TEXT
    digits: int = 3
    low: str | None = None
    high: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A table, or with `chart` a figure whose numbers are the table.

    `name` is that of its files: lower case, digits, underscores, the same in every report. `frame` has a row for each
    that is shown, in order, and the values in full. `filters` has as many entries as the frame has rows: the rows of
    the runs that a line rests on, or None where that is no single set of rows; `others`, if any, as many again, where a
    line holds two sets against each other: the rows of the second. `alt` says in a sentence what a chart shows; `note`
    is shown beneath.
    """

    name: str
    title: str
    frame: pl.DataFrame
    columns: Sequence[Column]
    filters: Sequence[Filter | None] = ()
    note: str = ""
    chart: Chart | None = None
    alt: str = ""
    others: Sequence[Filter | None] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """Parts that belong together. `key` is its anchor; `notes` are sentences of what is to be known of the numbers."""

    key: str
    title: str
    parts: Sequence[Part]
    notes: Sequence[str] = ()
    simulated: bool = False
    imported: bool = False


@dataclass(frozen=True, slots=True)
class Analysis:
    """What an analysis has found: what the parts are made of. `report.tables` by name, as `analyze` writes them."""

    runs: Sequence[LoadedRun]
    report: Report
    options: Options = field(default_factory=Options)

    def table(self, name: str) -> pl.DataFrame:
        """A table of the analysis; without rows and columns where it has none of that name."""
        return self.report.tables.get(name, pl.DataFrame())

    def section(self, name: str) -> Mapping[str, Any]:
        """A section of the document, empty where there is none."""
        found: Mapping[str, Any] = self.report.document.get(name, {})
        return found
