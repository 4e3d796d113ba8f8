"""The command `overnight report`: a page of run folders, and whether the numbers of one are those of the logs."""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import typer

from outputs.analysis_options import Options
from outputs.disk import FULL, OsDisk
from outputs.run_record import FILE_NAME as RECORD
from outputs.statistics.one_thread import multiply_on_one_thread
from prompts.input_error import InputError

if TYPE_CHECKING:
    from outputs.report_page.making import Made

FILE_NAME = "report.html"
_SUFFIX, _BEGINS = ".html", b"<!doctype html>"


def report_command(
    folders: Sequence[Path],
    options: Options,
    *,
    output: Path | None,
    figures: Path | None,
    rows: int | None,
    as_json: bool,
) -> None:
    """Make the page, and the files of `figures`, and say where they are."""
    multiply_on_one_thread()
    from outputs.report_page.making import Wanted, make_report

    place = _place(output, folders)
    if figures is not None:
        _refuse_figures(figures)
    wanted = Wanted(options) if rows is None else Wanted(options, rows)
    with _room(folders) as out:
        made = make_report(folders, wanted, out, _say, place)
    _write(place, made.page)
    written = _figures(made, figures) if figures is not None else []
    _show(place, made, figures, written, as_json=as_json)


@contextmanager
def _room(folders: Sequence[Path]) -> Iterator[Path | None]:
    """Where the tables are made: a temporary folder where a run cannot be written, else each run's own."""
    places = [place for run in folders for place in (run, run / "tables", run / "tables" / "browsing")]
    if all(os.access(place, os.W_OK) for place in places if place.exists()):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="overnight-report-") as room:
        yield Path(room)


def _place(output: Path | None, folders: Sequence[Path]) -> Path:
    """Where the page goes. Raises InputError before any work where it cannot go there."""
    place = output or (folders[0] / FILE_NAME if len(folders) == 1 else Path(FILE_NAME))
    if place.is_dir():
        raise InputError("is a folder; give the name of a file with -o", file=place)
    if not place.parent.is_dir() and (output is not None or len(folders) > 1):
        raise InputError("there is no such folder to write it to", file=place.parent)
    _refuse_other_files(place)
    if place.parent.is_dir() and not os.access(place.parent, os.W_OK):
        raise InputError("cannot be written; give another file with -o", file=place)
    return place


def _refuse_other_files(place: Path) -> None:
    """A page takes the place of an earlier page only. Raises InputError for all else that is there, or is a run's."""
    if place.suffix.lower() != _SUFFIX and any((one / RECORD).exists() for one in place.resolve().parents):
        what = f"is in a run folder, whose files are the run's: there the name of a report ends in {_SUFFIX}"
        raise InputError(what, file=place)
    if place.is_symlink() or (place.exists() and not place.is_file()):
        raise InputError("exists and is no regular file; give another name with -o", file=place)
    try:
        there = _beginning(place)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}; give another name with -o", file=place) from None
    if there is not None and not there.lstrip().lower().startswith(_BEGINS):
        raise InputError("exists and is no report; give another name with -o", file=place)


def _beginning(place: Path) -> bytes | None:
    """The first bytes of a regular file; None where there is none."""
    if not place.exists():
        return None
    with place.open("rb") as file:
        return file.read(len(_BEGINS) + 16)


def _refuse_figures(folder: Path) -> None:
    """Raise InputError where a folder for figures is none, or is a run's own."""
    if folder.exists() and not folder.is_dir():
        raise InputError("is no folder; give another one with --figures", file=folder)
    if (folder / RECORD).exists():
        what = f"is a run folder, whose files are the run's: give a folder of its own, such as {folder / 'figures'}"
        raise InputError(what, file=folder)


def _write(place: Path, page: bytes) -> None:
    try:
        OsDisk().replace(place, page)
    except OSError as error:
        place.with_name(place.name + ".new").unlink(missing_ok=True)
        if error.errno in FULL:
            raise
        raise InputError(f"cannot be written: {error.strerror}; give another file with -o", file=place) from None


def _figures(made: "Made", folder: Path) -> list[Path]:
    from outputs.figure_files.writing import write_figures

    _say("writing figures and tables")
    return write_figures(made.sections, folder)


def _show(place: Path, made: "Made", figures: Path | None, written: Sequence[Path], *, as_json: bool) -> None:
    parts = [part for section in made.sections for part in section.parts]
    charts = sum(part.chart is not None for part in parts)
    if as_json:
        known = {"report": str(place), "bytes": len(made.page), "tables": len(parts) - charts, "figures": charts}
        found: dict[str, Any] = {**known, "rows": made.rows, "rows_in_all": made.of}
        _print_json(found | {"files": [str(path) for path in written]})
        return
    size = f"{len(made.page) / 1e6:.1f} MB"
    of = "" if made.rows == made.of else f" of {made.of:,}"
    told = f"{len(parts) - charts} tables, {charts} figures, {made.rows:,}{of} rows, {size}"
    typer.echo(f"written: {place} ({told})")
    if figures is not None:
        typer.echo(f"written: {figures} ({len(written)} files)")


def refuse_with_check(given: Mapping[str, object]) -> None:
    """Options of making a page, by their names: a check makes none. Raises InputError for the first that is given."""
    for name, value in given.items():
        if value is not None:
            raise InputError("is for a page that is made: --check makes none; leave one of them out", field=name)


def check_command(page: Path, folders: Sequence[Path], *, as_json: bool) -> int:
    """Compute a page's tables and figures anew from the logs, say whether they are equal, and return the exit code."""
    multiply_on_one_thread()
    from outputs.report_page.checking import check_report

    found = check_report(page, folders, say=_say)
    if as_json:
        _print_json({"equal": not found.differences, "parts": found.parts, "differences": list(found.differences)})
    elif not found.differences:
        typer.echo(f"{found.parts} tables and figures recomputed from the logs: all equal")
    else:
        typer.echo(f"{found.parts} tables and figures recomputed from the logs: {len(found.differences)} differences")
        for difference in found.differences[:20]:
            typer.echo(f"  {difference}")
    return 3 if found.differences else 0


def _print_json(value: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def _say(what: str) -> None:
    """How far it is, where somebody watches."""
    if sys.stderr.isatty():
        typer.echo(f"overnight: {what}...", err=True)
