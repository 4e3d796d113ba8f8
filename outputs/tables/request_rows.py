"""The rows of `requests`, and of `outcomes`: how each request that is asked for ended."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from outputs.journal import Log
from outputs.line_at import LinesAt
from outputs.log_reader import read_records
from outputs.records import ErrorLine
from outputs.tables.cells import known, read_told
from outputs.tables.parquet import Parts
from outputs.tables.replay import Replay
from outputs.tables.response_rows import Readings


class AskedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of `requests.jsonl` without its body, its metadata as JSON."""

    seq: int
    custom_id: str
    provider: str
    model: str
    url: str | None = None
    fingerprint: str | None = None
    after: int | None = None
    metadata: msgspec.Raw = msgspec.Raw(b"null")


@dataclass(frozen=True, slots=True)
class RequestRows:
    """Reads requests.jsonl once, for both tables."""

    folder: Path
    run: str
    replayed: Replay
    readings: Readings

    def write(self, requests: Parts, outcomes: Parts, end: int) -> None:
        """Add all rows. Raises InputError where a line is damaged, OSError where the tables cannot be written."""
        with LinesAt(self.folder / Log.ERRORS.file_name, ErrorLine) as errors:
            lines = read_records(self.folder / Log.REQUESTS.file_name, AskedLine, end)
            for row, (_, line) in enumerate(lines):
                about = read_told(line.metadata).about
                requests.add(self._request(row, line, about), len(bytes(line.metadata)))
                if self.replayed.asked(row):
                    outcomes.add(self._outcome(row, line, about, errors))

    def _request(self, row: int, line: AskedLine, about: tuple[str, str | None, str]) -> tuple[object, ...]:
        metadata = bytes(line.metadata)
        return (
            self.run, line.seq, line.custom_id, line.url, line.provider, line.model, *about,
            None if metadata == b"null" else metadata.decode(errors="replace"), line.fingerprint, line.after,
            self.replayed.standing(row),
        )  # fmt: skip

    def _outcome(
        self, row: int, line: AskedLine, about: tuple[str, str | None, str], errors: LinesAt[ErrorLine]
    ) -> tuple[object, ...]:
        replayed = self.replayed
        standing = replayed.standing(row)
        failure = errors.read(replayed.failures[row]).error if standing == "failed" else None
        return (
            self.run, line.seq, line.custom_id, line.provider, line.model, *about, standing,
            None if failure is None else failure.code, None if failure is None else failure.message,
            *self.readings.of(row), replayed.answer_seqs[row] if standing == "answered" else None,
            replayed.attempts[row], known(replayed.costs_usd[row]),
        )  # fmt: skip
