"""The captions of several runs as one: items of the same id are the same item, whichever run has what of it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec

from outputs.captions.metric_names import reader_name
from outputs.captions.protocols import Field, field_of
from outputs.items import Item
from outputs.tables.loading import LoadedRun
from prompts.input_error import InputError

_ALIKE = ("candidate", "references", "ratings", "system")  # what two runs may not say differently of one item
_FIRST = ("media", "media_sha256", "dataset")  # what the first run that has it says


@dataclass(frozen=True, slots=True)
class CaptionSet:
    """The captions of one dataset, by id in the order in which they were first met.

    `name` is the dataset's, as the items name it, else as the spec's reader does; `run_names` are the runs that have
    any of its items, `ids` their places. `field` is how the dataset's field correlates.
    """

    name: str
    items: dict[str, Item]
    runs: tuple[LoadedRun, ...]
    field: Field

    @property
    def rated(self) -> tuple[str, ...]:
        """The dimensions that people rated, in the order in which they were first met."""
        return tuple(dict.fromkeys(name for item in self.items.values() for one in item.ratings for name in one.scores))

    @property
    def ratings_kind(self) -> str:
        """What the ratings are: human, constructed, or both."""
        return ", ".join(sorted({item.ratings_kind for item in self.items.values() if item.ratings}))

    @property
    def simulated(self) -> bool:
        """Whether captions are a simulator's."""
        return any(item.fields.get("simulated") is True for item in self.items.values())


def join_items(runs: Sequence[LoadedRun]) -> list[CaptionSet]:
    """The captions of all runs by dataset.

    Items that name no dataset are of one set where their runs share an item: two runs of the same captions. Raises
    InputError, naming both runs, where the same id has other captions, references, ratings or systems in two runs, or
    the same metric another value.
    """
    items: dict[str, Item] = {}
    places: dict[str, list[int]] = {}  # the runs that have the item
    for place, run in enumerate(runs):
        for name, item in run.items().items():
            if name in items:
                items[name] = _merged(items[name], item, [runs[before] for before in places[name]], run)
            else:
                items[name] = item
            places.setdefault(name, []).append(place)
    groups = _groups(len(runs), places.values())
    found: dict[tuple[str, int], dict[str, Item]] = {}
    for name, item in items.items():
        key = (item.dataset, -1 if item.dataset else groups[places[name][0]])
        found.setdefault(key, {})[name] = item
    sets = []
    for (dataset, _), members in found.items():
        its = tuple(runs[place] for place in sorted({place for name in members for place in places[name]}))
        readers = list(dict.fromkeys(reader for run in its if (reader := reader_name(run.record))))
        sets.append(CaptionSet(dataset or ", ".join(readers), members, its, field_of([dataset, *readers], members)))
    return list(_told_apart(sets))


def _told_apart(sets: Sequence[CaptionSet]) -> Iterator[CaptionSet]:
    names = [one.name for one in sets]
    for one in sets:
        runs = ", ".join(run.name for run in one.runs)
        name = f"{one.name} (run {runs})".strip() if names.count(one.name) > 1 else one.name
        yield CaptionSet(name, one.items, one.runs, one.field)


def _groups(runs: int, shared: Any) -> list[int]:
    """Which runs belong together because they share items: the first of them, by run."""
    first = list(range(runs))
    for places in {tuple(places) for places in shared}:
        joined = {first[place] for place in places}
        first = [min(joined) if one in joined else one for one in first]
    return first


def _merged(one: Item, other: Item, before: Sequence[LoadedRun], next_run: LoadedRun) -> Item:
    """`one` is what the runs `before` said together of the item."""
    changes: dict[str, Any] = {}
    for field in _ALIKE:
        ours, theirs = getattr(one, field), getattr(other, field)
        if ours and theirs and _comparable(ours) != _comparable(theirs):
            said = _who_said(one, before, attrgetter(field))
            what = f"item {one.item!r} has another value of {field!r} than in {said}"
            raise InputError(what, file=next_run.folder)
        changes[field] = ours or theirs
    for field in _FIRST:
        changes[field] = getattr(one, field) or getattr(other, field)
    kinds = {item.ratings_kind for item in (one, other) if item.ratings} or {one.ratings_kind}
    changes["ratings_kind"] = ", ".join(sorted(kinds))
    changes["fields"] = {**other.fields, **one.fields}
    changes["scores"] = _merged_scores(one, other, before, next_run)
    return msgspec.structs.replace(one, **changes)


def _comparable(value: Any) -> Any:
    if isinstance(value, tuple) and value and not isinstance(value[0], str):  # ratings, whoever is named first
        return sorted((rating.annotator, sorted(rating.scores.items())) for rating in value)
    return value


def _who_said(one: Item, before: Iterable[LoadedRun], of: Callable[[Item], Any]) -> Path:
    """The folder of the first run that says this of the item."""
    return next(run.folder for run in before if of(run.items()[one.item]))


def _has_score(metric: str, dimension: str, item: Item) -> bool:
    return dimension in item.scores.get(metric, {})


def _merged_scores(
    one: Item, other: Item, before: Sequence[LoadedRun], next_run: LoadedRun
) -> dict[str, dict[str, float]]:
    found = {metric: dict(values) for metric, values in one.scores.items()}
    for metric, values in other.scores.items():
        for dimension, value in values.items():
            if (known := found.setdefault(metric, {}).setdefault(dimension, value)) != value and known == known:
                said = _who_said(one, before, partial(_has_score, metric, dimension))
                what = f"item {one.item!r} has another {metric} ({dimension}) than in {said}: {value} and {known}"
                raise InputError(what, file=next_run.folder)
    return found
