"""The section of a report about judgements: its numbers are those of the tables, and each leads to its rows."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from rich.text import Text

from outputs.analysis_options import Options
from outputs.figures.judged import judged_section
from outputs.figures.parts import Analysis, Filter, Part, Section
from outputs.judged.panels import ALL_JUDGES, MACRO, POOLED
from outputs.judged_run import report_judged
from outputs.report import Report
from outputs.run_record import PromptRecord
from outputs.tables.loading import LoadedRun
from prompts.template import load_prompt
from tests.harness.drawn import check_part, written_in
from tests.harness.judgements import Row, grid, judged_run

FEW = Options(resamples=100)
HOSTILE = "x/</text><script>alert(1)</script>&\x1b[31m\u202e'\""


def analysis(runs: Sequence[LoadedRun]) -> Analysis:
    report = report_judged(runs, FEW)
    return Analysis(runs, Report(report.tables, {"judged": report.document}, Text("")), FEW)


def numbered(run: LoadedRun) -> LoadedRun:
    """With a number for each answer of the judge, as a run has it."""
    scores = pl.read_parquet(run.tables["scores"])
    keys = ("stage", "dataset", "item", "model", "judge", "control", "repeat", "swapped", "prompt", "reference")
    scores.with_columns(pl.struct(keys).rank("dense").cast(pl.Int64).alias("seq")).write_parquet(run.tables["scores"])
    return run


def made(folder: Path, *rows_of_runs: list[Row]) -> tuple[Analysis, Section]:
    runs = [numbered(judged_run(folder / f"run{place}", rows)) for place, rows in enumerate(rows_of_runs)]
    found = analysis(runs)
    section = judged_section(found)
    assert section is not None
    for part in section.parts:
        check_part(part)
    assert len({part.name for part in section.parts}) == len(section.parts)
    return found, section


def part_of(section: Section, name: str) -> Part:
    return next(part for part in section.parts if part.name == name)


def selected(found: Analysis, chosen: Filter | None) -> int:
    """How many answers of judges a filter selects."""
    assert chosen is not None
    columns = {"lane": "judge"}
    rows = pl.concat([run.scan("scores").collect().with_columns(run=pl.lit(run.name)) for run in found.runs])
    same = (pl.col(columns.get(name, name)).fill_null("") == value for name, value in chosen.items())
    return rows.filter(*same).select("run", "seq").n_unique()


def values(items: int = 12, seed: int = 0) -> list[float | None]:
    drawn = random.Random(seed)
    return [float(drawn.randint(1, 5)) for _ in range(items)]


def two_sets(**more: Any) -> list[Row]:
    """Three models and the reference itself over two sets, by two dimensions."""
    rows: list[Row] = []
    for seed, dimension in enumerate(("overall", "response_style")):
        for place, dataset in enumerate(("arena", "numina")):
            about = {"dataset": dataset, "dimension": dimension, "reference": "r", **more}
            grown = {model: values(seed=seed * 10 + place * 5 + n) for n, model in enumerate("abc")}
            rows += grid(grown, **about)
            rows += grid({"r": values(seed=3)}, **about, control=True, self_preference=True)
    return rows


def test_the_table_has_the_numbers_of_the_means(tmp_path: Path) -> None:
    """A line a model, the highest first and the control last; a column a set, each with its interval."""
    found, section = made(tmp_path, two_sets())
    part = part_of(section, "judged_means")
    means = found.table("means").filter(dimension="overall")
    for row in part.frame.to_dicts():
        of_model = means.filter(model=row["model"], control=row["control"])
        for name, key in ((MACRO, ""), (POOLED, "by items: "), ("arena", "arena: "), ("numina", "numina: ")):
            cell = of_model.filter(dataset=name).row(0, named=True)
            assert [row[f"{key}{number}"] for number in ("mean", "low", "high")] == [
                cell["mean"], cell["low"], cell["high"]
            ]  # fmt: skip
        assert row["coverage"] == of_model.filter(dataset=MACRO)["coverage"][0]
    assert part.frame["mean"][:3].is_sorted(descending=True)
    assert part.frame["name"][3] == "r (control) *"
    assert part.frame["alike"][3] == "ref."
    assert [column.heading for column in part.columns][-3:] == ["by items", "arena", "numina"]


def test_the_plot_has_every_mean_and_names_models_and_sets(tmp_path: Path) -> None:
    """Its numbers are the table's, in long form."""
    found, section = made(tmp_path, two_sets())
    part = part_of(section, "judged_forest")
    means = found.table("means").filter(dimension="overall")
    assert part.frame.height == means.height
    joined = part.frame.join(means, on=["model", "control", "dataset"], how="inner", nulls_equal=True)
    assert joined.height == means.height
    for number in ("mean", "low", "high", "items", "coverage"):
        assert joined[number].equals(joined[f"{number}_right"], null_equal=True)
    assert {"a", "b", "c", "r (control) *", "arena", "numina"} <= set(written_in(part))


def test_each_line_leads_to_the_rows_that_it_rests_on(tmp_path: Path) -> None:
    """As many judgements are selected as the table counts, over all sets and of one."""
    found, section = made(tmp_path, two_sets())
    for name in ("judged_means", "judged_forest", "judged_profile"):
        part = part_of(section, name)
        for row, chosen in zip(part.frame.to_dicts(), part.filters, strict=True):
            assert selected(found, chosen) == row.get("asked", 24)


def test_rows_of_several_runs_are_told_apart(tmp_path: Path) -> None:
    """Two runs against different references have tables of their own, whose lines lead to the rows of their run."""
    other = [row | {"reference": "q", "model": row["model"].replace("r", "q")} for row in two_sets()]
    found, section = made(tmp_path, two_sets(), other)
    for name, run in (("judged_means", "run1"), ("judged_means_2", "run0")):
        part = part_of(section, name)
        assert {chosen["run"] for chosen in part.filters if chosen} == {run}
        assert [selected(found, chosen) for chosen in part.filters] == part.frame["asked"].to_list()
    assert "against r" in part_of(section, "judged_means_2").title


def test_what_no_filter_selects_alone_leads_nowhere(tmp_path: Path) -> None:
    """A model that one judge held against two references in one run: no line claims rows of the other."""
    rows = [*grid({"a": values()}, reference="r"), *grid({"a": values(seed=1)}, reference="q")]
    _, section = made(tmp_path, rows)
    assert [list(part.filters) for part in section.parts] == [[None], [None]]


def test_the_profile_is_drawn_without_controls(tmp_path: Path) -> None:
    """A cell for each model and dimension with its mean; the control, whose values are no finding, in the table."""
    found, section = made(tmp_path, two_sets())
    part = part_of(section, "judged_profile")
    means = found.table("means").filter(dataset=MACRO)
    for row in part.frame.to_dicts():
        for dimension in ("overall", "response_style"):
            cell = means.filter(model=row["model"], control=row["control"], dimension=dimension)
            assert row[f"{dimension}: mean"] == cell["mean"][0]
    texts = written_in(part)
    assert {f"{row['overall: mean']:.2f}" for row in part.frame.to_dicts()[:3]} <= set(texts)
    assert not any("control" in text for text in texts)


def test_judges_are_compared(tmp_path: Path) -> None:
    """Each judge and their mean has a table; agreement and order are shown where the runs have them."""
    rows = [
        row | {"judge": judge, "value": max(1.0, row["value"] - place), "swapped": swapped}
        for place, judge in enumerate(("p/j", "p/k"))
        for swapped in (False, True)
        for row in two_sets()
    ]
    found, section = made(tmp_path, rows)
    agreement = part_of(section, "judged_agreement")
    table = found.table("judge_agreement").filter(dimension="overall")
    assert agreement.frame["alpha_ordinal"].to_list() == table["alpha_ordinal"].to_list()
    assert "j – k" in written_in(agreement)
    assert part_of(section, "judged_order").frame["pairs"].to_list() == [72, 72]
    titles = [part.title for part in section.parts if part.name.startswith("judged_means")]
    assert titles == [f"Overall by set of prompts ({words})" for words in ("mean of judges", "judge j", "judge k")]
    over_both = part_of(section, "judged_means")
    assert [selected(found, chosen) for chosen in over_both.filters] == over_both.frame["asked"].to_list()
    assert ALL_JUDGES in found.table("means")["judge"]


def test_what_could_not_be_read_is_no_number(tmp_path: Path) -> None:
    """A model without one readable judgement is n/a in table and chart; it is not 0."""
    rows = grid({"a": values(), "b": [None] * 12, "c": values(seed=1)})
    _, section = made(tmp_path, rows)
    means = part_of(section, "judged_means")
    assert means.frame["model"].to_list()[-1] == "b"
    assert means.frame.select("mean", "low", "high").row(-1) == (None, None, None)
    assert means.frame["coverage"].to_list() == [1.0, 1.0, 0.0]
    assert "n/a" in written_in(part_of(section, "judged_forest"))


def test_a_missing_cell_of_the_profile_is_said(tmp_path: Path) -> None:
    """A model that was never rated in a dimension has no colour there."""
    rows = [*grid({"a": values(), "b": values(seed=1)}), *grid({"a": values()}, dimension="style"),
            *grid({"b": [None] * 12}, dimension="style")]  # fmt: skip
    _, section = made(tmp_path, rows)
    part = part_of(section, "judged_profile")
    assert part.frame["style: mean"].null_count() == 1
    assert written_in(part).count("n/a") == 1


def test_one_model_has_a_line_a_dimension(tmp_path: Path) -> None:
    """There is nobody to compare it with: one chart, of its dimensions."""
    rows = [*grid({"a": values()}), *grid({"a": values(seed=2)}, dimension="style")]
    found, section = made(tmp_path, rows)
    (part, *rest) = section.parts
    assert [other.name for other in rest] == ["judged_aspects"]
    assert part.frame["mean"].to_list() == found.table("means")["mean"].to_list()
    assert {"overall", "style"} <= set(written_in(part))


def test_forty_models_are_all_named(tmp_path: Path) -> None:
    """No label is dropped for want of room."""
    names = [f"lab/model-{place:02}" for place in range(40)]
    _, section = made(tmp_path, grid({name: values(6, seed=place) for place, name in enumerate(names)}))
    texts = written_in(part_of(section, "judged_forest"))
    assert {name.removeprefix("lab/") for name in names} <= set(texts)


def test_hostile_names_are_text(tmp_path: Path) -> None:
    """Models, sets, judges and dimensions with markup and control characters are written, and nothing else happens."""
    rows = [
        row
        for dataset in (HOSTILE, "mean", "arena")
        for dimension in (HOSTILE, "name")
        for row in grid(
            {HOSTILE: values(), "a": values(seed=1), HOSTILE.replace("\x1b", "\\x1b"): values(seed=2)},
            dataset=dataset, dimension=dimension, judge=HOSTILE, prompt=HOSTILE,
        )
    ]  # fmt: skip
    _, section = made(tmp_path, rows)
    shown = written_in(part_of(section, "judged_forest"))
    assert any("<script>alert(1)</script>" in text and "\\x1b" in text for text in shown)
    assert not any("\x1b" in text or "\u202e" in text for text in shown)
    assert part_of(section, "judged_means").frame["name"].n_unique() == 3
    for part in section.parts:
        if part.chart is not None:
            assert written_in(part)


def test_without_a_judgement_there_is_a_section_without_parts(tmp_path: Path) -> None:
    """It says that nothing was asked; runs of other kinds have no such section."""
    _, section = made(tmp_path, [])
    assert list(section.parts) == []
    assert any("No judgement" in note for note in section.notes)
    assert judged_section(Analysis([], Report({}, {}, Text("")))) is None


@pytest.mark.parametrize("simulated", [True, False])
def test_a_simulated_run_is_labelled(tmp_path: Path, *, simulated: bool) -> None:
    """As its record says."""
    run = judged_run(tmp_path / "run", grid({"a": values(), "b": values(seed=1)}))
    known = LoadedRun(run.folder, msgspec.structs.replace(run.record, simulated=simulated), run.counts, run.tables)
    section = judged_section(analysis([known]))
    assert section is not None
    assert section.simulated is simulated


def test_a_pair_leads_to_the_rows_of_both_models(tmp_path: Path) -> None:
    """As many judgements are selected on each side as its model has, without those of the control."""
    found, section = made(tmp_path, two_sets())
    part = part_of(section, "judged_differences")
    for row, first, second in zip(part.frame.to_dicts(), part.filters, part.others, strict=True):
        assert first is not None
        assert second is not None
        assert (first["model"], second["model"]) == (row["first"], row["second"])
        assert [selected(found, first), selected(found, second)] == [24, 24]


def test_what_rests_on_all_answers_leads_to_all_of_the_judge(tmp_path: Path) -> None:
    """Correlations of dimensions, and judges held against each other: those of one judge, and of the other."""
    found, section = made(tmp_path, [*two_sets(), *two_sets(judge="p/k")])
    for row, chosen in lines_of(part_of(section, "judged_aspects")):
        assert selected(found, chosen) == (192 if row["judge"] == ALL_JUDGES else 96)
    agreement = part_of(section, "judged_agreement")
    pair = next(place for place, row in enumerate(agreement.frame.to_dicts()) if row["second"])
    assert [dict(side[pair] or {}) for side in (agreement.filters, agreement.others)] == [
        {"stage": "judge", "lane": "p/j"}, {"stage": "judge", "lane": "p/k"}
    ]  # fmt: skip


def lines_of(part: Part) -> list[tuple[dict[str, Any], Filter | None]]:
    return list(zip(part.frame.to_dicts(), part.filters, strict=True))


def test_an_interval_beyond_the_scale_stands_and_is_spoken_of(tmp_path: Path) -> None:
    """The numbers are those of the table; the note names the scale, and the plot has a line at its end."""
    prompt = load_prompt("rse_judge")
    name, record = f"{prompt.name}@{prompt.version}", PromptRecord(prompt.name, prompt.version, "0" * 64, prompt.text)
    rows = grid({"a": [5.0, 5.0, 4.0, 5.0], "b": [1.0, 2.0, 5.0, 3.0]}, prompt=name)
    found = analysis([numbered(judged_run(tmp_path / "run", rows, prompts=[record]))])
    section = judged_section(found)
    assert section is not None
    table, plot = part_of(section, "judged_means"), part_of(section, "judged_forest")
    assert table.frame["high"].max() == found.table("means")["high"].max() > 5  # type: ignore[operator]
    for part in (table, plot):
        assert "beyond an end of the scale (1 to 5)" in part.note
    assert plot.chart is not None
    assert {"at": 5.0} in [row for layer in plot.chart.to_dict()["layer"] for row in layer["data"]["values"]]
