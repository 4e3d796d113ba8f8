"""A long run folder to tables: `overnight tables` in a child process, beside reading the same bytes and no more.

The folder is written by the log's own writers, without a call: simulated. Baselines, in the same run: orjson on
every line of the log, one after the other, and polars' own NDJSON scan of the three large files, for the columns that a
fixed schema can hold (no answer's words: bodies differ by provider). Files are read once before anything is measured.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from long_log import write_run
from overnight_run import overnight
from processes import Finished, run_to_end
from program import UsageError, add_folder, parser, tell, whole_number
from report import Report, Verdict
from scratch import disk_note, scratch_folder
from targets import exit_by_targets

_CHILD_S = 3600.0
_MB = 1_000_000
_MOST_S, _MOST_BYTES = 60.0, 2_000_000_000
_AT_ROWS = 1_000_000  # which the targets are for; fewer rows have their share of the time
_ROW_BYTES = 4000  # with the tables and some room
_PROCESSES = 2  # that read a long log; the system tells the peak of the larger one
_RUN = "run"
_ORJSON = """
import sys, orjson
for name in sys.argv[1:]:
    with open(name, "rb") as file:
        for line in file:
            orjson.loads(line)
"""
_POLARS = """
import sys
import polars as pl
whole, text, real = pl.Int64, pl.String, pl.Float64
head = {"seq": whole, "custom_id": text, "provider": text, "model": text, "fingerprint": text}
settled = {"seq": whole, "request": whole, "attempt": whole, "at": real, "settled": text, "kind": text, "message": text}
usage = pl.Struct({"input_tokens": whole, "output_tokens": whole, "cached_tokens": whole})
answer = head | {"request": whole, "at": real, "latency_s": real, "cost_usd": real, "usage": usage}
for name, schema in zip(sys.argv[1:], (head, settled, answer), strict=True):
    pl.scan_ndjson(name, schema=schema).sink_parquet(name + ".parquet")
"""


def measure(given: argparse.Namespace) -> Report:
    """One folder, the command, and both baselines."""
    if shutil.disk_usage(given.dir).free < given.rows * _ROW_BYTES:
        raise UsageError(f"{given.rows * _ROW_BYTES / 1e9:.1f} GB of disk are needed; give --dir a folder with more")
    with scratch_folder(given.dir) as folder:
        tell(f"{given.rows:,} rows: writing the run folder")
        size = write_run(folder / _RUN, given.rows)
        files = [str(folder / _RUN / f"{name}.jsonl") for name in ("requests", "attempts", "responses")]
        commands = {
            "orjson, line by line": [sys.executable, "-c", _ORJSON, *files],
            "overnight tables": [overnight(), "tables", _RUN],
            "overnight tables, again": [overnight(), "tables", _RUN],
            "polars scan_ndjson": [sys.executable, "-c", _POLARS, *files],
        }
        _read(files)
        found = {name: _run(name, command, folder) for name, command in commands.items()}
        tables = sum(path.stat().st_size for path in (folder / _RUN / "tables").glob("*.parquet"))
        note = disk_note(folder)
    return _report(found, given.rows, size, [note, f"SIMULATED: no call was made; {tables / _MB:,.0f} MB of tables"])


def _read(files: Sequence[str]) -> None:
    """Have the files in memory, for whatever reads them first as for whatever reads them last."""
    for name in files:
        with Path(name).open("rb") as file:
            while file.read(1 << 24):
                pass


def _run(name: str, command: list[str], folder: Path) -> Finished:
    tell(name)
    return run_to_end(command, _CHILD_S, folder=folder)


def _report(found: dict[str, Finished], rows: int, size: int, notes: list[str]) -> Report:
    report = Report(
        f"{rows:,} rows, {size / 1e9:.2f} GB of log, to tables [simulated]",
        ("", "seconds", "peak", "MB/s"),
        rows=[
            (name, f"{one.wall_s:.1f}", f"{one.peak_bytes / _MB:,.0f} MB", f"{size / _MB / one.wall_s:,.0f}")
            for name, one in found.items()
        ],
        notes=notes,
        numbers={f"{name}, {what}": value for name, one in found.items() for what, value in _numbers(one)},
    )
    report.verdicts.extend(_verdicts(found, rows))
    return report


def _numbers(one: Finished) -> list[tuple[str, float]]:
    return [("seconds", one.wall_s), ("peak bytes", one.peak_bytes)]


def _verdicts(found: dict[str, Finished], rows: int) -> tuple[Verdict, Verdict]:
    made = found["overnight tables"]
    command = f"overnight tables, {rows:,} rows [simulated]"
    most_s = _MOST_S * max(0.05, rows / _AT_ROWS)
    ratio = made.wall_s / found["orjson, line by line"].wall_s
    lean = found["orjson, line by line"].peak_bytes
    scan = made.wall_s / found["polars scan_ndjson"].wall_s
    beside = f"{ratio:.1f} times orjson reading every line, {scan:.1f} times polars' scan without bodies"
    return (
        Verdict(command, f"{made.wall_s:.1f} s", beside, f"under {most_s:g} s", made.wall_s < most_s),
        Verdict(
            command,
            f"{_PROCESSES * made.peak_bytes / _MB:,.0f} MB",
            f"at most, the peak of the larger process twice; {lean / _MB:,.0f} MB the line reader's",
            f"under {_MOST_BYTES / _MB:,.0f} MB",
            _PROCESSES * made.peak_bytes < _MOST_BYTES,
        ),
    )


def _arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--rows", type=whole_number, default=_AT_ROWS, help="requests; 2.5 KB of log each")
    add_folder(made)
    return made


if __name__ == "__main__":
    exit_by_targets(_arguments(), measure)
