"""Azure OpenAI: OpenAI's bodies and answers under a resource's own address, by deployment and API version.

The paths are those of the official SDK (openai 3.54): chat completions, completions and embeddings under the deployment
that they ask, responses beside the deployments, which name theirs in the body.
"""

import time
from collections.abc import Mapping
from urllib.parse import quote

import msgspec
from multidict import CIMultiDict

from prompts.input_error import InputError
from providers.failures import classify
from providers.protocols.answers import read_answer
from providers.protocols.openai import KINDS, account_headers, read_completion
from providers.protocols.paths import RESPONSES
from providers.provider import Provider
from providers.wire import Answer, Failure, HttpCall

__all__ = ["AzureAdapter", "make", "read_completion"]

_NO_API_VERSION = (
    "speaks the azure protocol but has no API version; add to its table [providers.NAME] in overnight.toml:"
    ' api_version = "2024-10-21"'
)
_NOT_AZURE = 'an address that ends with /openai/v1 speaks protocol = "openai", without deployments and api_version'
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


class AzureAdapter:
    """The calls of one model to its deployment; `root` ends with /openai."""

    def __init__(self, root: str, model: str, deployment: str, api_version: str, headers: Mapping[str, str]) -> None:
        self._root = root
        self._deployment = deployment
        self._renamed = deployment != model
        self._query = f"?api-version={quote(api_version, safe='')}"
        self._headers = CIMultiDict({"Content-Type": "application/json"})
        self._headers.update(headers)

    def encode(self, url: str, body: bytes) -> HttpCall:
        path = url.removeprefix("/v1")
        if url == RESPONSES:
            named = _renamed(body, self._deployment) if self._renamed else body
            return HttpCall(self._root + path + self._query, self._headers, named)
        deployment = quote(self._deployment, safe="")
        return HttpCall(f"{self._root}/deployments/{deployment}{path}{self._query}", self._headers, body)

    def decode(self, url: str, status: int, headers: Mapping[str, str], body: bytes) -> Answer | Failure:
        if status == 200:
            return read_answer(KINDS[url], body)
        return classify(status, headers, body, now=time.time())


def _renamed(body: bytes, deployment: str) -> bytes:
    """The body with the deployment for its model; its other fields as they stand."""
    return msgspec.json.encode({**_fields.decode(body), "model": deployment})


def make(provider: Provider, model: str, base_url: str, key: str | None) -> AzureAdapter:
    """The adapter of a model's deployment. Raises InputError where the catalog does not say enough to call it."""
    root, api_version = azure_root(provider, base_url)
    headers = CIMultiDict({} if key is None else {"api-key": key})
    headers.update(account_headers(provider))
    deployment = provider.deployments.get(model, model)
    return AzureAdapter(root, model, deployment, api_version, headers)


def azure_root(provider: Provider, base_url: str) -> tuple[str, str]:
    """(address of a resource's API, its version). Raises InputError where the catalog does not say enough."""
    if provider.api_version is None:
        raise InputError(_NO_API_VERSION, field="provider")
    if base_url.rstrip("/").endswith("/openai/v1"):
        raise InputError(_NOT_AZURE, field="provider")
    return base_url.rstrip("/").removesuffix("/openai") + "/openai", provider.api_version
