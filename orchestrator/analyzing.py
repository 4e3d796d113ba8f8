"""The commands of the analysis stage: they read run folders and call nobody."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from rich.console import Console

from orchestrator.tables_place import tables_place
from outputs.analysis_options import Options
from outputs.statistics.one_thread import multiply_on_one_thread

if TYPE_CHECKING:
    from outputs.report import Report

SEVERAL = Path("analysis")  # where the tables of several runs go


def analyze_command(
    folders: Sequence[Path], options: Options | None = None, *, out: Path | None = None, as_json: bool = False
) -> None:
    """Compute tables, write them and print them. The tables of several runs go to `out`, by default `analysis`."""
    multiply_on_one_thread()
    from outputs.analysis import analyze_runs
    from outputs.report import write_tables

    out = tables_place(out, folders)
    place = out or (folders[0] if len(folders) == 1 else SEVERAL)
    report = analyze_runs(folders, options, out)
    write_tables(report.tables, place)
    _show(report, as_json=as_json)
    if not as_json:
        _say_where(place)


def compare_command(first: Path, second: Path, options: Options, *, out: Path | None, as_json: bool) -> None:
    """Print what changed between two runs; with `out`, write it there as tables."""
    multiply_on_one_thread()
    from outputs.comparing import compare_runs
    from outputs.report import write_tables
    from outputs.tables.several import load_runs

    out = tables_place(out, [first, second])
    a, b = load_runs([first, second], out)
    report = compare_runs(a, b, options)
    if out is not None:
        write_tables(report.tables, out, "compare")
    _show(report, as_json=as_json)
    if out is not None and not as_json:
        _say_where(out)


def _show(report: "Report", *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(orjson.dumps(report.document, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        Console().print(report.page)


def _say_where(place: Path) -> None:
    Console().print(f"written: {place / 'tables'}", markup=False, highlight=False)
