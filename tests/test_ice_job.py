"""The ICE job: searches that select, mutate, ask, judge and reward, whatever the order in which answers arrive."""

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from jobs.ice.kept import read_back
from jobs.ice.tree import RELEASED
from jobs.protocol import Answered, Failed, Request, RunReader, Verdict
from orchestrator.api import run
from orchestrator.engine import Engine, StopKind
from prompts.records import Completion, Outcome
from tests.harness.asked_again import run_with_retries
from tests.harness.ice import (
    QUESTIONS,
    SEEDS,
    A,
    B,
    make,
    of_stage,
    search,
    tame,
    told,
    wild,
    words,
    write_spec,
    write_words,
)
from tests.harness.in_memory import InMemoryRun

IDS = [question["question"] for question in QUESTIONS]


def settle(request: Request, text: str | None, seq: int = 1, repeat: bool = False) -> Answered | Failed:
    """A settlement of a request: an answer, or a failure where there is no text."""
    known: dict[str, Any] = {"custom_id": request.custom_id, "metadata": told(request), "repeat": repeat, "seq": seq}
    if text is None:
        return Failed(kind="transient", message="no", **known)
    return Answered(completion=Completion(text=text), **known)


class Told(InMemoryRun):
    """A run that is told by hand what settles."""

    def tell(self, request: Request, text: str | None, repeat: bool = False) -> list[Request]:
        """The requests that follow from a settlement."""
        self.settled.append(settle(request, text, len(self.settled) + 1, repeat))
        made = list(self.job.on_settled(self.settled[-1], self))
        self.verdicts += [one for one in made if isinstance(one, Verdict)]
        return [one for one in made if isinstance(one, Request)]


def by_hand(folder: Path, more: str = "iterations = 6") -> tuple[Told, Request]:
    """A run, and the mutation that it begins with."""
    job, items = make(folder, more)
    (first,) = job.start(items)
    return Told(job, items, tame), first


def mutations(done: InMemoryRun, target: str = A, tree: int = 1) -> list[dict[str, Any]]:
    return [told(request) for request in of_stage(done, "mutate", target=target, tree=tree)]


def all_told(done: InMemoryRun) -> dict[str, dict[str, Any]]:
    return {one.custom_id: told(one) for one in done.requests}


def test_a_run_begins_with_one_mutation_for_each_search(tmp_path: Path) -> None:
    """Each tree of each target asks the helper first, and nothing else is asked before its answer."""
    job, items = make(tmp_path, "trees = 2", [A, B])
    first = list(job.start(items))
    assert [(told(one)["target"], told(one)["tree"]) for one in first] == [(A, 1), (A, 2), (B, 1), (B, 2)]
    assert {one.custom_id for one in job.start(items)} == {one.custom_id for one in first}
    for one in first:
        assert re.fullmatch(r"ice-mutate-[A-Za-z0-9_-]{1,53}", one.custom_id)
        assert isinstance(one.body, dict)
        assert (one.provider, one.body["model"], one.body["temperature"]) == ("lab", "helper", 1)
        assert "Seed 1 asks: [QUESTION]" in words(one)


def test_the_questions_are_asked_at_once_through_the_mutated_template(tmp_path: Path) -> None:
    """One request a question, with the question in every slot, to the target, with its parameters."""
    told_run, first = by_hand(tmp_path, "[params]\ntop_p = 0.5")
    asked = told_run.tell(first, "Here: <template>One [QUESTION] and [QUESTION].</template>")
    assert [words(one) for one in asked] == [f"One Who? ({n}) and Who? ({n})." for n in range(1, 5)]
    assert isinstance(asked[0].body, dict)
    assert asked[0].body | {"messages": []} == {"model": "model-a", "messages": [], "max_tokens": 1024, "top_p": 0.5}
    assert {told(one)["slot"] for one in asked} == {"kept"}


def test_a_template_that_lost_its_slot_has_the_question_below_it(tmp_path: Path) -> None:
    """The question stands on a line of its own under the template, and the row says so."""
    told_run, first = by_hand(tmp_path)
    asked = told_run.tell(first, "<template>No place for it.</template>")
    assert words(asked[0]) == "No place for it.\nWho? (1)"
    assert told(asked[0])["slot"] == "appended"


@pytest.mark.parametrize("answer", [None, "", "no template", "<template></template>"])
def test_without_a_mutation_the_selected_template_is_asked_with(tmp_path: Path, answer: str | None) -> None:
    """A helper that fails or answers without a template changes nothing; what was not made is not added to the tree."""
    told_run, first = by_hand(tmp_path)
    asked = told_run.tell(first, answer)
    assert words(asked[0]) == "Seed 1 asks: Who? (1)"
    wanted = {"mutated": False, "node": "s1", "parent": None, "level": 0, "seed": "s1"}
    assert told(asked[0]).items() >= wanted.items()
    whole = search(tmp_path, lambda request: None if told(request)["stage"] == "mutate" else tame(request))
    assert {told(request)["level"] for request in of_stage(whole, "ask")} == {0}
    assert {one["parent"] for one in mutations(whole)} <= {seed["seed"] for seed in SEEDS}


def test_a_conflict_is_judged_again_and_holds_nothing_up(tmp_path: Path) -> None:
    """An answer is judged when it is there, a conflict strictly; the next iteration waits for the loose ones only."""
    told_run, first = by_hand(tmp_path)
    asked = told_run.tell(first, "<template>T [QUESTION]</template>")
    loose = [one for request in asked for one in told_run.tell(request, f"I am {told(request)['question']}'s.")]
    assert [told(one)["stage"] for one in loose] == ["loose"] * 4
    assert "I am q2's." in words(loose[1])
    assert all(fact in words(loose[1]) for fact in ("Model", "Lab", "Here", "Who? (2)"))
    assert told_run.tell(loose[0], "<conflict>0</conflict>") == []
    (strict,) = told_run.tell(loose[1], "<conflict>1</conflict>")
    assert told(strict)["stage"] == "strict"
    assert "I am q2's." in words(strict)
    assert told_run.tell(loose[2], "garbled") == []
    (following,) = told_run.tell(loose[3], None)
    assert (told(following)["stage"], told(following)["iteration"]) == ("mutate", 2)
    assert told_run.tell(strict, "<claim>1</claim>") == []


def test_the_reward_is_the_share_of_conflicts_among_readable_judgements(tmp_path: Path) -> None:
    """Of four rows one is in conflict and one is not; one judgement is garbled, one answer has no text: r is 1/2."""
    verdicts = {"q1": "<conflict>1</conflict>", "q2": "<conflict>0</conflict>", "q3": "no idea"}

    def answer(request: Request) -> Completion | None:
        if told(request)["stage"] == "ask" and told(request)["question"] == "q4":
            return Completion(text="  ")
        return (
            Completion(text=verdicts[told(request)["question"]]) if told(request)["stage"] == "loose" else tame(request)
        )

    done = search(tmp_path, answer, "iterations = 3\nalpha = 1")  # it ends every walk at a seed
    assert [told(one)["question"] for one in of_stage(done, "loose", iteration=1)] == ["q1", "q2", "q3"]
    assert [(one["parent"], one["visits"], one["reward"]) for one in mutations(done)][:2] == [
        ("s1", 0, 0),
        ("s1", 1, 0.5),
    ]
    assert {told(request)["parent_reward"] for request in of_stage(done, "strict", iteration=2)} == {0.5}


def test_a_refused_or_filtered_answer_is_not_judged(tmp_path: Path) -> None:
    """Without a text to judge there is no judgement, and the iteration ends all the same, with a reward of 0."""
    faults = [None, Completion(text="Par", finish_reason="content_filter"), Completion(text=None, refusal="no")]

    def answer(request: Request) -> Completion | None:
        return faults[IDS.index(told(request)["question"]) % 3] if told(request)["stage"] == "ask" else tame(request)

    done = search(tmp_path, answer, "iterations = 2")
    assert (len(of_stage(done, "ask")), of_stage(done, "loose")) == (8, [])
    assert [one["parent"] for one in mutations(done)] == ["s1", "s2"]


def test_a_template_is_kept_only_where_it_had_success(tmp_path: Path) -> None:
    """Where nothing conflicts no template is added: all parents are seeds; where all does, templates get children."""
    barren = search(tmp_path, lambda request: Completion(text="<conflict>0</conflict><template>x</template>"))
    assert {one["level"] for one in mutations(barren)} == {1}
    fertile = search(tmp_path, tame)
    assert {"n1", "s1"} < {one["parent"] for one in mutations(fertile)}
    assert max(one["level"] for one in mutations(fertile)) > 1


def test_rows_say_how_they_came_to_be(tmp_path: Path) -> None:
    """Ask and judge rows name their template's origin and their question, mutate rows what was selected, and why."""
    done = search(tmp_path, tame, "iterations = 2")
    mutate, ask, loose, strict = (
        of_stage(done, stage, iteration=1)[0] for stage in ("mutate", "ask", "loose", "strict")
    )
    origin = {"target": A, "tree": 1, "iteration": 1, "node": "n1", "parent": "s1", "level": 1, "seed": "s1"}
    about = {"question": "q1", "field": "team", "language": "en", "slot": "kept", "mutated": True, "misleading": []}
    for one in (ask, loose, strict):
        assert told(one).items() >= (origin | about | {"item": "question/q1", "parent_visits": 0}).items()
        assert re.fullmatch("[0-9a-f]{16}", told(one)["template_sha256"])
    assert told(mutate).items() >= (origin | {"visits": 0, "uct": 0.0, "reward": 0.0}).items()
    assert told(mutate)["prompt"] == f"ice_{told(mutate)['operator']}@1.0"
    assert told(loose).items() >= {"model": A, "repeat": 0, "swapped": False, "prompt": "ice_loose@1.0"}.items()


def test_misleading_words_are_found_in_the_template_whatever_their_case(tmp_path: Path) -> None:
    """The words of the spec that the mutated template has in it, but not those of a question."""
    told_run, first = by_hand(tmp_path, 'misleading_words = ["OpenAI", "gpt", "who"]')
    (one, *_) = told_run.tell(first, "<template>The OPENAI form, ChatGPT: [QUESTION]</template>")
    assert told(one)["misleading"] == ["OpenAI", "gpt"]


def test_a_crossover_has_a_partner_from_the_pool(tmp_path: Path) -> None:
    """The partner is a seed or a template added before, its text is in the prompt; other operators have none."""
    done = search(tmp_path, tame, "iterations = 40")
    known = {seed["seed"]: seed["template"].replace("[QUESTION]", "") for seed in SEEDS}
    partners, operators = set(), set()
    for request in of_stage(done, "mutate"):
        partner, operator = told(request)["partner"], told(request)["operator"]
        operators.add(operator)
        assert (operator == "crossover") == (partner is not None)
        if partner is not None:
            partners.add(partner[0])
            assert known[partner] in words(request)
        made = of_stage(done, "ask", iteration=told(request)["iteration"])[0]
        known[told(made)["node"]] = words(made).replace("Who? (1)", "")
    assert operators == {"crossover", "expand", "generate_similar", "shorten", "rephrase"}
    assert partners == {"s", "n"}


def test_the_requests_do_not_depend_on_the_order_of_arrival(tmp_path: Path) -> None:
    """Whatever settles first, failures and garbled judgements among it, the same is asked and told of it."""
    more = "trees = 2\niterations = 8\nseed = 3"
    whole = search(tmp_path, wild, more, [A, B])
    assert len(whole.ids()) > 2 * 2 * 8
    assert {told(one)["mutated"] for one in of_stage(whole, "ask")} == {True, False}
    assert max(one["level"] for one in mutations(whole)) > 1
    for order in range(6):
        other = search(tmp_path, wild, more, [A, B], Random(order))
        assert other.bodies() == whole.bodies()
        assert {one.custom_id: told(one) for one in other.requests} == {
            one.custom_id: told(one) for one in whole.requests
        }


def test_another_seed_draws_otherwise(tmp_path: Path) -> None:
    """The spec's seed decides on operators and partners; so do the tree's number and the target's name."""

    def drawn(seed: int, target: str = A, tree: int = 1) -> list[str]:
        done = search(tmp_path, tame, f"iterations = 12\ntrees = 2\nseed = {seed}", [A, B])
        return [one["operator"] for one in mutations(done, target, tree)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert drawn(1) != drawn(1, tree=2)
    assert drawn(1) != drawn(1, target=B)


def test_targets_do_not_influence_each_other(tmp_path: Path) -> None:
    """What is asked for a target is the same with another beside it."""
    alone = search(tmp_path, wild, "iterations = 8")
    beside = search(tmp_path, wild, "iterations = 8", [B, A])
    of_a = {one.custom_id: one.body for one in beside.requests if told(one)["target"] == A}
    assert of_a == alone.bodies()


@pytest.mark.parametrize(
    ("more", "iterations"),
    [
        ("queries = 11", 2),
        ("queries = 12", 3),
        ("iterations = 5", 5),
        ("queries = 8\niterations = 5", 2),
        ("conflicts = 9", 3),
        ("conflicts = 8\nqueries = 100", 2),
        ("conflicts = 1", 1),
        ('queries = 11\nlanguages = ["en"]', 5),
    ],
)
def test_a_search_stops_by_questions_iterations_or_conflicts(tmp_path: Path, more: str, iterations: int) -> None:
    """No iteration is begun that would pass the questions, or after so many conflicts; all four answers conflict."""
    done = search(tmp_path, tame, more)
    assert [one["iteration"] for one in mutations(done)] == [*range(1, iterations + 1)]


def test_released_tries_each_seed_once(tmp_path: Path) -> None:
    """Under the released policy the walk ends at the next seed each time, though every answer is a success."""
    done = search(tmp_path, tame, f'policy = "{RELEASED}"\niterations = 6')
    assert [one["parent"] for one in mutations(done)] == [seed["seed"] for seed in SEEDS]


def test_what_comes_late_is_judged_and_changes_nothing_in_the_search(tmp_path: Path) -> None:
    """What is answered only when it was asked again has its judgements, and the search goes on as if it had none."""
    told_run, first = by_hand(tmp_path)
    asked = told_run.tell(first, None)
    assert told_run.tell(first, "<template>Late [QUESTION]</template>", repeat=True) == []
    (loose,) = told_run.tell(asked[0], "I am.")
    assert told_run.tell(asked[1], None) == []
    (late,) = told_run.tell(asked[1], "I am late.", repeat=True)
    assert (told(late)["stage"], told(late)["question"]) == ("loose", IDS[1])
    assert told_run.tell(loose, None) == []
    (strict,) = told_run.tell(loose, "<conflict>1</conflict>", repeat=True)
    assert (told(strict)["stage"], "I am." in words(strict)) == ("strict", True)
    (strict,) = told_run.tell(late, "<conflict>1</conflict>")
    assert "I am late." in words(strict)
    assert {name: told(strict)[name] for name in told(asked[1]) if name != "stage"} == {
        name: value for name, value in told(asked[1]).items() if name != "stage"
    }
    assert [verdict.outcome for verdict in told_run.verdicts] == [Outcome.OK, Outcome.OK]


def test_failures_asked_again_leave_the_search_as_it_was(tmp_path: Path) -> None:
    """In whatever order retries come, templates and questions are those of a run without them, and ids are unique."""
    more = "trees = 2\niterations = 6\nseed = 3"
    whole = search(tmp_path, wild, more, [A, B])
    again = [
        run_with_retries(InMemoryRun(*make(tmp_path, more, [A, B]), wild), 0.7, Random(order)) for order in range(4)
    ]
    assert all(run.bodies() == again[0].bodies() and run.ids() for run in again)
    assert len(again[0].requests) > len(whole.requests)
    for stage in ("mutate", "ask"):
        assert {one.custom_id for one in of_stage(again[0], stage)} == {one.custom_id for one in of_stage(whole, stage)}


def test_verdicts_are_on_the_judge(tmp_path: Path) -> None:
    """Every answer of its has one; a target's and the helper's have none, so that no unread mutation stops a search."""
    done = search(tmp_path, wild)
    answered = {one.custom_id: one.metadata["stage"] for one in done.settled if isinstance(one, Answered)}
    wanted = {custom_id for custom_id, stage in answered.items() if stage in ("loose", "strict")}
    assert set(answered.values()) == {"mutate", "ask", "loose", "strict"}
    assert {verdict.custom_id for verdict in done.verdicts} == wanted
    assert {verdict.outcome for verdict in done.verdicts} == {Outcome.OK, Outcome.REFUSED, Outcome.UNPARSEABLE}


def test_what_will_follow_is_named_with_its_lanes(tmp_path: Path) -> None:
    """Counts for searches that run to their end, a third of the answers in conflict; every model is in a request."""
    job, items = make(tmp_path, "trees = 2\niterations = 3", [A, B])
    expected = list(job.expected(items))
    assert [(one.stage, one.rows) for one in expected] == [
        ("mutate", 8), ("ask", 24), ("ask", 24), ("loose", 48), ("strict", 16)
    ]  # fmt: skip
    models = [
        (one.request.provider, one.request.body["model"]) for one in expected if isinstance(one.request.body, dict)
    ]
    assert models == [("lab", name) for name in ("helper", "model-a", "model-b", "judge", "judge")]


def test_a_judge_of_its_own_answers_is_noted(tmp_path: Path) -> None:
    """Where the judge is a target the run says so beforehand, and its rows are marked."""
    marked = {}
    for target in (A, "lab/judge"):
        job, items = make(tmp_path, "iterations = 1", [target])
        done = InMemoryRun(job, items, tame).run()
        marked[target] = (len(job.notes()), {told(one)["self_preference"] for one in of_stage(done, "strict")})
    assert marked == {A: (0, {False}), "lab/judge": (1, {True})}


def test_the_items_are_all_that_a_search_needs(tmp_path: Path) -> None:
    """After a change of the words the items of both are there; the later words count, in their own order."""
    job, before = make(tmp_path)
    questions = [{**QUESTIONS[2], "text": "New?"}, QUESTIONS[0]]
    write_words(tmp_path, questions=questions)
    changed, after = make(tmp_path)
    found, facts = read_back([*before, *after])
    assert [(question.question, question.text) for question in found.questions] == [("q3", "New?"), ("q1", "Who? (1)")]
    assert [seed.seed for seed in found.seeds] == [seed["seed"] for seed in SEEDS]
    assert facts[A].developer == "Lab"
    assert {one.custom_id for one in changed.start([*before, *after])} == {
        one.custom_id for one in changed.start(after)
    }
    assert {one.custom_id for one in job.start(before)} != {one.custom_id for one in changed.start(after)}


async def test_interrupted_again_and_again_it_asks_the_same(tmp_path: Path) -> None:
    """However often a run with failures is drained and resumed, its requests are those of one that was not."""
    spec = write_spec(tmp_path, "iterations = 5", ["claims-60-30-fails-30"], judge="judge-garbles-10")
    whole = await run(spec, out=tmp_path / "whole", simulate=True)
    assert whole.exit_code == 3
    draw = Random(1)
    for session in range(40):
        source = tmp_path / "run" if session % 2 else spec
        drain = _drain_after(draw.randint(1, 12))
        result = await run(source, out=tmp_path / "run", simulate=True, concurrency=draw.randint(1, 8), on_engine=drain)
        if result.exit_code != 130:
            break
    assert session >= 3
    assert (result.exit_code, result.answered, result.failed) == (3, whole.answered, whole.failed)
    assert asked(tmp_path / "run") == asked(tmp_path / "whole")
    assert {stage for _, _, stage in asked(tmp_path / "run")} == {"mutate", "ask", "loose", "strict"}


def asked(folder: Path) -> set[tuple[str, str, str]]:
    lines = map(json.loads, (folder / "requests.jsonl").read_bytes().splitlines())
    return {(line["custom_id"], line["fingerprint"], line["metadata"]["stage"]) for line in lines}


def _drain_after(settlements: int) -> Callable[[Engine], None]:
    """Drain the engine once its job was told of so many settlements."""

    def watch(engine: Engine) -> None:
        job, left = engine.follow_up.job, iter(range(settlements, 0, -1))

        class Counting:
            follows_up = True

            def on_settled(self, settled: Answered | Failed, run: RunReader) -> Iterable[Request | Verdict]:
                if next(left, 0) == 1:
                    engine.drain(StopKind.INTERRUPTED)
                return job.on_settled(settled, run)

        engine.follow_up.job = Counting()  # type: ignore[assignment]

    return watch
