"""Which rows belong to a row: the answers that a judgement is about, and the judgements of an answer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import polars as pl

from outputs.browsing.whole_texts import whole_texts
from outputs.identity.rows import ASK, LOOSE, STRICT
from outputs.judged.asked import ANSWER, JUDGE
from outputs.tables.loading import LoadedRun

_JUDGING = (JUDGE, LOOSE, STRICT)
_STAGES = (ANSWER, ASK, *_JUDGING)
_MOST = 50_000  # rows about one item that are looked at


class Told(msgspec.Struct, frozen=True):
    """What a job said of a request, as far as it tells which rows belong together."""

    stage: Any = None
    item: Any = None
    model: Any = None
    reference: Any = None
    turn: Any = 1
    turns: Any = None
    repeat: Any = 0
    answer_repeat: Any = 0
    swapped: Any = False
    target: Any = None
    tree: Any = None
    iteration: Any = None
    question: Any = None
    node: Any = None
    parent: Any = None
    partner: Any = None
    seed: Any = None
    operator: Any = None
    level: Any = None
    template_sha256: Any = None

    @property
    def place(self) -> tuple[Any, ...]:
        """Of a search's row: where it stands."""
        return self.target, self.tree, self.iteration, self.question


_told = msgspec.json.Decoder(Told)


def read_told(metadata: bytes | str | None) -> Told:
    """What metadata (JSON) says; nothing where it is no object."""
    try:
        return _told.decode(metadata or b"{}")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Told()


@dataclass(frozen=True, slots=True)
class Side:
    """One model's answers as a judge saw them: a request and a text for each turn; None where there is none (now)."""

    model: str
    requests: tuple[int | None, ...]
    texts: tuple[str | None, ...]
    is_reference: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judgement of an answer: `scores` by dimension. `as_reference`: the answer was what others were held against."""

    request: int
    custom_id: str
    stage: str
    judge: str
    outcome: str | None
    reason: str | None
    scores: Mapping[str, float]
    swapped: bool
    as_reference: bool


@dataclass(frozen=True, slots=True)
class _Row:
    seq: int
    custom_id: str
    stage: str
    lane: str
    told: Told


class Related:
    """The rows about the same item as one row of `run` is."""

    def __init__(self, run: LoadedRun, told: Told) -> None:
        self._run, self._told = run, told
        belongs = told.stage in _STAGES and isinstance(told.item, str)
        self._rows = list(_rows_of_item(run, told.item)) if belongs else []

    def sides(self) -> tuple[Side, ...]:
        """What a judgement is about, in the order in which the judge saw it: one answer, or two."""
        told = self._told
        if told.stage not in _JUDGING:
            return ()
        models = (told.model,) if told.reference is None else (told.reference, told.model)
        asked = [self._answered_by(model) for model in models]
        texts = whole_texts(self._run, sorted({one for side in asked for one in side if one is not None}))
        sides = [
            Side(str(model), tuple(requests), tuple(None if one is None else texts.get(one) for one in requests),
                 is_reference=told.reference is not None and place == 0)
            for place, (model, requests) in enumerate(zip(models, asked, strict=True))
            if any(one is not None for one in requests)
        ]  # fmt: skip
        return tuple(reversed(sides)) if told.swapped is True else tuple(sides)

    def judgements(self) -> tuple[Judgement, ...]:
        """The judgements of an answer, in the order of their requests."""
        if self._told.stage not in (ANSWER, ASK):
            return ()
        rows = [row for row in self._rows if row.stage in _JUDGING and self._judges(row.told)]
        read = _read(self._run, [row.seq for row in rows])
        return tuple(self._judgement(row, *read.get(row.seq, (None, None, {}))) for row in rows)

    def _answered_by(self, model: object) -> list[int | None]:
        told = self._told
        if told.stage in (LOOSE, STRICT):
            return [_last(row.seq for row in self._rows if row.stage == ASK and row.told.place == told.place)]
        mine = [row for row in self._rows if row.stage == ANSWER and row.told.model == model]
        turns = told.turns if isinstance(told.turns, list) else [1]
        repeat = told.answer_repeat
        return [_last(row.seq for row in mine if (row.told.turn, row.told.repeat) == (turn, repeat)) for turn in turns]

    def _judges(self, judging: Told) -> bool:
        told = self._told
        if told.stage == ASK:
            return judging.place == told.place
        turns = judging.turns if isinstance(judging.turns, list) else [1]
        of_mine = told.model in (judging.model, judging.reference)
        return of_mine and told.turn in turns and judging.answer_repeat == told.repeat

    def _judgement(self, row: _Row, outcome: str | None, reason: str | None, scores: Mapping[str, float]) -> Judgement:
        other = row.told.model != self._told.model and row.stage == JUDGE
        swapped = row.told.swapped is True
        return Judgement(row.seq, row.custom_id, row.stage, row.lane, outcome, reason, scores, swapped, other)


def _rows_of_item(run: LoadedRun, item: str) -> Iterable[_Row]:
    about = pl.col("item") == item, pl.col("stage").is_in(_STAGES), pl.col("state") != "withdrawn"
    asked = run.scan("requests").filter(*about).head(_MOST)
    found = asked.select("seq", "custom_id", "stage", "provider", "model", "metadata").collect(engine="streaming")
    for seq, custom_id, stage, provider, model, metadata in found.iter_rows():
        yield _Row(seq, custom_id, stage, f"{provider}/{model}", read_told(metadata))


def _read(run: LoadedRun, requests: Sequence[int]) -> dict[int, tuple[str | None, str | None, dict[str, float]]]:
    """By request: the outcome of reading its answer, why it is not ok, and the scores."""
    if not requests:
        return {}
    ended = run.scan("outcomes").filter(pl.col("request").is_in(requests))
    known = ended.select("request", "outcome", "reason", "answer").collect()
    scored = run.scan("scores").filter(pl.col("seq").is_in(known["answer"].drop_nulls().to_list()))
    scores: dict[int, dict[str, float]] = {}
    for seq, dimension, value in scored.select("seq", "dimension", "value").collect().iter_rows():
        if value is not None:
            scores.setdefault(seq, {})[dimension] = value
    return {row[0]: (row[1], row[2], scores.get(row[3], {})) for row in known.iter_rows()}


def _last(seqs: Iterable[int]) -> int | None:
    return max(seqs, default=None)
