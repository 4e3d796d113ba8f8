"""A disk that fills up: what was answered lands, the run says so and stops, and goes on once there is room."""

import asyncio
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.engine import Engine, StopKind
from orchestrator.opening import Options, opened
from orchestrator.session import Result, send
from outputs.disk import Disk, LogFile, OsDisk
from providers.simulator import Simulator, SimulatorSettings
from tests.harness import log_view
from tests.harness.asking import Manifest, write_catalog, write_manifest
from tests.harness.broken_disks import FullDisk
from tests.harness.command import run_to_end

CONCURRENCY = 4
ROOM_ENOUGH = 1 << 20  # bytes: more than any of these runs writes
FAST = SimulatorSettings(record=True, latency_s=0.002, answer_tokens=1)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return write_manifest(tmp_path / "manifest.jsonl", 24)


async def _run(
    manifest: Manifest, folder: Path, simulator: Simulator, disk: Disk, engines: list[Engine] | None = None
) -> Result:
    catalog = write_catalog(folder.with_suffix(".toml"), simulator.base_url)
    options = Options(out=folder, concurrency=CONCURRENCY, config=catalog)
    with opened(manifest.path, options, disk=disk) as run:
        return await send(run, options, None if engines is None else engines.append)


def _full(folder: Path, room: int, freed: int = ROOM_ENOUGH) -> FullDisk:
    return FullDisk(folder / "reserve", room, freed)


def _sent(manifest: Manifest, simulator: Simulator) -> Counter[str]:
    seen = simulator.seen
    return Counter({row: seen[key] for row, key in manifest.keys.items() if key in seen})


async def test_what_was_answered_lands_wherever_the_disk_is_full(tmp_path: Path, manifest: Manifest) -> None:
    """Whenever the disk is full, the reserve takes all that was answered; the run ends with 8 and resumes."""
    stopped_early = 0
    for room in range(0, 18_000, 450):
        folder = tmp_path / f"room-{room}"
        async with Simulator(FAST) as simulator:
            result = await _run(manifest, folder, simulator, _full(folder, room))
            assert (result.exit_code, result.reason) == (8, "the disk is full")
            sent = _sent(manifest, simulator)
            assert set(sent.values()) <= {1}
            assert log_view.answered(folder) == sent
            assert not log_view.open_attempts(folder)
            stopped_early += len(sent) < len(manifest.ids)
            assert (await _run(manifest, folder, simulator, OsDisk())).exit_code == 0
            assert _sent(manifest, simulator) == Counter(manifest.ids)
        assert log_view.answered(folder) == Counter(manifest.ids)
    assert stopped_early >= 20


async def test_nothing_is_sent_on_a_disk_that_is_full_from_the_start(tmp_path: Path, manifest: Manifest) -> None:
    """Where not even the start of the session can be written without the reserve, no call is made."""
    folder = tmp_path / "run"
    async with Simulator(FAST) as simulator:
        result = await _run(manifest, folder, simulator, _full(folder, 0, 0))
        assert (result.exit_code, result.reason) == (8, "the disk is full")
        assert simulator.stats.calls == 0


async def test_a_disk_that_stays_full_stops_the_run_without_a_hang(tmp_path: Path, manifest: Manifest) -> None:
    """Where the reserve helps nothing, the run ends with 8; calls whose answers were lost count as maybe billed."""
    for room in range(100, 18_000, 1_500):
        folder = tmp_path / f"room-{room}"
        async with Simulator(FAST) as simulator:
            result = await _run(manifest, folder, simulator, _full(folder, room, 0))
            assert (result.exit_code, result.reason) == (8, "the disk is full")
            lost = log_view.open_attempts(folder)
            assert len(lost) <= 2 * CONCURRENCY  # a call that was answered, and the next one that was not made
            assert (await _run(manifest, folder, simulator, OsDisk())).exit_code == 0
            again = {row for row, times in _sent(manifest, simulator).items() if times > 1}
        assert again <= {row for row, _ in lost}
        assert len(again) <= CONCURRENCY
        assert log_view.killed(folder) == lost
        assert log_view.answered(folder) == Counter(manifest.ids)


async def test_an_edit_that_finds_the_disk_full_is_taken_up_later(tmp_path: Path, manifest: Manifest) -> None:
    """A disk that is full when an edited manifest is to be logged is exit 8 with nothing sent; later it is taken up."""
    folder = tmp_path / "run"
    async with Simulator(FAST) as simulator:
        assert (await _run(manifest, folder, simulator, OsDisk())).exit_code == 0
        edited = write_manifest(manifest.path, range(12, 36))
        for room in (0, 300, 1_000, 2_000):
            calls = simulator.stats.calls
            assert (await _run(edited, folder, simulator, _full(folder, room, 0))).exit_code == 8
            assert simulator.stats.calls == calls
        assert (await _run(edited, folder, simulator, OsDisk())).exit_code == 0
        assert log_view.keys_that_count(folder) == Counter(edited.keys.values())
        assert set(simulator.seen.values()) == {1}


async def test_a_full_disk_outranks_an_interruption(tmp_path: Path, manifest: Manifest) -> None:
    """A run that is interrupted and cannot write says so: 8 comes before 130."""
    folder = tmp_path / "run"
    engines: list[Engine] = []
    async with Simulator(SimulatorSettings(latency_s=0.1)) as simulator:
        running = asyncio.create_task(_run(manifest, folder, simulator, _full(folder, 1_000), engines))
        while simulator.stats.in_flight < CONCURRENCY:
            await asyncio.sleep(0.001)
        engines[0].drain(StopKind.INTERRUPTED)
        result = await running
    assert (result.exit_code, result.reason) == (8, "the disk is full")
    assert result.answered == CONCURRENCY


@dataclass(slots=True)
class _FaultyDisk(OsDisk):
    """A disk whose files fail in a way that no disk does."""

    def append(self, path: Path) -> LogFile:
        return _FaultyFile(OsDisk.append(self, path))


@dataclass(slots=True)
class _FaultyFile:
    real: LogFile

    def write(self, data: bytes) -> int:
        raise MemoryError

    def sync(self) -> None:
        self.real.sync()

    def close(self) -> None:
        self.real.close()


async def test_a_writer_that_dies_of_anything_ends_the_run(tmp_path: Path, manifest: Manifest) -> None:
    """Whatever goes wrong in the thread that writes, the run ends with 8 and says what it was; it does not wait on."""
    async with Simulator(FAST) as simulator:
        result = await _run(manifest, tmp_path / "run", simulator, _FaultyDisk())
        assert (result.exit_code, result.reason) == (8, "cannot write the log: MemoryError")
        assert simulator.stats.calls == 0


# The real thing: a small file system in memory.

RESERVE_BYTES = (4 << 20) + CONCURRENCY * (64 << 10)


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A file system that holds some megabytes. `leave` fills it up."""

    path: Path

    @property
    def _filler(self) -> Path:
        return self.path / "filler"

    def leave(self, free_bytes: int) -> None:
        """Fill the disk up to this much."""
        self._filler.unlink(missing_ok=True)
        status = os.statvfs(self.path)
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, status.f_bavail * status.f_frsize - free_bytes)

    def clear(self) -> None:
        self._filler.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    path = tmp_path / "small"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", path], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"NOT TESTED on a real full disk, as no small file system can be mounted: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", path], check=True)


def _command(manifest: Manifest, simulator: Simulator, folder: Path) -> tuple[object, ...]:
    catalog = write_catalog(manifest.path.with_name("lab.toml"), simulator.base_url)
    out = ("--out", folder, "--config", catalog)
    return "run", manifest.path, *out, "--concurrency", CONCURRENCY, "--quiet"


async def test_a_real_disk_fills_up_and_is_cleared(tmp_path: Path, small_disk: SmallDisk) -> None:
    """On a disk that fills up the command ends with 8 and all answers, sends nothing while it is full, and resumes."""
    manifest = write_manifest(tmp_path / "manifest.jsonl", 600)
    folder = small_disk.path / "run"
    async with Simulator(FAST) as simulator:
        command = _command(manifest, simulator, folder)
        small_disk.leave(RESERVE_BYTES + 600_000)
        code, said = await run_to_end(*command, folder=tmp_path)
        assert code == 8, said
        assert "the disk is full" in said
        sent = _sent(manifest, simulator)
        assert 0 < len(sent) < 600
        assert log_view.answered(folder) == sent
        assert not log_view.open_attempts(folder)
        small_disk.leave(0)
        code, said = await run_to_end(*command, folder=tmp_path)
        assert code == 8, said
        assert "disk is full" in said
        assert _sent(manifest, simulator) == sent
        small_disk.clear()
        code, said = await run_to_end(*command, folder=tmp_path)
        assert code == 0, said
        assert _sent(manifest, simulator) == Counter(manifest.ids)
    assert log_view.answered(folder) == Counter(manifest.ids)


@pytest.mark.parametrize("free_bytes", [0, 4096, 8192, 20_000, 200_000, RESERVE_BYTES - 100_000])
async def test_a_real_disk_is_too_full_to_make_the_run(tmp_path: Path, small_disk: SmallDisk, free_bytes: int) -> None:
    """Where the folder does not fit, the command ends with 8 and sends nothing; with room it makes the folder anew."""
    manifest = write_manifest(tmp_path / "manifest.jsonl", 600)
    folder = small_disk.path / "run"
    async with Simulator(FAST) as simulator:
        command = _command(manifest, simulator, folder)
        small_disk.leave(free_bytes)
        code, said = await run_to_end(*command, folder=tmp_path)
        assert code == 8, said
        assert "disk is full" in said
        assert "Traceback" not in said
        assert simulator.stats.calls == 0
        assert not (folder / "reserve").exists()
        small_disk.clear()
        code, said = await run_to_end(*command, folder=tmp_path)
        assert code == 0, said
        assert _sent(manifest, simulator) == Counter(manifest.ids)
