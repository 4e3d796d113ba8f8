"""Where the line of each item begins in items.jsonl, so that one is found without reading the others."""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from outputs.items import Item
from outputs.line_at import LinesAt
from outputs.log_reader import read_records

PLACES = "items.places"
_ENTRY = np.dtype([("key", "<u8"), ("offset", "<u8")])


class _Named(msgspec.Struct):
    item: str


def write_item_places(items: Path, file: BinaryIO) -> None:
    """Write the places of the items in the file `items`, in the order of their keys, the last line of an id last."""
    found = [(_key(line.item), offset) for offset, line in read_records(items, _Named)]
    file.write(np.sort(np.array(found, _ENTRY), order=("key", "offset")).tobytes())


def find_item(items: Path, places: Path, name: str) -> Item | None:
    """The item of this id, as its last line has it; None where there is none. Raises OSError."""
    key = _key(name)
    with places.open("rb") as file, LinesAt(items, Item) as lines:
        place = _last_upto(file.fileno(), key)
        while place >= 0 and (entry := _entry(file.fileno(), place))[0] == key:
            if (item := lines.read(entry[1])).item == name:
                return item
            place -= 1
    return None


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


def _key(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
