"""The import `gveval`: the JSON files of G-VEval's authors, with or without their program's scores.

A dataset file is MSVD-Eval's or one of Flickr8k's and Composite's form; scores may stand beside its captions. A result
file is what their program keeps: `{key: {"image", "references", "candidate", "reason", "G-VEval": score}}`; it has no
ratings, and is joined to the dataset files that are given with it by picture and caption.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from jobs.dataset_json import Value, read_entries
from jobs.datasets import READERS
from jobs.imports.files import check_files
from jobs.imports.gveval_scores import scores_of
from jobs.imports.rows import IMPORTED, Found, ImportedRequest, Settled, SourceFile, origin
from jobs.media_pattern import stem
from jobs.registry import DatasetSpec
from outputs.items import Item
from outputs.records import RequestLine
from prompts.input_error import InputError
from prompts.toml_text import near_miss

MSVD, EXPERT, CROWD, COMPOSITE, RESULTS = "msvd-eval", "flickr8k-expert", "flickr8k-cf", "composite-json", "results"
SHAPES = (MSVD, EXPERT, CROWD, COMPOSITE, RESULTS)
_REPEATED = "repeated results of a caption"


@dataclass(slots=True)
class _Scored:
    """An item on its way: `picture` is the stem of the file that it is about."""

    item: Item
    picture: str
    where: dict[str, Any]
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    scored: dict[str, Any] = field(default_factory=dict)  # by metric, where the scores are from


class GvevalImport:
    """Dataset and result files of G-VEval, read and checked."""

    kind = "gveval"
    job = "scores"

    def __init__(
        self, paths: Sequence[Path], reader: str | None = None, score_fields: Sequence[str] = (), name: str = ""
    ) -> None:
        """Raises InputError. `name` goes before the items' ids, as the name of a spec's dataset does."""
        if reader is not None and reader not in SHAPES:
            raise InputError(f"unknown reader {reader!r}{near_miss(reader, SHAPES)}", field="--reader")
        self.found = Found()
        self._fields, self._name = tuple(score_fields), name
        self._items: dict[str, _Scored] = {}
        results: list[tuple[Path, list[Value]]] = []
        for path, digest in check_files(paths).items():
            entries = list(read_entries(path))
            shape = reader or _recognise(path, entries)
            before = len(self._items)
            if shape == RESULTS:
                results.append((path, entries))
            else:
                self._add_dataset(path, shape, entries)
            count = len(self._items) - before if shape != RESULTS else len(entries)
            self.found.files.append(SourceFile(path, count, digest, shape))
        self._join(results)
        self._note_scores()

    def items(self) -> Iterator[Item]:
        for scored in self._items.values():
            about = {**scored.where, **({"scores": scored.scored} if scored.scored else {})}
            item = scored.item
            fields = {**item.fields, IMPORTED: about}
            named = f"{self._name}/{item.item}" if self._name else item.item
            dataset = self._name or item.dataset
            yield msgspec.structs.replace(item, item=named, dataset=dataset, scores=scored.scores, fields=fields)

    def requests(self) -> Iterator[ImportedRequest]:
        return iter(())

    def settled(self, requests: Iterable[RequestLine]) -> Iterator[tuple[RequestLine, Settled]]:  # noqa: ARG002
        return iter(())

    def _add_dataset(self, path: Path, shape: str, entries: Sequence[Value]) -> None:
        """The items of a dataset file, which are called by its reader so that their field's protocol is known."""
        items = READERS[shape].read(path, DatasetSpec(path=str(path)))
        for (entry, judged), item in zip(_judged(shape, entries), items, strict=True):
            if item.item in self._items:
                known = self._items[item.item].where["source"]
                raise InputError(f"is in {known} too", file=path, field=f"item {item.item!r}")
            where = origin(path, entry.item)
            picture = entry.key("vname" if shape == MSVD else "image_path").text()
            scored = _Scored(msgspec.structs.replace(item, dataset=shape), _file_stem(picture), where)
            for value in judged:
                self._score(scored, value, where)
            self._items[item.item] = scored

    def _score(self, scored: _Scored, value: Value, where: dict[str, Any]) -> None:
        for metric, scores in scores_of(value, self._fields, self.found.left_out).items():
            if metric in scored.scores and scored.scores[metric] != scores:
                value.refuse(f"another {metric} than is told of this caption before ({scored.item.item})")
            scored.scores[metric] = scores
            scored.scored[metric] = where

    def _join(self, results: Sequence[tuple[Path, list[Value]]]) -> None:
        """Give results to the captions that they are of; without any dataset file they are items themselves."""
        alone = not self._items
        by_caption: dict[tuple[str, str], list[_Scored]] = defaultdict(list)
        for scored in self._items.values():
            by_caption[(scored.picture, _words(scored.item.candidate))].append(scored)
        met: dict[tuple[str, str], int] = defaultdict(int)
        for path, entries in results:
            for entry in entries:
                if alone:
                    self._add_result(path, entry)
                    continue
                key = (_file_stem(entry.key("image").text()), _words(_candidate(entry)))
                if key not in by_caption:
                    entry.refuse("is of no caption of the dataset files that were given (by picture and candidate)")
                its = by_caption[key]
                if met[key] >= len(its):
                    self.found.left_out[_REPEATED] += 1
                self._score(its[min(met[key], len(its) - 1)], entry, origin(path, entry.item))
                met[key] += 1

    def _add_result(self, path: Path, entry: Value) -> None:
        if entry.item in self._items:
            entry.refuse(
                f"is in {self._items[entry.item].where['source']} too; give the dataset file to tell them apart"
            )
        image, references = entry.optional("image"), entry.optional("references")
        media = None if image is None or image.value is None else image.text()
        item = Item(
            item=entry.item,
            candidate=_candidate(entry),
            references=() if references is None else tuple(one.text() for one in references.rows()),
            media=media,
        )
        where = origin(path, entry.item)
        scored = _Scored(item, _file_stem(media or ""), where)
        self._score(scored, entry, where)
        self._items[entry.item] = scored

    def _note_scores(self) -> None:
        without = sum(not scored.scores for scored in self._items.values())
        if without == len(self._items):
            if self._fields:
                raise InputError("no entry has such a key", field=f"--score-field {self._fields[0]}")
            self.found.notes.append("no scores of G-VEval are in the files: captions and ratings only")
        elif without:
            self.found.left_out["captions without a score, kept with their ratings"] += without


def _recognise(path: Path, entries: Sequence[Value]) -> str:
    """What a file is, by its first entry, and of the forms with `human_judgement` by the ratings."""
    first = entries[0]
    if first.optional("human_score") is not None:
        return MSVD
    if first.optional("human_judgement") is None:
        if first.optional("candidate") is not None:
            return RESULTS
        what = f"its entries are of no form that is known here ({', '.join(SHAPES)}): they lack human_score, "
        raise InputError(what + "human_judgement and candidate", file=path, field=f"item {first.item!r}")
    ratings = []
    for entry in entries:
        judgements = entry.key("human_judgement").rows()
        captions = [judgement.key("caption").text() for judgement in judgements]
        if min(Counter(captions).values()) > 1:  # each rated by several experts
            return EXPERT
        ratings += [judgement.key("rating").number() for judgement in judgements]
    return CROWD if all(0 <= rating <= 1 for rating in ratings) else COMPOSITE


def _judged(shape: str, entries: Sequence[Value]) -> Iterator[tuple[Value, list[Value]]]:
    """For each item of a file: its entry, and the objects in it that may have the item's scores."""
    for entry in entries:
        if shape == MSVD:
            yield entry, [entry]
            continue
        judgements = entry.key("human_judgement").rows()
        if shape != EXPERT:
            yield from ((entry, [judgement]) for judgement in judgements)
            continue
        by_caption: dict[str, list[Value]] = {}
        for judgement in judgements:
            by_caption.setdefault(judgement.key("caption").text(), []).append(judgement)
        yield from ((entry, its) for its in by_caption.values())


def _candidate(entry: Value) -> str:
    value = entry.key("candidate")
    if isinstance(value.value, list) and len(value.value) == 1:
        value = value.rows()[0]
    return value.text()


def _words(text: str) -> str:
    return " ".join(text.split())


def _file_stem(path: str) -> str:
    return stem(path.replace("\\", "/"))
