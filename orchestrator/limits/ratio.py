"""How many tokens a row will take, before it is sent: bytes times a ratio that is calibrated from `usage`. Pure."""

from typing import NamedTuple

from providers.wire import Usage

_TOKENS_A_BYTE = 0.25
_OUTPUT = 200.0
_PRIOR_BYTES = 2_000.0  # weight of these guesses
_PRIOR_ROWS = 2.0
_MEMORY = 0.998  # an answer of 500 answers ago counts a third


class Tokens(NamedTuple):
    """Tokens of one call, each at the place that `PLACES` has for a limit on it."""

    total: float
    input: float
    output: float


PLACES = {"tokens": 0, "input_tokens": 1, "output_tokens": 2}


class TokenRatio:
    """Tokens by the bytes of a row's line, for one lane; the output as its mean so far."""

    def __init__(self) -> None:
        self._bytes = _PRIOR_BYTES
        self._input = _PRIOR_BYTES * _TOKENS_A_BYTE
        self._rows = _PRIOR_ROWS
        self._output = _PRIOR_ROWS * _OUTPUT

    def expect(self, size: int) -> Tokens:
        """What a row of so many bytes will take."""
        reads, writes = size * self._input / self._bytes, self._output / self._rows
        return Tokens(reads + writes, reads, writes)

    def note(self, size: int, usage: Usage) -> None:
        """What a row of so many bytes took."""
        self._bytes = self._bytes * _MEMORY + size
        self._input = self._input * _MEMORY + usage.input_tokens
        self._rows = self._rows * _MEMORY + 1
        self._output = self._output * _MEMORY + usage.output_tokens
