"""A fold that goes on as the log grows comes to what a fold of the whole log comes to."""

import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.status import read_status, recent_rate, status_of
from outputs.batches import Step
from outputs.fold import RunState, fold
from outputs.growing_fold import AbandonedError, GrowingFold, RecentAnswers
from outputs.journal import Log
from outputs.run_record import read_run_record
from prompts.input_error import InputError
from providers.wire import Billing, Usage
from tests.harness.log_writing import AT, LogWriter

LOGS = tuple(log for log in Log if log is not Log.ITEMS)


def eventful(folder: Path) -> LogWriter:
    """A log with every kind of line, and some that undo others."""
    log = LogWriter(folder).record()
    rows = [log.request(model=f"m{place % 3}") for place in range(12)]
    for row in rows[:8]:
        log.attempt(row)
    for row in rows[:3]:
        log.answer(row, usage=Usage(7, 3))
    log.settle(rows[3], billing=Billing.MAYBE)
    log.attempt(rows[3], 2)
    log.fail(rows[4])
    log.event("retry", rows=1)
    batch = log.step(Step.BEGUN, key="b-1", provider="openai", model="m2", rows=2)
    for row in rows[8:10]:
        log.attempt(row, batch=batch)
    log.answer(rows[8], batch=batch)
    log.event("asked_changed", withdrawn=[rows[11]], restored=[], adding=0)
    log.event("budget", budget={"run": 5.0, "providers": {}, "models": {}})
    log.event("estimate", estimate={"about": 40, "lanes": []})
    log.request(model="m9", after=log.answer(rows[5]))
    log.event("stop", reason="paused for a test", exit_code=130)
    return log


def told(state: RunState) -> dict[str, Any]:
    """All that a state holds, as it can be compared."""
    return {
        "lanes": state.lanes,
        "flags": bytes(state.flags),
        "attempts": bytes(state.attempts),
        "answers": list(state.answer_seqs),
        "offsets": list(state.offsets),
        "open": state.open_attempts,
        "batches": [(batch.step, batch.open_rows) for batch in state.batches.all],
        "budget": state.budget,
        "last": state.last_event,
    }


def copied(source: Path, target: Path, lines: int, torn: int = 0) -> None:
    """The first `lines` lines of a log by seq, and `torn` bytes of the one behind them in each file."""
    target.mkdir(exist_ok=True)
    shutil.copy(source / "run.json", target / "run.json")
    for log in LOGS:
        found = (source / log.file_name).read_bytes().splitlines(keepends=True)
        whole = [line for line in found if int(line[7 : line.index(b",")]) <= lines]
        part = found[len(whole)][:torn] if len(whole) < len(found) else b""
        path = target / log.file_name
        with path.open("r+b" if path.exists() else "w+b") as file:  # as it grows, not as another file
            file.seek(0, os.SEEK_END)
            file.write(b"".join([*whole, part])[file.tell() :])


@pytest.mark.parametrize("seed", range(6))
def test_it_comes_to_the_same_as_a_fold_of_all(tmp_path: Path, seed: int) -> None:
    """Wherever the log is cut, with torn ends or without."""
    draw = random.Random(seed)
    log, grown = eventful(tmp_path / "whole"), tmp_path / "grown"
    copied(log.folder, grown, 0)
    growing = GrowingFold(grown, wait_s=0.0)
    for lines in sorted(draw.sample(range(1, log.seq + 1), 8)):
        copied(log.folder, grown, lines, torn=draw.randrange(1, 30))
        assert not growing.look(alive=draw.random() < 0.5)
        assert told(growing.state) == told(fold(grown))
    copied(log.folder, grown, log.seq)
    growing.look(alive=True)
    assert told(growing.state) == told(fold(log.folder))
    assert growing.share == 1.0


def test_nothing_is_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at a log that has not grown folds no line."""
    log = eventful(tmp_path / "run")
    growing = GrowingFold(log.folder)
    growing.look(alive=False)

    def folds(*_: object) -> None:
        raise AssertionError("a line was folded again")

    monkeypatch.setattr(RunState, "apply", folds)
    growing.look(alive=False)
    log.event("control")
    with pytest.raises(AssertionError, match="folded again"):
        growing.look(alive=False)


def test_lines_of_other_files_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line whose place is before the last one, but whose file is written a moment later, comes in its turn."""
    log = LogWriter(tmp_path / "run").record()
    row = log.request()
    log.seq += 1  # the attempt's line, which is not there yet
    log.answer(row)

    def written_meanwhile(_seconds: float) -> None:
        log.seq = row
        log.attempt(row)

    monkeypatch.setattr(time, "sleep", written_meanwhile)
    growing = GrowingFold(log.folder)
    growing.look(alive=True)
    [lane] = growing.state.lanes
    assert (lane.attempts, lane.answered, growing.state.open_attempts) == (1, 1, {})


def test_what_came_during_a_look_is_left_for_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look goes as far as the log reached when it began."""
    log = LogWriter(tmp_path / "run").record()
    log.request()
    monkeypatch.setattr(time, "sleep", lambda _: log.request())
    growing = GrowingFold(log.folder)
    growing.look(alive=True)
    assert len(growing.state) == 1
    growing.look(alive=False)
    assert len(growing.state) == 2


@pytest.mark.parametrize("how", ["cut", "another", "overwritten", "gone"])
def test_another_log_is_folded_anew(tmp_path: Path, how: str) -> None:
    """Where a file is shorter, another one, has other bytes or is gone: the folder is another run."""
    log = eventful(tmp_path / "run")
    growing = GrowingFold(log.folder)
    growing.look(alive=False)
    path = log.folder / Log.RESPONSES.file_name
    data = path.read_bytes()
    match how:
        case "cut":
            path.write_bytes(data[: data.index(b"\n") + 1])
        case "another":
            path.with_suffix(".new").write_bytes(data)
            path.with_suffix(".new").replace(path)
        case "overwritten":
            path.write_bytes(data.replace(b"yes", b"YES"))
        case "gone":
            path.unlink()
    assert growing.look(alive=False)
    assert told(growing.state) == told(fold(log.folder))


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    """With its file and its number, also where it came late."""
    log = eventful(tmp_path / "run")
    growing = GrowingFold(log.folder)
    growing.look(alive=False)
    number = 1 + (log.folder / "events.jsonl").read_bytes().count(b"\n")
    log.raw(Log.EVENTS, b"no JSON")
    log.event("stop")
    with pytest.raises(InputError, match=rf"events\.jsonl:{number}: the log is damaged"):
        growing.look(alive=False)


def test_a_line_that_nests_too_deeply_is_damaged(tmp_path: Path) -> None:
    """Whoever made it: no such line is written here."""
    log = eventful(tmp_path / "run")
    log.raw(Log.RESPONSES, b'{"seq":1,"http":' + 20_000 * b"[" + 20_000 * b"]" + b"}")
    for look in (lambda: GrowingFold(log.folder).look(alive=False), lambda: fold(log.folder)):
        with pytest.raises(InputError, match=r"responses\.jsonl:\d+: the log is damaged"):
            look()


def test_a_damaged_line_is_read_up_to_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look says the same of it, folds nothing again, and goes on where the line was mended."""
    log = eventful(tmp_path / "run")
    path = log.folder / Log.EVENTS.file_name
    good = path.read_bytes()
    path.write_bytes(good.replace(b'"event":"stop"', b'"event" "stop"'))
    growing = GrowingFold(log.folder)
    with pytest.raises(InputError) as first:
        growing.look(alive=False)
    with monkeypatch.context() as patched:
        patched.setattr(RunState, "apply", lambda *_: pytest.fail("a line was folded again"))
        for _ in range(2):
            with pytest.raises(InputError) as again:
                growing.look(alive=False)
            assert str(again.value) == str(first.value)
    path.write_bytes(good)
    assert not growing.look(alive=False)
    assert told(growing.state) == told(fold(log.folder))


def test_a_reading_can_be_abandoned(tmp_path: Path) -> None:
    """It ends at the next line."""
    growing = GrowingFold(eventful(tmp_path / "run").folder)
    growing.abandoned = True
    with pytest.raises(AbandonedError):
        growing.look(alive=False)


def test_its_status_is_that_of_the_command(tmp_path: Path) -> None:
    """The page and `overnight status` share one account."""
    log = eventful(tmp_path / "run")
    growing = GrowingFold(log.folder)
    growing.look(alive=False)
    record = read_run_record(log.folder)
    assert status_of(log.folder, record, None, growing.state, recent_rate(log.folder)) == read_status(log.folder)


def test_recent_answers_are_those_of_the_last_minute() -> None:
    """By lane; what is older counts no more, and a lane without any has none."""
    recent = RecentAnswers()
    for second in range(120):
        for _ in range(3):
            recent.note(0, AT + second)
    assert recent.per_second(0, AT + 120) == pytest.approx(3, rel=0.05)
    assert recent.per_second(0, AT + 150) == pytest.approx(1.5, rel=0.1)
    assert recent.per_second(0, AT + 300) == 0.0
    assert recent.per_second(1, AT + 120) == 0.0
