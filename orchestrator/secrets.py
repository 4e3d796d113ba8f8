"""What must never be written down: keys, and how they are taken out of whatever a provider sends back.

Some providers and proxies echo a request's headers, in answers and errors alike.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, unquote, urlsplit

import msgspec

from providers.failures import MESSAGE_LIMIT
from providers.provider import Provider
from providers.proxies import proxy_from_environment
from providers.wire import Failure

HIDDEN = "[key]"
_SHORTEST = 8  # characters; a shorter one would be found where it is not
_SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie|passw|credential|session|signature|^x-api$", re.IGNORECASE)
_ESCAPED = re.compile(rb"\\u00([2-7][0-9a-fA-F])")


class Secrets:
    """The secrets of one provider. `hide` and `hide_bytes` take them out, in every spelling that an echo may have."""

    __slots__ = ("_bytes", "_texts")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        spelt = {spelling for secret in secrets if len(secret) >= _SHORTEST for spelling in _spellings(secret)}
        self._texts = [(text, _in_place_of(text)) for text in sorted(spelt, key=len, reverse=True)]
        self._bytes = [(text.encode(), instead.encode()) for text, instead in self._texts]

    def hide(self, text: str) -> str:
        """The text without secrets."""
        for secret, instead in self._texts:
            if secret in text:
                text = text.replace(secret, instead)
        return text

    def hide_in(self, failure: Failure) -> Failure:
        """The failure without secrets, its message no longer than messages are."""
        code = None if failure.code is None else self.hide(failure.code)
        return msgspec.structs.replace(failure, message=self.hide(failure.message)[:MESSAGE_LIMIT], code=code)

    def hide_bytes(self, body: bytes) -> bytes:
        """The body without secrets; JSON stays JSON."""
        if self._bytes and b"\\u00" in body:
            plain = _ESCAPED.sub(_unescaped, body)
            if any(secret in plain for secret, _ in self._bytes):
                body = plain
        for secret, instead in self._bytes:
            if secret in body:
                body = body.replace(secret, instead)
        return body


NO_SECRETS = Secrets()


def secrets_of(provider: Provider, key: str | None) -> Secrets:
    """The API key, the values of headers whose names tell that they are secret, and what opens the proxy."""
    return Secrets(_all_secrets(provider, key))


def _all_secrets(provider: Provider, key: str | None) -> Iterator[str]:
    if key is not None:
        yield key
    for name, value in provider.headers.items():
        if _SECRET_HEADER.search(name):
            yield value
            yield value.rpartition(" ")[2]  # what follows "Bearer"
    proxy = urlsplit(provider.proxy or proxy_from_environment(provider.base_url) or "")
    if proxy.password:
        yield unquote(proxy.password)
        yield f"{unquote(proxy.username or '')}:{unquote(proxy.password)}"  # as Basic spells it in base64


def _unescaped(found: re.Match[bytes]) -> bytes:
    """The character of an escape that JSON does not need."""
    character = bytes.fromhex(found[1].decode())
    return found[0] if character in b'"\\' else character


def _in_place_of(secret: str) -> str:
    """What could stand outside of a string as a number stays one, so that JSON stays JSON."""
    if not secret.isdigit():
        return HIDDEN
    nines = "9" * len(secret)
    return nines if secret != nines else "8" * len(secret)


def _spellings(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="")
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret)[1:-1].replace("/", "\\/")
    for before in range(3):  # wherever it stands in a longer text, "Bearer KEY" or "user:password", it has one of three
        encoded = base64.b64encode(bytes(before) + secret.encode()).decode()
        yield encoded[(before * 8 + 5) // 6 : (before + len(secret.encode())) * 8 // 6]
