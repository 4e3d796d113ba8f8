"""Differences between models, and how far judges can be relied on."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outputs.analysis_options import Options
from outputs.judged.differences import DIFFERENCES_SCHEMA
from outputs.judged.letters import shared_letters
from outputs.judged.panels import ALL_JUDGES, MACRO
from outputs.judged_run import report_judged
from outputs.statistics.agreement import krippendorff_alpha
from tests.harness.judgements import Row, asked, grid, judged, judged_run

FEW = Options(resamples=300)


@pytest.fixture
def tables(tmp_path: Path) -> Any:
    """The section's tables for some judgements."""

    def made(rows: list[Row], asking: list[Row] | None = None) -> dict[str, pl.DataFrame]:
        return dict(report_judged([judged_run(tmp_path / "run", rows, asking=asking)], FEW).tables)

    return made


def varied(mean: float, items: int = 30, seed: int = 0) -> list[float | None]:
    """Whole numbers about a mean."""
    return [float(value) for value in np.clip(np.rint(np.random.default_rng(seed).normal(mean, 0.7, items)), 1, 5)]


def only(table: pl.DataFrame, **known: Any) -> Row:
    """The one row with these values."""
    rows = table.filter(*(pl.col(name) == value for name, value in known.items())).to_dicts()
    assert len(rows) == 1, rows
    return rows[0]


def test_each_pair_is_compared_and_corrected_within_its_family(tables: Any) -> None:
    """A clear difference is found, none is not; p is Holm's over the three pairs of one set."""
    found = tables(grid({"a": varied(4.5), "b": varied(2.5, seed=1), "c": varied(2.5, seed=2)}))["differences"]
    assert found.select("first", "second").rows() == [("a", "b"), ("a", "c"), ("b", "c")]
    assert found["significant"].to_list() == [True, True, False]
    assert set(found["comparisons"]) == {3}
    assert found["family"].n_unique() == 1
    assert found["p_holm"][0] == pytest.approx(3 * found["p"][0])
    assert all(row["low"] < row["difference"] < row["high"] for row in found.to_dicts())


def test_pairs_are_compared_over_the_items_that_both_have(tables: Any) -> None:
    """An easy item that only one could be judged on does not move the difference, and is counted beside it."""
    found = tables(grid({"a": [5, 5, 2, 3], "b": [None, None, 2, 3]}))
    row = only(found["differences"])
    assert (row["difference"], row["items"], row["first_only"], row["second_only"]) == (0.0, 2, 2, 0)
    assert found["means"]["mean"].to_list() == [3.75, 2.5]


def test_models_without_a_common_item_are_not_compared(tables: Any) -> None:
    """There is a row, and no number in it."""
    row = only(tables(grid({"a": [4, 5, None, None], "b": [None, None, 2, 3]}))["differences"])
    assert (row["items"], row["first_only"], row["second_only"], row["comparisons"]) == (0, 2, 2, 0)
    assert [row[name] for name in ("difference", "low", "p", "p_holm", "significant")] == [None] * 5


def test_the_difference_over_datasets_is_of_the_unweighted_means(tables: Any) -> None:
    """Its test is of that mean too: a big set does not drown a small one."""
    rows = [*grid({"a": varied(3.0), "b": varied(3.0)}), *grid({"a": [5.0] * 12, "b": [1.0] * 12}, dataset="numina")]
    found = tables(rows)["differences"]
    row = only(found, dataset=MACRO)
    assert (row["difference"], row["items"], row["significant"]) == (2.0, 42, True)
    assert found["dataset"].to_list() == ["arena", "numina", MACRO]


def test_the_test_over_datasets_gives_each_set_the_same_weight(tables: Any) -> None:
    """A big set where one is better and a small one where it is worse, by as much, leave no difference."""
    rows = [*grid({"a": [4.0] * 40, "b": [3.0] * 40}), *grid({"a": [3.0] * 8, "b": [4.0] * 8}, dataset="numina")]
    found = tables(rows)["differences"]
    assert only(found, dataset="arena")["significant"]
    assert (only(found, dataset=MACRO)["difference"], only(found, dataset=MACRO)["p"]) == (0.0, 1.0)


def test_a_set_that_a_pair_has_not_in_common_leaves_no_difference_over_sets(tables: Any) -> None:
    """Where one was never judged on a set, there is no p over the sets either."""
    rows = [*grid({"a": varied(4.0), "b": varied(3.0)}), *grid({"a": varied(3.0)}, dataset="numina")]
    row = only(tables(rows)["differences"], dataset=MACRO)
    assert [row[name] for name in ("difference", "low", "high", "p", "significant")] == [None] * 5


def test_all_ties_are_no_difference(tables: Any) -> None:
    """Equal judgements everywhere: difference 0 and p 1."""
    row = only(tables(grid({"a": [3.0] * 12, "b": [3.0] * 12}))["differences"])
    assert (row["difference"], row["low"], row["high"], row["p"], row["significant"]) == (0.0, 0.0, 0.0, 1.0, False)


def test_one_item_has_a_difference_without_an_interval(tables: Any) -> None:
    """Its p is 1: either sign is as likely."""
    row = only(tables(grid({"a": [5], "b": [1]}))["differences"])
    assert (row["difference"], row["low"], row["p"], row["warning"]) == (4.0, None, 1.0, "one item: no interval")


def test_one_model_has_no_differences(tables: Any) -> None:
    """The table is there and empty."""
    found = tables(grid({"a": varied(3.0)}))["differences"]
    assert (found.height, found.schema) == (0, pl.Schema(DIFFERENCES_SCHEMA))


def test_controls_stand_apart(tables: Any) -> None:
    """The reference against itself has a mean, and is compared with nobody."""
    rows = [*grid({"a": varied(3.0)}, reference="r"), *grid({"r": [5.0] * 30}, reference="r", control=True)]
    found = tables(rows)
    assert found["differences"].height == 0
    assert found["means"].select("model", "control").rows() == [("a", False), ("r", True)]


def test_the_same_seed_gives_the_same_numbers(tmp_path: Path) -> None:
    """And another seed others."""
    run = judged_run(tmp_path / "run", grid({"a": varied(3.1), "b": varied(3.0, seed=3)}))
    once, again = (report_judged([run], FEW).tables["differences"] for _ in range(2))
    assert once.equals(again)
    assert not once.equals(report_judged([run], Options(resamples=300, seed=1)).tables["differences"])


def test_judges_are_held_against_each_other(tables: Any) -> None:
    """Exact matches, the mean difference and alpha are over the answers that both could be read about."""
    rows = [
        *grid({"a": [1, 2, 3, 4], "b": [5, 5, 4, None]}),
        *grid({"a": [1, 2, 4, 5], "b": [5, 5, 4, 1]}, judge="p/k"),
    ]
    row = only(tables(rows)["judge_agreement"])
    assert (row["first"], row["second"], row["answers"], row["models"]) == ("p/j", "p/k", 7, 2)
    assert (row["equal"], row["mean_difference"]) == (pytest.approx(5 / 7), pytest.approx(-2 / 7))
    assert 0.8 < row["alpha_ordinal"] < 1
    assert row["low"] <= row["mean_difference"] <= row["high"]
    assert row["spearman_of_models"] is None  # of two models it would be 1 or -1


def test_judges_that_rank_the_models_alike_correlate(tables: Any) -> None:
    """The rank correlation is of the models' means, over three models or more."""
    models = {"a": [1, 2, 1], "b": [3, 3, 2], "c": [5, 4, 5]}
    rows = [*grid(models), *grid({name: [6 - value for value in its] for name, its in models.items()}, judge="p/k")]
    assert only(tables(rows)["judge_agreement"])["spearman_of_models"] == pytest.approx(-1.0)


def test_controls_say_nothing_of_the_judges(tables: Any) -> None:
    """Agreement, order, repeats and aspects are of the models' answers: the reference's own are left out."""
    rows = [
        row
        for judge, swapped, repeat, dimension in product(("p/j", "p/k"), (False, True), (0, 1), ("overall", "style"))
        for model, control in (("m", False), ("r", True))
        for row in grid(
            {model: [2, 3]}, judge=judge, swapped=swapped, repeat=repeat, dimension=dimension, control=control
        )
    ]
    found = tables(rows)
    assert found["judge_agreement"]["answers"].to_list() == [2, 2]
    assert found["judge_order"]["pairs"].to_list() == [4] * 4
    assert found["judge_repeats"]["answers"].to_list() == [4] * 4
    assert found["aspects"]["answers"].to_list() == [2] * 3


def test_of_three_judges_there_is_an_alpha_of_all(tables: Any) -> None:
    """Beside those of each two."""
    rows = [row for judge in ("p/i", "p/j", "p/k") for row in grid({"a": [1, 3, 5]}, judge=judge)]
    found = tables(rows)["judge_agreement"]
    assert found["first"].to_list() == ["p/i", "p/i", "p/j", "(all judges)"]
    assert found["alpha_interval"].to_list() == [1.0] * 4


def test_one_judge_agrees_with_nobody(tables: Any) -> None:
    """There is nothing to say, and no mean over judges."""
    found = tables(grid({"a": [1, 2]}))
    assert found["judge_agreement"].height == 0
    assert ALL_JUDGES not in found["means"]["judge"].to_list()


def test_a_judge_that_prefers_an_order_is_found_out(tables: Any) -> None:
    """The mean difference between the orders has an interval by items; equal values are counted pair by pair."""
    usual = varied(3.0, 40)
    swapped = [value if place % 4 else min(value + 1, 5.0) for place, value in enumerate(usual) if value is not None]
    row = only(tables([*grid({"a": usual}), *grid({"a": swapped}, swapped=True)])["judge_order"])
    assert (row["pairs"], row["items"], row["judge"]) == (40, 40, "p/j")
    assert row["equal"] == pytest.approx(1 + row["mean_difference"])
    assert row["low"] < row["mean_difference"] < row["high"] < 0


def test_a_judgement_in_one_order_only_is_no_pair(tables: Any) -> None:
    """Where the other order could not be read, consistency is over the rest."""
    row = only(tables([*grid({"a": [3, 4, 5]}), *grid({"a": [3, None, 4]}, swapped=True)])["judge_order"])
    assert (row["pairs"], row["equal"], row["mean_difference"]) == (2, 0.5, 0.5)


def test_repeats_show_how_far_a_judge_is_from_repeatable(tables: Any) -> None:
    """The spread is within an answer, pooled over answers; answers judged once are not of it."""
    rows = [*grid({"a": [2, 4, 5]}), *grid({"a": [4, 4, None]}, repeat=1)]
    row = only(tables(rows)["judge_repeats"])
    assert (row["answers"], row["judgements"], row["equal"], row["widest"]) == (2, 4, 0.5, 2.0)
    assert row["spread"] == pytest.approx(1.0)


def test_without_repeats_and_swaps_there_is_no_such_table(tables: Any) -> None:
    """Both are empty."""
    found = tables(grid({"a": [1, 2]}))
    assert (found["judge_repeats"].height, found["judge_order"].height) == (0, 0)


def test_aspects_correlate_over_the_answers_of_all_models(tables: Any) -> None:
    """Aspects that go together have 1; one that never varies has no correlation."""
    rows = [row for name in ("style", "detail") for row in grid({"a": [1, 2, 4], "b": [2, 5, 3]}, dimension=name)]
    rows += grid({"a": [3, 3, 3], "b": [3, 3, 3]}, dimension="flat")
    found = tables(rows)["aspects"]
    together = only(found.filter(pl.col("pearson").is_not_null()))
    assert (together["answers"], together["pearson"], together["spearman"]) == (6, pytest.approx(1), pytest.approx(1))
    assert found.height == 3


def test_models_are_compared_by_what_was_asked_overall(tables: Any) -> None:
    """Where the judge was asked for it; else by every dimension."""
    rows = [row for name in ("style", "overall") for row in grid({"a": [1, 2], "b": [2, 3]}, dimension=name)]
    assert tables(rows)["differences"]["dimension"].to_list() == ["overall"]


def test_an_empty_run_says_so(tables: Any, tmp_path: Path) -> None:
    """No judgement was asked for: all tables are there and empty."""
    assert all(table.height == 0 for table in tables([], [asked("answer", "a")]).values())


@pytest.mark.parametrize(
    ("apart", "letters"),
    [
        (set(), "a a a"),
        ({("x", "z")}, "a ab b"),
        ({("x", "y"), ("x", "z"), ("y", "z")}, "a b c"),
        ({("x", "y")}, "a b ab"),
    ],
)
def test_models_that_share_a_letter_are_not_told_apart(apart: set[tuple[str, str]], letters: str) -> None:
    """In the order of their means."""
    assert shared_letters("xyz", {frozenset(pair) for pair in apart}) == dict(zip("xyz", letters.split(), strict=True))


@given(st.sets(st.tuples(st.sampled_from("uvwxyz"), st.sampled_from("uvwxyz")).filter(lambda pair: pair[0] < pair[1])))
def test_letters_say_exactly_which_pairs_differ(apart: set[tuple[str, str]]) -> None:
    """Two share a letter where, and only where, they were not told apart; or there are no letters."""
    pairs = {frozenset(pair) for pair in apart}
    found = shared_letters("uvwxyz", pairs)
    if found is not None:
        assert pairs == {
            frozenset((one, other))
            for one in found
            for other in found
            if one < other and not set(found[one]) & set(found[other])
        }


def test_answers_by_nobody_can_be_judged(tables: Any) -> None:
    """A table of texts without a model is one column without a name."""
    assert tables([judged("a", 4.0, model=None), judged("b", 2.0, model=None)])["means"]["model"].to_list() == [""]


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_that_of_krippendorffs_example(level: Any, alpha: float) -> None:
    """Four observers, twelve units, some missing: Computing Krippendorff's Alpha-Reliability (2011), section E."""
    observers = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")
    units = np.array([[float(value) if value != "." else np.nan for value in row] for row in observers]).T
    assert round(krippendorff_alpha(units, level), 3) == alpha


def test_alpha_of_many_distinct_values_is_that_of_their_ranks() -> None:
    """Expectations over log probabilities differ from answer to answer: no table of every two values is made."""
    first = np.arange(20_000.0)
    assert krippendorff_alpha(np.column_stack([first, first**3]), "ordinal") < 1
    assert krippendorff_alpha(np.column_stack([first, first]), "ordinal") == 1
