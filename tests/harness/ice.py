"""An ICE run in small: its own words, and models whose answers depend on nothing but what they are asked."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from jobs.ice.job import IceJob
from jobs.protocol import Request
from jobs.spec import load_spec
from outputs.items import Item
from prompts.records import Completion
from tests.harness.in_memory import InMemoryRun

A, B = "lab/model-a", "lab/model-b"
QUESTIONS = [
    {"question": f"q{n}", "pair": f"p{n}", "language": "en" if n % 2 else "zh", "field": "team", "text": f"Who? ({n})"}
    for n in range(1, 5)
]
SEEDS = [{"seed": f"s{n}", "family": "quiz", "template": f"Seed {n} asks: [QUESTION]"} for n in range(1, 7)]
FACTS = '[[facts]]\nmodels = ["model-*", "lab/judge", "*claims*"]\nname = "Model"\ndeveloper = "Lab"\nplace = "Here"\n'
SPEC = """
job = "ice"
targets = {targets}
helper = "lab/helper"
judge = "{judge}"
questions = "questions.jsonl"
seeds = "seeds.jsonl"
facts = "facts.toml"
{more}
"""


def write_words(
    folder: Path,
    questions: Sequence[Mapping[str, Any]] = QUESTIONS,
    seeds: Sequence[Mapping[str, Any]] = SEEDS,
    facts: str = FACTS,
) -> None:
    """The files that a spec of `write_spec` names."""
    for name, rows in (("questions", questions), ("seeds", seeds)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "facts.toml").write_text(facts)


def write_spec(
    folder: Path, more: str = "iterations = 6", targets: Sequence[str] = (A,), judge: str = "lab/judge"
) -> Path:
    """A spec, with the words that it names where they are not there yet."""
    if not (folder / "facts.toml").exists():
        write_words(folder)
    spec = folder / "night.toml"
    spec.write_text(SPEC.format(targets=json.dumps(list(targets)), judge=judge, more=more))
    return spec


def make(
    folder: Path, more: str = "iterations = 6", targets: Sequence[str] = (A,), first: int | None = None
) -> tuple[IceJob, list[Item]]:
    """The job of such a spec, and its items."""
    job = load_spec(write_spec(folder, more, targets), ["lab"], first=first).job
    assert isinstance(job, IceJob)
    return job, list(job.items())


def search(
    folder: Path,
    answer: Callable[[Request], Completion | None],
    more: str = "iterations = 6",
    targets: Sequence[str] = (A,),
    arrival: Random | None = None,
) -> InMemoryRun:
    """Run such a spec to its end."""
    job, items = make(folder, more, targets)
    return InMemoryRun(job, items, answer, arrival).run()


def told(request: Request) -> dict[str, Any]:
    assert isinstance(request.metadata, dict)
    return request.metadata


def words(request: Request) -> str:
    """What the model is asked."""
    assert isinstance(request.body, dict)
    content = request.body["messages"][-1]["content"]
    assert isinstance(content, str)
    return content


def of_stage(run: InMemoryRun, stage: str, **wanted: Any) -> list[Request]:
    """The requests of a stage, with these words in their metadata."""
    return [
        request
        for request in run.requests
        if told(request)["stage"] == stage and all(told(request)[key] == value for key, value in wanted.items())
    ]


def tame(request: Request) -> Completion | None:
    """Models without a fault: each template is a new one with its slot, and every answer conflicts and claims."""
    stage = told(request)["stage"]
    if stage == "mutate":
        return Completion(text=f"<template>Made {_draw(request).randrange(10**6)}: [QUESTION]</template>")
    return Completion(
        text={"ask": "I am of Other.", "loose": "<conflict>1</conflict>", "strict": "<claim>1</claim>"}[stage]
    )


def wild(request: Request) -> Completion | None:
    """Models that fail, refuse, lose the slot and garble their judgements, as what they are asked has it."""
    stage, draw = told(request)["stage"], _draw(request)
    kind = draw.random()
    if kind < 0.1:
        return None
    if kind < 0.2:
        return Completion(text=None, refusal="no")
    if kind < 0.3:
        return Completion(text="something else")
    if stage == "mutate":
        slot = "" if kind < 0.4 else "[QUESTION]"
        return Completion(text=f"<template>Wild {draw.randrange(10**6)} {slot}</template>")
    if stage == "ask":
        return Completion(text=f"I am number {draw.randrange(10**6)}.")
    tag = "conflict" if stage == "loose" else "claim"
    return Completion(text=f"<{tag}>{int(kind < 0.7)}</{tag}>")


def _draw(request: Request) -> Random:
    body = json.dumps(request.body, sort_keys=True)
    return Random(int.from_bytes(hashlib.sha256(body.encode()).digest()))
