"""The rows that a report carries along: a sample, drawn by a seed, spread over what its numbers lead to."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from outputs.browsing.columns import BROWSE, Value
from outputs.browsing.dimensions import scores_of
from outputs.browsing.index import RowIndex
from outputs.browsing.whole_texts import whole_texts
from outputs.figures.parts import Analysis, Filter, Section
from outputs.report_page.links import query_of
from outputs.report_page.numbers import MOST_LINES, shortened
from outputs.tables.loading import LoadedRun

ROWS = 600  # that a report carries unless told otherwise
LONGEST_TEXT = 6000  # characters of a row's text
COLUMNS = (*BROWSE.columns, "scores", "texts")

Place = tuple[int, int]  # number of the run, number of the row in it


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows with their texts, in the order in which they were drawn, of `total` that there are.

    `totals`: by the query of an address, how many rows of the runs it selects.
    """

    rows: Sequence[Mapping[str, Any]] = ()
    total: int = 0
    totals: Mapping[str, int] = field(default_factory=dict)

    def count(self, of: Filter) -> int | None:
        """How many rows of the runs a filter selects; None where it has no address."""
        query = query_of(of)
        return None if query is None else self.totals.get(query)

    def fewer(self, share: float) -> "Rows":
        """With this share of the rows, those that were drawn first."""
        return self.first(int(share * len(self.rows)))

    def first(self, number: int) -> "Rows":
        """With so many of the rows, those that were drawn first."""
        return replace(self, rows=self.rows[:number])

    def kept(self) -> dict[str, Any]:
        """As the page keeps them, in the order of the runs and their requests."""
        ordered = sorted(self.rows, key=lambda row: row["place"])
        rows = [[row[name] for name in COLUMNS] for row in ordered]
        return {"columns": COLUMNS, "rows": rows, "total": self.total, "totals": dict(self.totals)}


def rows_of_sections(found: Analysis, sections: Sequence[Section], most: int, seed: int) -> Rows:
    """At most `most` rows of the runs, some of each filter of the sections' parts."""
    indexes = [RowIndex.open(run) for run in found.runs]
    drawing = _Drawing(found.runs, indexes, random.Random(seed), most)
    filters = dict(_filters(sections))
    places = {query: drawing.of(of) for query, of in filters.items()}
    every = drawing.of({})
    drawn = _in_turn([*places.values(), every], most)
    rows = _read(found.runs, indexes, drawn)
    return Rows(rows, sum(index.total for index in indexes), drawing.totals(filters))


def _filters(sections: Sequence[Section]) -> Iterator[tuple[str, Filter]]:
    """By query: the filters of the lines that the page shows."""
    for section in sections:
        for part in section.parts:
            for of in (*part.filters[:MOST_LINES], *part.others[:MOST_LINES]):
                query = None if of is None else query_of(of)
                if of is not None and query is not None:
                    yield query, of


@dataclass(slots=True)
class _Drawing:
    """Draws rows of filters, and counts what they select."""

    runs: Sequence[LoadedRun]
    indexes: Sequence[RowIndex]
    chance: random.Random
    most: int
    _counts: dict[tuple[tuple[str, Value], ...], int] = field(default_factory=dict)

    def of(self, filters: Filter) -> list[Place]:
        """At most `most` rows of each run that the filter selects, in an order of chance, the runs in turn."""
        found = [[(number, place) for place in self._places(number, filters)] for number in range(len(self.runs))]
        self._counts[tuple(filters.items())] = sum(self._count(number, filters) for number in range(len(self.runs)))
        return list(_in_turn(found, self.most))

    def totals(self, filters: Mapping[str, Filter]) -> dict[str, int]:
        """By query: how many rows its filter selects."""
        return {query: self._counts[tuple(of.items())] for query, of in filters.items()}

    def _places(self, number: int, filters: Filter) -> list[int]:
        of = self._within(number, filters)
        if of is None:
            return []
        places = self.indexes[number].numbers(of)
        drawn = self.chance.sample(range(len(places)), min(self.most, len(places)))
        return [int(places[one]) for one in drawn]

    def _count(self, number: int, filters: Filter) -> int:
        of = self._within(number, filters)
        return 0 if of is None else self.indexes[number].count(of)

    def _within(self, number: int, filters: Filter) -> Filter | None:
        """The filter of a run's own rows; None where it is of another run."""
        if filters.get("run", self.runs[number].name) != self.runs[number].name:
            return None
        return {name: value for name, value in filters.items() if name != "run"}


def _in_turn(lists: Sequence[Sequence[Place]], most: int) -> dict[Place, None]:
    """The first of each list, then the second of each, ... until there are `most`, each once."""
    chosen: dict[Place, None] = {}
    for turn in range(max(map(len, lists), default=0)):
        for places in lists:
            if len(chosen) >= most:
                return chosen
            if turn < len(places):
                chosen.setdefault(places[turn])
    return chosen


def _read(runs: Sequence[LoadedRun], indexes: Sequence[RowIndex], drawn: Mapping[Place, None]) -> list[dict[str, Any]]:
    """The rows at these places, in this order."""
    read: dict[Place, dict[str, Any]] = {}
    for number, (run, index) in enumerate(zip(runs, indexes, strict=True)):
        places = [place for of, place in drawn if of == number]
        rows = index.read(places) if places else []
        texts = whole_texts(run, [row["request"] for row in rows]) if rows else {}
        scores = scores_of(run, [row["answer"] for row in rows if row["answer"] is not None])
        for place, row in zip(places, rows, strict=True):
            told = {"scores": scores.get(row["answer"]), "place": (number, place)}
            read[number, place] = _shown(row, texts.get(row["request"])) | told
    return [read[place] for place in drawn]


def _shown(row: Mapping[str, Any], text: str | None) -> dict[str, Any]:
    """A row as plain values, with its texts as (title, text)."""
    values = {name: _plain(row[name]) for name in BROWSE.columns}
    title = {"answered": "Answer", "failed": "Failure"}.get(str(row["state"]), "Text")
    texts = [] if not text else [_text(title, text)]
    return {**values, "texts": texts}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return shortened(value) if isinstance(value, str) else value


def _text(title: str, text: str) -> tuple[str, str]:
    if len(text) <= LONGEST_TEXT:
        return title, text
    return f"{title}: the first {LONGEST_TEXT:,} of {len(text):,} characters", text[:LONGEST_TEXT]
