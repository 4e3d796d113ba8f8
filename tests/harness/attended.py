"""A run that goes on in a process of its own while a test steers it and looks at it, as from another terminal."""

import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.harness.command import Child, overnight, run_to_end
from tests.harness.loopback import Call, Loopback, Reply, echo
from tests.harness.workplace import Ended, Workplace


@dataclass
class Counting:
    """A provider that takes `latency_s` for each call, or until `gate` is set, and counts how many it is at work on."""

    latency_s: float = 0.05
    answer: Callable[[Call], Reply] = echo
    gate: threading.Event = field(default_factory=threading.Event)
    in_flight: int = 0
    most: int = 0
    ended_at: list[float] = field(default_factory=list)  # wall clock
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, call: Call) -> Reply:
        with self._lock:
            self.in_flight += 1
            self.most = max(self.most, self.in_flight)
        self.gate.wait(self.latency_s)
        with self._lock:
            self.in_flight -= 1
            self.ended_at.append(time.time())
        return self.answer(call)


@dataclass(slots=True)
class Attended:
    """The run of a workplace's manifest, going on in `child`."""

    work: Workplace
    child: Child

    @property
    def provider(self) -> Loopback:
        return self.work.provider

    async def calls(self, count: int) -> None:
        """Wait until the provider has had so many calls."""
        assert await self.child.until(lambda: len(self.provider.calls) >= count), self.child.said()

    async def listens(self) -> None:
        """Wait until the run can be steered."""
        assert await self.child.until((self.work.run_folder / "control.sock").is_socket), self.child.said()

    async def says(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the heartbeat of this very process is as wanted."""
        assert await self.child.until(lambda: wanted(self._beat())), self.child.said()
        return self._beat()

    def _beat(self) -> dict[str, Any]:
        try:
            beat: dict[str, Any] = json.loads((self.work.run_folder / "heartbeat.json").read_bytes())
        except FileNotFoundError:
            return {}
        return beat if beat["pid"] == self.child.pid else {}

    def command(self, name: str, *arguments: object) -> Ended:
        """`overnight NAME RUN ...`, in this process: another than the run's."""
        return self.work.overnight(name, self.work.run_folder, *arguments)

    def done(self, name: str, *arguments: object) -> dict[str, Any]:
        """A command that must do what it is asked; what it says of the run, as JSON."""
        ended = self.command(name, *arguments, "--json")
        assert ended.code == 0, ended.err
        told: dict[str, Any] = ended.json
        return told

    def answered(self) -> int:
        path: Path = self.work.run_folder / "responses.jsonl"
        return path.read_bytes().count(b"\n") if path.exists() else 0


@contextlib.asynccontextmanager
async def attended(work: Workplace, *arguments: object, source: str = "m.jsonl") -> AsyncIterator[Attended]:
    """`overnight run` of the workplace's manifest into its run folder, as a child."""
    command = ("run", source, "--out", work.run_folder, *arguments)
    async with overnight(*command, folder=work.folder) as child:
        yield Attended(work, child)


async def again(work: Workplace, *arguments: object, source: str = "m.jsonl") -> tuple[int, str]:
    """The same command once more, to its end; its exit code and what it said."""
    return await run_to_end("run", source, "--out", work.run_folder, *arguments, folder=work.folder)
