"""A second process that reads a part of a long responses.jsonl: reading answers is work for one core at a time.

It is the same Python, told by a file what to read. Whatever goes wrong in it, the first process
reads that part itself, so that an error is told once and where it belongs.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from outputs.disk import OsDisk
from outputs.run_record import RunRecord
from outputs.tables.columns import RESPONSES, SCORES
from outputs.tables.parquet import Parts, Written, uncollected
from outputs.tables.replay import Replay
from outputs.tables.response_rows import Readings, ResponseRows
from outputs.tables.score_reading import readers_of

_TASK, _RESULT = "task.pickle", "result.pickle"
_ROOT = Path(__file__).parents[2]
_COMMAND = f"import sys; from {__name__} import main; main(sys.argv[1])"


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be read: the bytes from `start` to `end`, which are whole lines."""

    folder: Path
    record: RunRecord
    replayed: Replay
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Result:
    """What was read: the parts of both tables, and how answers were read."""

    responses: Written
    scores: Written
    readings: Readings


class SecondReader:
    """A process at work; `result` waits for it."""

    def __init__(self, task: Task, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        (folder / _TASK).write_bytes(pickle.dumps(task))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _COMMAND, str(folder)],  # -P: nothing is imported from where the user stands
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def result(self) -> Result | None:
        """What it read, once it has ended; None where it failed."""
        if self._process.wait() != 0:
            return None
        found: Result = pickle.loads((self._folder / _RESULT).read_bytes())
        return found

    def end(self) -> None:
        """End it, if it has not ended."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@contextmanager
def second_reader(task: Task, folder: Path) -> Iterator[SecondReader | None]:
    """A reader at work for the time of the block; None where no process can be started."""
    try:
        reader = SecondReader(task, folder)
    except OSError:
        yield None
        return
    try:
        yield reader
    finally:
        reader.end()


def main(name: str) -> None:
    """Read what the task in the folder `name` says, and put the result there."""
    folder = Path(name)
    task: Task = pickle.loads((folder / _TASK).read_bytes())
    with ThreadPoolExecutor(1) as writer, uncollected():
        responses, scores = (Parts(spec, folder, OsDisk(), writer) for spec in (RESPONSES, SCORES))
        rows = ResponseRows(task.folder, task.record, task.replayed, readers_of(task.record, task.folder))
        readings = rows.write(responses, scores, task.end, task.start)
        result = Result(responses.written(), scores.written(), readings)
    (folder / _RESULT).write_bytes(pickle.dumps(result))
