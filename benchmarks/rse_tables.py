"""RSE's tables with intervals for many models and prompts: seconds and peak memory, beside scipy's bootstrap.

The judgements are simulated. The section runs in a process of its own, from the tables of a run (requests and scores)
to its written tables: means, differences between all pairs with corrected tests, aspects. The baseline makes only the
intervals, each by scipy.stats.bootstrap on the same columns, a sample of them, and is extrapolated to all.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from processes import Finished, run_to_end
from program import add_folder, main, parser, tell, whole_number
from report import Report, Verdict
from rse_data import DIMENSIONS, SETS, write_rse_tables
from scratch import disk_note, scratch_folder

_CHILD_S = 1800.0
_TARGET_S, _TARGET_GB = 20.0, 2.0
_GB = 1e9
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Baseline:
    """What scipy's bootstrap takes: `each_s` for one interval of one set; `intervals` is how many there are."""

    measured: int
    each_s: float
    intervals: int

    @property
    def seconds(self) -> float:
        """For all, extrapolated."""
        return self.each_s * self.intervals


def measure(given: argparse.Namespace) -> Report:
    """The section in a child, then the baseline here."""
    with scratch_folder(given.dir) as folder:
        tell(f"{given.models} models x {given.prompts:,} prompts: writing the tables")
        write_rse_tables(folder, given.models, given.prompts, given.seed)
        tell("the section")
        rounds = [_section(folder) for _ in range(given.rounds)]
        tell(f"scipy.stats.bootstrap, {given.sample} intervals")
        baseline = _baseline(folder, given.sample, given.models)
        note = disk_note(folder)
    best = min(rounds, key=lambda done: done[0].wall_s)
    return _report(given, best, [done.wall_s for done, _ in rounds], baseline, note)


def _section(folder: Path) -> tuple[Finished, dict[str, float]]:
    command = [sys.executable, str(_ROOT / "benchmarks" / "rse_section.py"), str(folder)]
    done = run_to_end(command, _CHILD_S)
    return done, json.loads(done.output)


def _baseline(folder: Path, sample: int, models: int) -> Baseline:
    from scipy.stats import bootstrap

    from outputs.analysis_options import RESAMPLES

    columns = _columns(folder, sample)
    began = time.perf_counter()
    for values in columns:
        bootstrap((values,), np.mean, n_resamples=RESAMPLES, method="percentile", batch=100, rng=0)
    return Baseline(len(columns), (time.perf_counter() - began) / len(columns), _intervals(models))


def _columns(folder: Path, sample: int) -> list[NDArray[np.float64]]:
    """Overall ratings of one model on one set, of the first models."""
    rows = pl.scan_parquet(folder / "scores.parquet").filter(pl.col("dimension") == "overall").drop_nulls("value")
    groups = rows.select("model", "dataset", "value").collect().partition_by("model", "dataset", maintain_order=True)
    return [group["value"].to_numpy() for group in groups[:sample]]


def _intervals(models: int) -> int:
    """In units of one set: each mean and each difference on each set; those over sets resample all sets again."""
    means = (models + 1) * len(DIMENSIONS)
    differences = models * (models - 1) // 2
    return (3 * means + 2 * differences) * len(SETS)


def _report(
    given: argparse.Namespace, best: tuple[Finished, dict[str, float]], walls: list[float], base: Baseline, note: str
) -> Report:
    done, told = best
    peak = done.peak_bytes / _GB
    title = f"RSE's tables: {given.models} models x {given.prompts:,} prompts, {len(DIMENSIONS)} dimensions"
    ratio = base.seconds / done.wall_s
    report = Report(
        title,
        ("", "seconds", "peak"),
        rows=[
            ("the section, whole process", f"{done.wall_s:.1f}", f"{peak:.2f} GB"),
            ("processor time of both cores", f"{told['cpu_s']:.1f}", ""),
            ("scipy, extrapolated", f"{base.seconds:.0f}", ""),
        ],
        notes=[
            "SIMULATED judgements",
            f"best of {len(walls)}: {', '.join(f'{wall:.1f} s' for wall in walls)}; rows of its tables: {told['rows']}",
            f"scipy: {base.measured} intervals of one set measured, {base.each_s:.2f} s each; extrapolated to the "
            f"{base.intervals:,} of the tables, tests left out",
            f"{len(os.sched_getaffinity(0))} cores; {note}",
        ],
        numbers={
            "seconds": done.wall_s,
            "cpu_seconds": told["cpu_s"],
            "peak_bytes": done.peak_bytes,
            "scipy_seconds_each": base.each_s,
            "scipy_intervals": base.intervals,
            "ratio": ratio,
        },
    )
    command = f"judged section, {given.models} x {given.prompts:,}"
    baseline = f"scipy.stats.bootstrap, interval by interval: {base.seconds:.0f} s (extrapolated)"
    figure = f"{done.wall_s:.1f} s, {ratio:.0f} times as fast as"
    report.verdicts.append(Verdict(command, figure, baseline, f"under {_TARGET_S:g} s", done.wall_s < _TARGET_S))
    report.verdicts.append(
        Verdict(command, f"{peak:.2f} GB", "at its peak", f"under {_TARGET_GB:g} GB", peak < _TARGET_GB)
    )
    return report


def _arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--models", type=whole_number, default=20, help="test models")
    made.add_argument("--prompts", type=whole_number, default=10_000, help="prompts, over three sets")
    made.add_argument("--rounds", type=whole_number, default=3, help="times that the section is run")
    made.add_argument("--sample", type=whole_number, default=12, help="intervals that scipy makes")
    made.add_argument("--seed", type=whole_number, default=1, help="of the simulated judgements")
    add_folder(made)
    return made


if __name__ == "__main__":
    main(_arguments(), measure)
