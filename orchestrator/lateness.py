"""Lanes and the deadline: which of them send no more because their calls would not land in time. Times as arguments."""

from collections.abc import Callable, Collection

from orchestrator.amounts import duration
from orchestrator.deadline import Deadline
from orchestrator.deciding import EndLane
from orchestrator.lane import Lane

_LOOK_S = 0.5  # how often the deadline is looked at, at least
_SHORTEST_LOOK_S = 0.01


def look_at_deadline(lanes: Collection[Lane], deadline: Deadline | None, now_wall: float) -> None:
    """Close the lanes whose calls would not land in time any more; a later deadline opens them again."""
    for lane in lanes:
        in_time = deadline is None or deadline.admits(now_wall, lane.latency.guess_s)
        if not in_time and lane.late_for != deadline:
            lane.be_late(deadline)
        elif in_time and lane.late_for is not None and lane.late_for != deadline:
            lane.be_late(None)  # only another deadline does that: a guess that falls while nothing is sent does not


def next_look_s(lanes: Collection[Lane], deadline: Deadline | None, now_wall: float) -> float:
    """Seconds until the calls of a lane would be late, where that comes before the next look."""
    if deadline is None:
        return _LOOK_S
    left = deadline.left_s(now_wall)
    spare = (left - lane.latency.guess_s for lane in lanes if lane.late_for is None)
    return min(_LOOK_S, max(_SHORTEST_LOOK_S, min(spare, default=_LOOK_S)))


def end_used_up(lanes: Collection[Lane], longest_s: float, end_lane: Callable[[Lane, EndLane], None]) -> None:
    """End the lanes whose requests for the day are used up for longer than anybody waits (`longest_s`)."""
    for lane in lanes:
        if not lane.waiting or lane.is_held() or (wait_s := lane.limits.daily_wait_s()) <= longest_s:
            continue
        end_lane(lane, EndLane(f"its requests for the day are used up; the next may go in {duration(wait_s)}", 6))
