"""An estimate of a run against what it has taken since: lane by lane, so far and, at this rate, at the end."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.amounts import duration
from orchestrator.estimates.intervals import Interval
from orchestrator.estimates.spans import count_span, money_span, short_count, short_usd, time_span
from outputs.fold import LaneTotals

_COMPARED = ("cost_usd", "input_tokens", "output_tokens", "seconds")
_TOTALS = ("cost_usd", "input_tokens", "output_tokens")


def compare_estimate(
    estimate: Mapping[str, Any], lanes: Sequence[LaneTotals], seconds: float | None = None
) -> list[dict[str, Any]]:
    """What `estimate_run` said against the lanes' totals now; `seconds` since it was said, None where nobody knows.

    One entry a lane: provider, model, rows, done (settled since), and for cost_usd, input_tokens, output_tokens and
    seconds: low, middle and high as estimated (None where unknown), actual (since the estimate), projected (at the end,
    should the rows that are left be like those done) and verdict: inside, below or above the interval, None where
    that cannot be said. Lanes that came up later are left out. A cost has no verdict while answers are unpriced, and
    nothing is said of the time of a lane that goes by batch.
    """
    now = {(lane.provider, lane.model): lane for lane in lanes}
    pairs = ((entry, now.get((entry["provider"], entry["model"]))) for entry in estimate.get("lanes", ()))
    return [_compared(entry, lane, seconds) for entry, lane in pairs if lane is not None]


def _compared(entry: Mapping[str, Any], lane: LaneTotals, seconds: float | None) -> dict[str, Any]:
    before = entry.get("before", {})
    rows = entry["rows"]
    done = max(0, lane.answered + lane.failed - before.get("answered", 0) - before.get("failed", 0))
    actual: dict[str, float | None] = {name: getattr(lane, name) - before.get(name, 0) for name in _TOTALS}
    actual["seconds"] = seconds
    if lane.by_batch or lane.in_batches:
        actual["seconds"] = None  # the estimate is of calls
    if lane.unpriced:
        actual["cost_usd"] = None
    share = min(1.0, done / rows) if rows else 0.0
    compared = {name: _against(entry.get(name), actual[name], share) for name in _COMPARED}
    return {"provider": lane.provider, "model": lane.model, "rows": rows, "done": done, **compared}


def _against(expected: Mapping[str, float] | None, actual: float | None, share: float) -> dict[str, Any]:
    projected = actual / share if actual is not None and share else None
    ends = {end: None if expected is None else expected[end] for end in ("low", "middle", "high")}
    return {**ends, "actual": actual, "projected": projected, "verdict": _verdict(expected, projected)}


def _verdict(expected: Mapping[str, float] | None, projected: float | None) -> str | None:
    if expected is None or projected is None:
        return None
    if projected < expected["low"] * (1 - 1e-9):
        return "below"
    return "above" if projected > expected["high"] * (1 + 1e-9) else "inside"


def estimate_lines(compared: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The comparison as lines for people, one a lane: so far, the end at this rate, and what was estimated."""
    for lane in compared:
        parts = [
            _part("cost", lane["cost_usd"], short_usd, money_span),
            _part("in", lane["input_tokens"], short_count, count_span),
            _part("out", lane["output_tokens"], short_count, count_span),
            _part("time", lane["seconds"], duration, time_span),
        ]
        name = f"{lane['provider']}/{lane['model']}"
        yield f"{name}: {lane['done']:,} of {lane['rows']:,} done; {'; '.join(part for part in parts if part)}"


def _part(name: str, one: Mapping[str, Any], text: Any, span: Any) -> str:
    if one["actual"] is None:
        return ""
    expected = None if one["low"] is None else Interval(one["low"], one["middle"], one["high"])
    verdict = f", {one['verdict']}" if one["verdict"] else ""
    now, end = text(one["actual"]), one["projected"]
    towards = "" if end is None or text(end) == now else f" (to {text(end)})"
    return f"{name} {now}{towards} of {span(expected)}{verdict}"
