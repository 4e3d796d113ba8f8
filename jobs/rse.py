"""RSE, response similarity evaluation: how alike the answers of test models and of a reference model are, to a judge.

All models answer all prompts, turn by turn (see `dialogues`). As soon as both answers to a prompt are there, every
judge rates the pair on three aspects and overall, 1 to 5; answer A is the reference model's. Source of the method: Lee
et al., ACL 2025 long.248, arXiv 2501.12619. Its judge prompt is not published: the shipped one is ours. What the
ratings mean is read from the raw answers later, by the parser that the prompt's header names.

A pair is judged over the turns that both models have answered, which its metadata names, and not at all where there is
none. As a control the reference's answers are judged against themselves, in one order only, for another would be the
same. Where a judge rates its own answers, or others against its own, the row is marked `self_preference`; models are
told by what stands behind the last slash of their names, for one model may have several providers.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import msgspec

from jobs.bodies import check_params, with_params
from jobs.datasets import Holds, open_datasets
from jobs.dialogues import Dialogues, Ended, questions, turns_of, typical_answer, verdict
from jobs.filling import render
from jobs.judging import Judging, make_judging
from jobs.materials import Materials
from jobs.models import ModelName, bare_name, read_model, read_models, refuse_doubtful
from jobs.protocol import Answered, Expected, Failed, Request, RunReader, Verdict
from jobs.registry import DatasetSpec, JobKind, JobSpec
from jobs.spread import SpreadByDataset
from outputs.items import Item
from prompts.input_error import InputError

NAME = "rse"
USUAL = {"max_tokens": 1024}
VARIABLES = ("system", "questions", "answers_a", "answers_b")
SWAP = ("answers_a", "answers_b")
_REFERENCE = 0  # its place among the models of the dialogues


class RSESpec(JobSpec, frozen=True, kw_only=True):
    """The spec of an RSE run. `params` goes into the answers' bodies, `judge_params` into the judgements'."""

    reference: str
    models: list[str]
    judges: list[str]
    datasets: list[DatasetSpec]
    prompt: str = "rse_judge"
    judge_params: dict[str, Any] = msgspec.field(default_factory=dict)
    repeats: int = 1
    swapped: bool = False
    control: bool = True


@dataclass(slots=True)
class RSEJob:
    """`dialogues` has the reference model first, then the test models."""

    dialogues: Dialogues
    judging: Judging
    control: bool
    read_datasets: Sequence[Callable[[], Iterator[Item]]]
    name: str = NAME
    follows_up: bool = True

    def items(self) -> Iterator[Item]:
        """The prompts of all datasets. Raises InputError."""
        return chain.from_iterable(read() for read in self.read_datasets)

    def start(self, items: Iterable[Item]) -> Iterator[Request]:
        """Every model's first turn, item by item, so that pairs are complete early.

        Raises InputError for an item that the judges' prompt cannot be rendered for.
        """
        self.dialogues.forget()
        said = typical_answer(self.dialogues.options)
        for item in items:
            self._check_judged(item, said)
            yield from self.dialogues.begin(item)

    def expected(self, items: Iterable[Item]) -> Iterator[Expected]:
        """The later turns, and the judgements, over a sample of each dataset with stand-ins for the answers."""
        judged = SpreadByDataset()
        yield from self.dialogues.expected(judged.passing(items))
        said, once = typical_answer(self.dialogues.options), replace(self.judging, repeats=1, swap=None)
        for item, count in judged.shares():
            answers = dict.fromkeys(range(1, turns_of(item) + 1), said)
            for request in self._judgements(once, item, self._tested[0], answers, answers):
                yield Expected(stage=once.stage, rows=count * self._rows_per_judge, request=request)

    def on_settled(self, settled: Answered | Failed, run: RunReader) -> Iterator[Request | Verdict]:
        """The next turn of a dialogue, the judgements of the pairs that it completes, and what became of an answer."""
        judged = settled.metadata["stage"] == self.judging.stage
        if isinstance(settled, Answered):
            yield self.judging.verdict(settled) if judged else verdict(settled)
        if not judged:
            after = self.dialogues.follow(settled, run)
            if isinstance(after, Ended):
                yield from self._completed(after, run)
            elif after is not None:
                yield after

    def notes(self) -> tuple[str, ...]:
        """What is to be known of the run before it starts, in plain sentences."""
        known = {bare_name(model.model) for model in self.dialogues.models}
        return tuple(
            f"{judge} judges pairs with answers of its own: it may prefer them, and these judgements are marked "
            "self_preference"
            for judge in self.judging.judges
            if bare_name(judge.model) in known
        )

    @property
    def _tested(self) -> tuple[ModelName, ...]:
        return self.dialogues.models[_REFERENCE + 1 :]

    @property
    def _rows_per_judge(self) -> int:
        """Judgements of one item by one judge."""
        return len(self._tested) * self.judging.per_judge + self.control * self.judging.repeats

    def _check_judged(self, item: Item, said: str) -> None:
        """Raise InputError where the judges' prompt cannot be rendered, over all turns or were only one answered."""
        turns, about = turns_of(item), f"item {item.item!r}"
        for compared in sorted({turns, 1}, reverse=True):
            where = about if compared == turns else f"{about}, judged over {compared} of its {turns} turns"
            answers = dict.fromkeys(range(1, compared + 1), said)
            render(self.judging.prompt, where, _shown(item, answers, answers))

    def _completed(self, ended: Ended, run: RunReader) -> Iterator[Request]:
        """The judgements of the pairs whose second dialogue has ended."""
        if ended.model != _REFERENCE:
            if self.dialogues.has_ended(_REFERENCE, ended.place):
                yield from self._judge(ended.model, ended.place, run)
            return
        for model in range(len(self.dialogues.models)):
            if self.control if model == _REFERENCE else self.dialogues.has_ended(model, ended.place):
                yield from self._judge(model, ended.place, run)

    def _judge(self, model: int, place: int, run: RunReader) -> Iterator[Request]:
        """The judgements of a pair, none where no turn has both answers."""
        pairs = zip(self.dialogues.seqs(_REFERENCE, place), self.dialogues.seqs(model, place), strict=True)
        both = {turn: (a, b) for turn, (a, b) in enumerate(pairs, 1) if a is not None and b is not None}
        if not both:
            return
        answers_a, answers_b = (
            {turn: run.completion(seqs[side]).text or "" for turn, seqs in both.items()} for side in (0, 1)
        )
        judging = replace(self.judging, swap=None) if model == _REFERENCE else self.judging
        yield from self._judgements(judging, run.item(place), self.dialogues.models[model], answers_a, answers_b)

    def _judgements(
        self, judging: Judging, item: Item, model: ModelName, answers_a: dict[int, str], answers_b: dict[int, str]
    ) -> Iterator[Request]:
        """The requests about one pair; the answers are by turn."""
        reference = self.dialogues.models[_REFERENCE]
        told: dict[str, Any] = {"item": item.item} | ({"dataset": item.dataset} if item.dataset else {})
        told |= {"model": str(model), "reference": str(reference), "control": model == reference}
        told |= {"turns": list(answers_a), "turns_asked": turns_of(item)}
        shown, about = _shown(item, answers_a, answers_b), (item.item, str(model))
        return judging.requests(NAME, item.item, about, shown, authors=(model.model, reference.model), **told)


def _shown(item: Item, answers_a: dict[int, str], answers_b: dict[int, str]) -> dict[str, Any]:
    """What the judges' prompt is filled with; the answers are by turn."""
    asked = questions(item)
    return {
        "system": "\n\n".join(message.content for message in item.messages if message.role == "system"),
        "questions": [asked[turn - 1] for turn in answers_a],
        "answers_a": list(answers_a.values()),
        "answers_b": list(answers_b.values()),
    }


def build(spec: RSESpec, materials: Materials) -> RSEJob:
    """The job of a spec. Raises InputError."""
    source = materials.source
    models = _models(spec, materials)
    check_params(spec.params, source)
    judging = make_judging(
        materials,
        judges=spec.judges,
        prompt=spec.prompt,
        variables=VARIABLES,
        params=spec.judge_params,
        repeats=spec.repeats,
        swap=SWAP if spec.swapped else None,
        keys={"params": "judge_params"},
    )
    if not set(SWAP) <= set(judging.prompt.variables):
        what = f"a prompt that compares answers has {' and '.join(SWAP)}"
        raise InputError(what, file=judging.prompt.source, field="variables")
    dialogues = Dialogues(NAME, models, with_params(USUAL, spec.params))
    read_datasets = open_datasets(spec.datasets, materials, "prompts", Holds.PROMPTS)
    return RSEJob(dialogues, judging, spec.control, read_datasets)


def _models(spec: RSESpec, materials: Materials) -> tuple[ModelName, ...]:
    """The reference model and then the test models."""
    reference = read_model(spec.reference, materials.providers, materials.source, "reference")
    tested = read_models(spec.models, materials.providers, materials.source)
    if reference in tested:
        what = f"{reference} is the reference: against itself it is judged by control = true"
        raise InputError(what, file=materials.source, field=f"models[{tested.index(reference)}]")
    refuse_doubtful(tested, reference, materials.source, "reference")
    return reference, *tested


KIND = JobKind(
    RSESpec,
    build,
    "RSE: a judge says how alike the answers of test models and of a reference model are",
    "rse",
    tuple(f"prompts_constructed_{name}.jsonl" for name in ("open", "reasoning", "dialogues")),
)
