"""Rows that wait, by number, in four bytes each."""

from array import array
from collections.abc import Callable, Iterable, Sequence


class RowQueue:
    """First in, first out; what is put back goes first."""

    __slots__ = ("_head", "_rows")

    def __init__(self) -> None:
        self._rows = array("I")
        self._head = 0

    def __len__(self) -> int:
        return len(self._rows) - self._head

    def add(self, row: int) -> None:
        """Put a row at the end."""
        self._rows.append(row)

    def add_first(self, rows: Iterable[int]) -> None:
        """Put rows before all others, in their order."""
        self._rows = array("I", rows) + self._rows[self._head :]
        self._head = 0

    def upcoming(self, count: int) -> Sequence[int]:
        """The first rows, `count` at most."""
        return self._rows[self._head : self._head + count]

    def pop(self) -> int:
        """Take the first row, which there must be."""
        row = self._rows[self._head]
        self._head += 1
        return row

    def take_all(self) -> Sequence[int]:
        """Take all rows."""
        rows = self._rows[self._head :]
        self._rows, self._head = array("I"), 0
        return rows

    def drop(self, is_dropped: Callable[[int], bool]) -> int:
        """Leave out the rows that `is_dropped` names; returns how many."""
        before = len(self)
        self._rows, self._head = array("I", (row for row in self._rows[self._head :] if not is_dropped(row))), 0
        return before - len(self)
