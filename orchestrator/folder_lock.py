"""The lock on a run folder: one process at a time writes there; anybody may ask who."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from outputs.disk import FULL
from prompts.input_error import InputError

LOCK = "lock"
_LOCK_PATIENCE_S = 0.5  # `status` holds a shared lock for a moment to see whether a run is alive


class FolderLock:
    """The lock that one process holds on a run folder while it may write there."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        deadline = time.monotonic() + _LOCK_PATIENCE_S
        while not self._try_lock():
            if time.monotonic() > deadline:
                holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
                os.close(self._fd)
                raise InputError(
                    f"in use by a live process (pid {holder}); `overnight status` shows how it does", file=folder
                )
            time.sleep(0.02)
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            os.close(self._fd)
            raise

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        os.close(self._fd)


def live_pid(folder: Path) -> int | None:
    """The process that holds the folder's lock, or None."""
    try:
        fd = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(fd, 32, 0).strip()
        return int(text) if text.isdigit() else 0
    else:
        return None
    finally:
        os.close(fd)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock.

    Raises InputError where a live process holds it or the folder cannot be written, OSError where the disk is full.
    """
    try:
        lock = FolderLock(folder)
    except OSError as error:
        if error.errno in FULL:
            raise
        raise InputError(f"cannot be written: {error.strerror}", file=folder) from None
    try:
        yield
    finally:
        lock.release()
