"""The runs that are viewed. In addresses a run has a key made of what was asked, so that links last: its place in the
list is another one as soon as other runs are viewed.
"""

import asyncio
import hashlib
import os
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from orchestrator.viewing.live import Readers, WatchedRun
from orchestrator.viewing.row_tables import RunRows
from outputs.run_record import FILE_NAME, RunRecord, read_run_record
from prompts.input_error import InputError

_DEEPEST = 3  # folders below the one that runs are looked for in
_KEY_DIGITS = 10  # more than a place has


@dataclass(slots=True)
class ViewedRun:
    """One run. `number` is its place in the list, from 0; `label` what it is called before its record is read."""

    number: int
    key: str
    folder: Path
    label: str
    watched: WatchedRun
    rows: RunRows

    @property
    def known_by(self) -> str:
        """The key without what tells it from another run of the same key."""
        return self.key.partition("-")[0]

    @property
    def is_there(self) -> bool:
        """Whether there is a folder still."""
        return os.path.lexists(self.folder)

    def record(self) -> RunRecord:
        """What was asked. Raises InputError where the folder is no run any more."""
        return read_run_record(self.folder)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A run folder that was found: where it really is, however it is spelled, and what its run is known by."""

    folder: Path
    real: str
    key: str


@dataclass(slots=True)
class ViewedRuns:
    """The list. Runs that come up below the folders `below` are found by `look`, and put at its end; one that was
    moved there takes the place that it had.
    """

    runs: list[ViewedRun] = field(default_factory=list)
    below: Sequence[Path] = ()
    readers: Readers = field(default_factory=Readers)
    open_rows: OrderedDict[Path, RunRows] = field(default_factory=OrderedDict)
    _known: dict[str, ViewedRun] = field(default_factory=dict)  # by where the folders really are
    _keys: Counter[str] = field(default_factory=Counter)
    _left: list[RunRows] = field(default_factory=list)  # of folders that were moved

    def look(self) -> None:
        """Look for new runs."""
        self._take(*self._found(set(self._known)))

    async def look_on(self) -> None:
        """The same while pages are served: the folders are gone through in a thread."""
        self._take(*await asyncio.to_thread(self._found, set(self._known)))

    def _found(self, known: set[str]) -> tuple[list[_Seen], set[str]]:
        """The folders that are new, and those of `known` that are not there any more, if there are new ones."""
        there = [_seen(folder) for below in self.below for folder in find_runs(below) if _real(folder) not in known]
        return there, {real for real in known if not os.path.lexists(real)} if there else set()

    def _take(self, there: Sequence[_Seen], gone: set[str]) -> None:
        for seen in there:
            self._add(seen, gone)
        if not all(run.label for run in self.runs):
            for run, label in zip(self.runs, labels([run.folder for run in self.runs]), strict=True):
                run.label = label

    def add(self, folder: Path) -> None:
        """Put a run at the end, unless it is there. It has a label after the next `look`."""
        self._add(_seen(folder), set())

    def _add(self, seen: _Seen, gone: set[str]) -> None:
        if seen.real in self._known:
            return
        watched, rows = WatchedRun(seen.folder, self.readers), RunRows(seen.folder, self.open_rows)
        before = next((real for real in gone & self._known.keys() if self._known[real].known_by == seen.key), None)
        if before is None:
            made = ViewedRun(len(self.runs), self._new_key(seen.key), seen.folder, "", watched, rows)
            self.runs.append(made)
        else:
            made = self._known.pop(before)
            made.watched.abandon()
            made.rows.close()
            self._left.append(made.rows)
            made.folder, made.label, made.watched, made.rows = seen.folder, "", watched, rows
        self._known[seen.real] = made

    def _new_key(self, key: str) -> str:
        self._keys[key] += 1
        return key if self._keys[key] == 1 else f"{key}-{self._keys[key]}"

    async def close(self) -> None:
        """Read and make no further."""
        for run in self.runs:
            run.watched.abandon()
        for rows in (*(run.rows for run in self.runs), *self._left):
            await rows.end()
        self.readers.close()

    def get(self, name: str) -> ViewedRun | None:
        """The run of this key; of fewer digits than a key has, the one at this place."""
        if name.isascii() and name.isdigit() and len(name) < _KEY_DIGITS:
            return self.runs[int(name)] if int(name) < len(self.runs) else None
        return next((run for run in self.runs if run.key == name), None)


def _seen(folder: Path) -> _Seen:
    return _Seen(folder, _real(folder), key_of(folder))


def _real(folder: Path) -> str:
    return os.path.realpath(folder)


def key_of(folder: Path) -> str:
    """What a run is known by wherever it lies: what was asked, and when; where that cannot be read, by its folder."""
    told: tuple[str, ...]
    try:
        record = read_run_record(folder)
        told = record.job, record.created_at, record.source.sha256, record.name
    except InputError:
        told = (_real(folder),)
    return hashlib.sha256("\0".join(told).encode("utf-8", "surrogatepass")).hexdigest()[:_KEY_DIGITS]


def labels(folders: Sequence[Path]) -> list[str]:
    """The folders' names; of those that have the same name so much of the way to them that they differ."""
    parts = [Path(os.path.abspath(folder)).parts for folder in folders]
    shown = [1] * len(parts)
    while True:
        found = [str(Path(*all_[-count:])) for all_, count in zip(parts, shown, strict=True)]
        often = Counter(found)
        longer = [n for n, name in enumerate(found) if often[name] > 1 and shown[n] < len(parts[n])]
        if not longer:
            return found
        for n in longer:
            shown[n] += 1


def find_runs(folder: Path, depth: int = _DEEPEST) -> Iterator[Path]:
    """The run folders in a folder and below, by name; nothing is looked for inside of a run.

    A folder that may not be looked into is one of them: it may be a run, and the list says that it cannot be read.
    """
    try:
        with os.scandir(folder) as entries:  # which knows of most entries that they are files, without asking again
            inside = sorted(Path(one) for one in entries if not one.name.startswith(".") and _is_folder(one))
    except OSError:
        return
    for path in inside:
        if _is_run(path):
            yield path
        elif depth > 1:
            yield from find_runs(path, depth - 1)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads where nobody may look
        return False


def _is_run(folder: Path) -> bool:
    if _is_closed(folder):
        return True
    try:
        return (folder / FILE_NAME).is_file()
    except OSError:
        return False


def _is_closed(folder: Path) -> bool:
    """Whether it may not be looked into."""
    try:
        (folder / FILE_NAME).stat()
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def viewed_runs(given: Sequence[Path], default: Path = Path("runs")) -> ViewedRuns:
    """The runs that are given, of a folder of runs all; without any those below `runs`.

    Raises InputError where there is none, and for what is neither a run nor a folder of runs.
    """
    viewed = ViewedRuns(below=[] if given else [default])
    for folder in given:
        if _is_run(folder) or not any(find_runs(folder)):
            if not _is_closed(folder):
                read_run_record(folder)
            viewed.add(folder)
        else:
            viewed.below = [*viewed.below, folder]
    viewed.look()
    if not viewed.runs:
        raise InputError("no run found: name run folders, or make one with `overnight demo`", file=default)
    return viewed


RUNS: web.AppKey[ViewedRuns] = web.AppKey("runs", ViewedRuns)


def run_of(request: web.Request) -> ViewedRun:
    """The run that an address names. Raises HTTPNotFound, also where its folder was deleted."""
    run = request.app[RUNS].get(request.match_info["run"])
    if run is None:
        raise web.HTTPNotFound(reason="no such run")
    if not run.is_there:
        raise web.HTTPNotFound(reason="the run's folder is not there any more")
    return run
