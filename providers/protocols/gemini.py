"""Gemini's protocol: generateContent, and chat completions that are translated to it. The model is in the path."""

import re
import time
from collections.abc import Mapping

import msgspec
from multidict import CIMultiDict

from prompts.input_error import InputError
from prompts.records import Completion
from providers.failures import classify
from providers.protocols.answers import read_answer
from providers.protocols.chat_body import translate
from providers.protocols.gemini_decode import CONTENTS
from providers.protocols.gemini_encode import TONGUE, to_contents
from providers.protocols.paths import CHAT, model_in_path
from providers.provider import Provider
from providers.wire import Answer, Failure, HttpCall

_VERSION = re.compile(r"/v1(?:beta)?\Z")


class GeminiAdapter:
    """One lane's calls: the address, with the model in it, and the headers are fixed when it is made."""

    def __init__(self, base_url: str, model: str, headers: Mapping[str, str]) -> None:
        base = base_url.rstrip("/")
        self._base = _VERSION.sub("", base)
        version = base[len(self._base) :] or "/v1beta"
        self._path = f"{version}/models/{model}:generateContent"
        self._headers = CIMultiDict({"Content-Type": "application/json"})  # as aiohttp wants them
        self._headers.update(headers)

    def encode(self, url: str, body: bytes) -> HttpCall:
        if url != CHAT:
            return HttpCall(self._base + url, self._headers, body)
        if model_in_path(self._path) is None:
            raise InputError("is no model's name: letters, digits, '.', '_' and '-'", field="body.model")
        said = translate(body, TONGUE, to_contents)
        return HttpCall(self._base + self._path, self._headers, msgspec.json.encode(said))

    def decode(self, url: str, status: int, headers: Mapping[str, str], body: bytes) -> Answer | Failure:  # noqa: ARG002
        if status == 200:
            return read_answer(CONTENTS, body)
        return classify(status, headers, body, now=time.time())


def make(provider: Provider, model: str, base_url: str, key: str | None) -> GeminiAdapter:
    """The adapter of a provider and model."""
    headers = CIMultiDict({} if key is None else {"x-goog-api-key": key})
    headers.update(provider.headers)
    return GeminiAdapter(base_url, model, headers)


def read_completion(body: bytes) -> Completion:
    """The normalised answer in a stored body. Raises ValueError where it is not one of generateContent."""
    return CONTENTS.completion(CONTENTS.read(body))
