"""Mean judgements: every item once, coverage of what there should be, and no mean of some for a mean of all."""

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from outputs.analysis_options import Options
from outputs.judged.asked import ASKED_SCHEMA, read_told, should_be_judged
from outputs.judged.gathering import Judgements, gather
from outputs.judged.means import MEANS_SCHEMA, means_table
from outputs.judged.panels import ALL_JUDGES, MACRO, POOLED, macro_mean, make_panels
from outputs.tables.columns import SCORES
from tests.harness.judgements import Row, asked, grid, judged, judged_run, requests

PUBLISHED = """
Llama3.1-70B-Instruct 3.435 3.726 3.723 3.628; Doubao-Pro-32k 3.412 4.125 3.623 3.720;
Claude3.5-Sonnet 3.466 4.114 3.641 3.740; Gemini-Flash-2.0 3.496 4.310 3.835 3.880;
Mistral-Large-2 3.821 3.809 4.064 3.898;
GLM4-Plus 3.834 4.125 4.175 4.045; Phi4 3.792 4.403 3.939 4.045; Deepseek-V3 3.926 4.130 4.251 4.102;
Qwen-72b-Instruct 3.816 4.401 4.207 4.141; Qwen-Max-0919 3.888 4.342 4.293 4.174; GPT4o-0513 4.086 4.312 4.323 4.240
"""  # Lee et al., ACL 2025, long.248: ArenaHard, Numina, ShareGPT, Avg


@pytest.fixture
def means(tmp_path: Path) -> Any:
    """The means of some judgements, by dataset where `key` says no other column."""

    def found(rows: list[Row], key: str = "dataset", asking: list[Row] | None = None) -> dict[str, Row]:
        gathered = gather([judged_run(tmp_path / "run", rows, asking=asking)])
        table = means_table(gathered, make_panels(gathered), Options(resamples=200))
        return {row[key]: row for row in table.iter_rows(named=True)}

    return found


def wanted(rows: list[Row]) -> dict[tuple[str, str, str, bool], int]:
    found = should_be_judged(read_told(requests(rows)))
    return {row[:4]: row[4] for row in found.select("model", "dataset", "judge", "control", "asked").iter_rows()}


@pytest.mark.parametrize("line", [part.split() for part in PUBLISHED.split(";")], ids=lambda line: line[0])
def test_the_macro_mean_is_the_published_avg(line: list[str]) -> None:
    """The unweighted mean of the three published set means is the published Avg, to its three decimals."""
    *sets, average = map(float, line[1:])
    assert macro_mean(np.array(sets)[:, None])[0] == pytest.approx(average, abs=0.0005 + 1e-9)


def test_an_item_counts_once_however_often_it_was_judged(means: Any) -> None:
    """Repeats and both orders are averaged before the items are."""
    found = means([judged("a", 5.0), judged("a", 3.0, repeat=1), judged("b", 2.0)])["arena"]
    assert (found["mean"], found["items"], found["ok"]) == (3.0, 2, 3)


def test_an_unreadable_judgement_is_no_number_but_lowers_coverage(means: Any) -> None:
    """The mean is over what could be read; coverage is of what there should be, by outcome."""
    rows = [judged("a", 4.0), judged("b", None), judged("c", None, outcome="refused")]
    found = means(rows, asking=[asked("judge", item) for item in "abcd"])["arena"]
    assert (found["mean"], found["items"], found["coverage"]) == (4.0, 1, 0.25)
    assert (found["unparseable"], found["refused"], found["unanswered"]) == (1, 1, 1)


def test_without_one_readable_judgement_there_is_no_number(means: Any) -> None:
    """Coverage 0 leaves mean and interval empty, never 0, and says why."""
    found = means([judged("a", None), judged("b", None)])["arena"]
    assert (found["coverage"], found["items"]) == (0.0, 0)
    assert [found[name] for name in ("mean", "low", "high", "standard_error")] == [None] * 4
    assert found["warning"] == "no item with a value"


def test_one_item_has_a_mean_and_no_interval(means: Any) -> None:
    """An interval over one prompt would say nothing."""
    found = means([judged("a", 4.0)])["arena"]
    assert (found["mean"], found["low"], found["warning"]) == (4.0, None, "one item: no interval")


def test_only_what_judges_say_is_averaged(means: Any) -> None:
    """An answer of a model under test is no judgement, though the prompt it was asked with asks for scores."""
    assert means([judged("a", 4.0), judged("a", 1.0, stage="answer")])["arena"]["mean"] == 4.0


def test_two_means_over_datasets_are_named_as_such(means: Any) -> None:
    """One is of the sets' means, the other of all items; both have intervals, the first is within its sets'."""
    rows = grid({"m": [5, 4, 4, 2, 3, 5]}) + grid({"m": [1, 2]}, dataset="numina")
    found = means(rows)
    assert found[MACRO]["mean"] == pytest.approx((23 / 6 + 1.5) / 2)
    assert found[POOLED]["mean"] == pytest.approx(26 / 8)
    assert found[MACRO]["low"] < found[MACRO]["mean"] < found[MACRO]["high"]
    assert found[MACRO]["items"] == 8


def test_a_mean_of_some_sets_is_not_the_mean_of_all(means: Any) -> None:
    """Where a set has no value there is no mean over sets, while the mean over all items is of those there are."""
    found = means([judged("a", 5.0), judged("b", 5.0), judged("d", None, dataset="numina")])
    assert (found[MACRO]["mean"], found[POOLED]["mean"]) == (None, 5.0)
    assert list(found) == ["arena", "numina", MACRO, POOLED]


def test_one_dataset_has_no_mean_over_datasets(means: Any) -> None:
    """It would be the same number twice."""
    assert list(means([judged("a", 5.0)])) == ["arena"]


def test_the_mean_over_judges_is_of_items_that_all_could_read(means: Any) -> None:
    """An item that one judge could not read is in that judge's mean alone."""
    rows = [*grid({"m": [5, 3, 1]}), *grid({"m": [3, 3, None]}, judge="p/k")]
    found = means(rows, key="judge")
    assert {judge: (row["mean"], row["items"]) for judge, row in found.items()} == {
        "p/j": (3.0, 3), "p/k": (3.0, 2), ALL_JUDGES: (3.5, 2),
    }  # fmt: skip
    assert (found[ALL_JUDGES]["ok"], found[ALL_JUDGES]["asked"]) == (5, 6)


def test_a_model_that_one_judge_did_not_see_has_no_mean_over_judges(means: Any) -> None:
    """It would be compared with means of other judges."""
    rows = [*grid({"m": [5, 3], "n": [1, 2]}), *grid({"m": [3, 3]}, judge="p/k")]
    over = [row["model"] for row in means(rows, key="model").values() if row["judge"] == ALL_JUDGES]
    assert over == ["m"]


def test_columns_are_as_said(means: Any) -> None:
    """The table has the documented columns, also where there is nothing in it."""
    assert list(means([judged("a", 4.0)])["arena"]) == list(MEANS_SCHEMA)
    none = Judgements(pl.DataFrame(schema=SCORES.schema), pl.DataFrame(schema=ASKED_SCHEMA), {})
    assert means_table(none, make_panels(none), Options()).schema == pl.Schema(MEANS_SCHEMA)


def test_what_was_never_judged_counts_as_asked() -> None:
    """An item whose answer failed has no judgement; as many are missing as the others have."""
    rows = [asked("answer", item) for item in "abc"] + [asked("judge", item, repeat=n) for item in "ab" for n in (0, 1)]
    assert wanted(rows) == {("m", "arena", "p/j", False): 6}


def test_a_model_that_never_answered_has_coverage_0_and_no_mean(means: Any) -> None:
    """It stands in the table beside the others; the reference, which nobody judges, does not."""
    rows = [asked("answer", item, model) for item in "ab" for model in ("m", "silent", "r")]
    rows.append(asked("judge", "a", reference="r"))
    assert wanted(rows) == {("m", "arena", "p/j", False): 2, ("silent", "arena", "p/j", False): 2}
    silent = means([judged("a", 4.0, reference="r")], key="model", asking=rows)["silent"]
    assert [silent[name] for name in ("dimension", "mean", "asked", "coverage")] == ["overall", None, 2, 0.0]


def test_a_judge_that_never_answered_stands_in_the_table(means: Any) -> None:
    """A judge without one readable answer has coverage 0; judges of one name at two providers are two."""
    found = means([judged("a", 4.0)], key="judge", asking=[asked("judge", "a"), asked("judge", "a", judge="q/j")])
    assert {judge: (row["mean"], row["ok"], row["asked"]) for judge, row in found.items()} == {
        "p/j": (4.0, 1, 1), "q/j": (None, 0, 1), ALL_JUDGES: (None, 1, 2),
    }  # fmt: skip


def test_what_should_be_judged_does_not_depend_on_the_order_of_the_rows() -> None:
    """A control, judged in one order only, says nothing of how often others are judged."""
    rows = [asked("answer", "a", model) for model in ("m", "silent")]
    rows += [asked("judge", "a", swapped=both, reference="r") for both in (False, True)]
    rows.append(asked("judge", "a", "r", control=True, reference="r"))
    found = [wanted(list(order)) for order in list(permutations(rows))[::11]]
    assert found[0]["silent", "arena", "p/j", False] == 2
    assert all(one == found[0] for one in found)


def test_each_answer_to_an_item_should_be_judged() -> None:
    """Where an item is answered twice and one answer fails, its judgement is missing."""
    rows = [asked("answer", "a", repeat=n) for n in (0, 1)]
    assert wanted([*rows, asked("judge", "a", answer_repeat=0)]) == {("m", "arena", "p/j", False): 2}


def test_a_dataset_that_was_never_judged_should_be_as_the_others_are() -> None:
    """Its answers are there, or have failed: each is to be judged as often as elsewhere, and the control too."""
    rows = [asked("answer", f"{name}-{n}", who, dataset=name) for name in "de" for n in (0, 1) for who in "mr"]
    rows += [asked("judge", "d-0", dataset="d", reference="r", repeat=n) for n in (0, 1)]
    rows.append(asked("judge", "d-0", "r", dataset="d", reference="r", control=True))
    assert wanted(rows) == {
        ("m", "d", "p/j", False): 4, ("m", "e", "p/j", False): 4,
        ("r", "d", "p/j", True): 2, ("r", "e", "p/j", True): 2,
    }  # fmt: skip


def test_each_judge_should_judge_every_dataset_without_a_control_where_there_is_none() -> None:
    """A judge that has come to one set only has as much to do on the other."""
    rows = [asked("answer", name, who, dataset=name) for name in "de" for who in "mr"]
    rows += [asked("judge", "d", dataset="d", reference="r", judge=judge) for judge in ("p/j", "p/k")]
    rows.append(asked("judge", "e", dataset="e", reference="r"))
    assert wanted(rows) == {("m", name, judge, False): 1 for name in "de" for judge in ("p/j", "p/k")}


def test_a_dataset_that_was_never_judged_leaves_no_mean_over_datasets(means: Any) -> None:
    """It stands in the table with coverage 0; the mean over all items is over those there are, and its coverage too."""
    asking = [asked("answer", f"{name}-{n}", dataset=name) for name in ("arena", "numina") for n in range(4)]
    asking += [asked("judge", f"arena-{n}") for n in range(4)]
    found = means(grid({"m": [5, 3, 4, 4]}), asking=asking)
    assert list(found) == ["arena", "numina", MACRO, POOLED]
    assert [found["numina"][name] for name in ("mean", "asked", "coverage")] == [None, 4, 0.0]
    assert [found[MACRO][name] for name in ("mean", "asked", "coverage")] == [None, 8, 0.5]
    assert (found[POOLED]["mean"], found["arena"]["coverage"]) == (4.0, 1.0)


def test_without_answers_of_its_own_a_run_asks_what_it_asks() -> None:
    """A table that is only judged has as many judgements as requests; those taken back do not count."""
    rows = [asked("judge", item, model="") for item in "ab"]
    assert wanted([*rows, asked("judge", "c", model="") | {"state": "withdrawn"}]) == {("", "arena", "p/j", False): 2}


@pytest.mark.parametrize(
    "metadata",
    [
        None, "null", "5", '"text"', "[1]", "{broken", "",
        json.dumps({"model": ["m"], "reference": {"a": 1}, "control": "maybe", "repeat": 1.5}),
    ],
)  # fmt: skip
def test_odd_metadata_do_not_stop_the_count(metadata: str | None) -> None:
    """What a manifest may say of its rows: those that name no model are of no model, and the others are as ever."""
    odd = asked("judge", "b") | {"metadata": metadata}
    assert wanted([asked("judge", "a"), odd]) == {("m", "arena", "p/j", False): 1, ("", "arena", "p/j", False): 1}


def test_numbers_and_truths_in_metadata_are_read_alike_by_both_readers() -> None:
    """One odd row turns to the slower reader, which must say the same of all others."""
    rows = [asked("judge", "a", 7, control=True, answer_repeat=n) for n in (0, 1)]  # type: ignore[arg-type]
    fine, odd = wanted(rows), wanted([*rows, asked("judge", "b", "z") | {"metadata": "[]"}])
    assert fine == {("7", "arena", "p/j", True): 2}
    assert odd == fine | {("", "arena", "p/j", False): 1}
