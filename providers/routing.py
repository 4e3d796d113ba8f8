"""From a request as it was asked to the lane it travels in: provider, model, and the fingerprint of what is sent."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import orjson

from prompts.input_error import InputError, split_fault
from providers.adapters import check_encode
from providers.catalog import Catalog
from providers.media.inlining import with_stand_ins
from providers.media.preflight import Medium, Preflight, check_request
from providers.media.references import Reference, find_references
from providers.media.sources import MediaRoot
from providers.protocols.paths import (
    CHAT,
    COMPLETIONS,
    EMBEDDINGS,
    GENERATE_CONTENT,
    MESSAGES,
    RESPONSES,
    model_in_path,
    speaks,
    spoken,
)
from providers.provider import Provider


class Routed(msgspec.Struct, frozen=True):
    """A request that can be sent: `body` is its JSON bytes exactly as they were asked.

    `media` has what was found of each picture and clip of a chat body, in their order; None for one that the provider
    fetches by itself.
    """

    provider: str
    model: str
    body: bytes
    fingerprint: str
    media: tuple[Medium | None, ...] = ()


_Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]


class _Head(msgspec.Struct, frozen=True):
    """The fields of any body that are checked before it is sent; the counts bound what an answer can cost."""

    model: str
    stream: bool | None = None
    logprobs: Any = None  # chat completions: whether; completions: how many
    n: _Count | None = None
    best_of: _Count | None = None
    max_tokens: _Count | None = None
    max_completion_tokens: _Count | None = None
    max_output_tokens: _Count | None = None


class _ChatHead(_Head, frozen=True, kw_only=True):
    messages: list[dict[str, Any]]
    logprobs: bool | None = None


class _MessagesHead(_Head, frozen=True, kw_only=True):
    messages: list[dict[str, Any]]
    max_tokens: _Count


class _InputHead(_Head, frozen=True, kw_only=True):
    input: str | list[Any]


class _PromptHead(_Head, frozen=True, kw_only=True):
    prompt: str | list[Any]


class _GenerationConfig(msgspec.Struct, frozen=True, rename="camel"):
    max_output_tokens: _Count | None = None
    candidate_count: _Count | None = None
    response_logprobs: bool | None = None


class _ContentsHead(msgspec.Struct, frozen=True, rename="camel"):
    contents: list[dict[str, Any]]
    generation_config: _GenerationConfig | None = None


_LONG_NUMBER = re.compile(rb"\d[\d.]{15,}")
_heads: dict[str, msgspec.json.Decoder[Any]] = {
    CHAT: msgspec.json.Decoder(_ChatHead),
    MESSAGES: msgspec.json.Decoder(_MessagesHead),
    RESPONSES: msgspec.json.Decoder(_InputHead),
    EMBEDDINGS: msgspec.json.Decoder(_InputHead),
    COMPLETIONS: msgspec.json.Decoder(_PromptHead),
}
_contents_head = msgspec.json.Decoder(_ContentsHead)


def route(url: str, provider: str | None, body: bytes, catalog: Catalog, preflight: Preflight | None = None) -> Routed:
    """Check a request and its media and find its lane. Raises InputError naming the field.

    `preflight` finds local pictures and clips; without one they lie in the working folder.
    """
    in_path = model_in_path(url)
    decoder = _heads.get(url) if in_path is None else _contents_head
    if decoder is None:
        if provider is not None:
            catalog.provider(provider)
        known = ", ".join((*_heads, GENERATE_CONTENT))
        raise InputError(f"{url!r} is not a path that is spoken here (spoken: {known})", field="url")
    head = _read_head(decoder, body)
    model: str = head.model if in_path is None else in_path
    if not model.strip():
        raise InputError("is empty", field="body.model")
    name = provider if provider is not None else catalog.route(model)
    entry = catalog.provider(name)
    if not speaks(entry.protocol, url):
        raise InputError(f"{url!r} is not spoken to {name} (spoken: {spoken(entry.protocol)})", field="url")
    _check(head, entry, model, name)
    references = find_references(body) if url == CHAT else []
    media = _look(references, entry, model, name, preflight) if references else ()
    if entry.protocol != "openai":
        check_encode(entry, model, url, with_stand_ins(body, references) if references else body)
    hashes = [medium.sha256 for medium in media if medium is not None]
    return Routed(name, model, body, fingerprint(name, url, body, hashes), media)


def _look(
    references: Sequence[Reference], provider: Provider, model: str, name: str, preflight: Preflight | None
) -> tuple[Medium | None, ...]:
    if provider.facts_of(model).vision is False:
        raise InputError(f"{name} shows no pictures to the model {model!r}", field=references[0].field)
    preflight = preflight or Preflight(MediaRoot(Path()))
    media = tuple(preflight.look(reference, provider.media) for reference in references)
    check_request(references, media, provider.media)
    return media


def _read_head(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        what, path = split_fault(str(error))
        raise InputError(what, field=f"body.{path}" if path else "body") from None
    except RecursionError:
        raise InputError("nested too deeply", field="body") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(str(error), field="body") from None


def _check(head: _Head | _ContentsHead, provider: Provider, model: str, name: str) -> None:
    for field in ("messages", "contents"):
        if getattr(head, field, None) == []:
            raise InputError("is empty", field=f"body.{field}")
    if isinstance(head, _ContentsHead):
        asked = head.generation_config is not None and head.generation_config.response_logprobs
        field = "generationConfig.responseLogprobs"
    else:
        asked, field = head.logprobs, "logprobs"
        if head.stream:
            raise InputError("streamed answers are not read; leave it out", field="body.stream")
    if asked and provider.facts and provider.facts_of(model).logprobs is False:
        what = f"{name} gives none for the model {model!r}; leave it out, or take a spec of G-VEval with samples = n"
        raise InputError(what, field=f"body.{field}")


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
