"""The runs that are viewed: their place in the list is their name in addresses, and stays."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from orchestrator.viewing.live import Readers, WatchedRun
from orchestrator.viewing.row_tables import RunRows
from outputs.run_record import FILE_NAME, RunRecord, read_run_record
from prompts.input_error import InputError

_DEEPEST = 3  # folders below the one that runs are looked for in


@dataclass(slots=True)
class ViewedRun:
    """One run. `number` is its place in the list, from 0."""

    number: int
    folder: Path
    watched: WatchedRun
    rows: RunRows

    def record(self) -> RunRecord:
        """What was asked. Raises InputError where the folder is no run any more."""
        return read_run_record(self.folder)

    @property
    def label(self) -> str:
        """What it is called before its record is read."""
        return self.folder.name or str(self.folder)


@dataclass(slots=True)
class ViewedRuns:
    """The list. Runs that come up below the folders `below` are found by `look`, and put at its end."""

    runs: list[ViewedRun] = field(default_factory=list)
    below: Sequence[Path] = ()
    readers: Readers = field(default_factory=Readers)
    open_rows: OrderedDict[Path, RunRows] = field(default_factory=OrderedDict)

    def look(self) -> None:
        """Look for new runs."""
        known = {run.folder for run in self.runs}
        for folder in self.below:
            for found in find_runs(folder):
                if found not in known:
                    self.add(found)

    def add(self, folder: Path) -> None:
        """Put a run at the end."""
        watched, rows = WatchedRun(folder, self.readers), RunRows(folder, self.open_rows)
        self.runs.append(ViewedRun(len(self.runs), folder, watched, rows))

    async def close(self) -> None:
        """Read and make no further."""
        for run in self.runs:
            run.watched.abandon()
            await run.rows.end()
        self.readers.close()

    def get(self, number: int) -> ViewedRun | None:
        """The run at this place."""
        return self.runs[number] if number < len(self.runs) else None


def find_runs(folder: Path, depth: int = _DEEPEST) -> Iterator[Path]:
    """The run folders in a folder and below, by name; nothing is looked for inside of a run."""
    try:
        inside = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return
    for path in inside:
        if (path / FILE_NAME).is_file():
            yield path
        elif depth > 1:
            yield from find_runs(path, depth - 1)


def viewed_runs(given: Sequence[Path], default: Path = Path("runs")) -> ViewedRuns:
    """The runs that are given, of a folder of runs all; without any those below `runs`.

    Raises InputError where there is none, and for what is neither a run nor a folder of runs.
    """
    viewed = ViewedRuns(below=[] if given else [default])
    for folder in given:
        if (folder / FILE_NAME).exists() or not any(find_runs(folder)):
            read_run_record(folder)
            if all(run.folder != folder for run in viewed.runs):
                viewed.add(folder)
        else:
            viewed.below = [*viewed.below, folder]
    viewed.look()
    if not viewed.runs:
        raise InputError("no run found: name run folders, or make one with `overnight demo`", file=default)
    return viewed


RUNS: web.AppKey[ViewedRuns] = web.AppKey("runs", ViewedRuns)


def run_of(request: web.Request) -> ViewedRun:
    """The run that an address names. Raises HTTPNotFound."""
    run = request.app[RUNS].get(int(request.match_info["run"]))
    if run is None:
        raise web.HTTPNotFound(reason="no such run")
    return run
