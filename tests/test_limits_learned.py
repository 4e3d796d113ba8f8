"""A rate learned from refusals alone, played against a bucket, with the time as an argument."""

import random
from dataclasses import dataclass, field

import pytest

from orchestrator.limits.learned import LearnedRate

STEP_S = 0.02


@dataclass
class _Play:
    """Sends at the learned rate to a bucket that fills at `limit` a second and holds `burst_s` of that."""

    limit: float
    burst_s: float
    odd: float = 0.0
    now: float = 0.0
    sent: int = 0
    refused: int = 0
    level: float = 0.0
    due: float = 0.0
    rate: LearnedRate = field(default_factory=lambda: LearnedRate(0.0))
    draw: random.Random = field(default_factory=lambda: random.Random(0))

    def run(self, seconds: float) -> float:
        """Play on; calls let in a second."""
        before, end = self.sent - self.refused, self.now + seconds
        while self.now < end:
            self.level = min(max(1.0, self.limit * self.burst_s), self.level + self.limit * STEP_S)
            pace = self.rate.grow(self.now, True) or 5 * self.limit
            while self.due <= self.now:
                self._send(pace)
            self.now += STEP_S
        return (self.sent - self.refused - before) / seconds

    def _send(self, pace: float) -> None:
        self.sent += 1
        self.rate.sent()
        self.due = max(self.due, self.now - STEP_S) + 1 / pace
        if self.level >= 1 and self.draw.random() >= self.odd:
            self.level -= 1
            return
        self.refused += 1
        self.rate.refused()
        self.rate.episode(self.now, self.due)
        self.due = self.now + 0.3


def test_there_is_no_rate_before_the_first_refusal() -> None:
    """Nothing is paced that was never refused."""
    rate = LearnedRate(0.0)
    for _ in range(100):
        rate.sent()
    assert rate.grow(10.0, True) is None


@pytest.mark.parametrize("limit", [1.0, 20.0])
@pytest.mark.parametrize("burst_s", [1.0, 60.0])
def test_the_rate_finds_the_limit(limit: float, burst_s: float) -> None:
    """Within minutes at least 0.9 of the limit goes through, and less than 3 % is refused."""
    play = _Play(limit, burst_s)
    play.run(400.0)
    play.sent = play.refused = 0
    through = play.run(400.0)
    assert through >= 0.9 * limit
    assert play.refused / play.sent < 0.03


def test_a_lower_limit_is_found_and_a_higher_one_too() -> None:
    """The rate follows a limit that falls to a quarter and comes back."""
    play = _Play(20.0, 5.0)
    play.run(200.0)
    play.limit = 5.0
    play.run(60.0)
    assert play.run(100.0) == pytest.approx(5.0, rel=0.1)
    play.limit = 20.0
    play.run(150.0)
    assert play.run(100.0) == pytest.approx(20.0, rel=0.15)


def test_a_storm_leaves_the_rate_as_it_was() -> None:
    """Probes that are refused one after the other say nothing about the limit."""
    play = _Play(10.0, 5.0)
    play.run(200.0)
    before = play.rate.rate
    assert before is not None
    for probe in range(200):
        play.rate.sent()
        play.rate.refused()
        play.rate.episode(play.now + probe * 5.0, play.now + probe * 5.0)
    assert play.rate.rate == pytest.approx(before, rel=0.3)


def test_odd_refusals_are_outgrown() -> None:
    """One refusal in a hundred calls that has nothing to do with speed does not bring the rate down."""
    play = _Play(10.0, 60.0, odd=0.01)
    play.run(300.0)
    assert play.run(600.0) >= 6.5


def test_a_rate_that_is_not_used_does_not_grow() -> None:
    """Where something else holds the lane back, nothing is known of what lies above."""
    play = _Play(10.0, 5.0)
    play.run(100.0)
    before = play.rate.rate
    for second in range(1000):
        play.rate.grow(play.now + second, False)
    assert play.rate.rate == before


def test_growth_ends_somewhere() -> None:
    """However long nothing is refused, the rate stays within a few times what was let in."""
    rate = LearnedRate(0.0)
    for _ in range(50):
        rate.sent()
    rate.episode(10.0, 0.0)
    for step in range(1, 10_000):
        if step % 10 == 0:
            rate.sent()
        rate.grow(10.0 + step / 10, True)
    assert rate.rate is not None
    assert rate.rate <= 3.5
