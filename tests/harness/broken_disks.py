"""Disks that fail as real ones do: one loses its power, one is full."""

import errno
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from outputs.disk import LogFile, OsDisk

_NOT_KEPT = ("lock", "reserve", "control.sock", "heartbeat.json", "heartbeat.json.new")


@dataclass(slots=True)
class _Written:
    """How much of a log file was written, and how much of that was synced, in bytes."""

    written: int
    synced: int


@dataclass(slots=True)
class PowerCutDisk(OsDisk):
    """The disk under `folder`, whose power goes at its `cut_at`-th operation: every later one fails.

    What the cut leaves is put into `remains`: of each log file what was synced and, by chance, a part of what was only
    written; a file whose name was not synced is there or not, by chance, and so is the folder itself.
    """

    folder: Path
    remains: Path
    random: Random
    cut_at: int
    is_cut: bool = False
    _operations: int = 0
    _files: dict[Path, _Written] = field(default_factory=dict)
    _names: set[Path] = field(default_factory=set)  # on disk whatever happens
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if self.folder.exists():
            self._names.update((self.folder, *self.folder.iterdir()))

    def append(self, path: Path) -> LogFile:
        with self._lock:
            if self._is_moment():
                self._cut()
            size = path.stat().st_size if path.exists() else 0
            self._files[path] = _Written(size, size)
            return _PowerCutFile(OsDisk.append(self, path), path, self)

    def replace(self, path: Path, data: bytes) -> None:
        with self._lock:
            if not self._is_moment():
                path.write_bytes(data)
                self._names.update((path, *self.folder.iterdir()))
                return
            new = path.with_name(path.name + ".new")
            new.write_bytes(data[: self.random.randint(0, len(data))])
            self._cut()

    def sync_folder(self, folder: Path) -> None:
        with self._lock:
            if self._is_moment():
                self._cut()
            self._names.update(folder.iterdir())

    def write(self, path: Path, file: LogFile, data: bytes) -> int:
        with self._lock:
            moment = self._is_moment()
            part = data[: self.random.randint(0, len(data))] if moment or self.random.random() < 0.2 else data
            taken = file.write(part) if part else 0
            self._files[path].written += taken
            if moment:
                self._cut()
            return taken

    def sync(self, path: Path) -> None:
        with self._lock:
            moment = self._is_moment()
            if not moment or self.random.random() < 0.5:
                self._files[path].synced = self._files[path].written
            if moment:
                self._cut()

    def _is_moment(self) -> bool:
        if self.is_cut:
            raise _power_lost()
        self._operations += 1
        return self._operations == self.cut_at

    def _cut(self) -> None:
        self.is_cut = True
        if self.folder not in self._names and self.random.random() < 0.5:
            raise _power_lost()
        self.remains.mkdir()
        for path in self.folder.iterdir():
            if path.name in _NOT_KEPT or (path not in self._names and self.random.random() < 0.5):
                continue
            content = path.read_bytes()
            if (file := self._files.get(path)) is not None:
                content = content[: self.random.randint(file.synced, file.written)]
            (self.remains / path.name).write_bytes(content)
        raise _power_lost()


def _power_lost() -> OSError:
    return OSError(errno.EIO, "the power is gone")


@dataclass(slots=True)
class _PowerCutFile:
    real: LogFile
    path: Path
    disk: PowerCutDisk

    def write(self, data: bytes) -> int:
        return self.disk.write(self.path, self.real, data)

    def sync(self) -> None:
        self.disk.sync(self.path)

    def close(self) -> None:
        self.real.close()


@dataclass(slots=True)
class FullDisk(OsDisk):
    """A disk with room for `room` more bytes of log, and for `freed` more once the `reserve` file is gone."""

    reserve: Path
    room: int
    freed: int

    def append(self, path: Path) -> LogFile:
        return _FullFile(OsDisk.append(self, path), self)

    def take(self, wanted: int) -> int:
        if self.room < wanted and self.freed and not self.reserve.exists():
            self.room, self.freed = self.room + self.freed, 0
        if wanted and not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = min(wanted, self.room)
        self.room -= taken
        return taken


@dataclass(slots=True)
class _FullFile:
    real: LogFile
    disk: FullDisk

    def write(self, data: bytes) -> int:
        return self.real.write(data[: self.disk.take(len(data))])

    def sync(self) -> None:
        self.real.sync()

    def close(self) -> None:
        self.real.close()
