"""The scores table: what the stored answers of a run say, one row per answer and dimension.

It is computed from the raw answers each time, so a better parser needs no new calls. An answer that is not ok keeps its
rows, without values: nothing is dropped and nothing becomes 0.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import polars as pl

from prompts.records import Completion, Parsed, Score

READ_AS: dict[str, type[pl.DataType]] = {  # how an answer was read, in every table of scores
    "simulated": pl.Boolean,
    "outcome": pl.String,
    "reason": pl.String,
    "dimension": pl.String,
    "value": pl.Float64,
    "sampled": pl.Int64,
    "mass": pl.Float64,
    "mode": pl.String,
}
SCORES_SCHEMA: dict[str, type[pl.DataType]] = {
    "seq": pl.Int64,
    "custom_id": pl.String,
    "item": pl.String,
    "model": pl.String,
    "prompt": pl.String,
    **READ_AS,
}


class Answer(Protocol):
    """What the table needs of a stored answer."""

    @property
    def seq(self) -> int: ...
    @property
    def custom_id(self) -> str: ...
    @property
    def model(self) -> str | None: ...
    @property
    def metadata(self) -> dict[str, Any]: ...
    @property
    def completion(self) -> Completion: ...


def scores_table(
    answers: Iterable[Answer], read: Callable[[Completion], Parsed], dimensions: Sequence[str], *, simulated: bool
) -> pl.DataFrame:
    """One row per answer and dimension, in the answers' order; columns as in `SCORES_SCHEMA`.

    `value` is on the prompt's scale, `mass` a probability; both are null where the outcome is not ok, and `mass` also
    where the mode is not expectation.
    """
    rows = [row for answer in answers for row in _rows(answer, read(answer.completion), dimensions, simulated)]
    return pl.DataFrame(rows, schema=SCORES_SCHEMA, orient="row")


def _rows(answer: Answer, parsed: Parsed, dimensions: Sequence[str], simulated: bool) -> Iterator[tuple[Any, ...]]:
    item, prompt = answer.metadata.get("item"), answer.metadata.get("prompt")
    about = (answer.seq, answer.custom_id, item, answer.model, prompt, simulated, parsed.outcome.value, parsed.reason)
    for dimension in dimensions:
        yield (*about, dimension, *score_cells(parsed.scores.get(dimension)))


def score_cells(score: Score | None) -> tuple[Any, ...]:
    """value, sampled, mass and mode of a score; nulls where there is none."""
    return (None,) * 4 if score is None else (score.value, score.sampled, score.mass, score.mode.value)
