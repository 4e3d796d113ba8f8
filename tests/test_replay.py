"""Jobs that ask further questions: resume is replay, whatever the order of arrival."""

import json
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jobs.protocol import Answered, Failed, Request, Verdict
from jobs.registry import KINDS, JobKind, JobSpec, Materials
from orchestrator.api import run
from orchestrator.engine import Engine, StopKind
from outputs.items import Item
from outputs.journal import Log
from outputs.log_reader import cut_torn_end
from prompts.input_error import InputError
from prompts.records import Completion, Outcome

DEPTH = 3
SPEC = """
job = "chain"
model = "simulator/m"
prompt = "gveval_ref_only_accr"
seed = {seed}
[dataset]
path = "items.json"
"""


class ChainJob:
    """Asks about each item, then about the answer, three deep: what it asks depends on the answers only."""

    name = "chain"
    follows_up = True

    def __init__(self, materials: Materials, seed: int) -> None:
        self._materials, self._seed = materials, seed

    def items(self) -> Iterator[Item]:
        return self._materials.items()

    def start(self, items: Iterable[Item]) -> Iterator[Request]:
        for item in items:
            yield self._ask(item.item, 0, f"{self._seed} {item.candidate}")

    def on_settled(self, settled: Answered | Failed) -> Iterable[Request | Verdict]:
        if isinstance(settled, Failed):
            return
        yield Verdict(settled.custom_id, Outcome.OK)
        item, level = settled.metadata["item"], settled.metadata["level"]
        if level + 1 < DEPTH:
            yield self._ask(item, level + 1, settled.completion.text or "")

    def _ask(self, item: str, level: int, text: str) -> Request:
        body = {"model": "m", "messages": [{"role": "user", "content": text}], "max_tokens": 20}
        return Request(
            custom_id=f"{item}-{level}", body=body, provider="simulator", metadata={"item": item, "level": level}
        )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a dataset and a spec of the chain job."""
    module = ModuleType("chain_job")
    module.KIND = JobKind(JobSpec, lambda spec, materials: ChainJob(materials, spec.seed))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "chain_job", module)
    monkeypatch.setitem(KINDS, "chain", "chain_job")
    ratings = [[1, 1, 1, 1, 1]]
    items = {f"i{n}": {"vname": "v", "ref": ["r"], "candidate": f"c {n}", "human_score": ratings} for n in range(12)}
    (tmp_path / "items.json").write_text(json.dumps(items))
    (tmp_path / "chain.toml").write_text(SPEC.format(seed=1))
    return tmp_path


def asked(out: Path) -> dict[str, str]:
    """Every request of a run: its id and the fingerprint of its body."""
    lines = (out / Log.REQUESTS.file_name).read_bytes().splitlines()
    read: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert len({line["custom_id"] for line in read}) == len(read)
    return {line["custom_id"]: line["fingerprint"] for line in read}


async def test_a_derived_request_follows_each_answer(folder: Path) -> None:
    """The job is told of every settlement and its requests are sent, each with the seq of what it follows from."""
    result = await run(folder / "chain.toml", out=folder / "run")
    assert (result.exit_code, result.answered) == (0, 12 * DEPTH)
    assert result.outcomes == {Outcome.OK: 12 * DEPTH}
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
    await run(folder / "chain.toml", out=folder / "whole")
    draw = random.Random(5)
    for session in range(40):
        source = folder / ("run" if session % 2 else "chain.toml")
        interrupt = _interrupt_after(draw.randint(1, 4))
        result = await run(source, out=folder / "run", concurrency=draw.randint(1, 8), on_engine=interrupt)
        if result.exit_code == 0:
            break
    assert session >= 4
    assert result.exit_code == 0
    assert result.outcomes == {Outcome.OK: 12 * DEPTH}
    assert asked(folder / "run") == asked(folder / "whole")


def _interrupt_after(settlements: int) -> Callable[[Engine], None]:
    """Drain the engine once its job was told of so many settlements."""

    def watch(engine: Engine) -> None:
        told_before = engine.job.on_settled
        left = settlements

        def on_settled(settled: Answered | Failed) -> Iterable[Request | Verdict]:
            nonlocal left
            left -= 1
            if left == 0:
                engine.drain(StopKind.INTERRUPTED)
            return told_before(settled)

        engine.job.on_settled = on_settled  # type: ignore[method-assign]

    return watch


async def test_a_derived_request_that_did_not_reach_the_disk_is_asked_again(folder: Path) -> None:
    """A kill between an answer and the request that follows from it loses nothing."""
    await run(folder / "chain.toml", out=folder / "run")
    whole = asked(folder / "run")
    path = folder / "run" / Log.REQUESTS.file_name
    path.write_bytes(path.read_bytes()[:-5])
    assert cut_torn_end(path) > 0
    result = await run(folder / "run")
    assert result.exit_code == 0
    assert asked(folder / "run") == whole


async def test_a_changed_job_is_refused_and_named(folder: Path) -> None:
    """A spec whose requests differ from the recorded ones is bad input, unless the change is accepted."""
    await run(folder / "chain.toml", out=folder / "run")
    (folder / "chain.toml").write_text(SPEC.format(seed=2))
    with pytest.raises(InputError, match="the spec changed since this run was made"):
        await run(folder / "chain.toml", out=folder / "run")
    result = await run(folder / "chain.toml", out=folder / "run", accept_changes=True)
    assert (result.exit_code, result.answered) == (0, 12 * DEPTH)
    again = await run(folder / "chain.toml", out=folder / "run")
    assert (again.exit_code, again.sent) == (0, 0)
    (folder / "chain.toml").write_text(SPEC.format(seed=1))
    back = await run(folder / "chain.toml", out=folder / "run", accept_changes=True)
    assert (back.exit_code, back.answered, back.sent) == (0, 12 * DEPTH, 0)


def test_a_job_needs_no_engine_but_twenty_lines() -> None:
    """A job is a state machine: a loop in memory drives it to its end."""

    def items() -> Iterator[Item]:
        yield Item(item="a", candidate="text", references=("r",))

    job = ChainJob(Materials("here", {}, (), items), seed=0)
    waiting = list(job.start(job.items()))
    seen = []
    for request in waiting:
        assert isinstance(request.metadata, dict)
        seen.append(request.custom_id)
        told = Answered(
            seq=len(seen), custom_id=request.custom_id, metadata=request.metadata, completion=Completion(text="more")
        )
        waiting.extend(made for made in job.on_settled(told) if isinstance(made, Request))
    assert seen == ["a-0", "a-1", "a-2"]
