"""The one writer of a run's log: every line gets a rising `seq`, and counts once it is on disk (group commit).

Lines are appended from the event loop; one thread writes and syncs them in batches, one batch at a time, so that many
lines share one fdatasync. Promises: lines of one file stand in `seq` order; `durable(seq)` returns only when that line
and every line before it, in whatever file, is on disk; nothing is reported durable that is not.
"""

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Any

from outputs.disk import FULL, Disk, LogFile, Reserve


class Log(IntEnum):
    """The log files of a run folder."""

    REQUESTS = 0
    ATTEMPTS = 1
    RESPONSES = 2
    ERRORS = 3
    EVENTS = 4
    ITEMS = 5

    @property
    def file_name(self) -> str:
        return f"{self.name.lower()}.jsonl"


class WriteFailedError(Exception):
    """The log cannot be written any more: nothing further may be sent."""


_Batch = tuple[int, list[tuple[Log, list[bytes]]]]

# Beyond this many waiting lines a batch goes out at once; below it the batch waits `_LINGER_S` for company, because a
# sync costs 0.2 to 0.5 ms whatever it carries.
_FULL_BATCH = 256
_LINGER_S = 0.001


class Journal:
    """Append-only writer over the log files of one folder. Use it from one event loop; `close` it at the end."""

    def __init__(self, folder: Path, disk: Disk, next_seq: int, *, reserve: Reserve | None = None) -> None:
        self._files: list[LogFile] = [disk.append(folder / log.file_name) for log in Log]
        disk.sync_folder(folder)
        self._reserve = reserve
        self._loop = asyncio.get_running_loop()
        self._next_seq = next_seq
        self._buffers: list[list[bytes]] = [[] for _ in Log]
        self._buffered = 0
        self._durable = next_seq - 1
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._writing = False
        self._timer: asyncio.TimerHandle | None = None
        self.failure: WriteFailedError | None = None
        self.disk_full = False
        self.on_durable: Callable[[int], None] | None = None
        self.on_trouble: Callable[[], None] | None = None
        self._queue: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_batches, name="journal", daemon=True)
        self._thread.start()

    def append(self, log: Log, rest: bytes) -> int:
        """Add the line `{"seq":N,` + `rest` (which ends with the closing brace); returns its seq.

        Raises WriteFailedError where the log can no longer be written.
        """
        if self.failure is not None:
            raise self.failure
        seq = self._next_seq
        self._next_seq = seq + 1
        self._buffers[log].append(b'{"seq":%d,%b\n' % (seq, rest))
        self._buffered += 1
        if not self._writing:
            if self._buffered >= _FULL_BATCH:
                self._hand_over()
            elif self._timer is None:
                self._timer = self._loop.call_later(_LINGER_S, self._hand_over)
        return seq

    @property
    def durable_seq(self) -> int:
        """The last seq that is on disk, with every one before it."""
        return self._durable

    async def durable(self, seq: int) -> None:
        """Return once the line `seq` is on disk. Raises WriteFailedError where it will never be."""
        if self._durable >= seq:
            return
        if self.failure is not None:
            raise self.failure
        waiter = self._loop.create_future()
        self._waiters.append((seq, waiter))
        await waiter

    async def flush(self) -> None:
        """Return once all appended lines are on disk. Raises WriteFailedError."""
        await self.durable(self._next_seq - 1)

    async def close(self) -> None:
        """Flush what can be flushed and stop the writer thread. Never raises."""
        try:
            await self.flush()
        except WriteFailedError:
            pass
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        for file in self._files:
            file.close()

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writing or not self._buffered or self.failure is not None:
            return
        batch = [(log, lines) for log in Log if (lines := self._buffers[log])]
        for log, _ in batch:
            self._buffers[log] = []
        self._buffered = 0
        self._writing = True
        self._queue.put((self._next_seq - 1, batch))

    def _synced(self, seq: int) -> None:
        self._writing = False
        self._durable = seq
        waiters = self._waiters
        while waiters and waiters[0][0] <= seq:
            waiter = waiters.popleft()[1]
            if not waiter.done():
                waiter.set_result(None)
        if self.disk_full and self.on_trouble is not None:
            self.on_trouble()
        if self.on_durable is not None:
            self.on_durable(seq)
        if self._buffered and self._timer is None:
            self._timer = self._loop.call_later(0 if self._buffered >= _FULL_BATCH else _LINGER_S, self._hand_over)

    def _failed(self, error: OSError) -> None:
        self.failure = WriteFailedError(f"cannot write the log: {error.strerror or error}")
        self.disk_full = self.disk_full or error.errno in FULL
        for _, waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(self.failure)
                waiter.exception()  # a waiter that was cancelled meanwhile must not warn
        self._waiters.clear()
        if self.on_trouble is not None:
            self.on_trouble()

    # The writer thread runs everything below.

    def _write_batches(self) -> None:
        while (batch := self._queue.get()) is not None:
            seq, parts = batch
            try:
                self._write(parts)
            except OSError as error:
                self._tell(self._failed, error)
                return
            self._tell(self._synced, seq)

    def _tell(self, what: Callable[[Any], None], value: object) -> None:
        try:
            self._loop.call_soon_threadsafe(what, value)
        except RuntimeError:  # the loop was closed without closing the journal: nobody is left to tell
            pass

    def _write(self, parts: list[tuple[Log, list[bytes]]]) -> None:
        for log, lines in parts:
            self._write_all(self._files[log], b"".join(lines))
        for log, _ in parts:
            self._files[log].sync()

    def _write_all(self, file: LogFile, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                taken = file.write(bytes(rest) if len(rest) != len(data) else data)
            except OSError as error:
                if error.errno not in FULL or self._reserve is None or not self._reserve.free():
                    raise
                self.disk_full = True
                continue
            rest = rest[taken:]
