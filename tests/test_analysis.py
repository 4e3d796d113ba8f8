"""`analyze`: from what a run folder holds to tables, a page and JSON."""

import io
import json
import math
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import polars as pl
import pytest
from rich.console import Console

from outputs.analysis import analyze_run
from outputs.captions_run import Analysis, analyze, render, tables_of, to_json
from outputs.correlation import CORRELATIONS_SCHEMA
from outputs.items import Item, Rating
from outputs.modes import MODES_SCHEMA
from outputs.report import write_tables
from outputs.run_record import PromptRecord, RunRecord, Source
from outputs.scores import SCORES_SCHEMA
from prompts.input_error import InputError
from prompts.records import Alternative, Completion, SampledToken
from prompts.template import load_prompt

LABELS = ("Accuracy", "Completeness", "Conciseness", "Relevance")
NAMES = (*(label.lower() for label in LABELS), "average")


class Stored(msgspec.Struct, frozen=True):
    """An answer as the analysis wants it."""

    seq: int
    custom_id: str
    metadata: dict[str, Any]
    completion: Completion
    model: str | None = "judge-1"


class Counts(msgspec.Struct, frozen=True):
    """Requests of a run."""

    asked: int
    answered: int
    failed: int


def record(**changes: Any) -> RunRecord:
    prompt = load_prompt("gveval_ref_only_accr")
    recorded = PromptRecord(prompt.name, prompt.version, prompt.sha256, prompt.text)
    made: dict[str, Any] = {"name": "night", "created_at": "2025-01-01", "code_version": "0", "requests": 4, "items": 4}
    asked: dict[str, Any] = {"simulated": True, "job": "gveval", "prompts": (recorded,)}
    return RunRecord(source=Source("spec", "night.toml", "0" * 64), **(made | asked | changes))


def answered(
    seq: int, value: int | None, *, logprobs: bool = True, model: str = "judge-1", mass: float = 0.9
) -> Stored:
    """An answer whose four scores are `value`, or one that does not parse."""
    pieces = (
        [p for label in LABELS for p in (f"{label}: [[", str(value), "]]\n")] if value is not None else ["[b]none[/b]"]
    )
    p = math.log(mass)
    tokens = tuple(SampledToken(piece, p, None, (Alternative(piece, p),)) for piece in pieces)
    completion = Completion("".join(pieces), "stop", None, tokens if logprobs else None)
    return Stored(seq, f"gveval-{seq}", {"item": f"vid{seq}", "prompt": "p@1"}, completion, model)


def rated(*ratings: float, kind: str = "constructed") -> dict[str, Item]:
    """Items vid1, vid2, ... with two annotators, the second half a point above the first."""

    def item(place: int, rating: float) -> Item:
        rows = tuple(Rating(who, dict.fromkeys(NAMES, rating + more)) for who, more in (("1", 0), ("2", 0.5)))
        return Item(item=f"vid{place}", candidate="x", ratings=rows, ratings_kind=kind)

    return {f"vid{place}": item(place, rating) for place, rating in enumerate(ratings, 1)}


ANSWERS = [answered(1, 20), answered(2, 60), answered(3, None), answered(4, 80, logprobs=False)]
ITEMS = rated(1, 2, 3, 4)


def small(**changes: Any) -> Analysis:
    return analyze(record(**changes), ANSWERS, ITEMS, Counts(5, 4, 1))


def page(analysis: Analysis, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(render(analysis))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_answers_become_scores_and_correlations() -> None:
    """Every answer is in the scores, every rated dimension in the correlations, with its coverage."""
    analysis = small()
    assert analysis.scores.height == 4 * len(NAMES)
    assert analysis.correlations["dimension"].to_list() == list(NAMES)
    row = analysis.correlations.row(0, named=True)
    assert (row["metric"], row["n"], row["coverage"], row["left_out"]) == ("G-VEval ref-only ACCR", 4, 0.6, 1)
    assert row["human_tau_b"] == 100.0
    assert analysis.outcomes == {"ok": 3, "unparseable": 1}


def test_modes_and_masses_stand_beside_the_coverage() -> None:
    """Each dimension has its count by mode, and the mean and least probability mass of its expectations."""
    answers = [answered(1, 20, mass=0.8), answered(2, 60, mass=0.3), *ANSWERS[2:]]
    analysis = analyze(record(), answers, ITEMS, Counts(5, 4, 1))
    assert analysis.modes["dimension"].to_list() == list(NAMES)
    row = analysis.modes.row(0, named=True)
    assert (row["asked"], row["ok"], row["coverage"], row["simulated"]) == (5, 3, 0.6, True)
    assert (row["expectation"], row["split"], row["no_logprobs"]) == (2, 0, 1)
    assert (row["mass_mean"], row["mass_min"]) == (pytest.approx(0.55), pytest.approx(0.3))
    assert to_json(analysis)["modes"][0] == row
    shown = page(analysis).splitlines()
    assert any(line.split() == ["accuracy", "60.0", "%", "2", "0", "1", "0.5500", "0.3000"] for line in shown)


def test_without_an_expectation_there_is_no_mass() -> None:
    """The mass of no score is n/a on the page and null in JSON, never 0; a dimension without ratings is there too."""
    analysis = analyze(record(), ANSWERS[3:], {}, Counts(1, 1, 0))
    row = to_json(analysis)["modes"][0]
    assert (row["no_logprobs"], row["mass_mean"], row["mass_min"]) == (1, None, None)
    assert any(line.split()[-2:] == ["n/a", "n/a"] for line in page(analysis).splitlines() if "accuracy" in line)


def test_sampled_scores_enter_by_choice() -> None:
    """A run without log probabilities is correlated only where that is asked for."""
    chosen = analyze(record(), ANSWERS, ITEMS, Counts(5, 4, 1), include_sampled=True)
    assert set(chosen.correlations["n"]) == {6}
    assert "included, by choice" in page(chosen)


def test_samples_of_a_caption_are_one_score_and_named() -> None:
    """Where a spec chose samples over log probabilities, an item's score is their mean, and the metric says so."""
    spec = 'job = "gveval"\nmodel = "m"\nsamples = 2\n'
    again = [msgspec.structs.replace(answered(9, 40, logprobs=False), metadata={"item": "vid1"})]
    plain = [answered(1, 20, logprobs=False), answered(2, 35, logprobs=False), answered(3, 60, logprobs=False)]
    found = analyze(record(spec_text=spec), plain + again, ITEMS, Counts(4, 4, 0)).correlations.row(0, named=True)
    assert (found["metric"], found["items"], found["n"]) == ("G-VEval ref-only ACCR (mean of 2 samples)", 3, 6)
    assert found["tau_b"] == analyze(record(), _means(30, 35, 60), ITEMS, Counts(3, 3, 0)).correlations["tau_b"][0]


def _means(*values: int) -> list[Stored]:
    return [answered(place, value) for place, value in enumerate(values, 1)]


def test_the_recorded_prompt_decides_how_answers_are_read() -> None:
    """Labels and scale come from the run's own prompt, so that old answers are read as they were asked."""
    prompt = load_prompt("gveval_ref_only_accr")
    text = prompt.text.replace('["Accuracy", "Completeness", "Conciseness", "Relevance"]', '["Accuracy"]')
    analysis = small(prompts=(PromptRecord("p", "1", "0", text.replace("[0, 100]", "[0, 50]")),))
    assert sorted(set(analysis.scores["dimension"])) == ["accuracy", "average"]
    assert analysis.outcomes == {"unparseable": 3, "ok": 1}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"job": "manifest"}, "gveval; this run's job is 'manifest'"),
        ({"prompts": ()}, "one prompt, this one records 0"),
    ],
)
def test_runs_that_cannot_be_analyzed_are_refused(changes: dict[str, Any], words: str) -> None:
    """A run of another job, or without its prompt, is told what analyze can do."""
    with pytest.raises(InputError, match=words):
        small(**changes)


def test_tables_are_written_as_parquet_and_csv(tmp_path: Path) -> None:
    """The tables come back from parquet as they were, with their types, and from CSV with their columns."""
    analysis = small()
    written = {path.name: path for path in write_tables(tables_of(analysis), tmp_path)}
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == sorted(written)
    assert dict(pl.read_parquet(written["scores.parquet"]).schema) == SCORES_SCHEMA
    assert pl.read_parquet(written["correlations.parquet"]).equals(analysis.correlations)
    assert pl.read_csv(written["scores.csv"]).height == analysis.scores.height
    assert pl.read_csv(written["correlations.csv"]).columns == list(CORRELATIONS_SCHEMA)
    assert dict(pl.read_parquet(written["modes.parquet"]).schema) == MODES_SCHEMA
    assert pl.read_csv(written["modes.csv"]).height == len(NAMES)


def test_tables_are_replaced_whole(tmp_path: Path) -> None:
    """A second analysis takes the place of the first."""
    write_tables(tables_of(small()), tmp_path)
    write_tables(tables_of(analyze(record(), ANSWERS[:1], ITEMS, Counts(5, 1, 0))), tmp_path)
    assert pl.read_parquet(tmp_path / "tables" / "scores.parquet").height == len(NAMES)


def test_tables_that_cannot_be_written_are_an_input_error(tmp_path: Path) -> None:
    """A file in the place of the tables' folder is named."""
    (tmp_path / "tables").touch()
    with pytest.raises(InputError, match="tables: cannot be written: File exists"):
        write_tables(tables_of(small()), tmp_path)


def test_the_page_labels_what_is_not_real() -> None:
    """Simulated answers and constructed ratings stand in the title, coverage and outcomes beside the numbers."""
    shown = page(small())
    title = shown.splitlines()[0]
    assert "SIMULATED" in title
    assert "ratings: constructed" in title
    assert "60.0 % 3/5" in shown
    assert "5 asked, 4 answered, 1 failed" in shown
    assert "ok 3, unparseable 1" in shown
    assert "1 x accuracy: no score" in shown
    assert "Left out" in shown


def test_the_page_fits_an_ordinary_terminal() -> None:
    """Eighty columns hold every dimension and every number whole."""
    answers = [answered(place, 100 if place % 2 else 0) for place in range(1, 1200)]
    narrow = page(
        analyze(record(), answers, rated(*(place % 2 for place in range(1, 1200))), Counts(1199, 1199, 0)), 80
    )
    assert "100.0 % 1199/1199" in narrow
    assert "…" not in narrow
    assert max(map(len, narrow.splitlines())) <= 80
    assert all(name in narrow for name in NAMES)


def test_a_real_run_is_not_called_simulated() -> None:
    """Real answers and human ratings carry no label."""
    shown = page(analyze(record(simulated=False), ANSWERS, rated(1, 2, 3, 4, kind="human"), Counts(4, 4, 0)))
    assert "SIMULATED" not in shown
    assert "constructed" not in shown


def test_foreign_text_is_neither_markup_nor_terminal_code() -> None:
    """A model's name is shown as it is: no markup, no escape sequence."""
    shown = page(analyze(record(), [answered(1, 20, model="[red]x[/red]\x1b[2J")], ITEMS, Counts(1, 1, 0)))
    assert "[red]x[/red]\\x1b[2J" in shown
    assert "\x1b" not in shown


def test_undefined_values_are_said_to_be_so() -> None:
    """A tau that is not defined is n/a on the page and null in JSON, with its reason."""
    nothing = analyze(record(), [], ITEMS, Counts(4, 0, 4))
    assert math.isnan(nothing.correlations["tau_b"][0])
    assert "accuracy: no tau, fewer than 2 points." in page(nothing)
    first = to_json(nothing)["correlations"][0]
    assert (first["tau_b"], first["reason"], first["coverage"]) == (None, "fewer than 2 points", 0.0)


def test_a_run_without_ratings_shows_that() -> None:
    """Items that nobody rated leave nothing to correlate, and the page says it."""
    bare = {name: Item(item=name, candidate="x") for name in ITEMS}
    assert "No rated item" in page(analyze(record(), ANSWERS, bare, Counts(4, 4, 0)))


def test_scores_of_other_dimensions_than_the_ratings_are_said_to_be_so() -> None:
    """Where the judge scored other qualities than people rated, the page names both."""
    items = {"vid1": Item(item="vid1", candidate="x", ratings=(Rating("1", {"overall": 1.0}),))}
    shown = page(analyze(record(), ANSWERS[:1], items, Counts(1, 1, 0)))
    assert "people rated overall, the judge scored accuracy" in " ".join(shown.split())


def test_json_is_plain_and_complete() -> None:
    """The record for programs has the run's facts and survives a round trip through strict JSON."""
    found = to_json(small())
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["run"], found["simulated"], found["ratings_kind"]) == ("night", True, "constructed")
    assert found["requests"] == {"asked": 5, "answered": 4, "failed": 1}
    assert [row["dimension"] for row in found["correlations"]] == list(NAMES)


def test_a_folder_is_read_from_its_record_and_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`analyze_run` joins the run's record with the stored answers, items and counts of the same folder."""
    stored = ModuleType("outputs.answers")
    stored.__dict__.update(
        read_answers=lambda folder: iter(ANSWERS if folder == tmp_path else []),
        read_items=lambda folder: ITEMS if folder == tmp_path else {},
        count_requests=lambda folder: Counts(5, 4, 1) if folder == tmp_path else None,
        is_simulated=lambda _folder, run: run.simulated,
    )
    monkeypatch.setitem(sys.modules, "outputs.answers", stored)
    (tmp_path / "run.json").write_bytes(msgspec.json.encode(record()))
    assert analyze_run(tmp_path).document == to_json(small())


def test_what_is_no_run_folder_is_an_input_error(tmp_path: Path) -> None:
    """A folder without a run's record is refused by name."""
    with pytest.raises(InputError, match=r"no run\.json"):
        analyze_run(tmp_path)
