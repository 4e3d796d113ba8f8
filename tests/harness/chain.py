"""A job that asks about each item, then about the answer, a few times: what it asks depends on the answers only."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from jobs.protocol import Answered, Failed, Request, Verdict
from jobs.registry import KINDS, JobKind, JobSpec, Materials
from outputs.items import Item
from tests.harness.asking import body

DEPTH = 3
_SPEC = """
job = "chain"
model = "model-a"
prompt = "gveval_ref_only_accr"
[dataset]
path = "items.json"
"""


class ChainJob:
    """`DEPTH` questions about each item."""

    name = "chain"
    follows_up = True

    def __init__(self, materials: Materials) -> None:
        self._materials = materials

    def items(self) -> Iterator[Item]:
        return self._materials.items()

    def start(self, items: Iterable[Item]) -> Iterator[Request]:
        return (self._ask(item.item, 0, item.candidate) for item in items)

    def on_settled(self, settled: Answered | Failed) -> Iterable[Request | Verdict]:
        if isinstance(settled, Failed) or settled.metadata["level"] + 1 == DEPTH:
            return ()
        item, level = settled.metadata["item"], settled.metadata["level"] + 1
        return (self._ask(item, level, f"{item} {level} {settled.completion.text}"),)

    def _ask(self, item: str, level: int, text: str) -> Request:
        return Request(custom_id=f"{item}-{level}", body=body(text), metadata={"item": item, "level": level})


def write_chain_spec(folder: Path, items: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec of the job with its dataset, in `folder`; the job is known while the test lasts."""
    module = ModuleType("chain_job")
    module.KIND = JobKind(JobSpec, lambda _, materials: ChainJob(materials))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "chain_job", module)
    monkeypatch.setitem(KINDS, "chain", "chain_job")
    ratings = [[1, 1, 1, 1, 1]]
    dataset = {
        f"i{n}": {"vname": "v", "ref": ["r"], "candidate": f"Caption {n}", "human_score": ratings} for n in range(items)
    }
    (folder / "items.json").write_text(json.dumps(dataset))
    spec = folder / "chain.toml"
    spec.write_text(_SPEC)
    return spec


def chain_ids(items: int) -> set[str]:
    return {f"i{n}-{level}" for n in range(items) for level in range(DEPTH)}
