"""The judged section over several runs, and its page."""

import io
import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from outputs.analysis_options import Options
from outputs.answers import RowCounts
from outputs.items import Item, Turn
from outputs.judged.panels import ALL_JUDGES, MACRO, POOLED
from outputs.judged_run import report_judged
from outputs.report import Report
from outputs.run_record import PromptRecord
from outputs.tables.loading import LoadedRun
from tests.harness.judgements import asked, grid, judged, judged_run

FEW = Options(resamples=100)


def section(*runs: LoadedRun) -> Report:
    """The report, of which all is plain JSON."""
    report = report_judged(runs, FEW)
    assert json.loads(json.dumps(report.document, allow_nan=False)) == report.document
    return report


def page(report: Report, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(report.page)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def said(report: Report) -> str:
    return " ".join(report.document["notes"])


def prompt(text: str, sha256: str) -> PromptRecord:
    return PromptRecord("rate", "1", sha256, text)


def question(item: str, words: str) -> Item:
    return Item(item=item, messages=(Turn("user", words),))


RATE = """+++
name = "rate"
version = "1"
role = "judge"
variables = ["answer"]
parser = "json_scores"
scale = [1, 5]
dimensions = ["Overall"]
+++
{{ answer }}
"""


def test_models_of_two_runs_are_compared_on_the_same_prompts(tmp_path: Path) -> None:
    """One table, paired by item."""
    runs = [
        judged_run(tmp_path / name, grid({name: values})) for name, values in {"a": [1, 2, 3], "b": [2, 3, 4]}.items()
    ]
    found = section(*runs).tables["differences"]
    assert found.select("first", "second", "items", "difference").rows() == [("a", "b", 3, -1.0)]


def test_a_model_of_two_runs_is_averaged_item_by_item(tmp_path: Path) -> None:
    """As repeats are, where judge and prompt are the same; the page says so, and the coverage is of both."""
    runs = [
        judged_run(tmp_path / "a", grid({"m": [1, 5]})),
        judged_run(tmp_path / "b", grid({"m": [3, None]})),
    ]
    report = section(*runs)
    row = report.tables["means"].row(0, named=True)
    assert (row["mean"], row["items"], row["ok"], row["asked"], row["runs"]) == (3.5, 2, 3, 4, 2)
    assert "Judged in several runs (a, b) by one judge and prompt, and averaged item by item: m." in said(report)


def test_runs_with_different_judges_show_how_far_they_agree(tmp_path: Path) -> None:
    """The same model and prompts, two judges: a mean of each, of both, and their agreement."""
    runs = [judged_run(tmp_path / name, grid({"m": [1, 2, 3]}, judge=f"p/{name}")) for name in ("a", "b")]
    found = section(*runs).tables
    assert found["means"]["judge"].to_list() == ["p/a", "p/b", ALL_JUDGES]
    assert found["judge_agreement"]["equal"].to_list() == [1.0]


def test_a_judge_has_the_mean_over_the_datasets_that_it_was_asked_about(tmp_path: Path) -> None:
    """A second judge of one set only takes nothing from the first one's mean over both, and the page says so."""
    both = [*grid({"m": [1, 2, 3]}), *grid({"m": [4, 5, 5]}, dataset="numina")]
    runs = [judged_run(tmp_path / "a", both), judged_run(tmp_path / "b", grid({"m": [1, 2, 3]}, judge="p/k"))]
    report = section(*runs)
    found = report.tables["means"].select("judge", "dataset", pl.col("mean").round(3)).rows()
    assert found == [
        ("p/j", "arena", 2.0), ("p/j", "numina", 4.667), ("p/j", MACRO, 3.333), ("p/j", POOLED, 3.333),
        ("p/k", "arena", 2.0), (ALL_JUDGES, "arena", 2.0),
    ]  # fmt: skip
    assert "Not all judges were asked about the same datasets" in said(report)


@pytest.mark.parametrize("changes", [{"prompt": "rate@2"}, {"reference": "other"}])
def test_other_prompts_and_other_references_are_not_compared(tmp_path: Path, changes: dict[str, str]) -> None:
    """Each has its own means, and the page says that they are not comparable."""
    runs = [judged_run(tmp_path / "a", grid({"m": [1, 2]})), judged_run(tmp_path / "b", grid({"n": [3, 4]}, **changes))]
    report = section(*runs)
    assert report.tables["differences"].height == 0
    assert report.tables["means"]["mean"].to_list() in ([1.5, 3.5], [3.5, 1.5])
    assert "not comparable" in said(report)


def test_prompts_of_one_name_and_other_texts_are_told_apart(tmp_path: Path) -> None:
    """A prompt that was edited without a new version is another prompt, by the digest of its text."""
    texts = {"a": prompt(RATE, "a" * 64), "b": prompt(f"{RATE}more", "b" * 64)}
    runs = [judged_run(tmp_path / name, grid({"m": [1, 2]}), prompts=[text]) for name, text in texts.items()]
    report = section(*runs)
    assert report.tables["means"]["prompt"].unique().sort().to_list() == ["rate@1 (aaaaaaaa)", "rate@1 (bbbbbbbb)"]
    assert set(report.tables["means"]["coverage"].drop_nulls()) == {0.0, 1.0}  # a dimension that nobody asked for


def test_items_of_one_name_and_other_texts_are_different_items(tmp_path: Path) -> None:
    """Two models that answered different questions have none in common, though the questions have one name."""
    texts = {"a": "Why?", "b": "Why not?"}
    runs = [
        judged_run(
            tmp_path / name, grid({name: [1, 2]}), items=[question("arena-0", words), question("arena-1", "How?")]
        )
        for name, words in texts.items()
    ]
    report = section(*runs)
    row = report.tables["differences"].row(0, named=True)
    assert (row["items"], row["first_only"], row["second_only"]) == (1, 1, 1)
    assert "1 items have one name and other texts in other runs" in said(report)


def test_scores_of_one_judgement_that_stand_twice_count_once(tmp_path: Path) -> None:
    """An item that a table names twice weighs as much as the others, and coverage is at most 1."""
    rows = [*grid({"m": [1, 5]}), *grid({"m": [1]})]
    row = section(judged_run(tmp_path / "a", rows)).tables["means"].row(0, named=True)
    assert (row["mean"], row["items"], row["coverage"]) == (3.0, 2, 1.0)


def two_sets(folder: Path) -> LoadedRun:
    """A run of two sets, one of which nobody has judged."""
    asking = [
        asked("answer", f"{name}-{n}", who, dataset=name)
        for name in ("arena", "numina")
        for n in range(3)
        for who in "mn"
    ]
    asking += [asked("judge", f"arena-{n}", who) for n in range(3) for who in "mn"]
    return judged_run(folder, grid({"m": [5, 3, 4], "n": [1, 2, 2]}), asking=asking)


def test_a_set_that_was_never_judged_is_named(tmp_path: Path) -> None:
    """The page has a column for it, no Avg over the others, and a note; a finished run has nothing more to ask for."""
    report = section(two_sets(tmp_path / "run"))
    assert "Sets of prompts missing from means, without one readable judgement: numina." in said(report)
    assert "No Avg for want of a set's mean" in said(report)
    assert "items of every set in common" in said(report)
    assert "not asked for yet" not in said(report)
    assert "numina" in page(report)


def test_a_run_that_is_not_finished_says_how_many_judgements_it_has_not_asked_for(tmp_path: Path) -> None:
    """Beside them the set that has none yet, and coverage over all that there should be."""
    run = two_sets(tmp_path / "run")
    report = section(replace(run, counts=RowCounts(18, 12, 1)))
    what = "run is not finished: of 12 judgements 6 are not asked for yet; they count as not read."
    assert what in said(report)
    assert "50.0 %" in page(report)


def test_many_sets_without_a_judgement_are_counted(tmp_path: Path) -> None:
    """The first names, and how many more."""
    asking = [asked("answer", name, dataset=name) for name in "abcdef"]
    report = section(
        judged_run(
            tmp_path / "run", [judged("a", 4.0, dataset="a")], asking=[*asking, asked("judge", "a", dataset="a")]
        )
    )
    assert "without one readable judgement: b, c, d, and 2 more." in said(report)


def test_a_run_without_judgements_says_so(tmp_path: Path) -> None:
    """An empty run has a page of one sentence, and empty tables."""
    report = section(judged_run(tmp_path / "a", [], asking=[asked("answer", "x")]))
    assert "No judgement was asked for" in page(report)
    assert report.document["means"] == []


def test_one_model_is_not_compared_and_the_page_says_so(tmp_path: Path) -> None:
    """Its dimensions stand in lines of their own."""
    rows = [row for name in ("style", "detail") for row in grid({"m": [1, 2, 3]}, dimension=name)]
    shown = page(section(judged_run(tmp_path / "a", rows)))
    assert "One model only" in shown
    assert [line.split()[0] for line in shown.splitlines() if "100.0 %" in line] == ["style", "detail"]


def test_nothing_readable_is_shown_as_not_available(tmp_path: Path) -> None:
    """Coverage 0 is n/a on the page, never a number."""
    report = section(judged_run(tmp_path / "a", grid({"m": [None, None], "n": [None, None]})))
    shown = page(report)
    assert [line.split() for line in shown.splitlines() if "0.0 %" in line] == [
        [name, "0", "0.0", "%", "n/a", "n/a"] for name in ("m", "n")
    ]
    assert "Without one readable judgement in a table: m, n." in said(report)


def test_many_models_with_long_names_fit_the_page(tmp_path: Path) -> None:
    """In 100 columns, with as many sets as there is room for; the others are said to be in the table."""
    models = {f"provider/a-rather-long-name-of-a-model-{n}": [n % 5 + 1, 2, 3] for n in range(20)}
    rows = [
        row for name in ("arena", "a_set_with_a_long_name", "c", "d", "e", "f") for row in grid(models, dataset=name)
    ]
    shown = page(section(judged_run(tmp_path / "a", rows)))
    assert max(map(len, shown.splitlines())) <= 100
    assert "more sets in the table means" in shown
    assert shown.partition("items: those")[0].count("a-rather-long-name") == 20


def test_hostile_names_are_shown_as_they_are(tmp_path: Path) -> None:
    """A model's name is neither markup nor a terminal's code."""
    shown = page(section(judged_run(tmp_path / "a", grid({"[red]x\x1b[2J": [1, 2], "y": [2, 2]}))))
    assert "[red]x\\x1b[2J" in shown
    assert "\x1b" not in shown


def test_self_preference_and_shortened_dialogues_are_marked(tmp_path: Path) -> None:
    """A star at the model, and who it was; how many judgements were of fewer turns than asked."""
    rows = [*grid({"m": [1, 2]}, self_preference=True), judged("z", 3, model="n", turns=1, turns_asked=2)]
    report = section(judged_run(tmp_path / "a", rows))
    assert "m *" in page(report)
    assert "held against their own: p/j" in said(report)
    assert "1 judgements are of dialogues" in said(report)
    assert report.tables["means"].filter(pl.col("self_preference"))["model"].to_list() == ["m"]


def test_unequal_coverage_is_said(tmp_path: Path) -> None:
    """Where pairs are compared over fewer items than their means are over."""
    report = section(judged_run(tmp_path / "a", grid({"a": [1, 2, 3], "b": [1, 2, None], "c": [1, 2, None]})))
    assert "Coverage is unequal: 2 pairs of models" in said(report)


def test_a_model_without_a_test_has_no_letter(tmp_path: Path) -> None:
    """Nothing readable is not alike: n/a, and the page says that no test was possible."""
    report = section(judged_run(tmp_path / "a", grid({"a": [1, 2, 3], "b": [1, 2, 2], "c": [None] * 3})))
    lines = [line.split() for line in page(report).splitlines() if "%" in line]
    assert {line[0]: line[-1] for line in lines if line[0] in "abc"} == {"a": "a", "b": "a", "c": "n/a"}
    assert "no test was possible, for want of items in common with another: c" in said(report)


def test_pairs_without_a_common_item_are_said_to_be_untested(tmp_path: Path) -> None:
    """Two that were each tested against a third only share its letter, which says nothing of them."""
    values: dict[str, list[float | None]] = {"a": [1, 2, 3, 4], "b": [1, 2, None, None], "c": [None, None, 3, 4]}
    assert "A shared letter says nothing of 1 pair" in said(section(judged_run(tmp_path / "a", grid(values))))


def test_doubtful_intervals_are_named(tmp_path: Path) -> None:
    """Up to three models with their sets, and why; the rest is left to the table."""
    few = section(judged_run(tmp_path / "a", grid({"p/a": [1, 2, 3]})))
    assert "Interval of 1 mean is missing or doubtful: a (arena): few clusters (3)" in said(few)
    many = said(section(judged_run(tmp_path / "b", grid({name: [1, 2, 3] for name in "abcde"}))))
    assert many.count("(arena): ") == 3
    assert "the others stand in the table means that overnight analyze writes" in many


def test_endless_names_are_cut_on_the_page(tmp_path: Path) -> None:
    """Thousands of characters are a line or two; the tables have all of them."""
    names = ["x" * 5000, "x" * 5000 + "y"]
    report = section(judged_run(tmp_path / "a", grid({name: [1, 2, 3] for name in names}, judge=f"p/{'j' * 5000}")))
    assert len(page(report).splitlines()) < 40
    assert report.tables["means"]["model"].to_list() == names
