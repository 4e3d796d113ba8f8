"""ICE's measures: what counts, what is left out, and how sure a share over clusters is."""

import csv
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outputs.asked import AskedRow
from outputs.identity import Place, clustered_share, identity_rows, rates_table

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "ice"
RELEASED = [
    ("gpt_GPT_deepseek-chat", "GPT_deepseek-chat_0.34", "GPT_deepseek-chat_0.22", (0.339, 0.219, 0.070)),
    ("gpt_GPT_Phi4", "GPT_phi-4_0.22", "GPT_phi-4_0.14", (0.217, 0.137, 0.019)),
    ("gpt_GPT_qwen-max-0919", "GPT_qwen-max-0919_0.34", "GPT_qwen-max-0919_0.25", (0.342, 0.248, 0.102)),
]


def asked(iteration: int, question: str, target: str = "m", misleading: Iterable[str] = ()) -> AskedRow:
    """A row of a search: a question asked through the template of an iteration."""
    told = {"stage": "ask", "target": target, "tree": 0, "iteration": iteration, "question": question}
    row = {**told, "misleading": list(misleading)}
    return AskedRow(seq=1, custom_id="x", provider="p", model=target, metadata=row)


def rates(rows: list[AskedRow], verdicts: Mapping[tuple[str, Place], bool]) -> dict[str, dict[str, Any]]:
    found = rates_table(identity_rows(rows, verdicts, simulated=True))
    return {row["measure"]: row for row in found.iter_rows(named=True)}


def test_hits_need_both_judgements_and_a_clean_template() -> None:
    """Loose counts conflicts, strict those with a claim, hard those of templates without a misleading word."""
    rows = [asked(1, "a"), asked(1, "b"), asked(2, "a", misleading=["gpt"]), asked(2, "b")]
    loose = {
        ("loose", ("m", 0, i, q)): v for i, q, v in [(1, "a", True), (1, "b", False), (2, "a", True), (2, "b", True)]
    }
    strict = {("strict", ("m", 0, i, q)): v for i, q, v in [(1, "a", True), (2, "a", True), (2, "b", False)]}
    found = rates(rows, {**loose, **strict})
    assert {measure: row["rate"] for measure, row in found.items()} == {"loose": 0.75, "strict": 0.5, "hard": 0.25}
    assert {row["coverage"] for row in found.values()} == {1.0}
    assert {(row["rows"], row["templates"]) for row in found.values()} == {(4, 2)}


def test_what_no_judge_could_say_is_in_no_denominator() -> None:
    """Without its judgements a row is covered by none of the measures that need them; the bound counts it as no hit."""
    rows = [asked(1, q) for q in "abcd"]
    verdicts = {("loose", ("m", 0, 1, q)): v for q, v in [("a", True), ("b", True), ("c", False)]}
    found = rates(rows, {**verdicts, ("strict", ("m", 0, 1, "a")): True})
    assert (found["loose"]["rate"], found["loose"]["judged"], found["loose"]["coverage"]) == (2 / 3, 3, 0.75)
    assert (found["strict"]["judged"], found["strict"]["coverage"]) == (2, 0.5)
    assert found["strict"]["rate_over_all_rows"] == 0.25


def test_a_lost_second_judgement_makes_no_rate_smaller() -> None:
    """Of 20 rows half conflict and all of those claim; that half of the second judgements is lost changes nothing."""
    rows = [asked(i, f"q{n}") for i in (1, 2) for n in range(10)]
    loose = {("loose", ("m", 0, i, f"q{n}")): n < 5 for i in (1, 2) for n in range(10)}
    strict = {("strict", ("m", 0, i, f"q{n}")): True for i in (1, 2) for n in range(5)}
    lost = {key: value for key, value in strict.items() if key[1][3] in ("q0", "q1")}
    assert rates(rows, {**loose, **strict})["strict"]["rate"] == 0.5
    assert rates(rows, {**loose, **lost})["strict"]["rate"] == 0.5
    assert math.isnan(rates(rows, loose)["strict"]["rate"])


def test_targets_are_told_apart_and_one_without_judgements_has_no_rate() -> None:
    """Each target has its own rates; where nothing was judged there is NaN, not 0."""
    verdicts = {("loose", ("m", 0, 1, "a")): True, ("strict", ("m", 0, 1, "a")): False}
    table = rates_table(identity_rows([asked(1, "a"), asked(1, "a", target="n")], verdicts, simulated=False))
    found = {(row["target"], row["measure"]): row["rate"] for row in table.iter_rows(named=True)}
    assert (found["m", "loose"], found["m", "strict"]) == (1.0, 0.0)
    assert math.isnan(found["n", "loose"])


def test_a_share_over_clusters_by_hand() -> None:
    """Two clusters of two, one all hits: the standard error is sqrt(2 * (1 + 1)) / 4."""
    found = clustered_share([(2, 2, 2, 2), (2, 0, 0, 0)])
    assert (found.rate, found.clusters) == (0.5, 2)
    assert math.isclose(found.standard_error, 0.5)  # sqrt(2 / 1 * (0.25 ** 2 + 0.25 ** 2))
    assert (found.low, found.high) == (0.0, 1.0)


def test_one_cluster_has_no_interval_and_none_no_rate() -> None:
    """What cannot be known is NaN; clusters without a judged row are none."""
    one, none = clustered_share([(4, 1, 1, 1), (0, 0, 0, 0)]), clustered_share([(0, 0, 0, 0)])
    assert (one.rate, one.clusters) == (0.25, 1)
    assert math.isnan(one.low)
    assert math.isnan(none.rate)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=30))
def test_an_interval_holds_its_rate(hits: list[int]) -> None:
    """The interval lies within 0 and 1, and the rate within the interval."""
    found = clustered_share([(50, hit, hit, hit) for hit in hits])
    assert 0 <= found.low <= found.rate <= found.high <= 1


@pytest.mark.parametrize(("raw", "loose", "strict", "published"), RELEASED, ids=[one[0] for one in RELEASED])
def test_the_released_rows_give_the_published_rates(
    raw: str, loose: str, strict: str, published: tuple[float, float, float]
) -> None:
    """The released answers and their released judgements come to the published loose, strict and hard."""
    if not REAL.is_dir():
        pytest.skip("the released ICE data are not here")
    found = rates(*_released(raw, loose, strict))
    assert tuple(round(found[name]["rate"], 3) for name in ("loose", "strict", "hard")) == published
    assert {row["templates"] for row in found.values()} == {20}
    if "deepseek" in raw:
        assert round(found["loose"]["standard_error"], 3) == 0.032


def _released(raw: str, loose: str, strict: str) -> tuple[list[AskedRow], dict[tuple[str, Place], bool]]:
    lines = [json.loads(line) for line in (REAL / "attack_result" / f"{raw}.jsonl").read_text().splitlines()]
    names = {text: n for n, text in enumerate(dict.fromkeys(line["jailbreak_prompt"] for line in lines))}
    rows, verdicts = [], {}
    found = {
        kind: _listed(REAL / f"{kind}_score" / f"{name}.csv") for kind, name in (("loose", loose), ("strict", strict))
    }
    for line in lines:
        template, query = line["jailbreak_prompt"], line["query"]
        words = [word for word in ("openai", "gpt") if word in template.lower()]
        rows.append(asked(names[template], query, misleading=words))
        for kind in ("loose", "strict"):
            verdicts[kind, ("m", 0, names[template], query)] = (template, query) in found[kind]
    return rows, verdicts


def _listed(path: Path) -> set[tuple[str, str]]:
    with path.open(newline="") as file:
        return {(row["jailbreak_prompt"], row["query"]) for row in csv.DictReader(file)}


def test_a_table_of_nothing_is_empty() -> None:
    """A run without a question has empty tables of the right columns."""
    rows = identity_rows([], {}, simulated=False)
    assert rows.is_empty()
    assert rates_table(rows).schema["rate"] == pl.Float64
