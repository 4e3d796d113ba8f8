"""The harness that runs a night in seconds: its clock, and the engine under it."""

import asyncio
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.api import run
from providers.simulator import Simulator, SimulatorSettings
from tests.harness.log_view import answered, intents
from tests.harness.time_lapse import run_in_time_lapse
from tests.harness.workplace import jsonl, line

NIGHT = 1_790_000_000.0  # its begin, in seconds since 1970


def test_all_clocks_tell_the_same_night() -> None:
    """An hour of sleep is an hour by every clock, in every thread, and the real clocks are back afterwards."""

    async def main() -> list[float]:
        before = time.time(), time.monotonic(), asyncio.get_running_loop().time()
        await asyncio.sleep(3600)
        after = await asyncio.to_thread(lambda: (time.time(), time.monotonic()))
        return [before[0] - NIGHT, after[0] - before[0], after[1] - before[1]]

    real = time.time, time.monotonic
    begun, wall, monotonic = run_in_time_lapse(main, 20_000, NIGHT)
    assert 0 <= begun < 60
    assert wall == pytest.approx(3600, abs=600)  # a thread may take a while to be run
    assert monotonic == pytest.approx(wall, abs=60)
    assert (time.time, time.monotonic) == real


def test_timers_come_in_their_order_and_on_time() -> None:
    """However long the loop is kept from its timers, none of them sees the time of a later one."""
    seen: list[tuple[int, float]] = []

    async def one(minutes: int, begun: float) -> None:
        await asyncio.sleep(60 * minutes)
        seen.append((minutes, time.monotonic() - begun))
        threading.Event().wait(0.01)  # real work, which takes none of the night's minutes

    async def main() -> None:
        begun = time.monotonic()
        await asyncio.gather(*(one(minutes, begun) for minutes in (30, 10, 20)))

    run_in_time_lapse(main, 20_000)
    assert [minutes for minutes, _ in seen] == [10, 20, 30]
    assert all(60 * minutes <= at < 60 * minutes + 59 for minutes, at in seen)


def test_a_night_that_does_not_end_is_an_error() -> None:
    """What waits for ever is told after some real time, and is cancelled in order."""
    ended = []

    async def main() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    with pytest.raises(AssertionError, match="not ended"):
        run_in_time_lapse(main, longest_s=0.05)
    assert ended == [True]


@pytest.mark.parametrize("error_rate", [0.0, 0.2])
def test_a_run_of_hours_ends_in_time(tmp_path: Path, error_rate: float) -> None:
    """Calls that take minutes each, some of them in vain, are all answered before a deadline hours ahead."""
    rows = 100
    (tmp_path / "m.jsonl").write_bytes(jsonl(line(f"r{number}") for number in range(rows)))

    async def main() -> tuple[int, float]:
        told = SimulatorSettings(latency_s=200, error_rate=error_rate)
        async with Simulator(told) as simulator:
            catalog = f'[providers.lab]\nprotocol = "openai"\nbase_url = "{simulator.base_url}"\nfree = true\n'
            (tmp_path / "overnight.toml").write_text(f'{catalog}models = ["lab-*"]\n')
            begun = time.time()
            result = await run(
                tmp_path / "m.jsonl",
                out=tmp_path / "out",
                config=tmp_path / "overnight.toml",
                concurrency=4,
                for_=timedelta(hours=8),
            )
            return result.exit_code, time.time() - begun

    code, took_s = run_in_time_lapse(main, 2000, NIGHT)
    assert code == 0
    assert set(answered(tmp_path / "out").values()) == {1}
    assert len(answered(tmp_path / "out")) == rows
    assert (sum(intents(tmp_path / "out").values()) > rows) == bool(error_rate)
    assert 3600 < took_s < 8 * 3600
