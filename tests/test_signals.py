"""Ctrl-C and SIGTERM: the first drains, the second stops at once; either way the run goes on later."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from providers.simulator import Simulator, SimulatorSettings, Stats
from tests.harness import log_view
from tests.harness.asking import Manifest, write_catalog, write_manifest
from tests.harness.command import Child, overnight, run_to_end

CONCURRENCY = 16
ROWS = 64


@dataclass(frozen=True, slots=True)
class Scene:
    """A run of the command line and the server that it calls."""

    simulator: Simulator
    manifest: Manifest
    folder: Path

    def command(self, base_url: str) -> tuple[object, ...]:
        catalog = write_catalog(self.manifest.path.with_name("lab.toml"), base_url)
        out = ("--out", self.folder, "--config", catalog)
        return "run", self.manifest.path, *out, "--concurrency", CONCURRENCY

    def sent(self) -> Counter[str]:
        seen = self.simulator.seen
        return Counter({row: seen[key] for row, key in self.manifest.keys.items() if key in seen})

    @asynccontextmanager
    async def until(self, reached: Callable[[Stats], bool], unread: bool = False) -> AsyncIterator[Child]:
        """The command, once the server's counts are as wanted."""
        command = self.command(self.simulator.base_url)
        async with overnight(*command, folder=self.folder.parent, unread=unread) as child:
            assert await child.until(lambda: reached(self.simulator.stats)), child.said()
            yield child

    async def go_on(self) -> None:
        """Resume on a quick server with the command that the output names, to the end."""
        async with Simulator(SimulatorSettings(latency_s=0.0)) as quick:
            command = self.command(quick.base_url)
            code, said = await run_to_end(*command, folder=self.folder.parent)
        assert code == 0, said
        assert log_view.answered(self.folder) == Counter(self.manifest.ids)


@asynccontextmanager
async def scene(tmp_path: Path, settings: SimulatorSettings) -> AsyncIterator[Scene]:
    manifest = write_manifest(tmp_path / "manifest.jsonl", ROWS)
    async with Simulator(settings) as simulator:
        yield Scene(simulator, manifest, tmp_path / "run")


def _second_round(stats: Stats) -> bool:
    return stats.answered == stats.in_flight == CONCURRENCY


def _all_hang(stats: Stats) -> bool:
    return stats.answered > 0 and stats.faults.get("hang") == CONCURRENCY


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
async def test_one_signal_drains(tmp_path: Path, number: signal.Signals) -> None:
    """Calls in flight are awaited and their answers land, no new one is made, and the output says how to go on."""
    settings = SimulatorSettings(record=True, latency_s=0.8, latency_spread=0.0)
    async with scene(tmp_path, settings) as told, told.until(_second_round) as child:
        at_signal = told.sent()
        child.send(number)
        code, said = await child.exit_code(), child.said()
        assert code == 130, said
        assert told.sent() == at_signal
        assert log_view.answered(told.folder) == at_signal
        assert not log_view.open_attempts(told.folder)
        assert "draining" in said
        assert f"go on with: overnight run {told.folder}" in said
        await told.go_on()
    assert not log_view.killed(told.folder)


async def test_a_signal_drains_although_nobody_reads_the_output(tmp_path: Path) -> None:
    """Where Ctrl-C has ended the reader of a pipe too (`| tee`), the run drains all the same, and exits with 130."""
    settings = SimulatorSettings(record=True, latency_s=0.8, latency_spread=0.0)
    async with scene(tmp_path, settings) as told, told.until(_second_round, unread=True) as child:
        at_signal = told.sent()
        child.send(signal.SIGINT)
        assert await child.exit_code() == 130
        assert told.sent() == at_signal == log_view.answered(told.folder)
        await told.go_on()


async def test_an_exit_code_stands_although_nobody_reads_the_output(tmp_path: Path) -> None:
    """A run with a failed row exits with 3, whether its result is read or not."""
    manifest = write_manifest(tmp_path / "manifest.jsonl", 3, refused=(1,))
    async with Simulator(SimulatorSettings(latency_s=0.0)) as simulator:
        told = Scene(simulator, manifest, tmp_path / "run")
        async with overnight(*told.command(simulator.base_url), folder=tmp_path, unread=True) as child:
            assert await child.exit_code() == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
async def test_a_second_signal_stops_at_once(tmp_path: Path, number: signal.Signals) -> None:
    """Calls in flight are cut off and on record as maybe billed; what was answered is there, and the run goes on."""
    settings = SimulatorSettings(record=True, latency_s=0.0, hang_rate=0.5)
    async with scene(tmp_path, settings) as told, told.until(_all_hang) as child:
        child.send(number)
        assert await child.until(lambda: "draining" in child.said())
        await asyncio.sleep(0.1)
        assert not child.ended
        asked = time.monotonic()
        child.send(number)
        code, said = await child.exit_code(), child.said()
        assert time.monotonic() - asked < 3
        assert code == 130, said
        assert f"go on with: overnight run {told.folder}" in said
        cut_off = log_view.open_attempts(told.folder)
        assert {row for row, _ in cut_off} == set(told.sent()) - set(log_view.answered(told.folder))
        assert len(cut_off) == CONCURRENCY
        await told.go_on()
    assert log_view.killed(told.folder) == cut_off


async def test_a_drained_run_waits_for_no_retry(tmp_path: Path) -> None:
    """Rows that wait for another attempt are left for the next session."""
    settings = SimulatorSettings(record=True, latency_s=0.0, throttle_rate=1.0, throttle_wait_s=30.0)
    async with scene(tmp_path, settings) as told, told.until(lambda stats: stats.calls >= CONCURRENCY) as child:
        child.send(signal.SIGINT)
        assert await child.exit_code(5) == 130
        assert not log_view.open_attempts(told.folder)
        await told.go_on()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
async def test_a_signal_before_the_first_call_sends_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """A signal while the manifest is checked ends the command; what it leaves behind is made anew."""
    manifest = write_manifest(tmp_path / "manifest.jsonl", 20_000)
    async with Simulator(SimulatorSettings(record=True, latency_s=0.0, answer_tokens=1)) as simulator:
        told = Scene(simulator, manifest, tmp_path / "run")
        command = told.command(simulator.base_url)
        async with overnight(*command, folder=tmp_path) as child:
            assert await child.until((told.folder / "requests.jsonl.new").exists)
            child.send(number)
            code, said = await child.exit_code(), child.said()
        assert code in (130, -number), said
        assert "Traceback" not in said
        assert simulator.stats.calls == 0
        write_manifest(manifest.path, ROWS)
        assert (await run_to_end(*command, folder=tmp_path))[0] == 0
    assert log_view.answered(told.folder).total() == ROWS
