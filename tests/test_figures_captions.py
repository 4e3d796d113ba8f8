"""The report's section on captions: its numbers are those of the tables, and each leads to its rows."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import outputs.metrics.captions
from outputs.analysis_options import Options
from outputs.browsing.index import RowIndex
from outputs.captions_run import report_captions
from outputs.figures.calibration import LEAST_IN_A_BIN, MOST_BINS, bin_numbers
from outputs.figures.caption_forest import ALL_SCORED
from outputs.figures.captions import captions_section
from outputs.figures.distributions import binned, round_edges
from outputs.figures.drawing import svg
from outputs.figures.parts import Analysis, Part, Section
from outputs.items import Item, Rating
from outputs.metrics.meteor import MeteorMissing
from outputs.report import Report
from outputs.tables.loading import LoadedRun, load_run
from tests.harness.caption_runs import NAMES, answered, imported_run, judged_run, rated
from tests.harness.workplace import Workplace

FEW = Options(resamples=100)
EXAMPLE = Path(__file__).parents[1] / "jobs" / "examples" / "gveval_ref_only.toml"
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
HOSTILE = "</svg><script>alert(1)</script>\x00\x1b[31m\u202e"


@pytest.fixture(autouse=True)
def without_java(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*texts: object) -> None:
        raise MeteorMissing("no Java here")

    monkeypatch.setattr(outputs.metrics.captions, "meteor_with_corpus", missing)


def analysis(runs: Sequence[LoadedRun]) -> Analysis:
    report = report_captions(runs, FEW)
    return Analysis(runs, Report(report.tables, {"captions": report.document}, report.page), FEW)


def section_of(*runs: LoadedRun) -> Section:
    found = captions_section(analysis(runs))
    assert found is not None
    return found


def part(section: Section, name: str) -> Part:
    [found] = [part for part in section.parts if part.name == name]
    return found


def scored(scores: Iterable[float | None], name: str = "CLIPScore", dataset: str = "", **more: Any) -> list[Item]:
    """Captions with a rating by each of two annotators and an imported score."""
    items = []
    for n, score in enumerate(scores):
        ratings = tuple(Rating(who, {"overall": float(n % 5 + extra)}) for who, extra in (("1", 0), ("2", 1)))
        brought = {} if score is None else {name: {"overall": score}}
        items.append(Item(item=f"{dataset}v{n}", ratings=ratings, scores=brought, dataset=dataset, **more))
    return items


def check(section: Section) -> None:
    """What holds of every section: names once, a filter a line, columns that are there; charts are XML, no scripts."""
    names = [part.name for part in section.parts]
    assert len(set(names)) == len(names)
    for one in section.parts:
        assert len(one.filters) == one.frame.height, one.name
        keys = {key for column in one.columns for key in (column.key, column.low, column.high) if key}
        assert keys <= set(one.frame.columns), one.name
        assert (one.chart is None) == (not one.alt)
        if one.chart is not None:
            root = ElementTree.fromstring(svg(one.chart))
            assert not [node for node in root.iter() if node.tag.endswith(("script", "foreignObject"))]


def check_rows(section: Section, run: LoadedRun) -> set[str]:
    """Count the rows that each filter selects in the run; the names of the parts that have some.

    They are as many as the line says, or more where the note says so.
    """
    rows, led = RowIndex.open(run), set()
    for one in section.parts:
        counts = "captions" if "captions" in one.frame.columns else "asked" if "asked" in one.frame.columns else "items"
        for line, where in zip(one.frame.iter_rows(named=True), one.filters, strict=True):
            if where is not None:
                chosen = rows.count({name: value for name, value in where.items() if name != "run"})
                assert where["run"] == run.name
                assert chosen >= line[counts] if ALL_SCORED in one.note else chosen == line[counts], (one.name, where)
                led.add(one.name)
    return led


def test_every_number_leads_to_as_many_rows_as_it_rests_on(work: Workplace) -> None:
    """Of a simulated judge the filters of all parts are counted in the table of rows, bins of scores among them."""
    assert work.overnight("run", EXAMPLE, "--simulate", "--first", 30, "--out", work.run_folder, "--quiet").code == 0
    run = load_run(work.run_folder)
    section = section_of(run)
    check(section)
    assert section.simulated
    assert any("Ratings: constructed" in note for note in section.notes)
    segment = "captions_correlation_segment_per_annotator"
    led = {"captions_metrics", "captions_scores", "captions_dimensions", segment, "captions_calibration"}
    [spread] = [part for part in section.parts if part.name == "captions_scores"]
    assert None not in spread.filters
    assert check_rows(section, run) == {*led, "captions_modes", "captions_corpus"}


@pytest.mark.parametrize("dataset", ["", "clips"])
def test_imported_scores_lead_to_the_items_that_have_them(work: Workplace, dataset: str) -> None:
    """Items are the rows of a run of scores; a bin of scores selects its captions."""
    rows = [{"item": f"v{n}", "clipscore": n / 7} for n in range(40)]
    assert work.overnight("import", "scores", work.write(rows, "clip.jsonl"), "--out", work.run_folder).code == 0
    run = load_run(work.run_folder)
    section = section_of(run)
    check(section)
    assert "captions_scores" in check_rows(section, run)


def test_numbers_are_those_of_the_tables(tmp_path: Path) -> None:
    """Parts have the tables' rows, correlations in another order, and the best metric by the published tau first."""
    items = [*scored([0.1 * (n % 5) + 0.01 * n for n in range(30)])]
    again = [Item(item=one.item, scores={"other": {"overall": float(-n)}}) for n, one in enumerate(items)]
    runs = [imported_run(tmp_path / "clip", items), imported_run(tmp_path / "other", again)]
    tables, section = report_captions(runs, FEW).tables, section_of(*runs)
    check(section)
    assert part(section, "captions_metrics").frame.equals(tables["metric_coverage"])
    shown = part(section, "captions_correlation_segment_per_annotator").frame
    keys = ["metric", "human_dimension"]
    assert shown.sort(keys).equals(tables["correlations"].sort(keys))
    assert shown["metric"].to_list() == ["CLIPScore", "other"]


def test_calibration_is_recomputed_plainly(tmp_path: Path) -> None:
    """Bins of the sorted scores, each with the mean score and the mean of its captions' mean ratings."""
    scores = [float(n * n % 37) for n in range(60)]
    items = scored(scores)
    shown = part(section_of(imported_run(tmp_path / "clip", items)), "captions_calibration").frame
    means = [fmean(rating.scores["overall"] for rating in item.ratings) for item in items]
    bins: dict[int, list[tuple[float, float]]] = {}
    for score, mean in zip(scores, means, strict=True):
        below = sum(other < score for other in scores)
        bins.setdefault(below * min(MOST_BINS, 60 // LEAST_IN_A_BIN) // 60, []).append((score, mean))
    for line, (_, its) in zip(shown.iter_rows(named=True), sorted(bins.items()), strict=True):
        assert (line["low_score"], line["high_score"]) == (min(its)[0], max(its)[0])
        assert line["mean_score"] == pytest.approx(fmean(score for score, _ in its))
        assert line["mean_rating"] == pytest.approx(fmean(mean for _, mean in its))
        assert line["captions"] == len(its)
        assert line["low"] <= line["mean_rating"] <= line["high"]


@given(st.lists(st.integers(0, 20), min_size=1, max_size=200))
def test_ties_are_of_one_bin_and_bins_follow_the_scores(scores: list[int]) -> None:
    """No bin is empty, a higher score is never of a lower bin, and there are no more bins than there is room for."""
    numbers = bin_numbers(np.array(scores, dtype=np.float64)).tolist()
    assert set(numbers) == set(range(max(numbers) + 1))
    assert len(set(numbers)) <= max(1, min(MOST_BINS, len(scores) // LEAST_IN_A_BIN))
    pairs = sorted(zip(scores, numbers, strict=True))
    assert [number for _, number in pairs] == sorted(numbers)
    assert len({number for _, number in set(pairs)}) == len(set(numbers))
    assert all(len({number for other, number in pairs if other == score}) == 1 for score in set(scores))


@given(st.lists(st.one_of(NUMBERS, st.integers(0, 100).map(float)), min_size=1, max_size=60))
def test_every_score_is_counted_in_one_bin(scores: list[float]) -> None:
    """Edges rise around all scores, and the ranges that filters are made of hold each score once."""
    values = np.array(scores)
    edges = round_edges(values)
    assert (edges[:-1] < edges[1:]).all()
    assert len(edges) < 30
    found = binned(values, edges)
    ranges = [found.range(place) for place in range(len(found.counts))]
    assert [sum(low <= score <= high for score in scores) for low, high in ranges] == found.counts.tolist()
    assert found.counts.sum() == len(scores)


@pytest.mark.parametrize("scale", [1e308, 5e-324, 0.0])
def test_scores_of_any_size_are_shown(tmp_path: Path, scale: float) -> None:
    """Numbers near the ends of the floats, and equal ones, make charts; a mean that overflows is n/a."""
    check(section_of(imported_run(tmp_path / "clip", scored([scale * (n % 3 - 1) for n in range(20)]))))


def test_bins_are_round() -> None:
    """Scores from 0 to 100 are counted by fives."""
    assert round_edges(np.array([0.0, 37.0, 100.0])).tolist() == [5.0 * n for n in range(21)]
    assert round_edges(np.array([0.1, 0.35])).tolist()[:2] == [0.1, 0.12]


def test_captions_without_a_score_are_left_out_and_counted(tmp_path: Path) -> None:
    """A histogram is of the ok scores; the note says how many are not, and why."""
    answers = [answered(1, 80), answered(2, 40), answered(3, None)]
    run = judged_run(tmp_path / "night", answers, rated(1, 2, 3, 4, 5), failed=["vid4"])
    section = section_of(run)
    check(section)
    scores = part(section, "captions_scores")
    assert "3 of 5 (failed 1, not asked 1, unparseable 1)" in scores.note
    of = scores.frame.filter(pl.col("dimension") == "accuracy")
    assert (of["captions"].sum(), of["share"].sum()) == (2, 1.0)
    means = part(section, "captions_dimensions").frame
    assert means["dimension"].to_list() == list(NAMES)
    assert means["captions"].to_list() == [2] * 5


def test_all_unread_is_not_defined(tmp_path: Path) -> None:
    """Without a score that can be read there is no mean and no tau: n/a, never 0."""
    run = judged_run(tmp_path / "night", [answered(n, None) for n in (1, 2, 3)], rated(1, 2, 3))
    section = section_of(run)
    check(section)
    means = part(section, "captions_dimensions")
    assert all(math.isnan(value) for value in means.frame["mean"])
    assert means.chart is not None
    assert svg(means.chart).count("n/a") == 10
    assert "captions_scores" not in {part.name for part in section.parts}


def test_a_run_without_captions_has_no_parts_on_them(tmp_path: Path) -> None:
    """No item, no dataset; and an analysis without runs of the kind has no section."""
    check(section_of(imported_run(tmp_path / "clip", [])))
    assert captions_section(Analysis([], Report({}, {}, ""))) is None


def test_several_samples_of_a_judgement_lead_to_no_bin(tmp_path: Path) -> None:
    """The score of a caption that was judged twice is that of no row."""
    answers = [answered(n, 50 + n, seq=10 * n + again) for n in range(1, 4) for again in (0, 1)]
    scores = part(section_of(judged_run(tmp_path / "night", answers, rated(1, 2, 3))), "captions_scores")
    assert set(scores.filters) == {None}


def test_the_human_ceiling_is_drawn(tmp_path: Path) -> None:
    """A dashed line for each tau, where the table has how well annotators agree."""
    section = section_of(imported_run(tmp_path / "clip", scored(np.linspace(0, 1, 30).tolist())))
    shown = part(section, "captions_correlation_segment_per_annotator")
    assert shown.frame["human_tau_b"][0] == pytest.approx(100)
    assert shown.chart is not None
    assert svg(shown.chart).count('stroke-dasharray="4,3"') == 2


def test_pairs_have_accuracies_with_intervals(tmp_path: Path) -> None:
    """Every rule for ties is in the table; one is drawn."""
    items = [
        Item(item=f"{n}{place}", ratings=(Rating("1", {"preferred": float((place == "a") == (n % 3 > 0))}),),
             scores={"CLIPScore": {"overall": n / 10 + (place == "a")}},
             fields={"pair": str(n), "place": place, "category": "XY"[n % 2]})
        for n in range(12) for place in "ab"
    ]  # fmt: skip
    run = imported_run(tmp_path / "pairs", items)
    section = section_of(run)
    check(section)
    shown = part(section, "captions_pairwise")
    assert shown.frame.equals(report_captions([run], FEW).tables["pairwise"])
    assert [*shown.filters] == [{"run": "pairs"}] * shown.frame.height
    assert ALL_SCORED in shown.note  # a category has fewer


def test_datasets_have_parts_of_their_own(tmp_path: Path) -> None:
    """Their names are told apart, and which runs are simulated is said where others are not."""
    one = imported_run(tmp_path / "one", [*scored(range(20), dataset="a"), *scored(range(30), dataset="b")])
    night = judged_run(tmp_path / "night", [answered(n, 50 + n) for n in range(1, 4)], rated(1, 2, 3))
    section = section_of(one, night)
    check(section)
    names = [part.name for part in section.parts]
    assert {"captions_scores", "captions_scores_2", "captions_scores_3"} <= set(names)
    assert part(section, "captions_metrics").filters == [{"run": "one", "dataset": "a"}]
    assert section.simulated
    assert "Simulated: night; the other runs are not." in section.notes


def test_hostile_names_are_text(tmp_path: Path) -> None:
    """Metrics, datasets, dimensions and judges of any text leave each picture XML without a script in it."""
    items = [
        Item(item=f"v{n}", dataset=HOSTILE, system=HOSTILE, scores={HOSTILE: {HOSTILE: n / 3, "x": float(n)}},
             ratings=(Rating("1", {HOSTILE: float(n % 4)}), Rating("2", {HOSTILE: float(n % 5)})))
        for n in range(30)
    ]  # fmt: skip
    check(section_of(imported_run(tmp_path / "clip", items)))
    answers = [answered(n, 50 + n, model=HOSTILE) for n in range(1, 9)]
    check(section_of(judged_run(tmp_path / "night", answers, rated(*range(1, 9)))))
