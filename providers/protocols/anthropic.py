"""Anthropic's protocol: messages, and chat completions that are translated to them.

API versions from 2026-10-21 on refuse temperature, top_p and top_k. So a body that has one of them goes out under the
version before, and all others under the current one, unless the catalog's `api_version` says which it is to be.
"""

import time
from collections.abc import Mapping
from typing import Any

import msgspec
from multidict import CIMultiDict

from prompts.records import Completion
from providers.failures import classify
from providers.protocols.answers import read_answer
from providers.protocols.anthropic_decode import MESSAGE
from providers.protocols.anthropic_encode import SAMPLING, TONGUE, to_messages
from providers.protocols.chat_body import Chat, translate
from providers.protocols.paths import CHAT, MESSAGES
from providers.provider import Provider
from providers.wire import Answer, Failure, HttpCall

VERSION = "2026-10-21"
SAMPLING_VERSION = "2023-06-01"
_MAX_TOKENS = 4096  # asked for where neither the body nor the catalog has a maximum: the protocol wants one
_NAMES = [f'"{name}"'.encode() for name in SAMPLING]
_keys = msgspec.json.Decoder(dict[str, msgspec.Raw])


class AnthropicAdapter:
    """One lane's calls: address, headers and the most tokens of an answer are fixed when it is made."""

    def __init__(self, base_url: str, headers: Mapping[str, str], version: str | None, most_tokens: int) -> None:
        self._url = base_url.rstrip("/").removesuffix("/v1") + MESSAGES
        self._most_tokens = most_tokens
        self._pinned = version
        self._headers = _under(version or VERSION, headers)
        self._sampling_headers = _under(version or SAMPLING_VERSION, headers)

    def encode(self, url: str, body: bytes) -> HttpCall:
        if url != CHAT:
            return HttpCall(self._url, self._headers_for(_samples(body)), body)
        said = translate(body, TONGUE, self._say)
        sampling = [name for name in SAMPLING if name in said]
        if sampling and self._pinned is not None and self._pinned >= VERSION:
            why = f'the provider\'s api_version is "{self._pinned}", the last that takes it is "{SAMPLING_VERSION}"'
            TONGUE.refuse(sampling[0], why)
        return HttpCall(self._url, self._headers_for(bool(sampling)), msgspec.json.encode(said))

    def _say(self, chat: Chat) -> dict[str, Any]:
        return to_messages(chat, self._most_tokens)

    def _headers_for(self, sampling: bool) -> Mapping[str, str]:
        return self._sampling_headers if sampling else self._headers

    def decode(self, url: str, status: int, headers: Mapping[str, str], body: bytes) -> Answer | Failure:  # noqa: ARG002
        if status == 200:
            return read_answer(MESSAGE, body)
        return classify(status, headers, body, now=time.time())


def _under(version: str, headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Headers as aiohttp wants them; those that the catalog spells out win."""
    all_headers = CIMultiDict({"Content-Type": "application/json", "anthropic-version": version})
    all_headers.update(headers)
    return all_headers


def _samples(body: bytes) -> bool:
    """Whether a native body has one of the keys that the current version refuses."""
    if not any(name in body for name in _NAMES):
        return False
    try:
        return not _keys.decode(body).keys().isdisjoint(SAMPLING)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False  # what is no body is for the provider to say


def make(provider: Provider, model: str, base_url: str, key: str | None) -> AnthropicAdapter:
    """The adapter of a provider and model."""
    headers = CIMultiDict({} if key is None else {"x-api-key": key})
    headers.update(provider.headers)
    most_tokens = provider.facts_of(model).max_output_tokens or _MAX_TOKENS
    return AnthropicAdapter(base_url, headers, provider.api_version, most_tokens)


def read_completion(body: bytes) -> Completion:
    """The normalised answer in a stored body. Raises ValueError where it is not a message."""
    return MESSAGE.completion(MESSAGE.read(body))
