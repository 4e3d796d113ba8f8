"""The table of a part as a file: CSV with the values in full, Markdown and LaTeX as they are shown."""

from collections.abc import Callable, Iterator

import msgspec
import polars as pl

from outputs.figure_files.cells import latex, latex_number, markdown, no_formula, safe_headings
from outputs.figures.parts import Kind, Part
from outputs.figures.written import written
from prompts.plain_text import plain_text

SIMULATED = "SIMULATED"


def csv(part: Part) -> bytes:
    """All columns of the frame, not only those shown, their values in full: nothing is an empty cell, "" an empty text.

    A text that a spreadsheet might take for a formula, and one that begins with an apostrophe, has one before it;
    so has a heading.
    """
    frame = part.frame.with_columns(map(_flat, part.frame.get_columns()))
    texts = [pl.col(name) for name, kind in frame.schema.items() if kind == pl.String]
    safe = frame.with_columns(no_formula(text).alias(text.meta.output_name()) for text in texts)
    safe.columns = safe_headings(safe.columns)
    return safe.write_csv().encode()


def _flat(column: pl.Series) -> pl.Series:
    """Nested values as JSON, in one column."""
    if not column.dtype.is_nested():
        return column.cast(pl.String) if column.dtype in (pl.Categorical, pl.Enum) else column
    values = (None if value is None else msgspec.json.encode(value).decode() for value in column.to_list())
    return pl.Series(column.name, values, pl.String)


def markdown_table(part: Part, *, simulated: bool) -> str:
    """A table in Markdown with its title above and its note beneath."""
    headings = [markdown(_line(column.heading)) for column in part.columns]
    rules = ["---" if column.kind is Kind.TEXT else "---:" for column in part.columns]
    rows = [headings, rules, *_rows(part, markdown, markdown)]
    title = markdown(_titled(part, simulated=simulated))
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    note = f"\n{markdown(_line(part.note))}\n" if part.note else ""
    return f"**{title}**\n\n{table}\n{note}"


def latex_table(part: Part, *, simulated: bool) -> str:
    """A table in LaTeX, for the package booktabs, with caption, label and note."""
    places = "".join("l" if column.kind is Kind.TEXT else "r" for column in part.columns)
    headings = " & ".join(latex(_line(column.heading)) for column in part.columns)
    lines = "".join(f"{' & '.join(cells)} \\\\\n" for cells in _rows(part, latex, latex_number))
    note = f"\\par\\smallskip\\footnotesize {latex(_line(part.note))}\n" if part.note else ""
    return (
        f"% Needs \\usepackage{{booktabs,textcomp}}; other scripts need XeLaTeX or LuaLaTeX, and a font.\n"
        f"\\begin{{table}}\n\\centering\n\\caption{{{latex(_titled(part, simulated=simulated))}}}\n"
        f"\\label{{tab:{part.name}}}\n\\begin{{tabular}}{{{places}}}\n\\toprule\n{headings} \\\\\n\\midrule\n"
        f"{lines}\\bottomrule\n\\end{{tabular}}\n{note}\\end{{table}}\n"
    )


def _rows(part: Part, word: Callable[[str], str], number: Callable[[str], str]) -> Iterator[list[str]]:
    safe = [word if column.kind is Kind.TEXT else number for column in part.columns]
    for row in part.frame.iter_rows(named=True):
        yield [make(written(column, row)) for make, column in zip(safe, part.columns, strict=True)]


def _titled(part: Part, *, simulated: bool) -> str:
    return f"{_line(part.title)} ({SIMULATED})" if simulated else _line(part.title)


def _line(text: str) -> str:
    return plain_text(" ".join(text.split()))
