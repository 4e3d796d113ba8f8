"""The finally failed rows: put up again, or written out as a manifest."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from orchestrator.folder_lock import LOCK, locked
from orchestrator.imported import refuse_imported
from orchestrator.requests_file import RequestsFile
from outputs import lines
from outputs.disk import FULL, OsDisk
from outputs.fold import RowFlag, RunState, fold
from outputs.journal import Log
from outputs.log_reader import cut_torn_end, last_seq
from outputs.records import NULL
from outputs.run_record import FILE_NAME, read_run_record
from prompts.input_error import InputError


def retry_failed(folder: Path) -> int:
    """Put the finally failed rows up again; `overnight run` sends them. Returns how many. Raises InputError."""
    refuse_imported(read_run_record(folder), folder)
    with locked(folder):
        for log in Log:
            cut_torn_end(folder / log.file_name)
        count = fold(folder).retry_failed()
        if count:
            _append_event(folder, lines.event("retry", time.time(), rows=count))
    return count


def _append_event(folder: Path, rest: bytes) -> None:
    file = OsDisk().append(folder / Log.EVENTS.file_name)
    file.write(b'{"seq":%d,%b\n' % (last_seq(folder) + 1, rest))
    file.sync()
    file.close()


def failed_rows(state: RunState) -> Iterator[int]:
    """Rows that finally failed and are still asked for."""
    for row, flags in enumerate(state.flags):
        if flags & RowFlag.FAILED and not flags & RowFlag.WITHDRAWN:
            yield row


def media_root_of(folder: Path) -> str | None:
    """The folder of the pictures and clips that a run shows; None where it shows none. Raises InputError."""
    record = read_run_record(folder)
    return record.media_root if record.shows_media else None


def failed_as_manifest(folder: Path) -> Iterator[bytes]:
    """The finally failed rows as manifest lines, each with its provider. Raises InputError."""
    refuse_imported(read_run_record(folder), folder)
    state = fold(folder)
    requests = RequestsFile(folder, state)
    try:
        for row in failed_rows(state):
            request = requests.read(row)
            yield b'{"custom_id":%b,"method":"POST","url":%b,"body":%b,"provider":%b%b}\n' % (
                request.custom_id,
                orjson.dumps(request.url),
                request.body,
                request.provider,
                b"" if request.metadata == NULL else b',"metadata":%b' % request.metadata,
            )
    finally:
        requests.close()


def write_manifest(path: Path, lines: Iterable[bytes]) -> None:
    """Write lines to `path`, all or nothing, but never over a file of a run. Raises InputError."""
    own = {FILE_NAME, LOCK, *(log.file_name for log in Log)}
    if path.name in own and (path.parent / FILE_NAME).is_file():
        raise InputError("is a file of the run itself; write to another path", file=path)
    temporary = path.with_name(path.name + ".new")
    try:
        with temporary.open("wb") as file:
            file.writelines(lines)
        temporary.replace(path)
    except OSError as error:
        if error.errno in FULL:
            raise
        raise InputError(f"cannot be written: {error.strerror}", file=path) from None
    finally:
        temporary.unlink(missing_ok=True)
