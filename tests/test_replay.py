"""Jobs that ask further questions: resume is replay, whatever the order of arrival."""

import json
import random
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from jobs.protocol import Answered, Failed, Request, RunReader, Verdict
from orchestrator.api import run
from orchestrator.engine import Engine, StopKind
from outputs.items import Item
from outputs.journal import Log
from outputs.log_reader import cut_torn_end
from prompts.input_error import InputError
from prompts.records import Completion, Outcome
from tests.harness.chain import DEPTH, ChainJob, write_chain_spec
from tests.harness.in_memory import InMemoryRun

ITEMS = 12


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a dataset and a spec of the chain job."""
    write_chain_spec(tmp_path, ITEMS, monkeypatch, seed=1)
    return tmp_path


def reseed(folder: Path, seed: int) -> None:
    spec = folder / "chain.toml"
    spec.write_text(re.sub(r"seed = \d+", f"seed = {seed}", spec.read_text()))


def asked(out: Path) -> dict[str, str]:
    """Every request of a run: its id and the fingerprint of its body."""
    lines = (out / Log.REQUESTS.file_name).read_bytes().splitlines()
    read: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert len({line["custom_id"] for line in read}) == len(read)
    return {line["custom_id"]: line["fingerprint"] for line in read}


async def test_a_derived_request_follows_each_answer(folder: Path) -> None:
    """The job is told of every settlement and its requests are sent, each with the seq of what it follows from."""
    result = await run(folder / "chain.toml", out=folder / "run", simulate=True)
    assert (result.exit_code, result.answered) == (0, ITEMS * DEPTH)
    assert result.outcomes == {Outcome.OK: ITEMS * DEPTH}
    answers = {
        line["seq"] for line in map(json.loads, (folder / "run" / Log.RESPONSES.file_name).read_bytes().splitlines())
    }
    for line in map(json.loads, (folder / "run" / Log.REQUESTS.file_name).read_bytes().splitlines()):
        if line["metadata"]["level"]:
            assert line["after"] in answers
            assert line["after"] < line["seq"]
        else:
            assert "after" not in line


async def test_interrupted_again_and_again_it_asks_the_same(folder: Path) -> None:
    """However often a run is drained and resumed, in whatever order answers came, the requests are the same."""
    await run(folder / "chain.toml", out=folder / "whole", simulate=True)
    draw = random.Random(5)
    for session in range(40):
        source = folder / ("run" if session % 2 else "chain.toml")
        interrupt = _interrupt_after(draw.randint(1, 4))
        result = await run(
            source, out=folder / "run", simulate=True, concurrency=draw.randint(1, 8), on_engine=interrupt
        )
        if result.exit_code == 0:
            break
    assert session >= 4
    assert result.exit_code == 0
    assert result.outcomes == {Outcome.OK: ITEMS * DEPTH}
    assert asked(folder / "run") == asked(folder / "whole")


def _interrupt_after(settlements: int) -> Callable[[Engine], None]:
    """Drain the engine once its job was told of so many settlements."""

    def watch(engine: Engine) -> None:
        told_before = engine.job.on_settled
        left = settlements

        def on_settled(settled: Answered | Failed, run: RunReader) -> Iterable[Request | Verdict]:
            nonlocal left
            left -= 1
            if left == 0:
                engine.drain(StopKind.INTERRUPTED)
            return told_before(settled, run)

        engine.job.on_settled = on_settled  # type: ignore[method-assign]

    return watch


async def test_a_derived_request_that_did_not_reach_the_disk_is_asked_again(folder: Path) -> None:
    """A kill between an answer and the request that follows from it loses nothing."""
    await run(folder / "chain.toml", out=folder / "run", simulate=True)
    whole = asked(folder / "run")
    path = folder / "run" / Log.REQUESTS.file_name
    path.write_bytes(path.read_bytes()[:-5])
    assert cut_torn_end(path) > 0
    result = await run(folder / "run")
    assert result.exit_code == 0
    assert asked(folder / "run") == whole


async def test_a_changed_job_is_refused_and_named(folder: Path) -> None:
    """A spec whose requests differ from the recorded ones is bad input, unless the change is accepted."""
    await run(folder / "chain.toml", out=folder / "run", simulate=True)
    reseed(folder, 2)
    with pytest.raises(InputError, match="the spec changed since this run was made"):
        await run(folder / "chain.toml", out=folder / "run", simulate=True)
    result = await run(folder / "chain.toml", out=folder / "run", simulate=True, accept_changes=True)
    assert (result.exit_code, result.answered) == (0, ITEMS * DEPTH)
    again = await run(folder / "chain.toml", out=folder / "run", simulate=True)
    assert (again.exit_code, again.sent) == (0, 0)
    reseed(folder, 1)
    back = await run(folder / "chain.toml", out=folder / "run", simulate=True, accept_changes=True)
    assert (back.exit_code, back.answered, back.sent) == (0, ITEMS * DEPTH, 0)


def test_a_job_needs_no_engine_but_twenty_lines() -> None:
    """A job is a state machine: a loop in memory drives it to its end."""
    items = [Item(item="a", candidate="text", references=("r",))]
    run = InMemoryRun(ChainJob(lambda: iter(items)), items, lambda request: Completion(text="more")).run()
    assert [request.custom_id for request in run.requests] == ["a-0", "a-1", "a-2"]
    assert len(run.verdicts) == DEPTH
