"""The simulator's faults, latency, limits and settings as pure functions, with the time passed in."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.input_error import InputError
from providers.simulator import SimulatorSettings
from providers.simulator.draws import digest
from providers.simulator.faults import FaultKind, draw_fault, latency_s
from providers.simulator.limits import Bucket, Limits, reset_text, retry_headers

BODIES = [digest(str(number).encode()) for number in range(4000)]


def test_faults_come_at_their_rates() -> None:
    """Each fault befalls its share of calls, and its variants are equally frequent."""
    settings = SimulatorSettings(
        error_rate=0.1, throttle_rate=0.2, malformed_rate=0.1, drop_rate=0.1, hang_rate=0.05, seed=3
    )
    counts = Counter(fault.kind for body in BODIES if (fault := draw_fault(settings, body, 1)))
    shares = {kind: count / len(BODIES) for kind, count in counts.items()}
    expected = dict.fromkeys(FaultKind, 0.05) | {FaultKind.ERROR: 0.1, FaultKind.THROTTLE: 0.2}
    assert shares == pytest.approx(expected, abs=0.02)


def test_a_fault_depends_on_seed_body_and_how_often_it_came() -> None:
    """Drawn again the fault is the same; for another seed, body or time it is drawn anew."""
    settings = SimulatorSettings(error_rate=0.5)

    def failing(seed: int, times_seen: int) -> set[bytes]:
        told = msgspec.structs.replace(settings, seed=seed)
        return {body for body in BODIES[:200] if draw_fault(told, body, times_seen)}

    assert failing(0, 1) == failing(0, 1)
    assert failing(0, 1) != failing(0, 2)
    assert failing(0, 1) != failing(1, 1)
    assert 60 < len(failing(0, 1)) < 140


@given(st.integers(), st.integers(1, 100), st.binary(max_size=40))
def test_rates_at_their_ends(seed: int, times_seen: int, body: bytes) -> None:
    """A rate of 0 never strikes, a rate of 1 always, and what is sent of a cut body is neither nothing nor all."""
    assert draw_fault(SimulatorSettings(seed=seed), digest(body), times_seen) is None
    fault = draw_fault(SimulatorSettings(seed=seed, malformed_rate=1.0), digest(body), times_seen)
    assert fault is not None
    assert fault.kind in (FaultKind.TRUNCATED, FaultKind.NOT_JSON)
    assert 0 < fault.share < 1


def test_latency_spreads_around_its_mean() -> None:
    """Latency lies within the spread, averages to the setting and is fixed for a body."""
    settings = SimulatorSettings(latency_s=2.0, latency_spread=0.25)
    drawn = [latency_s(settings, body) for body in BODIES]
    assert 1.5 <= min(drawn) < 1.6
    assert 2.4 < max(drawn) <= 2.5
    assert sum(drawn) / len(drawn) == pytest.approx(2.0, abs=0.02)
    assert latency_s(settings, BODIES[0]) == drawn[0]


@pytest.mark.parametrize(
    ("given_settings", "field"),
    [
        ({"error_rate": 1.5}, "error_rate"),
        ({"hang_rate": -0.1}, "hang_rate"),
        ({"drop_rate": float("nan")}, "drop_rate"),
        ({"error_rate": 0.6, "drop_rate": 0.6}, "simulator"),
        ({"latency_s": -1.0}, "latency_s"),
        ({"latency_spread": 2.0}, "latency_spread"),
        ({"rpm": 0.0}, "rpm"),
        ({"tpm": float("inf")}, "tpm"),
        ({"answer_tokens": 0}, "answer_tokens"),
        ({"burst_s": 0.0}, "burst_s"),
        ({"change_at_s": -1.0}, "change_at_s"),
        ({"change_at_s": float("nan")}, "change_at_s"),
        ({"change_factor": 0.0}, "change_factor"),
        ({"storm_until_s": float("inf")}, "storm_until_s"),
    ],
)
def test_settings_without_sense_are_refused(given_settings: dict[str, float], field: str) -> None:
    """A setting out of its range is an input error that names it."""
    with pytest.raises(InputError) as caught:
        msgspec.convert(given_settings, SimulatorSettings)
    assert caught.value.field == field


def test_rates_may_fill_the_whole() -> None:
    """Rates that add up to 1 are accepted, whatever the rounding of their sum."""
    SimulatorSettings(error_rate=0.1, throttle_rate=0.2, malformed_rate=0.3, drop_rate=0.3, hang_rate=0.1)


def test_a_bucket_fills_continuously() -> None:
    """A minute's quota at the start, then one call for every sixtieth of a minute at 60 a minute."""
    limits = Limits(SimulatorSettings(rpm=60), now=0.0)
    assert [limits.admit(0, 0.0) is None for _ in range(61)] == [True] * 60 + [False]
    refusal = limits.admit(0, 0.25)
    assert refusal is not None
    assert refusal.resource == "requests"
    assert refusal.wait_s == pytest.approx(0.75)
    assert limits.admit(0, 1.0) is None
    assert limits.admit(0, 1.0) is not None


@given(st.lists(st.floats(0, 3), min_size=1, max_size=200), st.floats(1, 6000), st.floats(0.5, 60))
def test_a_limit_is_never_passed(gaps: list[float], rpm: float, burst_s: float) -> None:
    """Whatever the arrivals, no more pass than the burst and what the time since the start brings."""
    limits = Limits(SimulatorSettings(rpm=rpm, burst_s=burst_s), now=0.0)
    now, passed = 0.0, 0
    for gap in gaps:
        now += gap
        passed += limits.admit(0, now) is None
        assert passed <= max(1.0, rpm * burst_s / 60) + now * rpm / 60 + 1e-6


def test_waiting_as_told_is_enough() -> None:
    """A refused call that comes back when it was told to passes."""
    limits = Limits(SimulatorSettings(rpm=7, tpm=1000, burst_s=10), now=0.0)
    now = 0.0
    for _ in range(30):
        while refusal := limits.admit(90, now):
            now += refusal.wait_s
        limits.charge(40, now)
    assert now == pytest.approx(29 * 60 / 7, rel=0.1)


def test_a_refused_call_uses_up_nothing() -> None:
    """What the token limit refuses does not count as a request either."""
    limits = Limits(SimulatorSettings(rpm=10, tpm=100), now=0.0)
    assert limits.admit(100, 0.0) is None
    refusal = limits.admit(50, 0.0)
    assert refusal is not None
    assert refusal.resource == "tokens"
    assert limits.headers(0.0)["x-ratelimit-remaining-requests"] == "9"


def test_more_than_the_bucket_holds_passes_and_leaves_a_debt() -> None:
    """A call larger than its limit passes a full bucket, and the next one waits until the debt is paid."""
    limits = Limits(SimulatorSettings(tpm=60), now=0.0)
    assert limits.admit(100, 0.0) is None
    refusal = limits.admit(10, 0.0)
    assert refusal is not None
    assert refusal.wait_s == pytest.approx(50.0)
    assert refusal.remaining == 0


def test_a_clock_that_steps_back_brings_nothing() -> None:
    """Time that runs backwards fills no bucket."""
    bucket = Bucket("requests", 60, 60, now=10.0)
    bucket.take(60, 10.0)
    assert bucket.level(5.0) == 0
    assert bucket.level(11.0) == 1


def test_headers_of_both_limits() -> None:
    """Each limit shows its size, what is left and when it is full again."""
    limits = Limits(SimulatorSettings(rpm=120, tpm=60_000), now=0.0)
    limits.admit(1500, 0.0)
    assert limits.headers(0.0) == {
        "x-ratelimit-limit-requests": "120",
        "x-ratelimit-remaining-requests": "119",
        "x-ratelimit-reset-requests": "500ms",
        "x-ratelimit-limit-tokens": "60000",
        "x-ratelimit-remaining-tokens": "58500",
        "x-ratelimit-reset-tokens": "1.5s",
    }


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0001, "1ms"),
        (0.879, "879ms"),
        (1, "1s"),
        (8.64, "8.64s"),
        (59.9999, "1m0s"),
        (360, "6m0s"),
        (3723.5, "1h2m3.5s"),
    ],
)
def test_reset_text(seconds: float, text: str) -> None:
    """Resets are spelled as OpenAI spells them, rounded up to the millisecond."""
    assert reset_text(seconds) == text


def test_retry_headers() -> None:
    """The wait is given in whole seconds, rounded up, and in milliseconds."""
    assert retry_headers(0.25) == {"retry-after": "1", "retry-after-ms": "250"}
    assert retry_headers(12.2) == {"retry-after": "13", "retry-after-ms": "12200"}


def test_a_limit_that_changes_holds_from_its_moment_on() -> None:
    """Halved in mid-run, a limit brings back half as much, holds half as much, and says so."""
    limits = Limits(SimulatorSettings(rpm=60, burst_s=10, change_at_s=100.0, change_factor=0.5), now=50.0)
    assert [limits.admit(0, 149.0) is None for _ in range(11)] == [True] * 10 + [False]
    assert limits.headers(149.5)["x-ratelimit-limit-requests"] == "60"
    assert [limits.admit(0, 151.0) is None for _ in range(2)] == [True, False]  # one of the old second, half of the new
    assert [limits.admit(0, 200.0) is None for _ in range(6)] == [True] * 5 + [False]
    assert limits.headers(200.0)["x-ratelimit-limit-requests"] == "30"


def test_a_bucket_that_was_not_looked_at_changes_in_time_too() -> None:
    """What came in before the change came at the old rate, however late somebody asks."""
    limits = Limits(SimulatorSettings(tpm=60, change_at_s=30.0, change_factor=2.0), now=0.0)
    assert limits.admit(60, 0.0) is None
    assert limits.headers(45.0)["x-ratelimit-remaining-tokens"] == "60"  # thirty seconds of one, fifteen of two


@pytest.mark.parametrize(("wait_s", "told"), [(0.0, {}), (2.5, {"retry-after": "3", "retry-after-ms": "2500"})])
def test_a_storm_refuses_everybody_until_it_is_over(wait_s: float, told: dict[str, str]) -> None:
    """Until then no call passes, limit or none, and the refusal says how long to wait only if it is told to."""
    limits = Limits(SimulatorSettings(storm_until_s=60.0, throttle_wait_s=wait_s), now=10.0)
    for now in (10.0, 40.0, 69.9):
        refusal = limits.admit(5, now)
        assert refusal is not None
        assert (refusal.wait_s, limits.refusal_headers(refusal.wait_s, now)) == (wait_s, told)
    assert limits.admit(5, 70.0) is None


def test_headers_may_be_off() -> None:
    """Without its headers a limit refuses all the same, and tells neither size nor wait."""
    limits = Limits(SimulatorSettings(rpm=1, rate_headers=False), now=0.0)
    assert limits.admit(0, 0.0) is None
    refusal = limits.admit(0, 0.0)
    assert refusal is not None
    assert (limits.headers(0.0), limits.refusal_headers(refusal.wait_s, 0.0)) == ({}, {})
