"""The heartbeat: a hint for other terminals, that disturbs nothing."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from orchestrator import heartbeat
from orchestrator.heartbeat import HEARTBEAT, Heartbeat, beat, is_silent, read_heartbeat


@contextlib.asynccontextmanager
async def beating(folder: Path, compose: Callable[[], dict[str, object]]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(beat(folder, compose, every_s=0.001))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def wait_for(condition: Callable[[], Any]) -> None:
    """Returns once the condition holds; the test's own time-out bounds it."""
    while not condition():
        await asyncio.sleep(0.001)


async def test_what_the_run_says_of_itself_is_read_by_others(tmp_path: Path) -> None:
    """The fields come back beside the time and the process."""
    said: dict[str, object] = {"state": "sending", "lanes": [{"name": "lab m", "rate": 2.5}], "cap_usd": None}
    async with beating(tmp_path, lambda: said):
        await wait_for(lambda: read_heartbeat(tmp_path))
        read = read_heartbeat(tmp_path)
    assert read is not None
    assert (read.pid, read.rest) == (os.getpid(), said)
    assert read.at > 0


async def test_it_beats_on(tmp_path: Path) -> None:
    """Later beats take the place of earlier ones, and no reader ever finds half of one."""
    count = 0

    def compose() -> dict[str, object]:
        nonlocal count
        count += 1
        return {"count": count, "filler": "x" * 50_000}

    async with beating(tmp_path, compose):
        await wait_for(lambda: read_heartbeat(tmp_path))
        for _ in range(300):
            assert read_heartbeat(tmp_path) is not None
            await asyncio.sleep(0)
        await wait_for(lambda: (read_heartbeat(tmp_path) or Heartbeat(0, 0)).rest.get("count", 0) > 3)


async def test_a_run_that_ended_leaves_none(tmp_path: Path) -> None:
    """Neither the beat nor what it was made of stays in the folder."""
    async with beating(tmp_path, lambda: {"state": "sending"}):
        await wait_for((tmp_path / HEARTBEAT).exists)
    assert list(tmp_path.iterdir()) == []


async def test_a_write_under_way_at_the_end_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancelled beat waits for its write rather than being overtaken by it."""
    begun, replace = asyncio.Event(), heartbeat._replace
    loop = asyncio.get_running_loop()

    def slowly(path: Path, data: bytes) -> None:
        loop.call_soon_threadsafe(begun.set)
        time.sleep(0.1)
        replace(path, data)

    monkeypatch.setattr(heartbeat, "_replace", slowly)
    async with beating(tmp_path, dict):
        await begun.wait()
    await asyncio.sleep(0.2)
    assert list(tmp_path.iterdir()) == []


async def test_a_disk_that_takes_nothing_ends_no_run(tmp_path: Path) -> None:
    """Without its folder, the task goes on; when the folder is back, so is the beat."""
    folder, asked = tmp_path / "run", 0

    def compose() -> dict[str, object]:
        nonlocal asked
        asked += 1
        return {}

    async with beating(folder, compose) as task:
        await wait_for(lambda: asked > 3)
        assert not task.done()
        folder.mkdir()
        await wait_for(lambda: read_heartbeat(folder))


async def test_the_run_cannot_speak_for_another_process(tmp_path: Path) -> None:
    """`at` and `pid` are the beat's own, whatever the fields are called."""
    async with beating(tmp_path, lambda: {"pid": 1, "at": 0}):
        await wait_for((tmp_path / HEARTBEAT).exists)
        document = orjson.loads((tmp_path / HEARTBEAT).read_bytes())
    assert document["pid"] == os.getpid()
    assert document["at"] > 0


@pytest.mark.parametrize(
    "content", [b"", b'{"at": 1.0, "pi', b"[]", b"null", b'{"at": "x", "pid": 1}', b'{"at": 1.0}', b"\xff", b"1"]
)
def test_a_damaged_beat_is_none(tmp_path: Path, content: bytes) -> None:
    """Whatever lies there, reading it raises nothing."""
    (tmp_path / HEARTBEAT).write_bytes(content)
    assert read_heartbeat(tmp_path) is None


def test_a_missing_beat_is_none(tmp_path: Path) -> None:
    """Neither a missing file nor a missing folder raises."""
    assert read_heartbeat(tmp_path) is None
    assert read_heartbeat(tmp_path / "none") is None


def test_a_live_process_is_silent_after_half_a_minute() -> None:
    """Not before, and not where the clock was put back."""
    beat_of_ours = Heartbeat(at=1000.0, pid=os.getpid())
    assert not is_silent(beat_of_ours, 1030.0)
    assert is_silent(beat_of_ours, 1030.5)
    assert not is_silent(beat_of_ours, 900.0)


def test_a_dead_process_is_not_called_silent() -> None:
    """Whoever is gone is no longer expected to beat."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    for pid in (done.pid, 0, -1, 1 << 80):
        assert not is_silent(Heartbeat(at=0.0, pid=pid), 1e6)


async def test_a_change_is_told_at_once(tmp_path: Path) -> None:
    """Who has just changed something need not wait for the next beat to see it."""
    state = {"state": "sending"}
    changed = asyncio.Event()
    beating = asyncio.create_task(beat(tmp_path, lambda: dict(state), 60.0, changed))
    async with asyncio.timeout(10):
        while read_heartbeat(tmp_path) is None:
            await asyncio.sleep(0.01)
        state["state"] = "paused"
        changed.set()
        while (last := read_heartbeat(tmp_path)) is None or last.rest["state"] != "paused":
            await asyncio.sleep(0.01)
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)
