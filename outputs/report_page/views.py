"""Sections and parts as a template shows them: every value already written, every link already made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from outputs.figures.parts import Column, Filter, Kind, Part, Section
from outputs.figures.written import written
from outputs.report_page.drawings import drawn
from outputs.report_page.links import link_of
from outputs.report_page.numbers import MOST_LINES
from prompts.plain_text import plain_text

_LONGEST_CELL = 200
_SHORT = 26  # characters of a text that is not broken into lines
_LONGEST_WORD = 60
_LONGEST_NOTE = 2000

Counts = Callable[[Filter], int | None]  # rows of the runs that a filter selects; None where nobody counted


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a table: its cells, and of each set of rows that it rests on the address and how many they are.

    A cell is its text and how it stands: n for a number, s for a text that is not broken, t for a long one.
    """

    cells: Sequence[tuple[str, str]]
    rows: Sequence[tuple[str | None, str]] = ()


@dataclass(frozen=True, slots=True)
class PartView:
    """A table, or a figure with its numbers. `left_out` counts the lines that the page does not show."""

    name: str
    title: str
    headings: Sequence[tuple[str, bool]]  # with whether the column is of numbers
    lines: Sequence[Line]
    left_out: int
    note: str
    alt: str
    drawing: Markup | None
    linked: bool  # whether a line has rows


@dataclass(frozen=True, slots=True)
class SectionView:
    """A section with its parts."""

    key: str
    title: str
    notes: Sequence[tuple[str, bool]]  # with whether it begins with a word of warning
    simulated: bool
    imported: bool
    parts: Sequence[PartView]


def section_view(section: Section, counts: Counts) -> SectionView:
    """A section as the page shows it."""
    parts = [_part_view(part, counts) for part in section.parts]
    notes = [(_cut(plain_text(note), _LONGEST_NOTE), _warns(note)) for note in section.notes]
    return SectionView(section.key, plain_text(section.title), notes, section.simulated, section.imported, parts)


def _part_view(part: Part, counts: Counts) -> PartView:
    shown = part.frame.head(MOST_LINES)
    none = [None] * shown.height
    sides = zip((part.filters or none)[: shown.height], (part.others or none)[: shown.height], strict=True)
    lines = [_line(part.columns, row, of, counts) for row, of in zip(shown.iter_rows(named=True), sides, strict=True)]
    return PartView(
        name=part.name,
        title=_cut(plain_text(part.title)),
        headings=[(_cut(plain_text(column.heading)), column.kind is not Kind.TEXT) for column in part.columns],
        lines=lines,
        left_out=part.frame.height - shown.height,
        note=_cut(plain_text(part.note), _LONGEST_NOTE),
        alt=_cut(plain_text(part.alt), _LONGEST_NOTE),
        drawing=None if part.chart is None else Markup(drawn(part.chart, part.name)),
        linked=any(link is not None for line in lines for link, _ in line.rows),
    )


def _line(columns: Sequence[Column], row: Mapping[str, object], of: Sequence[Filter | None], counts: Counts) -> Line:
    cells = [_cell(column, _cut(written(column, row))) for column in columns]
    return Line(cells, [_rows(one, counts) for one in of if one is not None])


def _rows(of: Filter, counts: Counts) -> tuple[str | None, str]:
    """Where the rows of a filter are listed, and how many they are; none are no link."""
    link = link_of(of)
    found = None if link is None else counts(of)
    if found is None:
        return link, "" if link is None else "rows"
    return (link, f"{found:,}") if found else (None, "0")


def _warns(note: str) -> bool:
    """Whether a note begins as `SIMULATED: ` does."""
    word, colon, _ = note.partition(": ")
    return bool(colon) and word.isalpha() and word.isupper()


def _cell(column: Column, text: str) -> tuple[str, str]:
    if column.kind is not Kind.TEXT:
        return text.replace(", ", ",\u00a0"), "n"  # an interval breaks before its bracket only
    if len(text) <= _SHORT or (len(text) <= _LONGEST_WORD and not any(map(str.isspace, text))):
        return text, "s"  # a model's name is one word, and is read as one
    return text, "t" if len(text) > _LONGEST_WORD else ""


def _cut(text: str, longest: int = _LONGEST_CELL) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text):,} characters)"
