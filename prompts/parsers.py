"""The parsers by the name that a prompt's header gives, and what each needs of the header."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prompts import accr, delimited_score, json_scores, labelled_aspects, tags
from prompts.input_error import InputError
from prompts.records import AnswerFormat, Completion, Parsed
from prompts.score_reading import LONGEST, score_key
from prompts.toml_text import near_miss

if TYPE_CHECKING:
    from prompts.template import Prompt  # which checks its header here

Scale = tuple[int, int]
Read = Callable[[Completion, AnswerFormat], Parsed]


@dataclass(frozen=True, slots=True)
class Parser:
    """How to read an answer: `read(completion, format)`, and the scores it gives for these labels.

    It takes from `fewest` to `most` labels, and a scale where it `scores`; labels are tags where `tagged`.
    """

    read: Read
    score_names: Callable[[Sequence[str]], tuple[str, ...]]
    fewest: int = 1
    most: int | None = None
    scores: bool = True
    tagged: bool = False
    delimited: bool = False


def _of_scale(parse: Callable[[Completion, Sequence[str], Scale], Parsed]) -> Read:
    return lambda completion, form: parse(completion, form.dimensions, _scale(form))


def _scale(form: AnswerFormat) -> Scale:
    assert form.scale is not None, "the header was checked"
    return form.scale


def _delimited(completion: Completion, form: AnswerFormat) -> Parsed:
    return delimited_score.parse(completion, form.dimensions, _scale(form), form.delimiters or delimited_score.USUAL)


def _tagged_text(completion: Completion, form: AnswerFormat) -> Parsed:
    return tags.parse_text(completion, score_key(form.dimensions[0]))


def _no_names(labels: Sequence[str]) -> tuple[str, ...]:  # noqa: ARG001
    return ()


PARSERS = {
    "accr": Parser(_of_scale(accr.parse), accr.score_names),
    "delimited_score": Parser(_delimited, tags.score_names, most=1, delimited=True),
    "json_scores": Parser(_of_scale(json_scores.parse), json_scores.score_names),
    "labelled_aspects": Parser(_of_scale(labelled_aspects.parse), labelled_aspects.score_names, fewest=2),
    "tagged_integer": Parser(_of_scale(tags.parse_integers), tags.score_names, tagged=True),
    "tagged_text": Parser(_tagged_text, _no_names, most=1, scores=False, tagged=True),
}


@dataclass(frozen=True, slots=True)
class AnswerReader:
    """A prompt's parser, bound to what the prompt's header says of its answers."""

    parser: Parser
    form: AnswerFormat

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The keys of the scores of an answer that is ok; none where it is a text."""
        return self.parser.score_names(self.form.dimensions)

    def __call__(self, completion: Completion) -> Parsed:
        """Read one answer. Never raises."""
        return self.parser.read(completion, self.form)


def reader_for(prompt: "Prompt") -> AnswerReader:
    """What reads the answers to `prompt`. Raises InputError where its header names no parser."""
    if prompt.parser is None:
        raise InputError("the header names no parser for the answers", file=prompt.source, field="parser")
    return AnswerReader(PARSERS[prompt.parser], prompt)


def check_format(form: AnswerFormat, source: str) -> None:
    """Raise InputError, naming file and key, where a header lacks what its parser needs, or has delimiters in vain."""
    if form.parser is not None and form.parser not in PARSERS:
        raise InputError(f"unknown parser{near_miss(form.parser, PARSERS)}", file=source, field="parser")
    faults = (_scale_fault(form), _dimensions_fault(form), _delimiters_fault(form))
    for field, fault in zip(("scale", "dimensions", "delimiters"), faults, strict=True):
        if fault is not None:
            raise InputError(fault, file=source, field=field)


def _scale_fault(form: AnswerFormat) -> str | None:
    scores = form.parser is not None and PARSERS[form.parser].scores
    if scores and form.scale is None:
        return f"is missing: parser {form.parser!r} needs the lowest and the highest score, [0, 100]"
    if form.scale is not None and not 0 <= form.scale[0] < form.scale[1] < 10**LONGEST:
        return f"the lowest score comes first, from 0 on, then the highest, of {LONGEST} digits at most: [0, 100]"
    return None


def _dimensions_fault(form: AnswerFormat) -> str | None:
    keys = [score_key(label) for label in form.dimensions]
    if "" in keys or len(set(keys)) < len(keys):
        return "labels must differ and must not be empty"
    if form.parser is None:
        return None
    parser = PARSERS[form.parser]
    if not parser.fewest <= len(keys) <= (len(keys) if parser.most is None else parser.most):
        wanted = f"{'exactly' if parser.most == parser.fewest else 'at least'} {parser.fewest}"
        return f"parser {form.parser!r} takes the answer's labels, {wanted}; here are {len(keys)}"
    untagged = [label for label in form.dimensions if parser.tagged and not tags.fits_tag(label)]
    if untagged:
        return f"{untagged[0]!r} makes no tag: letters, digits, '_', '-' and '.' only, a letter or '_' first"
    names = parser.score_names(form.dimensions)
    return f"parser {form.parser!r} adds {names[-1]!r} itself" if len(set(names)) < len(names) else None


def _delimiters_fault(form: AnswerFormat) -> str | None:
    if form.delimiters is None:
        return None
    if form.parser is None or not PARSERS[form.parser].delimited:
        return "only parser 'delimited_score' has delimiters"
    return delimited_score.delimiter_fault(form.delimiters)
