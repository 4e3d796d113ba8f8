"""A second process that reads a part of a long responses.jsonl: reading answers is work for one core at a time.

It is the same Python, told by a file what to read. Whatever goes wrong in it, the first process
reads that part itself, so that an error is told once and where it belongs.
"""

import pickle
import subprocess
import sys
from array import array
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from outputs.child_environment import child_environment
from outputs.disk import OsDisk
from outputs.journal import Log
from outputs.run_record import RunRecord
from outputs.tables.columns import RESPONSES, SCORES
from outputs.tables.parquet import Parts, Written, uncollected
from outputs.tables.replay import Replay
from outputs.tables.response_rows import Readings, ResponseRows, Standing
from outputs.tables.score_reading import readers_of

_TASK, _RESULT = "task.pickle", "result.pickle"
_CHUNK = 1 << 20
_COMMAND = f"import sys; from {__name__} import main; main(sys.argv[1])"


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be read: the bytes from `start` to `end`, which are whole lines.

    Without `replayed`, for who does not wait for it, each answer is taken for the one that counts.
    """

    folder: Path
    record: RunRecord
    replayed: Replay | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Result:
    """What was read: the parts of both tables, and how answers were read.

    `requests`, of a task without a replay: the seq of the request of each answer; `readings` are by answer then.
    """

    responses: Written
    scores: Written
    readings: Readings
    requests: "array[int]"


class _EachCounts:
    """Takes each answer for the one that counts; its rows are the answers, in the order of the file."""

    def __init__(self, answers: int) -> None:
        self.requests = array("Q")
        self._answers = answers

    def __len__(self) -> int:
        return self._answers

    def row_of(self, request_seq: int) -> int:
        """The next one."""
        self.requests.append(request_seq)
        return len(self.requests) - 1

    def counts(self, row: int, answer_seq: int) -> bool:  # noqa: ARG002
        """It does."""
        return True


class SecondReader:
    """A process at work; `result` waits for it."""

    def __init__(self, task: Task, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        (folder / _TASK).write_bytes(pickle.dumps(task))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _COMMAND, str(folder)],  # -P: nothing is imported from where the user stands
            env=child_environment(),
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
        each = _EachCounts(_lines(task))
        standing: Standing = each if task.replayed is None else task.replayed
        rows = ResponseRows(task.folder, task.record, standing, readers_of(task.record, task.folder))
        readings = rows.write(responses, scores, task.end, task.start)
        result = Result(responses.written(), scores.written(), readings, each.requests)
    (folder / _RESULT).write_bytes(pickle.dumps(result))


def _lines(task: Task) -> int:
    """How many answers there are to read."""
    with (task.folder / Log.RESPONSES.file_name).open("rb") as file:
        file.seek(task.start)
        left = iter(lambda: file.read(min(_CHUNK, task.end - file.tell())), b"")
        return sum(chunk.count(b"\n") for chunk in left)
