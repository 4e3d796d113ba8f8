"""Reading the log: lines by offset, torn ends, and the merge of all files by `seq`.

A file may grow while it is read; a last line without its line break is not there yet, or was torn: it is not yielded.
"""

import heapq
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from outputs.journal import Log
from outputs.records import AttemptLine, ErrorLine, EventLine, RequestHead, ResponseHead
from prompts.input_error import InputError

_CHUNK = 1 << 20

Record = RequestHead | AttemptLine | ResponseHead | ErrorLine | EventLine
T = TypeVar("T")

_REPLAYED: dict[Log, type[Any]] = {
    Log.REQUESTS: RequestHead,
    Log.ATTEMPTS: AttemptLine,
    Log.RESPONSES: ResponseHead,
    Log.ERRORS: ErrorLine,
    Log.EVENTS: EventLine,
}


def read_lines(path: Path, start: int = 0, end: int = sys.maxsize) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, line without its line break) for every whole line of `path`; nothing where it is missing.

    Only what lies before the offset `end` is read.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(start)
        offset, rest = start, b""
        while chunk := file.read(min(_CHUNK, end - file.tell())):
            lines = (rest + chunk if rest else chunk).split(b"\n")
            rest = lines.pop()
            if lines:
                for line in lines:
                    yield offset, line
                    offset += len(line) + 1
            elif len(rest) > 4 * _CHUNK:
                # One huge line: read on to its end instead of splitting again and again.
                rest += file.readline(end - file.tell())
                if rest.endswith(b"\n"):
                    yield offset, rest[:-1]
                    offset, rest = offset + len(rest), b""


def read_records(path: Path, kind: type[T], end: int = sys.maxsize, start: int = 0) -> Iterator[tuple[int, T]]:
    """Yield (offset, record) for every whole line from `start`, where a line begins, to `end`.

    Raises InputError naming the line that is damaged.
    """
    decode = msgspec.json.Decoder(kind).decode
    for number, (offset, line) in enumerate(read_lines(path, start, end), 1):
        try:
            yield offset, decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            number += sum(1 for _ in read_lines(path, 0, start))
            raise InputError(f"the log is damaged here: {error}", file=path, line=number) from None


def merged(folder: Path, ends: Mapping[Log, int] | None = None) -> Iterator[tuple[Log, int, Record]]:
    """All records of a run folder as (log, offset, record), in the order of `seq`; of each file up to its end."""
    ends = ends or {}

    def stream(log: Log) -> Iterator[tuple[int, Log, int, Record]]:
        for offset, record in read_records(folder / log.file_name, _REPLAYED[log], ends.get(log, sys.maxsize)):
            yield record.seq, log, offset, record

    for _, log, offset, record in heapq.merge(*(stream(log) for log in _REPLAYED), key=lambda entry: entry[0]):
        yield log, offset, record


def cut_torn_end(path: Path) -> int:
    """Cut a torn last line off `path`; returns how many bytes went.

    A last line is torn where it lacks its line break or is not JSON (a power cut can leave zeros behind).
    """
    if not path.exists():
        return 0
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        end = size
        while end:
            start = _start_of_last_line(file.fileno(), end)
            line = os.pread(file.fileno(), end - start, start)
            if line.endswith(b"\n") and _is_json(line):
                break
            end = start
        if end < size:
            file.truncate(end)
            os.fdatasync(file.fileno())
        return size - end


def _start_of_last_line(fd: int, end: int) -> int:
    """The offset at which the line that ends at `end` starts (its own line break, the last byte, aside)."""
    upto = end - 1
    while upto > 0:
        start = max(0, upto - _CHUNK)
        found = os.pread(fd, upto - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        upto = start
    return 0


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except msgspec.MsgspecError:
        return False
    return True


def last_seq(folder: Path) -> int:
    """The highest seq in the log files of `folder`, 0 where they are empty. The files must have whole last lines.

    Raises InputError where a last line is no line of a log.
    """
    return max((_last_seq_of(folder / log.file_name) for log in Log), default=0)


def _last_seq_of(path: Path) -> int:
    if not path.exists() or path.stat().st_size == 0:
        return 0
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        start = _start_of_last_line(file.fileno(), end)
        line = os.pread(file.fileno(), end - start, start)
    try:
        return msgspec.json.decode(line, type=_Seq).seq
    except msgspec.MsgspecError as error:
        number = sum(1 for _ in read_lines(path))
        raise InputError(f"the log is damaged here: {error}", file=path, line=number) from None


class _Seq(msgspec.Struct):
    seq: int
