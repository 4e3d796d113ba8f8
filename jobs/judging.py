"""Asking judges about rows: each judge, as often as wanted, and with two variables exchanged where that is wanted.

Whatever evaluation a row is of, its judgements are asked and read here, so that repeats, swapped order, prompts and
verdicts mean the same in all of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs.bodies import chat_body, check_params, prompt_metadata, user, with_params
from jobs.custom_ids import custom_id
from jobs.filling import render
from jobs.materials import Materials
from jobs.models import ModelName, bare_name, read_models
from jobs.protocol import Answered, Request, Verdict
from prompts.input_error import InputError
from prompts.parsers import AnswerReader, reader_for
from prompts.template import Prompt

STAGE = "judge"
USUAL = {"temperature": 0, "max_tokens": 1024}
MOST_REPEATS = 100


@dataclass(frozen=True, slots=True)
class Judging:
    """One prompt for one or several judges. `options` are the keys of the body beside `model` and `messages`.

    A row is asked about `repeats` times in its own order and, with `swap`, as often with the values of those two
    variables exchanged.
    """

    prompt: Prompt
    judges: tuple[ModelName, ...]
    read_answer: AnswerReader
    options: Mapping[str, Any] = field(default_factory=lambda: dict(USUAL))
    repeats: int = 1
    swap: tuple[str, str] | None = None
    stage: str = STAGE

    @property
    def per_judge(self) -> int:
        """Requests about one row to one judge."""
        return self.repeats * (1 if self.swap is None else 2)

    def requests(
        self,
        prefix: str,
        readable: str,
        parts: Sequence[str | int],
        variables: Mapping[str, Any],
        *,
        authors: Sequence[str] = (),
        **metadata: Any,
    ) -> Iterator[Request]:
        """The requests about one row, which `parts` tells from all others; `metadata` says what the row is, its `item`
        among it.

        Each says besides: `stage`, `repeat` from 0, `swapped`, and which prompt it was asked with; and where `authors`
        are given, the names of the models whose texts are judged, `self_preference`: whether the judge is one of them.
        Raises InputError, naming the item, where the prompt cannot be rendered.
        """
        own = {bare_name(author) for author in authors}
        asked_with = prompt_metadata(self.prompt)
        for swapped in (False,) if self.swap is None else (False, True):
            shown = self._exchanged(variables) if swapped else variables
            words = render(self.prompt, f"item {metadata['item']!r}", shown)
            for judge in self.judges:
                body = chat_body(judge.model, [user(words)], self.options)
                for repeat in range(self.repeats):
                    key = (*parts, str(judge), asked_with["prompt"], repeat, int(swapped))
                    told = {**metadata, "stage": self.stage, "repeat": repeat, "swapped": swapped, **asked_with}
                    if own:
                        told["self_preference"] = bare_name(judge.model) in own
                    yield Request(
                        custom_id=custom_id(prefix, readable, *key), body=body, provider=judge.provider, metadata=told
                    )

    def verdict(self, settled: Answered) -> Verdict:
        """What became of a judge's answer."""
        return Verdict(settled.custom_id, self.read_answer(settled.completion).outcome)

    def _exchanged(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        assert self.swap is not None
        one, other = self.swap
        return {**variables, one: variables[other], other: variables[one]}


def make_judging(
    materials: Materials,
    *,
    judges: Sequence[str],
    prompt: str,
    variables: Sequence[str] | None,
    params: Mapping[str, Any],
    repeats: int = 1,
    swap: tuple[str, str] | None = None,
    stage: str = STAGE,
    keys: Mapping[str, str] | None = None,
) -> Judging:
    """Check what a spec says of its judges. Raises InputError.

    `variables` are what the job can fill in: the prompt may want no others; None where only the rows say that. `keys`
    says what the spec calls `judges`, `prompt`, `params` and `repeats`, where it calls them otherwise.
    """
    key = {name: name for name in ("judges", "prompt", "params", "repeats")} | dict(keys or {})
    found = materials.prompt(prompt, key["prompt"])
    for name in found.variables:
        if variables is not None and name not in variables:
            what = f"{name!r} is not there for this prompt; there is: {', '.join(variables)}"
            raise InputError(what, file=found.source, field="variables")
    if not 1 <= repeats <= MOST_REPEATS:
        what = f"a whole number from 1 to {MOST_REPEATS}"
        raise InputError(what, file=materials.source, field=key["repeats"])
    check_params(params, materials.source, key["params"])
    models = read_models(judges, materials.providers, materials.source, key["judges"])
    read = reader_for(found)
    if not read.dimensions:
        raise InputError(f"parser {found.parser!r} reads no scores", file=found.source, field="parser")
    return Judging(found, models, read, with_params(USUAL, params), repeats, swap, stage)
