"""The answers that are compared: of each model, to a seeded draw of the prompts of each dataset.

Rows of a plain manifest are answers where their metadata name an `item`; their model is provider/model.

A model's answer to a prompt is the text of its turns, joined in their order by an empty line, of the first repeat. A
dialogue that lacks a turn, and an answer without a word, is missing: it is in the coverage and in no comparison.
Runs are compared with one another where their prompts are the same to the letter.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from outputs.answers import iterate_items
from outputs.items import Item
from outputs.judged.asked import ANSWER
from outputs.tables.loading import LoadedRun

MANIFEST = "manifest"  # the job of a run that has none
MOST_CHARACTERS = 100_000  # of one answer: no text of any length may stop an analysis
_PROMPT = ("dataset", "item")


class PromptKey(NamedTuple):
    """A prompt. `words` tells prompts of one name and different words apart; empty where there is one run."""

    dataset: str
    item: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Texts:
    """`answers` by prompt, then model: None where missing; `asked` (prompts, models): who was asked what.

    `names` has the model of each (run, model as the run has it); a model of several runs is told apart by the run.
    `of` is how many prompts each dataset has, of which `prompts` are a draw. `cut`: answers that were too long.
    """

    models: tuple[str, ...]
    prompts: tuple[PromptKey, ...]
    answers: tuple[tuple[str | None, ...], ...]
    asked: NDArray[np.bool_]
    names: Mapping[tuple[str, str], str]
    of: Mapping[str, int]
    cut: int = 0

    @property
    def there(self) -> NDArray[np.bool_]:
        """(prompts, models): whether there is an answer."""
        flat = [answer is not None for row in self.answers for answer in row]
        return np.array(flat, dtype=np.bool_).reshape(len(self.prompts), len(self.models))

    @property
    def datasets(self) -> tuple[str, ...]:
        """By name, in order."""
        return tuple(sorted(self.of))


class _Row(NamedTuple):
    """A turn that a model was asked."""

    run: str
    prompt: PromptKey
    model: str
    turn: int
    turns: int
    text: str | None


def read_texts(runs: Sequence[LoadedRun], most: int, seed: int) -> list[tuple[list[LoadedRun], Texts]]:
    """The answers to at most `most` prompts of each run's datasets, drawn by `seed` whatever their order.

    Runs that share prompts stand together, the others apart: there is nothing to compare between them. Raises
    InputError.
    """
    draws = [_draw(run, most, seed) for run in runs]
    rows = [[*_rows(run, drawn, several=len(runs) > 1)] for run, (drawn, _) in zip(runs, draws, strict=True)]
    found = []
    for group in _sharing([{row.prompt for row in its} for its in rows]):
        ids: dict[str, set[str]] = {}
        for place in group:
            for dataset, items in draws[place][1].items():
                ids.setdefault(dataset, set()).update(items)
        of = {dataset: len(items) for dataset, items in ids.items()}
        found.append(([runs[place] for place in group], _texts([row for place in group for row in rows[place]], of)))
    return found


def _sharing(prompts: Sequence[set[PromptKey]]) -> list[list[int]]:
    """The places of runs that share a prompt, also by way of another run, in their order."""
    groups: list[tuple[list[int], set[PromptKey]]] = []
    for place, its in enumerate(prompts):
        met = [group for group in groups if group[1] & its]
        groups = [group for group in groups if group not in met]
        groups.append(([*sorted(k for group in met for k in group[0]), place], its.union(*(group[1] for group in met))))
    return sorted(group[0] for group in groups)


def _texts(rows: Sequence[_Row], of: Mapping[str, int]) -> Texts:
    names = _names((row.run, row.model) for row in rows)
    models = tuple(sorted(set(names.values())))
    prompts = tuple(sorted({row.prompt for row in rows}))
    column = {model: place for place, model in enumerate(models)}
    line = {prompt: place for place, prompt in enumerate(prompts)}
    asked = np.zeros((len(prompts), len(models)), dtype=np.bool_)
    turns: dict[tuple[int, int], dict[int, str | None]] = {}
    needed: dict[int, int] = {}
    for row in rows:
        place = line[row.prompt], column[names[row.run, row.model]]
        asked[place] = True
        turns.setdefault(place, {})[row.turn] = row.text
        needed[place[0]] = max(needed.get(place[0], 1), row.turn, row.turns)
    whole = {place: _whole(said, needed[place[0]]) for place, said in turns.items()}
    answers = tuple(tuple(_bounded(whole.get((p, m))) for m in range(len(models))) for p in range(len(prompts)))
    cut = sum(len(text) > MOST_CHARACTERS for text in whole.values() if text is not None)
    return Texts(models, prompts, answers, asked, names, of, cut)


def _draw(run: LoadedRun, most: int, seed: int) -> tuple[pl.DataFrame, dict[str, list[str]]]:
    """The prompts that are drawn, and those of each dataset. More of a dataset has all that fewer had."""
    items: dict[str, list[str]] = {}
    for dataset, item in _asked(run).select(_PROMPT).unique().collect(engine="streaming").sort(_PROMPT).iter_rows():
        items.setdefault(dataset, []).append(item)
    kept = [(name, item) for name, ids in items.items() for item in sorted(ids, key=_order(seed, name))[:most]]
    return pl.DataFrame(kept, schema=dict.fromkeys(_PROMPT, pl.String), orient="row"), items


def _order(seed: int, dataset: str) -> Any:
    return lambda item: hashlib.sha256(msgspec.json.encode([seed, "texts", dataset, item])).digest()


def _asked(run: LoadedRun) -> pl.LazyFrame:
    """With the model in full where no job said whose answer it is."""
    stage = "" if run.record.job == MANIFEST else ANSWER
    found = run.scan("requests").filter(pl.col("stage").fill_null("") == stage, pl.col("item").is_not_null())
    if run.record.job != MANIFEST:
        return found
    whole = pl.concat_str("provider", pl.lit("/"), "model", ignore_nulls=True).alias("model")
    return found.filter(pl.col("state").fill_null("") != "withdrawn").with_columns(
        pl.col("dataset").fill_null(""), whole
    )


def _rows(run: LoadedRun, drawn: pl.DataFrame, *, several: bool) -> Iterator[_Row]:
    requests = _asked(run).join(drawn.lazy(), on=_PROMPT, how="semi")
    said = run.scan("responses").filter(pl.col("counts")).select(pl.col("request").alias("seq"), "text")
    found = requests.select("seq", *_PROMPT, "model", "metadata").join(said, on="seq", how="left")
    about = _about_items(run, set(drawn["item"]))
    frame = found.sort("seq").collect(engine="streaming")
    plain, seen = run.record.job == MANIFEST, set()  # who asks a model the same again need not say that it is a repeat
    for dataset, item, model, metadata, text in frame.select(*_PROMPT, "model", "metadata", "text").iter_rows():
        told = _told(metadata)
        if told.get("repeat", 0) != 0 or (plain and (dataset, item, model, told.get("turn", 1)) in seen):
            continue
        seen.add((dataset, item, model, told.get("turn", 1)))
        turns, words = about.get(item, (1, ""))
        with_prompt = str(told.get("prompt_sha256", ""))
        turn = told.get("turn", 1)
        yield _Row(
            run.name,
            PromptKey(dataset, item, words + with_prompt if several else ""),
            str((not plain and told.get("model")) or model),
            turn if isinstance(turn, int) else 1,
            1 if with_prompt else turns,
            text,
        )


def _told(metadata: str | None) -> dict[str, Any]:
    try:
        told = msgspec.json.decode(metadata or "{}")
    except msgspec.DecodeError:
        return {}
    return told if isinstance(told, dict) else {}


def _about_items(run: LoadedRun, wanted: set[str]) -> dict[str, tuple[int, str]]:
    """By item: its turns, and a hash of all that it is."""
    return {item.item: _about(item) for item in iterate_items(run.folder) if item.item in wanted}


def _about(item: Item) -> tuple[int, str]:
    turns = sum(message.role == "user" for message in item.messages)
    return max(1, turns), hashlib.sha256(msgspec.json.encode(item)).hexdigest()


def _names(found: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """A model by its name, and by its run too where several runs have it."""
    pairs = dict.fromkeys(found)
    runs = {model: [run for run, of in pairs if of == model] for _, model in pairs}
    return {(run, model): model if len(runs[model]) == 1 else f"{model} @ {run}" for run, model in pairs}


def _whole(said: Mapping[int, str | None], turns: int) -> str | None:
    """The turns together, None where one has no word."""
    texts = [said.get(turn) or "" for turn in range(1, turns + 1)]
    return "\n\n".join(texts) if all(text.strip() for text in texts) else None


def _bounded(text: str | None) -> str | None:
    return text if text is None else text[:MOST_CHARACTERS]
