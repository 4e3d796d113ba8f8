"""How the body of a 200 is read, whatever it is of: strictly where it can be, never by guessing, and to its last byte.

A `Kind` is one sort of answer. What cannot be read as its kind is a typed failure that may have been billed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from prompts.records import Completion
from providers.failures import MESSAGE_LIMIT, find_error
from providers.wire import Answer, Billing, Failure, FailureKind

E = TypeVar("E")
T = TypeVar("T")

NULL = msgspec.Raw(b"null")
_ROOM = 60  # frames: whoever reads a stored answer may stand that much deeper than whoever accepted it
_SHORT = 1500  # bytes that cannot nest deeply enough to matter


@dataclass(frozen=True, slots=True)
class Kind(Generic[E]):
    """One sort of answer: what people call it, how its envelope is read, and what is read off the envelope.

    `read` raises ValueError or RecursionError where the body is something else.
    """

    noun: str
    read: Callable[[bytes], E]
    answer: Callable[[E], Answer | Failure]
    completion: Callable[[E], Completion]


def read_answer(kind: Kind[E], body: bytes) -> Answer | Failure:
    """The answer in the body of a 200; a failure where it is none. Never raises."""
    try:
        envelope = kind.read(body) if len(body) < _SHORT else _read_with_room(kind.read, body)
        if not body.isascii():
            body.decode()  # the decoder skips over strings that it does not need without looking at their UTF-8
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return _unreadable(kind.noun, body, error)
    return kind.answer(envelope)


def _read_with_room(read: Callable[[bytes], E], body: bytes, room: int = _ROOM) -> E:
    return _read_with_room(read, body, room - 1) if room else read(body)


def fitting(decoder: msgspec.json.Decoder[T | None], raw: msgspec.Raw) -> T | None:
    """A lesser field of an answer that is paid for: None where it is not as it should be."""
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def held_error(message: str | None, code: str | None, kind: FailureKind = FailureKind.UNREADABLE) -> Failure:
    """The failure of a 200 that holds an error."""
    text = f"a 200 that holds an error: {message or 'without a message'}"[:MESSAGE_LIMIT]
    billing = Billing.UNBILLED if kind is FailureKind.THROTTLED else Billing.MAYBE
    return Failure(kind, billing, text, status=200, code=code)


def _unreadable(noun: str, body: bytes, error: Exception) -> Failure:
    told = find_error(body)
    if told is None:
        return Failure(FailureKind.UNREADABLE, Billing.MAYBE, f"a 200 that is not {noun}: {error}", status=200)
    return held_error(told.message, None if told.code is None else str(told.code))
