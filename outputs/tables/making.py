"""Making the tables of a run: its log is folded once and then each of its files is read once."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec

from outputs.answers import RowCounts, has_simulated_item
from outputs.disk import FULL, Disk, OsDisk
from outputs.journal import Log
from outputs.log_reader import read_records
from outputs.lost_files import require_files, require_requests
from outputs.records import EventLine
from outputs.run_record import RunRecord
from outputs.tables.all_answers import Ahead, AllAnswers, reading_ahead
from outputs.tables.attempt_rows import AttemptRows
from outputs.tables.batch_rows import write_batches
from outputs.tables.columns import ATTEMPTS, BATCHES, OUTCOMES, REQUESTS, RESPONSES, SCORES, TableSpec
from outputs.tables.made import Made, made_of, read_made, write_made
from outputs.tables.parquet import Parts, uncollected
from outputs.tables.replay import Replay, replay
from outputs.tables.request_rows import RequestRows
from outputs.tables.response_rows import ResponseRows
from outputs.tables.score_reading import readers_of
from outputs.tables.workroom import workroom
from prompts.input_error import InputError


def make_tables(folder: Path, record: RunRecord, place: Path, disk: Disk | None = None) -> Made:
    """Make the tables of the run in `folder`, each in `place` as NAME.parquet; or take those that are there, where
    they are of this log, this code and this name. Returns what was made.

    Raises InputError for a log that is damaged or not whole, and where the tables cannot be written, OSError where the
    disk is full.
    """
    disk = OsDisk() if disk is None else disk
    require_files(folder, record)
    wanted = made_of(folder, record)
    if (there := read_made(place)) is not None and there.same_run(wanted):
        return there
    try:
        with workroom(place) as beside, uncollected():
            return _make(folder, record, wanted, beside, disk)
    except OSError as error:
        if error.errno in FULL:
            raise
        if str(error.filename or "").endswith(".jsonl"):
            raise InputError(f"cannot be read: {error.strerror}", file=error.filename) from None
        what = f"cannot be written: {error.strerror or error}; give another folder with --out"
        raise InputError(what, file=place) from None


def _make(folder: Path, record: RunRecord, wanted: Made, beside: Path, disk: Disk) -> Made:
    ends = wanted.ends
    simulated = record.simulated or _said_simulated(folder, ends) or has_simulated_item(folder, ends[Log.ITEMS])
    record = msgspec.structs.replace(record, simulated=simulated)
    with reading_ahead(folder, record, ends[Log.RESPONSES], beside) as ahead, ThreadPoolExecutor(1) as writer:
        replayed = replay(folder, ends)
        require_requests(folder, record, len(replayed))
        written = _Tables(folder, record, replayed, ahead, beside, disk, writer).write(ends)
    return _put(written, wanted, _counts(replayed), simulated, disk)


def _said_simulated(folder: Path, ends: dict[Log, int]) -> bool:
    """Whether an answer said that it came from a simulator: an event tells."""
    events = read_records(folder / Log.EVENTS.file_name, EventLine, ends[Log.EVENTS])
    return any(event.event == "simulated" for _, event in events)


class _Tables:
    """Writes all tables of a replayed run to a folder."""

    def __init__(
        self,
        folder: Path,
        record: RunRecord,
        replayed: Replay,
        ahead: Ahead | None,
        beside: Path,
        disk: Disk,
        writer: ThreadPoolExecutor,
    ) -> None:
        self._folder, self._record, self._replayed, self._ahead = folder, record, replayed, ahead
        self._beside, self._disk, self._writer = beside, disk, writer
        self._finishing: list[tuple[Parts, Future[Path]]] = []

    def write(self, ends: dict[Log, int]) -> dict[str, tuple[Path, int]]:
        """Path and number of rows of each table."""
        run = self._record.name
        responses, scores = self._parts(RESPONSES), self._parts(SCORES)
        readers = readers_of(self._record, self._folder)
        answers = ResponseRows(self._folder, self._record, self._replayed, readers)
        attempts, batches = self._parts(ATTEMPTS), self._parts(BATCHES)

        def write_attempts() -> None:
            AttemptRows(self._folder, run, self._replayed).write(attempts, ends[Log.ATTEMPTS])
            write_batches(run, self._replayed, batches)
            self._finish(attempts, batches)

        all_answers = AllAnswers(answers, self._replayed, responses, scores, self._beside, write_attempts)
        readings = all_answers.write(ends[Log.RESPONSES], self._ahead)
        self._finish(responses, scores)
        requests, outcomes = self._parts(REQUESTS), self._parts(OUTCOMES)
        asked = RequestRows(self._folder, run, self._replayed, readings)
        asked.write(requests, outcomes, ends[Log.REQUESTS])
        self._finish(requests, outcomes)
        return {parts.name: (finishing.result(), parts.rows) for parts, finishing in self._finishing}

    def _parts(self, spec: TableSpec) -> Parts:
        return Parts(spec, self._beside, self._disk, self._writer)

    def _finish(self, *tables: Parts) -> None:
        """Have the tables put together while the next ones are read."""
        self._finishing += [(parts, self._writer.submit(parts.finish)) for parts in tables]


def _counts(replayed: Replay) -> RowCounts:
    lanes = replayed.lanes
    return RowCounts(sum(x.asked for x in lanes), sum(x.answered for x in lanes), sum(x.failed for x in lanes))


def _put(written: dict[str, tuple[Path, int]], wanted: Made, counts: RowCounts, simulated: bool, disk: Disk) -> Made:
    """Move the tables to where they are looked for, and then say what they are of."""
    sizes = {}
    place = next(iter(written.values()))[0].parent.parent
    for name, (path, _) in written.items():
        sizes[name] = path.stat().st_size
        path.replace(place / path.name)
    made = msgspec.structs.replace(
        wanted,
        rows={name: rows for name, (_, rows) in written.items()},
        bytes=sizes,
        counts=(counts.asked, counts.answered, counts.failed),
        simulated=simulated,
    )
    write_made(place, made, disk)
    return made
