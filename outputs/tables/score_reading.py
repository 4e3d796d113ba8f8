"""What the judges' answers of a run say: one row per answer and dimension of the prompt that it answers.

Each answer is read by the prompt that it was asked with, as the run recorded it, so that a run of several prompts is
read as one, and an old run again without a call. An answer that is not ok keeps its rows, without values: nothing is
dropped and nothing becomes 0.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from outputs.run_record import RunRecord
from outputs.tables.cells import whole, words
from outputs.tables.columns import SCORES
from prompts.parsers import AnswerReader, reader_for
from prompts.records import Completion, Parsed, Score
from prompts.template import parse_prompt


class Answer(Protocol):
    """What is needed of a stored answer."""

    @property
    def seq(self) -> int: ...
    @property
    def custom_id(self) -> str: ...
    @property
    def provider(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def metadata(self) -> dict[str, Any]: ...
    @property
    def completion(self) -> Completion: ...


def readers_of(run: RunRecord, folder: Path | str) -> dict[str, AnswerReader]:
    """What reads the answers to each prompt of a run that asks for scores, by the SHA-256 of the prompt's file.

    Raises InputError, naming `folder` and prompt, for a prompt that this version cannot read.
    """
    found = {}
    for record in run.prompts:
        prompt = parse_prompt(record.text, f"{folder}: prompt {record.name} (as recorded)")
        if prompt.parser is not None and prompt.scale is not None:
            found[record.sha256] = reader_for(prompt)
    return found


def judgements_table(
    answers: Iterable[Answer], readers: Mapping[str, AnswerReader], *, simulated: bool, run: str = ""
) -> pl.DataFrame:
    """The table `scores` (`outputs.tables.columns.SCORES`) of answers at hand, in their order."""
    rows = [row for answer in answers for row in _read(run, answer, readers, simulated)]
    return pl.DataFrame(rows, schema=SCORES.schema, orient="row")


def _read(run: str, answer: Answer, readers: Mapping[str, AnswerReader], simulated: bool) -> Iterator[tuple[Any, ...]]:
    read = readers.get(str(answer.metadata.get("prompt_sha256")))
    if read is not None:
        yield from score_rows(run, answer, read(answer.completion), read.dimensions, simulated=simulated)


def score_rows(
    run: str, answer: Answer, parsed: Parsed, dimensions: Sequence[str], *, simulated: bool
) -> Iterator[tuple[Any, ...]]:
    """The rows of `scores` of one answer as it was read: one for each dimension of its prompt."""
    told = answer.metadata
    turns = told.get("turns")
    about = (
        run,
        answer.seq,
        answer.custom_id,
        words(told.get("stage")) or "",
        words(told.get("item")),
        words(told.get("dataset")) or "",
        words(told.get("model")),
        words(told.get("reference")),
        bool(told.get("control")),
        bool(told.get("self_preference")),
        f"{answer.provider}/{answer.model}",
        whole(told.get("repeat", 0)),
        whole(told.get("answer_repeat", 0)),
        bool(told.get("swapped")),
        len(turns) if isinstance(turns, list) else None,
        whole(told.get("turns_asked")),
        words(told.get("prompt")),
        simulated,
        parsed.outcome.value,
        parsed.reason,
    )
    for dimension in dimensions:
        yield (*about, dimension, *score_cells(parsed.scores.get(dimension)))


def score_cells(score: Score | None) -> tuple[Any, ...]:
    """value, sampled, mass and mode of a score; nulls where there is none."""
    return (None,) * 4 if score is None else (score.value, score.sampled, score.mass, score.mode.value)
