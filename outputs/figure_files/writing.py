"""The files of a report's tables and charts, for a paper: from the same definitions as the page."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import altair as alt

from outputs.disk import FULL, Disk, OsDisk
from outputs.figure_files.cells import markdown
from outputs.figure_files.tables import SIMULATED, csv, latex_table, markdown_table
from outputs.figures.drawing import pdf, png, svg
from outputs.figures.parts import Chart, Part, Section
from prompts.input_error import InputError
from prompts.plain_text import plain_text

INDEX = "index.md"
IMPORTED = "IMPORTED"
_CHARTS = (".svg", ".pdf", ".png")
_ABOUT = """
CSV has all columns, their values in full: an empty cell is what is not known or not defined, "" an empty text, and
lists are JSON. A text or a heading in it that begins with `=`, `+`, `-`, `@`, a tab, a line break or an apostrophe has
an apostrophe before it, for a spreadsheet might take it for a formula: take the first apostrophe away and the text is
as it was.
Markdown and LaTeX have what the report's page shows; LaTeX needs the packages booktabs and textcomp.
"""


def write_figures(sections: Sequence[Section], folder: Path, disk: Disk | None = None) -> list[Path]:
    """Write the files of all parts to `folder`, which is made: NAME.csv, .md and .tex, with a chart .svg, .pdf, .png.

    Returns their paths, the last is that of `index.md`, which lists them. A file is there whole or not at all. Raises
    InputError where they cannot be written, OSError where the disk is full.
    """
    disk = OsDisk() if disk is None else disk
    names = [part.name for section in sections for part in section.parts]
    assert len(set(names)) == len(names), "a part has a name of its own"
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for section in sections:
            for part in section.parts:
                for suffix, data in _files(part, simulated=section.simulated):
                    paths.append(folder / f"{part.name}{suffix}")
                    disk.replace(paths[-1], data)
        disk.replace(folder / INDEX, _index(sections).encode())
    except OSError as error:
        if error.errno in FULL:
            raise
        raise InputError(f"cannot be written: {error.strerror or error}", file=folder) from None
    return [*paths, folder / INDEX]


def _files(part: Part, *, simulated: bool) -> Iterator[tuple[str, bytes]]:
    yield ".csv", csv(part)
    yield ".md", markdown_table(part, simulated=simulated).encode()
    yield ".tex", latex_table(part, simulated=simulated).encode()
    if part.chart is not None:
        chart = _marked(part.chart) if simulated else part.chart
        yield from zip(_CHARTS, (svg(chart).encode(), pdf(chart), png(chart)), strict=True)


def _marked(chart: Chart) -> Chart:
    """A chart that says of itself that it is simulated, wherever its file goes."""
    title = chart.title
    under = title if isinstance(title, str) else getattr(title, "text", alt.Undefined)
    return chart.properties(title=alt.TitleParams(SIMULATED, anchor="start", fontSize=12, subtitle=under))


def _index(sections: Sequence[Section]) -> str:
    lines = ["# Tables and figures", _ABOUT]
    for section in sections:
        words = ([SIMULATED] if section.simulated else []) + ([IMPORTED] if section.imported else [])
        mark = f" ({', '.join(words)})" if words else ""
        lines += [f"## {_safe(section.title)}{mark}", "", *(f"{_safe(note)}\n" for note in section.notes)]
        for part in section.parts:
            suffixes = [".csv", ".md", ".tex", *(() if part.chart is None else _CHARTS)]
            files = ", ".join(f"[{part.name}{suffix}]({part.name}{suffix})" for suffix in suffixes)
            lines.append(f"- {_safe(part.title)}: {files}")
        lines.append("")
    return "\n".join(lines)


def _safe(text: str) -> str:
    return markdown(plain_text(" ".join(text.split())))
