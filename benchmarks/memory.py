"""What a row costs in memory: the peak of `overnight run` with many rows beside that with few.

Each run is a fresh process that talks to the stub server and is measured by the system when it has ended.
"""

import argparse
from pathlib import Path

from cores import two_cores
from overnight_run import CATALOG, MANIFEST, Measured, measure_run
from program import UsageError, add_folder, main, parser, tell, whole_number
from report import Report, Verdict
from scratch import scratch_folder
from stub_server import stub_server
from workload import Lane, write_catalog, write_manifest

_CHILD_S = 600.0
_MB = 1_000_000
_BYTES_A_ROW = 100
_PEAK_MB = 100


def measure(given: argparse.Namespace) -> Report:
    """A run of few rows and a run of many."""
    if given.few >= given.many:
        raise UsageError("--few must be below --many")
    cores = two_cores()
    with scratch_folder(given.dir) as folder, stub_server(folder, cores.server) as base_url:
        write_catalog(folder / CATALOG, {"stub": base_url})
        runs = {rows: _run(folder, rows, given.concurrency, cores.client) for rows in (given.few, given.many)}
    return _report(runs, given.concurrency, str(cores))


def _run(folder: Path, rows: int, concurrency: int, core: int) -> Measured:
    tell(f"{rows:,} rows")
    write_manifest(folder / MANIFEST, (Lane("stub", rows),))
    return measure_run(folder, concurrency, core, _CHILD_S)


def _report(runs: dict[int, Measured], concurrency: int, note: str) -> Report:
    few, many = runs
    report = Report(
        f"Peak memory of overnight run, {concurrency} in flight",
        ("rows", "peak", "whole process"),
        rows=[(f"{rows:,}", f"{run.peak_bytes / _MB:.1f} MB", f"{run.wall_s:.1f} s") for rows, run in runs.items()],
        notes=[note],
        numbers={f"{rows} rows, peak bytes": run.peak_bytes for rows, run in runs.items()},
    )
    report.verdicts.extend(_verdicts(few, runs[few].peak_bytes, many, runs[many].peak_bytes, concurrency))
    return report


def _verdicts(few: int, few_bytes: int, many: int, many_bytes: int, concurrency: int) -> tuple[Verdict, Verdict]:
    command = f"overnight run, {many:,} rows, {concurrency} in flight"
    baseline = f"its peak with {few:,} rows"
    growth = (many_bytes - few_bytes) / (many - few)
    grown = f"{growth:.0f} bytes for each further row above"
    peak = f"{many_bytes / _MB:.1f} MB, {many_bytes / few_bytes:.2f} times"
    return (
        Verdict(command, grown, baseline, f"at most {_BYTES_A_ROW} bytes", growth <= _BYTES_A_ROW),
        Verdict(command, peak, baseline, f"under {_PEAK_MB} MB", many_bytes < _PEAK_MB * _MB),
    )


def _arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--few", type=whole_number, default=20_000, help="rows of the smaller run")
    made.add_argument("--many", type=whole_number, default=200_000, help="rows of the larger run; 3 KB of disk each")
    made.add_argument("--concurrency", type=whole_number, default=256, help="calls in flight")
    add_folder(made)
    return made


if __name__ == "__main__":
    main(_arguments(), measure)
