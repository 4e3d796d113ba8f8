"""One or more runs at once against a server that limits, and what their logs say of the rate they kept."""

import contextlib
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from overnight_run import run_command
from processes import running

WARM_UP_S = 75.0  # a bucket that was full at the start is empty by then, or will not be emptied
_TAIL = 0.95  # of a run's answers: the last ones come while there is nothing left to send
_TOO_MANY = 429


class Limits(NamedTuple):
    """What a server lets in a minute."""

    rpm: float
    tpm: float


class Answer(NamedTuple):
    """When an answer came, in seconds since 1970, and its tokens."""

    at: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Ran:
    """`use` of the limit that binds most, once warm; `refused` of all calls; `share` of the run that got least."""

    use: float
    refused: float
    share: float | None


def run_at_once(folder: Path, runs: int, concurrency: int, timeout_s: float, limits: Limits) -> Ran:
    """Run the folder's manifest so many times at once, to the end. Raises ChildError."""
    names = [f"run-{number}" for number in range(runs)]
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(running(run_command(concurrency, name), folder=folder)) for name in names]
        for child in children:
            child.finish(timeout_s)
    answers = [read_answers(_lines(folder / name / "responses.jsonl")) for name in names]
    refused = sum(refusals(_lines(folder / name / "attempts.jsonl")) for name in names)
    return ran(answers, refused, limits)


def ran(runs: Sequence[Sequence[Answer]], refused: int, limits: Limits) -> Ran:
    """What the answers of all runs come to, from when they are warm until the first of them has nearly all its own."""
    start = max(min(answer.at for answer in run) for run in runs) + WARM_UP_S
    end = min(sorted(answer.at for answer in run)[int(_TAIL * (len(run) - 1))] for run in runs)
    if end <= start:
        raise ValueError(f"the runs took less than {WARM_UP_S:g} s: more rows are needed")
    within = [[answer for answer in run if start <= answer.at < end] for run in runs]
    minutes = (end - start) / 60
    calls = sum(len(run) for run in within)
    tokens = sum(answer.tokens for run in within for answer in run)
    share = min(len(run) for run in within) / calls if len(runs) > 1 else None
    all_calls = refused + sum(len(run) for run in runs)
    return Ran(max(calls / limits.rpm, tokens / limits.tpm) / minutes, refused / all_calls, share)


def read_answers(lines: Iterable[dict[str, Any]]) -> list[Answer]:
    """By the lines of `responses.jsonl`."""
    return [
        Answer(line["at"], sum(line["usage"][name] for name in ("input_tokens", "output_tokens"))) for line in lines
    ]


def refusals(lines: Iterable[dict[str, Any]]) -> int:
    """Attempts that were answered 429, by the lines of `attempts.jsonl`."""
    return sum(line.get("status") == _TOO_MANY for line in lines)


def write_rows(file: Path, rows: int) -> None:
    """A manifest of short and long questions; the same each time."""
    draw = random.Random(0)
    with file.open("w", encoding="utf-8") as out:
        for number in range(rows):
            text = f"{number}: " + "What of the brown dog? " * draw.randint(2, 100)
            body = {"model": "m", "max_tokens": 200, "messages": [{"role": "user", "content": text}]}
            line = {"custom_id": f"row-{number}", "method": "POST", "url": "/v1/chat/completions", "provider": "lab"}
            out.write(json.dumps(line | {"body": body}) + "\n")


def write_limits(file: Path, url: str, told: Mapping[str, int]) -> None:
    """A catalog with the server as provider `lab`, and what is told of its limits, by their names there."""
    text = f'[providers.lab]\nprotocol = "openai"\nbase_url = "{url}/v1"\nfree = true\n'
    if told:
        text += "[providers.lab.limits]\n" + "".join(f"{name} = {value}\n" for name, value in told.items())
    file.write_text(text, encoding="utf-8")


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    with file.open("rb") as lines:
        yield from map(json.loads, lines)
