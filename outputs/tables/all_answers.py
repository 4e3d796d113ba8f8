"""Reading all answers of a run: in this process, or, where there are very many, most of them in a second one.

The second one begins at once, while the log is folded here. It cannot know then which answers count, and takes it that
all do; where that is not so, it begins again once the log is folded.
"""

import os
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from outputs.journal import Log
from outputs.run_record import RunRecord
from outputs.tables.parquet import Parts
from outputs.tables.replay import Replay
from outputs.tables.response_rows import Readings, ResponseRows
from outputs.tables.second_reader import Result, SecondReader, Task, second_reader

LONG = 200_000_000  # bytes: from here on a second process pays
_OWN_SHARE = 0.45  # the rest is the second process's: this one has other things to do meanwhile
_OWN_SHARE_AHEAD = 0.2  # where this one folds the log meanwhile, too


@dataclass(frozen=True, slots=True)
class Ahead:
    """A second process at work on the answers from `middle` on, before the log is folded."""

    reader: SecondReader
    middle: int


@contextmanager
def reading_ahead(folder: Path, record: RunRecord, end: int, beside: Path) -> Iterator[Ahead | None]:
    """Read most of responses.jsonl up to `end` while the block lasts; None where that does not pay or cannot be.

    `beside` is a folder for what is in between. `record.simulated` holds for all answers.
    """
    if end < LONG or usable_cores() < 2:
        yield None
        return
    middle = _line_after(folder / Log.RESPONSES.file_name, int(end * _OWN_SHARE_AHEAD))
    with second_reader(Task(folder.resolve(), record, None, middle, end), beside.resolve() / "ahead") as reader:
        yield None if reader is None else Ahead(reader, middle)


@dataclass(frozen=True, slots=True)
class AllAnswers:
    """Adds the rows of responses.jsonl to both tables. `meanwhile` is called once, when this process has read its part.

    `beside` is a folder for what is in between.
    """

    rows: ResponseRows
    replayed: Replay
    responses: Parts
    scores: Parts
    beside: Path
    meanwhile: Callable[[], None]

    def write(self, end: int, ahead: Ahead | None) -> Readings:
        """All rows up to `end`, `ahead` as it was begun.

        Raises InputError where a line is damaged, OSError where the tables cannot be written.
        """
        if ahead is not None and self.replayed.all_count:
            return self._with(ahead.reader, ahead.middle, end)
        if ahead is not None:
            ahead.reader.end()
        if end < LONG or usable_cores() < 2:
            return self._alone(end)
        middle = _line_after(self.rows.folder / Log.RESPONSES.file_name, int(end * _OWN_SHARE))
        task = Task(self.rows.folder.resolve(), self.rows.record, self.replayed.for_answers(), middle, end)
        with second_reader(task, self.beside.resolve() / "second") as reader:
            return self._alone(end) if reader is None else self._with(reader, middle, end)

    def _alone(self, end: int) -> Readings:
        readings = self.rows.write(self.responses, self.scores, end)
        self.meanwhile()
        return readings

    def _with(self, reader: SecondReader, middle: int, end: int) -> Readings:
        """What is before `middle` is read here."""
        readings = self.rows.write(self.responses, self.scores, middle)
        self.meanwhile()
        found = reader.result()
        if found is None:
            return readings.and_of(self.rows.write(self.responses, self.scores, end, middle))
        self.responses.adopt(found.responses)
        self.scores.adopt(found.scores)
        return readings.and_of(self._by_row(found))

    def _by_row(self, found: Result) -> Readings:
        if not found.requests:
            return found.readings
        rows = [bisect_left(self.replayed.seqs, request) for request in found.requests]
        return found.readings.at(rows, len(self.replayed))


def usable_cores() -> int:
    """The cores that this process may use, as far as the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _line_after(path: Path, offset: int) -> int:
    """Where the first line behind the one at `offset` starts."""
    with path.open("rb") as file:
        file.seek(offset)
        file.readline()
        return file.tell()
