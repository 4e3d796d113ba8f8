"""The scores table: one row per answer and dimension, whatever became of the answer."""

from typing import Any

import msgspec
import polars as pl

from outputs.scores import SCORES_SCHEMA, scores_table
from prompts.records import Completion, Mode, Outcome, Parsed, Score

DIMENSIONS = ("accuracy", "average")


class Stored(msgspec.Struct, frozen=True):
    """An answer as the table wants it."""

    seq: int
    custom_id: str
    metadata: dict[str, Any]
    completion: Completion
    model: str | None = "judge-1"


def stored(seq: int, text: str) -> Stored:
    return Stored(seq, f"gveval-{seq}", {"item": f"vid{seq}", "prompt": "p@1"}, Completion(text))


def read(completion: Completion) -> Parsed:
    """A reader for tests: digits are a score without log probabilities, a star one with, the rest is unparseable."""
    text = completion.text or ""
    if text.isdigit():
        score = Score(float(text), int(text), Mode.NO_LOGPROBS)
    elif text == "*":
        score = Score(84.5, 85, Mode.EXPECTATION, 0.9)
    else:
        return Parsed(Outcome.UNPARSEABLE, reason="accuracy: no score")
    return Parsed(Outcome.OK, dict.fromkeys(DIMENSIONS, score))


def table(*texts: str) -> pl.DataFrame:
    answers = (stored(seq, text) for seq, text in enumerate(texts, 1))
    return scores_table(answers, read, DIMENSIONS, simulated=True)


def test_every_answer_has_a_row_per_dimension() -> None:
    """The table is answers times dimensions, in the answers' order, with the stated columns and types."""
    frame = table("*", "70", "nothing")
    assert dict(frame.schema) == SCORES_SCHEMA
    assert frame.select("seq", "dimension").rows() == [(seq, name) for seq in (1, 2, 3) for name in DIMENSIONS]


def test_a_score_keeps_value_sampled_integer_mass_and_mode() -> None:
    """What the parser found stands in the row, beside what the row is about."""
    row = table("*").row(0, named=True)
    assert row == {
        "seq": 1,
        "custom_id": "gveval-1",
        "item": "vid1",
        "model": "judge-1",
        "prompt": "p@1",
        "simulated": True,
        "outcome": "ok",
        "reason": None,
        "dimension": "accuracy",
        "value": 84.5,
        "sampled": 85,
        "mass": 0.9,
        "mode": "expectation",
    }


def test_an_answer_that_is_not_ok_has_nulls_and_a_reason() -> None:
    """An answer without scores keeps its rows, and no number stands in for it."""
    frame = table("nothing")
    assert frame["value"].null_count() == frame["sampled"].null_count() == frame["mode"].null_count() == 2
    assert set(frame["outcome"]) == {"unparseable"}
    assert set(frame["reason"]) == {"accuracy: no score"}


def test_no_answers_give_an_empty_table_of_the_same_columns() -> None:
    """A run without answers has the same table, without rows."""
    frame = table()
    assert frame.height == 0
    assert dict(frame.schema) == SCORES_SCHEMA


def test_missing_metadata_is_null() -> None:
    """An answer without metadata has a row whose item and prompt are not known."""
    frame = scores_table([Stored(1, "x", {}, Completion("5"), None)], read, DIMENSIONS, simulated=False)
    assert frame.select("item", "prompt", "model").row(0) == (None, None, None)
