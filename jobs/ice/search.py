"""One search: one target, one tree. An iteration selects a template, has it mutated, asks, judges, and rewards.

An iteration's questions run at once and each answer is judged as soon as it is there. The iteration is over when every
question has its loose judgement, or will have none; strict judgements hold nothing up. The first settlement of a
request counts, and all draws are keyed by (seed, target, tree, iteration, purpose).

What was asked again after its final failure comes too late for the search, which has gone on without it. It is judged
all the same, for the tables.
"""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from jobs.draws import generator
from jobs.ice.operators import CROSSOVER, OPERATORS, Mutating
from jobs.ice.operators import STAGE as MUTATE
from jobs.ice.rows import ASK, LOOSE, STRICT, Asking, Place, made_of, said
from jobs.ice.tree import Node, Rules, Selection, Tree
from jobs.ice.words import Fact, Words, digest
from jobs.models import ModelName
from jobs.protocol import Answered, Failed, Request, RunReader
from prompts.records import Completion


@dataclass(frozen=True, slots=True)
class Method:
    """What all searches of a run share. `conflicts`: a search begins no further iteration once it has so many."""

    seed: int
    rules: Rules
    mutating: Mutating
    asking: Asking
    conflicts: int | None = None


@dataclass(slots=True)
class Iteration:
    """The iteration under way. `template` is what its questions are put through, `made` how that came to be."""

    number: int
    selection: Selection
    operator: str
    partner: Node | None
    template: str | None = None  # until the mutation has settled
    mutated: bool = False
    made: Mapping[str, Any] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)
    unjudged: set[str] = field(default_factory=set)
    judged: int = 0
    conflicts: int = 0

    @property
    def over(self) -> bool:
        return not self.unanswered and not self.unjudged

    @property
    def share(self) -> float:
        """The share of conflicts among the judgements that could be read; 0 where there is none."""
        return self.conflicts / self.judged if self.judged else 0.0


class Search:
    """The search `number` of a target, of `iterations` at most. It keeps its templates, and 8 bytes an answer."""

    def __init__(
        self, method: Method, target: ModelName, number: int, fact: Fact, words: Words, iterations: int
    ) -> None:
        self.tree = Tree(((seed.seed, seed.template) for seed in words.seeds), method.rules)
        self._method, self._target, self._number, self._fact = method, target, number, fact
        self._questions = {question.question: question for question in words.questions}
        self._words = (words.edition, digest(fact))
        self._iterations, self._conflicts = iterations, 0
        self._now: Iteration | None = None
        self._numbers = {name: number for number, name in enumerate(self._questions)}
        self._answers: dict[int, array[int]] = {}  # by iteration, the seqs of the answers by the question's number

    def begin(self) -> Iterator[Request]:
        """The request that the next iteration begins with; none where the search is at its end."""
        number = 1 if self._now is None else self._now.number + 1
        most = self._method.conflicts
        if number > self._iterations or (most is not None and self._conflicts >= most):
            return
        place = self._place(number)
        selection = self.tree.select(number, self._draw(place, "select"))
        operator = self._draw(place, "operator").choice(OPERATORS)
        partner = self._draw(place, "partner").choice(self.tree.pool) if operator == CROSSOVER else None
        self._now = Iteration(number, selection, operator, partner)
        yield self._mutate(place, self._now)

    def settled(self, settled: Answered | Failed, run: RunReader) -> list[Request]:
        """What follows from a settlement of one of the search's requests."""
        now, told = self._now, settled.metadata
        completion = settled.completion if isinstance(settled, Answered) else None
        if now is None or told["stage"] == STRICT:
            return []
        if told["stage"] == ASK and completion is not None:
            self._seqs(told["iteration"])[self._numbers[told["question"]]] = settled.seq
        if settled.repeat or told["iteration"] != now.number:
            return self._late(told, completion, run)
        if told["stage"] == MUTATE:
            return self._ask(now, completion)
        if told["stage"] == ASK:
            return self._answered(now, told["question"], completion)
        if told["question"] not in now.unjudged:
            return self._late(told, completion, run)
        return self._judged(now, told["question"], completion, run)

    def _mutate(self, place: Place, now: Iteration) -> Request:
        selected, partner = now.selection.node, now.partner
        about = {**_origin(now, mutated=True), "template_sha256": digest(selected.template)}
        known = {"visits": now.selection.visits, "uct": now.selection.score, "reward": now.selection.reward}
        return self._method.mutating.request(
            now.operator,
            selected.template,
            None if partner is None else partner.template,
            place.readable(),
            (*place.parts, *self._words),  # so that a run whose words were changed is seen to be another
            {**place.metadata, **about, **known},
        )

    def _ask(self, now: Iteration, completion: Completion | None) -> list[Request]:
        if now.template is not None:
            return []
        asking = self._method.asking
        made = None if completion is None else self._method.mutating.template(now.operator, completion)
        now.mutated = made is not None
        now.template = template = now.selection.node.template if made is None else made
        known = {"parent_visits": now.selection.visits, "parent_reward": now.selection.reward}
        now.made = {**_origin(now, mutated=now.mutated), **known, **asking.about(template)}
        now.unanswered = set(self._questions)
        place = self._place(now.number)
        return [asking.ask(place, template, question, now.made) for question in self._questions.values()]

    def _answered(self, now: Iteration, question: str, completion: Completion | None) -> list[Request]:
        now.unanswered.remove(question)
        answer = None if completion is None else said(completion)
        if answer is None:
            return self._go_on(now)
        now.unjudged.add(question)
        return self._judge(LOOSE, now.number, question, answer, now.made)

    def _judged(self, now: Iteration, question: str, completion: Completion | None, run: RunReader) -> list[Request]:
        now.unjudged.remove(question)
        conflict = self._conflict(completion)
        now.judged += conflict is not None
        if not conflict:
            return self._go_on(now)
        now.conflicts += 1
        answer = self._said(now.number, question, run)
        return self._judge(STRICT, now.number, question, answer, now.made) + self._go_on(now)

    def _late(self, told: Mapping[str, Any], completion: Completion | None, run: RunReader) -> list[Request]:
        """The judgement of what was answered, or found to be in conflict, when the search had gone on without it."""
        iteration, question = told["iteration"], told.get("question")
        if completion is None or question is None:
            return []
        if told["stage"] == ASK:
            answer = said(completion)
            return [] if answer is None else self._judge(LOOSE, iteration, question, answer, made_of(told))
        if not self._conflict(completion):
            return []
        return self._judge(STRICT, iteration, question, self._said(iteration, question, run), made_of(told))

    def _conflict(self, completion: Completion | None) -> bool | None:
        return None if completion is None else self._method.asking.verdict(LOOSE, completion)

    def _said(self, iteration: int, question: str, run: RunReader) -> str:
        return said(run.completion(self._seqs(iteration)[self._numbers[question]])) or ""

    def _seqs(self, iteration: int) -> "array[int]":
        return self._answers.setdefault(iteration, array("Q", bytes(8 * len(self._numbers))))

    def _judge(self, stage: str, iteration: int, question: str, answer: str, made: Mapping[str, Any]) -> list[Request]:
        place, asked = self._place(iteration), self._questions[question]
        return list(self._method.asking.judge_answer(stage, place, asked, self._fact, answer, made))

    def _go_on(self, now: Iteration) -> list[Request]:
        """Where the iteration is over: reward its templates, keep a new one that had success, begin the next."""
        if not now.over:
            return []
        self.tree.back_propagate(now.selection, now.share)
        if now.mutated and now.share > 0:
            assert now.template is not None
            self.tree.add_child(now.selection.node, _name(now), now.template)
        self._conflicts += now.conflicts
        return list(self.begin())

    def _place(self, iteration: int) -> Place:
        return Place(self._target, self._number, iteration)

    def _draw(self, place: Place, purpose: str) -> Random:
        return generator(self._method.seed, "ice", *place.parts, purpose)


def _name(now: Iteration) -> str:
    """What the template that an iteration makes is called."""
    return f"n{now.number}"


def _origin(now: Iteration, *, mutated: bool) -> dict[str, Any]:
    """How an iteration's template came to be; one that was not mutated is the selected one itself."""
    selected = now.selection.node
    parent = selected if mutated else selected.parent
    return {
        "node": _name(now) if mutated else selected.name,
        "parent": None if parent is None else parent.name,
        "level": selected.level + mutated,
        "seed": now.selection.path[0].name,
        "operator": now.operator,
        "partner": None if now.partner is None else now.partner.name,
        "mutated": mutated,
    }
