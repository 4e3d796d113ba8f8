"""Resume is replay: a fresh job is fed the settlements of the log in their order, and must ask what it asked then.

What it asks is compared as a set, so that a request whose line a kill cut off is simply logged again.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jobs.protocol import Answered, Failed, Job, Verdict
from orchestrator.requests_file import NewRow, prepare, row_key
from outputs.answers import iterate_items
from outputs.fold import RowFlag, RunState
from outputs.journal import Log
from outputs.log_reader import read_records
from outputs.records import ErrorLine, RequestHead, ResponseLine
from outputs.run_record import RunRecord
from prompts.input_error import InputError
from prompts.records import Outcome
from providers.adapters import read_completion
from providers.catalog import Catalog

_REQUESTS, _RESPONSES, _ERRORS = (log.file_name for log in (Log.REQUESTS, Log.RESPONSES, Log.ERRORS))
_Settlement = ResponseLine | ErrorLine


@dataclass(slots=True)
class Replayed:
    """What a replay found: the verdicts so far, and where the job's derived requests and the log differ."""

    outcomes: dict[Outcome, int] = field(default_factory=dict)
    unlogged: list[NewRow] = field(default_factory=list)  # asked by the job, not in the log
    unasked: list[int] = field(default_factory=list)  # rows in the log that the job does not ask for


def replay(folder: Path, record: RunRecord, job: Job, state: RunState, catalog: Catalog) -> Replayed:
    """Bring a fresh job to where the log ends, and compare what it asks with what it asked."""
    found = Replayed()
    for _ in job.start(iterate_items(folder)):
        pass  # known already; the job needs to have started
    recorded = {_hash(head) for row, head in _derived(folder) if not state.flags[row] & RowFlag.WITHDRAWN}
    for settled in settlements(folder, catalog):
        for made in job.on_settled(settled):
            if isinstance(made, Verdict):
                found.outcomes[made.outcome] = found.outcomes.get(made.outcome, 0) + 1
                continue
            new = prepare(made, catalog, record.provider_override, settled.seq)
            if (key := hash(new.key)) in recorded:
                recorded.remove(key)
            else:
                found.unlogged.append(new)
    if recorded:
        found.unasked = [row for row, head in _derived(folder) if _hash(head) in recorded]
    return found


def _hash(head: RequestHead) -> int:
    return hash(row_key(head.custom_id, head.fingerprint))


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


def settlements(folder: Path, catalog: Catalog) -> Iterator[Answered | Failed]:
    """All settlements of a run in the order of the log, as its job was told of them."""
    responses: Iterator[_Settlement] = (line for _, line in read_records(folder / _RESPONSES, ResponseLine))
    errors: Iterator[_Settlement] = (line for _, line in read_records(folder / _ERRORS, ErrorLine))
    seen: set[int] = set()
    for line in heapq.merge(responses, errors, key=lambda line: line.seq):
        repeat = line.request in seen
        seen.add(line.request)
        if isinstance(line, ErrorLine):
            yield Failed(
                seq=line.seq,
                custom_id=line.custom_id,
                metadata=line.metadata or {},
                kind=line.error.code,
                message=line.error.message,
                repeat=repeat,
            )
        else:
            protocol = catalog.provider(line.provider).protocol
            yield Answered(
                seq=line.seq,
                custom_id=line.custom_id,
                metadata=line.metadata or {},
                completion=read_completion(protocol, bytes(line.response.body)),
                repeat=repeat,
            )


def _derived(folder: Path) -> Iterator[tuple[int, RequestHead]]:
    """(row, request) of the derived requests."""
    for row, (_, head) in enumerate(read_records(folder / _REQUESTS, RequestHead)):
        if head.after is not None:
            yield row, head
