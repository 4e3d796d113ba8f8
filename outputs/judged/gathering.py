"""The judgements of several runs as one: who is held against whom, by which prompt, about which items.

Judgements are comparable where the prompt and the reference model are the same. Prompts of one name and version whose
texts differ are different prompts; items of one name whose texts differ between runs are different items. A model that
several runs judged about the same items has its judgements averaged over them, as repeats are.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import polars as pl

from outputs.items import Item
from outputs.judged.asked import ASKED_SCHEMA, JUDGE, read_told, should_be_judged
from outputs.report import numbered
from outputs.tables.loading import LoadedRun
from outputs.tables.score_reading import readers_of

_SHA_SHOWN = 8
_NAMES = ("item", "dataset", "judge", "prompt", "outcome", "dimension", "model", "reference")


@dataclass(frozen=True, slots=True)
class Judgements:
    """`rows`: one per judgement and dimension, `value` null where it could not be read; `run` is the run's place.

    Names in `rows` are categories: numbers, where a million texts would be in memory.

    `asked`: as `ASKED_SCHEMA`. `dimensions`: what each prompt asks for, in its order. `notes`: what is to be known of
    how the runs came together.
    """

    rows: pl.DataFrame
    asked: pl.DataFrame
    dimensions: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()


def gather(runs: Sequence[LoadedRun]) -> Judgements:
    """The judgements of all runs. Raises InputError for a run that it cannot read."""
    labels, versions = prompt_labels(runs), _item_versions(runs)
    rows = pl.concat([_rows(run, place, labels[place]) for place, run in enumerate(runs)]).collect(engine="streaming")
    if versions is not None:
        rows = _renamed(rows, versions)
    asked = [_asked(run, labels[place]) for place, run in enumerate(runs)]
    summed = pl.concat(asked).group_by(list(ASKED_SCHEMA)[:-1], maintain_order=True).agg(pl.col("asked").sum())
    notes = (*_unasked_notes(runs, asked), *_notes(runs, rows, versions))
    return Judgements(rows, summed, _dimensions(runs, labels, rows), notes)


def _rows(run: LoadedRun, place: int, labels: Mapping[str, str]) -> pl.LazyFrame:
    kept = ("seq", "item", "dataset", "judge", "control", "self_preference", "repeat", "answer_repeat", "swapped")
    read = ("turns", "turns_asked", "prompt", "simulated", "outcome", "dimension", "value")
    return (
        run.scan("scores")
        .filter(pl.col("stage") == JUDGE)
        .select(pl.lit(place, pl.Int32).alias("run"), *kept, *read, "model", "reference")
        .with_columns(
            pl.col("item", "dataset", "judge", "model", "reference").fill_null(""),
            pl.col("control", "self_preference", "swapped").fill_null(value=False),
            pl.col("repeat", "answer_repeat").fill_null(0),
            pl.col("prompt").fill_null("").replace(labels),
            pl.col("simulated").fill_null(value=False) | run.record.simulated,
            pl.col("value").fill_nan(None),
        )
        .with_columns(pl.col(_NAMES).cast(pl.Categorical))
    )


def _asked(run: LoadedRun, labels: Mapping[str, str]) -> pl.DataFrame:
    return should_be_judged(read_told(run.scan("requests"))).with_columns(pl.col("prompt").replace(labels))


def prompt_labels(runs: Sequence[LoadedRun]) -> list[dict[str, str]]:
    """By run: what each prompt, name@version, is called; one whose text differs between runs is told by its digest."""
    texts = defaultdict(set)
    for run in runs:
        for prompt in run.record.prompts:
            texts[f"{prompt.name}@{prompt.version}"].add(prompt.sha256)
    return [
        {
            name: f"{name} ({prompt.sha256[:_SHA_SHOWN]})"
            for prompt in run.record.prompts
            if len(texts[name := f"{prompt.name}@{prompt.version}"]) > 1
        }
        for run in runs
    ]


def _dimensions(
    runs: Sequence[LoadedRun], labels: Sequence[Mapping[str, str]], rows: pl.DataFrame
) -> dict[str, tuple[str, ...]]:
    """What each prompt asks for: by its header, and all else that is there."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for run, its in zip(runs, labels, strict=True):
        readers = readers_of(run.record, run.folder)
        for prompt in run.record.prompts:
            name = f"{prompt.name}@{prompt.version}"
            if prompt.sha256 in readers:
                found[its.get(name, name)].update(dict.fromkeys(readers[prompt.sha256].dimensions))
    for prompt_name, dimension in rows.select("prompt", "dimension").unique(maintain_order=True).iter_rows():
        found[prompt_name][dimension] = None
    return {name: tuple(dimensions) for name, dimensions in found.items()}


def _item_versions(runs: Sequence[LoadedRun]) -> pl.DataFrame | None:
    """Of items whose texts differ between runs: run, item and the name that tells them apart. None of a single run."""
    if len(runs) == 1:
        return None
    digests = [{name: _digest(item) for name, item in run.items().items()} for run in runs]
    seen = defaultdict(set)
    for its in digests:
        for name, digest in its.items():
            seen[name].add(digest)
    rows = [
        (place, name, f"{name} ({digest})")
        for place, its in enumerate(digests)
        for name, digest in its.items()
        if len(seen[name]) > 1
    ]
    named = pl.DataFrame(rows, schema={"run": pl.Int32, "item": pl.String, "version": pl.String}, orient="row")
    return named.cast({"item": pl.Categorical, "version": pl.Categorical})


def _digest(item: Item) -> str:
    """Of what is judged of an item: not of people's ratings, other programs' scores, or where a picture is kept."""
    media = item.media_sha256 or item.media
    bare = msgspec.structs.replace(item, ratings=(), scores={}, media=media, media_sha256=None)
    return hashlib.sha256(msgspec.json.encode(bare, order="deterministic")).hexdigest()[:_SHA_SHOWN]


def _renamed(rows: pl.DataFrame, versions: pl.DataFrame) -> pl.DataFrame:
    named = rows.join(versions, on=["run", "item"], how="left", maintain_order="left")
    return named.with_columns(item=pl.coalesce("version", "item")).drop("version")


def _unasked_notes(runs: Sequence[LoadedRun], asked: Sequence[pl.DataFrame]) -> Iterator[str]:
    """How many judgements a run that is not finished has not asked for yet, as far as that can be known."""
    for run, its in zip(runs, asked, strict=True):
        if run.counts.asked > run.counts.answered + run.counts.failed:
            there = (pl.col("stage") == JUDGE) & (pl.col("state").fill_null("") != "withdrawn")
            requests = int(run.scan("requests").select(there.sum()).collect().item())
            should = int(its["asked"].sum())
            if should > requests:
                yield (
                    f"{run.name} is not finished: of {numbered(should, 'judgement')} {should - requests} are not asked "
                    "for yet; they count as not read."
                )


def _notes(runs: Sequence[LoadedRun], rows: pl.DataFrame, versions: pl.DataFrame | None) -> Iterator[str]:
    differing = 0 if versions is None else versions["item"].n_unique()
    if differing:
        yield f"{differing} items have one name and other texts in other runs: they count as different items."
    together = _in_several(rows) if len(runs) > 1 else rows.clear()
    if together.height:
        models = ", ".join(together["model"].unique().sort().to_list())
        names = ", ".join(runs[place].name for place in together["run"].explode().unique().sort().to_list())
        yield f"Judged in several runs ({names}) by one judge and prompt, and averaged item by item: {models}."


def _in_several(rows: pl.DataFrame) -> pl.DataFrame:
    """The models and items that several runs have judgements of, with the runs' places in `run`."""
    tested = rows.filter(~pl.col("control")).group_by("prompt", "reference", "judge", "model", "item")
    return tested.agg(pl.col("run").unique()).filter(pl.col("run").list.len() > 1)
