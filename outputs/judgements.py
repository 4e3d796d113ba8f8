"""The judgements of a run: what its judges' answers say, one row per answer and dimension.

Each answer is read by the prompt that it was asked with, as the run recorded it, so that a run of several prompts is
read as one, and an old run again without a call. An answer that is not ok keeps its rows, without values.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from outputs.answers import StoredAnswer, count_requests
from outputs.report import count
from outputs.run_record import RunRecord
from outputs.scores import READ_AS, score_cells
from prompts.parsers import AnswerReader, reader_for
from prompts.template import parse_prompt

_REASONS_SHOWN = 5
JUDGEMENTS_SCHEMA: dict[str, type[pl.DataType]] = {
    "seq": pl.Int64,  # of the answer's line in responses.jsonl
    "custom_id": pl.String,
    "stage": pl.String,
    "item": pl.String,
    "dataset": pl.String,
    "model": pl.String,  # whose answer was judged; null where the row is of no model
    "reference": pl.String,
    "control": pl.Boolean,  # the reference against itself
    "self_preference": pl.Boolean,  # the judge judged an answer of its own, or one held against its own
    "judge": pl.String,  # provider/model, as it was asked
    "repeat": pl.Int64,
    "swapped": pl.Boolean,
    "turns": pl.Int64,  # of a dialogue that was judged: those that have an answer; null for other rows
    "turns_asked": pl.Int64,
    "prompt": pl.String,
    **READ_AS,
}


def readers_of(run: RunRecord, folder: Path | str) -> dict[str, AnswerReader]:
    """What reads the answers to each prompt of a run that asks for scores, by the SHA-256 of the prompt's file."""
    found = {}
    for record in run.prompts:
        prompt = parse_prompt(record.text, f"{folder}: prompt {record.name} (as recorded)")
        if prompt.parser is not None and prompt.scale is not None:
            found[record.sha256] = reader_for(prompt)
    return found


def judgements_table(
    answers: Iterable[StoredAnswer], readers: Mapping[str, AnswerReader], *, simulated: bool
) -> pl.DataFrame:
    """One row per judge's answer and dimension, in the answers' order; columns as in `JUDGEMENTS_SCHEMA`.

    Answers to other prompts (of the models under test, of a helper) are no judgements and have no rows.
    """
    rows = [row for answer in answers for row in _rows(answer, readers, simulated)]
    return pl.DataFrame(rows, schema=JUDGEMENTS_SCHEMA, orient="row")


def _rows(answer: StoredAnswer, readers: Mapping[str, AnswerReader], simulated: bool) -> Iterator[tuple[Any, ...]]:
    told = answer.metadata
    read = readers.get(str(told.get("prompt_sha256")))
    if read is None:
        return
    parsed = read(answer.completion)
    about = (
        answer.seq,
        answer.custom_id,
        told.get("stage"),
        told.get("item"),
        told.get("dataset") or "",
        told.get("model"),
        told.get("reference"),
        bool(told.get("control")),
        bool(told.get("self_preference")),
        f"{answer.provider}/{answer.model}",
        told.get("repeat", 0),
        bool(told.get("swapped")),
        None if (turns := told.get("turns")) is None else len(turns),
        told.get("turns_asked"),
        told.get("prompt"),
        simulated,
        parsed.outcome.value,
        parsed.reason,
    )
    for dimension in read.dimensions:
        yield (*about, dimension, *score_cells(parsed.scores.get(dimension)))


def summary(run: RunRecord, folder: Path, judgements: pl.DataFrame) -> dict[str, Any]:
    """What every report of judgements begins with: the run, its requests, how its judges' answers were read."""
    counts, per_answer = count_requests(folder), judgements.unique("seq", maintain_order=True)
    return {
        "run": run.name,
        "job": run.job,
        "simulated": run.simulated,
        "requests": {"asked": counts.asked, "answered": counts.answered, "failed": counts.failed},
        "outcomes": count(per_answer, "outcome"),
        "reasons": count(per_answer, "reason"),
    }


def summary_notes(document: Mapping[str, Any]) -> Iterator[str]:
    """The summary in sentences."""
    requests, outcomes = document["requests"], document["outcomes"]
    yield f"Requests: {requests['asked']} asked, {requests['answered']} answered, {requests['failed']} failed."
    yield f"Judgements: {', '.join(f'{name} {times}' for name, times in outcomes.items()) or 'none'}."
    yield from (f"  {times} x {reason}" for reason, times in list(document["reasons"].items())[:_REASONS_SHOWN])
