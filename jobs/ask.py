"""Several models answer a prompt set or a question about every row of a table; judges may rate each answer.

Without `prompt` the messages of a prompt set go out as they stand, dialogues turn by turn (see `dialogues`). With it,
the prompt is filled with the columns of a row, and with `question`, what the user asks, where the row is of a prompt
set.

Judges are asked as soon as a model has answered, of a dialogue its last turn. Their prompt is filled with the row's
columns and with `question`, `answer`, `model` and `turns`, the questions and answers of a dialogue so far. An answer
that has no text, or whose request finally failed, is not judged. Where a judge rates answers of its own, the row is
marked `self_preference`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import msgspec

from jobs.bodies import check_params, prompt_metadata, with_params
from jobs.datasets import Holds, find_reader, open_datasets
from jobs.dialogues import Dialogues, Ended, questions, typical_answer, verdict
from jobs.filling import fill, render
from jobs.judging import MOST_REPEATS, Judging, make_judging
from jobs.materials import Materials
from jobs.models import ModelName, bare_name, read_models
from jobs.protocol import Answered, Expected, Failed, Request, RunReader, Verdict
from jobs.registry import DatasetSpec, JobKind, JobSpec
from jobs.spread import SpreadByDataset
from outputs.items import Item, Turn
from prompts.input_error import InputError
from prompts.template import Prompt

NAME = "ask"
_JUDGED = "ask-judge"
USUAL = {"max_tokens": 1024}
USUAL_READER = "prompts"
_SOME_ANSWER = "Some answer."


class AnswerJudgeSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`[judge]`: who rates the answers, and how."""

    prompt: str
    models: list[str]
    repeats: int = 1
    params: dict[str, Any] = {}


class AskSpec(JobSpec, frozen=True, kw_only=True):
    """The spec of a run that asks. Each model answers `repeats` times."""

    models: list[str]
    datasets: list[DatasetSpec]
    prompt: str = ""
    repeats: int = 1
    judge: AnswerJudgeSpec | None = None


@dataclass(slots=True)
class AskJob:
    """`dialogues` has one set for each repeat. Without `prompt` every item has messages of its own."""

    dialogues: tuple[Dialogues, ...]
    prompt: Prompt | None
    judging: Judging | None
    read_datasets: Sequence[Callable[[], Iterator[Item]]]
    name: str = NAME
    follows_up: bool = True

    def items(self) -> Iterator[Item]:
        """The items of all datasets. Raises InputError."""
        return chain.from_iterable(read() for read in self.read_datasets)

    def start(self, items: Iterable[Item]) -> Iterator[Request]:
        """Every model's first turn, item by item. Raises InputError for a row that a prompt cannot be filled with."""
        for dialogues in self.dialogues:
            dialogues.forget()
        for item in items:
            asked = self._asked(item)
            self._check_judged(asked)
            for repeat, dialogues in enumerate(self.dialogues):
                yield from (self._marked(request, repeat) for request in dialogues.begin(asked))

    def expected(self, items: Iterable[Item]) -> Iterator[Expected]:
        """The later turns, and the judgements, over a sample of each dataset with stand-ins for the answers."""
        judged, first, times = SpreadByDataset(), self.dialogues[0], len(self.dialogues)
        for later in first.expected(judged.passing(map(self._asked, items))):
            yield msgspec.structs.replace(later, rows=later.rows * times, request=self._marked(later.request, 0))
        if self.judging is None:
            return
        said, once = typical_answer(first.options), replace(self.judging, repeats=1)
        for item, count in judged.shares():
            rows = count * len(first.models) * times * self.judging.per_judge
            for request in self._judgements(once, item, first.models[0], 0, [said] * len(questions(item))):
                yield Expected(stage=once.stage, rows=rows, request=request)

    def on_settled(self, settled: Answered | Failed, run: RunReader) -> Iterator[Request | Verdict]:
        """The next turn of a dialogue, the judgements of an answer, and what became of it."""
        if self.judging is not None and settled.metadata["stage"] == self.judging.stage:
            if isinstance(settled, Answered):
                yield self.judging.verdict(settled)
            return
        if isinstance(settled, Answered):
            yield verdict(settled)
        repeat = settled.metadata["repeat"]
        after = self.dialogues[repeat].follow(settled, run)
        if isinstance(after, Request):
            yield self._marked(after, repeat)
        elif after is not None:
            yield from self._judge(after, repeat, run)

    def notes(self) -> tuple[str, ...]:
        """What is to be known of the run before it starts, in plain sentences."""
        judges = () if self.judging is None else self.judging.judges
        known = {bare_name(model.model) for model in self.dialogues[0].models}
        return tuple(
            f"{judge} judges answers of its own: it may prefer them, and these judgements are marked self_preference"
            for judge in judges
            if bare_name(judge.model) in known
        )

    def _asked(self, item: Item) -> Item:
        """The item with the messages that are asked."""
        if self.prompt is None:
            return item
        asked = questions(item)
        if len(asked) > 1:
            what = f"item {item.item!r} is a dialogue of {len(asked)} turns: a prompt is filled with one question"
            raise InputError(what, file=self.prompt.source)
        variables = fill(self.prompt, item, {"question": asked[-1]} if asked else {})
        words = render(self.prompt, f"item {item.item!r}", variables)
        system = (message for message in item.messages if message.role == "system")
        return msgspec.structs.replace(item, messages=(*system, Turn("user", words)))

    def _marked(self, request: Request, repeat: int) -> Request:
        """An answer's request, which says besides which repeat it is and what it was asked with."""
        assert isinstance(request.metadata, dict)
        asked_with = {} if self.prompt is None else prompt_metadata(self.prompt)
        return msgspec.structs.replace(request, metadata={**request.metadata, "repeat": repeat, **asked_with})

    def _check_judged(self, asked: Item) -> None:
        """Raise InputError for a row that the judges' prompt cannot be filled with, of all turns or the last alone."""
        if self.judging is None:
            return
        prompt, turns, model = self.judging.prompt, len(questions(asked)), self.dialogues[0].models[0]
        about = f"item {asked.item!r}"
        for answered in sorted({turns, 1}, reverse=True):
            where = about if answered == turns else f"{about}, judged over {answered} of its {turns} turns"
            answers = [None] * (turns - answered) + [_SOME_ANSWER] * answered
            render(prompt, where, fill(prompt, asked, _made(asked, model, answers)))

    def _judge(self, ended: Ended, repeat: int, run: RunReader) -> Iterator[Request]:
        """The judgements of a dialogue's last answer; none where it has none."""
        dialogues = self.dialogues[repeat]
        seqs = dialogues.seqs(ended.model, ended.place)
        if self.judging is None or seqs[-1] is None:
            return
        answers = [None if seq is None else run.completion(seq).text for seq in seqs]
        asked = self._asked(run.item(ended.place))
        yield from self._judgements(self.judging, asked, dialogues.models[ended.model], repeat, answers)

    def _judgements(
        self, judging: Judging, asked: Item, model: ModelName, repeat: int, answers: Sequence[str | None]
    ) -> Iterator[Request]:
        variables = fill(judging.prompt, asked, _made(asked, model, answers))
        told: dict[str, Any] = {"item": asked.item} | ({"dataset": asked.dataset} if asked.dataset else {})
        told |= {"model": str(model), "answer_repeat": repeat}
        about = (asked.item, str(model), repeat)
        return judging.requests(_JUDGED, asked.item, about, variables, authors=(model.model,), **told)


def _made(asked: Item, model: ModelName, answers: Sequence[str | None]) -> dict[str, Any]:
    """What a judge's prompt may be filled with beside the row's fields; turns without an answer are left out."""
    turns = [
        {"question": question, "answer": answer}
        for question, answer in zip(questions(asked), answers, strict=True)
        if answer is not None
    ]
    return {**turns[-1], "model": str(model), "turns": turns}


def build(spec: AskSpec, materials: Materials) -> AskJob:
    """The job of a spec. Raises InputError."""
    source = materials.source
    models = read_models(spec.models, materials.providers, source)
    if not 1 <= spec.repeats <= MOST_REPEATS:
        raise InputError(f"a whole number from 1 to {MOST_REPEATS}", file=source, field="repeats")
    check_params(spec.params, source)
    prompt = materials.prompt(spec.prompt) if spec.prompt else None
    read_datasets = open_datasets(spec.datasets, materials, USUAL_READER, Holds.PROMPTS, Holds.ROWS)
    if prompt is None:
        _check_messages(spec, materials)
    options = with_params(USUAL, spec.params)
    dialogues = tuple(Dialogues(f"{NAME}-{n}" if n else NAME, models, options) for n in range(spec.repeats))
    return AskJob(dialogues, prompt, None if spec.judge is None else _judging(spec.judge, materials), read_datasets)


def _check_messages(spec: AskSpec, materials: Materials) -> None:
    """Without a prompt only a prompt set has something to ask."""
    for place, dataset in enumerate(spec.datasets):
        reader = dataset.reader or USUAL_READER
        if find_reader(reader, materials.source, f"datasets[{place}]").holds is Holds.ROWS:
            what = f"is missing: datasets[{place}] is a table, whose rows ask nothing by themselves"
            raise InputError(what, file=materials.source, field="prompt")


def _judging(spec: AnswerJudgeSpec, materials: Materials) -> Judging:
    keys = {"judges": "judge.models"} | {name: f"judge.{name}" for name in ("prompt", "params", "repeats")}
    judging = make_judging(
        materials,
        judges=spec.models,
        prompt=spec.prompt,
        variables=None,
        params=spec.params,
        repeats=spec.repeats,
        keys=keys,
    )
    if not {"answer", "turns"} & set(judging.prompt.variables):
        what = "a prompt that rates answers has answer, or turns, among them"
        raise InputError(what, file=judging.prompt.source, field="variables")
    return judging


KIND = JobKind(
    AskSpec,
    build,
    "Several models answer a prompt set or a question about each row; judges may rate every answer",
    "ask",
    ("questions_constructed.jsonl", "answer_quality.md"),
)
