"""The records between the engine and the adapters: an HTTP call out, an answer or a typed failure back.

An adapter is pure: it opens no connection, sleeps nowhere and retries nothing.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import msgspec

from prompts.records import Completion

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
    """Tokens of one call. `input_tokens` includes `cached_tokens`; `output_tokens` includes reasoning."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0


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
    """One wire protocol."""

    def encode(self, url: str, body: bytes) -> HttpCall:
        """The HTTP call for a request's `url` (the path in the manifest) and `body` (JSON bytes)."""

    def decode(self, status: int, headers: Mapping[str, str], body: bytes) -> Answer | Failure:
        """Read what came back. Never raises: what cannot be read is a `Failure`."""

    def completion(self, body: bytes) -> Completion:
        """The normalised answer in a stored body; raises ValueError where the body is not the protocol's."""
