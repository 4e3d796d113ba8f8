"""Dialogues: turn by turn, whatever fails, and with next to nothing in memory."""

import random
import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from jobs.dialogues import Dialogues, Ended, typical_answer, verdict
from jobs.models import ModelName
from jobs.protocol import Answered, Expected, Failed, Request, RunReader, Verdict
from jobs.spread import Spread
from outputs.items import Item, Turn
from prompts.records import Completion, Outcome
from tests.harness.asked_again import run_with_retries, settle
from tests.harness.in_memory import InMemoryRun

ONE, TWO = ModelName("simulator", "one"), ModelName(None, "two")
TALK = Item(
    item="talk",
    dataset="chats",
    messages=(
        Turn("system", "Be brief."),
        Turn("user", "First?"),
        Turn("assistant", "What the data says."),
        Turn("user", "Second?"),
        Turn("user", "Third?"),
    ),
)
SINGLE = Item(item="single", messages=(Turn("user", "Only?"),))


class Talks:
    """The smallest job with dialogues."""

    name = "talks"
    follows_up = True

    def __init__(self, *models: ModelName) -> None:
        self.dialogues = Dialogues("talks", models or (ONE, TWO), {"max_tokens": 9})
        self.ended: list[Ended] = []

    def items(self) -> Iterator[Item]:
        return iter(())

    def start(self, items: Iterable[Item]) -> Iterator[Request]:
        self.dialogues.forget()
        for item in items:
            yield from self.dialogues.begin(item)

    def expected(self, items: Iterable[Item]) -> Iterator[Expected]:
        return self.dialogues.expected(items)

    def notes(self) -> tuple[str, ...]:
        return ()

    def on_settled(self, settled: Answered | Failed, run: RunReader) -> Iterator[Request | Verdict]:
        after = self.dialogues.follow(settled, run)
        if isinstance(after, Ended):
            self.ended.append(after)
        elif after is not None:
            yield after


def told(request: Request) -> dict[str, Any]:
    assert isinstance(request.metadata, dict)
    return request.metadata


def content(request: Request) -> list[tuple[str, str]]:
    assert isinstance(request.body, dict)
    return [(message["role"], message["content"]) for message in request.body["messages"]]


def says(request: Request) -> Completion:
    """An answer that tells who gave it, and where."""
    return Completion(f"{told(request)['model']} on {told(request)['turn']}")


def silent_at(*turns: int, how: Completion | None = None) -> Any:
    return lambda request: how if told(request)["turn"] in turns else says(request)


def talked(*items: Item, answer: Any = says, job: Talks | None = None) -> InMemoryRun:
    return InMemoryRun(job or Talks(), items, answer).run()


def test_each_model_goes_on_from_its_own_answers() -> None:
    """A turn's messages are the system's, the earlier questions with the model's own answers, and the question."""
    run = talked(TALK, job=Talks(ONE))
    assert [content(request) for request in run.requests] == [
        [("system", "Be brief."), ("user", "First?")],
        [("system", "Be brief."), ("user", "First?"), ("assistant", "simulator/one on 1"), ("user", "Second?")],
        [
            ("system", "Be brief."),
            ("user", "First?"),
            ("assistant", "simulator/one on 1"),
            ("user", "Second?"),
            ("assistant", "simulator/one on 2"),
            ("user", "Third?"),
        ],
    ]
    first = run.requests[0]
    assert isinstance(first.body, dict)
    assert (first.provider, first.body["model"], first.body["max_tokens"]) == ("simulator", "one", 9)
    assert told(first) == {
        "stage": "answer",
        "item": "talk",
        "dataset": "chats",
        "model": "simulator/one",
        "turn": 1,
    }


def test_first_turns_are_asked_item_by_item() -> None:
    """All models are asked an item's first turn before the next item's."""
    asked = list(Talks().start([TALK, SINGLE]))
    assert [(told(one)["item"], told(one)["model"]) for one in asked] == [
        ("talk", "simulator/one"),
        ("talk", "two"),
        ("single", "simulator/one"),
        ("single", "two"),
    ]
    assert "dataset" not in told(asked[-1])


@pytest.mark.parametrize(
    "how", [None, Completion(None, "content_filter"), Completion(" \n"), Completion("", refusal="no")]
)
def test_a_turn_without_an_answer_is_left_out(how: Completion | None) -> None:
    """The dialogue goes on without the question of a turn that failed, or was answered with nothing."""
    job = Talks(ONE)
    run = talked(TALK, answer=silent_at(2, how=how), job=job)
    assert content(run.requests[-1])[1:] == [
        ("user", "First?"),
        ("assistant", "simulator/one on 1"),
        ("user", "Third?"),
    ]
    assert job.ended == [Ended(0, 0)]
    assert job.dialogues.seqs(0, 0) == [1, None, 3]


def test_a_dialogue_that_is_never_answered_ends_too() -> None:
    """Failures only bring a dialogue to its end, with all its turns asked."""
    job = Talks()
    run = talked(TALK, SINGLE, answer=lambda request: None, job=job)
    assert len(run.ids()) == 8
    assert sorted(job.ended) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert job.dialogues.seqs(1, 0) == [None, None, None]


def test_seqs_and_ends_are_known_as_they_come() -> None:
    """A dialogue has ended with its last turn, not before; answers are found by their seqs."""
    job = Talks(ONE)
    run = InMemoryRun(job, [SINGLE, TALK], says).run(most=3)
    assert [job.dialogues.has_ended(0, place) for place in (0, 1)] == [True, False]
    assert job.dialogues.seqs(0, 1) == [2, 3, None]
    assert run.completion(3).text == "simulator/one on 2"


def test_a_prompt_of_one_turn_takes_a_later_answer_once() -> None:
    """A failed request that is asked again ends the dialogue again with its answer; nothing changes it after that."""
    job = Talks(ONE)
    run = talked(SINGLE, answer=lambda request: None, job=job)
    settle(run, run.requests[0], None)
    assert (job.ended, job.dialogues.seqs(0, 0)) == ([(0, 0)], [None])
    for _ in range(2):
        settle(run, run.requests[0], Completion("late"))
    assert (job.ended, job.dialogues.seqs(0, 0)) == ([(0, 0), (0, 0)], [3])


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_dialogue_that_went_on_without_a_turn_stays_as_it_is(turn: int) -> None:
    """In a dialogue of several turns the later answer to a failed one changes nothing."""
    job = Talks(ONE)
    run = talked(TALK, answer=silent_at(turn), job=job)
    before = job.dialogues.seqs(0, 0)
    assert settle(run, run.requests[turn - 1], Completion("late")) == []
    assert (job.ended, job.dialogues.seqs(0, 0)) == ([(0, 0)], before)


def test_requests_do_not_depend_on_arrival() -> None:
    """In whatever order answers and failures come, the same bodies are asked, each once."""

    def answer(request: Request) -> Completion | None:
        return None if int(request.custom_id[-2:], 16) % 4 == 0 else says(request)

    items = [Item(item=f"{n}", messages=TALK.messages[: 2 + n % 4]) for n in range(9)]
    whole = InMemoryRun(Talks(), items, answer).run()
    assert len(whole.ids()) == 2 * sum(sum(turn.role == "user" for turn in item.messages) for item in items)
    for seed in range(5):
        other = InMemoryRun(Talks(), items, answer, random.Random(seed)).run()
        assert (other.ids(), other.bodies()) == (whole.ids(), whole.bodies())
        retried = run_with_retries(InMemoryRun(Talks(), items, answer), 0.5, random.Random(seed))
        assert (retried.ids(), retried.bodies()) == (whole.ids(), whole.bodies())


def test_of_an_id_that_comes_twice_the_last_item_counts() -> None:
    """After an accepted edit the dialogue goes on with the item as edited."""
    edited = Item(item="talk", messages=(Turn("user", "New?"), Turn("user", "Newer?")))
    job, items = Talks(ONE), [TALK, edited]
    _, asked = job.start(items)
    run = InMemoryRun(job, items, says)
    (after,) = settle(run, asked, Completion("yes"))
    assert isinstance(after, Request)
    assert content(after) == [("user", "New?"), ("assistant", "yes"), ("user", "Newer?")]


def test_start_begins_anew() -> None:
    """A second start forgets the items of the first."""
    job = Talks(ONE)
    list(job.start([SINGLE, SINGLE]))
    run = talked(TALK, job=job)
    assert job.dialogues.seqs(0, 0) == [1, 2, 3]
    assert len(run.requests) == 3


def test_later_turns_are_expected_of_every_model() -> None:
    """As many later turns are expected of each model as will be asked, with the bodies' shape of the real ones."""
    items = [TALK, SINGLE, *(Item(item=f"t{n}", messages=TALK.messages[:4]) for n in range(60))]
    expected = list(Talks().expected(items))
    later = [request for request in talked(*items).requests if told(request)["turn"] > 1]
    for model in ("simulator/one", "two"):
        mine = [one for one in expected if told(one.request)["model"] == model]
        assert sum(one.rows for one in mine) == len(later) / 2
        assert 12 <= len(mine) <= 24
        assert {one.stage for one in mine} == {"answer"}
    roles = {request.custom_id: [role for role, _ in content(request)] for request in later}
    for one in expected:
        assert [role for role, _ in content(one.request)] == roles[one.request.custom_id]
    assert list(Talks().expected([SINGLE])) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, 300),
        ({"max_tokens": 1024}, 300),
        ({"max_completion_tokens": 100, "max_tokens": 9}, 75),
        ({"max_tokens": 1}, 1),
    ],
)
def test_a_typical_answer_is_no_longer_than_its_tokens(options: dict[str, Any], words: int) -> None:
    """What stands for an answer keeps within the limit of the bodies."""
    assert len(typical_answer(options).split()) == words


@pytest.mark.parametrize(
    ("completion", "outcome"),
    [
        (Completion("yes"), Outcome.OK),
        (Completion("cut", "length"), Outcome.OK),
        (Completion("  ", "length"), Outcome.TRUNCATED),
        (Completion(None, "content_filter"), Outcome.FILTERED),
        (Completion(None, "stop", refusal="I will not"), Outcome.REFUSED),
        (Completion(None), Outcome.UNPARSEABLE),
    ],
)
def test_the_verdict_on_an_answer_is_whether_there_is_one(completion: Completion, outcome: Outcome) -> None:
    """Any text is an answer; without one the verdict says why."""
    assert verdict(Answered(seq=1, custom_id="a", metadata={}, completion=completion)) == Verdict("a", outcome)


def test_memory_a_row_is_bounded() -> None:
    """Far under 100 bytes a request are kept, however long the texts are."""
    items = [Item(item=f"item-{n}", messages=(Turn("user", "x" * 2_000),) * 2) for n in range(1_500)]
    models = tuple(ModelName(None, f"m{n}") for n in range(3))
    tracemalloc.start()
    try:
        job = Talks(*models)
        before = tracemalloc.get_traced_memory()[0]
        for _ in job.start(items):
            pass
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert kept / (len(items) * len(models) * 2) < 50


@pytest.mark.parametrize("count", [0, 1, 23, 24, 25, 48, 49, 1_000])
def test_a_spread_stands_for_all(count: int) -> None:
    """Those kept are spread over all that were added, and their shares sum to the count."""
    spread: Spread[int] = Spread()
    for one in range(count):
        spread.add(one)
    kept, shares = [one for one, _ in spread.shares()], [share for _, share in spread.shares()]
    assert sum(shares) == count
    assert max(shares, default=0) - min(shares, default=0) <= 1
    assert min(count, 12) <= len(kept) <= 24
    assert max((b - a for a, b in pairwise([*kept, count])), default=0) <= max(1, count // 12)
