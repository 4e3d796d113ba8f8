"""Times read from a run's own log, which says when it started, when each call left and when its answer was there."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def sending_s(events: Iterable[bytes]) -> float:
    """Seconds from the last `start` to the `stop` after it, by the lines of `events.jsonl`. Raises ValueError."""
    started: float | None = None
    stopped: float | None = None
    for event in map(json.loads, events):
        if event["event"] == "start":
            started, stopped = event["at"], None
        elif event["event"] == "stop":
            stopped = event["at"]
    if started is None or stopped is None:
        raise ValueError("the log has no start with a stop after it")
    return stopped - started


def lane_s(folder: Path, provider: str) -> float:
    """Seconds from the first call of a provider's lane to its last answer. Raises ValueError where it has none."""
    rows = {line["seq"] for line in _read(folder / "requests.jsonl") if line["provider"] == provider}
    calls = [line["at"] for line in _read(folder / "attempts.jsonl") if line.get("request") in rows]
    answers = [line["at"] for line in _read(folder / "responses.jsonl") if line["request"] in rows]
    if len(answers) < len(rows) or not calls:
        raise ValueError(f"the lane of {provider} has {len(answers):,} answers to {len(rows):,} requests")
    return float(max(answers) - min(calls))


def _read(file: Path) -> Iterable[dict[str, Any]]:
    with file.open("rb") as lines:
        yield from map(json.loads, lines)
