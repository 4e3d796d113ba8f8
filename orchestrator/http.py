"""The one way out: `post(url, headers, body) -> status, headers, body`, on aiohttp; batch APIs have other methods, and
results that go to a file as they come.

A transport error says what the engine needs: whether the request may have reached the provider (and so may be billed).
Answers are read up to a limit; nothing is retried and nothing is timed here.
"""

import io
import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Protocol, Self

import aiohttp
from yarl import URL

from prompts.input_error import InputError
from providers.catalog import trust
from providers.provider import Provider
from providers.proxies import proxy_from_environment
from providers.wire import Billing, Failure, FailureKind, HttpCall

MAX_BODY_BYTES = 64 << 20
_CONNECT_TIMEOUT_S = 30.0
_LARGE_BODY_BYTES = 1 << 20

HttpAnswer = tuple[int, Mapping[str, str], bytes]
_Reader = Callable[[aiohttp.ClientResponse], Awaitable[bytes]]


class TransportError(Exception):
    """No whole answer came back; `failure` says how the attempt settles."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Transport(Protocol):
    """What the engine needs of HTTP."""

    async def post(self, call: HttpCall) -> HttpAnswer:
        """Send and read the whole answer. Raises TransportError."""

    async def close(self) -> None:
        """Close all connections."""


class AiohttpTransport:
    """One aiohttp session for a provider: as many connections as calls in flight, no hidden waits.

    Raises InputError where the provider's `ca_file` cannot be used.
    """

    def __init__(self, provider: Provider) -> None:
        self._proxy = provider.proxy or proxy_from_environment(provider.base_url)
        self._urls: dict[str, URL] = {}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=_trusted(provider)),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_S),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def post(self, call: HttpCall) -> HttpAnswer:
        return await self._exchange("POST", self._url(call.url), call.headers, call.body, _read)

    async def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> HttpAnswer:
        """Send with any method, and read the whole answer. Raises TransportError."""
        return await self._exchange(method, url, headers, body, _read)

    async def download(self, url: str, headers: Mapping[str, str], take: Callable[[bytes], None]) -> HttpAnswer:
        """Get: where the status is 200 each piece of the answer goes to `take` as it comes, and what is returned is
        empty; else the answer is read. Raises TransportError, and what `take` raises.
        """
        return await self._exchange("GET", url, headers, None, partial(_pour, take))

    async def _exchange(
        self, method: str, url: str | URL, headers: Mapping[str, str], body: bytes | None, read: _Reader
    ) -> HttpAnswer:
        # aiohttp warns where it is handed a large body as bytes.
        data = body if body is None or len(body) < _LARGE_BODY_BYTES else io.BytesIO(body)
        try:
            response = await self._session.request(
                method, url, data=data, headers=headers, proxy=self._proxy, allow_redirects=False
            )
            try:
                answer = await read(response)  # to its end, which gives the connection back
            except BaseException:
                response.close()
                raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise TransportError(failure_of(error)) from error
        return response.status, response.headers, answer

    def _url(self, text: str) -> URL:
        """Parsed once: a run has few addresses and many calls."""
        url = self._urls.get(text)
        if url is None:
            url = self._urls[text] = URL(text)
        return url

    async def close(self) -> None:
        await self._session.close()


def _trusted(provider: Provider) -> ssl.SSLContext | bool:
    """What the provider's certificate is checked against, read once."""
    if provider.ca_file is None:
        return provider.verify
    try:
        return trust(provider.ca_file)
    except ValueError as error:
        raise InputError(str(error), field="ca_file") from None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The whole body, however long it says it is or unpacks to, up to the limit."""
    content = response.content
    chunk = await content.readany()
    if content.at_eof():
        return chunk
    chunks = [chunk]
    size = len(chunk)
    while chunk := await content.readany():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            message = f"the answer is larger than {MAX_BODY_BYTES >> 20} MiB"
            raise TransportError(Failure(FailureKind.TOO_LARGE, Billing.MAYBE, message, status=response.status))
        chunks.append(chunk)
    return b"".join(chunks)


async def _pour(take: Callable[[bytes], None], response: aiohttp.ClientResponse) -> bytes:
    """Hand a 200 on piece by piece, however long it is."""
    if response.status != 200:
        return await _read(response)
    async for chunk in response.content.iter_any():
        take(chunk)
    return b""


def failure_of(error: Exception) -> Failure:
    """The typed failure of a transport error: before the connection stood nothing can have been billed."""
    unbilled = (
        aiohttp.ClientConnectorError,
        aiohttp.ClientHttpProxyError,
        aiohttp.ServerTimeoutError,
        ssl.SSLError,
        aiohttp.InvalidURL,
    )
    billing = Billing.UNBILLED if isinstance(error, unbilled) else Billing.MAYBE
    return Failure(FailureKind.TRANSIENT, billing, _told(error))


def _told(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        why = getattr(error.certificate_error, "verify_message", None) or error.certificate_error
        return f"the certificate of {error.host} is not trusted: {why} (a private CA's goes into ca_file)"
    if isinstance(error, aiohttp.ClientHttpProxyError):  # its own text may show the proxy's address, with the password
        return f"the proxy did not connect: {error.status} {error.message}"
    return f"{type(error).__name__}: {error}" if str(error) else f"{type(error).__name__}: {type(error).__name__}"
