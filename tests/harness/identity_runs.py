"""Identity runs in memory: rows of a search with what was judged of them, as the tables of a run folder."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import polars as pl

from outputs.identity.rows import identity_rows
from outputs.items import Item
from outputs.tables.columns import REQUESTS, SCORES
from outputs.tables.loading import LoadedRun


@dataclass(frozen=True, slots=True)
class Asked:
    """A question put to a target. `loose` and `strict`: what a judge said; None: unreadable, ABSENT: never judged."""

    iteration: int
    question: str
    loose: object = "absent"
    strict: object = "absent"
    target: str = "m"
    tree: int = 1
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def metadata(self) -> dict[str, Any]:
        place = {"target": self.target, "tree": self.tree, "iteration": self.iteration, "question": self.question}
        return {"item": f"question/{self.question}", "misleading": [], **place, **self.told}


def tables_of(asked: Iterable[Asked], run: str = "r") -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """The tables requests and scores of a run."""
    requests: list[dict[str, Any]] = []
    scores: list[dict[str, Any]] = []
    for number, one in enumerate(asked):
        for stage, verdict in (("ask", "absent"), ("loose", one.loose), ("strict", one.strict)):
            if stage != "ask" and verdict == "absent":
                continue
            named = {"run": run, "custom_id": f"{stage}-{number}", "stage": stage}
            told = json.dumps({**one.metadata, "stage": stage})
            seq = len(requests) + 1
            requests.append({**named, "seq": seq, "state": "answered", "metadata": told})
            if stage != "ask":
                sampled = None if verdict is None else int(cast("bool", verdict))
                value = None if sampled is None else float(sampled)
                scores.append({**named, "seq": seq, "dimension": "found", "value": value, "sampled": sampled})
    return (
        pl.DataFrame(requests, schema=REQUESTS.schema).lazy(),
        pl.DataFrame(scores, schema=SCORES.schema).lazy(),
    )


def rows_of(asked: Iterable[Asked], run: str = "r", *, simulated: bool = False) -> pl.DataFrame:
    """The identity rows of a run."""
    return identity_rows(*tables_of(asked, run), simulated=simulated)


def searched(hits: Sequence[int], target: str = "m", of: int = 10, tree: int = 1, **told: Any) -> list[Asked]:
    """A search whose iterations have so many conflicts each, all of which claim."""
    return [
        Asked(iteration, f"q{number}", number < some, True if number < some else "absent", target, tree, told)
        for iteration, some in enumerate(hits, 1)
        for number in range(of)
    ]


def loaded(
    asked: Iterable[Asked],
    folder: Path,
    *,
    run: str = "r",
    items: Iterable[Item] = (),
    spec_text: str | None = None,
    simulated: bool = False,
) -> LoadedRun:
    """What the analysis sees of a run folder; `folder` is where its requests.jsonl would be."""
    requests, scores = tables_of(asked, run)
    frames = {"requests": requests, "scores": scores}
    made = SimpleNamespace(
        name=run,
        folder=folder,
        record=SimpleNamespace(simulated=simulated, spec_text=spec_text),
        scan=frames.__getitem__,
        items=lambda: {item.item: item for item in items},
    )
    return cast("LoadedRun", made)
