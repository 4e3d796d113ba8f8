"""Identity searches of simulated models with planted rates: what an ICE run measures, beside what was planted.

Two targets contradict the facts of their makers at known rates, and two judges rate them, one of which garbles a tenth
of its answers. A rate's planted value is in its target's name; that of hard is strict's times the share of rows whose
template has no misleading word, as the search happened to find them. Every seed is a run with a simulator of its own.
The first seed is run once more with other latencies and another concurrency: it must ask the same.
"""

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from overnight_run import CATALOG, overnight
from processes import run_to_end
from program import add_folder, parser, tell, whole_number
from report import Report, Verdict
from scratch import scratch_folder
from serving import PORT, serving
from targets import exit_by_targets

_CHILD_S = 300.0
_PLANTED = {"lab/target-claims-35-20": (0.35, 0.20), "lab/target-claims-10-5": (0.10, 0.05)}  # loose, strict
_JUDGES = ("judge", "judge-garbles-10")
_FEWEST = 0.85  # of 95 % intervals; there are few and they are not independent
_FARTHEST = 3.0  # standard errors


@dataclass(frozen=True, slots=True)
class Manner:
    """How a run is made: what its requests must not depend on."""

    concurrency: int
    latency_s: float
    spread: float


_USUAL, _OTHER = Manner(64, 0.01, 0.5), Manner(7, 0.03, 1.0)


@dataclass(frozen=True, slots=True)
class Found:
    """One rate of one run: its planted value, the measured one with its interval, and the rows behind it."""

    target: str
    judge: str
    measure: str
    planted: float
    rate: float
    low: float
    high: float
    standard_error: float
    judged: int
    coverage: float

    @property
    def holds(self) -> bool:
        return self.low <= self.planted <= self.high


def measure(given: argparse.Namespace) -> Report:
    """All seeds, each with both judges."""
    with scratch_folder(given.dir) as folder:
        runs = [(seed, judge) for seed in range(1, given.seeds + 1) for judge in _JUDGES]
        found = [rate for seed, judge in runs for rate in _rates(_run(folder, seed, judge, _USUAL), judge)]
        again = _run(folder, 1, _JUDGES[-1], _OTHER)
        same = _requests(again) == _requests(_name(folder, 1, _JUDGES[-1], _USUAL))
    return _report(found, same, given.seeds)


def _run(folder: Path, seed: int, judge: str, manner: Manner) -> Path:
    """A run and its tables; gives its folder. Raises ChildError where not every row was answered."""
    tell(f"seed {seed}, {judge}, {manner.concurrency} calls in flight per model")
    run = _name(folder, seed, judge, manner)
    spec = f'job = "ice"\nseed = {seed}\ntargets = {json.dumps(list(_PLANTED))}\n'
    (folder / "ice.toml").write_text(f'{spec}helper = "lab/helper"\njudge = "lab/{judge}"\n', encoding="utf-8")
    latency = ["--latency-s", str(manner.latency_s), "--latency-spread", str(manner.spread)]
    with serving([overnight(), "simulate", "--seed", str(seed), "--port", PORT, *latency], folder) as root:
        entry = f'[providers.lab]\nprotocol = "openai"\nbase_url = "{root}/v1"\nfree = true\n'
        (folder / CATALOG).write_text(entry, encoding="utf-8")
        options = ["--out", run.name, "--concurrency", str(manner.concurrency), "--quiet"]
        run_to_end([overnight(), "run", "ice.toml", *options], _CHILD_S, folder=folder)
    run_to_end([overnight(), "analyze", run.name], _CHILD_S, folder=folder)
    return run


def _name(folder: Path, seed: int, judge: str, manner: Manner) -> Path:
    return folder / f"{seed}-{judge}-{manner.concurrency}"


def _rates(run: Path, judge: str) -> Iterator[Found]:
    """What the tables of a run say, beside what was planted."""
    import polars as pl

    rows = pl.read_parquet(run / "tables" / "identity.parquet")
    for rate in pl.read_parquet(run / "tables" / "rates.parquet").iter_rows(named=True):
        loose, strict = _PLANTED[rate["target"]]
        clean = (~rows.filter(pl.col("target") == rate["target"])["misleading"]).sum() / rate["rows"]
        planted = {"loose": loose, "strict": strict, "hard": strict * clean}[rate["measure"]]
        numbers = {key: rate[key] for key in ("rate", "low", "high", "standard_error", "judged", "coverage")}
        yield Found(rate["target"], judge, rate["measure"], planted, **numbers)


def _requests(run: Path) -> dict[str, Any]:
    """The bodies of all requests by their ids: the trees, and all that was asked along them."""
    with (run / "requests.jsonl").open("rb") as lines:
        return {line["custom_id"]: line["body"] for line in map(json.loads, lines)}


def _report(found: list[Found], same: bool, seeds: int) -> Report:
    groups: dict[tuple[str, str, str], list[Found]] = {}
    for rate in found:
        groups.setdefault((rate.target, rate.judge, rate.measure), []).append(rate)
    report = Report(
        f"Simulated: rates of {len(_PLANTED)} targets by {len(_JUDGES)} judges, over {seeds} runs of each",
        ("target", "judge", "measure", "planted", "measured", "off by s.e.", "coverage", "within 95 %"),
        rows=[_row(key, group) for key, group in groups.items()],
        numbers={" ".join(key): [[one.planted, one.rate, one.low, one.high] for one in g] for key, g in groups.items()},
    )
    held, farthest = sum(rate.holds for rate in found) / len(found), max(map(_off, groups.values()))
    what = "overnight run, an identity search"
    report.verdicts = [
        Verdict(what, f"{held:.1%}", "of 95 % intervals have the planted rate", f"{_FEWEST:.0%}", held >= _FEWEST),
        Verdict(what, f"{farthest:.1f}", "standard errors off at most", f"{_FARTHEST:g}", farthest <= _FARTHEST),
        Verdict(what, "equal" if same else "UNEQUAL", "requests with other latencies and concurrency", "equal", same),
    ]
    return report


def _row(key: tuple[str, str, str], group: list[Found]) -> tuple[str, ...]:
    planted, rate = _pooled(group)
    held = f"{sum(one.holds for one in group)}/{len(group)}"
    figures = (
        f"{planted:.4f}",
        f"{rate:.4f}",
        f"{_off(group):.1f}",
        f"{mean(one.coverage for one in group):.1%}",
        held,
    )
    return (key[0].removeprefix("lab/"), *key[1:], *figures)


def _pooled(group: list[Found]) -> tuple[float, float]:
    """The planted and the measured rate over the rows of all runs."""
    rows = sum(one.judged for one in group)
    return sum(one.planted * one.judged for one in group) / rows, sum(one.rate * one.judged for one in group) / rows


def _off(group: list[Found]) -> float:
    """How many standard errors the pooled rate is off the planted one."""
    planted, rate = _pooled(group)
    error = math.hypot(*(one.standard_error * one.judged for one in group)) / sum(one.judged for one in group)
    return abs(rate - planted) / error


def _arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--seeds", type=whole_number, default=5)
    add_folder(made)
    return made


if __name__ == "__main__":
    exit_by_targets(_arguments(), measure)
