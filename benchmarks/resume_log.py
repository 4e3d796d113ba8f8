"""What a run's log says of a resume: when it was folded and estimated, and when its first call was on its way."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LOOK_S = 0.05
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Resume:
    """Seconds from the start of the process, each counted on from the one before; `first_intent_s` is their sum.

    `opening_s`: imports, the lock, the fold of the log. `estimating_s`: what the rest is expected to take.
    `queueing_s`: until the line of the first call was written.
    """

    opening_s: float
    estimating_s: float
    queueing_s: float

    @property
    def first_intent_s(self) -> float:
        return self.opening_s + self.estimating_s + self.queueing_s


def read_resume(folder: Path, begun_at: float, attempts_before: int) -> Resume:
    """The last session of a run whose process began at `begun_at` (epoch seconds).

    `attempts_before` is the length of attempts.jsonl then, in bytes. Raises ValueError where it made no call.
    """
    times = {event["event"]: float(event["at"]) for event in _lines(folder / "events.jsonl", 0)}
    start, estimate = times["start"], times["estimate"]
    attempts = _lines(folder / "attempts.jsonl", attempts_before)
    first = next((float(line["at"]) for line in attempts if "settled" not in line), None)
    if first is None:
        raise ValueError("the resumed run made no call")
    return Resume(start - begun_at, estimate - start, first - estimate)


def await_lines(file: Path, lines: int, ended: "Ended") -> int:
    """Wait until the file has so many lines, or the process that writes it has ended; returns how many it has."""
    found, place = 0, 0
    while True:
        over = ended()
        if file.exists():
            with file.open("rb") as log:
                log.seek(place)
                while chunk := log.read(_CHUNK):
                    found += chunk.count(b"\n")
                place = log.tell()
        if found >= lines or over:
            return found
        time.sleep(_LOOK_S)


class Ended:
    """Whether a process has ended; nothing is reaped, so that its usage can still be read."""

    def __init__(self, pid: int) -> None:
        self._stat = Path(f"/proc/{pid}/stat")

    def __call__(self) -> bool:
        try:
            return self._stat.read_text().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True


def _lines(file: Path, start: int) -> Iterator[dict[str, Any]]:
    with file.open("rb") as lines:
        lines.seek(start)
        yield from map(json.loads, lines)
