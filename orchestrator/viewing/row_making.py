"""Making a run's tables and rows: in this process where the log is short, else in one of its own.

A large run takes a minute and a gigabyte: neither is for the process that serves pages.
"""

import asyncio
from pathlib import Path

import polars as pl

from orchestrator.viewing.child import Child, answer
from outputs.browsing.making import browse_table, unmake
from outputs.tables.extent import extent
from outputs.tables.loading import load_run, tables_as_made
from outputs.tables.made import MADE
from prompts.input_error import InputError

_SHORT_BYTES = 16 << 20  # of the log
_COMMAND = f"import sys; from {__name__} import main; main(*sys.argv[1:])"
DAMAGE = (Exception, pl.exceptions.PanicException)  # what reading a damaged file raises may be anything
_PASSES = 2.0  # over the log: it is folded, and then read


class Making:
    """One making of the tables of `folder`; beneath `out` where it is given, else in the folder's own `tables`."""

    def __init__(self, folder: Path, out: Path | None) -> None:
        self.folder, self.out = folder, out
        self._bytes = sum(size for size, _ in extent(folder).values())
        self._child: Child | None = None

    async def run(self) -> Path:
        """Make them; returns the folder of the tables. Raises InputError."""
        if self._bytes < _SHORT_BYTES:
            return await asyncio.to_thread(make, self.folder, self.out)
        return await self._made_by_another()

    async def _made_by_another(self) -> Path:
        out = "" if self.out is None else str(self.out.resolve())
        self._child = Child(_COMMAND, (str(self.folder.resolve()), out))
        return Path(await self._child.told())

    @property
    def pid(self) -> int | None:
        """Of the process that makes them, if any does."""
        return None if self._child is None else self._child.pid

    @property
    def how_far(self) -> str:
        """In words: of what is being made, about how much is there."""
        place = self.folder / "tables" if self.out is None else None
        if place is not None and (place / MADE).exists() and self._share() >= 1.0:
            return "the rows are being put in order"
        return f"the rows are being read: about {min(0.99, self._share()):.0%}" if self._share() else "is being read"

    def _share(self) -> float:
        """By what the other process has read of the files, where the system tells."""
        if self.pid is None or not self._bytes:
            return 0.0
        try:
            told = Path(f"/proc/{self.pid}/io").read_text()
            read = int(told.split("rchar:")[1].split()[0])
        except (OSError, IndexError, ValueError):
            return 0.0
        return read / (_PASSES * self._bytes)


def make(folder: Path, out: Path | None) -> Path:
    """Make what is not there; returns the folder of the tables. Where the tables are damaged, they are made anew.

    Raises InputError, OSError where the disk is full.
    """
    place = load_run(folder, out).tables["outcomes"].parent
    try:
        browse_table(tables_as_made(folder, place))
    except (InputError, OSError):
        raise
    except DAMAGE:
        unmake(place)
        load_run(folder, out)
        browse_table(tables_as_made(folder, place))
    return place


def main(folder: str, out: str) -> None:
    """As a process of its own: the folder of the tables, or what is wrong, on standard output."""
    answer(lambda: str(make(Path(folder), Path(out) if out else None)))
