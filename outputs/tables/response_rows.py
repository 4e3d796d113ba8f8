"""The rows of `responses` and of `scores`, and how each request's answer was read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec

from outputs.journal import Log
from outputs.log_reader import read_records
from outputs.run_record import RunRecord
from outputs.tables.bodies import BodyReader
from outputs.tables.cells import moment, read_told, tokens, whole
from outputs.tables.parquet import Parts
from outputs.tables.score_reading import score_rows
from prompts.parsers import AnswerReader
from prompts.records import Completion, Outcome, Parsed
from providers.wire import Usage

_OUTCOMES = tuple(Outcome)


class Standing(Protocol):
    """What is asked of a replayed log about answers: rows by number, and whether an answer is the one that counts."""

    def __len__(self) -> int: ...
    def row_of(self, request_seq: int) -> int | None: ...
    def counts(self, row: int, answer_seq: int) -> bool: ...


class _Http(msgspec.Struct, frozen=True):
    body: msgspec.Raw = msgspec.Raw(b"null")


class AnswerLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of `responses.jsonl`, its metadata and body as JSON."""

    seq: int
    request: int
    custom_id: str
    provider: str
    model: str
    attempts: int
    at: float = 0.0
    latency_s: float | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    body_sha256: str | None = None
    metadata: msgspec.Raw = msgspec.Raw(b"null")
    duplicate_of: int | None = None
    batch: int | None = None
    response: _Http


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """An answer with its body read."""

    seq: int
    custom_id: str
    provider: str
    model: str
    metadata: dict[str, Any]
    completion: Completion


@dataclass(slots=True)
class Readings:
    """By row: how the answer that counts was read, 0 where nothing reads it; and why it is not ok."""

    outcomes: bytearray
    _reasons: dict[int, str] = field(default_factory=dict)
    _words: dict[str, str] = field(default_factory=dict)  # each reason once: there are few

    def note(self, row: int, parsed: Parsed) -> None:
        """The answer of this row was read."""
        self.outcomes[row] = _OUTCOMES.index(parsed.outcome) + 1
        if parsed.reason is not None:
            self._reasons[row] = self._words.setdefault(parsed.reason, parsed.reason)

    def and_of(self, others: "Readings") -> "Readings":
        """With those of other answers: a row's answer that counts is among one of both."""
        both = int.from_bytes(self.outcomes, "little") | int.from_bytes(others.outcomes, "little")
        outcomes = bytearray(both.to_bytes(len(self.outcomes), "little"))
        return Readings(outcomes, self._reasons | others._reasons)

    def at(self, rows: Sequence[int], of: int) -> "Readings":
        """The same of `of` rows: what is said of row n here is said of `rows[n]` there."""
        outcomes, reasons = bytearray(of), {rows[here]: reason for here, reason in self._reasons.items()}
        for row, outcome in zip(rows, self.outcomes, strict=True):
            outcomes[row] = outcome
        return Readings(outcomes, reasons)

    def of(self, row: int) -> tuple[str | None, str | None]:
        """The outcome and its reason."""
        number = self.outcomes[row]
        return (_OUTCOMES[number - 1].value, self._reasons.get(row)) if number else (None, None)


@dataclass(frozen=True, slots=True)
class ResponseRows:
    """Reads responses.jsonl, for both tables."""

    folder: Path
    record: RunRecord
    replayed: Standing
    readers: Mapping[str, AnswerReader]

    def write(self, responses: Parts, scores: Parts, end: int, start: int = 0) -> Readings:
        """Add the rows of all lines from `start` to `end`, offsets in the file.

        Raises InputError where a line is damaged, OSError where the tables cannot be written.
        """
        readings = Readings(bytearray(len(self.replayed)))
        bodies = BodyReader(self.record.catalog)
        path = self.folder / Log.RESPONSES.file_name
        for _, line in read_records(path, AnswerLine, end, start):
            row = self.replayed.row_of(line.request)
            if row is not None:
                self._add(line, row, bodies, readings, responses, scores)
        return readings

    def _add(
        self, line: AnswerLine, row: int, bodies: BodyReader, readings: Readings, responses: Parts, scores: Parts
    ) -> None:
        told = read_told(line.metadata)
        counts = self.replayed.counts(row, line.seq)
        reader = self.readers.get(told.prompt_sha256) if counts and isinstance(told.prompt_sha256, str) else None
        completion = bodies.completion(line.provider, line.response.body, with_tokens=reader is not None)
        responses.add(
            (
                self.record.name, line.seq, line.request, line.custom_id, line.provider, line.model, *told.about,
                counts, moment(line.at), line.latency_s, whole(line.attempts), *tokens(line.usage), line.cost_usd,
                line.duplicate_of, whole(line.batch), completion.finish_reason, completion.text, completion.refusal,
                line.body_sha256,
            ),
            len(completion.text or ""),
        )  # fmt: skip
        if reader is not None:
            self._score(line, row, reader, completion, readings, scores)

    def _score(
        self,
        line: AnswerLine,
        row: int,
        reader: AnswerReader,
        completion: Completion,
        readings: Readings,
        scores: Parts,
    ) -> None:
        parsed = reader(completion)
        readings.note(row, parsed)
        metadata = msgspec.json.decode(line.metadata)
        answer = ReadAnswer(line.seq, line.custom_id, line.provider, line.model, metadata, completion)
        for cells in score_rows(self.record.name, answer, parsed, reader.dimensions, simulated=self.record.simulated):
            scores.add(cells, 100)
