"""The OpenAI protocol, as OpenAI and every server compatible with it speaks it."""

from providers.protocols.openai_chat import OpenAIAdapter, read_completion
from providers.provider import Provider

__all__ = ["OpenAIAdapter", "make", "read_completion"]


def make(provider: Provider, model: str, base_url: str, key: str | None) -> OpenAIAdapter:  # noqa: ARG001
    """The adapter of a provider; the key is a bearer token."""
    return OpenAIAdapter(base_url, headers_of(provider, key))


def headers_of(provider: Provider, key: str | None) -> dict[str, str]:
    """The headers of a provider's calls, its key among them."""
    account = {"OpenAI-Organization": provider.organization, "OpenAI-Project": provider.project}
    told = {name: value for name, value in account.items() if value is not None}
    return {**told, **provider.headers, **({} if key is None else {"Authorization": f"Bearer {key}"})}
