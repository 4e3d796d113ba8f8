"""The state of a run folded on as its log grows: what was read is not read again.

Lines are folded in the order of `seq` over all files. While the run is written, a look goes as far as the log reached
when the look began, and a moment is waited first: a line that stands before the last one, but in another file, is there
by then.
"""

import heapq
import os
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from outputs.fold import RunState
from outputs.journal import Log
from outputs.log_reader import Record, read_lines
from outputs.records import AttemptLine, ErrorLine, EventLine, RequestHead, ResponseHead
from prompts.input_error import InputError

_KINDS: dict[Log, type[Any]] = {
    Log.REQUESTS: RequestHead,
    Log.ATTEMPTS: AttemptLine,
    Log.RESPONSES: ResponseHead,
    Log.ERRORS: ErrorLine,
    Log.EVENTS: EventLine,
}
_DECODERS = {log: msgspec.json.Decoder(kind) for log, kind in _KINDS.items()}
_WRITTEN_S = 0.1  # by then the writer has put a batch of lines into all files
_KNOWN_BYTES = 512  # of the end of what was read: by them a file is known again
_FORGET_S = 60


class AbandonedError(Exception):
    """Nobody waits for what was being read."""


class _Seq(msgspec.Struct):
    seq: int


@dataclass(slots=True)
class _Reached:
    """How far a file was read: `known` are the bytes before `offset`."""

    offset: int = 0
    inode: int = 0
    known: bytes = b""


class RecentAnswers:
    """When the answers of the last minute landed, lane by lane, to the second."""

    def __init__(self) -> None:
        self._of: dict[int, deque[list[int]]] = {}

    def note(self, lane: int, at: float) -> None:
        """An answer, at this moment in seconds since 1970."""
        second = int(at)
        seconds = self._of.setdefault(lane, deque())
        if seconds and seconds[-1][0] == second:
            seconds[-1][1] += 1
            return
        seconds.append([second, 1])
        while seconds[0][0] < second - _FORGET_S:
            seconds.popleft()

    def per_second(self, lane: int, now: float) -> float:
        """Answers a second in the minute before `now`, or since the first of them."""
        found = [(second, count) for second, count in self._of.get(lane, ()) if now - _FORGET_S < second <= now]
        if not found:
            return 0.0
        return sum(count for _, count in found) / max(1.0, min(_FORGET_S, now - found[0][0]))


class GrowingFold:
    """The fold of one run folder; `look` reads what has come. About 44 bytes a row are kept."""

    def __init__(self, folder: Path, wait_s: float = _WRITTEN_S) -> None:
        self.folder = folder
        self.abandoned = False  # may be set by another thread: a look that is going on then ends soon
        self._wait_s = wait_s
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.state = RunState()
        self.recent = RecentAnswers()
        self._reached = {log: _Reached() for log in _KINDS}
        self._wanted_bytes = 0
        self._damaged: tuple[Log, int, int] | None = None  # a file, where its damaged line begins, and its number

    @property
    def share(self) -> float:
        """How much of what the last look found is folded, from 0 to 1."""
        done = sum(reached.offset for reached in self._reached.values())
        return min(1.0, done / self._wanted_bytes) if self._wanted_bytes else 0.0

    def look(self, alive: bool) -> bool:
        """Fold what has come since the last look; returns whether it was begun anew.

        It is where a file is another one, or shorter: the folder was moved, or the run removed and made again. `alive`:
        whether a process may be writing. Raises InputError for a damaged line; OSError; AbandonedError.
        """
        anew = any(reached.offset for reached in self._reached.values()) and not self._is_same()
        if anew:
            self._begin_anew()
        last = max((_last_seq(self.folder / log.file_name) for log in _KINDS), default=0)
        if alive:
            time.sleep(self._wait_s)
        self._wanted_bytes = sum(_size(self.folder / log.file_name) for log in _KINDS)
        streams = [self._new_lines(log, last) for log in _KINDS]
        try:
            for _, log, offset, end, record in heapq.merge(*streams, key=lambda entry: entry[0]):
                if self.abandoned:
                    raise AbandonedError
                self._fold(log, offset, record)
                self._reached[log].offset = end
        except InputError:  # the next look stands before the damaged line, and says the same
            self._remember()
            raise
        self._remember()
        return anew

    def _fold(self, log: Log, offset: int, record: Record) -> None:
        self.state.apply(offset, record)
        if log is Log.RESPONSES and isinstance(record, ResponseHead) and record.at:
            row = self.state.row_of(record.request)
            if row is not None:
                self.recent.note(self.state.lane_of[row], record.at)

    def _new_lines(self, log: Log, last: int) -> Iterator[tuple[int, Log, int, int, Record]]:
        """(seq, log, offset, end, record) of the lines of a file up to the seq `last`."""
        path, start = self.folder / log.file_name, self._reached[log].offset
        decode = _DECODERS[log].decode
        for offset, line in read_lines(path, start):
            try:
                record = decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                number = self._number(log, offset)
                raise InputError(f"the log is damaged here: {error}", file=path, line=number) from None
            if record.seq > last:
                return
            yield record.seq, log, offset, offset + len(line) + 1, record

    def _number(self, log: Log, offset: int) -> int:
        """Of the line that begins there; counted once."""
        if self._damaged is None or self._damaged[:2] != (log, offset):
            path = self.folder / log.file_name
            self._damaged = log, offset, 1 + sum(1 for at, _ in read_lines(path, 0, offset) if at < offset)
        return self._damaged[2]

    def _is_same(self) -> bool:
        """Whether every file is the one that was read, and holds still what was read."""
        return all(_holds(self.folder / log.file_name, reached) for log, reached in self._reached.items())

    def _remember(self) -> None:
        for log, reached in self._reached.items():
            try:
                with (self.folder / log.file_name).open("rb") as file:
                    reached.inode = os.fstat(file.fileno()).st_ino
                    reached.known = _before(file.fileno(), reached.offset)
            except FileNotFoundError:
                reached.inode, reached.known = 0, b""


def _holds(path: Path, reached: _Reached) -> bool:
    if not reached.offset:
        return True
    try:
        with path.open("rb") as file:
            same = os.fstat(file.fileno()).st_ino == reached.inode
            return same and _before(file.fileno(), reached.offset) == reached.known
    except FileNotFoundError:
        return False


def _before(fd: int, offset: int) -> bytes:
    length = min(_KNOWN_BYTES, offset)
    return os.pread(fd, length, offset - length)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _last_seq(path: Path) -> int:
    """The seq of the last whole line of a file; 0 where it has none, or none that can be read: who folds it says so."""
    try:
        with path.open("rb") as file:
            line = _last_whole_line(file.fileno(), file.seek(0, os.SEEK_END))
    except FileNotFoundError:
        return 0
    try:
        return msgspec.json.decode(line, type=_Seq).seq
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return 0


def _last_whole_line(fd: int, size: int) -> bytes:
    """The last line that has its line break, without it; empty where there is none."""
    length = 1 << 14
    while True:
        start = max(0, size - length)
        data = os.pread(fd, size - start, start)
        end = data.rfind(b"\n")
        begin = data.rfind(b"\n", 0, end) if end >= 0 else -1
        if begin >= 0 or start == 0:
            return data[begin + 1 : end] if end >= 0 else b""
        length *= 8
