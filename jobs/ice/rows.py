"""The rows of an ICE run: a question put through a template, and the judgements of the answer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.bodies import chat_body, user
from jobs.custom_ids import custom_id
from jobs.filling import render
from jobs.ice.kept import QUESTION, item_name
from jobs.ice.words import SLOT, Fact, Question, digest
from jobs.judging import Judging
from jobs.models import ModelName
from jobs.protocol import Request
from prompts.records import Completion
from prompts.score_reading import not_answered

ASK, LOOSE, STRICT = "ask", "loose", "strict"
FACT_VARIABLES = ("fact_name", "fact_developer", "fact_place")
VARIABLES = (*FACT_VARIABLES, "question", "answer")
USUAL = {"max_tokens": 1024}
_OF_ONE_ROW = {"stage", "model", "self_preference", "repeat", "swapped", "prompt", "prompt_sha256"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a run a row stands; iterations count from 1."""

    target: ModelName
    tree: int
    iteration: int

    @property
    def parts(self) -> tuple[str, int, int]:
        """What tells it from all other places."""
        return str(self.target), self.tree, self.iteration

    def readable(self, question: str = "") -> str:
        """The place for the eye, in a custom_id."""
        return "-".join(part for part in (f"t{self.tree}-i{self.iteration}", question, self.target.model) if part)

    @property
    def metadata(self) -> dict[str, Any]:
        return {"target": str(self.target), "tree": self.tree, "iteration": self.iteration}


@dataclass(frozen=True, slots=True)
class Asking:
    """How targets are asked and their answers judged. `options` are the keys of a target's body beside its words."""

    loose: Judging
    strict: Judging
    misleading: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=lambda: dict(USUAL))

    @property
    def judge(self) -> ModelName:
        """The one judge."""
        return self.loose.judges[0]

    def judging(self, stage: str) -> Judging:
        """How answers are judged, loosely or strictly."""
        return self.loose if stage == LOOSE else self.strict

    def about(self, template: str) -> dict[str, Any]:
        """What the metadata of a template's rows say of its text."""
        lower = template.lower()
        return {
            "template_sha256": digest(template),
            "slot": "kept" if SLOT in template else "appended",
            "misleading": [word for word in self.misleading if word.lower() in lower],
        }

    def ask(self, place: Place, template: str, question: Question, made: Mapping[str, Any]) -> Request:
        """A question put through a template; `made` says how the template came to be."""
        return Request(
            custom_id=custom_id("ice-ask", place.readable(question.question), *place.parts, question.question),
            body=chat_body(place.target.model, [user(fill(template, question.text))], self.options),
            provider=place.target.provider,
            metadata={"stage": ASK, **_of_row(place, question, made)},
        )

    def judge_answer(
        self, stage: str, place: Place, question: Question, fact: Fact, answer: str, made: Mapping[str, Any]
    ) -> Iterator[Request]:
        """The request to judge an answer, loosely or strictly."""
        return self.judging(stage).requests(
            f"ice-{stage}",
            place.readable(question.question),
            (*place.parts, question.question),
            _shown(question, fact, answer),
            authors=(place.target.model,),
            model=str(place.target),
            **_of_row(place, question, made),
        )

    def check(self, question: Question, fact: Fact, answer: str) -> None:
        """Raise InputError where a judge's prompt cannot be rendered for some answer to a question."""
        for judging in (self.loose, self.strict):
            about = f"item {item_name(QUESTION, question.question)!r}"
            render(judging.prompt, about, _shown(question, fact, answer))

    def verdict(self, stage: str, completion: Completion) -> bool | None:
        """Whether a judge found what it was asked to look for; None where its answer cannot be read."""
        read = self.judging(stage).read_answer
        score = read(completion).scores.get(read.dimensions[0])
        return None if score is None else score.sampled == 1


def fill(template: str, question: str) -> str:
    """The question in the template's slots, or on a line of its own below where it has none."""
    return template.replace(SLOT, question) if SLOT in template else f"{template}\n{question}"


def said(completion: Completion) -> str | None:
    """What an answer says; None where there is nothing to judge: no text, a refusal to answer, a filter's cut."""
    text = completion.text
    return text if text and text.strip() and not_answered(completion) is None else None


def made_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """What the metadata of a row say of its question and its template, without what only that row is."""
    return {name: value for name, value in told.items() if name not in _OF_ONE_ROW}


def _of_row(place: Place, question: Question, made: Mapping[str, Any]) -> dict[str, Any]:
    about = {"question": question.question, "field": question.field, "language": question.language}
    return {"item": item_name(QUESTION, question.question), **place.metadata, **about, **made}


def _shown(question: Question, fact: Fact, answer: str) -> dict[str, str]:
    """What a judge's prompt is filled with."""
    known = dict(zip(FACT_VARIABLES, (fact.name, fact.developer, fact.place), strict=True))
    return {**known, "question": question.text, "answer": answer}
