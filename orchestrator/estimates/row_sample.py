"""What an estimate needs of rows, counted for an even sample of each lane: a million rows take no million counts."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from orchestrator.estimates.intervals import Interval, whole_from_sample
from orchestrator.estimates.media_tokens import MediaTokens
from providers.tokens import BYTES_A_TOKEN, MEDIUM_UNSURE, PER_ANSWER, Counted, count_body, encoding_name
from providers.vocabulary import load_encoding

MOST_SAMPLED = 2000

_LOGPROB_BYTES = 90  # of an answer's JSON, for a token's log probability
_ALTERNATIVE_BYTES = 70  # for each alternative
_TOKEN_BYTES = 5


class _Asked(msgspec.Struct, frozen=True):
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None


_asked = msgspec.json.Decoder(_Asked)


@dataclass(frozen=True, slots=True)
class RowFacts:
    """One sampled row. `most_output` is the tokens of all its choices at most; None where nothing bounds them."""

    size: int  # bytes of the body
    counted: Counted
    choices: int
    most_output: int | None
    bytes_a_token: float  # of the answer's JSON, for each token of it


def read_facts(body: bytes, encoding: str | None, model_most: int | None, media: MediaTokens | None = None) -> RowFacts:
    """The facts of a row's body; `model_most` is the longest answer of its model, `media` what its pictures count."""
    counted = count_body(body, encoding) or Counted(len(body) // BYTES_A_TOKEN + PER_ANSWER, 0, 0, len(body))
    if media is not None:
        tokens = counted.tokens + media.expected - counted.media_tokens
        unsure = counted.unsure - MEDIUM_UNSURE * counted.media + media.expected // 4
        counted = Counted(max(0, tokens), max(0, unsure), counted.media, counted.text_bytes, media.expected)
    try:
        asked = _asked.decode(body)
    except msgspec.MsgspecError:  # a server will refuse it; what it says bounds nothing
        asked = _Asked()
    choices = asked.n or 1
    most = max(asked.max_tokens or 0, asked.max_completion_tokens or 0) or model_most
    listed = _LOGPROB_BYTES + _ALTERNATIVE_BYTES * (asked.top_logprobs or 0) if asked.logprobs else 0
    return RowFacts(len(body), counted, choices, None if most is None else most * choices, _TOKEN_BYTES + listed)


@dataclass(slots=True)
class RowSample:
    """The rows of a lane's stage: how many, their bytes, and the facts of some spread evenly over them.

    All rows are in the sample while they are few; beyond twice `most` every second one is let go, again and again, so
    that at least `most` stay. `encoding` is the vocabulary that counts, None where bytes do; `size` is None where only
    the sampled rows were read.
    """

    encoding: str | None
    model_most: int | None = None
    most: int = MOST_SAMPLED
    rows: int = 0
    size: int | None = 0
    facts: list[RowFacts] = field(default_factory=list)
    _step: int = 1

    def add(self, body: bytes, media: MediaTokens | None = None, times: int = 1) -> None:
        """One more row, in the order of the run; or so many that are like it, which are sampled once."""
        if times > 1 or self.rows % self._step == 0:
            self.facts.append(read_facts(body, self.encoding, self.model_most, media))
            if len(self.facts) > 2 * self.most:
                self.facts = self.facts[::2]
                self._step *= 2
        self.rows += times
        self.size = (self.size or 0) + len(body) * times

    def whole(self, values: Sequence[float]) -> Interval:
        """The sum over all rows of something that goes with a body's size, from its values for the sampled ones."""
        if self.size is None:
            return self.per_row(values)
        return whole_from_sample(values, [one.size for one in self.facts], self.size, self.rows)

    def per_row(self, values: Sequence[float]) -> Interval:
        """The sum over all rows of something that has nothing to do with a body's size."""
        return whole_from_sample(values, [1] * len(values), self.rows, self.rows)


def vocabulary_of(model: str, simulated: bool) -> str | None:
    """The vocabulary that counts a lane's tokens; None where none fits or it is not to be had.

    A simulator counts by bytes, whatever model it is asked for.
    """
    name = None if simulated else encoding_name(model)
    return name if name is not None and load_encoding(name) is not None else None
