"""From a request as it was asked to the lane it travels in: provider, model, and the fingerprint of what is sent."""

import hashlib
import re
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import orjson

from prompts.input_error import InputError, split_fault
from providers.catalog import Catalog

CHAT = "/v1/chat/completions"
URLS = {"openai": frozenset({CHAT})}


class Routed(msgspec.Struct, frozen=True):
    """A request that can be sent: `body` is its JSON bytes exactly as they go out."""

    provider: str
    model: str
    body: bytes
    fingerprint: str


_Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]


class _ChatHead(msgspec.Struct, frozen=True):
    """The fields of a chat-completions body that are checked before it is sent."""

    model: str
    messages: list[dict[str, Any]]
    stream: bool | None = None
    logprobs: bool | None = None
    n: _Count | None = None  # these three bound what an answer can cost
    max_tokens: _Count | None = None
    max_completion_tokens: _Count | None = None


_LONG_NUMBER = re.compile(rb"\d[\d.]{15,}")
_chat_head = msgspec.json.Decoder(_ChatHead)


def route(url: str, provider: str | None, body: bytes, catalog: Catalog) -> Routed:
    """Check a request and find its lane. Raises InputError naming the field."""
    try:
        head = _chat_head.decode(body)
    except msgspec.ValidationError as error:
        what, path = split_fault(str(error))
        raise InputError(what, field=f"body.{path}" if path else "body") from None
    except RecursionError:
        raise InputError("nested too deeply", field="body") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(str(error), field="body") from None
    if not head.model.strip():
        raise InputError("is empty", field="body.model")
    name = provider if provider is not None else catalog.route(head.model)
    entry = catalog.provider(name)
    if url not in URLS[entry.protocol]:
        known = ", ".join(sorted(URLS[entry.protocol]))
        raise InputError(f"{url!r} is not spoken to {name} (spoken: {known})", field="url")
    _check(head, entry.facts_of(head.model).logprobs if entry.facts else None, name)
    return Routed(name, head.model, body, fingerprint(name, url, body))


def _check(head: _ChatHead, gives_logprobs: bool | None, provider: str) -> None:
    if not head.messages:
        raise InputError("is empty", field="body.messages")
    if head.stream:
        raise InputError("streamed answers are not read; leave it out", field="body.stream")
    if head.logprobs and gives_logprobs is False:
        raise InputError(f"{provider} gives none for the model {head.model!r}", field="body.logprobs")


def fingerprint(provider: str, url: str, body: bytes, media: Sequence[str] = ()) -> str:
    """Identity of what is sent, in hex: provider, path, body and media hashes.

    White space in the body does not count, so that a manifest written anew by another tool is the same manifest; the
    order of keys does, because models see the order of a schema's properties, and so does every digit of a number.
    """
    digits = _LONG_NUMBER.findall(body)  # what is beyond a double would be rounded below
    try:
        body = orjson.dumps(orjson.loads(body))
    except orjson.JSONDecodeError:
        pass  # legal JSON beyond orjson's reach, such as 1e999: its bytes stand for themselves
    except orjson.JSONEncodeError:
        raise InputError("nested too deeply", field="body") from None
    digest = hashlib.blake2b(digest_size=16)
    for part in (provider.encode(), url.encode(), body, *(item.encode() for item in media), *digits):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()
