"""The pages and documents of RSE, ICE and judged tables, made from real runs on the embedded simulator."""

import io
import json
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from orchestrator.api import run
from outputs.analysis import analyze_runs
from outputs.judged.panels import MACRO, POOLED
from outputs.report import Report, short_names, table, write_tables

EXAMPLES = Path(__file__).resolve().parents[1] / "jobs" / "examples"


def page(report: Report, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(report.page)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


async def test_an_rse_run_has_a_mean_for_each_model_and_set(folder: Path) -> None:
    """Every model has its sets and the means over them, the control is near 5, and self-preference is said."""
    assert (await run(EXAMPLES / "rse.toml", out=folder)).exit_code == 0
    report = analyze_runs([folder])
    means = report.tables["means"].filter(pl.col("dimension") == "overall")
    assert means["coverage"].to_list() == [1.0] * 20
    found = {row["dataset"]: row for row in means.filter(pl.col("model") == "simulator/phi-4").to_dicts()}
    sets = [found[name] for name in ("dialogues", "open", "reasoning")]
    assert found[MACRO]["mean"] == pytest.approx(sum(row["mean"] for row in sets) / 3)
    assert found[POOLED]["mean"] == pytest.approx(sum(row["mean"] * row["items"] for row in sets) / 36)
    differences = report.tables["differences"].filter(pl.col("dataset") == MACRO)
    assert (differences.height, set(differences["items"])) == (3, {36})
    assert min(means.filter(pl.col("control"))["mean"]) > 4.5
    shown = page(report)
    assert "SIMULATED" in shown
    assert "Self-preference" in shown
    assert max(map(len, shown.splitlines())) <= 100
    assert json.loads(json.dumps(report.document, allow_nan=False)) == report.document


async def test_an_ice_run_has_rates_with_intervals(folder: Path) -> None:
    """Each target has loose, strict and hard in falling order, within their intervals, and tables that can be read."""
    assert (await run(EXAMPLES / "ice.toml", out=folder)).exit_code == 0
    report = analyze_runs([folder])
    for _, rates in report.tables["rates"].group_by("target"):
        loose, strict, hard = rates["rate"].to_list()
        assert 1 > loose > strict >= hard >= 0
        assert all(low <= rate <= high for low, rate, high in rates.select("low", "rate", "high").iter_rows())
    assert report.tables["identity"].height == 400
    assert "by template" in page(report)
    written = write_tables(report.tables, folder)
    assert pl.read_parquet(folder / "tables" / "rates.parquet").equals(report.tables["rates"])
    assert {path.name for path in written} >= {"identity.csv", "rates.parquet"}


def test_names_are_short_only_where_they_stay_different() -> None:
    """A provider's name goes where the rest tells the models apart."""
    assert short_names(["a/m", "b/m", "b/n", "o"]) == {"a/m": "a/m", "b/m": "b/m", "b/n": "n", "o": "o"}


def test_tables_of_an_earlier_analysis_do_not_stay(tmp_path: Path) -> None:
    """What an analysis no longer makes is gone from its folder, other files stay; NaN is null there."""
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "mine.csv").write_text("x")
    write_tables({"a": pl.DataFrame({"x": [1.0]}), "b": pl.DataFrame({"x": [1.0]})}, tmp_path)
    write_tables({"c": pl.DataFrame({"x": [1.0]})}, tmp_path, "compare")
    write_tables({"b": pl.DataFrame({"x": [float("nan")]})}, tmp_path)
    there = {path.name for path in (tmp_path / "tables").iterdir()}
    assert there == {"b.csv", "b.parquet", "c.csv", "c.parquet", "mine.csv", "analyze.json", "compare.json"}
    assert pl.read_parquet(tmp_path / "tables" / "b.parquet")["x"].to_list() == [None]


def test_headings_are_shown_as_they_are() -> None:
    """A dataset may be called like markup or an escape: a table shows it and does not follow it."""
    console = Console(file=io.StringIO(), width=80, color_system="truecolor", force_terminal=True)
    console.print(table("", ("model", "[/red]x", "[red]d", "\x1b[2J", "two\nlines"), [("m", 1, 2, 3, 4)]))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert all(text in shown for text in ("[/red]x", "[red]d", "two", "lines"))
    assert "\x1b[2J" not in shown


def test_long_names_are_cut_and_stay_different() -> None:
    """At most sixty characters, with an ellipsis; those that begin alike end in a digest, whatever their order."""
    long, other, lone = (f"p/{'x' * 5000}{end}" for end in ("", "y", "")), f"p/{'x' * 5000}z", f"p/{'w' * 61}"
    names = [*dict.fromkeys(long), other, lone, f"{'v' * 59}…", "v" * 70]
    found = short_names(names)
    assert max(map(len, found.values())) == 60
    assert len(set(found.values())) == len(names)
    assert found[lone] == f"{'w' * 59}…"
    assert found == short_names(names[::-1])


def test_a_name_without_its_provider_is_not_the_whole_name_of_another() -> None:
    """Where one model's name is another's with a provider before it, both keep what tells them apart."""
    found = short_names(["q/y/z", "y/z", "w/z"])
    assert len(set(found.values())) == 3
