"""Mean judgements: every item once, coverage of what there should be, and no mean of some for a mean of all."""

from itertools import permutations
from typing import Any

import msgspec
import polars as pl
import pytest

from outputs.asked import AskedRow
from outputs.judgements import JUDGEMENTS_SCHEMA
from outputs.means import ALL_DATASETS, means_table, should_be_judged


def judged(item: str, value: float | None, **changes: Any) -> dict[str, Any]:
    """A judgement of one dimension."""
    row: dict[str, Any] = dict.fromkeys(JUDGEMENTS_SCHEMA)
    return row | {
        "stage": "judge",
        "item": item,
        "dataset": "arena",
        "model": "m",
        "judge": "p/j",
        "control": False,
        "simulated": True,
        "outcome": "unparseable" if value is None else "ok",
        "dimension": "overall",
        "value": value,
        **changes,
    }


def means(*rows: dict[str, Any], asked: dict[Any, int] | None = None) -> dict[str, dict[str, Any]]:
    frame = pl.DataFrame(list(rows), schema=JUDGEMENTS_SCHEMA)
    table = means_table(frame, asked or {}, ["overall"], simulated=True)
    return {row["dataset"]: row for row in table.iter_rows(named=True)}


def row(stage: str, item: str, model: str = "m", judge: str = "j", **more: Any) -> AskedRow:
    told = {"stage": stage, "item": item, "model": model, "dataset": "arena", **more}
    return AskedRow(seq=1, custom_id="x", provider="p", model=judge if stage == "judge" else model, metadata=told)


def test_an_item_counts_once_however_often_it_was_judged() -> None:
    """Repeats and both orders are averaged before the items are."""
    found = means(judged("a", 5.0), judged("a", 3.0, repeat=1), judged("b", 2.0))["arena"]
    assert (found["mean"], found["items"], found["ok"]) == (3.0, 2, 3)


def test_an_unreadable_judgement_is_no_number_but_lowers_coverage() -> None:
    """The mean is over what could be read; coverage is of what there should be."""
    found = means(judged("a", 4.0), judged("b", None), asked={("m", "arena", "p/j", False): 4})["arena"]
    assert (found["mean"], found["items"], found["coverage"]) == (4.0, 1, 0.25)
    nothing = means(judged("a", None))["arena"]
    assert (nothing["mean"], nothing["items"]) == (None, 0)


def test_only_what_judges_say_is_averaged() -> None:
    """An answer of a model under test is no judgement, though the prompt it was asked with asks for scores."""
    assert means(judged("a", 4.0), judged("a", 1.0, stage="answer"))["arena"]["mean"] == 4.0


def test_a_mean_over_datasets_is_unweighted_and_of_all_of_them() -> None:
    """The mean of the sets' means; where a set has none, there is none."""
    rows = [judged("a", 5.0), judged("b", 4.0), judged("c", 4.0), judged("d", 1.0, dataset="numina")]
    found = means(*rows)
    assert found[ALL_DATASETS]["mean"] == pytest.approx((13 / 3 + 1.0) / 2)
    assert ALL_DATASETS not in means(judged("a", 5.0))
    assert means(judged("a", 5.0), judged("d", None, dataset="numina"))[ALL_DATASETS]["mean"] is None


def test_what_was_never_judged_counts_as_asked() -> None:
    """An item whose answer failed has no judgement; as many are missing as the others have."""
    rows = [row("answer", item) for item in "abc"] + [row("judge", item, repeat=n) for item in "ab" for n in (0, 1)]
    assert should_be_judged(rows) == {("m", "arena", "p/j", False): 6}


def test_a_model_that_never_answered_has_coverage_0_and_no_mean() -> None:
    """It stands in the table beside the others; the reference, which nobody judges, does not."""
    rows = [row("answer", item, model) for item in "ab" for model in ("m", "silent", "r")]
    asked = should_be_judged([*rows, row("judge", "a", reference="r")])
    assert asked == {("m", "arena", "p/j", False): 2, ("silent", "arena", "p/j", False): 2}
    frame = pl.DataFrame([judged("a", 4.0)], schema=JUDGEMENTS_SCHEMA)
    silent = (
        means_table(frame, asked, ["overall"], simulated=True).filter(pl.col("model") == "silent").row(0, named=True)
    )
    assert (silent["dimension"], silent["mean"], silent["asked"], silent["coverage"]) == ("overall", None, 2, 0.0)


def test_a_judge_that_never_answered_stands_in_the_table() -> None:
    """A judge without one readable answer has coverage 0; judges of one name at two providers are two."""
    rows = [row("judge", "a", judge="j"), msgspec.structs.replace(row("judge", "a", judge="j"), provider="q")]
    frame = pl.DataFrame([judged("a", 4.0)], schema=JUDGEMENTS_SCHEMA)
    table = means_table(frame, should_be_judged(rows), ["overall"], simulated=True)
    assert table.select("judge", "mean", "ok", "asked").rows() == [("p/j", 4.0, 1, 1), ("q/j", None, 0, 1)]
    nothing = means_table(frame.clear(), should_be_judged(rows), ["overall"], simulated=True)
    assert nothing["coverage"].to_list() == [0.0, 0.0]


def test_what_should_be_judged_does_not_depend_on_the_order_of_the_rows() -> None:
    """A control, judged in one order only, says nothing of how often others are judged."""
    rows = [row("answer", "a", model) for model in ("m", "silent")]
    rows += [row("judge", "a", swapped=both, reference="r") for both in (False, True)]
    rows.append(row("judge", "a", "r", control=True, reference="r"))
    found = [should_be_judged(order) for order in permutations(rows)]
    assert found[0]["silent", "arena", "p/j", False] == 2
    assert all(one == found[0] for one in found)


def test_each_answer_to_an_item_should_be_judged() -> None:
    """Where an item is answered twice and one answer fails, its judgement is missing."""
    rows = [row("answer", "a", repeat=n) for n in (0, 1)]
    assert should_be_judged([*rows, row("judge", "a", answer_repeat=0)]) == {("m", "arena", "p/j", False): 2}


def test_without_answers_of_its_own_a_run_asks_what_it_asks() -> None:
    """A table that is only judged has as many judgements as requests."""
    assert should_be_judged([row("judge", item, model="") for item in "ab"]) == {("", "arena", "p/j", False): 2}
