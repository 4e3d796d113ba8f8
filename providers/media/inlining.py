"""A chat body with its pictures in it: data URLs in the place of the addresses. All else stays as it is."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from providers.media.preparing import Prepared
from providers.media.references import Layout, MediumKind, Reference, find_references

_TINY_PNG = (
    b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP6DwABBQECz6AuzQAAAABJRU5ErkJggg=="  # one grey pixel
)
_STAND_IN = b"data:image/png;base64," + _TINY_PNG
_Place = tuple[int, int]  # message and part

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array = msgspec.json.Decoder(list[msgspec.Raw])


def inline(body: bytes, pictures: Sequence[Sequence[Prepared] | None]) -> bytes:
    """The body (JSON bytes) with `pictures` in it: an entry for each of its references, in their order.

    A part becomes a picture part for each picture of its entry; where that is None it stays as it is. The part's other
    keys stay, and so does the detail asked for; a strip of a clip's frames without one is seen in high detail.
    """
    references = find_references(body)
    if len(references) != len(pictures):
        raise ValueError(f"{len(pictures)} entries for {len(references)} pictures and clips")
    urls = {
        _place(reference): (reference, [_data_url(picture) for picture in prepared])
        for reference, prepared in zip(references, pictures, strict=True)
        if prepared is not None
    }
    return _with_urls(body, urls)


def with_stand_ins(body: bytes, references: Sequence[Reference]) -> bytes:
    """The body with a tiny picture for each of `references` that is not fetched from an address by the provider."""
    return _with_urls(body, {_place(one): (one, [_STAND_IN]) for one in references if not one.is_remote})


def _data_url(picture: Prepared) -> bytes:
    return b"".join((b"data:", picture.type.encode(), b";base64,", base64.b64encode(picture.data)))


def _place(reference: Reference) -> _Place:
    return reference.message, reference.part


def _with_urls(body: bytes, urls: Mapping[_Place, tuple[Reference, list[bytes]]]) -> bytes:
    if not urls:
        return body
    keys: dict[str, Any] = dict(_object.decode(body))
    messages: list[Any] = list(_array.decode(keys["messages"]))
    for number in {message for message, _ in urls}:
        message: dict[str, Any] = dict(_object.decode(messages[number]))
        content: list[Any] = []
        for index, part in enumerate(_array.decode(message["content"])):
            if (number, index) in urls:
                reference, shown = urls[number, index]
                content += (_picture_part(part, reference, url) for url in shown)
            else:
                content.append(part)
        message["content"] = content
        messages[number] = message
    keys["messages"] = messages
    return msgspec.json.encode(keys)


def _picture_part(part: msgspec.Raw, reference: Reference, url: bytes) -> dict[str, Any]:
    keys: dict[str, Any] = dict(_object.decode(part))
    asked: dict[str, Any] = dict(_object.decode(keys.pop(reference.kind.value)))
    if reference.kind is MediumKind.CLIP:
        asked = {key: value for key, value in asked.items() if key == "detail"}
        if reference.detail is None and reference.layout is Layout.STRIP:
            asked["detail"] = "high"
    asked["url"] = msgspec.Raw(b'"' + url + b'"')
    return {**keys, "type": MediumKind.PICTURE.value, MediumKind.PICTURE.value: asked}
