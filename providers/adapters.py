"""The adapters by the catalog's word for their protocol."""

from collections.abc import Mapping

from prompts.records import Completion
from providers import openai_chat
from providers.openai_chat import OpenAIAdapter
from providers.wire import Adapter

PROTOCOLS = ("openai",)


def make_adapter(protocol: str, base_url: str, headers: Mapping[str, str]) -> Adapter:
    """The adapter of a protocol in the catalog; `headers` carry the key. Raises KeyError for an unknown protocol."""
    return {"openai": OpenAIAdapter}[protocol](base_url, headers)


def read_completion(protocol: str, body: bytes) -> Completion:
    """The normalised answer in a stored body. Raises KeyError or ValueError."""
    return {"openai": openai_chat.read_completion}[protocol](body)
