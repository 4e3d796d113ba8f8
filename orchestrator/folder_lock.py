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
    """The lock that one process holds on a run folder while it may write there.

    It is on the file `lock`, which names the process, and on the folder itself, for the file may be deleted.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._open()
        deadline = time.monotonic() + _LOCK_PATIENCE_S
        while not self._try_lock():
            if time.monotonic() > deadline:
                holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
                self.release()
                raise InputError(
                    f"in use by a live process (pid {holder}); `overnight status` shows how it does", file=folder
                )
            time.sleep(0.02)
            self.release()
            self._open()
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            self.release()
            raise

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._folder_fd = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            os.close(self._fd)
            raise

    def _try_lock(self) -> bool:
        """Whether both locks are held now, that of the file on the one that has its name."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _lock_folder(self._folder_fd, fcntl.LOCK_EX)
            return os.path.samestat(os.fstat(self._fd), self._path.stat())
        except (BlockingIOError, FileNotFoundError):
            return False

    def release(self) -> None:
        os.close(self._folder_fd)
        os.close(self._fd)


def _lock_folder(fd: int, how: int) -> None:
    """Lock a folder itself, on file systems that can. Raises BlockingIOError where another holds it."""
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # some network file systems lock files only
        return


def live_pid(folder: Path) -> int | None:
    """The process that holds the folder's lock, 0 where it is not known which, or None. Raises InputError."""
    try:
        pid = _holder(folder / LOCK)
        return _holder(folder) if pid is None else pid
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=folder / LOCK) from None


def _holder(path: Path) -> int | None:
    """The process that holds a lock on a lock file or a folder: 0 where it says no number, None where nobody does."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if path.is_dir():
            _lock_folder(fd, fcntl.LOCK_SH)
            return None
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = b"" if path.is_dir() else os.pread(fd, 32, 0).strip()
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
