"""The items that an edited run still asks about: an edit may take items away, and log others again as they are now.

Memory: 12 bytes for each item and for each request that needs no answer first.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from outputs.answers import iterate_items
from outputs.fold import RowFlag, RunState
from outputs.items import Item
from outputs.journal import Log
from outputs.key_index import KeyIndex
from outputs.log_reader import read_records


class _Metadata(msgspec.Struct):
    item: Any = None


class _Head(msgspec.Struct):
    after: int | None = None
    metadata: _Metadata | None = None


def standing_items(folder: Path, state: RunState) -> Iterator[Item]:
    """Each item once, by its last line, in the order of those lines; without those whose first requests are withdrawn.

    An item stays whose first requests do not name it in their metadata.
    """
    items = KeyIndex()
    for item in iterate_items(folder):
        items.add(item.item.encode())
    last, gone = bytearray(len(items)), _gone(items, folder, state)
    for _, number in items.matches(items):
        last[number] = 1
    for number, item in zip(range(len(items)), iterate_items(folder), strict=False):
        if last[number] and not gone[number]:
            yield item


def _gone(items: KeyIndex, folder: Path, state: RunState) -> bytearray:
    """By item: 1 where its first requests are withdrawn, all of them."""
    asked, withdrawn = KeyIndex(), KeyIndex()
    for row, (_, head) in enumerate(read_records(folder / Log.REQUESTS.file_name, _Head)):
        named = None if head.metadata is None else head.metadata.item
        if head.after is None and isinstance(named, str) and row < len(state):
            (withdrawn if state.flags[row] & RowFlag.WITHDRAWN else asked).add(named.encode())
    gone = bytearray(len(items))
    for number, _ in items.matches(withdrawn):
        gone[number] = 1
    for number, _ in items.matches(asked):
        gone[number] = 0
    return gone
