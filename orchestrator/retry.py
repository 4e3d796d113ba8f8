"""What follows a failed attempt: wait so long, or give the row up. tenacity's policies decide every wait and stop.

Nothing sleeps here. A row that waits goes back into its lane with the time it is due, and its worker takes another.
"""

from dataclasses import dataclass

from tenacity import (
    RetryCallState,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential,
    wait_none,
    wait_random,
    wait_random_exponential,
)
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from providers.wire import FailureKind

MAX_WAIT_S = 3600.0  # a provider that asks for more than this has sent us away


@dataclass(frozen=True, slots=True)
class Policy:
    """When a row is given up, and how long it waits until then."""

    stop: stop_base
    wait: wait_base


_ONCE = Policy(stop_after_attempt(1), wait_none())
_TWICE = Policy(stop_after_attempt(2), wait_random_exponential(multiplier=1, max=10))

POLICIES: dict[FailureKind, Policy] = {
    FailureKind.KEY_REFUSED: _ONCE,
    FailureKind.QUOTA: _ONCE,
    FailureKind.THROTTLED: Policy(stop_after_delay(3600), wait_random_exponential(multiplier=1, max=60)),
    FailureKind.ROW_REFUSED: _ONCE,
    FailureKind.TRANSIENT: Policy(stop_after_attempt(5), wait_random_exponential(multiplier=0.5, max=30)),
    FailureKind.TIMED_OUT: _TWICE,
    FailureKind.UNREADABLE: _TWICE,
    FailureKind.TOO_LARGE: _ONCE,
}

# Of a lane whose provider seems to be down: about seven minutes in all until it is given up.
OUTAGE_WAIT: wait_base = wait_exponential(multiplier=0.5, max=30) + wait_random(0, 1)

# These end the lane, not the row: the row stays unsent.
LANE_ENDING = frozenset({FailureKind.KEY_REFUSED, FailureKind.QUOTA})


def next_wait_s(kind: FailureKind, attempts: int, waited_s: float = 0.0) -> float | None:
    """Seconds until the next attempt, or None where there is to be none.

    `attempts` counts the row's attempts that failed (the throttled ones, for `THROTTLED`), `waited_s` how long it has
    been throttled.
    """
    policy, state = POLICIES[kind], _state(attempts, waited_s)
    return None if policy.stop(state) else float(policy.wait(state))


def outage_wait_s(times: int) -> float:
    """How long a lane waits when nothing has come back for the `times`-th time."""
    return float(OUTAGE_WAIT(_state(times, 0.0)))


def _state(attempts: int, waited_s: float) -> RetryCallState:
    state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]  # untied to a call
    state.attempt_number = attempts
    state.start_time = 0.0
    state.outcome_timestamp = waited_s
    return state
