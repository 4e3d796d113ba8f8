"""The batch client of a provider, by its protocol."""

from providers.batches.wire import BatchClient, HttpSeam
from providers.provider import Provider

BATCH_PROTOCOLS = ("openai", "azure", "anthropic", "gemini")


def has_batches(provider: Provider) -> bool:
    """Whether a provider has a batch API that is spoken here."""
    return provider.batch is not None and provider.protocol in BATCH_PROTOCOLS


def make_batch_client(provider: Provider, model: str, base_url: str, key: str | None, http: HttpSeam) -> BatchClient:
    """The client of a lane. Raises InputError where the catalog does not say enough to make one.

    `base_url` is the provider's, or the embedded simulator's. Only clients without an SDK of their own use `http`.
    """
    match provider.protocol:
        case "anthropic":
            from providers.batches.anthropic_messages import AnthropicBatches

            return AnthropicBatches(provider, base_url, key, http)
        case "gemini":
            from providers.batches.gemini_contents import GeminiBatches

            return GeminiBatches(provider, model, base_url, key, http)
        case _:
            from providers.batches.openai_files import OpenAIBatches

            return OpenAIBatches(provider, model, base_url, key)
