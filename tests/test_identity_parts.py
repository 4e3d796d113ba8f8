"""ICE's rates by what the rows are about and as a search goes on, and the page that shows them."""

import io
import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from outputs.analysis_options import Options
from outputs.identity.rates import MOST_STEPS, growth_table, rates_by
from outputs.identity_run import report_identity
from outputs.items import Item
from outputs.report import Report
from tests.harness.identity_runs import Asked, loaded, rows_of, searched


def shown(report: Report, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(report.page)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def by(rows: pl.DataFrame, kind: str, measure: str = "loose") -> dict[str | None, dict[str, Any]]:
    found = rates_by(rows).filter(pl.col("by") == kind, pl.col("measure") == measure)
    return {row["value"]: row for row in found.iter_rows(named=True)}


def test_rates_by_field_and_language_have_templates_as_clusters() -> None:
    """A field's rows of one template are one cluster; a question without a field has a line of its own."""
    fields = {"a": {"field": "team", "language": "en"}, "b": {"field": "place", "language": "zh"}, "c": {}}
    rows = rows_of(Asked(i, q, q == "a" or i == 1, True, told=told) for i in (1, 2, 3) for q, told in fields.items())
    found = by(rows, "field")
    assert {value: row["rate"] for value, row in found.items()} == {"place": 1 / 3, "team": 1.0, None: 1 / 3}
    assert {row["templates"] for row in found.values()} == {3}
    assert set(by(rows, "language")) == {"en", "zh", None}


def test_levels_are_ordered_as_numbers() -> None:
    """Level 10 stands after level 2."""
    rows = rows_of(Asked(i, "a", True, True, told={"level": level}) for i, level in enumerate((10, 2, 1), 1))
    assert list(by(rows, "level")) == ["1", "2", "10"]


def test_a_template_alone_has_a_rate_and_no_interval() -> None:
    """Within a template all rows are one cluster: there is no interval, and the table says why."""
    rows = rows_of(searched([3, 5], node="n1"))
    found = by(rows, "template")
    assert {value: row["rate"] for value, row in found.items()} == {"t1-i1 n1": 0.3, "t1-i2 n1": 0.5}
    assert all(math.isnan(row["low"]) and row["warning"] for row in found.values())


def test_what_no_row_says_is_in_no_table() -> None:
    """Without levels, operators and families there are no lines of them."""
    assert set(rates_by(rows_of(searched([3, 5])))["by"]) == {"template"}


def test_templates_of_two_runs_keep_their_names_apart() -> None:
    """Where there are several runs a template's name begins with its run's."""
    rows = pl.concat([rows_of(searched([3]), "a"), rows_of(searched([4]), "b")])
    assert set(by(rows, "template")) == {"a t1-i1", "b t1-i1"}


def test_growth_is_the_rate_of_all_rows_so_far() -> None:
    """After each iteration the rate is over the rows of all trees up to it, and queries are those of a tree."""
    rows = rows_of([*searched([2, 4, 6]), *searched([4, 0], tree=2)])
    found = growth_table(rows).filter(pl.col("measure") == "loose")
    assert found["rate"].to_list() == [pytest.approx(0.3), 0.25, pytest.approx(0.32)]
    assert found["queries"].to_list() == [10, 20, 25]
    assert found["trees"].to_list() == [2, 2, 1]


def test_a_long_search_grows_in_a_bounded_number_of_steps() -> None:
    """Of many iterations evenly spread ones are shown, the last among them."""
    found = growth_table(rows_of(searched([1] * 130, of=2))).filter(pl.col("measure") == "loose")
    assert found.height == MOST_STEPS
    assert found["iteration"].max() == 130


def test_families_are_those_of_the_seeds(tmp_path: Path) -> None:
    """A template belongs to the family of the seed it descends from, as the items say."""
    seeds = [Item(item="seed/s1", fields={"kind": "seed", "seed": "s1", "family": "audit", "template": "?"})]
    asked = [*searched([3, 4], seed="s1"), Asked(3, "q1", False, told={"seed": "s9"})]
    report = report_identity([loaded(asked, tmp_path, items=seeds)], Options())
    lines = report.tables["rates_by"].filter(pl.col("by") == "family", pl.col("measure") == "loose")
    assert dict(lines.select("value", "rate").iter_rows()) == {"audit": pytest.approx(0.35), None: 0.0}


def test_a_page_shows_coverage_first_and_fits(tmp_path: Path) -> None:
    """Coverage stands before any rate; long names fit in 100 columns; the document is JSON; a simulated run says so."""
    told: dict[str, Any] = {"field": "cooperation", "language": "zh", "operator": "generate_similar", "level": 1}
    long = "laboratory/simulated-model-of-a-long-name-"
    asked = [row for n in range(3) for row in searched([n, 3, 5, 7], f"{long}{n}", **told)]
    report = report_identity([loaded(asked, tmp_path, simulated=True)], Options())
    text = shown(report)
    assert text.index("coverage:") < text.index("loose")
    assert max(map(len, text.splitlines())) <= 100
    assert "SIMULATED" in text
    assert "misleading rule" in text
    assert json.loads(json.dumps(report.document, allow_nan=False)) == report.document


def test_hostile_names_are_shown_as_they_are(tmp_path: Path) -> None:
    """A name with markup or control codes is text on the page."""
    asked = searched([3, 5, 2], "[red]\x1b[31mm", field="[bold]\x07")
    text = shown(report_identity([loaded(asked, tmp_path)], Options()))
    assert "[red]" in text
    assert "\x1b" not in text
    assert "\x07" not in text


def test_many_rows_come_to_the_same(tmp_path: Path) -> None:
    """A run of tens of thousands of rows has the rates of its parts."""
    asked = [row for tree in range(1, 11) for row in searched([10, 20] * 10, of=50, tree=tree)]
    report = report_identity([loaded(asked, tmp_path)], Options())
    assert report.tables["rates"]["rate"].to_list() == [pytest.approx(0.3)] * 3
    assert report.tables["rates"]["templates"].to_list() == [200] * 3


def test_without_second_judgements_the_page_counts_the_conflicts_that_need_one(tmp_path: Path) -> None:
    """Coverage of strict and hard is 0 of the conflicts, not the share of rows that need no second judgement."""
    run = loaded([Asked(i, f"q{n}", n < 5) for i in (1, 2) for n in range(10)], tmp_path)
    lines = [line for line in shown(report_identity([run], Options())).splitlines() if " strict " in line]
    assert "0.0 % 0/10 conflicts" in lines[0]
    assert "None" not in lines[0]


def test_a_warning_has_one_line_with_all_that_it_is_about(tmp_path: Path) -> None:
    """What it says, then the measures and of which targets and pairs; one template is not "1 templates"."""
    run = loaded([*searched([9, 0, 0, 0], "a"), *searched([0, 0, 0, 0], "b")], tmp_path)
    notes = report_identity([run], Options()).document["notes"]
    about = [note for note in notes if "hits in " in note]
    assert about == [
        "no hits in 4 clusters: a bound, wider than need be: b (loose, strict, hard).",
        "hits in 1 template at most: may hold less than 95 %: a - b (loose, strict, hard).",
    ]
