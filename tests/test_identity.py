"""ICE's measures: what counts, what is left out, and what is not known."""

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from outputs.analysis_options import Options
from outputs.identity.columns import RATES
from outputs.identity.rates import coverage_table, rates_table
from outputs.identity.templates import digest
from outputs.identity_run import report_identity
from outputs.items import Item
from tests.harness.identity_runs import Asked, loaded, rows_of, searched

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "ice"
RELEASED = [
    ("gpt_GPT_deepseek-chat", "GPT_deepseek-chat_0.34", "GPT_deepseek-chat_0.22", (0.339, 0.219, 0.070)),
    ("gpt_GPT_Phi4", "GPT_phi-4_0.22", "GPT_phi-4_0.14", (0.217, 0.137, 0.019)),
    ("gpt_GPT_qwen-max-0919", "GPT_qwen-max-0919_0.34", "GPT_qwen-max-0919_0.25", (0.342, 0.248, 0.102)),
]


def rates(asked: Sequence[Asked]) -> dict[str, dict[str, Any]]:
    return {row["measure"]: row for row in rates_table(rows_of(asked)).iter_rows(named=True)}


def test_hits_need_both_judgements_and_a_clean_template() -> None:
    """Loose counts conflicts, strict those with a claim, hard those of templates without a misleading word."""
    gpt = {"misleading": ["gpt"]}
    found = rates([Asked(1, "a", True, True), Asked(1, "b", False), Asked(2, "a", True, True, told=gpt),
                   Asked(2, "b", True, False)])  # fmt: skip
    assert {measure: row["rate"] for measure, row in found.items()} == {"loose": 0.75, "strict": 0.5, "hard": 0.25}
    assert {row["coverage"] for row in found.values()} == {1.0}
    assert {(row["rows"], row["templates"]) for row in found.values()} == {(4, 2)}
    assert (found["strict"]["hits"], found["strict"]["templates_with_hits"]) == (2, 2)


def test_what_no_judge_could_say_is_in_no_denominator() -> None:
    """Without its judgements a row is covered by none of the measures that need them; the bound counts it as no hit."""
    found = rates([Asked(1, "a", True, True), Asked(1, "b", True), Asked(1, "c", False), Asked(1, "d", None)])
    assert (found["loose"]["rate"], found["loose"]["judged"], found["loose"]["coverage"]) == (2 / 3, 3, 0.75)
    assert (found["strict"]["judged"], found["strict"]["coverage"]) == (2, 0.5)
    assert found["strict"]["rate_over_all_rows"] == 0.25


def test_a_lost_second_judgement_makes_no_rate_smaller() -> None:
    """Of 20 rows half conflict and all of those claim; that most of the second judgements are lost changes nothing."""
    rows = [
        Asked(i, f"q{n}", n < 5, "absent" if n >= 5 else True if n < 2 else None) for i in (1, 2) for n in range(10)
    ]
    assert rates(rows)["strict"]["rate"] == 0.5
    assert rates(rows)["strict"]["coverage"] == 0.7


def test_without_second_judgements_strict_and_hard_are_not_known() -> None:
    """A run with conflicts and no second judgement has a loose share; the others are NaN, with the reason."""
    found = rates([Asked(i, f"q{n}", n < 5) for i in (1, 2) for n in range(10)])
    assert found["loose"]["rate"] == 0.5
    for measure in ("strict", "hard"):
        assert math.isnan(found[measure]["rate"])
        assert "no second judgement" in found[measure]["warning"]


def test_hits_are_not_counted_where_no_conflict_was_judged_again() -> None:
    """They are null, not 0, and nothing is covered; a target without conflicts has none, which is known."""
    found = rates([Asked(i, f"q{n}", n < 5) for i in (1, 2) for n in range(10)])
    for measure in ("strict", "hard"):
        row = found[measure]
        assert [row[name] for name in ("hits", "templates_with_hits", "rate_over_all_rows")] == [None] * 3
        assert (row["judged"], row["coverage"], row["rows"]) == (0, 0.0, 20)
    none = rates([Asked(i, f"q{n}", False) for i in (1, 2) for n in range(10)])["strict"]
    assert (none["hits"], none["coverage"], none["rate_over_all_rows"]) == (0, 1.0, 0.0)


def test_targets_are_told_apart_and_one_without_judgements_has_no_rate() -> None:
    """Each target has its own rates; where nothing was judged there is NaN, not 0."""
    table = rates_table(rows_of([Asked(1, "a", True, False), Asked(1, "a", target="n")]))
    found = {(row["target"], row["measure"]): row for row in table.iter_rows(named=True)}
    assert (found["m", "loose"]["rate"], found["m", "strict"]["rate"]) == (1.0, 0.0)
    assert math.isnan(found["n", "loose"]["rate"])
    assert (found["n", "loose"]["coverage"], found["n", "loose"]["templates"]) == (0.0, 0)
    assert "no judgement" in found["n", "loose"]["warning"]


def test_a_standard_error_by_hand() -> None:
    """Two templates of two rows, one all conflicts: the standard error is sqrt(2 * (1 / 4 + 1 / 4)) / 2."""
    found = rates([Asked(1, "a", True), Asked(1, "b", True), Asked(2, "a", False), Asked(2, "b", False)])["loose"]
    assert math.isclose(found["standard_error"], 0.5)
    assert found["low"] < 0.1
    assert found["high"] > 0.9


def test_one_template_has_a_rate_and_no_interval() -> None:
    """What cannot be known of one cluster is NaN, and said to be."""
    found = rates(searched([3]))["loose"]
    assert (found["rate"], found["templates"]) == (0.3, 1)
    assert math.isnan(found["low"])
    assert found["warning"]


def test_equal_templates_give_no_interval_of_no_width() -> None:
    """That two templates happen to have the same share does not make it certain."""
    found = rates(searched([3, 3]))["loose"]
    assert math.isnan(found["low"])
    assert "same share" in found["warning"]


@pytest.mark.parametrize(("hits", "rate"), [(10, 1.0), (0, 0.0)], ids=["all", "none"])
def test_all_conflicts_or_none_leave_room_on_the_other_side(hits: int, rate: float) -> None:
    """A share of 1 or 0 over few templates is not certain, and a target without conflicts has strict and hard of 0."""
    for found in rates(searched([hits] * 6)).values():
        assert found["rate"] == rate
        assert found["high"] - found["low"] > 0.1
        assert found["low"] <= rate <= found["high"]


def test_a_retry_counts_once_and_its_last_judgement_counts() -> None:
    """Rows that stand twice are one row; of two judgements the later is taken, also where it cannot be read."""
    found = rates([Asked(1, "a", True, True), Asked(1, "a", False), Asked(1, "b", True, True), Asked(1, "b", None)])
    assert (found["loose"]["rows"], found["loose"]["judged"], found["loose"]["hits"]) == (2, 1, 0)


def test_what_a_change_took_away_is_not_counted() -> None:
    """A request that was withdrawn is no row."""
    from outputs.identity.rows import identity_rows
    from tests.harness.identity_runs import tables_of

    requests, scores = tables_of([Asked(1, "a", True), Asked(1, "b", True)])
    gone = pl.when(pl.col("custom_id") == "ask-1").then(pl.lit("withdrawn")).otherwise(pl.col("state")).alias("state")
    assert identity_rows(requests.with_columns(gone), scores, simulated=False)["question"].to_list() == ["a"]


def test_a_live_run_says_how_far_it_is() -> None:
    """With half of its judgements a run has the rates of that half, and the coverage of it."""
    rows = rows_of([Asked(1, f"q{n}", n < 2 if n < 5 else "absent", True if n < 2 else "absent") for n in range(10)])
    assert rates_table(rows)["rate"][0] == 0.4
    assert rates_table(rows)["coverage"].to_list() == [0.5] * 3
    found = coverage_table(rows).row(0, named=True)
    assert (found["rows"], found["judged"], found["conflicts"], found["judged_again"]) == (10, 5, 2, 2)


def test_imported_verdicts_count_where_there_is_no_judgement() -> None:
    """Rows made elsewhere say themselves what was judged; a claim without a conflict counts for nothing."""
    verdicts = [(True, True), (True, False), (False, True), (None, None)]
    told: list[dict[str, Any]] = [{"conflict": conflict, "claim": claim} for conflict, claim in verdicts]
    rows = [Asked(1, f"q{n}", told={"imported": {**one, "file": {"a": [1]}}}) for n, one in enumerate(told)]
    found = rates(rows)
    assert (found["loose"]["rate"], found["strict"]["rate"]) == (2 / 3, 1 / 3)
    assert found["loose"]["coverage"] == 0.75


ODD: list[dict[str, Any]] = [
    {"field": 5, "level": "deep"},
    {"field": {"a": [1]}, "language": ["en"]},
    {"misleading": "gpt", "node": None},
    {"misleading": [{"a": 1}]},
    {"level": 1e300, "imported": 7},
    {"imported": {"conflict": "maybe"}, "template_sha256": 3},
    {"level": True, "misleading": True},
]


@pytest.mark.parametrize("told", ODD, ids=json.dumps)
def test_odd_metadata_is_no_crash(told: dict[str, Any]) -> None:
    """Values of a type that no job writes become text or null; the row counts."""
    found = rows_of([Asked(1, "a", True, True), Asked(2, "a", False, told=told)])
    assert found["conflict"].to_list() == [True, False]
    assert rates_table(found)["rate"][0] == 0.5


def test_metadata_that_is_no_object_is_a_row_of_nobody() -> None:
    """A request of the right stage without metadata has neither target nor question, and no judgement."""
    from outputs.identity.rows import identity_rows
    from tests.harness.identity_runs import tables_of

    requests, scores = tables_of([Asked(1, "a", True), Asked(1, "b", True)])
    for text in (None, "null"):
        odd = pl.when(pl.col("custom_id") == "ask-1").then(pl.lit(text)).otherwise(pl.col("metadata"))
        rows = identity_rows(requests.with_columns(odd.alias("metadata")), scores, simulated=False)
        assert rows.select("target", "question", "conflict").rows() == [("m", "a", True), ("", None, None)]


def test_two_runs_of_a_target_have_clusters_of_their_own() -> None:
    """The same place in two runs, or in two trees, is two templates."""
    rows = pl.concat([rows_of(searched([3, 5]), "a"), rows_of(searched([4, 6]), "b")])
    assert rates_table(rows)["templates"].to_list() == [4] * 3
    assert rates_table(rows)["rate"][0] == 0.45
    trees = rows_of([*searched([3, 5]), *searched([4, 6], tree=2)])
    assert rates_table(trees)["templates"].to_list() == [4] * 3


def test_a_template_that_is_used_again_is_one_cluster() -> None:
    """An iteration whose mutation failed goes on with the template it had."""
    same = searched([3, 5, 4], template_sha256="a" * 16)
    other = [Asked(4, f"q{n}", n < 2, told={"template_sha256": "b" * 16}) for n in range(10)]
    assert rates_table(rows_of([*same, *other]))["templates"].to_list() == [2] * 3


def test_a_table_of_nothing_is_empty() -> None:
    """A run without a question has empty tables of the right columns, and a page that says so."""
    assert rates_table(rows_of([])).schema == RATES
    report = report_identity([loaded([], Path("/nowhere"))], Options())
    assert all(table.is_empty() for name, table in report.tables.items() if name != "identity_rules")
    assert report.document["rates"] == []
    assert "No question was asked." in report.document["notes"]


@pytest.mark.parametrize(("raw", "loose", "strict", "published"), RELEASED, ids=[one[0] for one in RELEASED])
def test_the_released_rows_give_the_published_rates(
    raw: str, loose: str, strict: str, published: tuple[float, float, float]
) -> None:
    """The released answers and their released judgements come to the published loose, strict and hard."""
    if not REAL.is_dir():
        pytest.skip(f"the released ICE data are not here: {REAL}")
    asked, items = _released(raw, loose, strict)
    document = report_identity([loaded(asked, REAL, items=items)], Options()).document
    found = {row["measure"]: row for row in document["rates"]}
    assert tuple(round(found[name]["rate"], 3) for name in ("loose", "strict", "hard")) == published
    assert {(row["templates"], row["rows"], row["coverage"]) for row in found.values()} == {(20, 1000, 1.0)}
    assert document["rules"][0]["rule"] == found["hard"]["rule"] == "template has 'openai' or 'gpt', case-insensitive"
    if "deepseek" in raw:
        assert round(found["loose"]["standard_error"], 3) == 0.032


def _released(raw: str, loose: str, strict: str) -> tuple[list[Asked], list[Item]]:
    """As an import has them: verdicts in the rows, templates as items, nothing of misleading words."""
    lines = [json.loads(line) for line in (REAL / "attack_result" / f"{raw}.jsonl").read_text().splitlines()]
    names = {text: n for n, text in enumerate(dict.fromkeys(line["jailbreak_prompt"] for line in lines), 1)}
    kinds = (("loose", loose), ("strict", strict))
    listed = {kind: _listed(REAL / f"{kind}_score" / f"{name}.csv") for kind, name in kinds}
    asked = []
    for line in lines:
        key = line["jailbreak_prompt"], line["query"]
        verdicts = {"conflict": key in listed["loose"], "claim": key in listed["strict"]}
        told = {"imported": verdicts, "template_sha256": digest(key[0]), "misleading": None}
        asked.append(Asked(names[key[0]], key[1], told=told))
    return asked, [Item(item=f"template/{n}", fields={"template": text}) for text, n in names.items()]


def _listed(path: Path) -> set[tuple[str, str]]:
    with path.open(newline="") as file:
        return {(row["jailbreak_prompt"], row["query"]) for row in csv.DictReader(file)}
