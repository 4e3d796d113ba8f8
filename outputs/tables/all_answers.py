"""Reading all answers of a run: in this process, or, where there are very many, some of them in a second one."""

import os
from collections.abc import Callable
from pathlib import Path

from outputs.journal import Log
from outputs.tables.parquet import Parts
from outputs.tables.response_rows import Readings, ResponseRows
from outputs.tables.second_reader import Task, second_reader

LONG = 200_000_000  # bytes: from here on a second process pays
_OWN_SHARE = 0.45  # the rest is the second process's: this one has other things to do meanwhile


def write_answers(
    rows: ResponseRows, responses: Parts, scores: Parts, end: int, beside: Path, meanwhile: Callable[[], None]
) -> Readings:
    """Add the rows of responses.jsonl up to `end` to both tables; `beside` is a folder for what is in between.

    `meanwhile` is called once, when this process has read its part.

    Raises InputError where a line is damaged, OSError where the tables cannot be written.
    """
    path = rows.folder / Log.RESPONSES.file_name
    if end < LONG or usable_cores() < 2:
        readings = rows.write(responses, scores, end)
        meanwhile()
        return readings
    middle = _line_after(path, int(end * _OWN_SHARE))
    task = Task(rows.folder.resolve(), rows.record, rows.replayed.for_answers(), middle, end)
    with second_reader(task, beside.resolve() / "second") as reader:
        readings = rows.write(responses, scores, middle)
        meanwhile()
        found = None if reader is None else reader.result()
        if found is None:
            return readings.and_of(rows.write(responses, scores, end, middle))
        responses.adopt(found.responses)
        scores.adopt(found.scores)
        return readings.and_of(found.readings)


def usable_cores() -> int:
    """The cores that this process may use, as far as the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _line_after(path: Path, offset: int) -> int:
    """Where the first line behind the one at `offset` starts."""
    with path.open("rb") as file:
        file.seek(offset)
        file.readline()
        return file.tell()
