"""G-VEval: a judge rates captions, and each score is an expectation over the judge's own token probabilities.

One request per item, with log probabilities always asked for. Source of the method: Tong et al., AAAI 2025,
arXiv 2412.13647. What the scores mean is read from the raw answers later, by the parser that the prompt's header names.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from jobs.protocol import Answered, Failed, Request, Verdict
from jobs.registry import JobKind, JobSpec, Materials, split_model
from outputs.items import Item
from prompts.input_error import InputError
from prompts.parsers import AnswerReader, reader_for
from prompts.template import Prompt

NAME = "gveval"
MODES = ("ref-only",)
VARIABLES = ("references", "candidate")
CUSTOM_ID_LENGTH = 64
_HASH_LENGTH = 12
_RESERVED = ("model", "messages", "stream")


class GVEvalSpec(JobSpec, frozen=True, kw_only=True):
    """The spec of a G-VEval run."""

    mode: str = "ref-only"
    prompt: str = "gveval_ref_only_accr"
    top_logprobs: Annotated[int, msgspec.Meta(ge=5, le=20)] = 20


@dataclass(slots=True)
class GVEvalJob:
    """Asks `model` to rate every item once. `options` are the keys of the body beside `model` and `messages`."""

    prompt: Prompt
    provider: str | None
    model: str
    options: dict[str, Any]
    read_answer: AnswerReader
    read_items: Callable[[], Iterator[Item]]
    name: str = NAME
    follows_up: bool = True  # with verdicts

    def items(self) -> Iterator[Item]:
        """The items of the dataset. Raises InputError."""
        return self.read_items()

    def start(self, items: Iterable[Item]) -> Iterator[Request]:
        """One request per item, in the items' order."""
        return map(self._request, items)

    def on_settled(self, settled: Answered | Failed) -> Iterable[Request | Verdict]:
        """The verdict on an answer; nothing follows from a failure."""
        if isinstance(settled, Failed):
            return ()
        return (Verdict(settled.custom_id, self.read_answer(settled.completion).outcome),)

    def _request(self, item: Item) -> Request:
        words = self.prompt.render(references=item.references, candidate=item.candidate)
        body = {"model": self.model, "messages": [{"role": "user", "content": words}], **self.options}
        version = f"{self.prompt.name}@{self.prompt.version}"
        metadata = {"item": item.item, "stage": "judge", "prompt": version}
        return Request(
            custom_id=custom_id(item.item, self.model, version), body=body, provider=self.provider, metadata=metadata
        )


def custom_id(item: str, model: str, prompt_version: str) -> str:
    """`gveval-<item, made safe>-<hash>`, the same in every run: 64 characters at most, of `[A-Za-z0-9_-]`."""
    digest = hashlib.sha256(json.dumps([item, model, prompt_version]).encode()).hexdigest()[:_HASH_LENGTH]
    room = CUSTOM_ID_LENGTH - len(f"{NAME}--{digest}")
    slug = re.sub(r"[^A-Za-z0-9_-]+", "-", item)[:room]
    return f"{NAME}-{slug}-{digest}"


def build(spec: GVEvalSpec, materials: Materials) -> GVEvalJob:
    """The job of a spec. Raises InputError for a mode, a prompt or parameters that it cannot keep its promise with."""
    source = materials.source
    if spec.mode not in MODES:
        raise InputError(f"{spec.mode!r} is not there; there is: {', '.join(MODES)}", file=source, field="mode")
    provider, model = split_model(spec.model, materials.providers)
    if not model.strip():
        raise InputError("names no model", file=source, field="model")
    prompt = materials.prompts[spec.prompt]
    foreign = [name for name in prompt.variables if name not in VARIABLES]
    if foreign or "candidate" not in prompt.variables:
        what = f"this job's prompts have the variables {' and '.join(VARIABLES)}, candidate in any case"
        raise InputError(what, file=prompt.source, field="variables")
    return GVEvalJob(prompt, provider, model, _options(spec, materials), reader_for(prompt), materials.items)


def _options(spec: GVEvalSpec, materials: Materials) -> dict[str, Any]:
    params = spec.params
    options: dict[str, Any] = {"temperature": 1, "logprobs": True, "top_logprobs": spec.top_logprobs}
    if "max_completion_tokens" not in params:
        options["max_tokens"] = 800
    options |= params
    fault = _fault(params, options["top_logprobs"])
    if fault is not None:
        raise InputError(fault[1], file=materials.source, field=f"params.{fault[0]}")
    return options


def _fault(params: dict[str, Any], top_logprobs: Any) -> tuple[str, str] | None:
    """(key, what is wrong with it) of parameters under which there would be no expectation to take."""
    for key in _RESERVED:
        if key in params:
            return key, "the job writes this key of the body itself"
    if params.get("n", 1) != 1:
        return "n", "one answer per caption: the expectation comes from its log probabilities"
    if params.get("logprobs", True) is not True:
        return "logprobs", "must be on: the score is an expectation over them"
    if type(top_logprobs) is not int or not 5 <= top_logprobs <= 20:
        return "top_logprobs", "a whole number from 5 to 20"
    for key, value in params.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            return key, "has no form in JSON"
    return None


KIND = JobKind(GVEvalSpec, build)
