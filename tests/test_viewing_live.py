"""The list of runs and a run's page: they say what the log and the process say."""

import json
import os
import re
import shutil
import signal
import time
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from orchestrator.budget import Caps
from orchestrator.folder_lock import locked
from orchestrator.heartbeat import Heartbeat
from orchestrator.status import Status, read_status
from orchestrator.viewing import live as live_runs
from orchestrator.viewing.event_words import last_events
from orchestrator.viewing.live_view import view_of
from outputs.batches import Step
from outputs.fold import LaneTotals
from outputs.journal import Log
from tests.harness.command import overnight
from tests.harness.log_writing import AT, LogWriter
from tests.harness.viewed import Served, served, some_run
from tests.harness.workplace import Workplace

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e{{7*7}}"


@pytest.fixture(autouse=True)
def always_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page looks at the log; else one may be shown what another saw a moment ago."""
    monkeypatch.setattr(live_runs, "_FRESH_S", 0.0)


def facts(page: str) -> dict[str, str]:
    """What a page says at load, by the names under which it is updated."""
    return {name: unescape(text) for name, text in re.findall(r'data-fact="([\w.]+)"[^>]*>([^<]*)<', page)}


async def live(server: Served, run: int = 0) -> dict[str, Any]:
    """What a page is updated with."""
    found: dict[str, Any] = json.loads(await server.read(f"r/{run}/live.json"))
    return found


async def test_a_page_is_complete_when_it_is_loaded(tmp_path: Path) -> None:
    """Without any script it says what its updates say."""
    some_run(tmp_path / "night").event("stop", reason="the deadline is near", exit_code=5)
    async with served(tmp_path / "night") as server:
        page, update = await server.read("r/0/"), await live(server)
        shown = facts(page)
        assert shown == {name: update["facts"][name] for name in shown}
        assert shown["answered"] == "2 of 3"
        assert (shown["state"], shown["detail"]) == ("stopped", "the deadline is near")
        assert f"overnight run {tmp_path / 'night'}" in shown["why"]
        assert "<noscript>" in page
        assert page.count("disabled") == 4
        [lane] = update["tables"]["lanes"]
        assert lane[:3] == ["openai/m", "2 of 3", "0"]
        assert all(cell in unescape(page) for cell in lane)


async def test_a_page_follows_the_log(tmp_path: Path) -> None:
    """A line counts once it is whole; a run that was deleted is gone, one made again in its place another run."""
    log = some_run(tmp_path / "night", answered=1)
    async with served(log.folder) as server:
        assert (await live(server))["facts"]["answered"] == "1 of 3"
        log.raw(Log.REQUESTS, b'"custom_id":"torn","provi', end=b"")
        assert (await live(server))["facts"]["answered"] == "1 of 3"
        shutil.rmtree(log.folder)
        gone = await server.get("r/0/live.json")
        assert (gone.status, gone.json["error"]) == (404, "the run's folder is not there any more")
        assert "the run&#39;s folder is not there any more" in (await server.get("r/0/rows")).text
        assert "0.state" not in facts((await server.get("")).text)
        some_run(tmp_path / "night", answered=3)
        assert (await live(server))["facts"]["answered"] == "3 of 3"


async def test_a_damaged_log_is_said(tmp_path: Path) -> None:
    """With file and line, on the page as in the list, and other runs are shown all the same."""
    log = some_run(tmp_path / "bad")
    log.raw(Log.ERRORS, b"what is this")
    some_run(tmp_path / "good")
    async with served(tmp_path / "bad", tmp_path / "good") as server:
        reply = await server.get("r/0/")
        assert reply.status == 400
        assert "errors.jsonl:1: the log is damaged" in reply.text
        shown = facts((await server.get("")).text)
        assert (shown["0.state"], shown["1.answered"]) == ("cannot be read", "2 of 3")
        assert "errors.jsonl:1" in shown["0.answered"]


async def test_a_damaged_log_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until its files change."""
    log = some_run(tmp_path / "bad")
    log.raw(Log.ERRORS, b"what is this")
    async with served(log.folder) as server:
        first = await server.get("r/0/")
        with monkeypatch.context() as patched:
            patched.setattr(live_runs, "GrowingFold", lambda _: pytest.fail("it was read again"))
            again = await server.get("r/0/")
        assert (first.status, again.status) == (400, 400)
        assert "errors.jsonl:1: the log is damaged" in again.text
        (log.folder / Log.ERRORS.file_name).write_bytes(b"")
        assert (await server.get("r/0/")).status == 200


async def test_names_are_texts(tmp_path: Path) -> None:
    """Of runs, models, reasons and stages: never markup, and what reorders is written out."""
    log = LogWriter(tmp_path / "night").record(name=HOSTILE, job=HOSTILE)
    log.answer(log.request(model=HOSTILE, metadata={"stage": HOSTILE}))
    log.settle(log.request(provider=HOSTILE), message=HOSTILE)
    log.event("stage_paused", lane=HOSTILE, stage=HOSTILE, reason=HOSTILE)
    log.event("stop", reason=HOSTILE, exit_code=7)
    async with served(tmp_path / "night") as server:
        for path in ("", "r/0/", "r/0/live.json", "list.json"):
            text = await server.read(path)
            assert "<img" not in text or path.endswith(".json")
            assert "\u202e" not in text
            assert "\\u202e" not in text.lower()
            assert ("7*7" in text) == (path != "list.json")
            assert path.endswith(".json") or text.count("</script>") == text.count("<script src=")


async def test_a_process_that_is_not_heard_of_is_silent(tmp_path: Path) -> None:
    """It holds the folder, but its heartbeat is old."""
    log = some_run(tmp_path / "night")
    beat = {"at": time.time() - 100, "pid": os.getpid(), "state": "sending", "lanes": []}
    with locked(log.folder):
        (log.folder / "heartbeat.json").write_text(json.dumps(beat))
        async with served(log.folder) as server:
            found = await live(server)
    assert found["state"] == found["facts"]["state"] == "silent"
    assert "nothing was heard of it for 1m40s" in found["facts"]["detail"]


@pytest.mark.parametrize(
    "beat", [{"lanes": 3, "held": "x", "stages_paused": [1]}, {"deadline": "soon", "lanes": [None]}]
)
async def test_a_heartbeat_may_hold_anything(tmp_path: Path, beat: dict[str, Any]) -> None:
    """It is a hint, and no fault of it takes the page away."""
    log = some_run(tmp_path / "night")
    with locked(log.folder):
        (log.folder / "heartbeat.json").write_text(json.dumps({"at": time.time(), "pid": os.getpid(), **beat}))
        async with served(log.folder) as server:
            found = await live(server)
    assert found["facts"]["held"] == "–"
    assert found["facts"]["deadline"] == "–"


async def test_batches_are_shown(tmp_path: Path) -> None:
    """Open ones line by line, settled ones by what came of them."""
    log = LogWriter(tmp_path / "night").record()
    rows = [log.request() for _ in range(4)]
    batches = [log.step(Step.BEGUN, key=f"key-{place}", provider="openai", model="m", rows=2) for place in range(2)]
    for row, batch in zip(rows, (batches[0], batches[0], batches[1], batches[1]), strict=True):
        log.attempt(row, batch=batch)
    for row in rows[:2]:
        log.answer(row, batch=batches[0])
    log.step(Step.SETTLED, batches[0], lines={"answered": 2})
    async with served(log.folder) as server:
        page, found = await server.read("r/0/"), await live(server)
    [line_] = found["tables"]["batches"]
    assert line_[:3] == ["key-1", "openai/m", "2"]
    assert "<td>openai/m</td>" in page
    assert found["lists"]["batch_lines"] == ["1 batch settled: 2 answered"]
    assert found["facts"]["in_batches"] == "2"
    assert found["tables"]["lanes"][0][-1] == "2 in batches; 2 answered by batch"


def going(lanes: list[LaneTotals], **changes: Any) -> Status:
    """A run that a process works on, with these lanes."""
    resting = Status(
        folder=Path("night"), name="night", job="manifest", simulated=False, pid=7, in_flight=1, attempts=5,
        asked=sum(lane.asked for lane in lanes), answered=sum(lane.answered for lane in lanes), failed=0,
        cost_usd=0.0, maybe_usd=0.0, maybe_billed=0, maybe_unpriced=0, unpriced=0, rate=0.0, last_stop=None,
        exit_code=None, lanes=tuple(lanes), heartbeat=Heartbeat(AT, 7, {"state": "sending"}),
    )  # fmt: skip
    return replace(resting, **changes)


def test_what_is_left_is_told_against_the_deadline() -> None:
    """The slowest lane ends the run; whether that is in time is said in words."""
    lanes = [LaneTotals("a", "x", asked=1000, answered=400), LaneTotals("b", "y", asked=100, answered=90)]
    deadline = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(AT + 900))
    status = going(lanes, heartbeat=Heartbeat(AT, 7, {"state": "sending", "deadline": deadline}))
    shown = view_of(status, {0: 1.0, 1: 5.0}, (), AT).facts
    assert shown["eta"].startswith("10m00s, at ")
    assert shown["in_time"] == "5m00s before the deadline"
    late = view_of(status, {0: 0.5, 1: 5.0}, (), AT).facts
    assert late["in_time"] == "5m00s after the deadline: rows will be left"
    stuck = view_of(status, {1: 5.0}, (), AT).facts
    assert (stuck["eta"], stuck["in_time"]) == ("not known yet", "–")


@pytest.mark.parametrize("state", ["paused", "draining"])
def test_a_run_that_starts_nothing_is_promised_no_end(state: str) -> None:
    """Its page says why, in place of a pace, an end and whether that is in time."""
    deadline = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(AT + 900))
    status = going([LaneTotals("a", "x", asked=10)], heartbeat=Heartbeat(AT, 7, {"state": state, "deadline": deadline}))
    shown = view_of(status, {0: 1.0}, (), AT).facts
    assert [shown[name] for name in ("rate", "eta", "in_time")] == ["–", state, "–"]


def test_what_follows_from_answers_is_left_too() -> None:
    """Half of the requests are there, the other half will take as long."""
    status = going([LaneTotals("a", "x", asked=100, answered=50)], about=150)
    assert view_of(status, {0: 1.0}, (), AT).facts["eta"].startswith("1m40s")


def test_money_is_told_against_the_cap() -> None:
    """What may have been billed is told apart, and counts towards the cap; an unknown price is never 0."""
    lane = LaneTotals("a", "x", asked=9, answered=5, cost_usd=3.0, maybe_usd=1.0, maybe_billed=2, unpriced=1)
    status = going([lane], caps=Caps(run=8.0), maybe_billed=2, maybe_usd=1.0, unpriced=1)
    view = view_of(status, {}, (), AT)
    assert view.bars["spent"] == (4.0, 8.0)
    assert view.facts["spent"] == "$3.00 + 1 unpriced of $8.00, $1.00 maybe billed"
    assert view.facts["maybe"] == "2 attempts, at most $1.00"
    assert "spent" not in view_of(replace(status, caps=Caps()), {}, (), AT).bars


def test_a_run_that_rests_has_no_pace(tmp_path: Path) -> None:
    """Nothing is left to wait for, and nothing can be asked of it."""
    log = some_run(tmp_path / "night", answered=3)
    log.event("stop", reason="every request is answered", exit_code=0)
    view = view_of(read_status(log.folder), {}, last_events(log.folder))
    assert (view.facts["state"], view.facts["rate"], view.facts["eta"]) == ("done", "–", "–")
    assert not any(view.done.values())
    assert view.lists["events"][0].endswith("stopped: every request is answered (exit code 0)")


def test_last_events_are_few_and_never_break(tmp_path: Path) -> None:
    """The newest come first; what cannot be understood is passed over."""
    log = LogWriter(tmp_path / "night").record()
    for number in range(2000):
        log.event("cooldown", lane=f"lane-{number}", wait_s=1.25, in_a_row=2)
    log.raw(Log.EVENTS, b'"event":"cooldown","at":1e99}')
    log.raw(Log.EVENTS, b'"event":"odd","at":1790000000,"what":{"a":[1]}}')
    log.raw(Log.EVENTS, b"nothing")
    first, second, *_ = found = last_events(log.folder)
    assert len(found) == 12
    assert first.endswith("odd: what (a (1))")
    assert second.endswith("lane-1999: cooling down 1.2 s, 2 in a row")
    assert last_events(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [([], "runs: no run found"), (["nowhere"], "nowhere: no such run folder"), (["overnight.toml"], "is a file")],
)
def test_a_viewer_without_runs_says_so(work: Workplace, arguments: list[str], why: str) -> None:
    """In one line, and ends."""
    ended = work.overnight("view", *arguments)
    assert ended.code == 2
    assert why in ended.error
    assert not ended.out


def test_a_viewer_takes_no_poor_token(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that could be guessed is refused, and not shown."""
    some_run(work.folder / "night")
    monkeypatch.setenv("OVERNIGHT_VIEW_TOKEN", "guess")
    ended = work.overnight("view", "night")
    assert (ended.code, ended.out) == (2, "")
    assert "guess'" not in ended.error


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_viewer_ends_when_it_is_told_to(work: Workplace, number: signal.Signals) -> None:
    """It prints its one address; Ctrl-C is how it is meant to end."""
    some_run(work.folder / "night")
    async with overnight("view", "night", "--no-open", "--json", folder=work.folder) as child:
        assert await child.until(lambda: "Ctrl-C" in child.said() or "}" in child.said())
        told = json.loads(child.said())
        assert told["url"].startswith(f"http://127.0.0.1:{told['port']}/")
        for _ in range(3):
            child.send(number)
        assert await child.exit_code() == 0
        assert child.said().count("\n") == 1


def test_the_cap_says_that_it_is_used_up() -> None:
    """As soon as what is spent and what may have been billed come to it together."""
    lane = LaneTotals("a", "x", asked=9, answered=5, cost_usd=3.0, maybe_usd=1.0, maybe_billed=2)
    status = going([lane], caps=Caps(run=8.0), maybe_billed=2, maybe_usd=1.0)
    assert view_of(status, {}, (), AT).facts["cap"] == "$8.00"
    assert view_of(replace(status, caps=Caps(run=4.0)), {}, (), AT).facts["cap"] == "$4.00, used up"


async def test_counts_lead_to_their_rows(tmp_path: Path) -> None:
    """Those of a lane to the rows with that end, those of nothing nowhere; failures to rows with such an attempt."""
    log = LogWriter(tmp_path / "night").record()
    rows = [log.request(model=model) for model in ("m & n", "m & n", "o")]
    log.answer(rows[0])
    log.settle(rows[1])
    log.fail(rows[1])
    log.settle(rows[2])
    async with served(log.folder) as server:
        found, page = await live(server), await server.read("r/0/")
        named = "rows?lane=openai%2Fm+%26+n"
        first, second = found["links"]["lanes"]
        assert first == [named, f"{named}&state=answered", f"{named}&state=failed"]
        assert second[1:] == ["", ""]
        assert found["tables"]["failures"] == [
            ["openai/m & n", "throttled", "1"],
            ["openai/o", "throttled", "1"],
        ]
        failed = [f"{lane}&attempt_failure=throttled" for lane in (named, "rows?lane=openai%2Fo")]
        assert [links[2] for links in found["links"]["failures"]] == failed
        links = [unescape(link) for link in re.findall(r'href="(rows\?[^"]+)"', page)]
        assert {*first, *failed, "rows?state=answered", "rows?state=failed"} <= set(links)
        for link in links:
            await server.read(f"r/0/{link}")
        assert log_names(await server.read(f"r/0/{first[1]}")) == ["row-1"]


def log_names(page: str) -> list[str]:
    """The names of the rows that a page of rows lists."""
    return re.findall(r'href="row/\d+[^"]*">(row-\d+)</a>', page)


def test_times_say_their_zone() -> None:
    """Of the end and of the deadline."""
    deadline = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(AT + 900))
    beat = Heartbeat(AT, 7, {"state": "sending", "deadline": deadline})
    shown = view_of(going([LaneTotals("a", "x", asked=100)], heartbeat=beat), {0: 1.0}, (), AT).facts
    assert re.fullmatch(r"1m40s, at \d\d:\d\d UTC(?:[+-]\d\d:\d\d)?", shown["eta"])
    assert re.fullmatch(r"\d\d:\d\d UTC(?:[+-]\d\d:\d\d)?, in 15m00s", shown["deadline"])
    assert shown["zone"] in shown["eta"]
