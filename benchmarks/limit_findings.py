"""What was found of a scenario, over its seeds, beside its targets; for storms also how the calls were spread."""

import bisect
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from limit_cases import Scenario
from tests.harness.rate_case import Case, Seen

_FULL = 0.9  # of the limit, over ten seconds: full speed
_WINDOW_S = 10.0
_AT_ONCE_S = 0.1
_STARTED_S = 5.0  # after the start of a storm all know of it
_LONGEST_WAIT_S = 60.0  # between probes, where nobody says how long to wait
_FIRST_WAITS = 10  # the waits before they are that long
_NO_MORE = 1e-9


@dataclass(frozen=True, slots=True)
class Finding:
    """The worst of all seeds. `together`: the largest share of the lanes that called within a tenth of a second of a
    storm; `early`: probes of a storm that came before their time; both None where there was none."""

    use: float
    refused: float
    share: float
    largest: int
    back_s: float | None = None
    together: float | None = None
    early: int | None = None

    def misses(self, target: Scenario) -> bool:
        """Whether any target is missed."""
        below = ((self.use, target.use), (self.share, target.share), (self.largest, target.largest))
        above = ((self.refused, target.refused), (self.back_s, target.back_s))
        spread = (target.back_s is not None, (self.together or 0.0) > 0.5 or (self.early or 0) > 0)
        return (
            any(least is not None and found < least for found, least in below)
            or any(most is not None and (found is None or found > most + _NO_MORE) for found, most in above)
            or all(spread)
        )


def worst_of(case: Case, seen: Sequence[Seen]) -> Finding:
    """What was found over the seeds of a case."""
    storm = case.storm_s is not None
    return Finding(
        use=min(one.use for one in seen),
        refused=max(one.refused_share for one in seen),
        share=min(one.smallest_share for one in seen),
        largest=min(one.largest for one in seen),
        back_s=_most(case, seen, back_s) if storm else None,
        together=_most(case, seen, together) if storm and case.all_lanes > 1 else None,
        early=int(_most(case, seen, early)) if storm else None,
    )


def _most(case: Case, seen: Sequence[Seen], figure: Callable[[Case, Seen], float]) -> float:
    return max(figure(case, one) for one in seen)


def back_s(case: Case, seen: Seen) -> float:
    """Seconds from the end of a storm until ten seconds at full speed have begun; infinity where they never do."""
    assert case.storm_s is not None
    assert case.rpm is not None
    calm_at, end = case.storm_s[1], case.warm_up_s + case.measured_s
    enough = _FULL * case.rpm / 60 * _WINDOW_S
    for second in range(int(end - calm_at - _WINDOW_S)):
        if seen.accepted_between(calm_at + second, calm_at + second + _WINDOW_S) >= enough:
            return float(second)
    return float("inf")


def together(case: Case, seen: Seen) -> float:
    """The largest share of all lanes that called within a tenth of a second, once the storm had gone on a while."""
    calls = sorted(at for lane in seen.calls_at for at in _in_storm(case, lane))
    most = max((bisect.bisect(calls, at + _AT_ONCE_S) - place for place, at in enumerate(calls)), default=0)
    return most / case.all_lanes


def early(case: Case, seen: Seen) -> float:
    """Probes beyond one a cooldown and lane: sooner than was asked for, or too many where nothing was asked for."""
    assert case.storm_s is not None
    if case.retry_after:
        gaps = [later - at for lane in seen.calls_at for at, later in _pairs(_in_storm(case, lane))]
        return sum(gap < case.storm_wait_s for gap in gaps)
    most = (case.storm_s[1] - case.storm_s[0]) / _LONGEST_WAIT_S + _FIRST_WAITS
    return sum(max(0.0, len(_in_storm(case, lane)) - most) for lane in seen.calls_at)


def _in_storm(case: Case, calls: Sequence[float]) -> list[float]:
    assert case.storm_s is not None
    return [at for at in calls if case.storm_s[0] + _STARTED_S <= at < case.storm_s[1]]


def _pairs(calls: list[float]) -> list[tuple[float, float]]:
    return list(itertools.pairwise(calls))
