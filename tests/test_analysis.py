"""The section on captions of `analyze`: from judged runs to tables, a page and a document."""

import io
import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from outputs.analysis import analyze_runs
from outputs.analysis_options import Options
from outputs.captions.correlated import CORRELATIONS_SCHEMA
from outputs.captions.metric_scores import METRIC_SCORES_SCHEMA
from outputs.captions.modes import MODES_SCHEMA
from outputs.captions_run import report_captions
from outputs.items import Item, Rating
from outputs.report import Report, write_tables
from outputs.run_record import PromptRecord
from prompts.input_error import InputError
from prompts.template import load_prompt
from tests.harness.caption_runs import NAMES, Stored, answered, judged_run, rated

FEW = Options(resamples=100)
ANSWERS = [answered(1, 20), answered(2, 60), answered(3, None), answered(4, 80, logprobs=False)]
ITEMS = rated(1, 2, 3, 4, 5)
FAILED = ("vid5",)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "night"


def analyzed(
    folder: Path,
    answers: list[Stored],
    items: dict[str, Item],
    failed: tuple[str, ...] = (),
    options: Options = FEW,
    **changes: Any,
) -> Report:
    return report_captions([judged_run(folder, answers, items, failed=failed, **changes)], options)


def small(folder: Path, options: Options = FEW, **changes: Any) -> Report:
    """Of five requests, one answer does not parse, one has no expectation, one failed."""
    return analyzed(folder, ANSWERS, ITEMS, FAILED, options, **changes)


def page(report: Report, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(report.page)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_answers_become_scores_and_correlations(folder: Path) -> None:
    """Every item is in the scores, every rated dimension in the correlations, with its coverage."""
    tables = small(folder).tables
    assert tables["metric_scores"].height == len(ITEMS) * len(NAMES)
    assert dict(tables["metric_scores"].schema) == METRIC_SCORES_SCHEMA
    assert tables["correlations"]["dimension"].to_list() == list(NAMES)
    assert tables["correlations"]["human_dimension"].to_list() == list(NAMES)
    row = tables["correlations"].row(0, named=True)
    assert (row["metric"], row["n"], row["coverage"], row["no_expectation"]) == ("G-VEval ref-only ACCR", 4, 0.6, 1)
    assert (row["rated"], row["asked"], row["ok"], row["items"], row["left_out"], row["clusters"]) == (5, 5, 3, 2, 3, 2)
    assert row["human_tau_b"] == pytest.approx(100)


def test_what_has_no_score_says_why(folder: Path) -> None:
    """No item is dropped from the scores: an unparseable answer and a failed request have their reasons, no values."""
    scores = small(folder).tables["metric_scores"].filter(pl.col("dimension") == "accuracy")
    found = {row["item"]: row for row in scores.iter_rows(named=True)}
    assert list(found) == list(ITEMS)
    assert (found["vid3"]["outcome"], found["vid3"]["value"]) == ("unparseable", None)
    assert found["vid3"]["reason"].startswith("accuracy: no score")
    assert (found["vid5"]["outcome"], found["vid5"]["reason"]) == ("failed", "the provider was away")
    assert (found["vid4"]["outcome"], found["vid4"]["mode"], found["vid4"]["used"]) == ("ok", "no_logprobs", False)
    assert found["vid4"]["value"] == 80


def test_modes_and_masses_stand_beside_the_coverage(folder: Path) -> None:
    """Each dimension has its count by mode, and the mean and least probability mass of its expectations."""
    answers = [answered(1, 20, mass=0.8), answered(2, 60, mass=0.3), *ANSWERS[2:]]
    report = analyzed(folder, answers, ITEMS, FAILED)
    modes = report.tables["modes"]
    assert modes["dimension"].to_list() == list(NAMES)
    row = modes.row(0, named=True)
    assert (row["judge"], row["asked"], row["ok"], row["coverage"]) == ("lab/judge-1", 5, 3, 0.6)
    assert (row["expectation"], row["split"], row["no_logprobs"], row["simulated"]) == (2, 0, 1, True)
    assert (row["mass_mean"], row["mass_min"]) == (pytest.approx(0.55), pytest.approx(0.3))
    assert report.document["modes"][0] == row
    shown = [line.split()[2:] for line in page(report).splitlines() if "judge-1" in line]
    assert ["accuracy", "60.0", "%", "2", "0", "1", "0.5500", "0.3000"] in shown


def test_without_an_expectation_there_is_no_mass(folder: Path) -> None:
    """The mass of no score is n/a on the page and null in the document, never 0."""
    report = analyzed(folder, ANSWERS[3:], {"vid4": Item(item="vid4", candidate="x")})
    row = report.document["modes"][0]
    assert (row["no_logprobs"], row["mass_mean"], row["mass_min"]) == (1, None, None)
    assert any(line.split()[-2:] == ["n/a", "n/a"] for line in page(report).splitlines() if "accuracy" in line)


def test_sampled_scores_enter_by_choice(folder: Path) -> None:
    """A score without log probabilities is correlated only where that is asked for, and the page says so."""
    chosen = small(folder, Options(resamples=100, include_sampled=True))
    assert set(chosen.tables["correlations"]["n"]) == {6}
    assert set(chosen.tables["correlations"]["no_expectation"]) == {0}
    assert "included, by choice" in page(chosen)


def test_samples_of_a_caption_are_one_score_and_named(folder: Path) -> None:
    """Where a spec chose samples over log probabilities, an item's score is their mean, and the metric says so."""
    spec = 'job = "gveval"\nmodel = "m"\nsamples = 2\n[dataset]\npath = "x"\n'
    sampled = [answered(place, value, logprobs=False) for place, value in enumerate((20, 35, 60), 1)]
    again = answered("vid1", 40, logprobs=False, seq=9)
    found = analyzed(folder, [*sampled, again], rated(1, 2, 3), spec_text=spec).tables
    row = found["correlations"].row(0, named=True)
    assert (row["metric"], row["items"], row["n"]) == ("G-VEval ref-only ACCR (mean of 2 samples)", 3, 6)
    first = found["metric_scores"].row(0, named=True)
    assert (first["value"], first["answers"], first["asked"]) == (30, 2, 2)


def test_an_expectation_is_not_mixed_with_samples(folder: Path) -> None:
    """Of an item's answers with and without log probabilities, those with them count, unless all are asked for."""
    answers = [answered(1, 20), answered("vid1", 40, logprobs=False, seq=9)]
    only = analyzed(folder, answers, rated(1)).tables["metric_scores"].row(0, named=True)
    assert (only["value"], only["mode"], only["answers"]) == (pytest.approx(20), "expectation", 1)
    both = analyzed(folder.with_name("all"), answers, rated(1), options=Options(resamples=100, include_sampled=True))
    row = both.tables["metric_scores"].row(0, named=True)
    assert (row["value"], row["mode"], row["answers"]) == (pytest.approx(30), "expectation+no_logprobs", 2)


def test_the_recorded_prompt_decides_how_answers_are_read(folder: Path) -> None:
    """Labels and scale come from the run's own prompt, so that old answers are read as they were asked."""
    prompt = load_prompt("gveval_ref_only_accr")
    text = prompt.text.replace('["Accuracy", "Completeness", "Conciseness", "Relevance"]', '["Accuracy"]')
    recorded = PromptRecord("p", "1", "0", text.replace("[0, 100]", "[0, 50]"))
    scores = small(folder, prompts=(recorded,)).tables["metric_scores"]
    assert sorted(set(scores["dimension"])) == ["accuracy", "average"]
    assert scores.filter(pl.col("value").is_not_null())["item"].unique().to_list() == ["vid1"]


def test_a_run_without_its_prompt_is_refused(folder: Path) -> None:
    """Nothing says how its answers are to be read."""
    with pytest.raises(InputError, match="one prompt, this one records 0"):
        small(folder, prompts=())


def test_a_request_about_an_unknown_item_is_an_error(folder: Path) -> None:
    """An answer whose item the run has not is not dropped."""
    with pytest.raises(InputError, match="'vid1', which the run's"):
        analyzed(folder, ANSWERS, {"other": Item(item="other", candidate="x")})


def test_tables_are_written_as_parquet_and_csv(folder: Path) -> None:
    """The tables come back from parquet with their types, without NaN, and from CSV with their columns."""
    report = small(folder)
    written = {path.name: path for path in write_tables(report.tables, folder)}
    assert dict(pl.read_parquet(written["metric_scores.parquet"]).schema) == METRIC_SCORES_SCHEMA
    assert pl.read_parquet(written["correlations.parquet"]).equals(report.tables["correlations"].fill_nan(None))
    assert pl.read_csv(written["metric_scores.csv"]).height == report.tables["metric_scores"].height
    assert pl.read_csv(written["correlations.csv"]).columns == list(CORRELATIONS_SCHEMA)
    assert dict(pl.read_parquet(written["modes.parquet"]).schema) == MODES_SCHEMA


def test_tables_are_replaced_whole(folder: Path) -> None:
    """A second analysis takes the place of the first."""
    write_tables(small(folder).tables, folder)
    other = analyzed(folder.with_name("other"), ANSWERS[:1], rated(1))
    write_tables(other.tables, folder)
    assert pl.read_parquet(folder / "tables" / "metric_scores.parquet").height == len(NAMES)


def test_tables_that_cannot_be_written_are_an_input_error(tmp_path: Path, folder: Path) -> None:
    """A file in the place of the tables' folder is named."""
    (tmp_path / "tables").touch()
    with pytest.raises(InputError, match="tables: cannot be written: File exists"):
        write_tables(small(folder).tables, tmp_path)


def test_the_page_labels_what_is_not_real(folder: Path) -> None:
    """Simulated answers and constructed ratings are named, coverage and outcomes stand before the numbers."""
    shown = page(small(folder))
    assert "SIMULATED" in shown.splitlines()[0]
    assert "ratings: constructed" in shown.splitlines()[1]
    assert shown.index("3/5") < shown.index("between annotators")
    assert all(words in shown for words in ("ok 3", "failed 1", "unparseable 1"))
    assert "the provider was away 1" in shown
    assert "Left out" in shown


def test_the_page_fits_an_ordinary_terminal(folder: Path) -> None:
    """A hundred columns hold every dimension and every number whole."""
    answers = [answered(place, 100 if place % 2 else 0) for place in range(1, 300)]
    shown = page(analyzed(folder, answers, rated(*(place % 2 for place in range(1, 300)))))
    assert "299/299" in shown
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 100
    assert all(name in shown for name in NAMES)


def test_a_real_run_is_not_called_simulated(folder: Path) -> None:
    """Real answers and human ratings carry no label."""
    shown = page(analyzed(folder, ANSWERS, rated(1, 2, 3, 4, kind="human"), simulated=False))
    assert "SIMULATED" not in shown
    assert "constructed" not in shown


def test_foreign_text_is_neither_markup_nor_terminal_code(folder: Path) -> None:
    """A model's name is shown as it is: no markup, no escape sequence."""
    shown = page(analyzed(folder, [answered(1, 20, model="[red]x[/red]\x1b[2J")], rated(1)), 160)
    assert "[red]x[/red]\\x1b[2J" in shown
    assert "\x1b" not in shown


def test_undefined_values_are_said_to_be_so(folder: Path) -> None:
    """A tau that is not defined is null in the document, with its reason, and the page says why."""
    nothing = analyzed(folder, [], ITEMS, tuple(ITEMS))
    assert math.isnan(nothing.tables["correlations"]["tau_b"][0])
    first = nothing.document["correlations"][0]
    assert (first["tau_b"], first["reason"], first["coverage"]) == (None, "the provider was away", 0.0)
    assert "the provider was away" in page(nothing)


def test_a_run_without_ratings_shows_that(folder: Path) -> None:
    """Items that nobody rated leave nothing to correlate, and the page says it."""
    bare = {name: Item(item=name, candidate="x") for name in ITEMS}
    assert "No rated item" in page(analyzed(folder, ANSWERS, bare))


def test_scores_of_other_dimensions_than_the_ratings_are_said_to_be_so(folder: Path) -> None:
    """Where the judge scored other qualities than people rated, the page names both."""
    items = {"vid1": Item(item="vid1", candidate="x", ratings=(Rating("1", {"overall": 1.0}),))}
    shown = " ".join(page(analyzed(folder, ANSWERS[:1], items)).split())
    assert "people rated overall, scored: G-VEval ref-only ACCR (accuracy, completeness" in shown


def test_the_document_is_plain_and_complete(folder: Path) -> None:
    """The record for programs survives a round trip through strict JSON and says what rests on what."""
    found = small(folder).document
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    [about] = found["datasets"]
    assert (found["runs"], about["simulated"], about["ratings_kind"]) == (["night"], True, "constructed")
    assert [row["dimension"] for row in found["correlations"]] == list(NAMES)
    assert found["metric_coverage"][0]["outcomes"] == "ok 3, failed 1, unparseable 1"


def test_a_folder_is_read_from_its_record_and_log(folder: Path) -> None:
    """`analyze_runs` finds the section by the run's job, and the items in its folder."""
    judged_run(folder, [], ITEMS, job="scores", requests=0)
    report = analyze_runs([folder], FEW)
    assert report.document["captions"]["datasets"][0]["rated"] == len(ITEMS)


def test_what_is_no_run_folder_is_an_input_error(tmp_path: Path) -> None:
    """A folder without a run's record is refused by name."""
    with pytest.raises(InputError, match=r"no run\.json"):
        analyze_runs([tmp_path])
