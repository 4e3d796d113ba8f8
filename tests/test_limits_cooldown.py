"""What a refusal asks of a lane: a wait, one probe, then the rest."""

import random

import pytest

from orchestrator.limits.cooldown import Cooldown


def cooldown(seed: int = 0) -> Cooldown:
    return Cooldown(random.Random(seed))


def test_nothing_goes_until_retry_after_is_over() -> None:
    """What the provider asked for is kept to, and a little more."""
    one = cooldown()
    assert one.is_over(0.0)
    assert one.refused(0.0, 1.0, 30.0)
    assert not one.is_over(30.9)
    assert 31.0 <= one.until <= 37.1
    assert one.next_look(1.0) == one.until
    assert one.is_over(one.until)


def test_clients_that_were_refused_together_do_not_come_back_together() -> None:
    """Their waits are spread over a fifth of what was asked for."""
    ends = []
    for seed in range(100):
        one = cooldown(seed)
        one.refused(0.0, 0.0, 10.0)
        ends.append(one.until)
    assert min(ends) >= 10.0
    assert max(ends) - min(ends) > 1.0
    assert max(sum(at <= end < at + 0.1 for end in ends) for at in ends) <= 15


def test_one_probe_goes_and_the_rest_wait_for_it() -> None:
    """A second call goes only once the probe was answered."""
    one = cooldown()
    one.refused(0.0, 1.0, 1.0)
    now = one.until
    one.sent(now)
    assert not one.is_over(now)
    one.accepted(now)
    assert one.is_over(now)
    one.sent(now)
    assert one.is_over(now)


def test_a_probe_that_is_not_refused_for_long_was_let_in() -> None:
    """An answer may take minutes where a refusal takes a moment: the rest do not wait for the answer."""
    one = cooldown()
    one.refused(0.9, 1.0, 1.0)
    one.sent(one.until)
    assert one.next_look(one.until) == one.probe_ends_at()
    assert one.is_over(one.probe_ends_at())
    assert one.probe_ends_at() - one.until < 1.0


def test_refusals_of_calls_sent_before_are_the_same_episode() -> None:
    """Many calls in flight that are refused together are one episode; the next one is that of a call sent after."""
    one = cooldown()
    assert one.refused(0.0, 1.0, None)
    assert not one.refused(0.5, 1.1, None)
    assert one.in_a_row == 1
    assert one.refused(one.until, one.until + 0.1, None)
    assert one.in_a_row == 2


def test_waits_grow_while_nothing_is_let_in_and_not_beyond_a_minute() -> None:
    """Where nobody says how long, the lane waits longer each time, until a call is let in."""
    one, now, waits = cooldown(), 0.0, []
    for _ in range(12):
        one.sent(now)
        one.refused(now, now, None)
        waits.append(one.until - now)
        now = one.until
    assert waits[0] <= 0.2
    assert 60.0 <= waits[-1] <= 61.0
    assert one.refused_since == 0.0
    one.sent(now)
    one.accepted(now)
    one.refused(now + 1.0, now + 1.0, None)
    assert one.until - now - 1.0 <= 0.2
    assert one.refused_since == now + 1.0


def test_an_answer_to_a_call_from_before_lets_nobody_in() -> None:
    """Only what was sent after the refusal says that it is over."""
    one = cooldown()
    one.refused(0.0, 1.0, None)
    one.accepted(0.5)
    assert one.in_a_row == 1
    one.accepted(one.until)
    assert one.in_a_row == 0


def test_a_probe_that_ends_otherwise_makes_room_for_another() -> None:
    """A probe whose connection broke says nothing; the lane does not wait for it for ever."""
    one = cooldown()
    one.refused(0.0, 1.0, 1.0)
    one.sent(one.until)
    assert not one.is_over(one.until)
    one.given_back(one.until - 0.5)
    assert not one.is_over(one.until)
    one.given_back(one.until)
    assert one.is_over(one.until)


@pytest.mark.parametrize(("first", "second"), [(10.0, 5.0), (5.0, 10.0)])
def test_a_shorter_rest_never_cuts_a_longer_one(first: float, second: float) -> None:
    """The longest rest that was asked for stands."""
    one = cooldown()
    one.rest(first)
    one.rest(second)
    assert one.until == 10.0


def test_after_an_outage_a_single_call_finds_out_however_long_it_takes() -> None:
    """A slow answer is not taken for a good one; once it is there, all may go."""
    one = cooldown()
    one.outage(1.0, 5.0)
    assert not one.is_over(4.9)
    assert one.is_over(5.0)
    one.sent(5.0)
    assert not one.is_over(500.0)
    assert one.next_look(500.0) is None
    one.accepted(5.0)
    assert one.is_over(500.0)
