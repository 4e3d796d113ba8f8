"""The report's section on ICE: its numbers are those of the tables, and each leads to its rows."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest

from outputs.analysis_options import Options
from outputs.browsing.columns import condition
from outputs.browsing.making import browse_table
from outputs.figures.drawing import svg
from outputs.figures.identity import identity_section
from outputs.figures.parts import Analysis, Part, Section
from outputs.identity_run import report_identity
from outputs.report import Report
from outputs.tables.loading import LoadedRun, load_run
from tests.harness.identity_runs import Asked, loaded, searched
from tests.harness.workplace import Workplace

SPEC = """
job = "ice"
targets = ["simulator/simulated-claims-35-20", "simulator/simulated-claims-10-5"]
helper = "simulator/gpt-4o-mini-2024-07-18"
judge = "simulator/gpt-4o-mini-2024-07-18"
trees = 2
queries = 60
fields = ["team", "industry"]
seed = 1
[[facts]]
models = ["simulated-claims-*"]
name = "Simulant"
developer = "the simulator's authors"
place = "this machine"
"""
HOSTILE = ["</svg><script>alert(1)</script>", "a\x00\x1b[31m\u202eb", "datum['x']; alert(1)", "lab/" + "long" * 60]


def section_of(runs: Iterable[LoadedRun]) -> Section:
    listed = list(runs)
    report = report_identity(listed, Options())
    found = identity_section(Analysis(listed, Report(report.tables, {"ice": report.document}, report.page)))
    assert found is not None
    return found


def told(number: int) -> dict[str, Any]:
    return {"field": "team" if number % 2 else "industry", "language": "en", "operator": "expand", "level": 1}


def asked(targets: Iterable[str], hits: Iterable[int] = (2, 4, 3)) -> list[Asked]:
    return [one for target in targets for one in searched(list(hits), target, **told(len(target)))]


def part(section: Section, name: str) -> Part:
    [found] = [part for part in section.parts if part.name == name]
    return found


def drawn(section: Section) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(svg(part.chart)) for part in section.parts if part.chart is not None]


def texts(root: ElementTree.Element) -> list[str]:
    return [one.text or "" for one in root.iter() if one.tag.endswith("text")]


def check(section: Section) -> None:
    """What holds of every section: names once, a filter a line, columns that are there, a sentence with a chart."""
    names = [part.name for part in section.parts]
    assert len(set(names)) == len(names)
    for one in section.parts:
        assert len(one.filters) == one.frame.height
        keys = {key for column in one.columns for key in (column.key, column.low, column.high) if key}
        assert keys <= set(one.frame.columns), one.name
        assert (one.chart is None) == (not one.alt)


def test_every_number_leads_to_as_many_rows_as_it_rests_on(work: Workplace) -> None:
    """Of a simulated search the filters of all parts are counted in the table of rows."""
    (work.folder / "ice.toml").write_text(SPEC)
    assert work.overnight("run", "ice.toml", "--simulate", "--out", work.run_folder, "--quiet").code == 0
    run = load_run(work.run_folder)
    rows = pl.read_parquet(browse_table(run))
    section = section_of([run])
    check(section)
    assert section.simulated
    counted = 0
    for one in section.parts:
        for line, where in zip(one.frame.iter_rows(named=True), one.filters, strict=True):
            if where is not None and one.name != "ice_growth" and "rows" in line:
                chosen = rows.filter(*(condition(name, value) for name, value in where.items() if name != "run"))
                assert (where["run"], chosen.height) == (run.name, line["rows"]), (one.name, where)
                counted += 1
    names = {"ice_rates", "ice_coverage", "ice_by_field", "ice_by_language", "ice_by_operator", "ice_growth"}
    assert_added(part(section, "ice_growth"), rows)
    assert names | {"ice_differences", "ice_tree_1", "ice_tree_4"} <= {one.name for one in section.parts}
    assert counted > 30


def assert_added(growth: Part, rows: pl.DataFrame) -> None:
    """Each line of the growth leads to what its iteration added: up to it, as many rows as the line is over."""
    so_far: dict[tuple[str, str], int] = {}
    for line, where in zip(growth.frame.iter_rows(named=True), growth.filters, strict=True):
        assert where is not None
        key = line["target"], line["measure"]
        chosen = rows.filter(*(condition(name, value) for name, value in where.items() if name != "run"))
        so_far[key] = so_far.get(key, 0) + chosen.height
        assert so_far[key] == line["rows"]


def test_differences_lead_to_the_questions_of_both_targets(tmp_path: Path) -> None:
    """A line of a pair has the rows of the first and those of the second."""
    differences = part(section_of([loaded(asked(["m", "nn"]), tmp_path)]), "ice_differences")
    for line, first, second in zip(
        differences.frame.iter_rows(named=True), differences.filters, differences.others, strict=True
    ):
        assert first is not None
        assert second is not None
        assert (first["model"], second["model"]) == (line["base"], line["instruct"])


def test_numbers_are_those_of_the_tables(tmp_path: Path) -> None:
    """Parts have the tables as they are; of the shares by field, the measures side by side."""
    run = loaded(asked(["m", "nn"]), tmp_path)
    tables = report_identity([run], Options()).tables
    section = section_of([run])
    check(section)
    assert part(section, "ice_rates").frame.equals(tables["rates"], null_equal=True)
    assert part(section, "ice_growth").frame.equals(tables["identity_growth"], null_equal=True)
    by = tables["rates_by"].filter(pl.col("by") == "field")
    for line in part(section, "ice_by_field").frame.iter_rows(named=True):
        its = by.filter(pl.col("target") == line["target"], pl.col("value").eq_missing(pl.lit(line["value"])))
        for row in its.iter_rows(named=True):
            for name in ("rate", "low", "high", "hits"):
                assert same(line[f"{row['measure']}_{name}"], row[name])


def same(one: Any, other: Any) -> bool:
    return one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


def test_what_is_not_known_is_not_drawn_as_nothing(tmp_path: Path) -> None:
    """Without second judgements strict and hard are n/a in the chart, and no bar of length 0 stands there."""
    section = section_of([loaded([Asked(i, f"q{n}", n < 3) for i in (1, 2) for n in range(5)], tmp_path)])
    rates = part(section, "ice_rates")
    assert rates.chart is not None
    root = ElementTree.fromstring(svg(rates.chart))
    assert texts(root).count("n/a") == 2
    assert [one["hits"] for one in rates.frame.iter_rows(named=True)] == [6, None, None]


def test_all_unread_is_all_not_defined(tmp_path: Path) -> None:
    """A run none of whose judgements can be read has parts that are drawn, and coverage 0."""
    section = section_of([loaded([Asked(i, f"q{n}", None) for i in (1, 2) for n in range(5)], tmp_path)])
    check(section)
    assert part(section, "ice_coverage").frame["second_read"].to_list() == [None]
    for root in drawn(section):
        assert root.tag.endswith("svg")


def test_a_run_without_a_row_says_so(tmp_path: Path) -> None:
    """There is a section without parts, with the analysis' own sentence."""
    section = section_of([loaded([], tmp_path)])
    assert (section.parts, section.notes) == ([], ("No question was asked.",))


def test_without_ice_runs_there_is_no_section() -> None:
    """An analysis that has nothing of it has no section."""
    assert identity_section(Analysis([], Report({}, {}, ""))) is None


@pytest.mark.parametrize("many", [1, 3, 20])
def test_any_number_of_targets_is_drawn(tmp_path: Path, many: int) -> None:
    """Each has its name at the axis of the rates; growth needs more than one iteration."""
    targets = [f"lab/model-{number}" for number in range(many)]
    section = section_of([loaded(asked(targets), tmp_path)])
    check(section)
    rates = part(section, "ice_rates")
    assert rates.chart is not None
    shown = texts(ElementTree.fromstring(svg(rates.chart)))
    assert [name for name in shown if name.startswith("model-")] == [f"model-{number}" for number in range(many)]
    assert drawn(section)


def test_hostile_names_are_text(tmp_path: Path) -> None:
    """Targets, fields, languages and operators of any text leave each picture XML without a script in it."""
    told: list[dict[str, Any]] = [{"field": name, "language": name, "operator": name, "level": 1} for name in HOSTILE]
    rows = [one for name, about in zip(HOSTILE, told, strict=True) for one in searched([2, 3], name, **about)]
    section = section_of([loaded(rows, tmp_path)])
    check(section)
    for root in drawn(section):
        assert not [one for one in root.iter() if one.tag.endswith(("script", "foreignObject"))]
    whole = svg_texts(section)
    assert any("<script>alert(1)</script>" in text for text in whole)
    assert not any("\u202e" in text for text in whole)


def svg_texts(section: Section) -> set[str]:
    return {text for root in drawn(section) for text in texts(root)}


def test_several_runs_name_themselves_where_a_filter_needs_it(tmp_path: Path) -> None:
    """A target of one run is looked for in it; a target of both in all runs; what is simulated is named."""
    runs = [
        loaded(asked(["m", "nn"]), tmp_path, run="one", simulated=True),
        loaded(asked(["m", "other"]), tmp_path, run="two"),
    ]
    section = section_of(runs)
    check(section)
    rates = part(section, "ice_rates")
    led = {line["target"]: where for line, where in zip(rates.frame.iter_rows(named=True), rates.filters, strict=True)}
    assert led["nn"] == {"run": "one", "model": "nn", "stage": "ask"}
    assert led["m"] == {"model": "m", "stage": "ask"}
    assert section.simulated
    assert "Simulated: m, nn; the other targets are not." in section.notes
