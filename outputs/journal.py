"""The one writer of a run's log: every line gets a rising `seq`, and counts once it is on disk (group commit).

Lines are appended from the event loop; one thread writes and syncs them in batches, one batch at a time, so that many
lines share one fdatasync. Answers, which are large, are written at once like all other lines (a killed process loses
none), but where nobody waits for them they share a sync for up to 20 ms. Promises: lines of one file stand in `seq`
order; `intent_on_disk(seq)` is done only when that line, and every line before it but answers, is on disk;
`durable(seq)` only when every line is.
"""

import asyncio
import queue
import threading
import time
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


_Waiters = deque[tuple[int, "asyncio.Future[None]"]]
_Batch = tuple[int, list[tuple[Log, list[bytes]]]]

# A batch goes out when a pass of the event loop added nothing to it, or when it is this old: a sync costs 0.2 to 0.5 ms
# whether it carries one line or a hundred.
_LINGER_S = 0.004
# How long answers may wait for company. Syncing each batch's answers costs a fifth of the throughput.
_ANSWERS_S = 0.02


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
        self._but_answers = next_seq - 1  # on disk up to here, answers aside
        self._durable = next_seq - 1  # on disk up to here
        self._waiters: _Waiters = deque()
        self._patient: _Waiters = deque()
        self._writing = False
        self._considering = False
        self._considered = 0
        self._oldest = 0.0
        self.failure: WriteFailedError | None = None
        self.disk_full = False
        self.on_durable: Callable[[int], None] | None = None
        self.on_trouble: Callable[[], None] | None = None
        self._queue: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._written = next_seq - 1  # the writer thread's own, like the next
        self._answers_since: float | None = None
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
        if not self._writing and not self._considering:
            self._start_considering()
        return seq

    @property
    def durable_seq(self) -> int:
        """The last seq that is on disk, with every one before it."""
        return self._durable

    def intent_on_disk(self, seq: int) -> "asyncio.Future[None]":
        """Done once the line `seq`, and every line before it but answers, is on disk. Fails with WriteFailedError."""
        return self._wait(self._waiters, seq, self._but_answers)

    def durable(self, seq: int) -> "asyncio.Future[None]":
        """Done once every line up to `seq` is on disk, which is then seen to at once. Fails with WriteFailedError."""
        waiter = self._wait(self._patient, seq, self._durable)
        if not waiter.done() and not self._writing and not self._considering:
            self._hand_over()  # an empty batch, so that the writer looks at who waits
        return waiter

    def _wait(self, waiters: _Waiters, seq: int, done_upto: int) -> "asyncio.Future[None]":
        waiter = self._loop.create_future()
        if done_upto >= seq:
            waiter.set_result(None)
        elif self.failure is not None:
            waiter.set_exception(self.failure)
        else:
            waiters.append((seq, waiter))
        return waiter

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

    def _start_considering(self) -> None:
        self._considering = True
        self._considered = 0
        self._oldest = time.monotonic()
        self._loop.call_soon(self._consider)

    def _consider(self) -> None:
        """Hand the batch over, unless the last pass of the loop added to it and it is young."""
        if self._buffered > self._considered and time.monotonic() - self._oldest < _LINGER_S:
            self._considered = self._buffered
            self._loop.call_soon(self._consider)
            return
        self._considering = False
        if self._buffered and not self._writing and self.failure is None:
            self._hand_over()

    def _hand_over(self) -> None:
        batch = [(log, lines) for log in Log if (lines := self._buffers[log])]
        for log, _ in batch:
            self._buffers[log] = []
        self._buffered = 0
        self._writing = True
        self._queue.put((self._next_seq - 1, batch))

    def _synced_but_answers(self, seq: int) -> None:
        self._writing = False
        self._but_answers = seq
        _release(self._waiters, seq)
        if self._buffered and not self._considering:
            self._start_considering()
        if self.disk_full and self.on_trouble is not None:
            self.on_trouble()

    def _synced(self, seq: int) -> None:
        self._durable = seq
        _release(self._patient, seq)
        if self.on_durable is not None:
            self.on_durable(seq)

    def _failed(self, error: Exception) -> None:
        reason = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
        self.failure = WriteFailedError(f"cannot write the log: {reason}")
        self.disk_full = self.disk_full or (isinstance(error, OSError) and error.errno in FULL)
        for _, waiter in (*self._waiters, *self._patient):
            if not waiter.done():
                waiter.set_exception(self.failure)
                waiter.exception()  # a waiter that was cancelled meanwhile must not warn
        self._waiters.clear()
        self._patient.clear()
        if self.on_trouble is not None:
            self.on_trouble()

    # The writer thread runs everything below.

    def _write_batches(self) -> None:
        try:
            while True:
                try:
                    batch = self._queue.get(timeout=self._patience_s())
                except queue.Empty:
                    self._sync_answers()
                    continue
                if batch is None:
                    self._sync_answers()
                    return
                self._write(*batch)
        except Exception as error:  # of whatever kind: nobody must wait for a writer that is gone
            self._tell(self._failed, error)

    def _patience_s(self) -> float | None:
        """How long answers that are not synced yet may wait for the next batch; None where there are none."""
        if self._answers_since is None:
            return None
        return max(0.0, self._answers_since + _ANSWERS_S - time.monotonic())

    def _write(self, seq: int, parts: list[tuple[Log, list[bytes]]]) -> None:
        for log, lines in parts:
            self._write_all(self._files[log], b"".join(lines))
        for log, _ in parts:
            if log is not Log.RESPONSES:
                self._files[log].sync()
            elif self._answers_since is None:
                self._answers_since = time.monotonic()
        self._written = seq
        self._tell(self._synced_but_answers, seq)
        if self._answers_since is None:
            self._tell(self._synced, seq)
        elif self._patient or self._patience_s() == 0.0:
            self._sync_answers()

    def _sync_answers(self) -> None:
        if self._answers_since is not None:
            self._files[Log.RESPONSES].sync()
            self._answers_since = None
            self._tell(self._synced, self._written)

    def _tell(self, what: Callable[[Any], None], value: object) -> None:
        try:
            self._loop.call_soon_threadsafe(what, value)
        except RuntimeError:  # the loop was closed without closing the journal: nobody is left to tell
            pass

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


def _release(waiters: _Waiters, seq: int) -> None:
    """Wake those who wait for lines up to `seq`."""
    while waiters and waiters[0][0] <= seq:
        waiter = waiters.popleft()[1]
        if not waiter.done():
            waiter.set_result(None)
