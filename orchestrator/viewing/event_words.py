"""The last events of a run in words: what it was told, what it learned, why it stood still or ended."""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

from orchestrator.amounts import money
from orchestrator.viewing.moments import second
from outputs.journal import Log
from outputs.log_reader import read_lines

_TAIL_BYTES = 64 << 10
_MOST = 12
_LONGEST = 400  # characters of an event
_DEEPEST = 4  # of what stands in one another
_ASIDE = frozenset({"seq", "event", "at", "lane"})
_FAULTS = (KeyError, ValueError, TypeError, AttributeError, OverflowError, OSError)

Event = Mapping[str, Any]


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
        event: Event = orjson.loads(line)
        at, name = second(event["at"]), str(event["event"])
    except _FAULTS:
        return ""
    told = None
    with contextlib.suppress(*_FAULTS):
        told = KNOWN[name](event)
    text = _plainly(name, event) if told is None else told
    return f"{at} {text if len(text) <= _LONGEST else text[: _LONGEST - 1] + '…'}" if text else ""


def _plainly(name: str, event: Event) -> str:
    """What is not known here: its name, and what it holds."""
    lane = f" of {event['lane']}" if event.get("lane") else ""
    told = ", ".join(f"{key.replace('_', ' ')} {_value(value)}" for key, value in event.items() if key not in _ASIDE)
    return f"{name.replace('_', ' ')}{lane}{': ' if told else ''}{told}"


def _value(value: object, depth: int = 0) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case dict() | list() if depth == _DEEPEST:
            return "…"
        case dict():
            told = (f"{key.replace('_', ' ')} {_value(one, depth + 1)}" for key, one in value.items())
            return f"({', '.join(told)})"
        case list():
            return f"({', '.join(_value(one, depth + 1) for one in value)})"
    return str(value)


def _start(event: Event) -> str:
    simulated = ", simulated" if event.get("simulated") else ""
    return f"started{simulated}: {event['to_send']:,} to send, by version {event['code_version']}"


def _control(event: Event) -> str:
    match event["command"]:
        case "pause":
            return "paused by a command"
        case "unpause":
            return "resumed by a command"
        case "stop":
            return "told to stop" + (", and to cancel its batches" if event.get("cancel_batches") else "")
        case "set":
            return f"changed by a command: {', '.join(_changes(event))}"
    raise ValueError(event["command"])


def _changes(event: Event) -> list[str]:
    found = []
    if "concurrency" in event:
        found.append(f"{event['concurrency']:,} in flight per lane")
    if "budget_usd" in event:
        found.append("no cap" if event["budget_usd"] is None else f"a cap of {money(event['budget_usd'])}")
    if "until" in event:
        found.append("no deadline" if event["until"] is None else f"until {second(event['until'])}")
    return [*found, *(f"{name} {value:,g}" for name, value in event.get("limits", {}).items())]


def _budget(event: Event) -> str:
    budget = event["budget"]
    caps = {"the run": budget.get("run"), **budget.get("providers", {}), **budget.get("models", {})}
    told = ", ".join(f"{name} {money(usd)}" for name, usd in caps.items() if usd is not None)
    return f"caps from here on: {told or 'none'}"


def _dedupe(event: Event) -> str:
    return f"equal requests are asked {'once' if event['dedupe'] else 'each for itself'} from here on"


def _asked_changed(event: Event) -> str:
    counts = {"withdrawn": len(event["withdrawn"]), "asked again": len(event["restored"]), "new": event["adding"]}
    told = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    return f"what is asked has changed: {told or 'nothing but its source'}"


def _retry(event: Event) -> str:
    return f"failed requests put up again: {event['rows']:,}"


def _imported(event: Event) -> str:
    """Which files it is from, the first of them by name."""
    files = [str(one["file"]).rpartition("/")[2] for one in event["files"]]
    more = f" and {len(files) - 1:,} others" if len(files) > 2 else f" and {files[1]}" if len(files) == 2 else ""
    rows = sum(one["rows"] for one in event["files"])
    parts = [f"imported from {files[0]}{more} ({event['kind']}): {rows:,} rows"]
    parts += [f"{event['answered']:,} answers"] if event["answered"] else []
    parts += [f"{event['failed']:,} failed"] if event["failed"] else []
    parts += [f"left out {count:,} {why}" for why, count in event.get("left_out", {}).items()]
    return "; ".join([", ".join(parts), *map(str, event.get("notes", ()))])


def _said(phrase: str) -> Callable[[Event], str]:
    return lambda event: phrase.format_map(event)


_WAYS = {"online": "online", "batch": "by batch", "auto": "by batch, and online where that does not do,"}
KNOWN: Mapping[str, Callable[[Event], str]] = {  # every event that is written into a log
    "start": _start,
    "stop": _said("stopped: {reason} (exit code {exit_code})"),
    "control": _control,
    "budget": _budget,
    "dedupe": _dedupe,
    "via": lambda event: f"requests go {_WAYS[event['via']]} from here on",
    "asked_changed": _asked_changed,
    "retry": _retry,
    "imported": _imported,
    "estimate": lambda _: "",  # stands on the page against what came of it
    "limit_learned": _said("{lane}: {per_minute:,.4g} {resource} a minute, learned from a {source}"),
    "cooldown": _said("{lane}: cooling down {wait_s:.1f} s, {in_a_row} in a row"),
    "outage": _said("{lane}: nothing comes back, waits {wait_s:.1f} s"),
    "lane_stopped": _said("{lane} stopped: {reason}"),
    "stage_paused": _said("{lane}: stage {stage} paused: {reason}"),
    "simulated": _said("{lane} is simulated"),
}
