"""How the batches of a run stand, from its log alone, and what a terminal shows of them."""

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from orchestrator.batch_status import BatchStatus, batches_of, expected_end
from orchestrator.display import line as plain_line
from orchestrator.display import table
from orchestrator.folder_lock import locked
from orchestrator.heartbeat import HEARTBEAT
from orchestrator.progress import LaneProgress, Progress
from orchestrator.showing import show_status
from orchestrator.status import read_status
from outputs.batches import Batch, Batches, BatchTold, Step
from providers.batches.wire import Counts
from providers.wire import Billing
from tests.harness.log_writing import LogWriter

NOW = 1_790_000_000.0
HOUR = 3600.0


def batch(*steps: tuple[Step, float, BatchTold | None]) -> Batches:
    """The fold of one batch that began at NOW - 2 h; `steps` are later ones, at seconds after that."""
    batches = Batches()
    batches.begin(1, NOW - 2 * HOUR, BatchTold(key="on-1", provider="openai", model="m", rows=400))
    for step, after, told in steps:
        batches.advance(1, step, NOW - 2 * HOUR + after, told)
    return batches


def running(completed: int, failed: int = 0, *, hours: float = 1.0, expires: float | None = NOW + 22 * HOUR) -> Batches:
    """A batch that was created when it began, and seen with these counts `hours` later."""
    created = BatchTold(id="batch_1", status="in_progress", created_at=NOW - 2 * HOUR, expires_at=expires)
    counts = Counts(400, completed, failed)
    return batch((Step.CREATED, 1, created), (Step.POLLED, hours * HOUR, BatchTold(counts=counts)))


def one(batches: Batches) -> BatchStatus:
    [found] = batches_of(batches, NOW)
    return found


def written(folder: Path) -> LogWriter:
    """A run of eight rows: two answered by a settled batch, one billed without an answer, three in an open batch, one
    in flight, one that nobody has sent."""
    log = LogWriter(folder).record(requests=8)
    rows = [log.request() for _ in range(8)]
    settled = log.step(Step.BEGUN, key="on-aa", provider="openai", model="m", rows=3, bytes=900)
    for row in rows[:3]:
        log.attempt(row, batch=settled)
    for row in rows[:2]:
        log.answer(row, batch=settled)
    log.settle(rows[2], billing=Billing.BILLED, cost_usd=0.125)
    log.step(Step.SETTLED, settled, lines={"answered": 2, "missing": 1, "duplicated": 4})
    going = log.step(Step.BEGUN, key="on-bb", provider="openai", model="m", rows=3, bytes=900)
    for row in rows[3:6]:
        log.attempt(row, batch=going)
    log.step(Step.CREATING, going)
    log.step(Step.CREATED, going, id="batch_bb", status="validating", created_at=time.time() - HOUR)
    log.step(Step.POLLED, going, status="in_progress", counts=Counts(3, 1, 1), expires_at=time.time() + 23 * HOUR)
    log.attempt(rows[6])
    return log


def shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    show_status(read_status(folder))
    return capsys.readouterr().out


def test_open_batches_stand_first(tmp_path: Path) -> None:
    """Ids, steps and counts are those of the log; the open batch stands before the settled one, which is older."""
    written(tmp_path / "run")
    going, settled = read_status(tmp_path / "run").batches
    assert (going.id, going.step, going.status, going.over) == ("batch_bb", "under way", "in_progress", False)
    assert (going.rows, going.open_rows, going.total, going.completed, going.failed) == (3, 3, 3, 1, 1)
    assert (settled.id, settled.step, settled.over, settled.open_rows) == ("on-aa", "settled", True, 0)
    assert settled.lines == {"answered": 2, "missing": 1, "duplicated": 4}


def test_rows_in_batches_are_not_in_flight(tmp_path: Path) -> None:
    """While a process works on the run, only the online call is in flight; a batch's rows are counted beside it."""
    written(tmp_path / "run")
    with locked(tmp_path / "run"):
        status = read_status(tmp_path / "run")
    assert (status.in_flight, status.in_batches, status.unsent) == (1, 3, 6)
    assert status.lanes[0].in_batches == 3
    stopped = read_status(tmp_path / "run")
    assert (stopped.in_flight, stopped.in_batches, stopped.maybe_billed) == (0, 3, 1)


def test_a_status_is_json(tmp_path: Path) -> None:
    """Every batch is there with all that is known of it, in numbers."""
    written(tmp_path / "run")
    document = json.loads(json.dumps(read_status(tmp_path / "run").to_json()))
    going, settled = document["batches"]
    assert (going["id"], going["key"], going["completed"], going["at_provider"]) == ("batch_bb", "on-bb", 1, True)
    assert (settled["lines"]["missing"], settled["expected_end"]) == (1, None)
    assert document["in_batches"] == 3


def test_what_a_person_sees(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table of open batches, a line for the settled ones, and what came by batch beside each lane."""
    monkeypatch.setenv("COLUMNS", "120")
    written(tmp_path / "run")
    text = shown(tmp_path / "run", capsys)
    [row] = [line for line in text.splitlines() if line.startswith("batch_bb ")]
    assert row.split()[:4] == ["batch_bb", "openai/m", "2/3", "1h00m"]
    assert "1 batch settled: 2 answered, 1 missing; 4 lines duplicated\n" in text
    assert "batch_bb: 1 failed so far\n" in text
    assert "0 in flight, 3 in batches, $0.62" in text
    assert "2 answered by batch, 3 in batches, 1 billed without an answer" in text


@pytest.mark.parametrize("counts", [None, Counts(10**12, 1)])
@pytest.mark.parametrize("expires", [None, 1e297, 253_402_300_800.0])
def test_an_end_beyond_all_calendars_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], expires: float | None, counts: Counts | None
) -> None:
    """Whatever a log or a provider says of a batch's end, the status of its run can be seen."""
    log = LogWriter(tmp_path / "run").record(requests=1)
    log.request()
    going = log.step(Step.BEGUN, key="on-1", provider="openai", model="m", rows=50)
    log.step(Step.CREATED, going, id="batch_1", created_at=time.time() - 5 * HOUR, expires_at=expires)
    log.step(Step.POLLED, going, counts=counts)
    text = shown(tmp_path / "run", capsys)
    [row] = [line for line in text.splitlines() if line.startswith("batch_1 ")]
    assert "?" in row


def test_a_narrow_table_keeps_its_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 80 columns long ids and lanes are cut, and counts, age and end stand whole on one line."""
    monkeypatch.setenv("COLUMNS", "80")
    log = LogWriter(tmp_path / "run").record(requests=1)
    log.request()
    long = "gpt-4o-2024-08-06-long-name-of-a-fine-tune"
    going = log.step(Step.BEGUN, key="on-1", provider="openai", model=long, rows=50_000)
    id_ = "batch_6743a1f0c8d48190b3b6f1b1a2c3d4e5"
    log.step(Step.CREATED, going, id=id_, created_at=time.time() - 5 * HOUR, expires_at=time.time() + 19 * HOUR)
    log.step(Step.POLLED, going, counts=Counts(50_000, 0, 0))
    text = shown(tmp_path / "run", capsys)
    [row] = [line for line in text.splitlines() if line.startswith("batch_6")]
    assert len(row) <= 80
    assert "0/50,000 5h00m by " in row


def test_text_of_others_steers_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters in an id, a status or a note are shown as escapes."""
    log = LogWriter(tmp_path / "run").record(requests=1)
    log.request()
    going = log.step(Step.BEGUN, key="on-1", provider="openai", model="m", rows=1)
    log.step(Step.CREATED, going, id="\x1b[31mid", note="\x1b]0;title\x07")
    text = shown(tmp_path / "run", capsys)
    assert not {"\x1b", "\x07"} & set(text)
    assert "\\x1b]0;title" in text


@pytest.mark.parametrize(
    ("batches", "end"),
    [
        (running(100), NOW + 2 * HOUR),
        (running(50, 50), NOW + 2 * HOUR),
        (running(1), NOW + 22 * HOUR),
        (running(1, expires=None), NOW + 398 * HOUR),
        (running(400), NOW),
        (running(0), None),
        (running(900, hours=1.5), NOW),
        (batch((Step.CREATING, 60, None)), None),
    ],
    ids=["a quarter", "failed ones count", "never past its end", "no end", "all done", "none yet", "mad", "unborn"],
)
def test_the_end_is_that_of_lines_that_go_on_as_they_did(batches: Batches, end: float | None) -> None:
    """The expected end is linear in the lines done, not before now and never past the time at which it expires."""
    assert one(batches).expected_end == (None if end is None else pytest.approx(end))


@pytest.mark.parametrize(
    ("told", "now", "expected"),
    [
        (BatchTold(), 100.0, None),
        (BatchTold(id="b"), 100.0, None),
        (BatchTold(id="b", expires_at=500.0), 100.0, None),
        (BatchTold(id="b", counts=Counts(10, 0, 0), expires_at=500.0), 100.0, None),
        (BatchTold(id="b", counts=Counts(10, 4, 1), created_at=50.0), 100.0, 150.0),
        (BatchTold(id="b", counts=Counts(10, 5, 0), created_at=50.0, expires_at=120.0), 100.0, 120.0),
        (BatchTold(id="b", counts=Counts(10, 5, 0)), 100.0, 180.0),  # from the first line on, at 20
        (BatchTold(id="b", counts=Counts(0, 5, 0), created_at=50.0), 100.0, 100.0),
        (BatchTold(id="b", counts=Counts(10, 10, 0), created_at=50.0), 100.0, 100.0),
        (BatchTold(id="b", counts=Counts(10, 5, 0), created_at=200.0, expires_at=500.0), 100.0, 500.0),
    ],
)
def test_the_end_is_expected_at_the_pace_so_far(told: BatchTold, now: float, expected: float | None) -> None:
    """No later than it expires; a clock that is behind the provider's says nothing of the pace."""
    batch = Batch(7, 1, 20.0, told, Step.POLLED, now)
    assert expected_end(batch, now) == expected
    batch.step = Step.SETTLED
    assert expected_end(batch, now) is None


@given(
    total=st.integers(0, 10**6),
    completed=st.integers(0, 10**6),
    failed=st.integers(0, 10**6),
    created_at=st.none() | st.floats(0, 2e9),
    expires_at=st.none() | st.floats(0, 2e9),
    now=st.floats(0, 2e9),
)
def test_an_expected_end_is_not_past_unless_the_batch_has_expired(
    total: int, completed: int, failed: int, created_at: float | None, expires_at: float | None, now: float
) -> None:
    """Whatever a provider counts, it is a time from now on, or that at which it expires."""
    counts = Counts(total, completed, failed)
    told = BatchTold(id="b", counts=counts, created_at=created_at, expires_at=expires_at)
    end = expected_end(Batch(1, 1, 0.0, told, Step.POLLED, now), now)
    assert end is None or end == expires_at or end >= now


@pytest.mark.parametrize(
    ("batches", "step", "at_provider"),
    [
        (batch(), "being made", False),
        (batch((Step.UPLOADING, 1, None)), "being uploaded", False),
        (batch((Step.UPLOADED, 1, None)), "uploaded", False),
        (batch((Step.CREATING, 1, None)), "being submitted", True),
        (batch((Step.CREATED, 1, None)), "submitted", True),
        (batch((Step.POLLED, 1, None), (Step.CANCELLING, 2, None)), "being cancelled", True),
        (batch((Step.POLLED, 1, None), (Step.CANCELLING, 2, None), (Step.SETTLED, 3, None)), "settled", False),
        (batch((Step.DROPPED, 1, None)), "dropped", False),
    ],
)
def test_each_step_has_its_words(batches: Batches, step: str, at_provider: bool) -> None:
    """What is on its way, and whether it goes on without us, is said in plain words."""
    found = one(batches)
    assert (found.step, found.at_provider) == (step, at_provider)


def test_a_live_note_goes_over_the_logs(tmp_path: Path) -> None:
    """What a process says of its batches now is shown; a heartbeat full of nonsense changes nothing."""
    folder = tmp_path / "run"
    written(folder)

    def note(said: Any) -> str | None:
        beat = {"at": time.time(), "pid": 0, "batches": said}
        (folder / HEARTBEAT).write_text(json.dumps(beat))
        with locked(folder):
            pid = int((folder / "lock").read_text())
            (folder / HEARTBEAT).write_text(json.dumps({**beat, "pid": pid}))
            return read_status(folder).batches[0].note

    assert note([{"key": "on-bb", "note": "waits for room"}]) == "waits for room"
    assert [note(odd) for odd in (7, [7], [{"key": 7}], [{"key": "on-bb", "note": 7}], {"key": "x"})] == [None] * 5


def test_many_settled_batches_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Their ends are added up, those dropped are counted, and none of them has a row in the table."""
    log = LogWriter(tmp_path / "run").record(requests=1)
    log.request()
    for number in range(3):
        seq = log.step(Step.BEGUN, key=f"on-{number}", rows=20_000)
        log.step(Step.SETTLED, seq, lines={"answered": 19_990, "expired": 6, "missing": 4})
    log.step(Step.DROPPED, log.step(Step.BEGUN, key="on-3", rows=9), note="refused")
    text = shown(tmp_path / "run", capsys)
    assert "3 batches settled: 59,970 answered, 18 expired, 12 missing\n" in text
    assert "1 batch dropped before it ran\n" in text
    assert "lines done" not in text


def _drawn(progress: Progress, width: int) -> str:
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=True, color_system=None).print(table(progress))
    return file.getvalue()


def test_the_live_display_counts_rows_in_batches() -> None:
    """Where rows are in batches they have a column and a part of the line; elsewhere neither is there."""
    lane = LaneProgress("openai/m", 50_000, 1, 0, 2, 0.5, None, 9, 0.25, 0, "1 batch", about=0, in_batches=3_200)
    shown_ = _drawn(Progress((lane,), lane, simulated=False, stopping=False), 80)
    assert shown_.splitlines()[2].split() == ["openai/m", "1/50,000", "0", "2", "3,200", "0.5", "9", "$0.2500", "?"]
    assert max(map(len, shown_.splitlines())) <= 80
    text = plain_line(Progress((lane,), lane, simulated=False, stopping=False))
    assert "2 in flight, 3,200 in batches, " in text
    none = LaneProgress("openai/m", 50_000, 1, 0, 2, 0.5, None, 9, 0.25, 0, "")
    assert "batches" not in _drawn(Progress((none,), none, simulated=False, stopping=False), 80)


def test_a_lane_without_batches_says_nothing_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that never saw a batch is shown as ever."""
    log = LogWriter(tmp_path / "run").record(requests=1)
    log.answer(log.request())
    assert "batch" not in shown(tmp_path / "run", capsys).split("\n", 1)[1]
