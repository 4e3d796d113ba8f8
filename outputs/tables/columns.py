"""The tables that every run folder becomes, and their columns: name, type, unit, meaning.

Schemas are explicit, never inferred: bodies differ by provider, and a column is there though no row fills it. Each
table has one row per line or answer of the log that its docstring names; `run` is the run's name, `seq` the line's.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

PolarsType = pl.DataType | type[pl.DataType]
MOMENT = pl.Datetime("ms", "UTC")


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `unit` is empty where there is none."""

    dtype: PolarsType
    meaning: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table by its file's name (without the suffix), what one row of it is, and its columns."""

    name: str
    row: str
    columns: Mapping[str, Column]

    @property
    def schema(self) -> dict[str, PolarsType]:
        """Name and type of the columns, in order."""
        return {name: column.dtype for name, column in self.columns.items()}


_RUN = {"run": Column(pl.String, "name of the run")}
_ABOUT = {  # what the job said of a request, in its metadata
    "stage": Column(pl.String, "stage of the job; empty where it has none; what is no text is given as JSON"),
    "item": Column(pl.String, "what the row is about, as in items.jsonl; null where nobody said"),
    "dataset": Column(pl.String, "dataset that the item is from; empty where the spec names none"),
}
_BATCH = {"batch": Column(pl.Int64, "seq of the first line of the batch that it went by; null for an online call")}
_LANE = {
    "provider": Column(pl.String, "who was asked"),
    "model": Column(pl.String, "what was asked, by the provider's name for it"),
}

REQUESTS = TableSpec(
    "requests",
    "a request of the run, derived ones included",
    {
        **_RUN,
        "seq": Column(pl.Int64, "of its line in requests.jsonl"),
        "custom_id": Column(pl.String, "the request's name"),
        "url": Column(pl.String, "wire format of the body"),
        **_LANE,
        **_ABOUT,
        "metadata": Column(pl.String, "what the manifest or the job said of it, as JSON; null for nothing"),
        "fingerprint": Column(pl.String, "hash of provider, body and media"),
        "after": Column(pl.Int64, "seq of the settlement that it follows from; null for what was asked from the start"),
        "state": Column(pl.String, "answered, failed, open, or withdrawn by an edit"),
    },
)
RESPONSES = TableSpec(
    "responses",
    "an answer: a line of responses.jsonl",
    {
        **_RUN,
        "seq": Column(pl.Int64, "of its line in responses.jsonl"),
        "request": Column(pl.Int64, "seq of the request"),
        "custom_id": Column(pl.String, "the request's name"),
        **_LANE,
        **_ABOUT,
        "counts": Column(pl.Boolean, "whether it is the last answer to a request that is still asked for"),
        "landed_at": Column(MOMENT, "when it was there", "UTC"),
        "latency_s": Column(
            pl.Float64, "from the attempt's first byte to the answer's last; null where nobody measured", "seconds"
        ),
        "attempts": Column(pl.Int64, "which of the request's attempts it answers"),
        "input_tokens": Column(pl.Int64, "cached ones included; null where the provider told no usage", "tokens"),
        "output_tokens": Column(pl.Int64, "reasoning included", "tokens"),
        "cached_tokens": Column(pl.Int64, "of the input tokens, those read from the provider's cache", "tokens"),
        "reasoning_tokens": Column(pl.Int64, "of the output tokens", "tokens"),
        "cost_usd": Column(pl.Float64, "null where no price is known", "USD"),
        "duplicate_of": Column(pl.Int64, "seq of the request whose answer it repeats, without a call"),
        **_BATCH,
        "finish_reason": Column(pl.String, "why the model stopped, in OpenAI's words"),
        "text": Column(pl.String, "the answer's words; null where it has none or its body is of no known shape"),
        "refusal": Column(pl.String, "the words of a refusal"),
        "body_sha256": Column(pl.String, "of the body as it came"),
    },
)
ATTEMPTS = TableSpec(
    "attempts",
    "an attempt to have a request answered",
    {
        **_RUN,
        "seq": Column(pl.Int64, "of the line before it was sent, in attempts.jsonl"),
        "request": Column(pl.Int64, "seq of the request"),
        "attempt": Column(pl.Int64, "1 for the request's first"),
        **_LANE,
        "began_at": Column(MOMENT, "when it was about to be sent", "UTC"),
        "settled_at": Column(MOMENT, "when it settled; null where it did not", "UTC"),
        "settled": Column(
            pl.String,
            "answered, unbilled, billed (though no answer came), maybe (nobody knows whether it was billed), "
            "or null where it did not",
        ),
        "kind": Column(pl.String, "kind of the failure; killed where its process ended"),
        "status": Column(pl.Int64, "HTTP status of the failure"),
        "code": Column(pl.String, "the provider's code of the failure"),
        "message": Column(pl.String, "the failure in words"),
        "reserved_usd": Column(pl.Float64, "what it could cost at most; null where no price is known", "USD"),
        "cost_usd": Column(pl.Float64, "of an answered or billed attempt; 0 for an unbilled one; else null", "USD"),
        **_BATCH,
    },
)
LINE_KINDS = {  # the first six of a batch's rows, which they add up to; the others of odd lines of its results
    "answered": "rows that were answered",
    "failed": "rows that failed at the provider",
    "expired": "rows whose turn did not come before the batch ended",
    "cancelled": "rows whose turn did not come before the batch was cancelled",
    "missing": "rows that the results have no line for",
    "unreadable": "rows whose only lines in the results cannot be read",
    "duplicated": "lines of the results for a row that has one already",
    "unknown": "lines of the results that were never submitted",
    "torn": "lines of the results that are not whole",
}
BATCHES = TableSpec(
    "batches",
    "a batch that was begun, whatever became of it",
    {
        **_RUN,
        "seq": Column(pl.Int64, "of its first line in attempts.jsonl"),
        "key": Column(pl.String, "its name in what the provider stores of it, and the beginning of its lines' ids"),
        **_LANE,
        "rows": Column(pl.Int64, "lines that were to be submitted"),
        "bytes": Column(pl.Int64, "of the file of these lines", "bytes"),
        "begun_at": Column(MOMENT, "when its file was written", "UTC"),
        "created_at": Column(MOMENT, "when the provider created it, by the provider's clock", "UTC"),
        "expires_at": Column(MOMENT, "when the provider gives it up, by the provider's clock", "UTC"),
        "ended_at": Column(MOMENT, "when it was seen to have ended; null where it never ran, or goes on", "UTC"),
        "settled_at": Column(MOMENT, "when all its lines were accounted for, or it was dropped", "UTC"),
        "step": Column(
            pl.String,
            "the last that happened to it: begun, uploading, uploaded, creating, created, polled, "
            "ended, settled, or dropped (it never ran)",
        ),
        "cancelling": Column(pl.Boolean, "its end was asked for"),
        "status": Column(pl.String, "the provider's word for how it stood last"),
        "id": Column(pl.String, "the provider's id of it"),
        "file": Column(pl.String, "the provider's id of the file with its lines, where there is one"),
        **{kind: Column(pl.Int64, f"{what}; null until it is settled") for kind, what in LINE_KINDS.items()},
        "note": Column(pl.String, "what there is to say of it"),
    },
)
OUTCOMES = TableSpec(
    "outcomes",
    "a request that is asked for: how it ended",
    {
        **_RUN,
        "request": Column(pl.Int64, "seq of the request"),
        "custom_id": Column(pl.String, "the request's name"),
        **_LANE,
        **_ABOUT,
        "state": Column(pl.String, "answered, failed or open"),
        "failure": Column(pl.String, "kind of the final failure"),
        "failure_message": Column(pl.String, "the final failure in words"),
        "outcome": Column(
            pl.String,
            "of reading the answer: ok, unparseable, refused, truncated, filtered; null where none reads it",
        ),
        "reason": Column(pl.String, "why it is not ok"),
        "answer": Column(pl.Int64, "seq of the answer that counts"),
        "attempts": Column(pl.Int64, "begun so far, at most 255 counted; 0 for a duplicate"),
        "cost_usd": Column(
            pl.Float64, "of all its answers and billed attempts, 0 for none; null where a price is not known", "USD"
        ),
    },
)
SCORES = TableSpec(
    "scores",
    "an answer to a prompt that has a scale, and one of its dimensions",
    {
        **_RUN,
        "seq": Column(pl.Int64, "of the answer's line in responses.jsonl"),
        "custom_id": Column(pl.String, "the request's name"),
        **_ABOUT,
        "model": Column(pl.String, "whose answer was judged; null where the row is of no model"),
        "reference": Column(pl.String, "the model that it was held against"),
        "control": Column(pl.Boolean, "the reference against itself"),
        "self_preference": Column(pl.Boolean, "the judge judged an answer of its own, or one held against its own"),
        "judge": Column(pl.String, "provider/model, as it was asked"),
        "repeat": Column(pl.Int64, "of a judgement that is asked several times, from 0"),
        "answer_repeat": Column(pl.Int64, "of an answer that was asked for several times, from 0"),
        "swapped": Column(pl.Boolean, "the two texts stood in the other order"),
        "turns": Column(pl.Int64, "of a dialogue that was judged: those that have an answer"),
        "turns_asked": Column(pl.Int64, "of a dialogue that was judged: all"),
        "prompt": Column(pl.String, "name@version of the prompt"),
        "simulated": Column(pl.Boolean, "the run is, in part at least, simulated"),
        "outcome": Column(pl.String, "of reading the answer: ok, unparseable, refused, truncated, filtered"),
        "reason": Column(pl.String, "why it is not ok"),
        "dimension": Column(pl.String, "what was rated"),
        "value": Column(pl.Float64, "null where the outcome is not ok", "the prompt's scale"),
        "sampled": Column(pl.Int64, "the integer that the judge wrote", "the prompt's scale"),
        "mass": Column(pl.Float64, "probability on integers of the scale at the score's token; of expectations only"),
        "mode": Column(pl.String, "expectation, split or no_logprobs"),
    },
)
TABLES = {table.name: table for table in (REQUESTS, RESPONSES, ATTEMPTS, BATCHES, OUTCOMES, SCORES)}
