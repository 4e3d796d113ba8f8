"""Resume is replay: a fresh job is fed the settlements of the log in their order, and must ask what it asked then."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jobs.protocol import Answered, Failed, Job, Request, Verdict
from orchestrator.requests_file import NewRow, prepare
from outputs.answers import iterate_items
from outputs.journal import Log
from outputs.log_reader import read_records
from outputs.records import ErrorLine, RequestHead, ResponseLine
from outputs.run_record import RunRecord
from prompts.input_error import InputError
from prompts.records import Outcome
from providers.adapters import read_completion
from providers.catalog import Catalog

_RESPONSES, _ERRORS = Log.RESPONSES.file_name, Log.ERRORS.file_name
_Settlement = ResponseLine | ErrorLine


@dataclass(slots=True)
class Replayed:
    """What a replay found: the verdicts so far, and derived requests that did not reach the log."""

    outcomes: dict[Outcome, int] = field(default_factory=dict)
    unlogged: list[NewRow] = field(default_factory=list)


def replay(folder: Path, record: RunRecord, job: Job, catalog: Catalog) -> Replayed:
    """Bring a fresh job to where the log ends. Raises InputError where it asks other questions than it did."""
    found = Replayed()
    for _ in job.start(iterate_items(folder)):
        pass  # known already; the job needs to have started
    recorded = _derived(folder)
    for settled in settlements(folder, catalog):
        for made in job.on_settled(settled):
            if isinstance(made, Verdict):
                found.outcomes[made.outcome] = found.outcomes.get(made.outcome, 0) + 1
            else:
                _compare(made, next(recorded, None), settled.seq, found, record, catalog, folder)
    return found


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


def _derived(folder: Path) -> Iterator[RequestHead]:
    for _, head in read_records(folder / Log.REQUESTS.file_name, RequestHead):
        if head.after is not None:
            yield head


def _compare(
    made: Request,
    head: RequestHead | None,
    after: int,
    found: Replayed,
    record: RunRecord,
    catalog: Catalog,
    folder: Path,
) -> None:
    row = prepare(made, catalog, record.provider_override, after)
    if head is None:
        found.unlogged.append(row)
    elif (head.custom_id, head.fingerprint) != (row.custom_id, row.routed.fingerprint):
        raise InputError(
            f"the log asked {head.custom_id} where this version of the job asks {row.custom_id} with another body: "
            "a prompt, the spec or the code changed; give another --out",
            file=folder,
        )
