"""Long kills and faults; `make soak` runs them."""

import json
from pathlib import Path
from random import Random

import pytest

from outputs.answers import read_responses
from providers.simulator import Simulator, SimulatorSettings
from tests.harness import log_view
from tests.harness.asking import Manifest, write_catalog, write_manifest
from tests.harness.command import run_to_end
from tests.harness.killing import Phase, Scene, kill_again_and_again

KILLS = 200
ROWS = 36_000
CAP_USD = 50.0  # more than all of it costs


def make_scene(folder: Path, simulator: Simulator, seed: int, *options: object) -> Scene:
    """A run of `ROWS` rows on the simulator, with these options."""
    return Scene(
        simulator=simulator,
        manifest=write_manifest(folder / "manifest.jsonl", ROWS),
        catalog=write_catalog(folder / "lab.toml", simulator.base_url),
        folder=folder / "run",
        random=Random(seed),
        concurrency=64,
        calls_per_life=400,
        options=options,
    )


def faulty(seed: int) -> SimulatorSettings:
    """Faults of all kinds, rare enough that nearly every row is answered at its first attempt."""
    return SimulatorSettings(
        seed=seed,
        record=True,
        latency_s=0.03,
        answer_tokens=8,
        error_rate=0.01,
        throttle_rate=0.001,
        throttle_wait_s=0.05,
        drop_rate=0.01,
    )


async def kill_two_hundred_times(scene: Scene) -> None:
    """Kill 200 times, then run to the end and check that nothing was lost."""
    aims = scene.random.choices((Phase.SENDING, Phase.OPENING), weights=(9, 1), k=KILLS - 10)
    await kill_again_and_again(scene, [*[Phase.MAKING] * 10, *aims])
    print(scene.kills.report())  # noqa: T201
    assert scene.kills.count == KILLS
    assert scene.kills.with_calls_in_flight >= 0.8 * KILLS


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [1, 2])
async def test_a_run_killed_two_hundred_times_loses_nothing(tmp_path: Path, seed: int) -> None:
    """On a server with faults of all kinds, a run that is killed 200 times answers each row once."""
    async with Simulator(faulty(seed)) as simulator:
        scene = make_scene(tmp_path, simulator, seed)
        await kill_two_hundred_times(scene)


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_a_run_with_a_budget_killed_two_hundred_times_loses_nothing(tmp_path: Path) -> None:
    """Under a cap, too, each row is answered once, and the cap outlives all kills with what was spent under it."""
    async with Simulator(faulty(3)) as simulator:
        scene = make_scene(tmp_path, simulator, 3, "--budget", CAP_USD)
        priced = write_catalog(scene.catalog, simulator.base_url, free=False).read_text()
        bounds = '[providers.lab.facts."*"]\nmax_output_tokens = 64\n'
        scene.catalog.write_text(f'{priced}[providers.lab.prices."*"]\ninput = 1.0\noutput = 4.0\n{bounds}')
        await kill_two_hundred_times(scene)
        code, said = await run_to_end("status", scene.folder, "--json", folder=tmp_path)
    status = json.loads(said)
    assert code == 0
    assert status["caps"]["run"] == CAP_USD
    assert status["maybe_billed"] >= len(log_view.killed(scene.folder))
    assert 0 < status["cost_usd"] < status["cost_usd"] + status["maybe_usd"] <= CAP_USD


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_a_run_that_asks_equal_rows_once_loses_nothing_when_killed(tmp_path: Path) -> None:
    """Where half of the rows ask what others ask, each row is answered once, half of them without a call."""
    async with Simulator(faulty(4)) as simulator:
        scene = make_scene(tmp_path, simulator, 4, "--dedupe")
        scene.manifest = with_twins(scene.manifest)
        await kill_two_hundred_times(scene)
    repeated = [answer for answer in read_responses(scene.folder) if answer.duplicate_of is not None]
    assert len(repeated) == ROWS


def with_twins(manifest: Manifest) -> Manifest:
    """The manifest with a second row behind them all for each of its bodies."""
    text = manifest.path.read_text()
    manifest.path.write_text(text + text.replace('"custom_id": "row-', '"custom_id": "twin-'))
    twins = {row.replace("row-", "twin-"): key for row, key in manifest.keys.items()}
    return Manifest(manifest.path, {**manifest.keys, **twins})
