"""Tokens a minute: the bucket, its gate, and how many tokens a row is expected to take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.limits.bucket import BURST_S, Bucket, TokenGate
from orchestrator.limits.ratio import PLACES, TokenRatio, Tokens
from providers.wire import Usage


class _Lane:
    def __init__(self) -> None:
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


def test_a_call_goes_once_the_debt_is_paid() -> None:
    """A call of 30 units at 10 a second holds the next one for three seconds, less the burst at the start."""
    bucket = Bucket(10.0)
    bucket.take(100.0, 30.0)
    assert bucket.free_at == pytest.approx(103.0 - BURST_S)


def test_a_call_larger_than_a_minute_goes_and_is_paid_for_after() -> None:
    """It borrows: nothing has to be saved up for it."""
    bucket = Bucket(1.0)
    assert bucket.free_at <= 0.0
    bucket.take(0.0, 600.0)
    assert bucket.free_at == pytest.approx(600.0 - BURST_S)


def test_what_was_not_used_is_gone() -> None:
    """After an hour of rest no more goes at once than after a moment of it."""
    bucket = Bucket(10.0)
    bucket.take(0.0, 1.0)
    bucket.take(3600.0, 10.0)
    assert bucket.free_at == pytest.approx(3601.0 - BURST_S)


def test_a_settlement_moves_the_debt_both_ways() -> None:
    """More than was taken holds the next call longer, less lets it go sooner."""
    bucket = Bucket(10.0)
    bucket.take(0.0, 10.0)
    before = bucket.free_at
    bucket.settle(20.0)
    assert bucket.free_at == pytest.approx(before + 2.0)
    bucket.settle(-25.0)
    assert bucket.free_at == pytest.approx(before - 0.5)


def test_a_debt_is_paid_sooner_at_a_higher_rate_and_not_later_at_a_lower_one() -> None:
    """A pace that falls to next to nothing for a while does not hold a lane with a debt for hours."""
    bucket = Bucket(10.0)
    bucket.take(0.0, 100.0)
    due = bucket.free_at
    bucket.set_rate(0.01, 0.0)
    assert bucket.free_at == pytest.approx(due)
    bucket.set_rate(0.02, 0.0)
    assert bucket.free_at == pytest.approx(due / 2)


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 50)), min_size=1, max_size=60))
def test_no_more_flows_than_the_rate(calls: list[tuple[float, float]]) -> None:
    """Whatever is asked for and when, all but the last call fit into the time at the rate, and the burst."""
    bucket, now, taken = Bucket(10.0), 0.0, 0.0
    for pause, amount in calls:
        now = max(now + pause, bucket.free_at)
        assert taken <= 10.0 * (now + BURST_S) + 1e-6
        bucket.take(now, amount)
        taken += amount


async def test_a_gate_lets_lanes_in_by_turns() -> None:
    """Two lanes that always want something get every other call."""
    now = 0.0
    gate = TokenGate("tokens", 600.0, lambda: now)
    lanes = {"a": _Lane(), "b": _Lane()}
    passed = []
    for step in range(400):
        now = step * 0.05
        for name, lane in lanes.items():
            if gate.admits(lane, now):
                gate.enter(lane, now, 5.0)
                passed.append(name)
    gate.close()
    assert passed[1:21] in (["a", "b"] * 10, ["b", "a"] * 10)
    assert len(passed) == pytest.approx(400 * 0.05 * 10 / 5, abs=2)


async def test_a_lane_that_gives_up_its_place_lets_the_next_one_in() -> None:
    """Who is blocked elsewhere does not block those behind it."""
    gate = TokenGate("tokens", 60.0, lambda: 10.0)
    first, gone, last = _Lane(), _Lane(), _Lane()
    assert gate.admits(first, 0.0)
    gate.enter(first, 0.0, 5.0)
    assert not gate.admits(gone, 0.0)
    assert not gate.admits(last, 0.0)
    gate.withdraw(gone, 10.0)
    assert last.woken == 1
    assert not gate.admits(first, 10.0)
    assert gate.admits(last, 10.0)
    gate.close()


async def test_a_gate_that_is_sped_up_wakes_who_waits() -> None:
    """A debt that is paid by then is no reason to sleep on."""
    now = 0.0
    gate = TokenGate("tokens", 60.0, lambda: now)
    lane = _Lane()
    assert gate.admits(lane, now)
    gate.enter(lane, now, 100.0)
    assert not gate.admits(lane, now)
    now = 10.0
    gate.set_rate(600_000.0)
    now = 10.1
    gate.set_rate(600_000.0)
    assert lane.woken == 1
    gate.close()


def test_the_ratio_follows_what_answers_say() -> None:
    """After some answers, a row's tokens are expected by its bytes, and its output as their mean."""
    ratio = TokenRatio()
    for _ in range(200):
        ratio.note(1000, Usage(500, 30))
    assert ratio.expect(2000).input == pytest.approx(1000, rel=0.02)
    assert ratio.expect(2000).output == pytest.approx(30, rel=0.1)


def test_a_limit_counts_its_own_tokens() -> None:
    """Input, output, or both together."""
    tokens = Tokens(7.0, 3.0, 4.0)
    counted = {name: tokens[PLACES[name]] for name in ("input_tokens", "output_tokens", "tokens")}
    assert counted == {"input_tokens": 3.0, "output_tokens": 4.0, "tokens": 7.0}
