"""A long run's rows looked through: how soon a page, a filter, a search, a sort, and in how much memory.

The folder is written by the log's own writers, without a call, and no two answers are the same: simulated. Making the
tables and the rows, opening them and every question are measured in processes of their own, and so are the same
questions put to polars, which has all tables in memory, and to duckdb, which reads them from disk. Then `overnight
view` serves the run and is asked the same over HTTP. `overnight report` makes its report twice: warm, with tables and
rows there, and cold, with nothing but the log. Seconds of processors stand beside seconds, for a machine that others
use too; a peak is that of the greatest of the report's processes.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from long_log import write_run
from overnight_run import overnight
from processes import Finished, run_to_end
from program import UsageError, add_folder, parser, tell, whole_number
from report import Report, Verdict
from scratch import disk_note, scratch_folder
from targets import exit_by_targets
from viewing_served import Served, measure_served
from viewing_steps import steps

_CHILD_S = 3600.0
_MB = 1_000_000
_AT_ROWS = 1_000_000
_ROW_BYTES = 4500  # of log, tables and rows, with some room
_MOST_S, _MOST_REPORT_S, _MOST_BYTES, _MOST_MAKING_BYTES = 1.0, 60.0, 500_000_000, 1_000_000_000
_RUN = "run"
_WARM, _COLD = "report, warm", "report, cold"
_BOUNDED = ("first page", "filter", "search, one hit", "search, no hit")
_MEANS = {"index": "overnight's rows", "polars": "polars, all in memory", "duckdb": "duckdb"}
_MAKE = "import sys; from outputs.browsing.making import main; main(*sys.argv[1:])"
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Measured:
    """`made`: tables, rows, reports. `asked`: the processes by means, `told` their seconds and rows found by step."""

    rows: int
    made: dict[str, Finished]
    asked: dict[str, Finished]
    told: dict[str, dict[str, tuple[float, int]]]
    served: Served


def measure(given: argparse.Namespace) -> Report:
    """One folder, its tables, its rows, the questions by each of the means, the viewer, and the report."""
    if shutil.disk_usage(given.dir).free < given.rows * _ROW_BYTES:
        raise UsageError(f"{given.rows * _ROW_BYTES / 1e9:.1f} GB of disk are needed; give --dir a folder with more")
    with scratch_folder(given.dir) as folder:
        run = folder / _RUN
        tell(f"{given.rows:,} rows: writing the run folder")
        size = write_run(run, given.rows, all_differ=True)
        found = _measured(given.rows, run)
        notes = [disk_note(folder), f"SIMULATED: no call was made; {size / 1e9:.2f} GB of log"]
        notes.append(f"{_size(run / 'tables' / 'browsing') / _MB:,.0f} MB of rows and of what is searched")
    return _report(found, notes)


def _measured(rows: int, run: Path) -> Measured:
    made = {
        "tables": _run("overnight tables", [overnight(), "tables", str(run)]),
        "rows": _run("rows", _python("-c", _MAKE, str(run), str(run / "tables"))),
    }
    script = str(Path(__file__).with_name("viewing_steps.py"))
    asked = {name: _run(name, _python(script, name, str(run), str(rows))) for name in _MEANS}
    told = {name: json.loads(one.output) for name, one in asked.items()}
    for step in steps(rows):
        found = {name: its[step.name][1] for name, its in told.items()}
        assert len(set(found.values())) == 1, f"{step.name} finds {found}"
    tell("overnight view")
    served = measure_served(run, rows)
    made[_WARM] = _run("overnight report, warm", [overnight(), "report", str(run)])
    shutil.rmtree(run / "tables")
    made[_COLD] = _run("overnight report, cold", [overnight(), "report", str(run)])
    return Measured(rows, made, asked, told, served)


def _run(name: str, command: list[str]) -> Finished:
    tell(name)
    return run_to_end(command, _CHILD_S, folder=_ROOT)


def _python(*arguments: str) -> list[str]:
    return ["/usr/bin/env", f"PYTHONPATH={_ROOT}", sys.executable, *arguments]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _report(found: Measured, notes: list[str]) -> Report:
    told, served = found.told, found.served
    report = Report(
        f"{found.rows:,} rows to look through [simulated]",
        ("seconds", *_MEANS.values(), "overnight view, over HTTP"),
        rows=[
            (step, *(f"{told[name][step][0]:.3f}" for name in _MEANS), f"{served.pages.get(step, served.ready_s):.3f}")
            for step in told["index"]
        ],
        notes=notes,
        numbers={f"{name}, {step}, seconds": its[step][0] for name, its in told.items() for step in its},
    )
    report.rows.append(("one row", *("" for _ in _MEANS), f"{served.row_s:.3f}"))
    peaks = [*(found.asked[name].peak_bytes for name in _MEANS), served.peak_bytes]
    report.rows.append(("peak memory", *(f"{peak / _MB:,.0f} MB" for peak in peaks)))
    for name, one in found.made.items():
        took = f"{one.wall_s:.1f} s, {one.cpu_s:.1f} s of processors, {one.peak_bytes / _MB:,.0f} MB at its peak"
        report.notes.append(f"making the {name} [simulated]: {took}")
        of = {"seconds": one.wall_s, "processor seconds": one.cpu_s, "peak bytes": one.peak_bytes}
        report.numbers |= {f"making the {name}, {what}": value for what, value in of.items()}
    report.numbers |= {f"view, {step}, seconds": took for step, took in served.pages.items()}
    report.numbers |= {"view, one row, seconds": served.row_s, "view, peak bytes": served.peak_bytes}
    report.numbers |= {f"{name}, peak bytes": one.peak_bytes for name, one in found.asked.items()}
    report.verdicts.extend(_verdicts(found))
    return report


def _verdicts(found: Measured) -> Iterator[Verdict]:
    rows, served = f"{found.rows:,} rows [simulated]", found.served
    for step in _BOUNDED:
        ours, polars, duckdb = (found.told[name][step][0] for name in _MEANS)
        beside = (
            f"over HTTP; polars in memory took {polars / ours:.1f} times, duckdb {duckdb / ours:.1f} times the index"
        )
        took = served.pages[step]
        yield Verdict(f"{step}, {rows}", f"{took:.3f} s", beside, f"under {_MOST_S:g} s", took < _MOST_S)
    of_polars = f"{served.peak_bytes / found.asked['polars'].peak_bytes:.2f} of polars with all in memory"
    yield _of_memory(f"overnight view, {rows}", served.peak_bytes, of_polars, _MOST_BYTES)
    made = found.made["rows"]
    yield _of_memory(f"making the rows, {rows}", made.peak_bytes, f"in {made.wall_s:.1f} s", _MOST_MAKING_BYTES)
    for name in (_WARM, _COLD):
        one = found.made[name]
        beside = f"{one.cpu_s:.1f} s of processors, {one.peak_bytes / _MB:,.0f} MB"
        met = one.wall_s < _MOST_REPORT_S
        yield Verdict(f"overnight {name}, {rows}", f"{one.wall_s:.1f} s", beside, f"under {_MOST_REPORT_S:g} s", met)


def _of_memory(what: str, peak: int, beside: str, most: int) -> Verdict:
    return Verdict(what, f"{peak / _MB:,.0f} MB", beside, f"under {most / _MB:,.0f} MB", peak < most)


def _arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--rows", type=whole_number, default=_AT_ROWS, help="requests; 4.5 KB of disk each")
    add_folder(made)
    return made


if __name__ == "__main__":
    exit_by_targets(_arguments(), measure)
