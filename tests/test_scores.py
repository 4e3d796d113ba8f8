"""The scores of answers at hand: one row per answer and dimension, whatever became of the answer."""

from collections.abc import Mapping
from typing import Any

import msgspec
import polars as pl

from outputs.tables.columns import SCORES
from outputs.tables.score_reading import judgements_table, score_cells
from prompts.parsers import AnswerReader, reader_for
from prompts.records import Completion, Mode, SampledToken, Score
from prompts.template import load_prompt

PROMPT = load_prompt("gveval_ref_only_accr")
READERS: Mapping[str, AnswerReader] = {PROMPT.sha256: reader_for(PROMPT)}
DIMENSIONS = reader_for(PROMPT).dimensions
SCORED = "\n".join(f"{label}: [[{70 + place}]]" for place, label in enumerate(PROMPT.dimensions))


class Stored(msgspec.Struct, frozen=True):
    """An answer as the table wants it."""

    seq: int
    metadata: dict[str, Any]
    completion: Completion
    custom_id: str = "a"
    provider: str = "lab"
    model: str = "judge-1"


def stored(seq: int, text: str, **told: Any) -> Stored:
    about = {"item": f"vid{seq}", "prompt": "p@1", "prompt_sha256": PROMPT.sha256}
    return Stored(seq, about | told, Completion(text))


def table(*answers: Stored, simulated: bool = True) -> pl.DataFrame:
    return judgements_table(answers, READERS, simulated=simulated, run="night")


def test_every_answer_has_a_row_per_dimension() -> None:
    """The table is answers times dimensions, in the answers' order, with the documented columns and types."""
    frame = table(stored(1, SCORED), stored(2, "nothing"))
    assert dict(frame.schema) == SCORES.schema
    assert frame.select("seq", "dimension").rows() == [(seq, name) for seq in (1, 2) for name in DIMENSIONS]


def test_an_answer_to_another_prompt_has_no_row() -> None:
    """What models under test or a helper said is no score."""
    assert table(stored(1, SCORED, prompt_sha256="f" * 64), Stored(2, {}, Completion(SCORED))).height == 0


def test_a_score_keeps_value_sampled_integer_mass_and_mode() -> None:
    """What the parser found stands in the row, beside what the row is about."""
    row = table(stored(1, SCORED, model="lab/x", repeat=2)).row(0, named=True)
    assert row == {
        **dict.fromkeys(SCORES.schema),
        "run": "night", "seq": 1, "custom_id": "a", "stage": "", "item": "vid1", "dataset": "", "model": "lab/x",
        "control": False, "self_preference": False, "judge": "lab/judge-1", "repeat": 2, "answer_repeat": 0,
        "swapped": False, "prompt": "p@1", "simulated": True, "outcome": "ok", "dimension": DIMENSIONS[0],
        "value": 70.0, "sampled": 70, "mode": "no_logprobs",
    }  # fmt: skip


def test_log_probabilities_become_a_mass() -> None:
    """A score with its tokens' probabilities says how much of them lay on the scale."""
    tokens = tuple(SampledToken(part, -0.1) for part in ("Accuracy: [[", "70", "]]\n"))
    answer = stored(1, SCORED)
    frame = table(msgspec.structs.replace(answer, completion=Completion(SCORED, tokens=tokens)))
    assert set(frame["mode"]) <= {mode.value for mode in Mode}
    assert score_cells(Score(84.5, 85, Mode.EXPECTATION, 0.9)) == (84.5, 85, 0.9, "expectation")


def test_an_answer_that_is_not_ok_has_nulls_and_a_reason() -> None:
    """An answer without scores keeps its rows, and no number stands in for it."""
    frame = table(stored(1, "nothing"))
    assert frame["value"].null_count() == frame["sampled"].null_count() == frame["mode"].null_count() == frame.height
    assert set(frame["outcome"]) == {"unparseable"}
    assert frame["reason"].null_count() == 0


def test_no_answers_give_an_empty_table_of_the_same_columns() -> None:
    """A run without answers has the same table, without rows."""
    frame = table()
    assert frame.height == 0
    assert dict(frame.schema) == SCORES.schema


def test_what_nobody_said_is_null() -> None:
    """An answer without item, prompt or model in its metadata has rows that do not know them."""
    frame = table(Stored(1, {"prompt_sha256": PROMPT.sha256}, Completion(SCORED)), simulated=False)
    assert frame.select("item", "prompt", "model", "reference", "turns").row(0) == (None,) * 5
