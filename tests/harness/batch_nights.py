"""Nights of runs by batch on a provider in memory, hours of them in moments, and sessions that are broken off there."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from orchestrator.batching.lane_batches import LaneBatches
from orchestrator.engine import Engine, StopKind
from orchestrator.thresholds import Thresholds
from outputs.batches import Step
from tests.harness.batch_bench import Bench, catalog_of
from tests.harness.fake_batches import FakeProvider
from tests.harness.time_lapse import run_in_time_lapse

HOUR = 3600.0
SHORT_NIGHT = Thresholds(batch_poll_s=5.0, batch_look_s=10.0, batch_cancel_s=600.0, batch_least_s=60.0)
_LOOK_S = 0.01


def bench(tmp_path: Path, provider: FakeProvider, batch: str = "{ max_rows = 4 }", **said: Any) -> Bench:
    """A run of no rows yet."""
    said.setdefault("thresholds", SHORT_NIGHT)
    return Bench(tmp_path / "run", provider, catalog_of(tmp_path / "lab.toml", batch), **said)


def run(main: Coroutine[Any, Any, object]) -> None:
    """Hours of it in moments, whatever it returns."""
    run_in_time_lapse(lambda: main, factor=20_000)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds. Raises TimeoutError where it does not within two hours."""
    async with asyncio.timeout(2 * HOUR):
        while not condition():
            await asyncio.sleep(_LOOK_S)


async def left_at(of: Bench, *steps: Step, **said: Any) -> Engine:
    """A session that was drained once a batch stood at one of these steps."""
    async with of.engine(**said) as engine:
        going = asyncio.ensure_future(engine.run())
        await until(lambda: any(batch.step in steps for batch in engine.state.batches.all))
        engine.drain(StopKind.INTERRUPTED)
        await going
    return engine


async def left_after(of: Bench, call: str, **said: Any) -> Engine:
    """A session that was drained with the first call of this name that changed something at the provider."""
    engines: list[Engine] = []

    def drain() -> None:
        if of.provider.calls[call]:
            engines[0].drain(StopKind.INTERRUPTED)

    of.on_effect = drain
    async with of.engine(**said) as engine:
        engines.append(engine)
        await engine.run()
    of.on_effect = lambda: None
    return engine


def lane_batches(engine: Engine) -> LaneBatches:
    """The batches of an engine's only lane."""
    (batches,) = engine.batching.lanes.values()
    return batches


def exit_codes(engine: Engine) -> list[int]:
    """With which each lane that has stopped ended."""
    return [lane.stopped.exit_code for lane in engine.lanes.values() if lane.stopped is not None]
