"""The section of a report about answers without a judge: heat maps in the order of the clustering, and tables."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from outputs.analysis_options import Options
from outputs.figures.dendrogram import dendrogram, tree_lines
from outputs.figures.heat import heat
from outputs.figures.parts import Analysis, Part, Section
from outputs.figures.similarity import similarity_section
from outputs.judged.panels import MACRO
from outputs.report import Report
from outputs.similarity.clustering import cluster
from outputs.similarity.section import report_similarity
from outputs.tables.loading import LoadedRun
from tests.harness.answer_runs import Answers, answer_run
from tests.harness.drawn import check_part, written_in

FEW = Options(resamples=100)
TEXT = "river runs to the sea long stone sand bridge light water house tree bird cold wind moon day"
WORDS = TEXT.split()
HOSTILE = "x/</text><script>alert(1)</script>&\x1b[31m\u202e'\""
MAPS = ["similarity_2_gram", "similarity_rouge_l", "similarity_structure", "similarity_tf_idf"]


def said(models: Sequence[str], items: int = 4, dataset: str = "") -> dict[str, dict[str, str | None]]:
    """A text for each model and item: neighbours have many words in common."""
    place = f"{dataset}/" if dataset else ""
    return {
        model: {
            f"{place}i{k}": " ".join(WORDS[(n + k + step * (1 + n % 3)) % len(WORDS)] for step in range(12))
            for k in range(items)
        }
        for n, model in enumerate(models)
    }


def together(*answers: Mapping[str, Mapping[str, str | None]]) -> dict[str, dict[str, str | None]]:
    return {model: {k: v for one in answers for k, v in one[model].items()} for model in answers[0]}


def analysis(runs: Sequence[LoadedRun]) -> Analysis:
    report = report_similarity(runs, FEW)
    assert report is not None
    return Analysis(runs, Report(report.tables, {"similarity": report.document}, Text("")), FEW)


def made(folder: Path, answers: Answers, **more: str) -> tuple[Analysis, Section]:
    found = analysis([answer_run(folder / "run", answers, **more)])  # type: ignore[arg-type]
    return found, section_of(found)


def section_of(found: Analysis) -> Section:
    section = similarity_section(found)
    assert section is not None
    for part in section.parts:
        check_part(part)
    assert len({part.name for part in section.parts}) == len(section.parts)
    return section


def part_of(section: Section, name: str) -> Part:
    return next(part for part in section.parts if part.name == name)


def test_there_is_a_map_for_each_granularity(tmp_path: Path) -> None:
    """In their order, the first first; each pair once, with the table's value over all datasets."""
    found, section = made(tmp_path, together(said("abcde", dataset="x"), said("abcde", dataset="y")))
    assert [part.name for part in section.parts][:4] == MAPS
    table = found.table("similarities").filter(granularity="ROUGE-L", dataset=MACRO)
    part = part_of(section, "similarity_rouge_l")
    values = {frozenset((row["model"], row["other_model"])): row for row in part.frame.to_dicts()}
    assert len(values) == part.frame.height == table.height == 10
    for row in table.to_dicts():
        shown = values[frozenset((row["model_a"], row["model_b"]))]
        assert [shown[name] for name in ("mean", "low", "high", "prompts")] == [
            row[f"common_{name}"] for name in ("mean", "low", "high", "prompts")
        ]


def test_models_stand_in_the_order_of_the_clustering(tmp_path: Path) -> None:
    """From the first leaf to the last, in lines and pairs."""
    found, section = made(tmp_path, said("abcde"))
    order = found.table("cluster_order").filter(granularity="2-gram").sort("place")["model"].to_list()
    part = part_of(section, "similarity_2_gram")
    assert list(dict.fromkeys(part.frame["model"])) == order[:-1]
    texts = written_in(part)
    assert [text for text in texts if text in order][-5:] == order
    assert {f"{mean:.2f}" for mean in part.frame["mean"]} <= {text[:4] for text in texts} | {
        f"{float(text):.2f}" for text in texts if text.replace(".", "").isdigit()
    }


@given(st.integers(2, 9).flatmap(lambda n: st.lists(st.floats(0, 1), min_size=n * n, max_size=n * n)))
def test_the_tree_is_that_of_the_clustering(drawn: list[float]) -> None:
    """Its joins are at the merges' similarities, each leaf has one line, and lines meet where joins are."""
    n = math.isqrt(len(drawn))
    values = np.asarray(drawn).reshape(n, n)
    values = (values + values.T) / 2
    found = cluster(values, [str(place) for place in range(n)])
    joined = [one for one in found.joined if one is not None]
    lines = tree_lines(joined, 2.0)
    assert len(lines) == 3 * (n - 1)
    upright = sorted(line.x for line in lines if line.x == line.x2 and line.y != line.y2)
    assert upright == pytest.approx(sorted(similarity for _, _, similarity, _ in found.merges))
    assert sorted(line.y for line in lines if line.x == 2.0) == [place + 0.5 for place in range(n)]
    assert all(line.x >= line.x2 for line in lines)


def test_the_joins_of_a_known_tree() -> None:
    """Two pairs that meet last: their middles are joined."""
    lines = tree_lines([0.9, 0.1, 0.8], 1.0)
    assert lines[-1] == (0.1, 1.0, 0.1, 3.0)
    assert [line.x for line in lines[-3:]] == [0.9, 0.8, 0.1]


def test_models_without_a_common_prompt_are_not_0(tmp_path: Path) -> None:
    """Their cells say n/a, and the frame has no number."""
    answers: dict[str, dict[str, str | None]] = said("abcd", items=6)
    for item in ("i0", "i1", "i2"):
        answers["a"][item] = None
    for item in ("i3", "i4", "i5"):
        answers["b"][item] = None
    _, section = made(tmp_path, answers)
    part = part_of(section, "similarity_rouge_l")
    (row,) = [row for row in part.frame.to_dicts() if {row["model"], row["other_model"]} == {"a", "b"}]
    assert [row[name] for name in ("mean", "low", "high", "prompts")] == [None, None, None, 0]
    assert written_in(part).count("n/a") == 2
    assert "Each pair" in part.note


def test_likeness_to_the_reference_has_the_numbers_of_its_table(tmp_path: Path) -> None:
    """A line a model and dataset, their mean first; a column a granularity."""
    answers = together(said("abcr", dataset="x"), said("abcr", dataset="y"))
    found, section = made(tmp_path, answers, reference="r")
    part = part_of(section, "similarity_to_reference")
    table = found.table("reference_likeness")
    assert part.frame["dataset"].to_list() == [MACRO] * 3 + ["x"] * 3 + ["y"] * 3
    for row in part.frame.to_dicts():
        for cell in table.filter(model=row["model"], dataset=row["dataset"]).to_dicts():
            of = cell["granularity"]
            assert [row[f"{of}: {name}"] for name in ("mean", "low", "high")] == [
                cell["common_mean"], cell["common_low"], cell["common_high"]
            ]  # fmt: skip


def test_lines_of_a_model_lead_to_its_answers(tmp_path: Path) -> None:
    """All that was asked of it, or in one dataset."""
    found, section = made(tmp_path, together(said("abc", dataset="x"), said("abc", 2, dataset="y")))
    part = part_of(section, "similarity_answers")
    requests = found.runs[0].scan("requests").with_columns(model=pl.col("metadata").str.json_path_match("$.model"))
    for row, chosen in zip(part.frame.to_dicts(), part.filters, strict=True):
        assert chosen is not None
        rows = requests.filter(pl.col(name) == value for name, value in chosen.items()).collect()
        assert rows.height == row["asked"]
        assert set(rows["model"]) == {row["model"]}


def test_other_tables_have_the_numbers_of_theirs(tmp_path: Path) -> None:
    """Diversity, form and the steps of the clustering."""
    found, section = made(tmp_path, said("abcd"))
    for name, table in (("diversity", "diversity"), ("clusters", "clusters"), ("answers", "within_models")):
        frame, known = part_of(section, f"similarity_{name}").frame, found.table(table).fill_nan(None)
        assert frame.select(known.columns).equals(known)
    structure = found.table("structure")
    for row in part_of(section, "similarity_form").frame.to_dicts():
        for cell in structure.filter(model=row["model"]).to_dicts():
            assert row[f"{cell['feature']}: mean"] == cell["mean"]


def test_runs_without_a_prompt_in_common_have_parts_of_their_own(tmp_path: Path) -> None:
    """Named apart, and their titles say of which run they are; lines lead to the rows of their run."""
    runs = [answer_run(tmp_path / name, said("ab", dataset=name), questions={}) for name in ("one", "two")]
    section = section_of(analysis(runs))
    first, second = part_of(section, "similarity_answers"), part_of(section, "similarity_answers_2")
    assert (first.title, second.title) == ("What is compared (one)", "What is compared (two)")
    for part, name in ((first, "one"), (second, "two")):
        assert {chosen["run"] for chosen in part.filters if chosen} <= {name}


def test_colours_of_similarities_are_those_of_the_pairs(tmp_path: Path) -> None:
    """Of several models they run from the least similarity to the greatest, as the legend says; of two from 0 to 1."""
    for models in ("ab", "abcd"):
        _, section = made(tmp_path / models, said(models))
        part = part_of(section, "similarity_rouge_l")
        domains = re.findall(r"'domain': (\[[-\d., e]+\])", str(part.chart.to_dict()) if part.chart else "")
        ends = (0.0, 1.0) if models == "ab" else (part.frame["mean"].min(), part.frame["mean"].max())
        assert [(stops[0], stops[-1]) for stops in map(json.loads, domains) if len(stops) == 5] == [ends]
        assert ("least to most alike" in written_in(part)) == (models != "ab")


def test_the_tree_names_its_first_and_its_last_join_only() -> None:
    """More numbers would run together: similarities of a narrow span need many digits."""
    for joined, values in (([0.5147, 0.5101, 0.5052], [0.5052, 0.5147]), ([0.5], [0.5])):
        axis = dendrogram(joined, len(joined) + 1).to_dict()["encoding"]["x"]["axis"]
        assert (axis["values"], "tickCount" in axis) == (values, False)


def test_a_map_of_nothing_is_not_drawn(tmp_path: Path) -> None:
    """Where no two models answered the same prompt there is the table, and a note in place of the drawing."""
    answers: dict[str, dict[str, str | None]] = said("ab")
    for item in ("i0", "i1"):
        answers["a"][item], answers["b"][f"i{int(item[1]) + 2}"] = None, None
    _, section = made(tmp_path, answers)
    part = part_of(section, "similarity_rouge_l")
    assert (part.chart, part.alt, part.frame["mean"].to_list()) == (None, "", [None])
    assert "no map is drawn" in part.note


def test_correlations_with_the_judge_stand_with_their_warnings(tmp_path: Path) -> None:
    """What is doubtful of an interval is a column of the table."""
    ratings = {(f"i{k}", model): float(1 + (k * n) % 5) for k in range(4) for n, model in enumerate("abc")}
    _, section = made(tmp_path, said("abcr"), reference="r", ratings=ratings)  # type: ignore[arg-type]
    part = part_of(section, "similarity_against_judge")
    assert [column.key for column in part.columns][-1] == "warning"
    assert any("few clusters (4)" in (warning or "") for warning in part.frame["warning"])


def test_one_model_has_no_map(tmp_path: Path) -> None:
    """What is left are its own answers."""
    _, section = made(tmp_path, said("a"))
    assert [part.name for part in section.parts if part.chart is not None] == []
    assert part_of(section, "similarity_answers").frame["coverage"].to_list() == [1.0]


def test_forty_models_are_all_named(tmp_path: Path) -> None:
    """Each has its line and its number, and every pair its value in print."""
    names = [f"lab/model-{place:02}" for place in range(40)]
    _, section = made(tmp_path, said(names, items=2))
    texts = written_in(part_of(section, "similarity_rouge_l"))
    assert sum("model-" in text for text in texts) == 40
    assert {str(place) for place in range(1, 41)} <= set(texts)
    assert sum(len(text) == 4 and text[1] == "." for text in texts) >= 780


def test_hostile_names_are_text(tmp_path: Path) -> None:
    """Markup and control characters in a model's name are written, and nothing else happens."""
    _, section = made(tmp_path, said([HOSTILE, "#1", HOSTILE.replace("\x1b", "\\x1b"), "b"]))
    shown = written_in(part_of(section, "similarity_2_gram"))
    assert any("<script>" in text and "\\x1b" in text for text in shown)
    assert not any("\x1b" in text or "\u202e" in text for text in shown)
    for part in section.parts:
        if part.chart is not None:
            assert written_in(part)


def test_without_answers_there_is_no_section() -> None:
    """Runs of other kinds have none."""
    assert similarity_section(Analysis([], Report({}, {}, Text("")))) is None


def test_a_pair_leads_to_the_answers_of_both(tmp_path: Path) -> None:
    """In the table of each map; a step of the clustering leads to a model's, or to all that are compared."""
    _, section = made(tmp_path, said(["a", "b", "c"]))
    for name in MAPS:
        part = part_of(section, name)
        for row, first, second in zip(part.frame.to_dicts(), part.filters, part.others, strict=True):
            assert (first, second) == (
                {"stage": "answer", "model": row["model"]}, {"stage": "answer", "model": row["other_model"]}
            )  # fmt: skip
    steps = part_of(section, "similarity_clusters")
    for row, *sides in zip(steps.frame.to_dicts(), steps.filters, steps.others, strict=True):
        for name, side in zip((row["left"], row["right"]), sides, strict=True):
            assert side == ({"stage": "answer"} if name.startswith("#") else {"stage": "answer", "model": name})
    assert set(map(str, part_of(section, "similarity_diversity").filters)) == {"{'stage': 'answer'}"}


def test_notes_of_several_groups_name_their_runs(tmp_path: Path) -> None:
    """Who reads that 4 of 4 prompts are compared knows of which run."""
    runs = [answer_run(tmp_path / name, said(["a", "b"], dataset=name)) for name in ("one", "two")]
    section = section_of(analysis(runs))
    assert section.notes
    assert all(note.startswith(("one: ", "two: ")) for note in section.notes)
    assert not any(note.startswith("run: ") for note in made(tmp_path, said(["a", "b"]))[1].notes)


def test_a_single_value_is_coloured_by_what_the_measure_can_be() -> None:
    """Not by half a point to each side of it: a similarity, and a rating of 1 to 5, have ends of their own."""
    cells = [{"x": "x", "y": "y", "value": 3.0, "text": "3"}]
    for ends, domain in (((1.0, 5.0), [1.0, 5.0]), (None, [0.0, 3.0])):
        scale = heat(cells, ["x"], ["y"], "rating", cell=40, ends=ends).to_dict()["layer"][0]["encoding"]["color"]
        assert [scale["scale"]["domain"][place] for place in (0, -1)] == domain
