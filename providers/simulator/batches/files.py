"""The files of the simulated Files API, on disk in a folder that goes with the simulator."""

import tempfile
from pathlib import Path

import msgspec


class Stored(msgspec.Struct, frozen=True):
    """A file; `created_at` in seconds since 1970 UTC, `size` in bytes."""

    id: str
    filename: str
    purpose: str
    size: int
    created_at: int
    path: Path


class Files:
    """What was uploaded, and what batches have made, by id. The folder is made at the first need of it."""

    def __init__(self) -> None:
        self._stored: dict[str, Stored] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._paths = 0
        self._downloaded: set[str] = set()

    def __len__(self) -> int:
        return len(self._stored)

    def new_path(self) -> Path:
        """A path for a new file."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="simulated-batches-")
        self._paths += 1
        return Path(self._folder.name) / str(self._paths)

    def add(self, stored: Stored) -> None:
        self._stored[stored.id] = stored

    def get(self, id_: str) -> Stored | None:
        return self._stored.get(id_)

    def delete(self, id_: str) -> bool:
        """Whether there was one. Batches have links of their own to the lines that they read."""
        stored = self._stored.pop(id_, None)
        if stored is not None:
            stored.path.unlink(missing_ok=True)
        return stored is not None

    def newest_first(self) -> list[Stored]:
        return list(reversed(self._stored.values()))

    def first_download(self, id_: str) -> bool:
        """Whether this is the first time that somebody wants what has this id."""
        first = id_ not in self._downloaded
        self._downloaded.add(id_)
        return first

    def close(self) -> None:
        """Remove everything from disk; may be called twice."""
        self._stored.clear()
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.cleanup()
