"""The adapters by the catalog's word for their protocol; a protocol's module is loaded when a provider speaks it.

A protocol's module has `make(provider, model, base_url, key) -> Adapter` and `read_completion(body) -> Completion`.
"""

import importlib
from typing import Any

import msgspec

from prompts.records import Completion
from providers.provider import Provider
from providers.wire import Adapter

_MODULES = {
    "openai": "providers.protocols.openai",
    "azure": "providers.protocols.azure",
    "anthropic": "providers.protocols.anthropic",
    "gemini": "providers.protocols.gemini",
}
_MARKS = {
    "openai": frozenset({"choices", "output", "data"}),
    "gemini": frozenset({"candidates", "promptFeedback", "usageMetadata"}),
    "anthropic": frozenset({"content", "stop_reason"}),
}
_keys = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NOWHERE = "http://127.0.0.1"


def make_adapter(provider: Provider, model: str, base_url: str, key: str | None) -> Adapter:
    """The adapter of a provider and model; `base_url` is where the provider is, `key` its API key where it has one."""
    adapter: Adapter = _module(provider.protocol).make(provider, model, base_url, key)
    return adapter


def check_encode(provider: Provider, model: str, url: str, body: bytes) -> None:
    """Raise InputError where a request cannot be said in its provider's protocol."""
    make_adapter(provider, model, _NOWHERE, None).encode(url, body)


def read_completion(protocol: str, body: bytes) -> Completion:
    """The normalised answer in a stored body. Raises KeyError or ValueError."""
    completion: Completion = _module(protocol).read_completion(body)
    return completion


def recognise_protocol(body: bytes) -> str:
    """The protocol that an answer was given in, by its shape. Raises ValueError where it is none of them."""
    try:
        keys = _keys.decode(body).keys()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a JSON object: {error}") from None
    found = next((protocol for protocol, marks in _MARKS.items() if not marks.isdisjoint(keys)), None)
    if found is None:
        raise ValueError("an answer of no protocol that is known")
    return found


def _module(protocol: str) -> Any:
    return importlib.import_module(_MODULES[protocol])
