"""The file layer beneath the log: append, sync, replace. One narrow seam, so that tests can cut the power.

Promise: after `LogFile.sync` returns, all that was written to that file survives a power cut; after `Disk.replace` and
`Disk.sync_folder` return, so does the file's name.
"""

import contextlib
import errno
import os
from pathlib import Path
from typing import Protocol

from prompts.input_error import InputError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class LogFile(Protocol):
    """One append-only file."""

    def write(self, data: bytes) -> int:
        """Append `data`; returns how many bytes were taken, which may be fewer. Raises OSError."""

    def sync(self) -> None:
        """Return once all that was written is on disk. Raises OSError."""

    def close(self) -> None:
        """Close the file; what was not synced may still be lost."""


class Disk(Protocol):
    """Where log files and records live."""

    def append(self, path: Path) -> LogFile:
        """Open `path` for appending, making it where it is missing."""

    def replace(self, path: Path, data: bytes) -> None:
        """Make `data` the content of `path`, all or nothing, on disk when this returns."""

    def sync_folder(self, folder: Path) -> None:
        """Return once the names in `folder` are on disk."""


class _OsLogFile:
    __slots__ = ("_fd",)

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def write(self, data: bytes) -> int:
        return os.write(self._fd, data)

    def sync(self) -> None:
        os.fdatasync(self._fd)

    def close(self) -> None:
        os.close(self._fd)


class OsDisk:
    """The real disk."""

    def append(self, path: Path) -> LogFile:
        return _OsLogFile(path)

    def replace(self, path: Path, data: bytes) -> None:
        temporary = path.with_name(path.name + ".new")
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fdatasync(file.fileno())
        temporary.replace(path)
        self.sync_folder(path.parent)

    def sync_folder(self, folder: Path) -> None:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


class Reserve:
    """A file of real blocks that is given up when the disk is full, so that what was answered still lands.

    Raises InputError where it cannot be made, OSError where the disk is full.
    """

    def __init__(self, path: Path, size_bytes: int) -> None:
        self.path = path
        self.freed = False
        try:
            with path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size_bytes)
        except OSError as error:  # what there was of it must not stay
            with contextlib.suppress(OSError):
                self.free()
            if error.errno in FULL:
                raise
            raise InputError(f"cannot be written: {error.strerror}", file=path) from None

    def free(self) -> bool:
        """Give the blocks back; False where that was done before."""
        if self.freed:
            return False
        self.path.unlink(missing_ok=True)
        self.freed = True
        return True
