"""What goes online so that all answers are there at the deadline, and when. Pure: times are arguments, in seconds.

Counted back from the deadline stand: the time that all rows which are left would take online, with a quarter more; a
minute; and before it the time that cancelling may take. When that moment comes, batches that are not done are
cancelled. What they have answered by then is paid for and kept; the rest was not bought, and goes online.
"""

import math
from dataclasses import dataclass

from orchestrator.deadline import Deadline
from orchestrator.thresholds import Thresholds

_SPARE = 1.25
_MARGIN_S = 60.0
_UNKNOWN_CALL_S = 20.0  # of a model that nobody has asked yet: the most that `plan` guesses


@dataclass(frozen=True, slots=True)
class OnlinePace:
    """How fast rows would go online: by their estimate where there is one, else by the usual call."""

    row_s: float | None = None  # seconds a row, all calls side by side
    call_s: float | None = None  # a call takes so long at most, usually
    concurrency: int = 1

    def seconds(self, rows: int) -> float:
        """What so many rows take; 0 for none."""
        if not rows:
            return 0.0
        call_s = _UNKNOWN_CALL_S if self.call_s is None else self.call_s
        side_by_side = rows * call_s / max(1, self.concurrency)
        doublings = math.log2(max(1, min(rows, self.concurrency)))  # of the slow start, each as long as a call
        return call_s * (1 + doublings) + max(side_by_side, rows * (self.row_s or 0.0))


@dataclass(frozen=True, slots=True)
class Moments:
    """Epoch seconds. From `cancel_at` on late batches are cancelled and nothing new goes by batch; from `online_at` on
    a row can only be in time if it goes online at once; a batch is worth beginning until `last_begin`.
    """

    last_begin: float
    cancel_at: float
    online_at: float


def moments(deadline: Deadline, rows: int, pace: OnlinePace, thresholds: Thresholds) -> Moments:
    """The moments of a lane that has so many rows left, in batches and before them."""
    online_at = deadline.at - _SPARE * pace.seconds(rows) - _MARGIN_S
    cancel_at = online_at - thresholds.batch_cancel_s
    return Moments(cancel_at - thresholds.batch_least_s, cancel_at, online_at)
