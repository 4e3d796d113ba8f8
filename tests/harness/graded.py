"""A job in two stages: models answer each item, and a judge grades each answer, in a lane that may be a model's too."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jobs.bodies import chat_body, user
from jobs.datasets import Holds, open_dataset
from jobs.materials import Materials
from jobs.models import ModelName, read_model, read_models
from jobs.protocol import Answered, Expected, Failed, Request, RunReader, Verdict
from jobs.registry import KINDS, DatasetSpec, JobKind, JobSpec
from outputs.items import Item
from prompts.records import Outcome


class GradedSpec(JobSpec, frozen=True, kw_only=True):
    """Who answers, and who judges with which parameters."""

    models: tuple[str, ...]
    judge: str
    dataset: DatasetSpec
    judge_params: dict[str, Any] = {}  # noqa: RUF012


@dataclass(slots=True)
class GradedJob:
    """A grade that begins with `good` can be read."""

    read_items: Callable[[], Iterator[Item]]
    models: tuple[ModelName, ...]
    judge: ModelName
    judge_params: dict[str, Any] = field(default_factory=dict)
    name: str = "graded"
    follows_up: bool = True

    def items(self) -> Iterator[Item]:
        return self.read_items()

    def start(self, items: Iterable[Item]) -> Iterator[Request]:
        return (self._ask(item, number, model) for item in items for number, model in enumerate(self.models))

    def expected(self, items: Iterable[Item]) -> Iterator[Expected]:
        rows = sum(1 for _ in items) * len(self.models)
        yield Expected(stage="judge", rows=rows, request=self._grade("any", "an answer"))

    def notes(self) -> tuple[str, ...]:
        return (f"{self.judge} judges its own answers",) if self.judge in self.models else ()

    def on_settled(self, settled: Answered | Failed, run: RunReader) -> Iterator[Request | Verdict]:
        if isinstance(settled, Failed):
            return
        text = settled.completion.text or ""
        if settled.metadata["stage"] == "answer":
            yield self._grade(settled.custom_id, text)
        else:
            yield Verdict(settled.custom_id, Outcome.OK if text.startswith("good") else Outcome.UNPARSEABLE)

    def _ask(self, item: Item, number: int, model: ModelName) -> Request:
        return Request(
            custom_id=f"{item.item}-{number}",
            body=chat_body(model.model, [user(item.candidate)], {"max_tokens": 10}),
            provider=model.provider,
            metadata={"stage": "answer", "item": item.item, "model": str(model)},
        )

    def _grade(self, answer: str, text: str) -> Request:
        return Request(
            custom_id=f"judge-{answer}",
            body=chat_body(self.judge.model, [user(f"grade {text}")], {"max_tokens": 20, **self.judge_params}),
            provider=self.judge.provider,
            metadata={"stage": "judge", "item": answer},
        )


def write_graded_spec(
    folder: Path,
    items: int,
    monkeypatch: pytest.MonkeyPatch,
    *,
    models: Iterable[str] = ("lab-1", "lab-2"),
    judge: str = "lab-1",
    more: str = "",
) -> Path:
    """A spec of the job with its dataset, in `folder`; the job is known while the test lasts. `more` is TOML."""

    def build(spec: GradedSpec, materials: Materials) -> GradedJob:
        read_items = open_dataset(spec.dataset, materials, "msvd-eval", Holds.CAPTIONS)
        models = read_models(spec.models, materials.providers, materials.source)
        judge = read_model(spec.judge, materials.providers, materials.source, "judge")
        return GradedJob(read_items, models, judge, spec.judge_params)

    module = ModuleType("graded_job")
    module.KIND = JobKind(GradedSpec, build)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "graded_job", module)
    monkeypatch.setitem(KINDS, "graded", "graded_job")
    write_captions(folder / "items.json", items)
    spec = folder / "graded.toml"
    lines = ['job = "graded"', f"models = {json.dumps(list(models))}", f'judge = "{judge}"', more]
    spec.write_text("\n".join(lines) + '\n[dataset]\npath = "items.json"\n')
    return spec


def write_captions(path: Path, items: int) -> None:
    """A dataset of so many captions."""
    entry = {"vname": "v", "ref": ["r"], "human_score": [[1, 1, 1, 1, 1]]}
    path.write_text(json.dumps({f"i{n}": {**entry, "candidate": f"Caption {n}"} for n in range(items)}))
