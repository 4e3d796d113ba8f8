"""The pictures of a row: found by its request and their place in it alone, and made anew from decoded pixels.

What is shown is what was sent: the very preparation of the engine, a clip as its frames. Nothing that a file or a data
URL holds goes to the browser as it is; an address that the provider fetched by itself is named and never asked.
"""

import io
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from orchestrator.media_stage import Wanted, wanted_media
from outputs.browsing.asked_words import CHAT_MEDIA, Part, read_messages
from outputs.journal import Log
from outputs.line_by_seq import line_by_seq
from outputs.records import RequestLine
from outputs.run_record import RunRecord
from prompts.input_error import InputError
from providers.media.encoding import Prepared, encode, wants_png
from providers.media.kinds import JPEG, PICTURE_TYPES, PNG, type_of
from providers.media.modes import to_eight_bits
from providers.media.pictures import BrokenPictureError, decode, read_header
from providers.media.preparing import prepare
from providers.media.references import MediumKind, Reference, find_references
from providers.media.sources import MOST_PICTURE_BYTES, MediaRoot, read_data_url
from providers.provider import ImageTokens, MediaLimits, Provider

MOST_SIDE = 1280  # pixels of what is shown
MOST_PIXELS = 40_000_000  # of a file: more would take the memory that the server has
MOST_SHOWN = 64  # pictures of a row
_LIMITS = MediaLimits(max_bytes=8 << 20, types=(JPEG, PNG))
_LONGEST_ADDRESS = 200
_ELSEWHERE = "an address, which the provider fetched; it is not asked from here"
_TOO_MANY = f"not shown: a page has at most {MOST_SHOWN} pictures"
_decode_request = msgspec.json.Decoder(RequestLine).decode


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture or clip of a request. `pictures`: what it was sent as; none where `why` says that it is not shown.

    `first` is the place of the first of them among all pictures of the request; `address` is a path or an address as it
    was written, cut where it is long.
    """

    clip: bool
    address: str
    first: int = 0
    pictures: tuple[Prepared, ...] = ()
    why: str | None = None
    size: tuple[int, int] | None = None  # of the file, in pixels
    frames: int | None = None  # that the clip has


def read_request(folder: Path, seq: int) -> RequestLine | None:
    """The request's line in the log; None where there is none. Raises InputError where it is damaged."""
    path = folder / Log.REQUESTS.file_name
    try:
        line = line_by_seq(path, seq)
        return None if line is None else _decode_request(line)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"the log is damaged at seq {seq}: {error}", file=path) from None


def media_of(request: RequestLine, record: RunRecord) -> list[Shown]:
    """The pictures and clips of a request in their order, decoded and made anew. It takes its time: use a thread."""
    found: list[Shown] = []
    places = 0
    for reference, number in references_of(request):
        room = MOST_SHOWN - places
        shown = _in_body(reference, room) if number is None else _looked_at(request, record, number, reference, room)
        found.append(replace(shown, first=places))
        places += len(shown.pictures)
    return found


def references_of(request: RequestLine) -> list[tuple[Reference, int | None]]:
    """Each with its number among the media that were looked at before the run; None: it stands in the body itself."""
    body = bytes(request.body)
    try:
        chat = [(reference, number) for number, reference in enumerate(find_references(body))]
    except InputError:
        return []  # an import takes bodies as they are
    parts = [part for message in read_messages(body) for part in message.parts if part.medium is not None]
    if all(part.kind in CHAT_MEDIA for part in parts):
        return [*chat]
    named = iter(chat)
    told = [_native(part) if part.kind not in CHAT_MEDIA else next(named, None) for part in parts]
    return [one for one in told if one is not None]


def _native(part: Part) -> tuple[Reference, None]:
    return Reference(0, part.medium or 0, MediumKind.PICTURE, part.address or ""), None


def _in_body(reference: Reference, room: int) -> Shown:
    """A picture that a body holds in its provider's own form: nothing prepared it, it went as it stands there."""
    address = _address(reference)
    if not reference.is_data:
        return Shown(clip=False, address=address, why=_ELSEWHERE)
    if not room:
        return Shown(clip=False, address=address, why=_TOO_MANY)
    try:
        data = read_data_url(reference)
        size = _size_of(data)
        return Shown(False, address, 0, (made_anew(data),), None, size)
    except InputError as error:
        return Shown(clip=False, address=address, why=f"not shown: {error.message}")


def _size_of(data: bytes) -> tuple[int, int]:
    """In pixels, by its header. Raises InputError for what is no picture, or too large to be decoded here."""
    kind = type_of(data[:4096])
    if kind not in PICTURE_TYPES:
        raise InputError("it is no picture")
    if len(data) > MOST_PICTURE_BYTES:
        raise InputError(f"has {len(data):,} bytes; at most {MOST_PICTURE_BYTES:,} are taken")
    try:
        header = read_header(io.BytesIO(data), kind)
    except BrokenPictureError as error:
        raise InputError(f"cannot be decoded as {kind}: {error}") from None
    _check_pixels(header.width, header.height)
    return header.width, header.height


def _looked_at(request: RequestLine, record: RunRecord, number: int, reference: Reference, room: int) -> Shown:
    clip, address = reference.kind is MediumKind.CLIP, _address(reference)
    if reference.is_remote:
        return Shown(clip, address, why=_ELSEWHERE)
    if reference.pictures > room:
        return Shown(clip, address, why=_TOO_MANY)
    medium = None if request.media is None or number >= len(request.media) else request.media[number]
    if medium is None:
        return Shown(clip, address, why="not shown: its hash was not recorded")
    size = medium.width, medium.height
    try:
        pictures = _prepared(request, record, number)
    except InputError as error:
        return Shown(clip, address, why=error.message, size=size, frames=medium.frames)
    return Shown(clip, address, 0, pictures, None, size, medium.frames)


def _prepared(request: RequestLine, record: RunRecord, number: int) -> tuple[Prepared, ...]:
    wanted = _wanted(request, record, number)
    if not wanted.reference.is_data and record.media_root is None:
        raise InputError("not shown: the run does not say which folder its pictures are in")
    try:
        _check_pixels(wanted.medium.width, wanted.medium.height)
    except InputError as error:
        raise InputError(f"not shown: {error.message}") from None
    root = MediaRoot(Path(record.media_root or "/nonexistent"))
    sent = prepare(root, wanted.reference, wanted.medium, wanted.target, wanted.limits)
    return tuple(made_anew(picture.data) for picture in sent)


def _check_pixels(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise InputError(f"it has more than {MOST_PIXELS // 10**6} million pixels")


def _wanted(request: RequestLine, record: RunRecord, number: int) -> Wanted:
    """How the engine would make it ready, by the catalog that the run has recorded."""
    try:
        name = msgspec.json.decode(request.provider, type=str)
        model = msgspec.json.decode(request.model, type=str)
        provider = msgspec.convert(record.catalog[name], Provider)
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
        raise InputError("not shown: the run's catalog does not have its provider") from None
    rule = provider.facts_of(model).image_tokens or ImageTokens()
    wanted = wanted_media(request, provider, rule)[number]
    if wanted is None:
        raise InputError("not shown: its hash was not recorded")
    return wanted


def made_anew(data: bytes) -> Prepared:
    """A picture's pixels as a new PNG or JPEG of bounded size, with nothing else that it held. Raises InputError."""
    kind = type_of(data[:4096])
    try:
        picture = to_eight_bits(decode(data, kind or ""))
    except (BrokenPictureError, KeyError) as error:
        raise InputError(f"cannot be decoded as {kind}: {error}") from None
    scale = min(1.0, MOST_SIDE / max(picture.size))
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    made = picture.resize(size) if size != picture.size else picture.copy()
    return encode(made, _LIMITS, lossless=wants_png(kind or "", made.mode, size), profile=None, field="picture")


def _address(reference: Reference) -> str:
    if reference.is_data:
        return f"data URL of {len(reference.url):,} characters"
    return reference.url if len(reference.url) <= _LONGEST_ADDRESS else reference.url[:_LONGEST_ADDRESS] + "…"
