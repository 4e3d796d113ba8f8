"""The section on answers without a judge: what it compares, over what, and what it says where there is nothing."""

import io
import json
import math
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from outputs.analysis_options import Options
from outputs.judged.panels import MACRO
from outputs.report import Report
from outputs.similarity.section import report_similarity
from outputs.tables.loading import LoadedRun
from tests.harness.answer_runs import Answers, answer_run
from tests.harness.table_runs import table_run

QUICK = Options(resamples=200)
SAID = {
    "a": "The river runs to the sea. It is long.",
    "b": "The river runs to the lake. It is short?",
    "c": "- stones\n- sand\n\n# Nothing else here",
}
GRANULARITIES = ["2-gram", "ROUGE-L", "structure", "TF-IDF"]


def answers(models: str = "abc", items: int = 4, dataset: str = "") -> dict[str, dict[str, str | None]]:
    place = f"{dataset}/" if dataset else ""
    return {m: {f"{place}i{k}": f"{SAID[m]} And {k} times {'so ' * k}." for k in range(items)} for m in models}


def report(folder: Path, said: Answers, options: Options = QUICK, **more: object) -> Report:
    found = report_similarity([answer_run(folder / "run", said, **more)], options)  # type: ignore[arg-type]
    assert found is not None
    json.dumps(found.document, allow_nan=False)
    return found


def shown(found: Report) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(found.page)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 100
    return text


def pair(
    found: Report, granularity: str = "ROUGE-L", a: str = "a", b: str = "b", dataset: str = ""
) -> dict[str, object]:
    rows = found.tables["similarities"].filter(granularity=granularity, model_a=a, model_b=b, dataset=dataset)
    return rows.row(0, named=True)


def test_every_pair_has_every_granularity(tmp_path: Path) -> None:
    """A row per granularity and pair, its interval around its mean, and the alike pair above the others."""
    found = report(tmp_path, answers())
    table = found.tables["similarities"]
    assert table["granularity"].unique(maintain_order=True).to_list() == GRANULARITIES
    assert table.height == 4 * 3
    assert all(low - 1e-9 <= mean <= high + 1e-9 for low, mean, high in table.select("low", "mean", "high").iter_rows())
    for name in GRANULARITIES:
        assert pair(found, name)["mean"] > pair(found, name, "a", "c")["mean"]  # type: ignore[operator]
    assert "similarity of two models" in shown(found)
    order = found.tables["cluster_order"].filter(granularity="ROUGE-L")["model"].to_list()
    assert abs(order.index("a") - order.index("b")) == 1


def test_the_same_folders_give_the_same_numbers(tmp_path: Path) -> None:
    """Nothing depends on chance that the seed does not fix."""
    said = answers()
    first, second = (report(tmp_path / name, said) for name in "xy")
    assert all(first.tables[name].equals(second.tables[name]) for name in first.tables)


def test_identical_answers_are_wholly_alike(tmp_path: Path) -> None:
    """Equal answers have similarity 1 at every granularity, one effective answer and full self-BLEU."""
    said = {model: {f"i{k}": SAID["a"] for k in range(3)} for model in "ab"}
    found = report(tmp_path, said)
    assert found.tables["similarities"]["mean"].to_list() == pytest.approx([1.0] * 4)
    measures = dict(found.tables["diversity"].select("measure", "mean").iter_rows())
    assert (measures["mean_cosine"], measures["vendi"], measures["self_bleu"]) == pytest.approx((1, 1, 1))
    assert found.tables["clusters"]["similarity"].to_list() == pytest.approx([1.0] * 4)


def test_datasets_weigh_the_same_in_their_mean(tmp_path: Path) -> None:
    """The mean over datasets is that of their means, whatever their sizes; it is missing where one of them is."""
    large, small = answers("ab", 5, "large"), answers("ab", 2, "small")
    said = {model: large[model] | small[model] for model in "ab"}
    found = report(tmp_path, said)
    means = [pair(found, dataset=name)["mean"] for name in ("large", "small", MACRO)]
    assert means[2] == pytest.approx((means[0] + means[1]) / 2)  # type: ignore[operator]
    without = report(tmp_path / "2", said | {"b": dict(large["b"])})
    assert math.isnan(pair(without, dataset=MACRO)["mean"])  # type: ignore[arg-type]
    assert "no prompt that both answered" in shown(without)
    shown(found)


def test_unequal_coverage_is_compared_over_common_prompts(tmp_path: Path) -> None:
    """A pair's mean is over what both answered, the comparable one over what all did, and the page says so."""
    said = answers(items=4)
    said["c"] |= {"i0": None, "i1": " \n"}
    found = report(tmp_path, said)
    row = pair(found)
    assert (row["prompts"], row["of"], row["common_prompts"]) == (4, 4, 2)
    assert pair(found, a="a", b="c")["prompts"] == 2
    fewer = report(
        tmp_path / "2", {model: {k: v for k, v in its.items() if k in ("i2", "i3")} for model, its in said.items()}
    )
    assert row["common_mean"] == pytest.approx(pair(fewer)["mean"])
    assert row["mean"] != pytest.approx(row["common_mean"])
    assert "2 of 12 answers are missing" in shown(found)
    coverage = dict(found.tables["within_models"].select("model", "coverage").iter_rows())
    assert coverage == {"a": 1.0, "b": 1.0, "c": 0.5}
    assert found.tables["within_models"]["compared"].to_list() == [2, 2, 2]
    assert set(found.tables["structure"]["answers"]) == {2}


def test_models_without_a_common_prompt_are_not_compared(tmp_path: Path) -> None:
    """No number, a reason, and no failure in what rests on it."""
    found = report(tmp_path, {"a": {"i0": "One thing."}, "b": {"i1": "Another thing."}})
    row = pair(found)
    assert math.isnan(row["mean"])  # type: ignore[arg-type]
    assert row["warning"] == "no prompt that both answered"
    assert found.tables["clusters"].is_empty()
    assert "1 pair of models has no prompt that both answered" in shown(found)


def test_where_one_model_answered_there_is_no_diversity(tmp_path: Path) -> None:
    """A model none of whose answers came leaves the other alone: n/a with the reason, not a diversity of one."""
    said = answers("a", items=3)
    found = report(tmp_path, {**said, "b": dict.fromkeys(said["a"])})
    diversity = found.tables["diversity"]
    assert diversity["mean"].is_nan().all()
    assert set(diversity["warning"]) == {"one model only"}


def test_one_model_has_nobody_to_be_compared_with(tmp_path: Path) -> None:
    """Its form and its own repetitions are there, diversity over models is not, and the page says why."""
    found = report(tmp_path, answers("a"))
    assert found.tables["similarities"].is_empty()
    assert found.tables["structure"].height == 11
    warnings = dict(found.tables["diversity"].select("measure", "warning").iter_rows())
    assert warnings["self_bleu"] == "one model only"
    assert "One model only" in shown(found)


def test_without_a_reference_nothing_is_held_against_one(tmp_path: Path) -> None:
    """A run that has no reference has no likeness to it, and the page says so once."""
    found = report(tmp_path, answers(), job="ask")
    assert found.tables["reference_likeness"].is_empty()
    assert shown(found).count("No reference model") == 1
    assert "Judge, over" not in shown(found)


def test_one_prompt_has_means_without_intervals(tmp_path: Path) -> None:
    """A single prompt gives a value, no interval, and the reason."""
    row = pair(report(tmp_path, answers(items=1)))
    assert 0 < row["mean"] < 1  # type: ignore[operator]
    assert math.isnan(row["low"])  # type: ignore[arg-type]
    assert row["warning"]


def test_without_an_answer_there_is_no_section(tmp_path: Path) -> None:
    """No text at all, or texts = 0: nothing is reported."""
    run = answer_run(tmp_path / "run", {"a": {"i0": None}, "b": {"i0": ""}})
    assert report_similarity([run], QUICK) is None
    assert report_similarity([answer_run(tmp_path / "2", answers())], Options(texts=0)) is None
    assert report_similarity([answer_run(tmp_path / "3", {})], QUICK) is None


def test_prompts_are_drawn_by_the_seed(tmp_path: Path) -> None:
    """So many prompts of a dataset at most, not the first; more of them has the same; the page says of how many."""
    said = answers("ab", 30, "x")
    drawn = [
        set(
            report(tmp_path / str(k), said, Options(texts=n, seed=seed, resamples=50)).tables["diversity_prompts"][
                "item"
            ]
        )
        for k, (n, seed) in enumerate([(5, 0), (9, 0), (5, 1)])
    ]
    assert [len(items) for items in drawn] == [5, 9, 5]
    assert drawn[0] < drawn[1]
    assert drawn[0] != drawn[2]
    assert drawn[0] != {f"x/i{k}" for k in range(5)}
    assert "5 of 30 (x)" in shown(report(tmp_path / "p", said, Options(texts=5, resamples=50)))


def test_a_dialogue_is_its_turns_and_lacks_none(tmp_path: Path) -> None:
    """Turns are joined in order, a dialogue without one is missing, and only the first repeat counts."""
    said: Answers = {"a": {"i0": ["One.", "Two."], "i1": ["One.", None]}, "b": {"i0": ["One.\n\nTwo."], "i1": "One."}}
    questions = {"i0": ("Q1?",), "i1": ("Q1?",)}
    found = report(tmp_path, said, questions=questions, repeats={"a": {"i1": "Other."}})
    assert dict(found.tables["within_models"].select("model", "answers").iter_rows()) == {"a": 1, "b": 0}
    whole = report(tmp_path / "2", {"a": {"i0": ["One.", "Two."]}, "b": {"i0": ["One.", "Two."]}})
    assert pair(whole)["mean"] == 1
    unfinished = report_similarity(
        [answer_run(tmp_path / "3", {"a": {"i0": "One."}}, questions={"i0": ("Q1?", "Q2?")})], QUICK
    )
    assert unfinished is None


def test_hostile_answers_end_neither_the_analysis_nor_the_page(tmp_path: Path) -> None:
    """Control codes are shown as escapes, and of a megabyte without a space the beginning is compared."""
    said: Answers = {
        "evil\x1b[2J": {"i0": "x" * 1_000_000, "i1": "\x1b[31m\x00 [bold]red[/bold]"},
        "b": {"i0": "word " * 3000, "i1": "?"},
    }
    found = report(tmp_path, said)
    text = shown(found)
    assert "\x1b" not in text
    assert "1 answers are over 100000 characters" in text
    assert "1 answers are over 2000 words" in text


def test_likeness_to_the_reference_follows_the_judge(tmp_path: Path) -> None:
    """Where ratings rise with the similarity, the rank correlations are 1 over answers and models."""
    target = "one two three four five six seven eight nine ten"
    said: dict[str, dict[str, str]] = {"ref": {f"i{k}": target for k in range(6)}}
    ratings = {}
    for place, model in enumerate(("m1", "m2", "m3")):
        for k in range(6):
            kept = 2 + 2 * place + k % 2
            said[model] = said.get(model, {}) | {f"i{k}": " ".join([*target.split()[:kept], *["zzz"] * (10 - kept)])}
            ratings[f"i{k}", model] = float(kept)
    found = report(tmp_path, said, reference="ref", ratings=ratings)
    likeness = found.tables["reference_likeness"].filter(granularity="ROUGE-L")
    assert likeness["model"].to_list() == ["m1", "m2", "m3"]
    assert likeness["common_mean"].to_list() == pytest.approx([0.25, 0.45, 0.65])
    follows = found.tables["follows_judge"].filter(granularity="ROUGE-L")
    assert follows["estimate"].to_list() == pytest.approx([1.0] * 4)
    assert follows["points"].to_list() == [18, 18, 3, 3]
    limits = found.tables["follows_judge"].select("low", "high").drop_nans().to_numpy()
    assert limits.size
    assert (abs(limits) <= 1).all()
    assert "similarity to the reference (ref)" in shown(found)


def test_three_prompts_have_a_correlation_and_no_interval(tmp_path: Path) -> None:
    """An interval over so few would be a guess: limits are not defined, and the warning says why."""
    models = ("a", "b", "ref")
    said = {model: {f"i{k}": " ".join("abcdefgh"[: 3 + k + 2 * n]) for k in range(3)} for n, model in enumerate(models)}
    ratings = {(f"i{k}", model): float(1 + k + n) for k in range(3) for n, model in enumerate(models[:2])}
    follows = report(tmp_path, said, reference="ref", ratings=ratings).tables["follows_judge"]
    known = follows.filter(pl.col("estimate").is_not_nan())
    assert known.height
    assert known["low"].is_nan().all()
    assert known["high"].is_nan().all()
    assert set(known["warning"]) == {"fewer than 4 prompts: no interval"}


@pytest.mark.parametrize(
    ("ratings", "reason"),
    [
        ({("i0", "a"): 3.0, ("i1", "a"): 3.0, ("i0", "b"): 3.0}, "all similarities, or all ratings, are the same"),
        ({("i0", "a"): 3.0, ("i1", "b"): 4.0}, "no prompt with a similarity and a rating"),
        ({}, "no prompt with a similarity and a rating"),
    ],
    ids=["ties", "never together", "no judge"],
)
def test_without_ratings_that_differ_nothing_follows_the_judge(
    tmp_path: Path, ratings: dict[tuple[str, str], float], reason: str
) -> None:
    """All ties, no common prompt and no judge at all: no number, and the reason on the page."""
    found = report(tmp_path, answers(), reference="c", ratings=ratings)
    follows = found.tables["follows_judge"]
    models = follows.filter(level="models")
    assert models["estimate"].is_nan().all()
    assert reason in follows["warning"].to_list() or reason in models["warning"].to_list()
    assert "Judge, over models" in shown(found)


def test_a_model_of_two_runs_is_two_columns(tmp_path: Path) -> None:
    """Runs are compared where their prompts are the same, and each model with its own run's reference."""
    one = answer_run(tmp_path / "one", answers("ac"), reference="c", ratings={("i0", "a"): 4.0})
    two = answer_run(tmp_path / "two", answers("bc"), reference="c", ratings={("i0", "b"): 2.0})
    found = report_similarity([one, two], QUICK)
    assert found is not None
    likeness = found.tables["reference_likeness"].filter(granularity="ROUGE-L")
    assert set(likeness.select("model", "reference").iter_rows()) == {("a", "c @ one"), ("b", "c @ two")}
    assert pair(found, a="c @ one", b="c @ two")["mean"] == 1
    other = answer_run(tmp_path / "other", answers("bc"), questions={f"i{k}": ("Another?",) for k in range(4)})
    apart = report_similarity([one, other], QUICK)
    assert apart is not None
    assert apart.tables["similarities"]["runs"].unique(maintain_order=True).to_list() == ["one", "other"]
    assert apart.tables["similarities"].filter(pl.col("mean").is_nan()).is_empty()
    assert shown(apart).count("Answers without a judge") == 2


def test_runs_that_share_prompts_by_way_of_another_stand_together(tmp_path: Path) -> None:
    """A third run joins two that have no prompt in common; a pair without a common prompt has none."""
    halves = [("i0", "i1"), ("i2", "i3"), ("i1", "i2")]
    runs = [
        answer_run(tmp_path / f"run{k}", {model: {item: its[item] for item in kept}})
        for k, (kept, (model, its)) in enumerate(zip(halves, answers().items(), strict=True))
    ]
    found = report_similarity(runs, QUICK)
    assert found is not None
    assert set(found.tables["similarities"]["runs"]) == {"run0, run1, run2"}
    prompts = [pair(found, a=a, b=b)["prompts"] for a, b in ("ab", "ac", "bc")]
    assert prompts == [0, 1, 1]


def test_without_embeddings_there_are_no_cosines(tmp_path: Path) -> None:
    """`none` leaves the embeddings, the mean cosine and the Vendi score out."""
    found = report(tmp_path, answers(), Options(resamples=50, embeddings="none"))
    assert found.tables["similarities"]["granularity"].unique(maintain_order=True).to_list() == GRANULARITIES[:3]
    assert set(found.tables["diversity"]["measure"]) == {"self_bleu", "compression_ratio", "self_repetition"}
    assert found.tables["diversity_prompts"]["vendi"].is_nan().all()
    assert "TF-IDF" not in shown(found)


def test_many_models_fit_the_page(tmp_path: Path) -> None:
    """Twelve models with long names are a matrix of 100 columns; thirteen are in the table only."""
    said = {
        f"provider/a-model-with-a-rather-long-name-{k}": {"i0": f"{'so ' * k}it is", "i1": "yes"} for k in range(12)
    }
    assert "2-gram, clustered" in shown(report(tmp_path, said))
    more = report(tmp_path / "2", said | {"z": {"i0": "no", "i1": "yes"}})
    assert "2-gram, clustered" not in shown(more)
    assert "matrices of 13 models are in the table" in shown(more)
    assert more.tables["similarities"].height == 4 * 13 * 12 / 2
    assert isinstance(more.tables["structure"], pl.DataFrame)


def manifest(folder: Path, rows: list[tuple[str, str | None, str]], job: str = "manifest") -> LoadedRun:
    """A run of a plain manifest: (provider/model, item, answer)."""
    requests, responses = [], []
    for seq, (model, item, text) in enumerate(rows, 1):
        provider, _, name = model.partition("/")
        told = json.dumps({"item": item} if item else {})
        asked = {"stage": "", "item": item, "dataset": "", "state": "answered", "metadata": told}
        requests.append({"seq": seq, "provider": provider, "model": name, **asked})
        responses.append({"seq": seq, "request": seq, "counts": True, "text": text})
    (folder).mkdir()
    (folder / "items.jsonl").write_bytes(b"")
    return table_run(folder, {"requests": requests, "responses": responses}, job=job)


def test_models_of_a_manifest_are_compared_where_they_answered_one_item(tmp_path: Path) -> None:
    """Rows whose metadata name an item are answers of provider/model; of two answers to one item the first counts."""
    rows = [(model, f"i{k}", SAID["a"]) for model in ("p/a", "q/a") for k in range(3)]
    run = manifest(tmp_path / "run", [*rows, ("p/a", "i0", "Another thing."), ("p/a", None, "No item.")])
    found = report_similarity([run], QUICK)
    assert found is not None
    assert pair(found, a="p/a", b="q/a")["mean"] == 1
    assert pair(found, a="p/a", b="q/a")["prompts"] == 3
    assert "matched by the item" in shown(found)


@pytest.mark.parametrize("second", [("p/a", "i1"), ("p/b", "i1"), ("p/b", None)])
def test_a_manifest_without_a_common_item_has_no_section(tmp_path: Path, second: tuple[str, str | None]) -> None:
    """One model, no item, or no item that two models answered: nothing is reported."""
    assert report_similarity([manifest(tmp_path / "run", [("p/a", "i0", "x"), (*second, "x")])], QUICK) is None
