"""The last events of a run in words: cooldowns, limits learned, changes, stops."""

import contextlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from outputs.journal import Log
from outputs.log_reader import read_lines

_TAIL_BYTES = 64 << 10
_MOST = 12
_ASIDE = frozenset({"seq", "event", "at", "lane", "estimate", "withdrawn", "restored", "sha256", "code_version", "pid"})
_PHRASES = {
    "limit_learned": "{lane}: {per_minute:,.4g} {resource} a minute, learned from a {source}",
    "cooldown": "{lane}: cooling down {wait_s:.1f} s, {in_a_row} in a row",
    "outage": "{lane}: nothing comes back, waits {wait_s:.1f} s",
    "lane_stopped": "{lane} stopped: {reason}",
    "stage_paused": "{lane}: stage {stage} paused: {reason}",
    "simulated": "{lane} is simulated",
    "stop": "stopped: {reason} (exit code {exit_code})",
}


def last_events(folder: Path, most: int = _MOST) -> list[str]:
    """The newest first, a line each; events that tell nothing to a person are left out."""
    path = folder / Log.EVENTS.file_name
    try:
        start = max(0, path.stat().st_size - _TAIL_BYTES)
    except FileNotFoundError:
        return []
    lines = [line for _, line in read_lines(path, start)]
    found = [_words(line) for line in (lines[1:] if start else lines)]
    return [text for text in reversed(found) if text][:most]


def _words(line: bytes) -> str:
    try:
        event: Mapping[str, Any] = orjson.loads(line)
        at = datetime.fromtimestamp(event["at"])
        name = str(event["event"])
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return ""
    if name == "estimate":
        return ""
    if name in _PHRASES:
        with contextlib.suppress(KeyError, ValueError, TypeError):
            return f"{at:%Y-%m-%d %H:%M:%S} {_PHRASES[name].format(**event)}"
    lane = f" of {event['lane']}" if event.get("lane") else ""
    told = ", ".join(f"{key.replace('_', ' ')} {_value(value)}" for key, value in event.items() if key not in _ASIDE)
    return f"{at:%Y-%m-%d %H:%M:%S} {name.replace('_', ' ')}{lane}{': ' if told else ''}{told}"


def _value(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
