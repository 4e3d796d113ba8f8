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

from orchestrator.thresholds import Thresholds
from providers.wire import FailureKind


@dataclass(frozen=True, slots=True)
class Policy:
    """When a row is given up, and how long it waits until then."""

    stop: stop_base
    wait: wait_base


_ONCE = Policy(stop_after_attempt(1), wait_none())
_SOON = wait_random_exponential(multiplier=1, max=10)

# Of a lane whose provider seems to be down: about seven minutes in all until it is given up.
OUTAGE_WAIT: wait_base = wait_exponential(multiplier=0.5, max=30) + wait_random(0, 1)

# Of a lane that was refused for speed and not told how long to wait.
THROTTLED_WAIT: wait_base = wait_exponential(multiplier=0.5, max=60) + wait_random(0, 1)

# These end the lane, not the row: the row stays unsent.
LANE_ENDING = frozenset({FailureKind.KEY_REFUSED, FailureKind.QUOTA})


class Policies:
    """The policy of each kind of failure, at the user's thresholds."""

    def __init__(self, thresholds: Thresholds | None = None) -> None:
        self.thresholds = at = thresholds or Thresholds()
        self.by_kind: dict[FailureKind, Policy] = {
            FailureKind.KEY_REFUSED: _ONCE,
            FailureKind.QUOTA: _ONCE,
            # Its lane's cooldown is what it waits for.
            FailureKind.THROTTLED: Policy(stop_after_delay(at.throttled_row_s), wait_none()),
            FailureKind.ROW_REFUSED: _ONCE,
            FailureKind.TRANSIENT: Policy(
                stop_after_attempt(at.transient_attempts), wait_random_exponential(multiplier=0.5, max=30)
            ),
            FailureKind.TIMED_OUT: Policy(stop_after_attempt(at.timed_out_attempts), _SOON),
            FailureKind.UNREADABLE: Policy(stop_after_attempt(at.unreadable_attempts), _SOON),
            FailureKind.TOO_LARGE: _ONCE,
            FailureKind.BAD_MEDIUM: _ONCE,
            FailureKind.BATCH_ENDED: Policy(stop_after_attempt(at.transient_attempts), wait_none()),
            FailureKind.LATE: _ONCE,
            FailureKind.MISSING: _ONCE,  # it may have been billed: nothing is bought twice unasked
        }

    def next_wait_s(self, kind: FailureKind, attempts: int, waited_s: float = 0.0) -> float | None:
        """Seconds until the next attempt, or None where there is to be none.

        `attempts` counts the row's attempts that failed (the throttled ones, for `THROTTLED`), `waited_s` how long it
        has been throttled.
        """
        policy, state = self.by_kind[kind], _state(attempts, waited_s)
        return None if policy.stop(state) else float(policy.wait(state))


def outage_wait_s(times: int) -> float:
    """How long a lane waits when nothing has come back for the `times`-th time."""
    return float(OUTAGE_WAIT(_state(times, 0.0)))


def throttled_wait_s(times: int) -> float:
    """How long a lane that was refused for speed waits, the `times`-th time in a row, where it was not told."""
    return float(THROTTLED_WAIT(_state(times, 0.0)))


def poll_wait_s(times: int, longest_s: float) -> float:
    """How long to wait before the `times`-th look at a batch, or the `times`-th try of a call about it."""
    return float(wait_exponential(multiplier=1, exp_base=1.5, max=longest_s)(_state(times, 0.0)))


def _state(attempts: int, waited_s: float) -> RetryCallState:
    state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]  # untied to a call
    state.attempt_number = attempts
    state.start_time = 0.0
    state.outcome_timestamp = waited_s
    return state
