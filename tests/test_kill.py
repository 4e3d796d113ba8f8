"""A run whose process is killed outright, again and again, with real processes and a real server."""

from pathlib import Path
from random import Random

import pytest

from providers.simulator import Simulator, SimulatorSettings
from tests.harness.asking import write_catalog, write_manifest
from tests.harness.killing import Phase, Scene, kill_again_and_again

pytestmark = pytest.mark.long

ROWS = 5_000
CONCURRENCY = 64


@pytest.mark.timeout(180)
async def test_a_run_killed_twenty_times_loses_nothing(tmp_path: Path) -> None:
    """Killed at twenty moments, a run of 5,000 rows ends with each row answered once and all repeats on record."""
    random = Random(20)
    aims = [Phase.SENDING] * 15 + [Phase.OPENING] * 2
    random.shuffle(aims)
    settings = SimulatorSettings(record=True, latency_s=0.03, answer_tokens=8)
    async with Simulator(settings) as simulator:
        scene = Scene(
            simulator=simulator,
            manifest=write_manifest(tmp_path / "manifest.jsonl", ROWS),
            catalog=write_catalog(tmp_path / "lab.toml", simulator.base_url),
            folder=tmp_path / "run",
            random=random,
            concurrency=CONCURRENCY,
            calls_per_life=250,
        )
        await kill_again_and_again(scene, [Phase.MAKING, Phase.MAKING, Phase.SENDING, *aims])
        sent_again = sum(times - 1 for times in simulator.seen.values())
    kills = scene.kills
    print(kills.report(), f"{sent_again} calls made again")  # noqa: T201
    assert kills.count == 20
    assert kills.with_calls_in_flight >= 15
    assert kills.landed[Phase.MAKING] >= 1
    assert kills.landed[Phase.OPENING] >= 1
    assert 0 < sent_again <= 20 * CONCURRENCY
    assert sent_again <= len(kills.maybe_sent)
