"""Where lines of a log begin, by a number that they are known by, so that one is found without reading the others."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

_ENTRY = np.dtype([("key", "<u8"), ("offset", "<u8")])


def write_places(found: Iterable[tuple[int, int]], file: BinaryIO) -> None:
    """Write pairs of a number and an offset in their order; several lines may have the same number."""
    entries = np.fromiter(found, _ENTRY)
    file.write(np.sort(entries, order=("key", "offset")).tobytes())


def offsets_of(places: Path, key: int) -> list[int]:
    """Where the lines of this number begin, the last one first. Raises OSError."""
    with places.open("rb") as file:
        fd, found = file.fileno(), []
        place = _last_upto(fd, key)
        while place >= 0 and (entry := _entry(fd, place))[0] == key:
            found.append(entry[1])
            place -= 1
    return found


def _last_upto(fd: int, key: int) -> int:
    """The last entry whose key is not above this one; -1 where all are."""
    low, high = 0, os.fstat(fd).st_size // _ENTRY.itemsize
    while low < high:
        middle = (low + high) // 2
        if _entry(fd, middle)[0] <= key:
            low = middle + 1
        else:
            high = middle
    return low - 1


def _entry(fd: int, place: int) -> tuple[int, int]:
    (found,) = np.frombuffer(os.pread(fd, _ENTRY.itemsize, place * _ENTRY.itemsize), _ENTRY).tolist()
    return found[0], found[1]
