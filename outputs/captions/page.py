"""The page on captions: coverage first, then metrics by how they correlate with people, beside people's own agreement.

All of it is also in the document, and more: of the comparisons a page shows those of the best metric.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from outputs.captions.page_names import Names, names_of
from outputs.captions.page_tables import comparison_tables, correlation_tables, pairwise_tables
from outputs.report import measure, page, percent, plain, short_names, table

Rows = Sequence[Mapping[str, Any]]


def captions_page(document: Mapping[str, Any]) -> RenderableType:
    """The page of a document of `outputs.captions_run`."""
    shown = [_dataset(document, about) for about in document["datasets"]]
    modes = [_modes(document["modes"])] if document["modes"] else []
    return Group(plain(_title(document), style="bold"), *shown, *modes)


def _title(document: Mapping[str, Any]) -> str:
    parts = ["Captions", ", ".join(document["runs"])]
    simulated = [*document["datasets"], *document["modes"]]
    parts += ["SIMULATED"] if any(one["simulated"] for one in simulated) else []
    return " | ".join([*parts, *(["no captions"] if not document["datasets"] else [])])


def _dataset(document: Mapping[str, Any], about: Mapping[str, Any]) -> RenderableType:
    name = about["dataset"]
    its = _its(document, name)
    names = names_of(its["metric_coverage"])
    kind = about["ratings_kind"]
    title = [name or "captions", f"{about['items']} captions, {about['rated']} rated"]
    title += [f"ratings: {kind}"] if kind not in ("", "human") else []
    shown = [_coverage(its["metric_coverage"], names)] if its["metric_coverage"] else []
    shown += correlation_tables(its["correlations"], names)
    shown += pairwise_tables(its["pairwise"], names)
    shown += comparison_tables(its["comparisons"], names)
    shown += _corpus(its["corpus"])
    return page(" | ".join(title), shown, _notes(about, its, names))


def dataset_notes(document: Mapping[str, Any], about: Mapping[str, Any]) -> list[str]:
    """What is to be known of a dataset's numbers, in sentences; `about` is its entry in the document."""
    its = _its(document, about["dataset"])
    return list(_notes(about, its, names_of(its["metric_coverage"])))


def _its(document: Mapping[str, Any], dataset: str) -> dict[str, Rows]:
    """What the tables of a document have of one dataset."""
    tables = ("metric_coverage", "correlations", "comparisons", "pairwise", "corpus")
    return {name: [row for row in document[name] if row["dataset"] == dataset] for name in tables}


def _coverage(rows: Rows, names: Names) -> Table:
    caption = "coverage: captions with a score; used: those that enter correlations; mean: over the used"
    shown = (
        (names(row), row["source"], percent(row["coverage"]), f"{row['ok']}/{row['items']}", row["used"],
         measure(row["mean"]), row["outcomes"])
        for row in rows
    )  # fmt: skip
    return table(caption, ("metric", "source", "coverage", "scored", "used", "mean", "outcomes"), shown, words=2)


def _corpus(rows: Rows) -> Iterator[Table]:
    there = [row for row in rows if row["value"] is not None]
    if there:
        shown = ((row["metric"], row["system"] or "all", measure(row["value"], 4), row["captions"]) for row in there)
        caption = "one value for all captions (CIDEr 0 to 10, others 0 to 1)"
        yield table(caption, ("metric", "system", "value", "captions"), shown, words=2)


def _modes(rows: Rows) -> Table:
    short = short_names(dict.fromkeys(row["judge"] for row in rows))
    caption = "modes of the ok scores; mass: probability on the scale's integers at an expectation's token"
    headings = (
        "run",
        "judge",
        "dimension",
        "coverage",
        "expecta-\ntion",
        "split",
        "no\nlogprobs",
        "mean\nmass",
        "least\nmass",
    )
    shown = (
        (row["run"], short[row["judge"]], row["dimension"], percent(row["coverage"]), row["expectation"], row["split"],
         row["no_logprobs"], _mass(row["mass_mean"]), _mass(row["mass_min"]))
        for row in rows
    )  # fmt: skip
    return table(caption, headings, shown, words=3)


def _notes(about: Mapping[str, Any], its: Mapping[str, Rows], names: Names) -> Iterator[str]:
    if not about["rated"]:
        yield "No rated item: nothing to correlate."
    elif not its["correlations"] and not its["pairwise"]:
        rated = ", ".join(about["rated_dimensions"])
        scored = (f"{names(row)} ({row['dimensions']})" for row in its["metric_coverage"])
        yield f"Nothing to correlate: people rated {rated}, scored: {', '.join(scored) or 'nothing'}."
    named = set()
    for row in its["metric_coverage"]:
        named.add(row["metric"])
        if row["reasons"]:
            yield f"{names(row)}: without a score: {row['reasons']}."
    for row in its["corpus"]:
        if row["reason"] and row["system"] is None and row["metric"] not in named:
            yield f"{row['metric']}: absent, {row['reason']}."
    yield from _of_correlations(its["correlations"], names)
    yield from _of_pairs(its["pairwise"], names)


def _of_pairs(rows: Rows, names: Names) -> Iterator[str]:
    """What is doubtful of accuracies, each once with the metrics that it holds for."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        if said := row["reason"] or row["warning"]:
            found.setdefault(said, {})[names(row)] = None
    for said, metrics in found.items():
        yield f"Accuracy on pairs: {said}: {', '.join(metrics)}."


def _of_correlations(rows: Rows, names: Names) -> Iterator[str]:
    """What is not as it should be, each once with the dimensions that it holds for."""
    if any(row["no_expectation"] for row in rows):
        yield "Left out: scores without an expectation over log probabilities (mode split or no_logprobs)."
    if any(row["include_sampled"] for row in rows):
        yield "Scores without an expectation are included, by choice, as the sampled integers."
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for row in rows:
        level = f"{row['level']} level"
        for what, why in ((f"no correlation, {level}", row["ok"] and row["reason"]), (level, row["warning"]),
                          (f"no agreement between annotators, {level}", row["human_reason"])):  # fmt: skip
            if why:
                metrics, dimensions = found.setdefault(f"{why} ({what})", ({}, {}))
                metrics[names(row)] = dimensions[row["human_dimension"]] = None
    every = len({names(row) for row in rows})
    for said, (metrics, dimensions) in found.items():
        of = "every metric" if len(metrics) == every else ", ".join(metrics)
        yield f"{said}: {of}, people's {', '.join(dimensions)}."


def _mass(value: float | None) -> str:
    return "n/a" if value is None else "<0.0001" if value < 0.0001 else f"{value:.4f}"
