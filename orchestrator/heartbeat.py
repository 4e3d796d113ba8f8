"""The heartbeat of a running run: `heartbeat.json`, by which another terminal sees what is in memory only.

It is a hint, never a source of truth: not synced, gone when the run ends, and no fault of the disk matters to it.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import orjson

HEARTBEAT = "heartbeat.json"
EVERY_S = 2.0
SILENT_AFTER_S = 30.0


class Heartbeat(msgspec.Struct, frozen=True):
    """One beat: when (epoch seconds), of which process, and whatever else the run said of itself."""

    at: float
    pid: int
    rest: dict[str, Any] = {}


async def beat(
    folder: Path,
    compose: Callable[[], Mapping[str, object]],
    every_s: float = EVERY_S,
    now: asyncio.Event | None = None,
) -> None:
    """Replace the folder's heartbeat every `every_s` seconds, and when `now` is set, until cancelled; then remove it.

    `compose` gives the fields beside `at` and `pid`: state, in_flight, held, stages_paused, spent_usd, cap_usd,
    deadline, lanes.
    """
    path = folder / HEARTBEAT
    now = now or asyncio.Event()
    try:
        while True:
            await _written(path, _encode(compose()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every_s):
                    await now.wait()
            now.clear()
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def _encode(fields: Mapping[str, object]) -> bytes:
    document = {"at": time.time(), "pid": os.getpid()}
    return orjson.dumps({**document, **fields, **document}, default=str) + b"\n"


async def _written(path: Path, data: bytes) -> None:
    """Write in a thread, for a disk may be slow; a write that has begun is waited for even when cancelled."""
    writing = asyncio.create_task(asyncio.to_thread(_replace, path, data))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await writing
        raise


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(path.name + ".new")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()


def read_heartbeat(folder: Path) -> Heartbeat | None:
    """The last beat, or None where there is none that can be read."""
    try:
        document = orjson.loads((folder / HEARTBEAT).read_bytes())
        rest = {key: value for key, value in document.items() if key not in ("at", "pid")}
        return msgspec.convert({"at": document["at"], "pid": document["pid"], "rest": rest}, Heartbeat)
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None


def is_silent(heartbeat: Heartbeat, now: float) -> bool:
    """Whether the process that should beat lives, but has not done so for 30 s. `now` in epoch seconds."""
    return now - heartbeat.at > SILENT_AFTER_S and _lives(heartbeat.pid)


def _lives(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True
