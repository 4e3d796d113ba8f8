"""The state of a run as a fold over its log."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from outputs import lines
from outputs.fold import RunState, fold
from outputs.journal import Log
from providers.wire import Billing, FailureKind, Usage


def _state(rows: int = 1) -> RunState:
    state = RunState()
    lane = state.lane_number("p", "m")
    for row in range(rows):
        state.add_request(row + 1, row * 100, lane)
    return state


def test_rows_are_found_by_the_seq_of_their_request() -> None:
    """A seq leads to its row, and one that is no request leads nowhere."""
    state = RunState()
    lane = state.lane_number("p", "m")
    for seq in (3, 4, 9):
        state.add_request(seq, 0, lane)
    assert [state.row_of(seq) for seq in (3, 4, 9, 5, 10)] == [0, 1, 2, None, None]


def test_an_answer_counts_once_however_often_it_comes() -> None:
    """A row that is answered twice is one answered row; both were paid for; the last one counts."""
    state = _state()
    assert not state.answer(0, 10, Usage(5, 2), 0.5)
    assert state.answer(0, 11, Usage(5, 2), 0.25)
    lane = state.lanes[0]
    assert (lane.answered, lane.open, lane.cost_usd) == (1, 0, 0.75)
    assert state.answer_seqs[0] == 11


def test_an_unknown_price_is_counted_and_never_zero() -> None:
    """An answer without a known price shows as unpriced."""
    state = _state()
    state.answer(0, 10, Usage(5, 2), None)
    assert (state.lanes[0].cost_usd, state.lanes[0].unpriced) == (0.0, 1)


def test_an_attempt_that_never_settled_is_maybe_billed_at_its_reservation() -> None:
    """A second intent for a row says that the first one's process was killed."""
    state = _state()
    state.begin_attempt(0, 1, 0.125)
    state.begin_attempt(0, 2, 0.125)
    lane = state.lanes[0]
    assert (lane.maybe_billed, lane.maybe_usd, lane.failures) == (1, 0.125, {"killed": 1})
    assert state.failed_attempts[0] == 0


def test_an_attempt_without_a_reservation_is_maybe_billed_at_an_unknown_price() -> None:
    """What a killed attempt may have cost without a known price is counted, never taken for 0."""
    state = _state()
    state.begin_attempt(0, 1, None)
    state.begin_attempt(0, 2, 0.125)
    state.settle_open_as_killed(0)
    lane = state.lanes[0]
    assert (lane.maybe_billed, lane.maybe_unpriced, lane.maybe_usd) == (2, 1, 0.125)


def test_an_answer_of_unknown_cost_counts_at_its_reservation() -> None:
    """What an unpriced answer was reserved at is kept; without a reservation there is nothing to keep."""
    state = _state(2)
    state.begin_attempt(0, 1, 0.125)
    state.answer(0, 10, None, None)
    state.begin_attempt(1, 1, None)
    state.answer(1, 11, None, None)
    lane = state.lanes[0]
    assert (lane.unpriced, lane.unpriced_usd, lane.cost_usd, lane.maybe_usd) == (2, 0.125, 0.0, 0.0)


def test_a_duplicate_costs_nothing_and_settles_no_attempt() -> None:
    """An answer taken over from another row answers its own, and leaves open what is open."""
    state = _state(3)
    state.begin_attempt(0, 1, 0.5)
    state.begin_attempt(1, 1, 0.25)
    assert not state.answer(1, 10, None, 0.0, duplicate=True)
    assert not state.answer(2, 11, Usage(5, 2), None, duplicate=True)
    lane = state.lanes[0]
    assert (lane.answered, lane.duplicates, lane.unpriced, lane.cost_usd, lane.input_tokens) == (2, 2, 0, 0.0, 0)
    assert {row: attempt.reserved_usd for row, attempt in state.open_attempts.items()} == {0: 0.5, 1: 0.25}


def test_costs_add_up_to_the_billionth_of_a_dollar() -> None:
    """A hundred thousand small costs are their exact sum, whichever way doubles round."""
    state = _state()
    for seq in range(100_000):
        state.answer(0, seq, None, 0.000_000_1)
    assert state.lanes[0].cost_usd == 0.01


def test_attempts_are_counted_by_lane_and_hour_for_a_day() -> None:
    """Each lane counts its attempts by the hour since 1970, forgets what is over a day old, and skips unknown times."""
    state = _state(2)
    state.lane_of[1] = state.lane_number("q", "m")
    hour = 480_000
    for row, hours in ((0, 0.0), (0, 0.99), (0, 1.0), (1, 1.5)):
        state.begin_attempt(row, 1, None, (hour + hours) * 3600)
    state.begin_attempt(0, 1, None)
    assert state.attempts_by_hour == {0: {hour: 2, hour + 1: 1}, 1: {hour + 1: 1}}
    state.begin_attempt(0, 1, None, (hour + 25) * 3600)
    assert set(state.attempts_by_hour[0]) == {hour, hour + 1, hour + 25}
    state.begin_attempt(0, 1, None, (hour + 26) * 3600)
    assert set(state.attempts_by_hour[0]) == {hour + 1, hour + 25, hour + 26}


def test_failures_that_say_nothing_of_the_row_use_up_no_attempt() -> None:
    """Throttling and refused keys leave a row all its attempts; a reset does not."""
    state = _state()
    for kind in (FailureKind.THROTTLED, FailureKind.KEY_REFUSED, FailureKind.TRANSIENT):
        state.begin_attempt(0, 1, None)
        state.settle_attempt(0, Billing.UNBILLED, kind.value)
    assert state.failed_attempts[0] == 1


def test_a_retry_puts_failed_rows_up_with_all_their_attempts() -> None:
    """Finally failed rows are open again; answered ones stay answered."""
    state = _state(2)
    state.settle_attempt(0, Billing.UNBILLED, "transient")
    state.fail(0)
    state.answer(1, 9, None, 0.0)
    assert state.retry_failed() == 1
    assert [state.is_open(row) for row in (0, 1)] == [True, False]
    assert (state.lanes[0].failed, state.failed_attempts[0]) == (0, 0)


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["answer", "fail", "retry", "withdraw", "restore", "begin", "settle"]), st.integers(0, 4)
    ),
    max_size=60,
)


@given(_STEPS)
def test_counts_always_equal_a_recount_of_the_rows(steps: list[tuple[str, int]]) -> None:
    """Whatever happens in whatever order, the lane's counts are those of its rows."""
    state = _state(5)
    for number, (step, row) in enumerate(steps, 10):
        match step:
            case "answer":
                state.answer(row, number, None, 0.0)
            case "fail":
                state.fail(row)
            case "retry":
                state.retry_failed()
            case "withdraw" | "restore":
                state.withdraw(row, step == "withdraw")
            case "begin":
                state.begin_attempt(row, 1, None)
            case "settle":
                state.settle_attempt(row, Billing.MAYBE, "transient")
    lane = state.lanes[0]
    asked = [flags for flags in state.flags if not flags & 4]
    assert lane.asked == len(asked)
    assert lane.answered == sum(bool(flags & 1) for flags in asked)
    assert lane.failed == sum(bool(flags & 2) for flags in asked)
    assert lane.open == sum(state.is_open(row) for row in range(5))


def _write(folder: Path, log: Log, *lines: bytes) -> None:
    (folder / log.file_name).write_bytes(b"".join(line + b"\n" for line in lines))


def test_the_files_are_folded_in_the_order_of_seq(tmp_path: Path) -> None:
    """A retry asked for between two failures puts up the first one only."""
    request = b'{"seq":%d,"custom_id":"%b","url":"u","provider":"p","model":"m","fingerprint":"f","body":{}}'
    _write(tmp_path, Log.REQUESTS, request % (1, b"a"), request % (2, b"b"))
    error = b'{"seq":%d,"request":%d,"custom_id":"x","error":{"code":"transient","message":""}}'
    _write(tmp_path, Log.ERRORS, error % (3, 1), error % (5, 2))
    _write(tmp_path, Log.EVENTS, b'{"seq":4,"event":"retry"}')
    state = fold(tmp_path)
    assert [state.is_open(row) for row in (0, 1)] == [True, False]
    assert state.lanes[0].failed == 1


def test_an_edit_withdraws_and_restores_by_seq(tmp_path: Path) -> None:
    """What an edited manifest took away is no longer asked for, and comes back with its answer."""
    request = b'{"seq":%d,"custom_id":"a","url":"u","provider":"p","model":"m","fingerprint":"f%d","body":{}}'
    _write(tmp_path, Log.REQUESTS, request % (1, 1), request % (4, 2))
    _write(tmp_path, Log.RESPONSES, b'{"seq":2,"request":1,"attempts":1}')
    _write(
        tmp_path,
        Log.EVENTS,
        b'{"seq":3,"event":"asked_changed","withdrawn":[1],"adding":1,"sha256":"s"}',
        b'{"seq":5,"event":"asked_changed","withdrawn":[4],"restored":[1],"adding":0,"sha256":"t"}',
    )
    state = fold(tmp_path)
    assert (state.lanes[0].asked, state.lanes[0].answered) == (1, 1)
    assert (state.sha256, state.pending_addition) == ("t", 0)


def test_settings_of_a_run_are_the_last_ones_in_its_log(tmp_path: Path) -> None:
    """Caps, dedupe and the estimate are taken from their last event; a log without them says nothing."""
    assert (fold(tmp_path).budget, fold(tmp_path).dedupe, fold(tmp_path).estimate) == (None, None, None)
    caps = {"run": 2.5, "providers": {"p": 1.0}, "models": {}}
    events = [
        lines.event("budget", 1.0, budget={"run": 1.0}),
        lines.event("dedupe", 2.0, dedupe=True),
        lines.event("estimate", 3.0, estimate={"rows": 1}),
        lines.event("budget", 4.0, budget=caps),
        lines.event("dedupe", 5.0, dedupe=False),
        lines.event("estimate", 6.0, estimate={"rows": 2, "cost_usd": 0.5}),
        lines.event("start", 7.0),
    ]
    _write(tmp_path, Log.EVENTS, *(b'{"seq":%d,' % seq + line for seq, line in enumerate(events, 1)))
    state = fold(tmp_path)
    assert (state.budget, state.dedupe) == (caps, False)
    assert (state.estimate, state.estimate_at) == ({"rows": 2, "cost_usd": 0.5}, 6.0)


def test_duplicates_and_hours_are_folded_from_the_files(tmp_path: Path) -> None:
    """A line that says what it is a duplicate of settles no attempt; an intent counts in the hour of its `at`."""
    request = b'{"seq":%d,"custom_id":"%b","url":"u","provider":"p","model":"m","fingerprint":"f","body":{}}'
    _write(tmp_path, Log.REQUESTS, request % (1, b"a"), request % (2, b"b"))
    _write(
        tmp_path,
        Log.ATTEMPTS,
        b'{"seq":3,' + lines.intent(1, 1, 7200.5, 0.125),
        b'{"seq":4,' + lines.intent(2, 1, 7300.0, 0.25),
    )
    answer = b'{"seq":%d,"request":%d,"attempts":1,"usage":null,"cost_usd":%b,"duplicate_of":%b}'
    _write(tmp_path, Log.RESPONSES, answer % (5, 1, b"0.5", b"null"), answer % (6, 2, b"0", b"1"))
    state = fold(tmp_path)
    lane = state.lanes[0]
    assert (lane.answered, lane.duplicates, lane.cost_usd) == (2, 1, 0.5)
    assert list(state.open_attempts) == [1]
    assert state.attempts_by_hour == {0: {2: 2}}
