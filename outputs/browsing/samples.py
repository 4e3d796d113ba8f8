"""Some rows of a run with all their texts, for a page that cannot hold all of them."""

import random
from dataclasses import dataclass
from typing import Any

import polars as pl

from outputs.browsing.columns import Filter
from outputs.browsing.index import RowIndex
from outputs.tables.loading import LoadedRun


@dataclass(frozen=True, slots=True)
class Sample:
    """`rows`, in the order of the requests: columns as in `outputs.browsing.columns.BROWSE`, and `text`, the whole
    answer, refusal or failure. They are of the `found` that the filter selects.
    """

    rows: list[dict[str, Any]]
    found: int


def sample(run: LoadedRun, filters: Filter, seed: int, n: int, index: RowIndex | None = None) -> Sample:
    """At most `n` rows that a filter selects, drawn with `seed`; give the run's `index` where several are drawn."""
    index = RowIndex.open(run) if index is None else index
    places = index.numbers(filters).tolist()
    drawn = sorted(random.Random(seed).sample(places, n)) if len(places) > n else places
    rows = index.read(drawn)
    texts = whole_texts(run, [row["request"] for row in rows])
    return Sample([row | {"text": texts.get(row["request"], row["excerpt"])} for row in rows], len(places))


def whole_texts(run: LoadedRun, requests: list[int]) -> dict[int, str]:
    """The whole answers, refusals or failures of these requests; those without any are not there."""
    answers = run.scan("responses").filter("counts", pl.col("request").is_in(requests))
    failures = run.scan("outcomes").filter(pl.col("request").is_in(requests))
    found = failures.select("request", "failure_message").collect(engine="streaming").iter_rows()
    told = answers.select("request", pl.coalesce("text", "refusal")).collect(engine="streaming").iter_rows()
    return {request: text for one in (found, told) for request, text in one if text is not None}
