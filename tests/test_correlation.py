"""Rank correlation with people: Kendall's tau, the per-annotator protocol, coverage, and the values it must give."""

import math
import random
from itertools import combinations
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.datasets import MSVD_DIMENSIONS, read_msvd_eval
from outputs.correlation import CORRELATIONS_SCHEMA, correlations_table, human_agreement, kendall
from outputs.items import Item, Rating
from outputs.scores import SCORES_SCHEMA
from prompts.input_error import InputError

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "MSVD-Eval.json"
needs_real_data = pytest.mark.skipif(
    not REAL.exists(), reason=f"MSVD-Eval IS NOT HERE ({REAL}): the published values go unchecked"
)


def item(name: str, *ratings: float, kind: str = "human") -> Item:
    """An item rated by annotators 1, 2, ... in one dimension."""
    rated = tuple(Rating(str(place), {"accuracy": rating}) for place, rating in enumerate(ratings, 1))
    return Item(item=name, candidate=name, ratings=rated, ratings_kind=kind)


def scores(*rows: tuple[str, float | None, str], dimension: str = "accuracy") -> pl.DataFrame:
    """A scores table of (item, value, mode); a value of None is an answer that is not ok."""
    full = [
        (*_about(place, name), *("ok", None, dimension, value, None, None, mode))
        if value is not None
        else (*_about(place, name), *("refused", "said no", dimension, None, None, None, None))
        for place, (name, value, mode) in enumerate(rows)
    ]
    return pl.DataFrame(full, schema=SCORES_SCHEMA, orient="row")


def _about(place: int, name: str) -> tuple[object, ...]:
    return (place, f"id-{name}", name, "judge-1", "p@1", False)


def row_of(frame: pl.DataFrame, *items: Item, asked: int = 4, include_sampled: bool = False) -> dict[str, object]:
    named = {item.item: item for item in items}
    table = correlations_table(
        frame, named, ["accuracy"], metric="M", asked=asked, simulated=True, include_sampled=include_sampled
    )
    assert dict(table.schema) == CORRELATIONS_SCHEMA
    return table.row(0, named=True)


EXPECTATIONS = [("a", 10.0, "expectation"), ("b", 40.0, "expectation"), ("c", 30.0, "expectation")]
RATED = [item("c", 2, 3), item("a", 1, 1), item("b", 3, 5)]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=30))
def test_tau_equals_the_count_of_pairs(points: list[tuple[int, int]]) -> None:
    """Tau-b and tau-c are the counted concordant less discordant pairs, normalised as their definitions say."""
    xs, ys = [float(x) for x, _ in points], [float(y) for _, y in points]
    tau = kendall(xs, ys)
    assert tau.n == len(points)
    if len(set(xs)) < 2 or len(set(ys)) < 2:
        assert math.isnan(tau.tau_b)
        assert tau.reason
        return
    signs = [(a[0] - b[0]) * (a[1] - b[1]) for a, b in combinations(points, 2)]
    excess = sum(sign > 0 for sign in signs) - sum(sign < 0 for sign in signs)
    untied_x, untied_y = (sum(a != b for a, b in combinations(values, 2)) for values in (xs, ys))
    levels = min(len(set(xs)), len(set(ys)))
    assert tau.tau_b == pytest.approx(100 * excess / math.sqrt(untied_x * untied_y))
    assert tau.tau_c == pytest.approx(100 * 2 * excess / (len(points) ** 2 * (levels - 1) / levels))


def test_two_points_are_enough() -> None:
    """The smallest case that has an order has a tau."""
    assert (kendall([1, 2], [1, 5]).tau_b, kendall([1, 2], [5, 1]).tau_c) == (100.0, -100.0)


@pytest.mark.parametrize(
    ("xs", "ys", "reason"),
    [
        ([], [], "fewer than 2 points"),
        ([1.0], [1.0], "fewer than 2 points"),
        ([1.0, 1.0], [1.0, 2.0], "every score is the same"),
        ([1.0, 2.0], [3.0, 3.0], "every rating is the same"),
    ],
)
def test_undefined_tau_has_a_reason(xs: list[float], ys: list[float], reason: str) -> None:
    """Where tau is not defined it is NaN and says why, without a warning."""
    tau = kendall(xs, ys)
    assert math.isnan(tau.tau_b)
    assert math.isnan(tau.tau_c)
    assert tau.reason == reason


def test_each_annotator_is_a_point() -> None:
    """Three items with two annotators are six points, each score paired with both ratings of its item."""
    row = row_of(scores(*EXPECTATIONS), *RATED)
    expected = kendall([10, 10, 40, 40, 30, 30], [1, 1, 3, 5, 2, 3])
    assert (row["n"], row["items"], row["tau_b"], row["tau_c"]) == (6, 3, expected.tau_b, expected.tau_c)
    assert (row["metric"], row["model"], row["dimension"], row["protocol"]) == (
        "M",
        "judge-1",
        "accuracy",
        "per-annotator",
    )


def test_scores_meet_ratings_by_name_not_by_place() -> None:
    """Shuffling answers and items changes nothing."""
    frame, draw = scores(*EXPECTATIONS), random.Random(3)
    first = row_of(frame, *RATED)
    for _ in range(5):
        items = draw.sample(RATED, 3)
        assert row_of(frame.sample(fraction=1, shuffle=True, seed=draw.randrange(99)), *items) == first


def test_coverage_counts_ok_answers_against_requests_asked() -> None:
    """Answers that are not ok and requests without an answer both lower coverage, and leave the points."""
    row = row_of(scores(*EXPECTATIONS[:2], ("c", None, "")), *RATED, asked=8)
    assert (row["ok"], row["asked"], row["coverage"], row["left_out"], row["n"]) == (2, 8, 0.25, 0, 4)


def test_scores_without_an_expectation_are_left_out_unless_chosen() -> None:
    """A split score is no point by default, is counted, and enters by choice."""
    frame = scores(*EXPECTATIONS[:2], ("c", 30.0, "split"))
    out = row_of(frame, *RATED)
    assert (out["n"], out["left_out"], out["coverage"], out["include_sampled"]) == (4, 1, 0.75, False)
    chosen = row_of(frame, *RATED, include_sampled=True)
    assert (chosen["n"], chosen["left_out"], chosen["include_sampled"]) == (6, 0, True)


def test_a_run_without_answers_has_rows_without_values() -> None:
    """Nothing answered: the taus are undefined, the agreement of people is still there."""
    row = row_of(scores(("a", None, "")), *RATED, asked=3)
    assert (row["n"], row["coverage"], row["reason"]) == (0, 0.0, "fewer than 2 points")
    assert math.isnan(float(str(row["tau_b"])))
    assert row["human_n"] == 3


def test_an_answer_about_an_unknown_item_is_an_error() -> None:
    """An answer whose item is not in the run is not dropped."""
    with pytest.raises(InputError, match="'z'"):
        row_of(scores(("z", 1.0, "expectation")), *RATED)


def test_dimensions_that_people_did_not_rate_have_no_row() -> None:
    """Only what was both asked and rated is correlated."""
    frame, items = scores(*EXPECTATIONS, dimension="style"), {item.item: item for item in RATED}
    assert correlations_table(frame, items, ["style"], metric="M", asked=3, simulated=False).height == 0


def test_constructed_ratings_are_labelled() -> None:
    """The kind of ratings stands in the row; two kinds both stand there."""
    frame = scores(("a", 1.0, "expectation"), ("b", 2.0, "expectation"))
    assert (
        row_of(frame, item("a", 1, kind="constructed"), item("b", 2, kind="constructed"))["ratings_kind"]
        == "constructed"
    )
    assert row_of(frame, item("a", 1, kind="constructed"), item("b", 2))["ratings_kind"] == "constructed, human"


def test_agreement_of_several_annotators_is_the_mean_over_pairs() -> None:
    """Each pair is compared over the items that both rated, and pairs are averaged."""
    items = [item("a", 1, 1, 3), item("b", 2, 2, 2), item("c", 3, 3, 1), item("d", 4, 4)]
    agreement = human_agreement(items, "accuracy")
    assert agreement.tau_b == pytest.approx((100 - 100 - 100) / 3)
    assert agreement.n == 4


def test_agreement_without_a_second_annotator_says_so() -> None:
    """One annotator has nobody to agree with; people who always say the same have no tau."""
    assert human_agreement([item("a", 1), item("b", 2)], "accuracy").reason == "no item with two annotators"
    assert human_agreement([item("a", 1, 2), item("b", 1, 3)], "accuracy").reason == "every rating is the same"


@needs_real_data
def test_msvd_eval_gives_the_published_agreement() -> None:
    """The inter-annotator tau-b of MSVD-Eval comes out per dimension as published."""
    items = list(read_msvd_eval(REAL))
    found = {name: round(human_agreement(items, name).tau_b, 1) for name in MSVD_DIMENSIONS}
    assert found == {"accuracy": 74.4, "completeness": 62.0, "conciseness": 71.6, "relevance": 70.1, "average": 74.5}


@needs_real_data
def test_msvd_eval_has_394_points_per_dimension() -> None:
    """197 captions with two annotators are 394 points; an annotator's own ratings correlate as they must."""
    items = {item.item: item for item in read_msvd_eval(REAL)}
    frames = [
        scores(*((i.item, i.ratings[0].scores[name], "expectation") for i in items.values()), dimension=name)
        for name in MSVD_DIMENSIONS
    ]
    table = correlations_table(
        pl.concat(frames), items, MSVD_DIMENSIONS, metric="first annotator", asked=197, simulated=False
    )
    assert table["dimension"].to_list() == list(MSVD_DIMENSIONS)
    assert set(table["n"]) == {394}
    assert set(table["human_n"]) == {197}
    assert (table["tau_b"] > table["human_tau_b"]).all()
