"""Which rows of two runs changed: those that `overnight compare` counts, those whose scores moved most first."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from outputs.changed_rows import changes
from outputs.tables.loading import LoadedRun
from tests.harness.table_runs import table_run


def made(folder: Path, texts: Sequence[str | None], scores: Mapping[int, Mapping[str, float | None]]) -> LoadedRun:
    """A run of questions with these answers, None where one failed, and the scores of some of them by dimension."""
    rows = [
        {"custom_id": f"q{n}", "stage": "judge", "dataset": "", "item": f"i{n}", "provider": "p", "model": "m"}
        for n in range(len(texts))
    ]
    outcomes = [
        {**row, "request": 10 + n, "state": "failed" if texts[n] is None else "answered", "outcome": "ok"}
        for n, row in enumerate(rows)
    ]
    tables: dict[str, Sequence[dict[str, Any]]] = {
        "requests": [{**row, "seq": 10 + n, "state": "answered", "metadata": json.dumps({"item": row["item"]})}
                     for n, row in enumerate(rows)],
        "outcomes": outcomes,
        "responses": [{**row, "counts": True, "text": text} for row, text in zip(rows, texts, strict=True) if text],
        "scores": [{**rows[n], "dimension": name, "value": value}
                   for n, given in scores.items() for name, value in given.items()],
    }  # fmt: skip
    return table_run(folder, tables)


def test_the_rows_that_moved_most_come_first(tmp_path: Path) -> None:
    """By the dimension that moved most, up or down; then those with another text alone, and nothing else."""
    same = {0: {"x": 1.0, "y": 1.0}, 1: {"x": 1.0}, 2: {"x": 3.0}, 3: {"x": 1.0}}
    moved = {0: {"x": 1.5, "y": -1.0}, 1: {"x": 4.0}, 2: {"x": 3.0}, 3: {"x": 1.0}}
    a = made(tmp_path / "a", ["t", "t", "t", "t"], same)
    b = made(tmp_path / "b", ["t", "t", "T", "t"], moved)
    found = changes(a, b).rows
    assert found["custom_id_a"].to_list() == ["q1", "q0", "q2"]
    assert found["dimension"].to_list() == ["x", "y", None]
    assert found["difference"].to_list() == [3.0, -2.0, None]
    assert found["text_changed"].to_list() == [False, False, True]
    assert found["request_b"].to_list() == [11, 10, 12]


def test_a_score_that_one_run_lacks_is_a_change(tmp_path: Path) -> None:
    """It has no difference, which is not 0; and a row that failed in one run has no text to be another."""
    a = made(tmp_path / "a", ["t", "t"], {0: {"x": 1.0}})
    b = made(tmp_path / "b", ["t", None], {0: {"x": None}})
    found = changes(a, b).rows.to_dicts()
    assert [(row["score_a"], row["score_b"], row["difference"]) for row in found] == [(1.0, None, None), (None,) * 3]
    assert [(row["state_a"], row["state_b"], row["text_changed"]) for row in found] == [
        ("answered", "answered", False),
        ("answered", "failed", None),
    ]


def test_two_runs_that_are_the_same_have_no_changed_row(tmp_path: Path) -> None:
    """Whatever they hold."""
    runs = [made(tmp_path / name, ["t", None], {0: {"x": 1.0}}) for name in "ab"]
    assert changes(*runs).rows.height == 0
