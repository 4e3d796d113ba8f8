"""Correlation with people: taus, protocols, the agreement of people with each other, and the values it must give."""

import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from jobs.datasets import MSVD_DIMENSIONS, read_msvd_eval
from outputs.captions.agreement import human_agreement
from outputs.captions.points import human_dimensions, points_of
from outputs.captions.protocols import Protocol, chosen_protocols, field_of
from outputs.items import Item, Rating
from outputs.statistics.correlations import pearson, spearman
from outputs.statistics.kendall import kendall
from prompts.input_error import InputError

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "MSVD-Eval.json"
needs_real_data = pytest.mark.skipif(
    not REAL.exists(), reason=f"MSVD-Eval IS NOT HERE ({REAL}): the published values go unchecked"
)


def item(name: str, *ratings: float, kind: str = "human", media: str | None = None) -> Item:
    """An item rated by annotators 1, 2, ... in one dimension."""
    rated = tuple(Rating(str(place), {"accuracy": rating}) for place, rating in enumerate(ratings, 1))
    return Item(item=name, candidate=name, ratings=rated, ratings_kind=kind, media=media)


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
    assert tau.tau_b == pytest.approx(excess / math.sqrt(untied_x * untied_y))
    assert tau.tau_c == pytest.approx(2 * excess / (len(points) ** 2 * (levels - 1) / levels))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), min_size=2, max_size=30))
def test_spearman_and_pearson_are_those_of_scipy(points: list[tuple[int, int]]) -> None:
    """Both are NaN where a side is constant."""
    xs, ys = (np.array(side, dtype=np.float64) for side in zip(*points, strict=True))
    if np.ptp(xs) == 0 or np.ptp(ys) == 0:
        assert math.isnan(spearman(xs, ys))
        assert math.isnan(pearson(xs, ys))
        return
    assert spearman(xs, ys) == pytest.approx(stats.spearmanr(xs, ys).statistic, abs=1e-12)
    assert pearson(xs, ys) == pytest.approx(stats.pearsonr(xs, ys).statistic, abs=1e-12)


def test_two_points_are_enough() -> None:
    """The smallest case that has an order has a tau."""
    assert (kendall([1, 2], [1, 5]).tau_b, kendall([1, 2], [5, 1]).tau_c) == (1.0, -1.0)


@pytest.mark.parametrize(
    ("xs", "ys", "reason"),
    [
        ([], [], "fewer than 2 points"),
        ([1.0], [1.0], "fewer than 2 points"),
        ([1.0, 1.0], [1.0, 2.0], "all scores are equal"),
        ([1.0, 2.0], [3.0, 3.0], "all ratings are equal"),
        ([1.0, math.nan], [1.0, 2.0], "a value is missing (NaN)"),
    ],
)
def test_undefined_tau_has_a_reason(xs: list[float], ys: list[float], reason: str) -> None:
    """Where tau is not defined it is NaN and says why, without a warning."""
    tau = kendall(xs, ys)
    assert math.isnan(tau.tau_b)
    assert math.isnan(tau.tau_c)
    assert tau.reason == reason


ITEMS = [item("a", 1, 2), item("b", 3, 5), item("c", 4)]


@pytest.mark.parametrize(
    ("protocol", "places", "ratings"),
    [
        (Protocol.RATINGS, [0, 0, 1, 1, 2], [1, 2, 3, 5, 4]),
        (Protocol.PER_ANNOTATOR, [0, 0, 1, 1, 2], [1, 2, 3, 5, 4]),
        (Protocol.AVERAGED, [0, 1, 2], [1.5, 4, 4]),
    ],
)
def test_a_protocol_says_what_a_point_is(protocol: Protocol, places: list[int], ratings: list[float]) -> None:
    """Each rating is a point, or each item with the mean of its ratings."""
    points = points_of(ITEMS, "accuracy", protocol)
    assert (points.item.tolist(), points.rating.tolist()) == (places, ratings)


def test_an_annotator_is_one_point_an_item_however_often_asked() -> None:
    """Ratings by the same person of the same item are their mean per annotator, and each a point by ratings."""
    twice = Item(item="a", ratings=(Rating("1", {"x": 1.0}), Rating("1", {"x": 3.0}), Rating("2", {"x": 5.0})))
    assert points_of([twice], "x", Protocol.PER_ANNOTATOR).rating.tolist() == [2.0, 5.0]
    assert points_of([twice], "x", Protocol.RATINGS).rating.tolist() == [1.0, 3.0, 5.0]


def test_a_rating_that_is_no_number_is_no_point() -> None:
    """It is left out and counted."""
    points = points_of([item("a", 1, math.nan), item("b", math.inf)], "accuracy", Protocol.RATINGS)
    assert (points.rating.tolist(), points.unusable, points.rated.tolist()) == ([1.0], 2, [True, False])


def test_captions_of_one_picture_are_one_cluster() -> None:
    """The picture is what captions have in common, else the group that the item names, else nothing."""
    of_pictures = [item("a", 1, media="p"), item("b", 2, media="q"), item("c", 3, media="p"), item("d", 4)]
    assert points_of(of_pictures, "accuracy", Protocol.RATINGS).cluster.tolist() == [0, 1, 0, 2]
    grouped = [Item(item=name, ratings=ITEMS[0].ratings, fields={"group": 7}) for name in "ab"]
    assert set(points_of(grouped, "accuracy", Protocol.AVERAGED).cluster) == {0}


def test_the_average_of_four_is_there_where_all_four_are() -> None:
    """ACCR's average is computed where the file has none, and only then."""
    four = {"accuracy": 1.0, "completeness": 2.0, "conciseness": 3.0, "relevance": 4.0}
    assert human_dimensions(list(four)) == (*four, "average")
    assert human_dimensions(["accuracy", "average"]) == ("accuracy", "average")
    assert human_dimensions(["overall", "thoroughness"]) == ("overall", "thoroughness")
    assert points_of([Item(item="a", ratings=(Rating("1", four),))], "average", Protocol.RATINGS).rating.tolist() == [
        2.5
    ]


@pytest.mark.parametrize(
    ("name", "protocol", "tau"),
    [
        ("flickr8k-expert", "ratings", "tau_c"),
        ("Flickr8k_CF", "averaged", "tau_b"),
        ("flickr8k-cf-raw", "averaged", "tau_b"),
        ("composite-json", "ratings", "tau_c"),
        ("msvd-eval", "per-annotator", "tau_b"),
        ("mine", "per-annotator", "tau_b"),
    ],
)
def test_a_dataset_has_its_field_s_protocol(name: str, protocol: str, tau: str) -> None:
    """What is published of a dataset is what comes without a choice."""
    field = field_of([name], {"a": ITEMS[0]})
    assert (field.protocol.value, field.tau) == (protocol, tau)


def test_one_rating_a_caption_is_paired_as_it_is() -> None:
    """A dataset of shares or means, whatever it is called, is averaged already."""
    assert field_of(["mine"], {"a": item("a", 0.5)}).protocol is Protocol.AVERAGED


def test_an_unknown_protocol_is_refused_with_what_there_is() -> None:
    """A slip of the pen is told the name it is near to."""
    with pytest.raises(InputError, match="--protocol: unknown protocol 'average': did you mean 'averaged'"):
        chosen_protocols(["average"])


def test_agreement_of_several_annotators_is_the_mean_over_pairs() -> None:
    """Each pair is compared over the items that both rated, and pairs are averaged."""
    items = [item("a", 1, 1, 3), item("b", 2, 2, 2), item("c", 3, 3, 1), item("d", 4, 4)]
    agreement = human_agreement(items, "accuracy")
    assert agreement.tau_b == pytest.approx((1 - 1 - 1) / 3)
    assert agreement.n == 4


def test_agreement_without_a_second_annotator_says_so() -> None:
    """One annotator has nobody to agree with; people who always say the same have no tau."""
    assert human_agreement([item("a", 1), item("b", 2)], "accuracy").reason == "no item with two annotators"
    assert human_agreement([item("a", 1, 2), item("b", 1, 3)], "accuracy").reason == "all ratings are equal"


@needs_real_data
def test_msvd_eval_gives_the_published_agreement() -> None:
    """The inter-annotator tau-b of MSVD-Eval comes out per dimension as published."""
    items = list(read_msvd_eval(REAL))
    found = {name: round(100 * human_agreement(items, name).tau_b, 1) for name in MSVD_DIMENSIONS}
    assert found == {"accuracy": 74.4, "completeness": 62.0, "conciseness": 71.6, "relevance": 70.1, "average": 74.5}


@needs_real_data
def test_msvd_eval_has_394_points_per_dimension() -> None:
    """197 captions with two annotators are 394 points per annotator and 197 averaged."""
    items = list(read_msvd_eval(REAL))
    for name in MSVD_DIMENSIONS:
        assert len(points_of(items, name, Protocol.PER_ANNOTATOR).rating) == 394
        assert len(points_of(items, name, Protocol.AVERAGED).rating) == 197
