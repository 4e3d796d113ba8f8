"""What one lane makes of answers and refusals: which gates it passes, and when they change."""

from collections.abc import Mapping
from typing import Any

import pytest

from orchestrator.limits.bucket import BURST_S, TokenGate
from orchestrator.limits.lane_limits import LaneLimits, Told
from orchestrator.limits.pacer import Pacer
from providers.wire import Usage
from tests.harness.virtual_time import run_virtual


class _Lane:
    def wake(self) -> None:
        return None


class _Play:
    """A lane's limits, at a time that the test sets."""

    def __init__(self, told: Told | None = None, most: int = 100) -> None:
        self.now = 0.0
        self.events: list[tuple[str, Mapping[str, Any]]] = []
        self.limits = LaneLimits(
            told or Told(), most, clock=lambda: self.now, on_event=lambda *event: self.events.append(event)
        )
        self.lane = _Lane()
        self.rows = 0

    def send(self) -> int:
        self.rows += 1
        self.limits.enter(self.lane, self.rows, 1000, self.now)
        return self.rows

    def answer(self, row: int, headers: Mapping[str, str] | None = None, in_flight: int = 1) -> None:
        self.limits.answered(row, self.now, self.now, Usage(200, 100), headers or {}, in_flight)

    def refuse(self, row: int, headers: Mapping[str, str] | None = None, wait_s: float | None = None) -> None:
        self.limits.refused(row, self.now, self.now, wait_s, headers or {}, 1)


def headers(rpm: int, remaining: int, tpm: int | None = None) -> dict[str, str]:
    told = {"x-ratelimit-limit-requests": str(rpm), "x-ratelimit-remaining-requests": str(remaining)}
    return told if tpm is None else told | {"x-ratelimit-limit-tokens": str(tpm)}


def test_a_lane_that_was_told_nothing_has_no_gate_to_pass() -> None:
    """What costs nothing is not done."""
    play = _Play()
    assert not play.limits.gated
    assert play.limits.admits(play.lane, 0.0)


async def test_headers_make_gates_and_let_all_go_that_may() -> None:
    """Requests and tokens are paced from the first answer that tells of them, and it is logged."""
    play = _Play()
    play.answer(play.send(), headers(600, 599, 200_000))
    assert play.limits.gated
    assert play.limits.concurrency.allowed == 100
    learned = {str(fields["resource"]): fields["per_minute"] for name, fields in play.events if name == "limit_learned"}
    assert learned == {"requests": 594.0, "tokens": 198_000.0}
    play.limits.close()


async def test_headers_that_tell_more_than_was_told_beforehand_change_nothing() -> None:
    """The user's own limit holds where the provider would allow more; a lower one of the provider holds too."""
    told = Told(tokens=(TokenGate("tokens", 1000 * 0.99),))
    play = _Play(told)
    play.answer(play.send(), {"x-ratelimit-limit-tokens": "200000"})
    assert not [name for name, _ in play.events if name == "limit_learned"]
    play.now = 1.0
    play.answer(play.send(), {"x-ratelimit-limit-tokens": "500"})
    assert [fields["per_minute"] for name, fields in play.events if name == "limit_learned"] == [495.0]
    play.limits.close()


async def test_a_refusal_holds_the_lane_and_is_logged_once() -> None:
    """Nothing is admitted until Retry-After is over; calls refused together are one cooldown."""
    play = _Play()
    rows = [play.send() for _ in range(5)]
    for row in rows:
        play.now += 0.001
        play.limits.refused(row, 0.0, play.now, 10.0, {}, 5)
    assert not play.limits.admits(play.lane, 9.9)
    assert play.limits.cooldown.is_over(12.5)
    assert play.limits.note(1.0).startswith("cooling down")
    assert len([name for name, _ in play.events if name == "cooldown"]) == 1
    play.limits.close()


def test_a_row_that_was_refused_gives_its_tokens_back() -> None:
    """What was taken for it does not hold the next call; what an answer used does."""

    async def play_it() -> tuple[float, float]:
        gate = TokenGate("tokens", 60_000.0)
        play = _Play(Told(tokens=(gate,)))
        row = play.send()
        play.refuse(row)
        after_refusal = gate.bucket.free_at
        play.answer(play.send())
        return after_refusal, gate.bucket.free_at

    refused, answered = run_virtual(play_it())
    assert refused <= 0.0
    assert answered == pytest.approx(0.3 - BURST_S, abs=0.03)


async def test_without_headers_the_first_refusal_sets_a_pace() -> None:
    """Below what was let in until then."""
    play = _Play()
    for _ in range(100):
        play.answer(play.send())
        play.now += 0.1
    play.refuse(play.send())
    learned = [fields for name, fields in play.events if name == "limit_learned"]
    assert learned[0]["source"] == "learned"
    assert 300 <= learned[0]["per_minute"] < 600
    play.limits.close()


async def test_a_lane_gives_up_its_place_at_one_gate_when_another_is_closed() -> None:
    """Blocked at its tokens, it does not hold up other lanes at the requests."""
    tokens = TokenGate("tokens", 60.0)
    pacer = Pacer(600.0)
    play = _Play(Told(pacers=(pacer,), tokens=(tokens,)))
    other = _Play(Told(pacers=(pacer,)))
    assert not play.limits.admits(play.lane, 0.0)
    tokens.take(0.0, 1000.0)
    assert not play.limits.admits(play.lane, 0.0)
    pacer._permits = 1
    assert other.limits.admits(other.lane, 0.0)
    play.limits.close()
    other.limits.close()
