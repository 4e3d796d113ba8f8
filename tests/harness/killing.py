"""A run that is killed again and again, each time at a moment of a wanted phase, and resumed with the same command."""

import asyncio
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from random import Random

from outputs.answers import read_responses
from outputs.run_record import FILE_NAME
from providers.simulator import Simulator
from tests.harness import log_view
from tests.harness.asking import Manifest
from tests.harness.command import Child, overnight, run_to_end

_PATIENCE_S = 180.0  # a refusal among the first calls makes a life slow for a while


class Phase(Enum):
    """Where in a process's life a kill is aimed; it may land a little later."""

    MAKING = auto()  # the manifest is checked and the folder made
    OPENING = auto()  # the log is folded at a resume
    SENDING = auto()


@dataclass(slots=True)
class Kills:
    """What the kills met. `maybe_sent`: (row, attempt) of the attempts that were open in the log at a kill."""

    landed: Counter[Phase] = field(default_factory=Counter)
    in_flight: list[int] = field(default_factory=list)  # calls that the server was at work on, per kill
    maybe_sent: set[tuple[str, int]] = field(default_factory=set)
    finished_early: int = 0

    @property
    def count(self) -> int:
        return self.landed.total()

    @property
    def with_calls_in_flight(self) -> int:
        return sum(calls > 0 for calls in self.in_flight)

    def report(self) -> str:
        """One line for who reads the test's output."""
        landed = ", ".join(f"{count} {phase.name.lower()}" for phase, count in self.landed.items())
        calls = f"{self.with_calls_in_flight} with calls in flight, {sum(self.in_flight)} in all"
        return f"{self.count} kills ({landed}), {calls}, {len(self.maybe_sent)} attempts maybe billed"


@dataclass(slots=True)
class Scene:
    """One run, the server it calls, and what chooses the moments."""

    simulator: Simulator
    manifest: Manifest
    catalog: Path
    folder: Path
    random: Random
    concurrency: int
    calls_per_life: int  # at most so many calls are made before a kill while sending
    options: tuple[object, ...] = ()  # more of the command's
    ends_with: int = 0  # the exit code of a run that comes to its end
    kills: Kills = field(default_factory=Kills)

    @property
    def command(self) -> tuple[object, ...]:
        out = ("--out", self.folder, "--config", self.catalog)
        return "run", self.manifest.path, *out, "--concurrency", self.concurrency, "--quiet", *self.options

    async def kill_once(self, aim: Phase) -> None:
        """Start the command and kill it."""
        calls_before = self.simulator.stats.calls
        async with overnight(*self.command, folder=self.folder.parent) as child:
            if not await self._moment(child, aim, calls_before):
                self.kills.finished_early += 1
                assert child.process.returncode == self.ends_with, child.said()
                return
            calls_in_flight = self.simulator.stats.in_flight
            child.send(signal.SIGKILL)
            assert await child.exit_code() == -signal.SIGKILL
        landed = self._landed(calls_before)
        self.kills.landed[landed] += 1
        self.kills.in_flight.append(calls_in_flight)
        self.kills.maybe_sent |= log_view.open_attempts(self.folder)
        await self._server_is_idle()

    def _landed(self, calls_before: int) -> Phase:
        if not (self.folder / FILE_NAME).exists():
            return Phase.MAKING
        return Phase.OPENING if self.simulator.stats.calls == calls_before else Phase.SENDING

    async def _moment(self, child: Child, aim: Phase, calls_before: int) -> bool:
        """Wait for the moment to kill; False where the process ended before."""
        if aim is Phase.MAKING:
            started, delay_s = (self.folder / "requests.jsonl.new").exists, self.random.uniform(0, 0.02)
        elif aim is Phase.OPENING:
            started, delay_s = (lambda: self._holds_lock(child)), self.random.uniform(0, 0.03)
        else:
            calls = calls_before + self.random.randint(1, self.calls_per_life)
            started, delay_s = (lambda: self.simulator.stats.calls >= calls), self.random.uniform(0, 0.03)
        if not await child.until(started, _PATIENCE_S):
            return False
        await asyncio.sleep(delay_s)
        return not child.ended

    def _holds_lock(self, child: Child) -> bool:
        lock = self.folder / "lock"
        return lock.exists() and lock.read_text() == f"{child.pid}\n"

    async def _server_is_idle(self) -> None:
        """What the killed process had sent has been read or dropped by the server."""
        async with asyncio.timeout(10):
            while self.simulator.stats.in_flight:
                await asyncio.sleep(0.005)

    async def run_to_end(self, timeout_s: float = 60.0) -> tuple[int, str]:
        return await run_to_end(*self.command, folder=self.folder.parent, timeout_s=timeout_s)


async def kill_again_and_again(scene: Scene, aims: Sequence[Phase]) -> None:
    """Kill once per aim, then let the run end, and check what must hold of it."""
    for aim in aims:
        await scene.kill_once(aim)
    code, said = await scene.run_to_end(600)
    assert code == scene.ends_with, said
    check_nothing_lost(scene)


def check_nothing_lost(scene: Scene) -> None:
    """Each row is answered once; whatever was sent again is on record as an attempt that ended without an answer."""
    folder, ids, seen = scene.folder, scene.manifest.ids, scene.simulator.seen
    answers = log_view.answered(folder)
    not_once = [row for row in ids | set(answers) if answers[row] != 1 or row not in ids]
    assert not not_once[:10]
    assert len(log_view.killed(folder) ^ scene.kills.maybe_sent) == 0
    rows_by_key: dict[str, list[str]] = {}  # rows that ask the same may be asked once
    for row, key in scene.manifest.keys.items():
        rows_by_key.setdefault(key, []).append(row)
    bought = {answer.custom_id for answer in read_responses(folder) if answer.duplicate_of is None}
    intents, unanswered = log_view.intents(folder), log_view.unanswered(folder)
    for key, rows in rows_by_key.items():
        times = seen.pop(key)
        announced, without_answer = sum(intents[row] for row in rows), sum(unanswered[row] for row in rows)
        assert times <= announced, f"{rows} were sent {times} times with {announced} intents on disk"
        answered = sum(row in bought for row in rows)
        assert times - answered <= without_answer, f"{rows} were sent {times} times, {without_answer} without answer"
    assert not seen
    assert not log_view.open_attempts(folder)
