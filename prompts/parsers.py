"""The parsers by the name that a prompt's header gives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prompts import accr, json_scores
from prompts.input_error import InputError
from prompts.records import Completion, Parsed
from prompts.template import Prompt
from prompts.toml_text import near_miss


@dataclass(frozen=True, slots=True)
class Parser:
    """How to read an answer: `read(completion, labels, scale)`, and the dimensions it gives for these labels."""

    read: Callable[[Completion, Sequence[str], tuple[int, int]], Parsed]
    score_names: Callable[[Sequence[str]], tuple[str, ...]]


PARSERS = {
    "accr": Parser(accr.parse, accr.score_names),
    "json_scores": Parser(json_scores.parse, json_scores.score_names),
}


@dataclass(frozen=True, slots=True)
class AnswerReader:
    """A prompt's parser, bound to the labels and the scale of its header."""

    parser: Parser
    labels: tuple[str, ...]
    scale: tuple[int, int]

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The keys of the scores of an answer that is ok."""
        return self.parser.score_names(self.labels)

    def __call__(self, completion: Completion) -> Parsed:
        """Read one answer. Never raises."""
        return self.parser.read(completion, self.labels, self.scale)


def reader_for(prompt: Prompt) -> AnswerReader:
    """What reads the answers to `prompt`. Raises InputError where its header names no parser, or an unknown one."""
    if prompt.parser is None or prompt.scale is None:
        raise InputError("the header names no parser for the answers", file=prompt.source, field="parser")
    if prompt.parser not in PARSERS:
        raise InputError(f"unknown parser{near_miss(prompt.parser, PARSERS)}", file=prompt.source, field="parser")
    parser = PARSERS[prompt.parser]
    names = parser.score_names(prompt.dimensions)
    if len(set(names)) < len(names):
        raise InputError(f"parser {prompt.parser!r} adds {names[-1]!r} itself", file=prompt.source, field="dimensions")
    return AnswerReader(parser, prompt.dimensions, prompt.scale)
