"""The rows of the runs that are looked through: made when a page wants them, and anew as the log grows.

The rows of a run that goes on stand apart from its tables, in a folder that goes with the server: what is open stays as
it is until newer rows take its place.
"""

import asyncio
import contextlib
import os
import tempfile
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from aiohttp import web

from orchestrator.folder_lock import live_pid
from orchestrator.viewing.live import StillReadingError
from orchestrator.viewing.open_rows import Extent, OpenRows, open_made
from orchestrator.viewing.row_making import DAMAGE, Making
from outputs.browsing.index import RowIndex, RowsReplacedError
from outputs.browsing.making import unmake
from outputs.run_record import FILE_NAME
from outputs.tables.extent import extent
from outputs.tables.loading import LoadedRun
from outputs.tables.workroom import workroom
from prompts.input_error import InputError

_PATIENCE_S = 1.5  # of a page, before it says that it waits
_LEAST_S, _TIMES = 15.0, 5.0  # between two makings of a run that goes on: by what the last one took
_FAULT_S = 5.0  # a fault is told so long before it is tried again
_MOST_OPEN = 4  # runs whose rows are held
_MOST_ROWS = 1_200_000  # of all of them, but for the one that is looked at, and the one beside it
_TRIES = 3  # at rows that are replaced while they are read
_LARGE = 300_000  # rows, from which on old ones and new ones are not held at a time

T = TypeVar("T")
_Identity = tuple[int, int] | None  # of the run's record: its inode, and when it was written


@dataclass(frozen=True, slots=True)
class _Fault:
    """Why there are no rows, `at` a moment, of the folder that was `of` this identity."""

    at: float
    of: _Identity
    error: Exception

    def is_recent(self, identity: _Identity) -> bool:
        return self.of == identity and time.time() < self.at + _FAULT_S


class RunRows:
    """The rows of one run: `read` makes or takes them."""

    def __init__(self, folder: Path, kept: "OrderedDict[Path, RunRows]") -> None:
        self.folder = folder
        self._kept = kept  # those that are open, the one that was used last at the end
        self._open: OpenRows | None = None
        self._beside: RunRows | None = None  # of the run that is looked at together with this one
        self._making: Making | None = None
        self._task: asyncio.Task[None] | None = None
        self._fault: _Fault | None = None
        self._mends = False  # what is made next is in the place of damaged files

    @property
    def known(self) -> OpenRows | None:
        """What is open, at no cost."""
        return self._open

    async def read(self, work: Callable[[OpenRows], Awaitable[T]], beside: "RunRows | None" = None) -> T:
        """What `work` reads of the rows, which stay while it does; of newer ones where those were replaced meanwhile.

        Damaged files are made anew, once. `beside` stays open where both are read by turns. Raises StillReadingError,
        InputError, OSError, and what `work` says of the request.
        """
        for _ in range(_TRIES):
            rows = await self.opened(beside)
            with rows.kept():
                try:
                    return await work(rows)
                except (StillReadingError, web.HTTPException):
                    raise
                except DAMAGE as error:
                    await self._mend(rows, error)
        raise StillReadingError("the rows are being made")

    async def _mend(self, rows: OpenRows, error: BaseException) -> None:
        """Have rows that cannot be read be opened or made anew; raise where that is of no help."""
        current = await asyncio.to_thread(lambda: rows.index.is_current)
        if self._open is not rows:
            return
        if current and isinstance(error, InputError | OSError):
            raise error
        if current and rows.mended:
            raise _cannot("read", error, rows.place) from error
        self._let_go()
        if current:
            self._mends = True
            await asyncio.to_thread(unmake, rows.place)

    async def opened(self, beside: "RunRows | None" = None) -> OpenRows:
        """The rows, as new as they are to be had at once. Raises StillReadingError, InputError."""
        self._beside, held = beside, self._open
        now, identity, current = await asyncio.to_thread(_look, self.folder, held)
        if held is not None and held is self._open and not current:
            self._let_go()  # another process has made them anew: what is held does not fit to what is on disk
        if self._open is None or (self._open.of != now and self._is_time(self._open)):
            self._begin(identity)
        if self._open is None and self._task is not None:
            await asyncio.wait({self._task}, timeout=_PATIENCE_S)
        if self._open is None:
            if self._fault is not None:
                raise self._fault.error
            raise StillReadingError("the rows are being made" if self._making is None else self._making.how_far)
        self._count()
        return self._open

    def _count(self) -> None:
        """Count these rows among those that are held, and let go of others where those are too many."""
        self._kept.pop(self.folder, None)
        self._kept[self.folder] = self
        for one in list(self._kept.values()):
            if self._holds_too_much() and one is not self and one is not self._beside:
                one.close()

    def _holds_too_much(self) -> bool:
        held = sum(one.known.index.total for one in self._kept.values() if one.known is not None)
        return len(self._kept) > _MOST_OPEN or held > _MOST_ROWS

    def close(self) -> None:
        """Let go of what is open."""
        self._let_go()

    def _let_go(self) -> None:
        """Hold the rows no more; their files go when no page reads them."""
        if self._kept.get(self.folder) is self:
            del self._kept[self.folder]
        if self._open is not None:
            left, self._open = self._open, None
            left.leave()

    async def end(self) -> None:
        """End what is being made, and let go."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.close()

    @staticmethod
    def _is_time(rows: OpenRows) -> bool:
        return time.time() >= rows.as_of + rows.took + max(_LEAST_S, _TIMES * rows.took)

    def _begin(self, identity: _Identity) -> None:
        recent = self._fault is not None and self._fault.is_recent(identity)
        if recent or (self._task is not None and not self._task.done()):
            return
        self._fault = None
        self._task = asyncio.create_task(self._make(identity))

    async def _make(self, identity: _Identity) -> None:
        begun, mends = time.time(), self._mends
        stack = contextlib.ExitStack()
        try:
            out = await asyncio.to_thread(self._place, stack)
            made = await self._made(out)
        except RowsReplacedError:
            stack.close()  # no fault: whoever asks next has them opened again
            return
        except DAMAGE as error:
            stack.close()
            told = error if isinstance(error, InputError | OSError) else _cannot("made", error, self.folder / "tables")
            self._fault = _Fault(time.time(), identity, told)
            return
        except BaseException:
            stack.close()
            raise
        finally:
            self._making = None
        self._let_go()
        self._open = OpenRows(*made, begun, time.time() - begun, stack, mends)
        self._mends = False
        self._count()

    async def _made(self, out: Path | None) -> tuple[LoadedRun, RowIndex, Extent, Path]:
        """Make the rows, and open them; files that cannot be opened are made anew, once."""
        self._making = Making(self.folder, out)
        place = await self._making.run()
        if self._open is not None and self._open.index.total > _LARGE:
            self._let_go()
        try:
            return await asyncio.to_thread(open_made, self.folder, place)
        except (InputError, OSError):
            raise
        except DAMAGE:
            await asyncio.to_thread(unmake, place)
        return await asyncio.to_thread(open_made, self.folder, await self._making.run())

    def _place(self, stack: contextlib.ExitStack) -> Path | None:
        """Where the tables are made: where they always are, but of a run that goes on apart from them."""
        tables = self.folder / "tables"
        if not os.access(tables if tables.exists() else self.folder, os.W_OK):
            return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="overnight-view-")))
        if live_pid(self.folder) is None:
            return None
        return stack.enter_context(workroom(tables))


def _look(folder: Path, held: OpenRows | None) -> tuple[Extent, _Identity, bool]:
    """How far the log of a run reaches, which folder it is, and whether the rows are those that are on disk."""
    return extent(folder), _stat(folder / FILE_NAME), held is None or held.index.is_current


def _stat(path: Path) -> _Identity:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _cannot(what: str, error: BaseException, place: Path) -> InputError:
    told = f"the rows cannot be {what}, nor after they were made anew ({type(error).__name__}): delete this folder"
    return InputError(f"{told}, and look again; the log stays as it is", file=place)
