"""Captions of several runs, metrics from everywhere, and what is not as it should be."""

import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from rich.console import Console

import outputs.metrics.captions
from outputs.analysis_options import Options
from outputs.captions_run import report_captions
from outputs.items import Item, Rating
from outputs.metrics.meteor import MeteorMissing
from outputs.report import Report
from outputs.tables.loading import LoadedRun
from prompts.input_error import InputError
from tests.harness.caption_runs import NAMES, SINGLE, answered, imported_run, judged_run, prompt_record

FEW = Options(resamples=100)


@pytest.fixture(autouse=True)
def without_java(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*texts: object) -> None:
        raise MeteorMissing("no Java here")

    monkeypatch.setattr(outputs.metrics.captions, "meteor_with_corpus", missing)


def scored(name: str, *, rating: float | Sequence[float] = (), score: float | None = None, **more: Any) -> Item:
    """A caption with ratings of one dimension by annotators 1, 2, ..., and an imported score."""
    given = [rating] if isinstance(rating, int | float) else rating
    ratings = tuple(Rating(str(n), {"overall": float(value)}) for n, value in enumerate(given, 1))
    scores = {} if score is None else {"CLIPScore": {"overall": score}}
    return Item(item=name, ratings=ratings, scores=scores, **more)


def report(folder: Path, items: Iterable[Item], options: Options = FEW, **changes: Any) -> Report:
    return report_captions([imported_run(folder / "scores", items, **changes)], options)


def page(found: Report) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(found.page)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert max(map(len, shown.splitlines())) <= 100
    return " ".join(shown.split())


def only(table: pl.DataFrame, **values: Any) -> dict[str, Any]:
    [row] = table.filter(*(pl.col(name) == value for name, value in values.items())).iter_rows(named=True)
    return dict(row)


def test_imported_scores_meet_ratings_of_another_run(tmp_path: Path) -> None:
    """A run that brings only ids and scores is joined by id with the run that has captions and ratings."""
    rated = [scored(f"v{n}", rating=(n, n + 1), candidate="a dog") for n in range(5)]
    brought = [scored(f"v{n}", score=n / 10) for n in reversed(range(5))]
    runs = [imported_run(tmp_path / "people", rated), imported_run(tmp_path / "clip", brought)]
    found = only(report_captions(runs, FEW).tables["correlations"])
    assert (found["metric"], found["source"], found["n"], found["coverage"]) == ("CLIPScore", "imported", 10, 1.0)
    assert found["tau_b"] == pytest.approx(only_tau([0, 1, 2, 3, 4]))


def only_tau(order: list[int]) -> float:
    from outputs.statistics.kendall import kendall

    return 100 * kendall(np.repeat(order, 2), [value for n in order for value in (n, n + 1)]).tau_b


@pytest.mark.parametrize(
    ("one", "other", "field"),
    [
        ({"candidate": "a dog"}, {"candidate": "a cat"}, "candidate"),
        ({"references": ("a",)}, {"references": ("b",)}, "references"),
        ({"rating": 1}, {"rating": 2}, "ratings"),
        ({"system": "A"}, {"system": "B"}, "system"),
        ({"score": 1.0}, {"score": 2.0}, "CLIPScore"),
    ],
)
def test_runs_that_contradict_each_other_are_refused(
    tmp_path: Path, one: dict[str, Any], other: dict[str, Any], field: str
) -> None:
    """The same id with another caption, reference, rating or score is an error that names both runs."""
    runs = [imported_run(tmp_path / name, [scored("v", **keys)]) for name, keys in (("first", one), ("second", other))]
    with pytest.raises(InputError, match=rf"second: item 'v' has another .*{field}.*first"):
        report_captions(runs, FEW)


@pytest.mark.parametrize("keys", [{"score": 2.0}, {"candidate": "a cat"}])
def test_a_contradiction_names_the_run_that_said_it_first(tmp_path: Path, keys: dict[str, Any]) -> None:
    """A run that has the item, but nothing of what is contradicted, is not blamed."""
    said: dict[str, Any] = {"score": 1.0, "candidate": "a dog"}
    told: list[dict[str, Any]] = [{"rating": 1}, {name: said[name] for name in keys}, keys]
    names = ("people", "right", "wrong")
    runs = [imported_run(tmp_path / name, [scored("v", **its)]) for name, its in zip(names, told, strict=True)]
    with pytest.raises(InputError, match=r"wrong: item 'v' has another .* than in .*right\b"):
        report_captions(runs, FEW)


def judged(folder: Path, items: dict[str, Item], values: dict[str, int], model: str) -> LoadedRun:
    answers = [
        answered(name, value, model=model, seq=n, labels=("Overall",)) for n, (name, value) in enumerate(values.items())
    ]
    return judged_run(folder, answers, items, prompts=(prompt_record(SINGLE),), simulated=False)


def test_several_judges_are_metrics_of_their_own(tmp_path: Path) -> None:
    """Two judges of the same captions stand side by side, each with its own coverage, and are compared in common."""
    items = {f"v{n}": scored(f"v{n}", rating=(n % 5, n % 3), candidate="x") for n in range(10)}
    first = judged(tmp_path / "one", items, {f"v{n}": n for n in range(10)}, "judge-a")
    second = judged(tmp_path / "two", items, {f"v{n}": 9 - n for n in range(6)}, "judge-b")
    found = report_captions([first, second], FEW)
    rows = found.tables["correlations"]
    assert set(rows["metric"]) == {"G-VEval ref-only"}
    assert only(rows, judge="lab/judge-a")["coverage"] == 1.0
    partly = only(rows, judge="lab/judge-b")
    assert (partly["coverage"], partly["items"], partly["asked"]) == (0.6, 6, 6)
    compared = only(found.tables["comparisons"])
    left_out = {
        compared["first_judge"]: compared["left_out_first"],
        compared["second_judge"]: compared["left_out_second"],
    }
    assert (compared["items"], left_out) == (6, {"lab/judge-a": 4, "lab/judge-b": 0})
    missing = found.tables["metric_scores"].filter(pl.col("outcome") == "not asked")
    assert missing["item"].to_list() == ["v6", "v7", "v8", "v9"]
    assert "G-VEval ref-only, judge-b" in page(found)


def test_a_judge_asked_in_two_runs_is_told_apart_by_run(tmp_path: Path) -> None:
    """The same judge in two runs is two metrics, never one with twice the answers."""
    items = {f"v{n}": scored(f"v{n}", rating=n, candidate="x") for n in range(4)}
    runs = [judged(tmp_path / name, items, {f"v{n}": n for n in range(4)}, "judge-a") for name in ("one", "two")]
    found = report_captions(runs, FEW).tables["correlations"]
    assert found["metric"].to_list() == ["G-VEval ref-only (run one)", "G-VEval ref-only (run two)"]
    assert set(found["n"]) == {4}


def test_datasets_that_share_nothing_are_not_pooled(tmp_path: Path) -> None:
    """Runs without an item in common are correlated apart, as are items that name different datasets."""
    runs = [imported_run(tmp_path / name, [scored(f"{name}{n}", rating=n, score=n) for n in range(3)]) for name in "ab"]
    apart = report_captions(runs, FEW).tables["correlations"]
    assert (apart["n"].to_list(), apart["dataset"].n_unique()) == ([3, 3], 2)
    named = [scored(f"{d}/{n}", rating=n, score=n, dataset=d) for d in ("x", "y") for n in range(3)]
    assert report(tmp_path / "c", named).tables["correlations"]["dataset"].to_list() == ["x", "y"]


def captions(count: int, **more: Any) -> list[Item]:
    words = ["a", "dog", "runs", "over", "grass", "with", "one", "ball"]
    return [
        scored(
            f"v{n}",
            rating=(n % 4, (n + 1) % 5),
            candidate=" ".join(words[: 2 + n % 6]),
            references=("a dog runs over the grass", "one dog with a ball"),
            **more,
        )
        for n in range(count)
    ]


def test_classic_metrics_are_computed_and_what_is_absent_says_why(tmp_path: Path) -> None:
    """BLEU, ROUGE-L, CIDEr have a value an item and one for all; METEOR without Java is absent, with its reason."""
    found = report(tmp_path, captions(12))
    coverage = {row["metric"]: row["coverage"] for row in found.document["metric_coverage"]}
    assert coverage == {
        **dict.fromkeys(("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr"), 1.0),
        "METEOR": 0.0,
    }
    corpus = {row["metric"]: row for row in found.document["corpus"]}
    assert (corpus["METEOR"]["value"], corpus["METEOR"]["reason"]) == (None, "no Java here")
    assert 0 < corpus["BLEU-1"]["value"] <= 1
    absent = only(found.tables["correlations"], metric="METEOR")
    assert (absent["n"], absent["reason"], math.isnan(absent["tau_b"])) == (0, "no Java here", True)
    assert "METEOR: without a score: no Java here 12" in page(found)


def test_items_without_references_have_no_computed_scores(tmp_path: Path) -> None:
    """They lower coverage, without values; where none has references nothing is computed, and that is said."""
    bare = [scored(f"b{n}", rating=n, candidate="a dog") for n in range(3)]
    found = report(tmp_path / "some", [*captions(6), *bare])
    row = only(found.tables["correlations"], metric="BLEU-1")
    assert (row["coverage"], row["rated"], row["ok"]) == (pytest.approx(6 / 9), 9, 6)
    assert found.tables["metric_scores"].filter(pl.col("reason") == "no references")["item"].unique().len() == 3
    none = report(tmp_path / "none", bare)
    assert none.tables["correlations"].height == 0
    assert "no caption has a candidate and references" in page(none)


def test_one_metric_alone_has_nobody_to_be_compared_with(tmp_path: Path) -> None:
    """One metric has its correlation, and no comparison."""
    found = report(tmp_path, [scored(f"v{n}", rating=n, score=n) for n in range(5)])
    assert (found.tables["correlations"].height, found.tables["comparisons"].height) == (1, 0)


@pytest.mark.parametrize(
    ("score", "rating", "reason"),
    [(1.0, None, "all scores are equal"), (None, 1.0, "all ratings are equal")],
)
def test_all_ties_are_a_reason_not_a_number(
    tmp_path: Path, score: float | None, rating: float | None, reason: str
) -> None:
    """Constant scores or ratings give NaN everywhere, with the reason, in comparisons too."""
    items = [
        scored(f"v{n}", rating=n if rating is None else rating, score=n if score is None else score) for n in range(4)
    ]
    other = [Item(item=f"v{n}", scores={"PAC-S": {"overall": n / 7}}) for n in range(4)]
    found = report_captions([imported_run(tmp_path / "a", items), imported_run(tmp_path / "b", other)], FEW)
    row = only(found.tables["correlations"], metric="CLIPScore")
    assert row["reason"] == reason
    assert all(math.isnan(row[name]) for name in ("tau_b", "tau_c", "spearman", "pearson", "tau_b_low"))
    compared = only(found.tables["comparisons"])
    assert (compared["reason"], math.isnan(compared["p"]), math.isnan(compared["p_holm"])) == (reason, True, True)
    assert reason in page(found)


def test_scores_without_ratings_and_ratings_without_scores(tmp_path: Path) -> None:
    """Either alone gives no correlation, and the page says which is missing."""
    assert "No rated item" in page(report(tmp_path / "a", [scored("v", score=1.0)]))
    alone = report(tmp_path / "b", [scored("v", rating=1.0)])
    assert alone.tables["correlations"].height == 0
    assert "Nothing to correlate: people rated overall, scored: nothing" in page(alone)


def test_an_empty_run_says_so(tmp_path: Path) -> None:
    """No item at all is a page and empty tables of the right columns."""
    found = report(tmp_path, [])
    assert "no captions" in page(found)
    assert all(table.height == 0 for table in found.tables.values())


def test_a_value_that_is_no_number_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN among imported scores is no score: it has its reason and lowers coverage."""
    items = {f"v{n}": scored(f"v{n}", rating=n, score=math.nan if n == 2 else n) for n in range(5)}
    run = imported_run(tmp_path / "scores", [])
    monkeypatch.setattr(LoadedRun, "items", lambda _run: items)
    found = report_captions([run], FEW)
    assert only(found.tables["metric_scores"], item="v2")["reason"] == "not a number"
    row = only(found.tables["correlations"])
    assert (row["n"], row["coverage"], row["tau_b"]) == (4, 0.8, pytest.approx(100))


def test_constructed_ratings_and_simulated_runs_are_labelled(tmp_path: Path) -> None:
    """The kind of ratings and what is simulated stand in every row and on the page."""
    items = [scored(f"v{n}", rating=n, score=n, ratings_kind="constructed") for n in range(4)]
    found = report(tmp_path, items, simulated=True)
    row = only(found.tables["correlations"])
    assert (row["ratings_kind"], row["simulated"]) == ("constructed", True)
    assert "SIMULATED" in page(found)
    assert "ratings: constructed" in page(found)


def test_protocols_are_chosen_by_name(tmp_path: Path) -> None:
    """Every protocol that is named has its rows; an unknown one is refused."""
    chosen = Options(resamples=100, protocols=("ratings", "averaged", "per-annotator"))
    rows = report(tmp_path, [scored(f"v{n}", rating=(n, n + 1), score=n) for n in range(5)], chosen)
    found = {row["protocol"]: row["n"] for row in rows.document["correlations"]}
    assert found == {"ratings": 10, "averaged": 5, "per-annotator": 10}
    with pytest.raises(InputError, match="unknown protocol 'mean'"):
        report(tmp_path / "again", [], Options(protocols=("mean",)))


def test_a_metric_of_four_dimensions_meets_each_of_people_s(tmp_path: Path) -> None:
    """An ACCR metric is held against the same dimensions, one of a single score against each and the average."""
    items = [
        Item(
            item=f"v{n}",
            ratings=(Rating("1", dict.fromkeys(NAMES, float(n))),),
            scores={"four": dict.fromkeys(NAMES, n / 2), "one": {"overall": n / 3}},
        )
        for n in range(4)
    ]
    rows = report(tmp_path, items).tables["correlations"]
    pairs = rows.select("metric", "dimension", "human_dimension").rows()
    assert pairs == [row for name in NAMES for row in (("four", name, name), ("one", "overall", name))]


def test_holm_corrects_over_all_pairs_of_metrics(tmp_path: Path) -> None:
    """Each pair is there once, the better metric first, and the corrected p is never below the plain one."""
    found = report(tmp_path, captions(30)).tables["comparisons"]
    defined = found.filter(pl.col("reason").is_null())
    assert found.height == 21
    assert set(defined["pairs"]) == {defined.height}
    assert (defined["tau_first"] >= defined["tau_second"]).all()
    assert (defined["p_holm"] >= defined["p"]).all()
    assert (found.filter(pl.col("second_metric") == "METEOR")["p"].is_nan()).all()


def pairs_of(
    preferences: Sequence[tuple[float, float]], scores: Sequence[tuple[float | None, float | None]]
) -> list[Item]:
    """Two captions a pair, with people's preference and the metric's scores; categories X and Y by turns."""
    return [
        Item(
            item=f"{n}-{place}",
            ratings=(Rating("crowd", {"preferred": preferred}),),
            scores={} if score is None else {"M": {"overall": score}},
            media=f"picture {n}",
            fields={"pair": str(n), "place": place, "category": "XY"[n % 2]},
        )
        for n, (liked, given) in enumerate(zip(preferences, scores, strict=True))
        for place, preferred, score in zip("ab", liked, given, strict=True)
    ]


def test_pairs_are_counted_by_a_named_rule_for_ties(tmp_path: Path) -> None:
    """A metric's tie is half right or wrong, people's tie half right or left out; the mean is over categories."""
    preferences = [(1, 0), (1, 0), (1, 0), (0.5, 0.5), (0, 1), (0, 1)]
    scores = [(2, 1), (1, 2), (1, 1), (3, 1), (1, 2), (None, 1)]
    found = report(tmp_path, pairs_of(preferences, scores))
    rows = {(row["category"], row["ties"]): row for row in found.document["pairwise"]}
    assert {key: row["accuracy"] for key, row in rows.items()} == {
        ("X", "half"): pytest.approx(2.5 / 3),
        ("Y", "half"): pytest.approx(0.25),
        ("mean", "half"): pytest.approx((2.5 / 3 + 0.25) / 2),
        ("X", "strict"): pytest.approx(2 / 3),
        ("Y", "strict"): 0.0,
        ("mean", "strict"): pytest.approx(1 / 3),
    }
    mean = rows["mean", "half"]
    assert (mean["pairs"], mean["n"], mean["coverage"], mean["clusters"]) == (6, 5, pytest.approx(5 / 6), 5)
    assert (mean["metric_ties"], mean["human_ties"]) == (1, 1)
    assert found.tables["correlations"].height == 0
    assert "ties count half" in page(found)


def test_an_accuracy_stays_a_share_and_says_how_few_it_rests_on(tmp_path: Path) -> None:
    """Ends are within 0 and 100, also where every pair is right; the page counts pairs with a score, and warns."""
    scores: list[tuple[float | None, float | None]] = [(2, 1), (3, 1), (5, 1), (None, 1), (None, 1), (1, 2)]
    found = report(tmp_path, pairs_of([(1, 0)] * 6, scores))
    for row in found.document["pairwise"]:
        assert 0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1
        assert row["category"] == "mean" or row["low"] < row["high"]
    shown = " ".join(page(found).split())
    assert "4/6" in shown
    assert "Accuracy on pairs: " in shown


def test_a_pair_of_three_captions_is_refused(tmp_path: Path) -> None:
    """What is linked as a pair is two captions."""
    items = pairs_of([(1, 0)], [(1, 2)])
    third = Item(item="third", fields={"pair": "0", "place": "c"})
    with pytest.raises(InputError, match="'third' take one place of pair '0'"):
        report(tmp_path, [*items, third])


def test_systems_are_points_where_items_name_them(tmp_path: Path) -> None:
    """A system's mean score is held against the mean of its ratings; few systems are said to be few."""
    items = [
        scored(f"{system}{n}", rating=quality + n % 2, score=quality + n % 3, system=system, media=f"p{n}")
        for system, quality in (("A", 1), ("B", 3), ("C", 2), ("D", 5))
        for n in range(6)
    ]
    found = report(tmp_path, items)
    row = only(found.tables["correlations"], level="system")
    assert (row["n"], row["items"], row["clusters"]) == (4, 24, 6)
    assert (row["tau_b"], row["tau_c"], row["spearman"]) == (pytest.approx(100), pytest.approx(100), pytest.approx(100))
    assert "only 4 systems" in row["warning"]
    assert "only 4 systems" in page(found)


def test_the_same_seed_gives_the_same_tables(tmp_path: Path) -> None:
    """Intervals and p-values are the same again, and others with another seed."""
    first, again = (report(tmp_path / name, captions(20)).tables for name in "ab")
    assert all(first[name].equals(again[name], null_equal=True) for name in ("correlations", "comparisons"))
    other = report(tmp_path / "c", captions(20), Options(resamples=100, seed=1)).tables["correlations"]
    assert other["tau_b"].to_list()[:3] == first["correlations"]["tau_b"].to_list()[:3]
    assert other["tau_b_low"].to_list()[:3] != first["correlations"]["tau_b_low"].to_list()[:3]
