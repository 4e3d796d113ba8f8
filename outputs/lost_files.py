"""What a run's log must have: where a file or lines are gone, what they told would quietly be missing from all numbers.

A run that has only just been made, or is alive, lacks none: its requests and items are there before its `run.json`, and
its other log files before the first line of any.
"""

from collections.abc import Iterator
from pathlib import Path

from outputs.journal import Log
from outputs.run_record import RunRecord
from prompts.input_error import InputError

_TOGETHER = (Log.ATTEMPTS, Log.RESPONSES, Log.ERRORS, Log.EVENTS)


def require_files(folder: Path, record: RunRecord) -> None:
    """Raise InputError where a log file is gone, naming it."""
    for log, why in _required(folder, record):
        if not (folder / log.file_name).exists():
            raise InputError(f"is gone, but {why}", file=folder / log.file_name)


def require_requests(folder: Path, record: RunRecord, there: int) -> None:
    """Raise InputError where fewer requests are there than the run was made with."""
    if there < record.requests:
        what = f"{there:,} requests are left of the {record.requests:,} that the run was made with: {_way_out(record)}"
        raise InputError(what, file=folder / Log.REQUESTS.file_name)


def _required(folder: Path, record: RunRecord) -> Iterator[tuple[Log, str]]:
    """Files that must be there, and why. The reason is looked at first: a run may begin to write meanwhile."""
    if record.requests:
        yield Log.REQUESTS, f"the run was made with {record.requests:,} requests: {_way_out(record)}"
    if record.items:
        yield Log.ITEMS, f"the run was made with {record.items:,} items: {_way_out(record)}"
    written = next((log for log in _TOGETHER if _holds_anything(folder / log.file_name)), None)
    if written is not None:
        yield from ((log, f"{written.file_name} is not empty: put it back") for log in _TOGETHER)


def _way_out(record: RunRecord) -> str:
    """Requests and items can be made anew of what the run was made from; `run` does so."""
    kind = record.source.kind
    return "put it back" if kind == "import" else f"run the {kind} {record.source.name} again to put it back"


def _holds_anything(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
