"""What a line of a batch result says: an answer with its usage, or a typed failure, as if it had come over HTTP."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from jobs.imports.batch_lines import BatchLine
from providers.batches.openai_results import NEVER_RAN, enveloped
from providers.failures import classify
from providers.protocols.answers import read_answer
from providers.protocols.openai import KINDS
from providers.protocols.paths import CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES
from providers.wire import Answer, Billing, Failure, FailureKind

_BY_OBJECT = {
    "chat.completion": CHAT,
    "text_completion": COMPLETIONS,
    "response": RESPONSES,
    "list": EMBEDDINGS,
}
_BY_KEY = {"choices": CHAT, "output": RESPONSES, "data": EMBEDDINGS}
_FURTHEST = 4102444800.0  # 2100: what lies beyond is no moment


class _Head(msgspec.Struct, frozen=True):
    object: Any = None
    model: Any = None
    created: Any = None
    created_at: Any = None


_head = msgspec.json.Decoder(_Head)
_keys = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Told(msgspec.Struct, frozen=True):
    """What an answer's body says of itself: the wire format's path, the model, the moment in seconds since 1970."""

    url: str = CHAT
    model: str | None = None
    at: float | None = None

    @property
    def day(self) -> datetime | None:
        """When it was answered."""
        return None if self.at is None else datetime.fromtimestamp(self.at, UTC)


def read_told(body: bytes) -> Told:
    """What the body of an answer says of itself. Never raises."""
    try:
        head, keys = _head.decode(body), _keys.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Told()
    by_key = next((url for key, url in _BY_KEY.items() if key in keys), CHAT)
    url = _BY_OBJECT.get(head.object, by_key) if isinstance(head.object, str) else by_key
    model = head.model if isinstance(head.model, str) and head.model.strip() else None
    return Told(url, model, _moment(head.created) or _moment(head.created_at))


def _moment(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _FURTHEST:
        return None
    return float(value)


def read_result(line: BatchLine, url: str) -> tuple[Answer | Failure, bytes]:
    """The answer or failure of a line about a request for `url`, and the body that came back."""
    response = line.response
    if response is not None and not line.failed:
        body = bytes(response.body)
        return read_answer(KINDS[url], body), body
    body = b"" if response is None or bytes(response.body) == b"null" else bytes(response.body)
    raw = body or bytes(line.error)
    status = None if response is None else response.status_code
    if status is not None and status != 200:
        return classify(status, {}, enveloped(raw), now=0.0), raw
    return _failure(line.error, status), raw


def _failure(error: msgspec.Raw, status: int | None) -> Failure:
    """A failure that came with no HTTP status: the batch ended before the row's turn, or something else went wrong."""
    told = classify(400, {}, enveloped(bytes(error)), now=0.0)
    unbilled = told.code in NEVER_RAN
    billing = Billing.UNBILLED if unbilled else Billing.MAYBE
    return Failure(FailureKind.TRANSIENT, billing, told.message, status=status, code=told.code)
