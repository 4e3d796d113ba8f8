"""A job that asks about each item, then about the answer, a few times: what it asks depends on the answers only."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from jobs.datasets import Holds, open_dataset
from jobs.materials import Materials
from jobs.protocol import Answered, Expected, Failed, Request, RunReader, Verdict
from jobs.registry import KINDS, DatasetSpec, JobKind, JobSpec
from outputs.items import Item
from prompts.records import Outcome
from tests.harness.asking import body

DEPTH = 3
_SPEC = """
job = "chain"
seed = {seed}
[dataset]
path = "items.json"
"""


class ChainSpec(JobSpec, frozen=True, kw_only=True):
    """A chain's dataset."""

    dataset: DatasetSpec


class ChainJob:
    """`DEPTH` questions about each item."""

    name = "chain"
    follows_up = True

    def __init__(self, read_items: Callable[[], Iterator[Item]], seed: int = 0) -> None:
        self._read_items, self._seed = read_items, seed

    def items(self) -> Iterator[Item]:
        return self._read_items()

    def start(self, items: Iterable[Item]) -> Iterator[Request]:
        return (self._ask(item.item, 0, f"{item.candidate} (seed {self._seed})") for item in items)

    def expected(self, items: Iterable[Item]) -> Iterator[Expected]:
        rows = sum(1 for _ in items) * (DEPTH - 1)
        yield Expected(stage="chain", rows=rows, request=self._ask("any", 1, "any"))

    def notes(self) -> tuple[str, ...]:
        return ()

    def on_settled(self, settled: Answered | Failed, run: RunReader) -> Iterator[Request | Verdict]:
        if isinstance(settled, Failed):
            return
        yield Verdict(settled.custom_id, Outcome.OK)
        item, level = settled.metadata["item"], settled.metadata["level"] + 1
        if level < DEPTH:
            yield self._ask(item, level, f"{item} {level} {settled.completion.text}")

    def _ask(self, item: str, level: int, text: str) -> Request:
        metadata = {"item": item, "level": level, "stage": "chain"}
        return Request(custom_id=f"{item}-{level}", body=body(text), metadata=metadata)


def know_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let specs name the job while the test lasts."""

    def build(spec: ChainSpec, materials: Materials) -> ChainJob:
        return ChainJob(open_dataset(spec.dataset, materials, "msvd-eval", Holds.CAPTIONS), spec.seed)

    module = ModuleType("chain_job")
    module.KIND = JobKind(ChainSpec, build)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "chain_job", module)
    monkeypatch.setitem(KINDS, "chain", "chain_job")


def write_chain_spec(folder: Path, items: int, monkeypatch: pytest.MonkeyPatch, seed: int = 0) -> Path:
    """A spec of the job with its dataset, in `folder`; the job is known while the test lasts."""
    know_chain(monkeypatch)
    ratings = [[1, 1, 1, 1, 1]]
    dataset = {
        f"i{n}": {"vname": "v", "ref": ["r"], "candidate": f"Caption {n}", "human_score": ratings} for n in range(items)
    }
    (folder / "items.json").write_text(json.dumps(dataset))
    spec = folder / "chain.toml"
    spec.write_text(_SPEC.format(seed=seed))
    return spec


def chain_ids(items: int) -> set[str]:
    return {f"i{n}-{level}" for n in range(items) for level in range(DEPTH)}
