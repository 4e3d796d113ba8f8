"""What the page of a run says of its last events: words for all that a log has, plain texts for all it may have."""

import re
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.viewing.event_words import KNOWN, last_events
from tests.harness.log_writing import LogWriter

ROOT = Path(__file__).parents[1]
_WRITTEN = re.compile(r'(?:lines\.event|self\._tell|self\._log)\(\s*"(\w+)"')


def test_every_event_that_is_written_has_words() -> None:
    """Whatever the code puts into a log, by any of the ways that it has, is known here."""
    code = "".join(path.read_text() for path in (ROOT / "orchestrator").rglob("*.py"))
    assert set(_WRITTEN.findall(code)) == set(KNOWN)


EVENTS: list[tuple[str, dict[str, Any], str]] = [
    ("start", {"code_version": "0.1.0", "simulated": True, "to_send": 1200}, "started, simulated: 1,200 to send"),
    ("stop", {"reason": "the deadline is near", "exit_code": 5}, "stopped: the deadline is near (exit code 5)"),
    ("control", {"command": "pause"}, "paused by a command"),
    ("control", {"command": "unpause"}, "resumed by a command"),
    ("control", {"command": "stop", "cancel_batches": True}, "told to stop, and to cancel its batches"),
    (
        "control",
        {"command": "set", "concurrency": 7, "budget_usd": 2.5, "until": None, "limits": {"openai.rpm": 300.0}},
        "changed by a command: 7 in flight per lane, a cap of $2.50, no deadline, openai.rpm 300",
    ),
    ("budget", {"budget": {"run": 3.0, "providers": {"lab": 2.0}}}, "caps from here on: the run $3.00, lab $2.00"),
    ("budget", {"budget": {"run": None}}, "caps from here on: none"),
    ("dedupe", {"dedupe": True}, "equal requests are asked once from here on"),
    ("via", {"via": "batch"}, "requests go by batch from here on"),
    (
        "asked_changed",
        {"withdrawn": [1, 2], "restored": [], "adding": 3, "sha256": "x"},
        "what is asked has changed: 2 withdrawn, 3 new",
    ),
    ("retry", {"rows": 4}, "failed requests put up again: 4"),
    (
        "imported",
        {
            "kind": "ice", "answered": 3000, "failed": 0, "left_out": {"without a verdict": 2}, "notes": ["a note"],
            "files": [{"file": f"/data/{name}.jsonl", "sha256": "0", "rows": 1000} for name in "abc"],
        },
        "imported from a.jsonl and 2 others (ice): 3,000 rows, 3,000 answers, left out 2 without a verdict; a note",
    ),
    ("lane_stopped", {"lane": "openai/m", "reason": "key refused"}, "openai/m stopped: key refused"),
    ("outage", {"lane": "openai/m", "wait_s": 2.0}, "openai/m: nothing comes back, waits 2.0 s"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "fields", "words"), EVENTS)
def test_an_event_is_told_in_words(tmp_path: Path, name: str, fields: dict[str, Any], words: str) -> None:
    """Without anything of how the log writes it."""
    log = LogWriter(tmp_path / "night").record()
    log.event(name, **fields)
    [said] = last_events(log.folder)
    assert words in said
    assert not set(said) & set('{}"_')


def test_what_is_not_known_is_told_plainly(tmp_path: Path) -> None:
    """An event of another version, or a known one of another shape: names and values, cut where they are long."""
    log = LogWriter(tmp_path / "night").record()
    log.event("moon_rose", lane="openai/m", over="the sea", full=True, since=None, parts=[1, {"a_b": 2}])
    log.event("budget", budget=3)
    log.event("long", text="x" * 10_000)
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]
    log.event("deep", what=deep)
    deepest, long, budget, rose = last_events(log.folder)
    assert rose.endswith("moon rose of openai/m: over the sea, full yes, since none, parts (1, (a b 2))")
    assert budget.endswith("budget: budget 3")
    assert len(long) < 450
    assert "…" in deepest


@pytest.mark.parametrize(("zone", "said"), [("UTC0", "UTC"), ("CET-1", "UTC+01:00"), ("NST3:30", "UTC-03:30")])
def test_a_moment_says_its_zone(tmp_path: Path, zone: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock of this computer, wherever that stands."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        log = LogWriter(tmp_path / "night").record()
        log.event("dedupe", dedupe=True)
        [line] = last_events(log.folder)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert re.match(rf"2026-09-\d\d \d\d:\d\d:\d\d {re.escape(said)} equal requests", line)
