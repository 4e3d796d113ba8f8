"""The pictures and clips that a chat body names: where each stands, what its address is, and what was asked of it.

Nothing is opened here. A body that names none costs one search for a word.
"""

import re
from enum import StrEnum
from typing import Any

import msgspec

from prompts.input_error import InputError

DETAILS = ("auto", "low", "high", "original")
MOST_FRAMES = 64


class MediumKind(StrEnum):
    PICTURE = "image_url"
    CLIP = "video_url"


class Layout(StrEnum):
    """What a clip becomes: one picture of its frames side by side, or a picture for each frame."""

    STRIP = "strip"
    SEPARATE = "separate"


class Reference(msgspec.Struct, frozen=True):
    """One picture or clip of a body: content part `part` of message `message`, both counted from 0."""

    message: int
    part: int
    kind: MediumKind
    url: str
    detail: str | None = None
    frames: int = 3
    layout: Layout = Layout.STRIP

    @property
    def field(self) -> str:
        """The path of its address in the request, for messages."""
        return f"body.messages[{self.message}].content[{self.part}].{self.kind}.url"

    @property
    def pictures(self) -> int:
        """How many pictures it is sent as."""
        return self.frames if self.kind is MediumKind.CLIP and self.layout is Layout.SEPARATE else 1

    @property
    def is_remote(self) -> bool:
        return self.url[:8].lower().startswith(("http://", "https://"))

    @property
    def is_data(self) -> bool:
        return self.url[:5].lower() == "data:"


_NOTHING = msgspec.Raw()


class _Part(msgspec.Struct, frozen=True):
    """Only what is asked about is read: a part's other keys may hold what no decoder here could."""

    type: msgspec.Raw = _NOTHING
    image_url: msgspec.Raw = _NOTHING
    video_url: msgspec.Raw = _NOTHING


class _Asked(msgspec.Struct, frozen=True):
    url: Any = None
    detail: Any = None
    frames: Any = 3
    layout: Any = Layout.STRIP.value


class _Message(msgspec.Struct, frozen=True):
    content: msgspec.Raw = _NOTHING


class _Body(msgspec.Struct, frozen=True):
    messages: list[_Message] = []


_WORDS = (b"image_url", b"video_url")
_ESCAPED_LETTER = re.compile(rb"\\u00[567]")  # a word may be written with escapes: rare, but legal
_body = msgspec.json.Decoder(_Body)
_parts = msgspec.json.Decoder(list[msgspec.Raw])
_part = msgspec.json.Decoder(_Part)
_asked = msgspec.json.Decoder(_Asked)
_text = msgspec.json.Decoder(str)


def find_references(body: bytes) -> list[Reference]:
    """The pictures and clips of a chat body (JSON bytes), in its order.

    Raises InputError naming the field where a part is not as it should be. What is no chat body has none.
    """
    if not may_name_media(body):
        return []
    try:
        messages = _body.decode(body).messages
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []  # the checks of the body's head say what is wrong with it
    found = []
    for number, message in enumerate(messages):
        if bytes(message.content)[:1] == b"[":
            for index, raw in enumerate(_parts.decode(message.content)):
                if bytes(raw)[:1] == b"{":
                    part = _part.decode(raw)
                    if (kind := _kind_of(part, number, index)) is not None:
                        found.append(_read_part(part, kind, number, index))
    return found


def may_name_media(body: bytes) -> bool:
    """Whether a body is worth reading for pictures and clips."""
    if any(word in body for word in _WORDS):
        return True
    return b"\\u00" in body and _ESCAPED_LETTER.search(body) is not None


def _kind_of(part: _Part, message: int, index: int) -> MediumKind | None:
    named = _as_text(part.type)
    for kind in MediumKind:
        if named == kind:
            return kind
        if part.type == _NOTHING and getattr(part, kind) != _NOTHING:
            field = f"body.messages[{message}].content[{index}].type"
            raise InputError(f'is missing; write "type": "{kind}"', field=field)
    return None


def _read_part(part: _Part, kind: MediumKind, message: int, index: int) -> Reference:
    field = f"body.messages[{message}].content[{index}].{kind}"
    asked = _read_asked(getattr(part, kind), kind, field)
    if not isinstance(asked.url, str) or not asked.url:
        raise InputError("must be text: a path, a data: URL, or an address", field=f"{field}.url")
    if asked.detail is not None and asked.detail not in DETAILS:
        raise InputError(f"{asked.detail!r} is unknown (known: {', '.join(DETAILS)})", field=f"{field}.detail")
    if kind is MediumKind.PICTURE:
        return Reference(message, index, kind, asked.url, asked.detail)
    if type(asked.frames) is not int or not 1 <= asked.frames <= MOST_FRAMES:
        raise InputError(f"must be a whole number from 1 to {MOST_FRAMES}", field=f"{field}.frames")
    if not isinstance(asked.layout, str) or asked.layout not in list(Layout):
        raise InputError(f"{asked.layout!r} is unknown (known: {', '.join(Layout)})", field=f"{field}.layout")
    return Reference(message, index, kind, asked.url, asked.detail, asked.frames, Layout(asked.layout))


def _read_asked(raw: msgspec.Raw, kind: MediumKind, field: str) -> _Asked:
    first = bytes(raw)[:1]
    if first != b"{":
        what = "is text" if first == b'"' else "is missing"
        raise InputError(f'{what}; write "{kind}": {{"url": "..."}}', field=field)
    try:
        return _asked.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(str(error), field=field) from None


def _as_text(raw: msgspec.Raw) -> str | None:
    try:
        return _text.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
