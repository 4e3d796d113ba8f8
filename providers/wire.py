"""The records between the engine and the adapters: an HTTP call out, an answer or a typed failure back.

An adapter is pure: it opens no connection, sleeps nowhere and retries nothing.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import msgspec

SIMULATED_HEADER = "x-overnight-simulated"  # on every answer of a simulator, wherever it runs


class FailureKind(StrEnum):
    """The closed set of ways an attempt fails; each decides what the engine does next (DESIGN.md, fault table)."""

    KEY_REFUSED = "key_refused"
    QUOTA = "quota"
    THROTTLED = "throttled"
    ROW_REFUSED = "row_refused"
    TRANSIENT = "transient"
    TIMED_OUT = "timed_out"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"
    BAD_MEDIUM = "bad_medium"  # a picture or clip that cannot be made ready; nothing was sent
    BATCH_ENDED = "batch_ended"  # its batch expired, was cancelled or refused before the row's turn
    MISSING = "missing"  # its batch ended, and has no line that can be read for it
    LATE = "late"  # its batch was late, and the user allowed to have it answered once more


class Billing(StrEnum):
    """What an attempt cost: nothing, what `usage` says, or nobody knows and its reservation counts."""

    UNBILLED = "unbilled"
    BILLED = "billed"
    MAYBE = "maybe"


class HttpCall(msgspec.Struct, frozen=True):
    """One POST, ready to send. `headers` is shared between the calls of a lane and is never changed."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one call, counted inclusively whatever the provider does.

    `input_tokens` includes `cached_tokens` (read from a cache) and `cache_write_tokens` (put into one), and those
    include `long_cache_write_tokens` (to be kept for an hour); `output_tokens` includes `reasoning_tokens`.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    long_cache_write_tokens: int = 0


class Answer(msgspec.Struct, frozen=True):
    """A 200 that is the protocol's JSON: the few fields that the hot path needs; the body stays as it came."""

    model: str | None
    usage: Usage | None


class Failure(msgspec.Struct, frozen=True):
    """An attempt that got no answer. `retry_after_s` is what the provider asked for, in seconds from now."""

    kind: FailureKind
    billing: Billing
    message: str
    status: int | None = None
    code: str | None = None
    retry_after_s: float | None = None


class Adapter(Protocol):
    """One wire protocol, for the calls of one lane: address and headers are fixed when it is made."""

    def encode(self, url: str, body: bytes) -> HttpCall:
        """The HTTP call for a request's `url` (the path in the manifest) and `body` (JSON bytes).

        A chat-completions body is translated where the provider speaks another tongue; a native body goes out as it
        stands. Pictures are data URLs by now, or addresses that the provider fetches. Raises InputError, its field from
        `body` on, for what cannot be said in the protocol: nothing is dropped silently.
        """

    def decode(self, url: str, status: int, headers: Mapping[str, str], body: bytes) -> Answer | Failure:
        """Read what came back to a request for `url`. Never raises: what cannot be read is a `Failure`."""
