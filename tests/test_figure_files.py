"""The files of tables and charts: values in full in CSV, as shown in Markdown and LaTeX, charts as pictures."""

import io
import json
import re
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import altair as alt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outputs.figure_files.cells import latex, markdown
from outputs.figure_files.tables import csv, latex_table, markdown_table
from outputs.figure_files.writing import INDEX, write_figures
from outputs.figures.parts import Column, Kind, Part, Section
from prompts.input_error import InputError

HOSTILE = (
    "=1+1",
    "@SUM(A1)",
    "-2",
    "+x",
    "\tx",
    "'quoted'",
    "a|b",
    "{\\input{x}}",
    "50% & #1 $x$ ^_~",
    '"',
    "",
    "<b>",
    "日本",
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(HOSTILE)
COLUMNS = (
    Column("name", "model"),
    Column("mean", "mean", Kind.NUMBER, low="low", high="high"),
    Column("n", "n", Kind.COUNT),
)


def part_of(names: list[str | None], name: str = "means", chart: alt.Chart | None = None) -> Part:
    """A table with a line a name."""
    rows = [{"name": one, "mean": place / 3, "low": -0.5, "high": None if place % 2 else 1.0, "n": place}
            for place, one in enumerate(names)]  # fmt: skip
    schema = {"name": pl.String, "mean": pl.Float64, "low": pl.Float64, "high": pl.Float64, "n": pl.Int64}
    return Part(
        name, "Means of models", pl.DataFrame(rows, schema=schema), COLUMNS, note="95 % | intervals", chart=chart
    )


def bars(names: list[str]) -> alt.Chart:
    """A chart of names."""
    values = [{"name": name, "n": place} for place, name in enumerate(names)]
    chart = alt.Chart(alt.Data(values=values)).mark_bar()  # type: ignore[no-untyped-call]
    return cast("alt.Chart", chart.encode(x=alt.X("n:Q"), y=alt.Y("name:N")))


def read_back(data: bytes, schema: Any) -> pl.DataFrame:
    """A CSV as its documentation says: the first apostrophe of a text is taken away."""
    frame = pl.read_csv(io.BytesIO(data), schema=schema)
    texts = [pl.col(name) for name, kind in schema.items() if kind == pl.String]
    return frame.with_columns(text.str.replace("^'", "") for text in texts)


@settings(deadline=None)
@given(names=st.lists(TEXTS | st.none(), max_size=6))
def test_csv_holds_the_frame(names: list[str | None]) -> None:
    """All columns and values in full, whatever the texts are; nothing is told from an empty text."""
    part = part_of(names)
    assert read_back(csv(part), part.frame.schema).equals(part.frame, null_equal=True)


def test_no_heading_of_a_csv_is_a_formula() -> None:
    """A column that is named after a dataset is as safe as a cell, and no two become one."""
    names = ["=HYPERLINK(1): mean", "'=HYPERLINK(1): mean", "-1: mean", "mean: -1"]
    part = Part("means", "Means", pl.DataFrame([dict.fromkeys(names, 1.0)]), [Column(name, name) for name in names])
    headings = csv(part).decode().splitlines()[0].split(",")
    assert headings == ["'=HYPERLINK(1): mean", "''=HYPERLINK(1): mean", "'-1: mean", "mean: -1"]


@settings(deadline=None)
@given(names=st.lists(TEXTS, min_size=1, max_size=6))
def test_no_text_of_a_csv_is_a_formula(names: list[str]) -> None:
    """No cell of text begins with what a spreadsheet computes."""
    cells = pl.read_csv(io.BytesIO(csv(part_of(list(names)))), schema_overrides={"name": pl.String})["name"]
    assert not [cell for cell in cells if cell is not None and cell[:1] in ("=", "+", "-", "@", "\t", "\r", "\n")]


def test_lists_in_a_csv_are_json() -> None:
    """A column of lists is one column of a file."""
    frame = pl.DataFrame({"a": [["x", "=y"], []], "b": [{"c": 1}, {"c": 2}]})
    read = pl.read_csv(io.BytesIO(csv(Part("p", "t", frame, (Column("a", "a"),)))))
    assert {name: [json.loads(cell) for cell in read[name]] for name in "ab"} == frame.to_dict(as_series=False)


@settings(deadline=None)
@given(text=TEXTS)
def test_latex_has_no_mark_of_its_own(text: str) -> None:
    """What is left when the escapes are taken out is plain text, its braces balanced, and the text can be read back."""
    made = latex(text)
    known = r"\\(textbackslash|textasciicircum|textasciitilde|textless|textgreater|textbar|textasciigrave)\{\}"
    plain = re.sub(known + r"|\\symbol\{34\}|\\[{}$&#%_]|\{\}", "", made)
    assert not set(plain) & set('\\{}$&#%_^~<>|"`')
    assert not made.startswith(("[", "*"))
    assert "--" not in made


def test_latex_says_every_character() -> None:
    """Each special one by its own command; a minus of a number is one."""
    assert latex("a_b & 5% {\\x} #~^ [") == r"a\_b \& 5\% \{\textbackslash{}x\} \#\textasciitilde{}\textasciicircum{} ["
    assert latex("[x] --") == "{}[x] -{}-"
    assert "$-$0.500" in latex_table(part_of(["m"]), simulated=False)


@settings(deadline=None)
@given(text=TEXTS)
def test_markdown_keeps_a_cell_a_cell(text: str) -> None:
    """No markup, no HTML and no end of the cell is left without its escape."""
    made = markdown(text)
    assert "<" not in made
    assert ">" not in made
    bare = re.sub(r"\\[\\`*_{}\[\]#!|~$=+-]", "", made)
    assert not set(bare) & set("\\`*_{}[]#!|~$")


@settings(deadline=None)
@given(names=st.lists(TEXTS, min_size=1, max_size=5))
def test_every_line_of_a_table_has_all_columns(names: list[str]) -> None:
    """In Markdown and LaTeX as many lines and cells as the frame, whatever stands in them."""
    part = part_of(list(names))
    lines = [line for line in markdown_table(part, simulated=False).split("\n") if line.startswith("| ")]
    assert [len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines] == [4] * (len(names) + 2)
    body = latex_table(part, simulated=False).split("\\midrule\n")[1].split("\\bottomrule")[0]
    assert [len(re.findall(r"(?<!\\)&", line)) for line in body.strip("\n").split("\n")] == [2] * len(names)


def test_all_files_are_written_and_listed(tmp_path: Path) -> None:
    """A table has three files, a figure three more; the index names each with its title."""
    names = ["<script>alert(1)</script>", "=1", "datum['x']"]
    sections = [
        Section("a", "First", [part_of(list(names), "one", bars(names)), part_of([], "two")], notes=["known *here*"]),
        Section("b", "Second", [part_of(list(names), "three", bars(names))], simulated=True),
    ]
    paths = write_figures(sections, tmp_path / "new" / "figures")
    suffixes = {"one": ".csv .md .tex .svg .pdf .png", "two": ".csv .md .tex", "three": ".csv .md .tex .svg .pdf .png"}
    assert {path.name for path in paths} == {f"{n}{s}" for n, its in suffixes.items() for s in its.split()} | {INDEX}
    assert sorted(path.name for path in paths) == sorted(path.name for path in (tmp_path / "new/figures").iterdir())
    folder = paths[0].parent
    assert (folder / "one.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "one.pdf").read_bytes().startswith(b"%PDF")
    for name, marked in (("one", False), ("three", True)):
        root = ElementTree.fromstring((folder / f"{name}.svg").read_text())
        words = " ".join(root.itertext())
        assert "<script>" in words
        assert not list(root.iter("{http://www.w3.org/2000/svg}script"))
        assert ("SIMULATED" in words) is marked
        assert ("SIMULATED" in (folder / f"{name}.tex").read_text()) is marked
        assert ("SIMULATED" in (folder / f"{name}.md").read_text()) is marked
    index = (folder / INDEX).read_text()
    assert all(f"({path.name})" in index for path in paths[:-1])
    assert "## Second (SIMULATED)" in index


def test_two_parts_of_one_name_are_our_fault(tmp_path: Path) -> None:
    """One would overwrite the other's files."""
    with pytest.raises(AssertionError):
        write_figures([Section("a", "A", [part_of(["x"])]), Section("b", "B", [part_of(["y"])])], tmp_path)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A file in its place."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_figures([Section("a", "A", [part_of(["x"])])], tmp_path / "file")
