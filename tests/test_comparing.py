"""`overnight compare`: what changed between two runs, on the rows that both have."""

import io
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from orchestrator.api import run as run_job
from outputs.analysis_options import Options
from outputs.comparing import compare_runs
from outputs.report import Report
from outputs.tables.loading import LoadedRun, load_run
from prompts.input_error import InputError
from tests.harness.table_runs import table_run

QUICK = Options(resamples=200)
EXAMPLES = Path(__file__).resolve().parents[1] / "jobs" / "examples"
Row = Mapping[str, Any]


def answered(item: str, text: str | None, *, model: str = "m", name: str | None = None, told: Row | None = None) -> Row:
    """A request about an item: its answer, or None where it failed."""
    return {
        "custom_id": name or f"{model}-{item}",
        "stage": "answer",
        "dataset": "",
        "item": item,
        "model": model,
        "text": text,
        "metadata": json.dumps({"item": item, "model": f"p/{model}", **(told or {})}),
    }


def made(folder: Path, rows: Iterable[Row], scores: Iterable[Row] = ()) -> LoadedRun:
    """A run of these requests, with the scores of some of them."""
    known = [{"provider": "p", **row} for row in rows]
    about = ("custom_id", "stage", "dataset", "item", "provider", "model")
    requests: list[Row] = [{name: row[name] for name in (*about, "metadata")} | {"state": "answered"} for row in known]
    states = ["failed" if row["text"] is None else "answered" for row in known]
    outcomes: list[Row] = [
        {n: row[n] for n in about} | {"state": state} for row, state in zip(known, states, strict=True)
    ]
    responses: list[Row] = [
        {name: row[name] for name in (*about, "text")} | {"counts": True, "output_tokens": 4}
        for row in known
        if row["text"] is not None
    ]
    tables: dict[str, list[Row]] = {
        "requests": requests,
        "outcomes": outcomes,
        "responses": responses,
        "scores": list(scores),
    }
    return table_run(folder, tables)


def score(item: str, value: float | None, *, dimension: str = "overall", model: str = "m") -> Row:
    """A judgement of a model's answer to an item; None where it could not be read."""
    told = {"custom_id": f"{model}-{item}", "stage": "judge", "item": item, "model": f"p/{model}", "judge": "p/j"}
    return {**told, "dimension": dimension, "value": value, "outcome": "unparseable" if value is None else "ok"}


def shown(report: Report, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(report.page)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def only(report: Report, table: str) -> dict[str, Any]:
    frame = report.tables[table]
    assert frame.height == 1
    return frame.row(0, named=True)


def test_the_share_of_changed_answers_is_over_those_that_both_have(tmp_path: Path) -> None:
    """An answer that failed in one run is counted beside the share, not in it."""
    a = made(tmp_path / "a", [answered(f"q{n}", text) for n, text in enumerate(["x", "y", "z", None, "v"])])
    b = made(tmp_path / "b", [answered(f"q{n}", text) for n, text in enumerate(["x", "Y", "z", "w", None])])
    row = only(compare_runs(a, b, QUICK), "answers_changed")
    assert (row["rows"], row["both"], row["only_a"], row["only_b"], row["changed"]) == (5, 3, 1, 1, 1)
    assert row["share_changed"] == pytest.approx(1 / 3)
    assert row["low"] <= row["share_changed"] <= row["high"]


def test_scores_move_by_the_mean_over_common_rows(tmp_path: Path) -> None:
    """What could be read in one run alone is in neither mean, and it is said so."""
    rows = [answered(f"q{n}", "x") for n in range(4)]
    a = made(tmp_path / "a", rows, [score(f"q{n}", v) for n, v in enumerate([1, 2, 3, 5])])
    b = made(tmp_path / "b", rows, [score(f"q{n}", v) for n, v in enumerate([2, 3, 3, None])])
    report = compare_runs(a, b, QUICK)
    row = only(report, "scores_moved")
    assert (row["rows"], row["both"], row["only_a"], row["only_b"]) == (4, 3, 1, 0)
    assert (row["mean_a"], row["mean_b"]) == (2.0, pytest.approx(8 / 3))
    assert (row["difference"], row["share_changed"]) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert row["low"] <= row["difference"] <= row["high"]
    assert "m (overall): 1 rows have a score in A alone, 0 in B alone: left out of both means." in shown(report)


def test_a_judgement_that_failed_is_a_row_of_both(tmp_path: Path) -> None:
    """What both runs asked is counted, though one of them, or both, never had an answer to it."""
    a = made(tmp_path / "a", [answered(f"q{n}", "x") for n in range(4)], [score("q0", 1), score("q1", 2)])
    b = made(tmp_path / "b", [answered(f"q{n}", "x") for n in range(4)], [score("q0", 1), score("q2", 2)])
    row = only(compare_runs(a, b, QUICK), "scores_moved")
    assert (row["rows"], row["both"], row["only_a"], row["only_b"]) == (4, 1, 1, 1)


def test_nothing_readable_in_both_gives_no_number(tmp_path: Path) -> None:
    """Means and differences are null where no row has a score in both, never 0."""
    rows = [answered("q", "x")]
    a, b = made(tmp_path / "a", rows, [score("q", 3)]), made(tmp_path / "b", rows, [score("q", None)])
    row = only(compare_runs(a, b, QUICK), "scores_moved")
    assert (row["both"], row["mean_a"], row["difference"], row["low"]) == (0, None, None, None)
    assert row["p"] is None or math.isnan(row["p"])
    assert row["warning"]


def test_another_model_is_matched_by_what_was_asked(tmp_path: Path) -> None:
    """Where no custom_id is in both runs, rows about the same question are matched, one model against the other."""
    a = made(tmp_path / "a", [answered(f"q{n}", "x", model="old") for n in range(3)])
    b = made(tmp_path / "b", [answered(f"q{n}", "y", model="new") for n in range(4)])
    report = compare_runs(a, b, QUICK)
    row = only(report, "answers_changed")
    assert (row["model_a"], row["model_b"], row["both"], row["share_changed"]) == ("p/old", "p/new", 3, 1.0)
    assert (report.document["only_a"], report.document["only_b"]) == (0, 1)
    assert "whatever the model" in report.document["matched"]["how"]
    assert "old -> new" in shown(report)


def test_repeats_and_turns_are_rows_of_their_own(tmp_path: Path) -> None:
    """A question that was asked twice is matched repeat by repeat."""
    told = [{"repeat": repeat} for repeat in (0, 1)]
    a = made(tmp_path / "a", [answered("q", f"{t}", name=f"a{t}", told=t) for t in told])
    b = made(tmp_path / "b", [answered("q", f"{t}", name=f"b{t}", told=t) for t in reversed(told)])
    row = only(compare_runs(a, b, QUICK), "answers_changed")
    assert (row["both"], row["changed"]) == (2, 0)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param([answered("else", "x", name="e")], id="other questions"),
        pytest.param([answered("q0", "x", name="n1"), answered("q0", "x", name="n2")], id="one question twice"),
        pytest.param([], id="an empty run"),
    ],
)
def test_runs_without_a_common_row_cannot_be_compared(tmp_path: Path, other: list[Row]) -> None:
    """It says that they have no row in common."""
    a, b = made(tmp_path / "a", [answered("q0", "x")]), made(tmp_path / "b", other)
    with pytest.raises(InputError, match="no row in common"):
        compare_runs(a, b, QUICK)


async def test_a_run_against_itself_under_another_seed(tmp_path: Path) -> None:
    """Two real runs of one spec are matched whole by their names, in a document of plain JSON within 100 columns."""
    for name in ("a", "b"):
        assert (await run_job(EXAMPLES / "judge.toml", out=tmp_path / name)).exit_code == 0
    report = compare_runs(load_run(tmp_path / "a"), load_run(tmp_path / "b"), QUICK)
    assert report.document["matched"]["how"] == "by their custom_id"
    assert (report.document["only_a"], report.document["only_b"]) == (0, 0)
    assert set(report.tables["scores_moved"]["difference"]) == {0.0}
    assert set(report.tables["answers_changed"]["changed"]) == {0}
    assert json.loads(json.dumps(report.document, allow_nan=False)) == report.document
    page = shown(report)
    assert "SIMULATED" in page
    assert max(map(len, page.splitlines())) <= 100
