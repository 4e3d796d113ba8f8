"""The RSE job: all models answer, and judges compare each pair of answers as soon as both are there."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.protocol import Request, Verdict
from orchestrator.api import run
from orchestrator.engine import Engine, StopKind
from outputs.items import Item, Turn
from outputs.journal import Log
from prompts.input_error import InputError
from prompts.parsers import reader_for
from prompts.records import Completion, Outcome
from tests.harness.asked_again import run_with_retries, settle
from tests.harness.in_memory import InMemoryRun
from tests.harness.rse_specs import PROMPT, build

EXAMPLE = Path(__file__).resolve().parents[1] / "jobs" / "examples" / "rse.toml"
RATED = "Response Style: [[4]]\nLogical Structure: [[3]]\nContent Detail: [[2]]\nOverall: [[3]]"
SINGLE = Item(item="a/1", dataset="a", messages=(Turn("user", "Why?"),))
TALK = Item(
    item="b/1",
    dataset="b",
    messages=(Turn("system", "Be kind."), Turn("user", "One?"), Turn("user", "Two?"), Turn("user", "Three?")),
)


def told(request: Request) -> dict[str, Any]:
    assert isinstance(request.metadata, dict)
    return request.metadata


def words(request: Request) -> str:
    assert isinstance(request.body, dict)
    text: str = request.body["messages"][-1]["content"]
    return text


def answer(request: Request) -> Completion:
    """Answers tell who gave them and where; judges rate."""
    if told(request)["stage"] == "judge":
        return Completion(RATED, "stop")
    return Completion(f"{told(request)['model']} on {told(request)['turn']}")


def failing(*cases: tuple[str, int]) -> Any:
    """Answers, but for these (model, turn)."""
    return lambda request: None if (told(request)["model"], told(request).get("turn")) in cases else answer(request)


def judged(done: InMemoryRun) -> list[Request]:
    return [request for request in done.requests if told(request)["stage"] == "judge"]


def judge_of(done: InMemoryRun, model: str) -> Request:
    (only,) = (request for request in judged(done) if told(request)["model"] == f"simulator/{model}")
    return only


def test_all_models_answer_and_every_pair_is_judged_once() -> None:
    """Reference and test models are asked, and each test model is judged against the reference, and that too."""
    done = InMemoryRun(build(), [SINGLE], answer).run()
    asked = [request for request in done.requests if told(request)["stage"] == "answer"]
    assert [told(request)["model"] for request in asked] == ["simulator/ref", "simulator/m1", "simulator/m2"]
    assert [request.body for request in asked][1] == {
        "model": "m1",
        "messages": [{"role": "user", "content": "Why?"}],
        "max_tokens": 1024,
    }
    assert Counter(told(request)["model"] for request in judged(done)) == Counter(told(one)["model"] for one in asked)
    request = judge_of(done, "m2")
    assert (request.provider, len(done.ids())) == ("simulator", 6)
    assert told(request) == {
        "stage": "judge",
        "item": "a/1",
        "dataset": "a",
        "model": "simulator/m2",
        "reference": "simulator/ref",
        "control": False,
        "turns": [1],
        "turns_asked": 1,
        "repeat": 0,
        "swapped": False,
        "self_preference": False,
        "prompt": f"rse_judge@{PROMPT.version}",
        "prompt_sha256": PROMPT.sha256,
    }
    assert isinstance(request.body, dict)
    assert request.body | {"messages": []} == {"model": "judge", "messages": [], "temperature": 0, "max_tokens": 1024}
    assert words(request) == PROMPT.render(
        system="", questions=["Why?"], answers_a=["simulator/ref on 1"], answers_b=["simulator/m2 on 1"]
    )


def test_a_pair_is_judged_as_soon_as_both_answers_are_there() -> None:
    """A pair waits for no other model and no other item, whichever of its answers comes first."""
    late = InMemoryRun(build(), [SINGLE, TALK], answer)
    ref, one, two, *_ = late.job.start(late.items)
    for request, expected in ((one, []), (ref, ["simulator/ref", "simulator/m1"]), (two, ["simulator/m2"])):
        made = settle(late, request, answer(request), repeat=False)
        assert made[0] == Verdict(request.custom_id, Outcome.OK)
        assert [told(asked)["model"] for asked in made[1:] if isinstance(asked, Request)] == expected


def test_dialogues_are_judged_turn_by_turn() -> None:
    """The judge sees the system message, and each turn with both answers."""
    request = judge_of(InMemoryRun(build(), [TALK], answer).run(), "m1")
    assert (told(request)["turns"], told(request)["turns_asked"]) == ([1, 2, 3], 3)
    assert "<instructions>Be kind.</instructions>" in words(request)
    places = [
        words(request).index(part)
        for turn, question in enumerate(("One?", "Two?", "Three?"), 1)
        for part in (
            f"Turn {turn} of 3",
            f"<question>{question}</question>",
            f"<answer_a>simulator/ref on {turn}</answer_a>",
            f"<answer_b>simulator/m1 on {turn}</answer_b>",
        )
    ]
    assert places == sorted(places)


def test_a_pair_is_judged_over_the_turns_that_both_answered() -> None:
    """A turn that one of them did not answer is left out of the pair, not of others; without any there is no pair."""
    done = InMemoryRun(build(), [TALK], failing(("simulator/ref", 2), ("simulator/m1", 3))).run()
    assert told(judge_of(done, "m1"))["turns"] == [1]
    assert told(judge_of(done, "m2"))["turns"] == [1, 3]
    assert told(judge_of(done, "ref"))["turns"] == [1, 3]
    assert "Two?" not in words(judge_of(done, "m2"))
    nothing = InMemoryRun(
        build(), [TALK], failing(("simulator/m1", 1), ("simulator/m1", 2), ("simulator/ref", 3))
    ).run()
    assert {told(request)["model"] for request in judged(nothing)} == {"simulator/m2", "simulator/ref"}


def test_an_answer_without_text_is_not_compared() -> None:
    """A refusal by the provider and an empty answer leave no pair, and their verdicts say so."""

    def silent(request: Request) -> Completion:
        return Completion(None, "content_filter") if told(request)["model"] == "simulator/m1" else answer(request)

    done = InMemoryRun(build(), [SINGLE], silent).run()
    assert Counter(verdict.outcome for verdict in done.verdicts) == {Outcome.OK: 4, Outcome.FILTERED: 1}
    assert {told(request)["model"] for request in judged(done)} == {"simulator/m2", "simulator/ref"}


def test_a_failed_answer_that_is_asked_again_completes_its_pairs_once() -> None:
    """The reference's later answer to a prompt of one turn makes all pairs; a further one makes none."""
    done = InMemoryRun(build(), [SINGLE], failing(("simulator/ref", 1), ("simulator/m2", 1))).run()
    assert judged(done) == []
    made = [settle(done, done.requests[0], Completion("late")) for _ in range(2)]
    assert [[told(one)["model"] for one in asked if isinstance(one, Request)] for asked in made] == [
        ["simulator/ref", "simulator/m1"],
        [],
    ]
    assert "<answer_a>late</answer_a>" in words(next(one for one in made[0] if isinstance(one, Request)))


def test_exchanged_order_repeats_and_judges_multiply() -> None:
    """Each judge sees a pair as often as wanted in both orders, and the control in one."""
    job = build("swapped = true\nrepeats = 3", judges=["simulator/judge", "simulator/second"])
    done = InMemoryRun(job, [SINGLE], answer).run()
    rows = Counter((told(request)["model"], told(request)["swapped"]) for request in judged(done))
    assert rows == {
        ("simulator/ref", False): 6,
        ("simulator/m1", False): 6,
        ("simulator/m1", True): 6,
        ("simulator/m2", False): 6,
        ("simulator/m2", True): 6,
    }
    assert len(done.ids()) == len(done.requests)
    for request in judged(done):
        first = "m1" if told(request)["swapped"] else "ref"
        if told(request)["model"] == "simulator/m1":
            assert f"<answer_a>simulator/{first} on 1</answer_a>" in words(request)


def test_the_control_holds_the_reference_against_itself() -> None:
    """The control's rows say so, and it can be left out."""
    control = judge_of(InMemoryRun(build(), [SINGLE], answer).run(), "ref")
    assert told(control)["control"] is True
    assert words(control).count("simulator/ref on 1") == 2
    without = InMemoryRun(build("control = false"), [SINGLE], answer).run()
    assert {told(request)["model"] for request in judged(without)} == {"simulator/m1", "simulator/m2"}


def test_a_judge_of_its_own_answers_is_marked() -> None:
    """Rows whose judge is the judged model or the reference are marked, whoever serves it; a note names the judge."""
    job = build(judges=["simulator/judge", "other/M1"])
    marks = {
        (told(one)["model"], one.body["model"]): told(one)["self_preference"]
        for one in judged(InMemoryRun(job, [SINGLE], answer).run())
        if isinstance(one.body, dict)
    }
    assert [pair for pair, marked in marks.items() if marked] == [("simulator/m1", "M1")]
    assert len(marks) == 6
    (note,) = job.notes()
    assert note.startswith("other/M1 ")
    assert build().notes() == ()
    of_reference = InMemoryRun(build(judges=["simulator/ref"]), [SINGLE], answer).run()
    assert all(told(request)["self_preference"] for request in judged(of_reference))


def items_of(turns: list[int]) -> list[Item]:
    return [
        Item(item=f"i{n}", messages=tuple(Turn("user", f"{n}.{turn}?") for turn in range(count)))
        for n, count in enumerate(turns)
    ]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.integers(0, 2**32), st.sampled_from((0, 3, 6)))
def test_requests_do_not_depend_on_arrival(turns: list[int], seed: int, fails: int) -> None:
    """In whatever order answers, failures and second tries come, the same requests are made, each once."""

    def chance(request: Request) -> Completion | None:
        return None if int(request.custom_id[-4:], 16) % 10 < fails else answer(request)

    def made(arrival: random.Random) -> InMemoryRun:
        job = build("swapped = true", judges=["simulator/judge", "simulator/m1"])
        return run_with_retries(InMemoryRun(job, items_of(turns), chance), 0.5, arrival)

    draw = random.Random(seed)
    first, other = made(draw), made(draw)
    assert first.ids() == other.ids()
    assert first.bodies() == other.bodies()
    assert {one.custom_id: one.metadata for one in first.requests} == {
        one.custom_id: one.metadata for one in other.requests
    }


@pytest.mark.parametrize("more", ["", "swapped = true\nrepeats = 2", "control = false\nswapped = true"])
def test_what_is_expected_is_what_is_asked(more: str) -> None:
    """The rows of each stage and lane that plans count are those that a run without failures asks for later."""
    items = [SINGLE, TALK, *items_of([1 + n % 3 for n in range(50)])]
    job = build(more, judges=["simulator/judge", "simulator/m1"])
    first = {request.custom_id for request in job.start(items)}
    done = InMemoryRun(job, items, answer).run()
    asked = Counter(
        (told(one)["stage"], one.body["model"])
        for one in done.requests
        if one.custom_id not in first and isinstance(one.body, dict)
    )
    expected: Counter[tuple[str, str]] = Counter()
    for one in job.expected(items):
        assert isinstance(one.request.body, dict)
        expected[one.stage, one.request.body["model"]] += one.rows
    assert expected == asked
    assert len(list(job.expected(items))) < 200


def test_the_shipped_prompt_asks_for_what_its_parser_reads() -> None:
    """Three aspects and the overall from 1 to 5, and their mean beside them; the repeated range is no rating."""
    read = reader_for(PROMPT)
    assert read.dimensions == ("response_style", "logical_structure", "content_detail", "overall", "aspect_mean")
    parsed = read(Completion(f"Alike in tone.\n{RATED}"))
    assert {name: score.value for name, score in parsed.scores.items()} == {
        "response_style": 4,
        "logical_structure": 3,
        "content_detail": 2,
        "overall": 3,
        "aspect_mean": 3,
    }
    assert read(Completion(RATED.replace("[[3]]", "[[6]]"))).outcome is Outcome.UNPARSEABLE
    assert read(Completion(PROMPT.body)).outcome is Outcome.UNPARSEABLE
    single = PROMPT.render(system="", questions=["Why?"], answers_a=["x"], answers_b=["y"])
    assert "Turn 1" not in single
    assert "instructions" not in single


@pytest.mark.parametrize(
    ("needed", "items", "about"),
    [
        ("questions[1]", [TALK, SINGLE], "item 'b/1', judged over 1 of its 3 turns: body"),
        ("questions[3]", [TALK, SINGLE], "item 'b/1': body"),
        ("questions[1]", [SINGLE], "item 'a/1': body"),
        ("answers_a[0][0] and answers_b[0]", [SINGLE, TALK], None),
    ],
)
def test_a_prompt_that_an_item_cannot_fill_is_refused_at_once(
    needed: str, items: list[Item], about: str | None
) -> None:
    """Prompt and item are named before the first call, also where only fewer turns than there are cannot fill it."""
    job = build(prompt=PROMPT.text + "{{ " + needed + " }}")
    if about is None:
        assert len(list(job.start(items))) == 3 * len(items)
        return
    with pytest.raises(InputError, match=r"cannot render: .* has no element") as caught:
        list(job.start(items))
    assert (caught.value.file, caught.value.field) == ("prompt rse_judge (as recorded)", about)


def requests_of(folder: Path) -> dict[str, str]:
    """The fingerprint of every request of a run, by its id."""
    lines = [json.loads(line) for line in (folder / Log.REQUESTS.file_name).read_bytes().splitlines()]
    assert len({line["custom_id"] for line in lines}) == len(lines)
    return {line["custom_id"]: line["fingerprint"] for line in lines}


async def test_the_shipped_example_runs_whole_and_in_pieces(tmp_path: Path) -> None:
    """The example is answered whole, and drained and resumed again and again it asks the very same."""
    whole = await run(EXAMPLE, out=tmp_path / "whole")
    items, later, models = 16 + 12 + 8, 13, 4
    assert (whole.exit_code, whole.answered) == (0, (items + later + items) * models)
    draw = random.Random(3)
    for session in range(30):
        pieces = await run(
            tmp_path / "pieces" if session % 2 else EXAMPLE,
            out=tmp_path / "pieces",
            on_engine=interrupting(draw.randint(10, 80)),
        )
        if pieces.exit_code == 0:
            break
    assert session >= 3
    assert pieces.outcomes == {Outcome.OK: whole.answered}
    assert requests_of(tmp_path / "pieces") == requests_of(tmp_path / "whole")


def interrupting(settlements: int) -> Any:
    """Drain the engine once its job was told of so many settlements."""

    def watch(engine: Engine) -> None:
        job, left = engine.follow_up.job, iter(range(settlements, 0, -1))

        class Counting:
            follows_up = True

            def on_settled(self, *told: Any) -> Any:
                if next(left, 0) == 1:
                    engine.drain(StopKind.INTERRUPTED)
                return job.on_settled(*told)

        engine.follow_up.job = Counting()  # type: ignore[assignment]

    return watch
