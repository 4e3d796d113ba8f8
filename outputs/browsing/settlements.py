"""What came of one request, from the lines of the log: its answers as they were read, its failures, its attempts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from outputs.browsing.failure_places import lines_about
from outputs.browsing.log_lines import read_line
from outputs.browsing.score_tokens import ScoreToken, score_tokens
from outputs.journal import Log
from outputs.tables.bodies import BodyReader
from outputs.tables.loading import LoadedRun
from outputs.tables.response_rows import AnswerLine
from prompts.parsers import AnswerReader
from prompts.records import Completion, Parsed


@dataclass(frozen=True, slots=True)
class Score:
    """A score as it was read; `token` is where it was, None where it is no expectation of its own."""

    dimension: str
    value: float
    sampled: int
    mass: float | None
    mode: str
    token: ScoreToken | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A line of responses.jsonl. `body` is the raw answer, JSON bytes; `counts` says whether it is the one that counts.

    `parsed` is None where no prompt of the run reads it. `scores` are empty where the outcome is not ok.
    """

    line: AnswerLine
    counts: bool
    body: bytes
    completion: Completion
    parsed: Parsed | None
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class FinalFailure:
    """A line of errors.jsonl: the failure's kind in `code`; `response` is what came back, raw JSON or null.

    `metadata` is that of the request, JSON; of an imported row it says where it is from, also where the request's does
    not.
    """

    seq: int
    code: str
    message: str
    provider_code: str | None
    attempts: int
    at: float
    response: bytes
    metadata: bytes = b"null"


class _Error(msgspec.Struct):
    code: str
    message: str
    provider_code: str | None = None


class _ErrorLine(msgspec.Struct):
    seq: int
    error: _Error
    attempts: int = 0
    at: float = 0.0
    response: msgspec.Raw = msgspec.Raw(b"null")
    metadata: msgspec.Raw = msgspec.Raw(b"null")


def answers_of(run: LoadedRun, request: int, readers: Mapping[str, AnswerReader]) -> Iterator[Answer]:
    """All answers of a request, in the order of the log. Raises InputError or OSError where they cannot be read."""
    seqs = run.scan("responses").filter(pl.col("request") == request).select("seq", "counts").collect()
    bodies = BodyReader(run.record.catalog)
    for seq, counts in seqs.sort("seq").iter_rows():
        line = read_line(run.folder / Log.RESPONSES.file_name, seq, AnswerLine)
        if line is not None:
            yield _answer(line, bool(counts), bodies, readers)


def _answer(line: AnswerLine, counts: bool, bodies: BodyReader, readers: Mapping[str, AnswerReader]) -> Answer:
    told = _object(line.metadata).get("prompt_sha256")
    reader = readers.get(told) if isinstance(told, str) else None
    body = line.response.body
    completion = bodies.completion(line.provider, body, with_tokens=True)
    if reader is None:
        return Answer(line, counts, bytes(body), completion, None, ())
    parsed = reader(completion)
    tokens = score_tokens(reader, completion, parsed)
    scores = (
        Score(name, one.value, one.sampled, one.mass, one.mode.value, tokens.get(name))
        for name, one in parsed.scores.items()
    )
    return Answer(line, counts, bytes(body), completion, parsed, tuple(scores))


def failures_of(run: LoadedRun, request: int, places: Path) -> Iterator[FinalFailure]:
    """The final failures of a request, in the order of the log; `places` has where they stand in it."""
    for line in lines_about(run.folder / Log.ERRORS.file_name, places, request, _ErrorLine):
        told = line.error
        yield FinalFailure(
            line.seq,
            told.code,
            told.message,
            told.provider_code,
            line.attempts,
            line.at,
            bytes(line.response),
            bytes(line.metadata),
        )


def attempts_of(run: LoadedRun, request: int) -> list[dict[str, Any]]:
    """The attempts of a request, columns as in `outputs.tables.columns.ATTEMPTS`, in the order of the log."""
    return run.scan("attempts").filter(pl.col("request") == request).collect().sort("seq").to_dicts()


def _object(metadata: msgspec.Raw) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(metadata)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
