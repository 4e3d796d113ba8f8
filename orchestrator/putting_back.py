"""Lines that a run had when it was made and has no more: put back from what it was made from, or named."""

from pathlib import Path

from orchestrator.checking import RequestCheck
from orchestrator.making import write_items, write_requests
from orchestrator.requests_file import row_key
from orchestrator.sources import Asked
from outputs.answers import iterate_items
from outputs.disk import Disk
from outputs.fold import RunState
from outputs.journal import Log
from outputs.log_reader import read_records
from outputs.records import RequestHead
from outputs.run_record import RunRecord
from prompts.input_error import InputError


def require_logs(folder: Path) -> None:
    """Raise where a log file is gone from a run that has made calls: what it held would be bought again."""
    attempts = folder / Log.ATTEMPTS.file_name
    if not attempts.exists() or not attempts.stat().st_size:
        return
    for log in (Log.RESPONSES, Log.ERRORS, Log.EVENTS):
        if not (folder / log.file_name).exists():
            raise InputError(
                "is gone, but calls were made: put it back, or give another --out", file=folder / log.file_name
            )


def require_whole(folder: Path, record: RunRecord, state: RunState) -> None:
    """Raise where lines that were there when the run was made are gone, or an edit was cut short."""
    what = f"{record.source.kind} {record.source.name}"
    if _items_missing(folder, record) or len(state) < record.requests:
        raise InputError(f"lines of it are lost; run the {what} again to put them back", file=folder)
    if state.pending_addition:
        raise InputError(f"an edit of its {what} was cut short; run the {what} again", file=folder)


def put_back(folder: Path, record: RunRecord, state: RunState, asked: Asked, check: RequestCheck, disk: Disk) -> bool:
    """Write what is missing of the run's first items and requests anew; returns whether that was requests.

    Raises InputError where what is asked for now is not, to the letter, what the run was made from.
    """
    if asked.source.sha256 != record.source.sha256:
        return False
    if _items_missing(folder, record):
        _require_as_many(sum(1 for _ in asked.job.items()), record.items, folder)
        write_items(folder, asked, disk)
    if len(state) >= record.requests:
        return False
    _require_beginning(folder, check)
    _require_as_many(sum(1 for _ in check.rows()), record.requests, folder)
    write_requests(folder, check, record.items + 1, disk)
    return True


def _require_as_many(now: int, before: int, folder: Path) -> None:
    """Raise where another part of the source is asked for than when the run was made: lines go by their place."""
    if now != before:
        raise InputError("lines of it are lost, and it was made with another --first: give another --out", file=folder)


def _items_missing(folder: Path, record: RunRecord) -> bool:
    return bool(record.items) and sum(1 for _ in iterate_items(folder)) < record.items


def _require_beginning(folder: Path, check: RequestCheck) -> None:
    """Raise where the requests that are left are not how the ones now asked for begin: answers go by their place."""
    left = read_records(folder / Log.REQUESTS.file_name, RequestHead)
    for (_, head), row in zip(left, check.rows(), strict=False):
        if row_key(head.custom_id, head.fingerprint) != row.key:
            raise InputError(
                f"requests of it are lost, and {head.custom_id} is not what it was: give another --out", file=folder
            )
