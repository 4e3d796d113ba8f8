"""Resume is replay: a fresh job is fed the settlements of the log in their order, and must ask what it asked then.

What it asks is compared as a set, so that a request whose line a kill cut off is simply logged again.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jobs.protocol import Answered, Failed, Verdict
from orchestrator.checking import RequestCheck
from orchestrator.requests_file import NewRow, prepare, row_key
from orchestrator.run_reader import FolderReader
from outputs.answers import iterate_items
from outputs.fold import RowFlag, RunState
from outputs.journal import Log
from outputs.log_reader import read_records
from outputs.records import ErrorLine, RequestHead, ResponseLine
from prompts.input_error import InputError
from prompts.records import Outcome
from providers.adapters import read_completion
from providers.catalog import Catalog
from providers.media.preflight import Preflight

_REQUESTS, _RESPONSES, _ERRORS = (log.file_name for log in (Log.REQUESTS, Log.RESPONSES, Log.ERRORS))
_Settlement = ResponseLine | ErrorLine


@dataclass(slots=True)
class Replayed:
    """What a replay found: the verdicts so far, and where the job's derived requests and the log differ."""

    outcomes: dict[Outcome, int] = field(default_factory=dict)
    unlogged: list[NewRow] = field(default_factory=list)  # asked by the job, not in the log
    unasked: list[int] = field(default_factory=list)  # rows in the log that the job does not ask for
    restored: list[int] = field(default_factory=list)  # rows that an earlier change took away, asked for again


def replay(folder: Path, state: RunState, check: RequestCheck, preflight: Preflight | None = None) -> Replayed:
    """Bring the check's job, begun anew, to where the log ends, and compare what it asks with what it asked.

    Raises InputError where a request that is yet to be sent, but was not before the replay, cannot be.
    """
    found = Replayed()
    job, catalog = check.job, check.catalog
    reader = FolderReader(folder, catalog)
    for _ in job.start(iterate_items(folder)):
        pass  # known already; the job needs to have started
    recorded, asked = _recorded(folder, state)
    for request, settled in settlements(folder, catalog):
        row = state.row_of(request)
        if row is None or not asked[row]:
            continue  # the answer to a request that an accepted change took away
        for made in job.on_settled(settled, reader):
            if isinstance(made, Verdict):
                found.outcomes[made.outcome] = found.outcomes.get(made.outcome, 0) + 1
                continue
            new = prepare(made, catalog, check.provider_override, settled.seq, preflight)
            if (derived := recorded.pop(new.key, None)) is None:
                check.require_sendable(new)
                found.unlogged.append(new)
                continue
            asked[derived] = 1
            if state.flags[derived] & RowFlag.WITHDRAWN:
                if not state.flags[derived] & (RowFlag.ANSWERED | RowFlag.FAILED):
                    check.require_sendable(new)
                found.restored.append(derived)
    found.unasked = [row for row in recorded.values() if not state.flags[row] & RowFlag.WITHDRAWN]
    return found


def _recorded(folder: Path, state: RunState) -> tuple[dict[bytes, int], bytearray]:
    """The rows of derived requests by their key; and, by row, a 1 where the job has asked for it from the start."""
    derived: dict[bytes, int] = {}
    asked = bytearray(len(state))
    for row, (_, head) in enumerate(read_records(folder / _REQUESTS, RequestHead)):
        if head.after is not None:
            derived[row_key(head.custom_id, head.fingerprint)] = row
        elif not state.flags[row] & RowFlag.WITHDRAWN:
            asked[row] = 1
    return derived, asked


def require_same(replayed: Replayed, folder: Path, state: RunState) -> None:
    """Raise InputError where the log has requests that the replayed job does not ask.

    Requests that the log lacks are no difference: a kill came before their lines were on disk.
    """
    if not replayed.unasked:
        return
    seq = state.seqs[replayed.unasked[0]]
    asked = next(head.custom_id for _, head in read_records(folder / _REQUESTS, RequestHead) if head.seq == seq)
    instead = f", but {replayed.unlogged[0].custom_id}" if replayed.unlogged else ""
    raise InputError(
        f"the log asked {asked}, which the job no longer asks{instead}: a prompt, the spec or the code changed; "
        "give another --out, or --accept-changes",
        file=folder,
    )


def settlements(folder: Path, catalog: Catalog) -> Iterator[tuple[int, Answered | Failed]]:
    """(seq of its request, settlement) for all settlements of a run, in the order of the log."""
    responses: Iterator[_Settlement] = (line for _, line in read_records(folder / _RESPONSES, ResponseLine))
    errors: Iterator[_Settlement] = (line for _, line in read_records(folder / _ERRORS, ErrorLine))
    seen: set[int] = set()
    for line in heapq.merge(responses, errors, key=lambda line: line.seq):
        repeat = line.request in seen
        seen.add(line.request)
        yield line.request, _failed(line, repeat) if isinstance(line, ErrorLine) else _answered(line, repeat, catalog)


def _failed(line: ErrorLine, repeat: bool) -> Failed:
    return Failed(
        seq=line.seq,
        custom_id=line.custom_id,
        metadata=line.metadata or {},
        kind=line.error.code,
        message=line.error.message,
        repeat=repeat,
    )


def _answered(line: ResponseLine, repeat: bool, catalog: Catalog) -> Answered:
    protocol = catalog.provider(line.provider).protocol
    return Answered(
        seq=line.seq,
        custom_id=line.custom_id,
        metadata=line.metadata or {},
        completion=read_completion(protocol, bytes(line.response.body)),
        repeat=repeat,
    )
