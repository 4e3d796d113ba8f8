"""Mutation: a helper model makes a new template of one or two. Which of five ways is drawn, each as likely as another.

A helper that refuses, fails or answers without a template spoils nothing: the template stays as it was, and `mutated`
in the metadata of the rows asked with it says so. How often that happens is no reason to stop a search.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.bodies import chat_body, check_params, prompt_metadata, user, with_params
from jobs.custom_ids import custom_id
from jobs.filling import render
from jobs.ice.kept import SEED, item_name
from jobs.ice.words import Seed
from jobs.materials import Materials
from jobs.models import ModelName, read_model
from jobs.protocol import Request
from prompts.input_error import InputError
from prompts.parsers import AnswerReader, reader_for
from prompts.records import Completion
from prompts.template import Prompt

STAGE = "mutate"
CROSSOVER = "crossover"
OPERATORS = (CROSSOVER, "expand", "generate_similar", "shorten", "rephrase")
USUAL = {"temperature": 1, "max_tokens": 2048}
_TEMPLATE, _PARTNER = "template", "partner"


@dataclass(frozen=True, slots=True)
class Operator:
    """A prompt for one way of mutation, and what reads the answers to it."""

    prompt: Prompt
    read_answer: AnswerReader


@dataclass(frozen=True, slots=True)
class Mutating:
    """The helper and its prompts, by operator. `options` are the keys of the body beside `model` and `messages`."""

    helper: ModelName
    operators: Mapping[str, Operator]
    options: Mapping[str, Any] = field(default_factory=lambda: dict(USUAL))

    def request(
        self,
        operator: str,
        template: str,
        partner: str | None,
        readable: str,
        parts: tuple[str | int, ...],
        metadata: Mapping[str, Any],
    ) -> Request:
        """The request to make a new template of `template`; `partner` is the other one of a crossover."""
        prompt = self.operators[operator].prompt
        words = render(prompt, readable, {_TEMPLATE: template, _PARTNER: partner})
        return Request(
            custom_id=custom_id("ice-mutate", readable, *parts),
            body=chat_body(self.helper.model, [user(words)], self.options),
            provider=self.helper.provider,
            metadata={"stage": STAGE, **metadata, **prompt_metadata(prompt)},
        )

    def check(self, seed: Seed) -> None:
        """Raise InputError where a prompt cannot be rendered with the seed's template."""
        for operator in self.operators.values():
            shown = {_TEMPLATE: seed.template, _PARTNER: seed.template}
            render(operator.prompt, f"item {item_name(SEED, seed.seed)!r}", shown)

    def template(self, operator: str, completion: Completion) -> str | None:
        """The template that the helper made; None where there is none in its answer."""
        return self.operators[operator].read_answer(completion).text


def make_mutating(helper: str, prompts: Mapping[str, str], params: Mapping[str, Any], materials: Materials) -> Mutating:
    """Check what a spec says of the helper: `prompts` by operator, `params` of `[helper_params]`. Raises InputError."""
    check_params(params, materials.source, "helper_params")
    model = read_model(helper, materials.providers, materials.source, "helper")
    operators = {name: _operator(name, prompts[name], materials) for name in OPERATORS}
    return Mutating(model, operators, with_params(USUAL, params))


def _operator(name: str, prompt: str, materials: Materials) -> Operator:
    found = materials.prompt(prompt, f"prompts.{name}")
    needed = {_TEMPLATE, _PARTNER} if name == CROSSOVER else {_TEMPLATE}
    if set(found.variables) != needed:
        what = f"a prompt for {name} has {'the variable' if len(needed) == 1 else 'the variables'} "
        raise InputError(what + " and ".join(sorted(needed, reverse=True)), file=found.source, field="variables")
    read = reader_for(found)
    if read.parser.scores:
        raise InputError("a template is read by a parser of text: tagged_text", file=found.source, field="parser")
    return Operator(found, read)
