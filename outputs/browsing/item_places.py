"""Where the line of each item begins in items.jsonl, by a hash of its id."""

import hashlib
from pathlib import Path
from typing import BinaryIO

import msgspec

from outputs.browsing.places import offsets_of, write_places
from outputs.items import Item
from outputs.line_at import LinesAt
from outputs.log_reader import read_records

PLACES = "items.places"


class _Named(msgspec.Struct):
    item: str


def write_item_places(items: Path, file: BinaryIO) -> None:
    """Write the places of the items in the file `items`, of lines of one id the last one last."""
    write_places(((_key(line.item), offset) for offset, line in read_records(items, _Named)), file)


def find_item(items: Path, places: Path, name: str) -> Item | None:
    """The item of this id, as its last line has it; None where there is none. Raises OSError."""
    with LinesAt(items, Item) as lines:
        found = (lines.read(offset) for offset in offsets_of(places, _key(name)))
        return next((item for item in found if item.item == name), None)


def _key(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
