"""Equal requests, bought once: the first of them is sent, and its answer is written for all, each time as such.

Equal is what has the same fingerprint (provider, path and body), but for a question that is to be asked several times:
rows whose metadata differ in `repeat` are different. Memory: about 150 bytes for each distinct request.
"""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from orchestrator.requests_file import RequestsFile
from orchestrator.settling import PendingSettlement
from outputs import lines
from outputs.fold import RowFlag, RunState
from outputs.journal import Journal, Log
from outputs.line_by_seq import line_by_seq
from outputs.log_reader import read_records
from outputs.records import NO_METADATA, RequestHead, RequestLine, RequestMetadata, ResponseLine
from providers.wire import Failure

_FEW = 64  # answers that are looked up one by one; for more of them the whole file is read
_decode = msgspec.json.Decoder(ResponseLine).decode
_metadata = msgspec.json.Decoder(RequestMetadata | None).decode


def _question(fingerprint: str, metadata: RequestMetadata) -> bytes:
    """What equal requests have in common; `fingerprint` is in hex."""
    repeat = b"" if metadata.repeat is None else msgspec.json.encode(metadata.repeat)
    return bytes.fromhex(fingerprint) + repeat


class Duplicates:
    """Which rows are sent, and which follow another. `keep_bodies`: the job is told of duplicates too."""

    def __init__(self, folder: Path, keep_bodies: bool = False) -> None:
        self._folder = folder
        self._keep_bodies = keep_bodies
        self._leaders: dict[bytes, int] = {}
        self._followers: dict[int, list[int]] = {}
        self._answered_before: dict[int, list[int]] = {}

    def note_earlier(self, state: RunState) -> None:
        """Let the rows lead that earlier sessions answered, or sent by a batch that is followed."""
        for row, (_, head) in enumerate(read_records(self._folder / Log.REQUESTS.file_name, RequestHead)):
            if row < len(state) and (
                state.flags[row] & RowFlag.ANSWERED or (state.batch_of[row] and state.is_open(row))
            ):
                self._leaders.setdefault(_question(head.fingerprint, head.metadata or NO_METADATA), row)

    def follows(self, row: int, state: RunState, requests: RequestsFile) -> bool:
        """Whether another row is, or will be, answered for this one too; else this one leads from now on."""
        request = requests.read(row)
        question = _question(bytes(request.fingerprint)[1:-1].decode(), _metadata(request.metadata) or NO_METADATA)
        leader = self._leaders.get(question)
        if leader == row:
            return False
        if leader is not None and state.flags[leader] & RowFlag.ANSWERED:
            self._answered_before.setdefault(leader, []).append(row)
            return True
        if leader is not None and state.is_open(leader):
            self._followers.setdefault(leader, []).append(row)
            return True
        self._leaders[question] = row
        return False

    def copy_earlier(self, state: RunState, requests: RequestsFile, journal: Journal) -> Iterator[PendingSettlement]:
        """Write the answers that are in the log already for the rows that follow them, one with each step."""
        wanted, self._answered_before = self._answered_before, {}
        by_seq = {state.answer_seqs[leader]: leader for leader in wanted}
        for answer in self._answers(by_seq):
            leader = by_seq[answer.seq]
            body = bytes(answer.response.body)
            for row in wanted[leader]:
                yield self._answer(row, leader, state.seqs[leader], body, requests, journal)

    def _answers(self, seqs: Iterable[int]) -> Iterator[ResponseLine]:
        wanted = set(seqs)
        path = self._folder / Log.RESPONSES.file_name
        if len(wanted) > _FEW:
            yield from (answer for _, answer in read_records(path, ResponseLine) if answer.seq in wanted)
            return
        for seq in sorted(wanted):
            if (line := line_by_seq(path, seq)) is not None:
                yield _decode(line)

    def settle(
        self, settlement: PendingSettlement, requests: RequestsFile, journal: Journal
    ) -> list[PendingSettlement]:
        """What has come for a row, written for the rows that follow it."""
        rows = self._followers.pop(settlement.row, ())
        if not rows:
            return []
        assert settlement.kept is not None
        request, body = settlement.kept
        if settlement.failure is not None:
            return [self._fail(row, settlement.row, settlement.failure, requests, journal) for row in rows]
        return [self._answer(row, settlement.row, request.seq, body, requests, journal) for row in rows]

    def _answer(
        self, row: int, leader: int, leader_seq: int, body: bytes, requests: RequestsFile, journal: Journal
    ) -> PendingSettlement:
        request: RequestLine = requests.read(row)
        line = lines.response(
            request,
            attempt=0,
            at=time.time(),
            latency_s=0.0,
            body=body,
            request_id=None,
            usage=None,
            cost_usd=0.0,
            duplicate_of=leader_seq,
        )
        seq = journal.append(Log.RESPONSES, line)
        kept = (request, body) if self._keep_bodies else None
        return PendingSettlement(seq, row, None, 0.0, None, kept, duplicate_of=leader)

    def _fail(
        self, row: int, leader: int, failure: Failure, requests: RequestsFile, journal: Journal
    ) -> PendingSettlement:
        request = requests.read(row)
        line = lines.error(request, attempt=0, at=time.time(), failure=failure, raw=b"")
        seq = journal.append(Log.ERRORS, line)
        kept = (request, b"") if self._keep_bodies else None
        return PendingSettlement(seq, row, None, None, failure, kept, duplicate_of=leader)
