"""Runs by batch whose process is killed outright at random moments between upload and download, and resumed."""

import asyncio
import signal
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from outputs.batches import Step
from outputs.fold import fold
from outputs.journal import Log
from outputs.log_reader import read_records
from outputs.records import AttemptLine
from providers.simulator import Simulator, SimulatorSettings
from tests.harness import log_view
from tests.harness.asking import Manifest, write_manifest
from tests.harness.batch_runs import Billed, batches_of, billed, check_accounted, cost_usd, write_priced_catalog
from tests.harness.command import overnight, run_to_end

pytestmark = pytest.mark.long

KILLS = 50
SEEDS = 5
ROWS = 150
_OPTIONS = ("--via", "batch", "--quiet", "--threshold", "batch_poll_s=0.05", "--threshold", "batch_look_s=0.4")


def steps(folder: Path) -> list[Step]:
    """The steps of all batches, in the order of the log."""
    path = folder / Log.ATTEMPTS.file_name
    return [line.step for _, line in read_records(path, AttemptLine) if line.step is not None]


def steps_written(folder: Path) -> int:
    """How many steps the log has by now, told quickly."""
    path = folder / Log.ATTEMPTS.file_name
    return path.read_bytes().count(b'"step":') if path.exists() else 0


async def kill_once(folder: Path, command: tuple[object, ...], random: Random) -> Step | None:
    """Start the command and kill it soon after one of its next few steps; the last that it had come to.

    None where it had ended by itself.
    """
    aim = steps_written(folder) + random.randint(1, 3)
    async with overnight(*command, folder=folder.parent) as child:
        if not await child.until(lambda: steps_written(folder) >= aim):
            return None
        await asyncio.sleep(random.choice((0.0, random.uniform(0, 0.02), random.uniform(0, 0.2))))
        if child.ended:
            return None
        child.send(signal.SIGKILL)
        assert await child.exit_code() == -signal.SIGKILL
    return steps(folder)[-1]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_batch_is_neither_lost_nor_submitted_twice_by_kills(tmp_path: Path, seed: int) -> None:
    """Killed ten times, a run whose uploads and creations lose their answers now and then ends with each row bought
    once, each batch at the provider known and read, and the cost that the server billed."""
    random, landed = Random(seed), Counter[Step]()
    settings = SimulatorSettings(
        seed=seed, answer_tokens=8, batch_s=0.5, batch_upload_lost=0.2, batch_create_lost=0.2, batch_download_torn=0.2
    )
    manifest = write_manifest(tmp_path / "m.jsonl", ROWS)
    async with Simulator(settings) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url, max_rows=5)
        run = tmp_path / "run"
        command = ("run", manifest.path, "--out", run, "--config", catalog, *_OPTIONS)
        while landed.total() < KILLS // SEEDS:
            step = await kill_once(run, command, random)
            assert step is not None, f"it came to its end before it was killed so often: {landed}"
            landed[step] += 1
        code, said = await run_to_end(*command, folder=tmp_path)
        assert code == 0, said
        check(run, manifest, billed(simulator), await batches_of(simulator))
    told = ", ".join(f"{count} {step.value}" for step, count in landed.items())
    print(f"seed {seed}: {landed.total()} kills, the last step before: {told}")  # noqa: T201


def check(run: Path, manifest: Manifest, server: Billed, there: list[dict[str, Any]]) -> None:
    """Each row answered once and billed once; every batch of the server is one of the log's, and is read."""
    state = check_accounted(run, ROWS)
    assert log_view.answered(run) == Counter(manifest.ids)
    assert (server.batch_lines, server.lines, server.lines_twice) == (ROWS, ROWS, 0)
    assert cost_usd(state) == pytest.approx(server.usd)
    read = {batch.told.id: batch.told.lines for batch in fold(run).batches.all if batch.step is Step.SETTLED}
    assert {batch["id"]: {"answered": batch["rows"]} for batch in there} == read
    assert {batch["state"] for batch in there} == {"completed"}
