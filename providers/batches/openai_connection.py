"""The openai package as the batch client uses it: our headers and proxy, no retries, bounded answers, typed failures.

Nothing of the environment reaches a provider: the package takes keys, accounts and whole headers from there, for
whatever address it is given. So the headers of each request are made here, and a redirect to another host gets none.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from multidict import CIMultiDict

from prompts.input_error import InputError
from providers.batches.openai_calls import Ask, content
from providers.batches.openai_failures import RefusedError, billing_of, typed_failures
from providers.batches.wire import BatchCallError
from providers.catalog import trust
from providers.protocols.openai import account_headers, headers_of
from providers.provider import Provider
from providers.proxies import proxy_from_environment
from providers.wire import Failure, FailureKind

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

MAX_ANSWER_BYTES = 64 << 20
_MAX_ERROR_BYTES = 1 << 20
_CONNECT_TIMEOUT_S = 30.0
_NO_KEY = "none"  # the package wants one; it never leaves
_OF_THE_TRANSPORT = frozenset(
    {"host", "connection", "accept", "accept-encoding", "content-type", "content-length", "transfer-encoding"}
)
_OF_THE_PACKAGE = frozenset({"user-agent", "x-stainless-raw-response"})  # by the second it knows its own streams


class Connection:
    """The clients of one provider: one for calls, which follows no redirect, and one for downloads, which does.

    `root` is the address without the API's own paths; `api_version` is Azure's, else None. Raises InputError where
    the provider's `ca_file` cannot be used.
    """

    def __init__(self, provider: Provider, root: str, key: str | None, api_version: str | None = None) -> None:
        self._provider = provider
        self._root = root
        self._api_version = api_version
        self._headers = _headers(provider, key, azure=api_version is not None)
        self._verify = _trusted(provider)
        self._clients: dict[bool, AsyncOpenAI] = {}

    def _client(self, *, follow: bool) -> "AsyncOpenAI":
        """Made when it is needed: the package is not loaded for a plan."""
        if follow not in self._clients:
            self._clients[follow] = self._make(follow)
        return self._clients[follow]

    def _make(self, follow: bool) -> "AsyncOpenAI":
        from openai import AsyncAzureOpenAI, AsyncOpenAI

        options: dict[str, Any] = {
            "base_url": self._root,
            "api_key": _NO_KEY,
            "max_retries": 0,
            "http_client": self._http(follow),
        }
        if self._api_version is None:
            return AsyncOpenAI(**options)
        return AsyncAzureOpenAI(**options, api_version=self._api_version)

    def _http(self, follow: bool) -> "httpx2.AsyncClient":
        import httpx2

        async def dress(request: httpx2.Request) -> None:
            _dress(request, httpx2.URL(self._root), self._headers)

        async def refuse(response: httpx2.Response) -> None:
            if response.status_code >= 300 and not (follow and response.has_redirect_location):
                raise RefusedError(response.status_code, response.headers, await _read_some(response))

        return httpx2.AsyncClient(
            trust_env=False,
            proxy=self._provider.proxy or proxy_from_environment(self._root),
            verify=self._verify,
            follow_redirects=follow,
            timeout=httpx2.Timeout(self._provider.timeout_s, connect=_CONNECT_TIMEOUT_S),
            event_hooks={"request": [dress], "response": [refuse]},
        )

    async def ask(self, ask: Ask, *, effect: bool, upload: bool = False) -> tuple[Mapping[str, str], bytes]:
        """The headers and the body of a call's answer. Raises BatchCallError.

        With `effect` the call changes something, so that it may have done so where no answer came. All but an upload
        must be over within the provider's `timeout_s`; in an upload each piece must be on its way by then.
        """
        total_s = None if upload else self._provider.timeout_s
        with typed_failures(effect):
            async with asyncio.timeout(total_s), ask(self._client(follow=False)) as response:
                return response.headers, await _read(response.iter_bytes(), effect)

    async def fetch(self, file_id: str, out: BinaryIO) -> bool:
        """Write a file's content to `out`, piece by piece; whether it ends with a line break (or is empty).

        Raises BatchCallError, and OSError where `out` cannot be written.
        """
        last = b"\n"
        with typed_failures(effect=False):
            async with content(self._client(follow=True), file_id) as response:
                async for chunk in response.iter_bytes():
                    out.write(chunk)
                    last = chunk[-1:] or last
        return last == b"\n"

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.close()
        self._clients.clear()


def _headers(provider: Provider, key: str | None, *, azure: bool) -> CIMultiDict[str]:
    """The headers of online calls but for the type of the content, which differs from call to call here."""
    if azure:
        headers = CIMultiDict({} if key is None else {"api-key": key})
        headers.update(account_headers(provider))
    else:
        headers = headers_of(provider, key)
    headers.pop("Content-Type", None)
    return headers


def _dress(request: "httpx2.Request", home: "httpx2.URL", headers: Mapping[str, str]) -> None:
    """Put our headers in place of all others, at home only; never from https down to http."""
    import httpx2

    if home.scheme == "https" and request.url.scheme != "https":
        raise httpx2.UnsupportedProtocol("a redirect from https to http", request=request)
    kept = _OF_THE_TRANSPORT | _OF_THE_PACKAGE
    for name in [name for name in request.headers if name.lower() not in kept]:
        del request.headers[name]
    if (request.url.scheme, request.url.host, request.url.port) == (home.scheme, home.host, home.port):
        request.headers.update(dict(headers))


def _trusted(provider: Provider) -> ssl.SSLContext | bool:
    """What the provider's certificate is checked against: as online, and not by a list of the package's own."""
    if provider.ca_file is None:
        return ssl.create_default_context() if provider.verify else False
    try:
        return trust(provider.ca_file)
    except ValueError as error:
        raise InputError(str(error), field="ca_file") from None


async def _read(chunks: AsyncIterator[bytes], effect: bool) -> bytes:
    """The whole body, however long it says it is or unpacks to, up to the limit."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            message = f"the answer is larger than {MAX_ANSWER_BYTES >> 20} MiB"
            raise BatchCallError(Failure(FailureKind.TOO_LARGE, billing_of(effect), message))
    return bytes(body)


async def _read_some(response: "httpx2.Response") -> bytes:
    """The beginning of a refusal's body, as far as it comes: its status says the most."""
    import httpx2

    body = bytearray()
    with contextlib.suppress(httpx2.HTTPError):
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > _MAX_ERROR_BYTES:
                break
    return bytes(body[:_MAX_ERROR_BYTES])
