"""Comparisons of two runs, each made once, in a process of its own: two large runs do not fit into the server's memory.

What is kept is the document of `overnight compare` and a file of the rows that changed, of which a page reads its part.
"""

import asyncio
import os
import shutil
import tempfile
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.folder_lock import live_pid
from orchestrator.viewing.child import Child, answer
from outputs.disk import FULL
from outputs.journal import Log
from outputs.run_record import FILE_NAME
from prompts.input_error import InputError

ROWS, SCORES, _DOCUMENT = "rows.parquet", "scores.parquet", "document.json"
_COMMAND = f"import sys; from {__name__} import main; main(*sys.argv[1:])"
_MOST_KEPT = 8
_FRESH_S, _FRESH_TIMES = 15.0, 5.0  # of a run that goes on: how long a comparison stands, by what it took


@dataclass(slots=True)
class Comparison:
    """What is known of two runs. `document` is None while it is being made; `fault` says why there is none."""

    folder: Path
    state: tuple[object, ...]
    begun: float
    took: float = 0.0
    document: dict[str, Any] | None = None
    fault: str | None = None
    task: "asyncio.Task[None] | None" = None

    @property
    def rows(self) -> Path:
        """The rows of `outputs.changed_rows`."""
        return self.folder / ROWS

    @property
    def scores(self) -> Path:
        """The scores of `outputs.changed_rows`."""
        return self.folder / SCORES

    def stands(self, state: tuple[object, ...], now: float) -> bool:
        """Whether it is still being made, or is of the logs as they are, or fresh enough."""
        if self.document is None and self.fault is None:
            return True
        fresh = now < self.begun + self.took + max(_FRESH_S, _FRESH_TIMES * self.took)
        return fresh or (self.state == state and self.fault is None)


@dataclass(slots=True)
class Comparisons:
    """The last comparisons that were asked for, in a folder that goes with the server."""

    _folder: Path | None = None
    _kept: OrderedDict[tuple[Path, Path], Comparison] = field(default_factory=OrderedDict)
    _gone: list[Path] = field(default_factory=list)  # folders of those that were replaced or let go
    _made: int = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # one at a time: each may take gigabytes

    async def of(self, a: Path, b: Path, patience_s: float) -> Comparison:
        """The comparison of two run folders; perhaps still being made, when so many seconds have passed."""
        state = (*_state(a), *_state(b))
        found = self._kept.get((a, b))
        if found is None or not found.stands(state, time.time()):
            found = self._begin(a, b, state)
        self._kept.move_to_end((a, b))
        if found.task is not None:
            await asyncio.wait([found.task], timeout=patience_s)
        return found

    def _begin(self, a: Path, b: Path, state: tuple[object, ...]) -> Comparison:
        self._folder = self._folder or Path(tempfile.mkdtemp(prefix="overnight-compare-"))
        self._made += 1
        made = Comparison(self._folder / str(self._made), state, time.time())
        made.task = asyncio.create_task(self._make(made, a, b))
        if (replaced := self._kept.get((a, b))) is not None:
            self._gone.append(replaced.folder)
        self._kept[a, b] = made
        self._evict()
        return made

    def _evict(self) -> None:
        """Let the oldest go that are finished: a page waits for those that are not."""
        finished = [pair for pair, one in self._kept.items() if one.task is None]
        for pair in finished[: max(0, len(self._kept) - _MOST_KEPT)]:
            self._gone.append(self._kept.pop(pair).folder)

    async def _make(self, made: Comparison, a: Path, b: Path) -> None:
        async with self._turn:
            begun = time.monotonic()
            try:
                made.folder.mkdir(parents=True)
                await _run(a, b, made.folder)
                made.document = msgspec.json.decode((made.folder / _DOCUMENT).read_bytes())
            except InputError as error:
                made.fault = str(error)
            except OSError as error:
                made.fault = "the disk is full" if error.errno in FULL else f"{error.strerror or error}"
            except msgspec.MsgspecError as error:
                made.fault = f"the comparison could not be made: {error}"
            made.took = time.monotonic() - begun
        made.task = None
        if made.fault is not None:  # a part of it, perhaps on a full disk
            self._gone.append(made.folder)
        await self._remove_gone()

    async def _remove_gone(self) -> None:
        """Not before what takes their place is made: a page may have read them still."""
        gone, self._gone = self._gone, []
        for folder in gone:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def close(self) -> None:
        """End what is being made, and remove all."""
        tasks = [one.task for one in self._kept.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _state(folder: Path) -> tuple[object, ...]:
    """What tells whether a run's log has grown."""
    names = [FILE_NAME, *(log.file_name for log in Log)]
    found = []
    for name in names:
        try:
            state = (folder / name).stat()
        except OSError:
            continue
        found += [state.st_size, state.st_mtime_ns]
    return tuple(found)


async def _run(a: Path, b: Path, place: Path) -> None:
    await Child(_COMMAND, tuple(str(path.resolve()) for path in (a, b, place))).told()


def main(first: str, second: str, place: str) -> None:
    """As a process of its own: compare two run folders, and put what was found into the folder `place`."""
    answer(lambda: _compare(Path(first), Path(second), Path(place)))


def _compare(first: Path, second: Path, folder: Path) -> str:
    from outputs.changed_rows import changes
    from outputs.comparing import compare_runs
    from outputs.comparison_page import notes
    from outputs.tables.several import load_runs

    both = [first, second]
    a, b = load_runs(both, None if all(map(_may_have_tables, both)) else folder / "tables")
    document = compare_runs(a, b).document
    found = changes(a, b)
    found.rows.write_parquet(folder / ROWS)
    found.scores.write_parquet(folder / SCORES)
    (folder / _DOCUMENT).write_bytes(msgspec.json.encode({**document, "notes": list(notes(document))}))
    return ""


def _may_have_tables(run: Path) -> bool:
    """Whether tables are made in the run's own folder: of a run that goes on, others may read them."""
    tables = run / "tables"
    return live_pid(run) is None and os.access(tables if tables.exists() else run, os.W_OK)
