"""Sessions of a run by batch that a test breaks off and steers while they go on, in this process."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from orchestrator.asking import options_of
from orchestrator.engine import Engine, StopKind
from orchestrator.opening import opened
from orchestrator.session import Result, send
from outputs.batches import Step
from outputs.disk import Disk
from tests.harness.batch_runs import PATIENT

Meanwhile = Callable[[Engine], Awaitable[None]]
_LOOK_S = 0.005
_PATIENCE_S = 20.0


async def session(
    source: Path,
    folder: Path,
    catalog: Path | None,
    meanwhile: Meanwhile | None = None,
    disk: Disk | None = None,
    **said: object,
) -> Result:
    """A session, by batch unless it is said otherwise; `meanwhile` goes on beside it, and is over when it returns."""
    thresholds = {**PATIENT, **said.pop("thresholds", {})}  # type: ignore[dict-item]  # a mapping, if anything
    if not source.is_dir():
        said["out"] = folder
    options = options_of(config=catalog, thresholds=thresholds, **{"via": "batch", **said})  # type: ignore[arg-type]  # whatever the test says
    with opened(source, options, disk=disk) as run:
        if meanwhile is None:
            return await send(run, options)
        ready: asyncio.Future[Engine] = asyncio.get_running_loop().create_future()
        beside = asyncio.ensure_future(_beside(ready, meanwhile))
        result = await send(run, options, ready.set_result)
        await asyncio.wait_for(beside, _PATIENCE_S)
        return result


async def _beside(ready: "asyncio.Future[Engine]", meanwhile: Meanwhile) -> None:
    engine = await ready
    try:
        await meanwhile(engine)
    except BaseException:
        engine.abandon()  # or nobody would be told
        raise


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds. Raises TimeoutError where it never does."""
    async with asyncio.timeout(_PATIENCE_S):
        while not condition():
            await asyncio.sleep(_LOOK_S)


def steps(engine: Engine) -> Counter[Step]:
    """How many batches of a run stand at which step."""
    return Counter(batch.step for batch in engine.state.batches.all)


def at_provider(engine: Engine, count: int = 1) -> bool:
    """Whether so many batches are at the provider."""
    found = steps(engine)
    return found[Step.CREATED] + found[Step.POLLED] >= count


def leave_when(*steps_: Step) -> Meanwhile:
    """What ends a session, as Ctrl-C does, once a batch stands at one of these steps."""

    async def leave(engine: Engine) -> None:
        await until(lambda: any(steps(engine)[step] for step in steps_))
        engine.drain(StopKind.INTERRUPTED)

    return leave


leave_at_provider = leave_when(Step.CREATED, Step.POLLED)
