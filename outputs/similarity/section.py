"""The section on how alike answers are without a judge, of runs whose models answer prompts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl
from rich.console import Group

from outputs.analysis_options import Options
from outputs.report import Report, count, numbered, page, records
from outputs.similarity.clustering import cluster_tables
from outputs.similarity.diversity import diversity_table, prompt_diversity, within_models
from outputs.similarity.judge import find_references, follows_judge, judge_values
from outputs.similarity.matrices import reference_likeness, similarity_table
from outputs.similarity.overlap import MOST_WORDS
from outputs.similarity.pairs import Compared, compare
from outputs.similarity.profile import structure_table
from outputs.similarity.set_means import set_names
from outputs.similarity.showing import FEWEST_IN_MATRIX, MOST_MODELS, shown_tables
from outputs.similarity.texts import MANIFEST, MOST_CHARACTERS, Texts, read_texts
from outputs.tables.loading import LoadedRun

NOT_IN_DOCUMENT = ("diversity_prompts",)


def report_similarity(runs: Sequence[LoadedRun], options: Options) -> Report | None:
    """Similarity, diversity and form of the models' answers. None where there is no answer, or `options.texts` is 0.

    Of plain manifests too, where two models or more have answered rows whose metadata name the same `item`.

    Runs that share no prompt are reported apart; `runs` in every table names those that stand together. Tables:
    similarities, reference_likeness, follows_judge, clusters, cluster_order, diversity, diversity_prompts,
    within_models, structure. Raises InputError for a run, or an embedding, that it cannot read.
    """
    if options.texts < 1:
        return None
    together = read_texts(runs, options.texts, options.seed)
    found = [_of_group(of, texts, options) for of, texts in together if texts.there.any() and _to_compare(of, texts)]
    if not found:
        return None
    tables = {name: pl.concat([one.tables[name] for one in found]) for name in found[0].tables}
    document = {
        "groups": [one.document for one in found],
        **{name: records(table) for name, table in tables.items() if name not in NOT_IN_DOCUMENT},
    }
    return Report(tables, document, Group(*(one.page for one in found)))


def _to_compare(runs: Sequence[LoadedRun], texts: Texts) -> bool:
    """Whether there is a section at all: of plain manifests only where two models have answered one item."""
    return any(run.record.job != MANIFEST for run in runs) or bool((texts.there.sum(axis=1) > 1).any())


def _of_group(runs: Sequence[LoadedRun], texts: Texts, options: Options) -> Report:
    """Of runs that share prompts. Its document is what is said of the texts themselves."""
    compared = compare(texts, options.embeddings)
    references = find_references(runs, texts)
    names, simulated = [run.name for run in runs], any(run.record.simulated for run in runs)
    tables = _tables(compared, runs, references, options, simulated=simulated)
    by_name = ["Prompts of a manifest are matched by the item that their metadata name, not by their words."]
    plain = any(run.record.job == MANIFEST for run in runs)
    notes = [*(by_name if plain else []), *_notes(compared, tables, options)]
    title = " | ".join(["Answers without a judge", *names, *(["SIMULATED"] if simulated else [])])
    prompts = {name: {"compared": n, "of": texts.of[name]} for name, n in _drawn(texts).items()}
    shown = page(title, shown_tables(compared, tables), notes)
    called = pl.lit(", ".join(names)).alias("runs")
    return Report(
        {name: table.select(called, pl.all()) for name, table in tables.items()},
        {"runs": names, "prompts": prompts, "notes": notes},
        shown,
    )


def _tables(
    compared: Compared, runs: Sequence[LoadedRun], references: Mapping[str, str], options: Options, *, simulated: bool
) -> dict[str, pl.DataFrame]:
    similarities = similarity_table(compared, options, simulated=simulated)
    judged = judge_values(runs, compared.texts, references)
    merges, order = cluster_tables(similarities, compared.texts.models)
    by_prompt = prompt_diversity(compared)
    return {
        "similarities": similarities,
        "reference_likeness": reference_likeness(similarities, references),
        "follows_judge": follows_judge(compared, judged, references, options, simulated=simulated),
        "clusters": merges,
        "cluster_order": order,
        "diversity": diversity_table(compared, by_prompt, options, simulated=simulated),
        "diversity_prompts": by_prompt,
        "within_models": within_models(compared, simulated=simulated),
        "structure": structure_table(compared, options, simulated=simulated),
    }


def _drawn(texts: Texts) -> dict[str, int]:
    """How many different prompts of each dataset are compared."""
    items = {(prompt.dataset, prompt.item) for prompt in texts.prompts}
    return {name: sum(dataset == name for dataset, _ in items) for name in texts.datasets}


def _notes(compared: Compared, tables: Mapping[str, pl.DataFrame], options: Options) -> Iterator[str]:
    texts = compared.texts
    drawn = [f"{n} of {texts.of[name]}{f' ({name})' if name else ''}" for name, n in _drawn(texts).items()]
    yield f"Over prompts: {', '.join(drawn)}. A draw with seed {options.seed}, at most {options.texts} of a dataset."
    if len(texts.datasets) > 1:
        yield "Values are unweighted means over the datasets; those of each dataset are in the tables."
    if len(texts.models) > MOST_MODELS:
        where = "in the table similarities that overnight analyze writes, their tree in clusters"
        yield f"The matrices of {len(texts.models)} models are {where}."
    elif len(texts.models) >= FEWEST_IN_MATRIX:
        yield "Clustered: average linkage on 1 - similarity; joined: where a model meets the one above it."
    if len(texts.models) > 1 and tables["reference_likeness"].is_empty():
        yield "No reference model among them: nothing is held against one, and there are no ratings of likeness."
    missing = int((texts.asked & ~texts.there).sum())
    if missing:
        yield (
            f"{missing} of {int(texts.asked.sum())} answers are missing (failed, without words, or a dialogue without "
            "all its turns). Models are compared over the prompts that all with any answer in a dataset answered: "
            f"{int(compared.whole.sum())} of {len(texts.prompts)}."
        )
    if len(texts.models) == 1:
        yield "One model only: there is nothing to compare it with."
    silent = tables["similarities"].filter(pl.col("mean").is_nan())
    apart = silent.select("model_a", "model_b").unique().height
    if apart:
        have = "has" if apart == 1 else "have"
        yield f"{numbered(apart, 'pair')} of models {have} no prompt that both answered, in some dataset at least: n/a."
    if compared.bounded:
        yield f"{compared.bounded} answers are over {MOST_WORDS} words: ROUGE-L and self-BLEU see their beginning only."
    if texts.cut:
        yield f"{texts.cut} answers are over {MOST_CHARACTERS} characters: only their beginning is compared."
    if not tables["reference_likeness"].is_empty():
        yield from _unexplained(tables["follows_judge"])
    yield from _doubtful(tables, set_names(texts.datasets)[-1])


def _doubtful(tables: Mapping[str, pl.DataFrame], total: str) -> Iterator[str]:
    """What is doubtful of the intervals on the page, the most frequent first."""
    shown = [
        tables[name].filter((pl.col("dataset") == total) & pl.col(column).is_not_nan()).select("warning")
        for name, column in (("reference_likeness", "mean"), ("follows_judge", "estimate"), ("diversity", "mean"))
    ]
    warnings = pl.concat(shown)
    for warning, found in count(warnings, "warning").items():
        yield f"{found} of the {warnings.height} intervals above: {warning}."


def _unexplained(follows: pl.DataFrame) -> Iterator[str]:
    """Why nothing is said of the judge, once for each reason."""
    undefined = follows.filter(pl.col("estimate").is_nan() & pl.col("warning").is_not_null())
    for (level, reason), rows in undefined.group_by("level", "warning", maintain_order=True):
        datasets: list[Any] = rows["dataset"].unique(maintain_order=True).to_list()
        where = f" ({', '.join(datasets)})" if len(datasets) > 1 or datasets[0] else ""
        yield f"Judge, over {level}: {reason}{where}."
