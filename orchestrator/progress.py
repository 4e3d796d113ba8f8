"""What a run is doing right now, as plain numbers; the displays only print them."""

import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime

from orchestrator.amounts import dollars
from orchestrator.engine import Engine
from outputs.fold import LaneTotals

_WINDOW_S = 30.0


@dataclass(frozen=True, slots=True)
class LaneProgress:
    """One lane now. `rate` is answers and final failures per second; `eta_s` is None while nothing moves.

    `about` is how many requests it will have in the end, those included that will follow from answers. `in_batches`
    rows are in batches; none of them is in flight.
    """

    name: str
    asked: int
    answered: int
    failed: int
    in_flight: int
    rate: float
    eta_s: float | None
    tokens: int
    cost_usd: float
    unpriced: int
    note: str
    about: int = 0
    in_batches: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """A whole run now."""

    lanes: tuple[LaneProgress, ...]
    total: LaneProgress
    simulated: bool
    stopping: bool
    bounds: str = ""  # the budget and the deadline, where there are any


class Watcher:
    """Takes looks at an engine; rates are over the last half minute."""

    def __init__(self, engine: Engine, simulated: bool) -> None:
        self._engine = engine
        self._simulated = simulated
        self._looks: deque[tuple[float, tuple[int, ...]]] = deque()

    def look(self, now: float | None = None) -> Progress:
        """The state of things at `now` (monotonic seconds)."""
        now = time.monotonic() if now is None else now
        totals = self._engine.state.lanes
        done = tuple(lane.answered + lane.failed for lane in totals)
        while self._looks and (now - self._looks[0][0] > _WINDOW_S or len(self._looks[0][1]) != len(done)):
            self._looks.popleft()
        self._looks.append((now, done))
        then, before = self._looks[0]
        span = now - then
        rates = [(count - earlier) / span if span > 0 else 0.0 for count, earlier in zip(done, before, strict=True)]
        lanes = tuple(
            self._lane(number, lane, rate) for number, (lane, rate) in enumerate(zip(totals, rates, strict=True))
        )
        engine = self._engine
        simulated = self._simulated or engine.state.simulated
        known = {(lane.provider, lane.model) for lane in totals}
        later = sum(rows for lane, rows in engine.about.items() if lane not in known)
        return Progress(lanes, _sum(lanes, later), simulated, engine.stopping is not None, _bounds(engine))

    def _lane(self, number: int, totals: LaneTotals, rate: float) -> LaneProgress:
        lane = self._engine.lanes.get(number)
        about = max(totals.asked, self._engine.about.get((totals.provider, totals.model), 0))
        return LaneProgress(
            name=f"{totals.provider}/{totals.model}",
            asked=totals.asked,
            answered=totals.answered,
            failed=totals.failed,
            in_flight=0 if lane is None else lane.in_flight,
            rate=rate,
            eta_s=None if totals.in_batches else _eta(totals.open + about - totals.asked, rate),
            tokens=totals.input_tokens + totals.output_tokens,
            cost_usd=totals.cost_usd,
            unpriced=totals.unpriced,
            note=_joined("" if lane is None else lane.note(), self._engine.batching.note(number)),
            about=about,
            in_batches=totals.in_batches,
        )


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def _bounds(engine: Engine) -> str:
    """How much of the money is left, and of the time."""
    parts = []
    if (cap := engine.budget.caps.run) is not None:
        budget = engine.budget
        maybe = f"{dollars(budget.maybe_usd)} maybe billed, " if budget.maybe_usd else ""
        spent, reserved = dollars(budget.settled_usd), dollars(budget.reserved_usd)
        parts.append(f"budget: {spent} of {dollars(cap)} spent, {maybe}{reserved} reserved")
    if engine.deadline is not None:
        parts.append(f"until {_moment(datetime.fromtimestamp(engine.deadline.at), datetime.now())}")
    return ", ".join(parts)


def _moment(at: datetime, now: datetime) -> str:
    return f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M:%S}"


def _eta(left: int, rate: float) -> float | None:
    if left == 0:
        return 0.0
    return left / rate if rate > 0 else None


def _sum(lanes: tuple[LaneProgress, ...], later: int) -> LaneProgress:
    """All lanes together; `later` requests are of lanes that there are not yet."""
    asked, answered, failed = (sum(getattr(x, key) for x in lanes) for key in ("asked", "answered", "failed"))
    etas = [lane.eta_s for lane in lanes]
    return LaneProgress(
        name="all",
        asked=asked,
        answered=answered,
        failed=failed,
        in_flight=sum(lane.in_flight for lane in lanes),
        rate=sum(lane.rate for lane in lanes),
        eta_s=None if later or None in etas else max((eta for eta in etas if eta is not None), default=0.0),
        tokens=sum(lane.tokens for lane in lanes),
        cost_usd=sum(lane.cost_usd for lane in lanes),
        unpriced=sum(lane.unpriced for lane in lanes),
        note="",
        about=sum(lane.about for lane in lanes) + later,
        in_batches=sum(lane.in_batches for lane in lanes),
    )
