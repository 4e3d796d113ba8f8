"""Runs of answers, made of texts: what models said to which prompts, and how a judge rated it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from outputs.items import Item, Turn
from outputs.tables.loading import LoadedRun
from tests.harness.table_runs import table_run

Answers = Mapping[str, Mapping[str, str | Sequence[str | None] | None]]


def answer_run(
    folder: Path,
    answers: Answers,
    *,
    reference: str = "",
    ratings: Mapping[tuple[str, str], float] | None = None,
    questions: Mapping[str, Sequence[str]] | None = None,
    repeats: Mapping[str, Mapping[str, str]] | None = None,
    job: str = "rse",
) -> LoadedRun:
    """`answers` by model and item: a text, a text for each turn, or None where there is none.

    An item is named `dataset/id`, or has no dataset. `ratings` by (item, model); `questions` are the turns of an item
    (default: one); `repeats` are second answers.
    """
    requests: list[dict[str, Any]] = []
    responses: list[dict[str, Any]] = []
    for repeat, said in enumerate((answers, repeats or {})):
        for model, by_item in said.items():
            for item, texts in by_item.items():
                turns = [texts] if texts is None or isinstance(texts, str) else texts
                for turn, text in enumerate(turns, 1):
                    told = _about(item) | {"model": model, "turn": turn, "repeat": repeat}
                    seq = len(requests) + 1
                    state = "failed" if text is None else "answered"
                    requests.append({**_about(item), "seq": seq, "metadata": json.dumps(told), "state": state})
                    if text is not None:
                        responses.append({**_about(item), "seq": seq, "request": seq, "counts": True, "text": text})
    scores = [
        {**_about(item), "stage": "judge", "model": model, "reference": reference, "control": False,
         "dimension": "overall", "outcome": "ok", "value": value}
        for (item, model), value in (ratings or {}).items()
    ]  # fmt: skip
    run = table_run(folder, {"requests": requests, "responses": responses, "scores": scores}, job=job)
    spec = f"reference = {json.dumps(reference)}" if reference else None
    items = dict.fromkeys(item for by_item in answers.values() for item in by_item)
    lines = [msgspec.json.encode(_item(name, (questions or {}).get(name, ("Why?",)))) for name in items]
    (folder / "items.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    return replace(run, record=msgspec.structs.replace(run.record, spec_text=spec))


def _about(item: str) -> dict[str, Any]:
    return {"stage": "answer", "item": item, "dataset": item.rpartition("/")[0]}


def _item(name: str, asked: Sequence[str]) -> Item:
    return Item(item=name, dataset=name.rpartition("/")[0], messages=tuple(Turn("user", text) for text in asked))
