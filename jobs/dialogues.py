"""Dialogues: several models answer the user's turns of a prompt, each turn asked when the one before it has settled.

The user messages of an item are its turns; a prompt of one question is a dialogue of one turn. System messages stay
where they stand. Assistant messages of the data are left out: what a model said itself takes their place.

A turn has no answer where its request finally failed, and where the answer holds no text (refused, filtered, cut off
before its first word), for there is nothing to compare or to go on from. Such a turn is left out together with its
question, and the dialogue goes on with the next, so that one failure stalls nothing. An answer that was cut off later
is an answer.

A request that is asked again after its final failure may settle a second time. A prompt of one turn takes that answer.
A dialogue of several turns does not: it has gone on without the turn, and what was made of it must not depend on when
somebody asked again.

How a job uses it: `forget` and then `begin(item)` for every item of `start`, in order; `follow` for every settlement of
`stage`, which gives the next turn's request, or `Ended`, or nothing; `seqs` says which answers a dialogue has, to be
read through `run.completion`. In memory are 8 bytes for each answer and the items' ids, no texts.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any, NamedTuple

from jobs.bodies import chat_body, user
from jobs.custom_ids import custom_id
from jobs.models import ModelName
from jobs.protocol import Answered, Expected, Failed, Request, RunReader, Verdict
from jobs.spread import Spread
from outputs.items import Item
from prompts.records import Completion, Outcome

STAGE = "answer"
TYPICAL_WORDS = 300  # of an answer that is not there yet
_NOT_SETTLED = 0  # seqs count from 1
_NO_ANSWER = 2**64 - 1
_FILLER = "so this answer, which nobody has written yet, takes about the room that answers of models usually take and"


class Ended(NamedTuple):
    """The last turn of a dialogue has settled: `model` is the place in the dialogues' models, `place` the item's."""

    model: int
    place: int


@dataclass(slots=True)
class Dialogues:
    """One dialogue for each of `models` and each item.

    `prefix` begins the requests' ids, `options` are the keys of the bodies beside `model` and `messages`. Rows say in
    their metadata `stage`, `item`, `dataset` (where it has a name), `model` and `turn`, counted from 1.
    """

    prefix: str
    models: tuple[ModelName, ...]
    options: Mapping[str, Any]
    stage: str = STAGE
    _model_at: dict[str, int] = field(init=False)
    _place_of: dict[str, int] = field(init=False)
    _turns_before: "array[int]" = field(init=False)  # by item: turns of all items before it
    _seqs: "array[int]" = field(init=False)  # by item, model, turn

    def __post_init__(self) -> None:
        self._model_at = {str(model): place for place, model in enumerate(self.models)}
        self.forget()

    def forget(self) -> None:
        """Begin anew, with no item."""
        self._place_of = {}
        self._turns_before = array("Q", [0])
        self._seqs = array("Q")

    def begin(self, item: Item) -> list[Request]:
        """Take in the next item, which has a user message, and ask all models its first turn."""
        turns = turns_of(item)
        self._place_of[item.item] = len(self._turns_before) - 1  # of an id that comes twice, the last item counts
        self._turns_before.append(self._turns_before[-1] + turns)
        self._seqs.frombytes(bytes(self._seqs.itemsize * turns * len(self.models)))
        return [self._request(item, model, 1, ()) for model in self.models]

    def follow(self, settled: Answered | Failed, run: RunReader) -> Request | Ended | None:
        """What follows from a settled turn: the next turn, the dialogue's end, or nothing where the turn is past.

        A dialogue of one turn ends a second time where its failed request was asked again and answered.
        """
        told = settled.metadata
        model, place, turn = self._model_at[told["model"]], self._place_of[told["item"]], told["turn"]
        before, now = self._told(model, place)[turn - 1], _NO_ANSWER if _is_silent(settled) else settled.seq
        turns = self.turns(place)
        if before != _NOT_SETTLED and (turns > 1 or before != _NO_ANSWER or now == _NO_ANSWER):
            return None
        self._seqs[self._first_slot(model, place) + turn - 1] = now
        if turn == turns:
            return Ended(model, place)
        said = [None if seq is None else run.completion(seq).text for seq in self.seqs(model, place)[:turn]]
        return self._request(run.item(place), self.models[model], turn + 1, said)

    def turns(self, place: int) -> int:
        """The turns of an item."""
        return self._turns_before[place + 1] - self._turns_before[place]

    def has_ended(self, model: int, place: int) -> bool:
        """Whether the last turn of a dialogue has settled."""
        return self._told(model, place)[-1] != _NOT_SETTLED

    def seqs(self, model: int, place: int) -> list[int | None]:
        """By turn: the seq of its answer, None where it has none (yet)."""
        return [None if seq in (_NOT_SETTLED, _NO_ANSWER) else seq for seq in self._told(model, place)]

    def expected(self, items: Iterable[Item]) -> Iterator[Expected]:
        """The later turns, which follow from answers: for each model, over a sample of them. Reads all items first."""
        later: Spread[tuple[Item, int]] = Spread()
        for item in items:
            for turn in range(2, turns_of(item) + 1):
                later.add((item, turn))
        said = [typical_answer(self.options)]
        for (item, turn), rows in later.shares():
            for model in self.models:
                yield Expected(stage=self.stage, rows=rows, request=self._request(item, model, turn, said * (turn - 1)))

    def _request(self, item: Item, model: ModelName, turn: int, said: Sequence[str | None]) -> Request:
        told = {"stage": self.stage, "item": item.item, "model": str(model), "turn": turn}
        return Request(
            custom_id=custom_id(self.prefix, item.item, self.stage, item.item, str(model), turn),
            body=chat_body(model.model, list(_messages(item, turn, said)), self.options),
            provider=model.provider,
            metadata=told | ({"dataset": item.dataset} if item.dataset else {}),
        )

    def _first_slot(self, model: int, place: int) -> int:
        return self._turns_before[place] * len(self.models) + model * self.turns(place)

    def _told(self, model: int, place: int) -> "array[int]":
        first = self._first_slot(model, place)
        return self._seqs[first : first + self.turns(place)]


def questions(item: Item) -> list[str]:
    """The user messages of an item: its turns."""
    return [message.content for message in item.messages if message.role == "user"]


def turns_of(item: Item) -> int:
    """How many turns an item has."""
    return len(questions(item))


def typical_answer(options: Mapping[str, Any]) -> str:
    """What stands for an answer that is not there yet, in plans: words of a usual number, or what `options` allow."""
    limit = options.get("max_completion_tokens", options.get("max_tokens"))
    words = min(TYPICAL_WORDS, max(1, limit * 3 // 4)) if isinstance(limit, int) else TYPICAL_WORDS
    return " ".join(islice(cycle(_FILLER.split()), words))


def verdict(settled: Answered) -> Verdict:
    """Whether a model answered at all: only where it never does is something wrong."""
    return Verdict(settled.custom_id, _outcome(settled.completion))


def _outcome(completion: Completion) -> Outcome:
    if completion.text and completion.text.strip():
        return Outcome.OK
    if completion.refusal:
        return Outcome.REFUSED
    silent = {"content_filter": Outcome.FILTERED, "length": Outcome.TRUNCATED}
    return silent.get(completion.finish_reason or "", Outcome.UNPARSEABLE)


def _is_silent(settled: Answered | Failed) -> bool:
    return isinstance(settled, Failed) or _outcome(settled.completion) is not Outcome.OK


def _messages(item: Item, turn: int, said: Sequence[str | None]) -> Iterator[dict[str, Any]]:
    """The messages that ask the turn `turn`; `said` are the answers to the turns before it, None for those left out."""
    asked = 0
    for message in item.messages:
        if message.role == "user":
            asked += 1
            if asked == turn:
                yield user(message.content)
                return
            if (answer := said[asked - 1]) is not None:
                yield from (user(message.content), {"role": "assistant", "content": answer})
        elif message.role != "assistant":
            yield {"role": message.role, "content": message.content}
