"""A run at one moment as a page shows it: every value a text, made here once for the page and for its updates."""

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator.amounts import duration, money
from orchestrator.estimates.against_actual import estimate_lines
from orchestrator.showing_batches import batch_cells, batch_lines
from orchestrator.status import Status
from orchestrator.viewing.live_lanes import NONE, LiveLane, count, failures_of, texts
from orchestrator.viewing.moments import clock, zone
from prompts.plain_text import plain_text

Lines = Sequence[Sequence[str]]
_MOST_BATCHES = 100
_STANDS_STILL = ("paused", "draining", "silent")  # no pace says when such a run will be done


@dataclass(frozen=True, slots=True)
class LiveView:
    """What a page shows of a run. `facts` by name; `bars` as (value, of how much); `tables` and `lists` of texts.

    `rates` are answers a second by lane.
    """

    at: float  # seconds since 1970
    name: str
    job: str
    alive: bool
    state: str  # one word
    simulated: bool
    answered: int
    facts: Mapping[str, str]
    bars: Mapping[str, tuple[float, float]]
    tables: Mapping[str, Lines]
    lists: Mapping[str, Sequence[str]]
    links: Mapping[str, Lines] = field(default_factory=dict)  # of the tables' cells, as far as they go; "" is none
    imported: bool = False
    done: Mapping[str, bool] = field(default_factory=dict)  # what may be asked of the run now

    def to_json(self) -> dict[str, Any]:
        """For the page's script."""
        names = ("at", "alive", "state", "simulated", "facts", "bars", "tables", "lists", "links", "done")
        return {name: getattr(self, name) for name in names}


def view_of(
    status: Status,
    rates: Mapping[int, float],
    events: Sequence[str],
    now: float | None = None,
    coverage: float | None = None,
) -> LiveView:
    """The view of a status; `rates` by the lane's number, `events` the last ones in words, `coverage` if known."""
    now = time.time() if now is None else now
    alive = status.pid is not None
    beat: Mapping[str, Any] = status.heartbeat.rest if status.heartbeat is not None else {}
    lanes = [LiveLane.of(status, number, rates, beat) for number in range(len(status.lanes))]
    facts = {**_counts(status, beat), **_pace(status, lanes, now), **_bounds(status, beat, now)}
    facts |= {**_standing(status, now), "coverage": NONE if coverage is None else f"{coverage:.1%}", "zone": zone(now)}
    tables, links = _tables(status, lanes, now)
    return LiveView(
        at=now,
        name=status.name,
        job=status.job,
        alive=alive,
        state=status.state,
        simulated=status.simulated,
        answered=status.answered,
        facts={name: plain_text(text) for name, text in facts.items()},
        bars=_bars(status),
        tables={name: [[plain_text(cell) for cell in cells] for cells in lines] for name, lines in tables.items()},
        lists=_lists(status, beat, events, now),
        links=links,
        imported=status.imported,
        done=_may_be_done(status),
    )


def _tables(status: Status, lanes: Sequence[LiveLane], now: float) -> tuple[dict[str, Lines], dict[str, Lines]]:
    """The tables, and where their cells lead to."""
    failures = list(failures_of(status.lanes))
    still = [batch for batch in status.batches if not batch.over]
    tables: dict[str, Lines] = {
        "lanes": [lane.cells(status.pid is not None) for lane in lanes],
        "failures": [cells for cells, _ in failures],
        "batches": [batch_cells(batch, now) for batch in still[:_MOST_BATCHES]],
    }
    return tables, {"lanes": [lane.links() for lane in lanes], "failures": [links for _, links in failures]}


def _counts(status: Status, beat: Mapping[str, Any]) -> dict[str, str]:
    more = f" (about {status.about:,} in all)" if status.about > status.asked else ""
    only_items = status.imported and not status.asked
    return {
        "answered": _items(status) if only_items else f"{status.answered:,} of {status.asked:,}{more}",
        "failed": NONE if only_items else f"{status.failed:,}",
        "items": f"{status.items:,}",
        "left": f"{status.unsent:,}",
        "in_flight": count(beat.get("in_flight", status.in_flight)),
        "in_batches": f"{status.in_batches:,}",
        "held": count(beat.get("held")),
        "attempts": f"{status.attempts:,}",
        "concurrency": count(beat.get("concurrency")),
        "via": status.via or "online",
    }


def _items(status: Status) -> str:
    return "1 item" if status.items == 1 else f"{status.items:,} items"


def _pace(status: Status, lanes: Sequence[LiveLane], now: float) -> dict[str, str]:
    """How fast it goes, and when it will be done at this pace."""
    if status.pid is None:
        return {"rate": NONE, "eta": NONE, "in_time": NONE}
    if status.state in _STANDS_STILL and status.unsent:
        return {"rate": NONE, "eta": status.state, "in_time": NONE}
    left_s = _left_s(status, lanes)
    at = None if left_s is None else now + left_s
    eta = "done" if not status.unsent else "not known yet" if at is None else f"{duration(left_s)}, at {clock(at, now)}"
    return {"rate": f"{sum(lane.rate for lane in lanes):,.1f} a second", "eta": eta, "in_time": _in_time(status, at)}


def _left_s(status: Status, lanes: Sequence[LiveLane]) -> float | None:
    """Seconds until the last lane is done, and what will follow from answers with it; None where nobody knows."""
    etas = [lane.eta_s for lane in lanes]
    rate = sum(lane.rate for lane in lanes)
    if None in etas or (status.unsent and rate <= 0):
        return None
    later = max(0, status.about - status.asked)
    return max((eta for eta in etas if eta is not None), default=0.0) + (later / rate if later else 0.0)


def _in_time(status: Status, at: float | None) -> str:
    deadline = deadline_of(status)
    if deadline is None or at is None or not status.unsent:
        return NONE
    spare = deadline - at
    if spare >= 0:
        return f"{duration(spare)} before the deadline"
    return f"{duration(-spare)} after the deadline: rows will be left"


def deadline_of(status: Status) -> float | None:
    """The deadline in seconds since 1970, as the process says it in local time."""
    said = None if status.heartbeat is None else status.heartbeat.rest.get("deadline")
    try:
        return datetime.fromisoformat(said).timestamp() if isinstance(said, str) else None
    except (ValueError, OverflowError, OSError):
        return None


def _bounds(status: Status, beat: Mapping[str, Any], now: float) -> dict[str, str]:
    """Money and time, and what of them is left."""
    spent, cap = spent_usd(status), status.caps.run
    unpriced = sum(lane.unpriced for lane in status.lanes)
    others = {**status.caps.providers, **status.caps.models}
    more = [f"{name} {money(usd)}" for name, usd in others.items() if usd is not None]
    reserved = beat.get("reserved_usd")
    deadline = deadline_of(status)
    return {
        "spent": _spent(status, spent, unpriced),
        "cap": "no cap" if cap is None else money(cap) + (", used up" if spent + status.maybe_usd >= cap else ""),
        "caps": ", ".join(more) or NONE,
        "reserved": money(reserved) if isinstance(reserved, int | float) else NONE,
        "maybe": _maybe(status),
        "deadline": NONE if deadline is None else f"{clock(deadline, now)}, in {duration(max(0.0, deadline - now))}",
    }


def _spent(status: Status, spent: float, unpriced: int) -> str:
    """In the words of the answer to a command; what may have been billed beside it counts under the cap, too."""
    if status.imported and not status.asked:
        return NONE
    told = money(spent, unpriced) + ("" if status.caps.run is None else f" of {money(status.caps.run)}")
    return f"{told}, {money(status.maybe_usd)} maybe billed" if status.maybe_usd else told


def spent_usd(status: Status) -> float:
    """What answers have cost, those without a price at what was reserved for them; maybe billed attempts aside."""
    return sum(lane.cost_usd + lane.unpriced_usd for lane in status.lanes)


def _maybe(status: Status) -> str:
    if not status.maybe_billed:
        return "no attempt"
    unknown = status.maybe_unpriced == status.maybe_billed
    most = "unknown" if unknown else money(status.maybe_usd, status.maybe_unpriced)
    return f"{status.maybe_billed:,} attempt{'s' if status.maybe_billed > 1 else ''}, at most {most}"


def _bars(status: Status) -> dict[str, tuple[float, float]]:
    bars = {"answered": (float(status.answered), float(max(1, status.asked, status.about)))}
    if status.caps.run is not None:
        bars["spent"] = (spent_usd(status) + status.maybe_usd, max(status.caps.run, 1e-9))
    return bars


def _standing(status: Status, now: float) -> dict[str, str]:
    """What the run does, why it stopped, and how it goes on."""
    if status.imported:
        return {"state": "imported", "detail": "made elsewhere: nothing of it is sent", "why": ""}
    if status.pid is None:
        done = status.exit_code == 0 and not status.unsent and not status.failed
        on = f"This starts one: overnight run {command_path(status.folder)}"
        why = "No process works on it, and all is answered." if done else f"No process works on it. {on}"
        detail = status.last_stop or "its process ended without a word"
        return {"state": "done" if done else "stopped", "detail": detail, "why": why}
    pid = f"process {status.pid}" if status.pid else "process unknown"
    said = {"state": status.state, "detail": pid, "why": ""}
    if status.silent and status.heartbeat is not None:
        since = duration(now - status.heartbeat.at)
        said["detail"] = f"{pid}: nothing was heard of it for {since}; it may be stuck or asleep"
    return said


def _may_be_done(status: Status) -> dict[str, bool]:
    """What may be asked of the run: where nobody knows what it does, both are offered, and its answer tells."""
    alive, state = status.pid is not None, status.state
    unknown = state in ("running", "silent")
    return {
        "pause": alive and (state == "sending" or unknown),
        "unpause": alive and (state == "paused" or unknown),
        "stop": alive,
        "set": alive and state != "draining",
    }


def command_path(folder: Path) -> str:
    """A folder as it is typed in a command."""
    return shlex.quote(str(folder))


def _lists(status: Status, beat: Mapping[str, Any], events: Sequence[str], now: float) -> dict[str, list[str]]:
    lists = {
        "stages_paused": texts(beat.get("stages_paused")),
        "batch_lines": list(batch_lines(status.batches, now)),
        "expected": list(estimate_lines(status.expected)),
        "events": list(events),
    }
    return {name: [plain_text(text) for text in texts] for name, texts in lists.items()}
