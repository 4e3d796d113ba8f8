"""Specs of RSE runs, and their jobs."""

import json
from typing import Any

from jobs.rse import RSEJob
from jobs.spec import restore_spec
from prompts.template import load_prompt

PROMPT = load_prompt("rse_judge")
HEAD = 'job = "rse"\nreference = "simulator/ref"'
MODELS, JUDGES = ["simulator/m1", "simulator/m2"], ["simulator/judge"]
PATHS = [{"name": "a", "path": "a.jsonl"}, {"name": "b", "path": "b.jsonl"}]


def spec_text(
    more: str = "",
    datasets: list[dict[str, Any]] | None = None,
    models: list[str] | None = None,
    judges: list[str] | None = None,
) -> str:
    """A spec with some more lines."""
    lines = [
        HEAD,
        *assigned({"models": MODELS if models is None else models, "judges": JUDGES if judges is None else judges}),
        more,
    ]
    for one in datasets or PATHS:
        lines += ["[[datasets]]", *assigned(one)]
    return "\n".join(lines)


def assigned(values: dict[str, Any]) -> list[str]:
    return [f"{key} = {json.dumps(value)}" for key, value in values.items()]


def build(
    more: str = "", prompt: str = PROMPT.text, models: list[str] | None = None, judges: list[str] | None = None
) -> RSEJob:
    text = spec_text(more, models=models, judges=judges)
    job = restore_spec(text, {"rse_judge": prompt}, ["simulator", "other"], name="night").job
    assert isinstance(job, RSEJob)
    return job
