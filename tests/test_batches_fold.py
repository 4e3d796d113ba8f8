"""Batches as the log tells of them: the fold of their steps, and of the rows that are in them."""

import math
from array import array
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.batch_status import expected_end
from outputs.batches import Batches, BatchTold, Step
from outputs.fold import RowFlag, RunState, fold
from outputs.journal import Log
from outputs.tables.replay import replay
from prompts.input_error import InputError
from providers.batches.wire import Counts
from providers.wire import Billing, Usage
from tests.harness.log_writing import LogWriter

AT = 1_790_000_000.0
WAY = [Step.UPLOADING, Step.UPLOADED, Step.CREATING, Step.CREATED, Step.POLLED, Step.ENDED, Step.SETTLED]


@pytest.fixture
def log(tmp_path: Path) -> LogWriter:
    """An empty run folder to write a log into."""
    return LogWriter(tmp_path / "run").record()


def begun(log: LogWriter, rows: int = 3) -> tuple[int, list[int]]:
    """Requests, and a batch with the intents of all of them: (its seq, theirs)."""
    requests = [log.request() for _ in range(rows)]
    batch = log.step(Step.BEGUN, key="on-1", provider="openai", model="m", rows=rows, bytes=99)
    for request in requests:
        log.attempt(request, batch=batch)
    return batch, requests


# The steps


def test_a_batch_goes_its_way(log: LogWriter) -> None:
    """Each step is the last one told; what a line does not mention stays as it was."""
    batch, _ = begun(log)
    for step in WAY:
        log.step(step, batch, status=step.value)
        (found,) = fold(log.folder).batches.all
        assert (found.step, found.told.status, found.over) == (step, step.value, step is Step.SETTLED)
        assert (found.told.key, found.told.rows, found.told.bytes) == ("on-1", 3, 99)
    log.step(Step.POLLED, batch, id="batch_1", counts=Counts(3, 1, 0), usage=Usage(5, 2))
    (found,) = fold(log.folder).batches.all
    assert (found.name, found.told.counts, found.told.usage) == ("batch_1", Counts(3, 1, 0), Usage(5, 2))


def test_a_batch_of_a_full_queue_is_created_several_times(log: LogWriter) -> None:
    """The last id counts, and it is where its last line says."""
    batch, _ = begun(log)
    for id_ in ("batch_1", "batch_2"):
        log.step(Step.CREATING, batch)
        log.step(Step.CREATED, batch, id=id_)
    log.step(Step.CREATING, batch)
    (found,) = fold(log.folder).batches.all
    assert (found.step, found.name) == (Step.CREATING, "batch_2")


def test_asking_for_its_end_says_nothing_of_how_far_it_is(log: LogWriter) -> None:
    """A batch that is being cancelled is still where it was."""
    batch, _ = begun(log)
    log.step(Step.CREATED, batch, id="batch_1")
    log.step(Step.CANCELLING, batch)
    (found,) = fold(log.folder).batches.all
    assert (found.step, found.cancelling, found.over) == (Step.CREATED, True, False)


def test_batches_are_numbered_in_the_order_of_the_log(log: LogWriter) -> None:
    """By number, by seq, and which of them are open or unfinished."""
    seqs = [begun(log, 1)[0] for _ in range(3)]
    log.step(Step.DROPPED, seqs[0])
    log.step(Step.SETTLED, seqs[1])
    log.settle(log.seq - 6)  # the row of the second
    batches = fold(log.folder).batches
    assert [batch.seq for batch in batches.all] == seqs
    assert [batches.numbered(number).seq for number in (1, 2, 3)] == seqs
    assert [batch.seq for batch in batches.open] == [seqs[2]]
    assert bool(batches)
    assert not Batches()


def test_a_batch_that_was_dropped_is_unfinished_until_its_rows_are_free(log: LogWriter) -> None:
    """A kill in their midst leaves some of them in it."""
    batch, (first, second) = begun(log, 2)
    log.step(Step.DROPPED, batch)
    log.settle(first)
    (found,) = fold(log.folder).batches.unfinished
    assert (found.over, found.open_rows) == (True, 1)
    log.settle(second)
    assert fold(log.folder).batches.unfinished == []


def test_a_line_of_an_unknown_batch_is_passed_over(log: LogWriter) -> None:
    """A step of a batch whose first line is not there changes nothing; its rows' attempts count as online ones."""
    request = log.request()
    log.step(Step.ENDED, 999, status="completed")
    log.attempt(request, batch=999)
    state = fold(log.folder)
    assert (state.batches.all, list(state.batch_of)) == ((), [0])
    assert state.open_attempts[0].reserved_usd == 0.5


# Other versions


def test_a_log_without_batches_is_folded_as_ever(log: LogWriter) -> None:
    """Lines without any field of batches mean what they meant."""
    first, second = log.request(), log.request()
    log.attempt(first)
    log.answer(first)
    log.attempt(second)
    state = fold(log.folder)
    (lane,) = state.lanes
    assert (lane.answered, lane.by_batch, lane.in_batches, list(state.open_attempts)) == (1, 0, 0, [1])
    assert not state.batches


def test_a_first_line_that_tells_nothing_is_a_batch_all_the_same(log: LogWriter) -> None:
    """Without key, rows or provider it has a name, and no end that anybody could expect."""
    request = log.request()
    seq = log.step(Step.BEGUN)
    log.attempt(request, batch=seq)
    (batch,) = fold(log.folder).batches.all
    assert (batch.name, batch.open_rows, expected_end(batch, AT)) == (f"batch {seq}", 1, None)


def test_what_a_newer_version_tells_beside_it_is_passed_over(log: LogWriter) -> None:
    """Fields that are not known change nothing."""
    batch, _ = begun(log)
    line = b'"batch":%d,"step":"polled","at":5.0,"told":{"status":"busy","mood":"fine"},"weather":1}' % batch
    log.raw(Log.ATTEMPTS, line)
    (found,) = fold(log.folder).batches.all
    assert (found.step, found.told.status) == (Step.POLLED, "busy")


def test_a_step_that_is_not_known_is_said_by_line(log: LogWriter) -> None:
    """It may mean that rows were bought: nothing is guessed."""
    batch, _ = begun(log)
    log.raw(Log.ATTEMPTS, b'"batch":%d,"step":"archived","at":5.0}' % batch)
    with pytest.raises(InputError, match="archived") as told:
        fold(log.folder)
    assert (told.value.line, str(told.value.file)) == (5, str(log.folder / Log.ATTEMPTS.file_name))


# The rows in it


def test_rows_are_in_a_batch_until_they_settle(log: LogWriter) -> None:
    """By an answer, or by the line of an attempt without one; what was reserved for them is known meanwhile."""
    batch, (first, second, third) = begun(log)
    state = fold(log.folder)
    assert state.rows_in(batch) == [0, 1, 2]
    assert [state.reserved_usd(row) for row in range(3)] == [0.5] * 3
    assert state.open_attempts == {}
    log.answer(first, batch=batch)
    log.settle(second, billing=Billing.BILLED, cost_usd=0.125)
    log.settle(third, billing=Billing.MAYBE)
    state = fold(log.folder)
    (lane,) = state.lanes
    assert (state.rows_in(batch), lane.in_batches, state.batches.by_seq[batch].open_rows) == ([], 0, 0)
    assert (lane.by_batch, lane.cost_usd, lane.maybe_usd, lane.billed_unanswered) == (1, 0.375, 0.5, 1)


def test_an_answer_by_batch_without_a_price_keeps_what_was_reserved(log: LogWriter) -> None:
    """As for one that came online."""
    batch, (first,) = begun(log, 1)
    log.answer(first, cost_usd=None, batch=batch)
    (lane,) = fold(log.folder).lanes
    assert (lane.unpriced, lane.unpriced_usd) == (1, 0.5)


def test_an_unpriced_row_has_no_reservation_in_a_batch(log: LogWriter) -> None:
    """It is None, never 0, and what it may have cost is counted as unknown."""
    batch, request = log.step(Step.BEGUN, key="on-1"), log.request()
    log.attempt(request, reserved_usd=None, batch=batch)
    assert fold(log.folder).reserved_usd(0) is None
    log.settle(request, billing=Billing.MAYBE)
    (lane,) = fold(log.folder).lanes
    assert (lane.maybe_billed, lane.maybe_unpriced, lane.maybe_usd) == (1, 1, 0.0)


def test_a_row_that_is_sent_while_it_is_in_a_batch_was_killed_there(log: LogWriter) -> None:
    """It leaves the batch as maybe billed."""
    batch, (first,) = begun(log, 1)
    log.attempt(first, 2)
    state = fold(log.folder)
    assert (state.rows_in(batch), state.lanes[0].maybe_usd, list(state.open_attempts)) == ([], 0.5, [0])


def test_a_withdrawn_row_stays_in_its_batch(log: LogWriter) -> None:
    """What it costs is still to be accounted for, and its answer stays known."""
    batch, (first, _) = begun(log, 2)
    log.event("asked_changed", withdrawn=[first], restored=[], adding=0)
    state = fold(log.folder)
    assert (state.lanes[0].asked, state.lanes[0].in_batches, state.rows_in(batch)) == (1, 2, [0, 1])
    log.answer(first, batch=batch)
    log.event("asked_changed", withdrawn=[], restored=[first], adding=0)
    (lane,) = fold(log.folder).lanes
    assert (lane.asked, lane.answered, lane.in_batches) == (2, 1, 1)


def test_a_failed_row_that_is_put_up_again_may_be_in_a_batch(log: LogWriter) -> None:
    """A retry takes back the failure alone: whether the row is in a batch stays as it was."""
    batch, (first,) = begun(log, 1)
    log.fail(first)
    log.event("retry")
    state = fold(log.folder)
    assert (state.is_open(0), state.rows_in(batch), state.lanes[0].failed) == (True, [0], 0)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "by batch", "online", "answer", "settle", "fail", "withdraw", "restore", "retry"]),
        st.integers(0, 3),
        st.integers(0, 2),
    ),
    max_size=40,
)


@given(STEPS)
def test_counts_of_rows_in_batches_are_never_below_none(steps: list[tuple[str, int, int]]) -> None:
    """Whatever lines follow each other, also those that no run of ours writes so, the counts are those of the rows."""
    state = RunState()
    lane = state.lane_number("p", "m")
    for row in range(4):
        state.add_request(row + 1, 0, lane)
    for number, (what, row, batch) in enumerate(steps):
        match what:
            case "begin":
                state.batches.begin(100 + len(state.batches.all), AT, None)
            case "by batch":
                state.begin_attempt(row, number + 1, 0.5, AT, 100 + batch)
            case "online":
                state.begin_attempt(row, number + 1, 0.5)
            case "answer":
                state.answer(row, number, Usage(1, 1), 0.1)
            case "settle":
                state.settle_attempt(row, Billing.UNBILLED, "throttled")
            case "fail":
                state.fail(row)
            case "withdraw" | "restore":
                state.withdraw(row, what == "withdraw")
            case "retry":
                state.retry_failed()
        rows = [batch.number for batch in state.batches.all for _ in state.rows_in(batch.seq)]
        assert sorted(rows) == sorted(number for number in state.batch_of if number)
        assert [batch.open_rows for batch in state.batches.all] == [rows.count(b.number) for b in state.batches.all]
        assert state.lanes[0].in_batches == len(rows)
        assert not any(row in state.open_attempts and state.batch_of[row] for row in range(4))
        assert all(flags & (RowFlag.ANSWERED | RowFlag.FAILED) != 3 for flags in state.flags)


@pytest.mark.parametrize("last", [Step.SETTLED, Step.DROPPED])
def test_a_batch_knows_all_its_rows_until_it_is_over_and_they_have_left(log: LogWriter, last: Step) -> None:
    """Also those that have settled, in four bytes each; a batch that was dropped is read for its last ones."""
    batch, (first, second, third) = begun(log)
    log.request()
    log.settle(first)
    (found,) = fold(log.folder).batches.all
    assert (found.rows, found.rows.itemsize) == (array("I", [0, 1, 2]), 4)
    assert [found.has(row) for row in range(5)] == [True, True, True, False, False]
    log.step(last, batch)
    log.settle(second)
    (found,) = fold(log.folder).batches.all
    assert (list(found.rows), found.open_rows) == ([0, 1, 2], 1)
    log.settle(third)
    (found,) = fold(log.folder).batches.all
    assert (list(found.rows), found.open_rows, found.has(0)) == ([], 0, False)


@pytest.mark.parametrize("settled_last", [True, False])
def test_a_replay_for_tables_drops_the_rows_of_batches_too(log: LogWriter, settled_last: bool) -> None:
    """Whichever comes last, the batch's own last line or that of its last row."""
    batch, (request,) = begun(log, 1)
    told: list[Callable[[], object]] = [lambda: log.answer(request, batch=batch), lambda: log.step(Step.SETTLED, batch)]
    for tell in told if settled_last else reversed(told):
        ends = {one: (log.folder / one.file_name).stat().st_size for one in Log}
        assert list(replay(log.folder, ends).batches.by_seq[batch].rows) == [0]
        tell()
    ends = {one: (log.folder / one.file_name).stat().st_size for one in Log}
    assert len(replay(log.folder, ends).batches.by_seq[batch].rows) == 0


@given(st.lists(st.integers(0, 30), max_size=40))
def test_the_rows_of_a_batch_rise_in_whatever_order_they_enter(rows: list[int]) -> None:
    """Rows that are put up again come behind later ones; one that enters twice stands there once."""
    state = RunState()
    lane = state.lane_number("p", "m")
    state.batches.begin(100, AT, None)
    for row in range(31):
        state.add_request(row + 1, 0, lane)
    for row in rows:
        state.begin_attempt(row, 1, 0.5, AT, 100)
    (batch,) = state.batches.all
    assert list(batch.rows) == state.rows_in(100) == sorted(set(rows))
    assert [batch.has(row) for row in range(31)] == [row in rows for row in range(31)]
    assert batch.open_rows == len(set(rows))


def test_a_row_in_a_batch_takes_twelve_bytes_more() -> None:
    """Which batch it is in, and what is reserved for it, stand in arrays: a million rows in batches are no objects."""
    state = RunState()
    lane = state.lane_number("p", "m")
    state.batches.begin(1, AT, None)
    for row in range(100):
        state.add_request(row + 2, 0, lane)
        state.begin_attempt(row, 1, None if row % 2 else 0.25, AT, 1)
    assert isinstance(state.batch_of, array)
    assert isinstance(state.reserved_of, array)
    assert state.batch_of.itemsize + state.reserved_of.itemsize == 12
    assert state.open_attempts == {}
    assert math.isnan(state.reserved_of[1])


def test_what_is_told_is_read_back_as_it_was_written(log: LogWriter) -> None:
    """All of it, through the log."""
    told = BatchTold(
        "on-1", "openai", "m", "/v1/chat/completions", 3, 99, "ab", "file_1", "batch_1", "done", Counts(3, 2, 1), 1.5,
        2.5, ("file_2", "file_3"), Usage(5, 2, 1, 1, 1, 1), {"answered": 2, "failed": 1}, "why not",
    )  # fmt: skip
    assert None not in msgspec.structs.astuple(told)
    log.step(Step.BEGUN, **msgspec.structs.asdict(told))
    (batch,) = fold(log.folder).batches.all
    assert batch.told == told
