"""A temporary folder on a real disk."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

_IN_MEMORY = frozenset({"tmpfs", "ramfs"})


@contextlib.contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=parent.resolve()) as name:
        yield Path(name)


def disk_note(folder: Path) -> str:
    """What kind of file system the folder is on, with a warning where a sync there is for show."""
    kind = file_system(folder.resolve(), Path("/proc/mounts").read_text(encoding="utf-8"))
    if kind in _IN_MEMORY:
        return f"written to {kind}, which is MEMORY: a sync costs nothing there; give --dir a folder on a disk"
    return f"written to {kind}"


def file_system(folder: Path, mounts: str) -> str:
    """The kind of file system of an absolute path, by the text of /proc/mounts; the last mount on a point counts."""
    kinds: dict[Path, str] = {}
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split(" ")
        kinds[Path(point.replace("\\040", " "))] = kind
    return next((kinds[place] for place in (folder, *folder.parents) if place in kinds), "unknown")
