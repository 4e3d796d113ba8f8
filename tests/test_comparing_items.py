"""`overnight compare` of runs without requests: item by item."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from outputs.analysis_options import Options
from outputs.comparing import compare_runs
from outputs.items import Item
from outputs.tables.loading import LoadedRun
from prompts.input_error import InputError
from tests.harness.caption_runs import imported_run
from tests.test_comparing import only, shown

QUICK = Options(resamples=100)


def made(folder: Path, scores: Mapping[str, float | None], captions: Mapping[str, str] | None = None) -> LoadedRun:
    """Items with a score of CLIPScore, None where there is none, and a caption."""
    told = captions or {}
    items = [
        Item(item=name, candidate=told.get(name, ""), scores={} if value is None else {"CLIPScore": {"overall": value}})
        for name, value in scores.items()
    ]
    return imported_run(folder, items)


def test_imported_scores_are_compared_by_item(tmp_path: Path) -> None:
    """Means are over the items with a score in both runs, told by metric and dimension, of no judge."""
    a = made(tmp_path / "a", {"v0": 0.25, "v1": 0.5, "v2": None, "v3": 1.0})
    b = made(tmp_path / "b", {"v1": 0.75, "v0": 0.25, "v2": 0.5, "v4": 0.5})
    report = compare_runs(a, b, QUICK)
    row = only(report, "scores_moved")
    assert (row["stage"], row["model_a"], row["model_b"], row["judge_a"], row["dimension"]) == (
        "imported", "CLIPScore", "CLIPScore", None, "overall",
    )  # fmt: skip
    assert (row["rows"], row["both"], row["only_a"], row["only_b"]) == (3, 2, 0, 1)
    assert (row["mean_a"], row["mean_b"], row["difference"], row["share_changed"]) == (0.375, 0.5, 0.125, 0.5)
    assert (report.document["only_a"], report.document["only_b"]) == (1, 1)
    assert "3 rows are in both runs, matched by item" in shown(report)


def test_another_caption_is_another_answer(tmp_path: Path) -> None:
    """What share of the items that have a caption in both runs have another text."""
    a = made(tmp_path / "a", {"v0": None, "v1": None, "v2": None}, {"v0": "a dog", "v1": "a cat", "v2": "one"})
    b = made(tmp_path / "b", {"v0": None, "v1": None, "v2": None}, {"v0": "a dog", "v1": "two cats"})
    report = compare_runs(a, b, QUICK)
    row = only(report, "answers_changed")
    assert (row["rows"], row["both"], row["only_a"], row["changed"]) == (3, 2, 1, 1)
    assert (row["output_tokens_a"], row["cost_usd_a"]) == (None, None)
    assert report.tables["scores_moved"].height == 0


def test_runs_that_share_no_item_cannot_be_compared(tmp_path: Path) -> None:
    """It says that they have no item in common."""
    a, b = made(tmp_path / "a", {"v0": 1.0}), made(tmp_path / "b", {"w0": 1.0})
    with pytest.raises(InputError, match="no item in common"):
        compare_runs(a, b, QUICK)


def test_scores_of_another_scale_are_shown_by_their_power_of_ten(tmp_path: Path) -> None:
    """A mean of 1e300 is not a line of 301 digits."""
    a, b = (made(tmp_path / name, {f"v{n}": (n + at) * 1e300 for n in range(3)}) for at, name in enumerate("ab"))
    page = shown(compare_runs(a, b, QUICK))
    assert "1e+300" in page
    assert "0000000" not in page
