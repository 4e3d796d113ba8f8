"""Equal requests, bought once: the first of them is sent, and its answer is written for all, each time as such.

Equal is what has the same fingerprint: provider, path and body. Memory: about 150 bytes for each distinct request.
"""

import time
from pathlib import Path

from orchestrator.requests_file import RequestsFile
from orchestrator.settling import PendingSettlement
from outputs import lines
from outputs.fold import RowFlag, RunState
from outputs.journal import Journal, Log
from outputs.log_reader import read_records
from outputs.records import RequestHead, RequestLine, ResponseLine
from providers.wire import Failure


class Duplicates:
    """Which rows are sent, and which follow another."""

    def __init__(self) -> None:
        self._leaders: dict[bytes, int] = {}
        self._followers: dict[int, list[int]] = {}
        self._answered_before: dict[int, list[int]] = {}

    def note_answered(self, folder: Path, state: RunState) -> None:
        """Let the rows that earlier sessions answered lead."""
        for row, (_, head) in enumerate(read_records(folder / Log.REQUESTS.file_name, RequestHead)):
            if row < len(state) and state.flags[row] & RowFlag.ANSWERED:
                self._leaders.setdefault(bytes.fromhex(head.fingerprint), row)

    def follows(self, row: int, state: RunState, requests: RequestsFile) -> bool:
        """Whether another row is, or will be, answered for this one too; else this one leads from now on."""
        fingerprint = bytes.fromhex(bytes(requests.read(row).fingerprint)[1:-1].decode())
        leader = self._leaders.get(fingerprint)
        if leader == row:
            return False
        if leader is not None and state.flags[leader] & RowFlag.ANSWERED:
            self._answered_before.setdefault(leader, []).append(row)
            return True
        if leader is not None and state.is_open(leader):
            self._followers.setdefault(leader, []).append(row)
            return True
        self._leaders[fingerprint] = row
        return False

    def copy_earlier(
        self, folder: Path, state: RunState, requests: RequestsFile, journal: Journal
    ) -> list[PendingSettlement]:
        """Write the answers that are in the log already for the rows that follow them."""
        wanted, self._answered_before = self._answered_before, {}
        if not wanted:
            return []
        by_seq = {state.answer_seqs[leader]: leader for leader in wanted}
        settled: list[PendingSettlement] = []
        for _, answer in read_records(folder / Log.RESPONSES.file_name, ResponseLine):
            if (leader := by_seq.get(answer.seq)) is not None:
                body = bytes(answer.response.body)
                settled += [_answer(row, leader, state.seqs[leader], body, requests, journal) for row in wanted[leader]]
        return settled

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
            return [_fail(row, settlement.row, settlement.failure, requests, journal) for row in rows]
        return [_answer(row, settlement.row, request.seq, body, requests, journal) for row in rows]


def _answer(
    row: int, leader: int, leader_seq: int, body: bytes, requests: RequestsFile, journal: Journal
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
    return PendingSettlement(seq, row, None, 0.0, None, (request, body), duplicate_of=leader)


def _fail(row: int, leader: int, failure: Failure, requests: RequestsFile, journal: Journal) -> PendingSettlement:
    request = requests.read(row)
    line = lines.error(request, attempt=0, at=time.time(), failure=failure, raw=b"")
    seq = journal.append(Log.ERRORS, line)
    return PendingSettlement(seq, row, None, None, failure, (request, b""), duplicate_of=leader)
