"""Long kills and faults; `make soak` runs them."""

from pathlib import Path
from random import Random

import pytest

from providers.simulator import Simulator, SimulatorSettings
from tests.harness.asking import write_catalog, write_manifest
from tests.harness.killing import Phase, Scene, kill_again_and_again

KILLS = 200


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [1, 2])
async def test_a_run_killed_two_hundred_times_loses_nothing(tmp_path: Path, seed: int) -> None:
    """On a server with faults of all kinds, a run of 60,000 rows that is killed 200 times answers each row once."""
    random = Random(seed)
    aims = random.choices((Phase.SENDING, Phase.OPENING), weights=(9, 1), k=KILLS - 10)
    settings = SimulatorSettings(
        seed=seed,
        record=True,
        latency_s=0.03,
        answer_tokens=8,
        error_rate=0.01,
        throttle_rate=0.001,
        throttle_wait_s=0.05,
        drop_rate=0.01,
    )
    async with Simulator(settings) as simulator:
        scene = Scene(
            simulator=simulator,
            manifest=write_manifest(tmp_path / "manifest.jsonl", 60_000),
            catalog=write_catalog(tmp_path / "lab.toml", simulator.base_url),
            folder=tmp_path / "run",
            random=random,
            concurrency=64,
            calls_per_life=400,
        )
        await kill_again_and_again(scene, [*[Phase.MAKING] * 10, *aims])
        sent_again = sum(times - 1 for times in simulator.seen.values())
    print(scene.kills.report(), f"{sent_again} calls made again")  # noqa: T201
    assert scene.kills.count == KILLS
    assert scene.kills.with_calls_in_flight >= 0.8 * KILLS
