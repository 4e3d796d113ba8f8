"""Watching a run: its log is read on in a thread, and its page and the page's updates show what was found last."""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.folder_lock import live_pid
from orchestrator.heartbeat import HEARTBEAT
from orchestrator.status import Status, status_of
from orchestrator.viewing.covered import coverage_of
from orchestrator.viewing.event_words import last_events
from orchestrator.viewing.live_view import LiveView, view_of
from outputs.growing_fold import GrowingFold
from outputs.journal import Log
from outputs.run_record import FILE_NAME, read_run_record
from outputs.tables.extent import extent
from prompts.input_error import InputError

_FRESH_S = 0.8  # several pages share what was read in this time
_LONG_BYTES = 64 << 20  # of a log
_PATIENCE_S = 0.7  # of a page that waits for the log


class StillReadingError(Exception):
    """A page that needs what is being read; `what` says of what, and how far."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


@dataclass(slots=True)
class Readers:
    """The threads that read logs: long logs that are read for the first time stand behind one another, and nothing
    else behind them.
    """

    first: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "first-reading"))
    again: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, "reading-on"))

    def close(self) -> None:
        """Begin nothing more."""
        for pool in (self.first, self.again):
            pool.shutdown(wait=False, cancel_futures=True)


class WatchedRun:
    """The state of one run, as far as it was read. While no process works on it, its fold is let go."""

    def __init__(self, folder: Path, readers: Readers) -> None:
        self.folder = folder
        self._readers = readers
        self._fold: GrowingFold | None = None
        self._rested: tuple[object, Status] | None = None  # the folder's files, and the status by them
        self._damage: tuple[object, InputError] | None = None  # the files of a log that cannot be read, and why
        self._coverage: float | None = None
        self._view: LiveView | None = None
        self._asked_at = 0.0  # nothing that was seen before counts as fresh
        self._looking: asyncio.Future[LiveView] | None = None
        self.fault: BaseException | None = None  # why the last look found nothing

    @property
    def known(self) -> LiveView | None:
        """What was seen last, at no cost."""
        return self._view

    @property
    def how_far(self) -> str:
        """How far the log has been read, in words."""
        fold = self._fold
        return "the log is being read" + (f": {fold.share:.0%}" if fold is not None else "")

    def abandon(self) -> None:
        """Read no further."""
        if self._fold is not None:
            self._fold.abandoned = True

    async def view(self) -> LiveView:
        """The run now, or as it was a moment ago while it is read. Raises StillReadingError, InputError, OSError."""
        if self._view is not None and self._is_fresh():
            return self._view
        looking = self.begin()
        await asyncio.wait({looking}, timeout=_PATIENCE_S)
        if looking.done():
            return looking.result()
        if self._view is None:
            raise StillReadingError(self.how_far)
        return self._view

    def begin(self) -> "asyncio.Future[LiveView]":
        """Look, unless that is being done. Whoever does not wait finds what comes in `known` or `fault`."""
        if self._looking is None or self._looking.done():
            first = self._fold is None and self._rested is None and _is_long(self.folder)
            pool = self._readers.first if first else self._readers.again
            self._looking = asyncio.get_running_loop().run_in_executor(pool, self._look)
            self._looking.add_done_callback(self._seen)
        return self._looking

    def look_anew(self) -> None:
        """What is known is old: a command has changed the run."""
        self._asked_at = time.time()

    def _is_fresh(self) -> bool:
        return self._view is not None and self._view.at > max(self._asked_at, time.time() - _FRESH_S)

    def _seen(self, looking: "asyncio.Future[LiveView]") -> None:
        self.fault = None if looking.cancelled() else looking.exception()

    def _look(self) -> LiveView:
        """In a thread; never twice at a time."""
        begun = time.time()
        pid = live_pid(self.folder)
        status, rates = self._resting() if pid is None else self._working(pid)
        self._view = view_of(status, rates, last_events(self.folder), begun, self._coverage)
        return self._view

    def _working(self, pid: int) -> tuple[Status, Mapping[int, float]]:
        record = read_run_record(self.folder)
        if self._fold is None:
            self._fold = GrowingFold(self.folder)
        self._fold.look(alive=True)
        self._rested = self._coverage = None
        recent, now = self._fold.recent, time.time()
        rates = {lane: recent.per_second(lane, now) for lane in range(len(self._fold.state.lanes))}
        return status_of(self.folder, record, pid, self._fold.state, sum(rates.values())), rates

    def _resting(self) -> tuple[Status, Mapping[int, float]]:
        files = _files(self.folder)
        if self._rested is not None and self._rested[0] == files:
            self._coverage = coverage_of(self.folder) if self._coverage is None else self._coverage
            return self._rested[1], {}
        if self._damage is not None and self._damage[0] == files:
            raise self._damage[1].with_traceback(None)
        record = read_run_record(self.folder)
        self._fold = self._fold or GrowingFold(self.folder)
        try:
            self._fold.look(alive=False)
            status = status_of(self.folder, record, None, self._fold.state, 0.0)
        except InputError as error:
            self._damage = files, error
            raise
        finally:
            self._fold = None
        self._rested, self._coverage = (files, status), coverage_of(self.folder)
        return status, {}


def _is_long(folder: Path) -> bool:
    try:
        return sum(size for size, _ in extent(folder).values()) > _LONG_BYTES
    except OSError:  # whoever reads it says so
        return False


def _files(folder: Path) -> tuple[object, ...]:
    """By what a folder whose log has not changed is known."""
    found: list[object] = []
    for name in (FILE_NAME, HEARTBEAT, *(log.file_name for log in Log)):
        try:
            told = (folder / name).stat()
            found.append((told.st_ino, told.st_size, told.st_mtime_ns))
        except OSError:
            found.append(None)
    return tuple(found)
