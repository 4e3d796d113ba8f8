"""An RSE run whose stages overlap, beside each of its stages alone: judging must not wait for the last answer.

Six test models and a reference answer prompts, and a judge rates the pairs; one model is slower than the others, and
the judge is as slow as that one. All are simulated. Each stage alone is a plain manifest of the same requests, taken
from the log of the run. Two cases: a judge with as many calls in flight as a model has, whose stage is by far the
longer; and one with so many more that both stages take equally long, so that waiting would show most.
"""

import argparse
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overnight_run import CATALOG, overnight
from processes import run_to_end
from program import add_folder, parser, tell, whole_number
from report import Report, Verdict
from scratch import scratch_folder
from serving import PORT, serving
from targets import exit_by_targets

_CHILD_S = 600.0
_MOST = 1.15
_MODELS = ("reference", *(f"model-{number}" for number in range(1, 6)), "model-6-slow-2")
_JUDGE = "judge-slow-2"
_SPEC = "rse.toml"
_STAGES = {"answers": "answer", "judgements": "judge"}


@dataclass(frozen=True, slots=True)
class Case:
    """`judging` is how many calls the judge has in flight."""

    name: str
    judging: int


@dataclass(frozen=True, slots=True)
class Times:
    """Wall seconds of the whole command."""

    overlapped: float
    answers: float
    judgements: float

    @property
    def ratio(self) -> float:
        return self.overlapped / max(self.answers, self.judgements)


def measure(given: argparse.Namespace) -> Report:
    """Both cases, one after the other."""
    per_model = given.concurrency
    cases = (Case("stages of equal length", per_model * len(_MODELS)), Case("as many calls in flight", per_model))
    found: dict[str, Times] = {}
    simulator = [overnight(), "simulate", "--port", PORT, "--latency-s", str(given.latency_s)]
    with scratch_folder(given.dir) as folder, serving(simulator, folder) as root:
        _write_spec(folder, given.prompts)
        for case in cases:
            tell(f"{case.name}: {case.judging} judgements in flight")
            _write_catalog(folder, f"{root}/v1", per_model, case.judging)
            found[case.name] = _times(folder)
    return _report(found, given)


def _times(folder: Path) -> Times:
    """The run itself, and then each of its stages from a manifest of its requests."""
    overlapped = _wall_s(folder, _SPEC, "run")
    alone = {}
    for name, stage in _STAGES.items():
        lines = list(_asked(folder / "run" / "requests.jsonl", stage))
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        alone[name] = _wall_s(folder, f"{name}.jsonl", name)
    for name in ("run", *_STAGES):
        shutil.rmtree(folder / name)
    return Times(overlapped, **alone)


def _wall_s(folder: Path, source: str, run: str) -> float:
    """From before the process is made until it has ended. Raises ChildError where not every row was answered."""
    tell(f"  {run}")
    # Each model's own limit, in the catalog, is what bounds it.
    command = [overnight(), "run", source, "--out", run, "--concurrency", "1000", "--quiet"]
    return run_to_end(command, _CHILD_S, folder=folder).wall_s


def _asked(requests: Path, stage: str) -> Iterator[dict[str, Any]]:
    """The requests of a stage as lines of a manifest."""
    with requests.open("rb") as lines:
        for line in map(json.loads, lines):
            if line["metadata"]["stage"] == stage:
                yield {key: line[key] for key in ("custom_id", "method", "url", "body", "provider")}


def _write_spec(folder: Path, prompts: int) -> None:
    rows = ({"id": f"p{n}", "prompt": f"Tell me what happened on day {n} of the journey."} for n in range(prompts))
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    reference, *tested = (f"lab/{model}" for model in _MODELS)
    (folder / _SPEC).write_text(
        f'job = "rse"\nreference = "{reference}"\nmodels = {json.dumps(tested)}\njudges = ["lab/{_JUDGE}"]\n'
        '[[datasets]]\npath = "prompts.jsonl"\n',
        encoding="utf-8",
    )


def _write_catalog(folder: Path, base_url: str, per_model: int, judging: int) -> None:
    in_flight = dict.fromkeys(_MODELS, per_model) | {_JUDGE: judging}
    limits = "".join(f'[providers.lab.limits."{model}"]\nconcurrency = {most}\n' for model, most in in_flight.items())
    head = f'[providers.lab]\nprotocol = "openai"\nbase_url = "{base_url}"\nfree = true\n'
    (folder / CATALOG).write_text(head + limits, encoding="utf-8")


def _report(found: dict[str, Times], given: argparse.Namespace) -> Report:
    report = Report(
        f"Simulated: seconds of an RSE run, {len(_MODELS) - 1} test models and a reference, {given.prompts} prompts",
        ("", "both stages", "answers alone", "judgements alone"),
        rows=[
            (name, f"{times.overlapped:.1f}", f"{times.answers:.1f}", f"{times.judgements:.1f}")
            for name, times in found.items()
        ],
        notes=[
            f"{given.concurrency} calls in flight per model, {given.latency_s:g} s each, twice that for the slow ones"
        ],
        numbers={name: [times.overlapped, times.answers, times.judgements] for name, times in found.items()},
    )
    for name, times in found.items():
        figure, target = f"{times.ratio:.2f} times", f"at most {_MOST:g}"
        report.verdicts.append(
            Verdict(f"overnight run, {name}", figure, "the longer stage alone", target, times.ratio <= _MOST)
        )
    return report


def _arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--prompts", type=whole_number, default=300)
    made.add_argument("--concurrency", type=whole_number, default=8, help="calls in flight per model")
    made.add_argument("--latency-s", type=float, default=0.1, help="of a fast model; the slow one takes twice that")
    add_folder(made)
    return made


if __name__ == "__main__":
    exit_by_targets(_arguments(), measure)
