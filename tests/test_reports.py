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
from outputs.report import Report, short_names, write_tables

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
