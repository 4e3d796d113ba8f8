"""Runs by batch that are paused, changed, stopped and broken off while they go on: what ends how, and is not lost."""

import asyncio
import errno
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.asking import options_of
from orchestrator.batching import cutting
from orchestrator.batching.via import Via
from orchestrator.control import Adjust, Pause, Stop, Unpause
from orchestrator.engine import Engine, StopKind
from orchestrator.opening import opened
from orchestrator.session import send
from orchestrator.steering import Steering
from outputs.batches import Step
from outputs.fold import fold
from outputs.journal import Log
from prompts.input_error import InputError
from providers.batches.openai_connection import Connection
from providers.batches.openai_files import OpenAIBatches
from providers.batches.wire import BatchCallError
from providers.simulator import Simulator, SimulatorSettings
from providers.wire import Billing, Failure, FailureKind
from tests.harness import log_view
from tests.harness.asking import body, write_manifest
from tests.harness.batch_runs import (
    PATIENT,
    batches_of,
    billed,
    check_accounted,
    cost_usd,
    hasten,
    write_priced_catalog,
)
from tests.harness.batch_sessions import at_provider, leave_at_provider, session, steps, until
from tests.harness.broken_disks import FullDisk
from tests.harness.command import overnight
from tests.harness.workplace import jsonl

ROWS = 12
QUICK: dict[str, Any] = {"answer_tokens": 8, "record": True, "latency_s": 0.002, "batch_s": 0.2}
NIGHT = {**QUICK, "batch_s": 8 * 3600.0}


@pytest.fixture(autouse=True)
def _hastened(monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)


async def test_a_paused_run_begins_no_batch(tmp_path: Path) -> None:
    """Rows wait until it is unpaused; then they go."""
    manifest = write_manifest(tmp_path / "m.jsonl", ROWS)

    async def meanwhile(engine: Engine) -> None:
        steering = Steering(engine)
        assert steering.handle(Pause())["state"] == "paused"
        await until(lambda: engine.batching.waiting(0) == ROWS)
        await asyncio.sleep(0.4)
        assert not engine.state.batches
        assert not engine.ending
        steering.handle(Unpause())

    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        result = await session(manifest.path, tmp_path / "run", catalog, meanwhile)
        assert (result.exit_code, billed(simulator).batch_lines) == (0, ROWS)


async def test_a_paused_run_takes_in_what_comes(tmp_path: Path) -> None:
    """A batch that is under way is followed to its end, and the rows behind it wait."""
    manifest, run = write_manifest(tmp_path / "m.jsonl", ROWS), tmp_path / "run"

    async def meanwhile(engine: Engine) -> None:
        steering = Steering(engine)
        steering.handle(Pause())
        await until(lambda: steps(engine)[Step.SETTLED] == 1)
        assert (len(engine.state.batches.all), engine.batching.waiting(0)) == (1, ROWS - 4)
        steering.handle(Unpause())

    async with Simulator(SimulatorSettings(**QUICK | {"batch_s": 0.6})) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        await session(manifest.path, run, catalog, leave_at_provider, first=4)
        result = await session(manifest.path, run, catalog, meanwhile)
        assert (result.exit_code, result.answered) == (0, ROWS)


async def test_a_higher_cap_lets_held_rows_go_by_batch(tmp_path: Path) -> None:
    """Rows that the budget had no room for go once it has; without that the session ends with 4."""
    texts = [f"Question {n}" for n in range(3)] + ["long " * 8000 + str(n) for n in range(3)]
    asked = [{"custom_id": f"r{n}", "method": "POST", "url": "/v1/chat/completions", "body": body(text)}
             for n, text in enumerate(texts)]  # fmt: skip
    source = tmp_path / "m.jsonl"
    source.write_bytes(jsonl(asked))

    async def meanwhile(engine: Engine) -> None:
        await until(lambda: engine.batching.held == 3)
        told = Steering(engine).handle(Adjust(budget_usd=1.0))
        assert (told["held"], told["cap_usd"]) == (0, 1.0)

    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        short = await session(source, tmp_path / "short", catalog, budget="0.01")
        assert (short.exit_code, short.answered, short.held) == (4, 3, 3)
        result = await session(source, tmp_path / "run", catalog, meanwhile, budget="0.01")
        assert (result.exit_code, result.answered) == (0, 6)
    assert [batch.told.rows for batch in fold(tmp_path / "run").batches.all] == [3, 3]


async def test_a_cap_is_refused_where_a_batch_price_is_unknown(tmp_path: Path) -> None:
    """A budget over batches that nobody can price would be no budget: of those that go, and of those to come."""
    manifest, run = write_manifest(tmp_path / "m.jsonl", ROWS), tmp_path / "run"

    async def meanwhile(engine: Engine) -> None:
        steering = Steering(engine)
        await until(lambda: at_provider(engine))
        with pytest.raises(InputError, match="the batch price of lab/model-a is unknown, so no budget can hold"):
            steering.handle(Adjust(budget_usd=5.0))
        assert engine.budget.caps.run is None
        assert steering.handle(Adjust(budget_usd=None))["cap_usd"] is None

    async def before_stage(engine: Engine) -> None:
        engine.about["lab", "model-b"] = 3  # as a job's later stage has them
        with pytest.raises(InputError, match="the batch price of lab/model-b is unknown"):
            Steering(engine).handle(Adjust(budget_usd=5.0))
        engine.via = Via.ONLINE
        assert Steering(engine).handle(Adjust(budget_usd=5.0))["cap_usd"] == 5.0

    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        catalog.write_text(catalog.read_text().replace("batch_discount = 0.5", ""))
        result = await session(manifest.path, run, catalog, meanwhile, allow_unpriced=True)
        assert (result.exit_code, result.answered) == (0, ROWS)
        every, one = '[providers.lab.prices."*"]', '[providers.lab.prices."model-a"]'
        prices = f"{one}\ninput = 1.0\noutput = 2.0\nbatch_input = 0.5\nbatch_output = 1.0\n"
        catalog.write_text(catalog.read_text().replace(every, prices + every))
        result = await session(manifest.path, tmp_path / "staged", catalog, before_stage)
        assert (result.exit_code, result.answered) == (0, ROWS)


# Deadlines


async def test_a_deadline_leaves_batches_to_the_next_session(tmp_path: Path) -> None:
    """Set while they are under way: exit code 5, how many rows go on where, and the next session fetches them."""
    manifest, run = write_manifest(tmp_path / "m.jsonl", ROWS), tmp_path / "run"

    async def meanwhile(engine: Engine) -> None:
        await until(lambda: at_provider(engine))
        Steering(engine).handle(Adjust(until=time.time() + 0.2))

    async with Simulator(SimulatorSettings(**QUICK | {"batch_s": 1.5})) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        result = await session(manifest.path, run, catalog, meanwhile)
        assert (result.exit_code, result.answered, result.batches_open) == (5, 0, 1)
        assert result.reason == f"the deadline has come; {ROWS} rows are in a batch at their provider"
        assert (await session(manifest.path, run, catalog)).answered == ROWS
        assert billed(simulator).lines == ROWS


@pytest.mark.parametrize("via", ["batch", "auto"])
async def test_a_deadline_that_is_past_sends_nothing(tmp_path: Path, via: str) -> None:
    """Rows that wait for a batch stay unsent: exit code 5, never 0."""
    manifest, run = write_manifest(tmp_path / "m.jsonl", ROWS), tmp_path / "run"

    async def meanwhile(engine: Engine) -> None:
        steering = Steering(engine)
        steering.handle(Pause())
        await until(lambda: engine.batching.waiting(0) == ROWS)
        steering.handle(Adjust(until=time.time() - 1))

    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        result = await session(manifest.path, run, catalog, meanwhile, via=via)
        assert (result.exit_code, result.unsent, result.sent) == (5, ROWS, 0), result.reason
        assert "deadline" in result.reason
        assert (await session(manifest.path, run, catalog)).answered == ROWS


async def test_a_deadline_that_is_too_near_for_a_batch_sends_all_online(tmp_path: Path) -> None:
    """With `auto` nothing goes by batch that could not come back in time."""
    manifest = write_manifest(tmp_path / "m.jsonl", ROWS)
    async with Simulator(SimulatorSettings(**NIGHT)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        result = await session(manifest.path, tmp_path / "run", catalog, via="auto", for_="10m")
        assert (result.exit_code, result.answered, billed(simulator).batch_lines) == (0, ROWS, 0)


async def test_batches_that_had_no_turn_do_not_stop_their_lane(tmp_path: Path) -> None:
    """However many batches are cancelled before they have answered anything, all their rows go online in time."""
    manifest, run = write_manifest(tmp_path / "m.jsonl", 48), tmp_path / "run"

    async def meanwhile(engine: Engine) -> None:
        await until(lambda: at_provider(engine, 4))
        Steering(engine).handle(Adjust(until=time.time() + 120))

    async with Simulator(SimulatorSettings(**NIGHT)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url, max_rows=12)
        result = await session(manifest.path, run, catalog, meanwhile, via="auto")
        assert (result.exit_code, result.answered) == (0, 48), result.reason
        assert (billed(simulator).batch_lines, billed(simulator).lines) == (0, 48)


async def test_batches_that_all_expire_do_not_keep_auto_from_its_end(tmp_path: Path) -> None:
    """Batch after batch expires without an answer: their rows go online, and all are answered."""
    manifest, run = write_manifest(tmp_path / "m.jsonl", 48), tmp_path / "run"
    async with Simulator(SimulatorSettings(**QUICK, batch_expire_share=1.0)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url, max_rows=12)
        result = await session(manifest.path, run, catalog, via="auto")
        assert (result.exit_code, result.answered) == (0, 48), result.reason
        assert (billed(simulator).batch_lines, billed(simulator).lines) == (0, 48)


# Stopping


async def test_a_stop_leaves_batches_and_a_cancelling_one_takes_them_in(tmp_path: Path) -> None:
    """Plain: 130 at once, the batch goes on. Cancelling, live: what is answered is kept, the rest goes later."""
    manifest, run = write_manifest(tmp_path / "m.jsonl", ROWS), tmp_path / "run"

    def stops(command: Stop) -> Callable[[Engine], Awaitable[None]]:
        async def meanwhile(engine: Engine) -> None:
            await until(lambda: at_provider(engine))
            if command.cancel_batches:
                await until(lambda: simulator.stats.batch_billed["lines"] >= 3)
            assert Steering(engine).handle(command)["state"] == "draining"

        return meanwhile

    async with Simulator(SimulatorSettings(**QUICK | {"batch_s": 4.0})) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        result = await session(manifest.path, run, catalog, stops(Stop()))
        assert (result.exit_code, result.reason) == (130, "stopped by overnight stop")
        assert (result.batches_open, result.answered) == (1, 0)
        result = await session(manifest.path, run, catalog, stops(Stop(cancel_batches=True)))
        assert (result.exit_code, result.reason) == (130, "stopped, and its batches cancelled")
        assert result.batches_open == 0
        assert 3 <= result.answered == billed(simulator).batch_lines < ROWS
        assert [batch["state"] for batch in await batches_of(simulator)] == ["cancelled"]
        result = await session(manifest.path, run, catalog, via="online")
        assert (result.exit_code, result.answered, billed(simulator).lines) == (0, ROWS, ROWS)
    check_accounted(run, ROWS)


async def test_cancelling_the_batches_of_a_stopped_run_sends_nothing(tmp_path: Path) -> None:
    """Rows that wait to go online stay unsent; the next session sends them, and what was cancelled."""
    manifest, run = write_manifest(tmp_path / "m.jsonl", 2 * ROWS), tmp_path / "run"

    async def drains(engine: Engine) -> None:
        engine.drain(StopKind.INTERRUPTED)

    async with Simulator(SimulatorSettings(**NIGHT | {"latency_s": 0.1})) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        await session(manifest.path, run, catalog, leave_at_provider, first=ROWS)
        result = await session(manifest.path, run, catalog, drains, via="online", concurrency=1)
        assert (result.exit_code, result.batches_open) == (130, 1)
        before = (simulator.stats.billed, result.answered)
        options = replace(options_of(config=catalog, thresholds=PATIENT), cancel_batches=True)
        with opened(run, options) as found:
            result = await send(found, options)
        assert (result.exit_code, result.reason) == (130, "stopped, and its batches cancelled")
        assert (result.batches_open, result.sent) == (0, 0)
        assert (simulator.stats.billed, result.answered) == before
        result = await session(run, run, catalog, via="online")
        assert (result.exit_code, result.answered, billed(simulator).lines) == (0, 2 * ROWS, 2 * ROWS)


@pytest.mark.parametrize(("number", "times"), [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGINT, 2)])
async def test_signals_leave_batches_at_the_provider(tmp_path: Path, number: signal.Signals, times: int) -> None:
    """Ctrl-C, once or twice, and SIGTERM end with 130, say how to go on, and the next session fetches the answers."""
    manifest, run = write_manifest(tmp_path / "m.jsonl", ROWS), tmp_path / "run"
    async with Simulator(SimulatorSettings(**QUICK | {"batch_s": 1.5})) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        command = ("run", manifest.path, "--out", run, "--config", catalog, "--via", "batch")
        quick = ("--threshold", "batch_poll_s=0.1")

        def created() -> bool:
            path = run / Log.ATTEMPTS.file_name
            return path.exists() and b'"step":"created"' in path.read_bytes()

        async with overnight(*command, *quick, folder=tmp_path) as child:
            assert await child.until(created), child.said()
            for _ in range(times):
                child.send(number)
            assert await child.exit_code() == 130, child.said()
            assert f"overnight run {run} fetches" in child.said().replace("\n", " ")
        assert (await session(manifest.path, run, catalog)).exit_code == 0
        assert billed(simulator).lines == ROWS


async def test_batches_that_cannot_be_cancelled_are_not_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the provider refuses the key, a cancelling stop ends with 6 and its reason, and the batch is not lost."""
    manifest, run = write_manifest(tmp_path / "m.jsonl", ROWS), tmp_path / "run"

    async def meanwhile(engine: Engine) -> None:
        await until(lambda: at_provider(engine))
        Steering(engine).handle(Stop(cancel_batches=True))

    async with Simulator(SimulatorSettings(**QUICK | {"batch_s": 1.0})) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        with monkeypatch.context() as patch:
            failure = Failure(FailureKind.KEY_REFUSED, Billing.UNBILLED, "no entry", status=401)
            patch.setattr(OpenAIBatches, "cancel", _raising(failure, None))
            result = await session(manifest.path, run, catalog, meanwhile)
        assert (result.exit_code, result.batches_open) == (6, 1)
        assert result.reason == "lane lab/model-a stopped: key refused: no entry"
        assert (await session(run, run, catalog, via=None)).exit_code == 0
        assert billed(simulator).lines_twice == 0


# What ends a lane


def _raising(failure: Failure, method: Any, from_call: int = 1) -> Any:
    """A method that fails from a call on."""
    calls = 0

    async def call(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls >= from_call:
            raise BatchCallError(failure)
        return await method(*arguments)

    return call


CALLS = ["upload", "create", "poll", "download"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", [FailureKind.KEY_REFUSED, FailureKind.QUOTA])
async def test_a_refused_key_ends_the_session_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, kind: FailureKind
) -> None:
    """Whichever call of a batch is refused: exit code 6, one line, and all is there once the key is taken again."""
    manifest, run = write_manifest(tmp_path / "m.jsonl", ROWS), tmp_path / "run"
    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        with monkeypatch.context() as patch:
            failure = Failure(kind, Billing.UNBILLED, "no entry", status=401)
            patch.setattr(OpenAIBatches, call, _raising(failure, getattr(OpenAIBatches, call)))
            result = await session(manifest.path, run, catalog)
        assert (result.exit_code, result.answered) == (6, 0)
        assert result.reason == f"lane lab/model-a stopped: {kind.value.replace('_', ' ')}: no entry"
        assert (await session(manifest.path, run, catalog)).exit_code == 0
        assert billed(simulator).lines == ROWS
    assert cost_usd(check_accounted(run, ROWS)) == pytest.approx(billed(simulator).usd)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("call", CALLS)
async def test_a_server_that_is_dead_ends_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """After so many failures in a row, whichever call it is: exit code 7, and a server that lives goes on with it."""
    manifest, run = write_manifest(tmp_path / "m.jsonl", ROWS), tmp_path / "run"
    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        thresholds = {"failures_in_row": 3, "batch_look_s": 0.1, "longest_wait_s": 0.0}
        with monkeypatch.context() as patch:
            effect = Billing.MAYBE if call in ("upload", "create") else Billing.UNBILLED
            failure = Failure(FailureKind.TRANSIENT, effect, "the server is on fire", status=500)
            patch.setattr(OpenAIBatches, call, _raising(failure, getattr(OpenAIBatches, call)))
            result = await session(manifest.path, run, catalog, thresholds=thresholds)
        assert result.exit_code == 7, result.reason
        assert "failures in a row, the last: the server is on fire" in result.reason
        assert (await session(manifest.path, run, catalog)).exit_code == 0
        assert (billed(simulator).lines, len(await batches_of(simulator))) == (ROWS, 1)


# A full disk


async def test_a_full_disk_ends_with_8_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """Wherever the log has no more room, the session says so; nothing is bought twice later."""
    manifest = write_manifest(tmp_path / "m.jsonl", ROWS)
    ends = []
    for room in range(0, 16_000, 1600):
        run = tmp_path / f"room-{room}"
        async with Simulator(SimulatorSettings(**QUICK | {"batch_s": 0.05})) as simulator:
            catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
            disk = FullDisk(run / "reserve", room, 1 << 20)
            result = await session(manifest.path, run, catalog, disk=disk)
            ends.append(result.exit_code)
            if result.exit_code:
                assert (result.exit_code, result.reason) == (8, "the disk is full"), room
            assert (await session(manifest.path, run, catalog)).exit_code == 0
            assert billed(simulator).lines == ROWS, room
            assert cost_usd(check_accounted(run, ROWS)) == pytest.approx(billed(simulator).usd)
        assert log_view.answered(run) == dict.fromkeys(manifest.ids, 1)
    assert ends.count(8) > len(ends) // 2


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def _full_later(*_: object) -> None:
    _full()


@pytest.mark.parametrize("what", ["shard", "download"])
async def test_a_disk_that_has_no_room_for_a_batchs_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Neither a file of lines nor one of results that cannot be written costs an answer: exit code 8, and why."""
    manifest, run = write_manifest(tmp_path / "m.jsonl", ROWS), tmp_path / "run"
    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        with monkeypatch.context() as patch:
            if what == "shard":
                patch.setattr(cutting, "_sync", _full)
            else:
                patch.setattr(Connection, "fetch", _full_later)
            result = await session(manifest.path, run, catalog)
        assert result.exit_code == 8
        assert "No space left on device" in result.reason
        assert (await session(manifest.path, run, catalog)).exit_code == 0
        assert billed(simulator).lines == ROWS
    check_accounted(run, ROWS)
    assert [path.name for path in (run / "batches").iterdir() if not path.name.endswith(".results.jsonl")] == []
