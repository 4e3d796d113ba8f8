"""The OpenAI protocol, as OpenAI and every server compatible with it speaks it.

Bodies go out byte for byte as the manifest has them. A request's path says what its answer must be; a stored answer is
told by its shape.
"""

import re
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from multidict import CIMultiDict

from prompts.records import Completion
from providers.failures import MESSAGE_LIMIT, classify, find_error
from providers.protocols.answers import Kind, read_answer
from providers.protocols.openai_chat import CHAT_COMPLETION, Envelope, has_message
from providers.protocols.openai_completions import TEXT_COMPLETION
from providers.protocols.openai_embeddings import EMBEDDING_LIST
from providers.protocols.openai_responses import RESPONSE
from providers.protocols.paths import CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES
from providers.provider import Provider
from providers.wire import Answer, Failure, HttpCall

KINDS: dict[str, Kind[Any]] = {
    CHAT: CHAT_COMPLETION,
    RESPONSES: RESPONSE,
    COMPLETIONS: TEXT_COMPLETION,
    EMBEDDINGS: EMBEDDING_LIST,
}
_TOLD_BY_SHAPE: tuple[Kind[Any], ...] = (TEXT_COMPLETION, RESPONSE, EMBEDDING_LIST)
_VERSION = re.compile(r"/v\d")
_NO_VERSION = " (is base_url missing its /v1?)"


class OpenAIAdapter:
    """One lane's calls: base URL and headers are fixed when it is made."""

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        # Manifest paths start with /v1, base URLs end with a version: one of the two goes.
        self._base = base_url.rstrip("/")
        self._headers = CIMultiDict({"Content-Type": "application/json"})  # as aiohttp wants them
        self._headers.update(headers)

    def encode(self, url: str, body: bytes) -> HttpCall:
        return HttpCall(self._base + url.removeprefix("/v1"), self._headers, body)

    def decode(self, url: str, status: int, headers: Mapping[str, str], body: bytes) -> Answer | Failure:
        if status == 200:
            return read_answer(KINDS[url], body)
        return self._with_hint(classify(status, headers, body, now=time.time()), body)

    def _with_hint(self, failure: Failure, body: bytes) -> Failure:
        """A page that is not found, from a server that does not know the protocol's paths there, may lie elsewhere."""
        if failure.status != 404 or _VERSION.search(self._base) or find_error(body) is not None:
            return failure
        message = failure.message[: MESSAGE_LIMIT - len(_NO_VERSION)] + _NO_VERSION
        return msgspec.structs.replace(failure, message=message)


def make(provider: Provider, model: str, base_url: str, key: str | None) -> OpenAIAdapter:  # noqa: ARG001
    """The adapter of a provider; the key is a bearer token."""
    return OpenAIAdapter(base_url, headers_of(provider, key))


def headers_of(provider: Provider, key: str | None) -> CIMultiDict[str]:
    """The headers of a provider's calls, its key among them."""
    headers = CIMultiDict({} if key is None else {"Authorization": f"Bearer {key}"})
    headers.update(account_headers(provider))
    return headers


def account_headers(provider: Provider) -> CIMultiDict[str]:
    """The headers that say whose calls they are, and those that the catalog spells out, which win."""
    account = {"OpenAI-Organization": provider.organization, "OpenAI-Project": provider.project}
    headers = CIMultiDict({name: value for name, value in account.items() if value is not None})
    headers.update(provider.headers)
    return headers


def read_completion(body: bytes) -> Completion:
    """The normalised answer in a stored body of any kind. Raises ValueError where it is of none."""
    chat = _try(CHAT_COMPLETION, body)
    if chat is not None and has_message(chat):
        return CHAT_COMPLETION.completion(chat)
    for kind in _TOLD_BY_SHAPE:
        if (envelope := _try(kind, body)) is not None:
            return kind.completion(envelope)
    return CHAT_COMPLETION.completion(chat or CHAT_COMPLETION.read(body))


def _try(kind: Kind[Envelope], body: bytes) -> Envelope | None:
    try:
        return kind.read(body)
    except msgspec.ValidationError:
        return None
