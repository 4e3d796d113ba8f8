"""`overnight report`: an analysis becomes one file that opens offline, in which every text is only text."""

import base64
import hashlib
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from outputs.analysis_options import Options
from outputs.figures.analysed import analysis_of
from outputs.figures.parts import Analysis, Section
from outputs.figures.provenance import origin
from outputs.figures.sections import sections_of
from outputs.report_page.embedding import embedded
from outputs.report_page.numbers import numbers_of
from outputs.report_page.rows import ROWS, Rows, rows_of_sections
from outputs.report_page.views import SectionView, section_view
from outputs.tables.loading import LoadedRun
from prompts.plain_text import plain_text

FORMAT = 2  # of what a page keeps for a check
MOST_BYTES = 5_000_000  # of an ordinary report
_LONGEST_WORDS = 40_000  # characters of a spec or a prompt
_LONGEST_NAME = 120

Say = Callable[[str], None]  # how far the work is


@dataclass(frozen=True, slots=True)
class Made:
    """A report: its file's content, what it shows, and how many rows it carries of how many."""

    page: bytes
    sections: Sequence[Section]
    found: Analysis
    rows: int
    of: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person chose of a report."""

    options: Options = field(default_factory=Options)
    rows: int = ROWS


def make_report(
    folders: Sequence[Path],
    wanted: Wanted | None = None,
    out: Path | None = None,
    say: Say = lambda _: None,
    file: Path = Path("report.html"),
    carried: int | None = None,
) -> Made:
    """The report of run folders. Their tables are made on the way, in `out` if given. `file`: where it will be.

    `carried`: how many rows there are where not all have room, in place of as many as fit.

    Raises InputError for a folder that it cannot read, and for an option of a section that there is none of.
    """
    wanted = Wanted() if wanted is None else wanted
    say("reading the runs")
    found = analysis_of(folders, wanted.options, out)
    say("drawing tables and figures")
    sections = sections_of(found)
    say("choosing rows")
    rows = rows_of_sections(found, sections, wanted.rows, wanted.options.seed)
    say("writing the page")
    page, there = _page(found, sections, rows, wanted, file, carried)
    return Made(page, sections, found, len(there.rows), rows.total)


def _page(
    found: Analysis, sections: Sequence[Section], rows: Rows, wanted: Wanted, file: Path, carried: int | None
) -> tuple[bytes, Rows]:
    """The page, with as many of the rows as fit, and these rows."""
    views = [section_view(section, rows.count) for section in sections]
    text = _render(found, sections, views, rows, wanted, file)
    if len(text) > MOST_BYTES and carried is not None:
        rows = rows.first(carried)
        return _render(found, sections, views, rows, wanted, file), rows
    while len(text) > MOST_BYTES and rows.rows:
        rows = rows.fewer(min(0.9, 0.9 * _room(text, rows)))
        text = _render(found, sections, views, rows, wanted, file)
    return text, rows


def _room(text: bytes, rows: Rows) -> float:
    """The share of the rows that there is room for."""
    taken = len(embedded(_kept_rows(rows, "")))
    return max(0.0, 1 - (len(text) - MOST_BYTES) / taken)


def _render(
    found: Analysis, sections: Sequence[Section], views: Sequence[SectionView], rows: Rows, wanted: Wanted, file: Path
) -> bytes:
    names = [_name(run.name) for run in found.runs]
    folders = " ".join(_argument(run.folder) for run in found.runs)
    command = f"overnight view {folders}"
    kept = {"format": FORMAT, "wanted": asdict(wanted), "runs": runs_said(found.runs), "parts": numbers_of(sections)}
    values = {
        "title": f"Report of {_listed(names)}",
        "labels": sorted({label for run in found.runs if (label := origin(run)) != "real"}),
        "made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "code_version": code_version(),
        "seed": wanted.options.seed,
        "resamples": wanted.options.resamples,
        "sections": views,
        "words": list(_words(found.runs)),
        "several": len(found.runs) > 1,
        "rows_said": _rows_said(rows),
        "command": command,
        "check_command": f"overnight report --check {_argument(file)} {folders}",
        "numbers": Markup(embedded(kept)),
        "rows": Markup(embedded(_kept_rows(rows, command))),
        "style": Markup(_asset("style.css")),
        "script": Markup(_asset("page.js")),
        "style_hash": _hash(_asset("style.css")),
        "script_hash": _hash(_asset("page.js")),
    }
    page: str = _template().render(values)
    return page.encode("utf-8", "replace")


def _argument(path: Path) -> str:
    """A path as it was given, for a command line; one that begins with a dash would be taken for an option."""
    told = plain_text(str(path))
    return shlex.quote(f"./{told}" if told.startswith("-") else told)


def runs_said(runs: Sequence[LoadedRun]) -> list[dict[str, str]]:
    """By what a check knows the runs again, whatever their folders are called by then."""
    return [{"job": run.record.job, "made": run.record.created_at, "sha256": run.record.source.sha256} for run in runs]


def _kept_rows(rows: Rows, command: str) -> Mapping[str, Any]:
    return {**rows.kept(), "command": command}


def _rows_said(rows: Rows) -> str:
    here = len(rows.rows)
    if here == rows.total:
        return f"All {here:,} rows of the runs are in this file."
    return (
        f"{here:,} of {rows.total:,} rows are in this file: a sample, drawn by the seed, with some of each set of rows "
        "that a number leads to."
    )


def _words(runs: Sequence[LoadedRun]) -> Iterator[tuple[str, str, str]]:
    """Run, title and text of the specs and prompts as they were recorded."""
    for run in runs:
        record = run.record
        if record.spec_text is not None:
            yield _name(run.name), f"{record.source.kind} {_name(record.source.name)}", shown_text(record.spec_text)
        for prompt in record.prompts:
            yield _name(run.name), _name(f"prompt {prompt.name}@{prompt.version}"), shown_text(prompt.text)


def shown_text(text: str) -> str:
    """A text of several lines, made safe to show, cut where it is very long."""
    cut = "\n".join(map(plain_text, text[:_LONGEST_WORDS].split("\n")))
    return cut if len(text) <= _LONGEST_WORDS else f"{cut}…\n({len(text):,} characters in all)"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more runs"


def _name(text: str) -> str:
    plain = plain_text(text)
    return plain if len(plain) <= _LONGEST_NAME else f"{plain[:_LONGEST_NAME]}…"


def code_version() -> str:
    """Of this program."""
    try:
        return metadata.version("overnight")
    except metadata.PackageNotFoundError:
        return "(version unknown)"


@cache
def _asset(name: str) -> str:
    return files("outputs.report_page").joinpath(name).read_text("utf-8")


@cache
def _template() -> Any:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_asset("page.html"))


def _hash(text: str) -> str:
    """Of an inline style or script, for the page's content security policy."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
