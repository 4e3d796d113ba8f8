"""Which fault befalls a call, and how long it takes: pure functions of the seed, the body and how often it came."""

from enum import StrEnum

import msgspec

from providers.simulator.draws import uniform
from providers.simulator.settings import SimulatorSettings


class FaultKind(StrEnum):
    """The closed set of ways in which a call goes wrong."""

    ERROR = "error"
    THROTTLE = "throttle"
    TRUNCATED = "truncated"
    NOT_JSON = "not_json"
    DROPPED_EARLY = "dropped_early"
    DROPPED_LATE = "dropped_late"
    HANG = "hang"


class Fault(msgspec.Struct, frozen=True):
    """One fault. `share` is how much of the body is sent where the body is cut: above 0 and below 1."""

    kind: FaultKind
    share: float = 0.5


def draw_fault(settings: SimulatorSettings, body_digest: bytes, times_seen: int) -> Fault | None:
    """The fault of the `times_seen`-th call (from 1) with this body, or None."""
    place = uniform(settings.seed, body_digest, f"fault {times_seen}")
    for rate, kinds in _faults_by_rate(settings):
        if place < rate:
            return _fault(settings.seed, body_digest, times_seen, kinds)
        place -= rate
    return None


def latency_s(settings: SimulatorSettings, body_digest: bytes, slow: float = 1.0) -> float:
    """How long a call with this body takes, in seconds, however often it comes; `slow` times the usual."""
    offset = 2 * uniform(settings.seed, body_digest, "latency") - 1
    return slow * settings.latency_s * (1 + settings.latency_spread * offset)


def _faults_by_rate(settings: SimulatorSettings) -> tuple[tuple[float, tuple[FaultKind, ...]], ...]:
    return (
        (settings.error_rate, (FaultKind.ERROR,)),
        (settings.throttle_rate, (FaultKind.THROTTLE,)),
        (settings.malformed_rate, (FaultKind.TRUNCATED, FaultKind.NOT_JSON)),
        (settings.drop_rate, (FaultKind.DROPPED_EARLY, FaultKind.DROPPED_LATE)),
        (settings.hang_rate, (FaultKind.HANG,)),
    )


def _fault(seed: int, body_digest: bytes, times_seen: int, kinds: tuple[FaultKind, ...]) -> Fault:
    which = uniform(seed, body_digest, f"fault kind {times_seen}")
    share = 0.1 + 0.8 * uniform(seed, body_digest, f"fault share {times_seen}")
    return Fault(kinds[int(which * len(kinds))], share)
