"""The pictures of a row: found by its request and their place in it alone, and made anew from decoded pixels.

What is shown is what was sent: the very preparation of the engine, a clip as its frames. Nothing that a file or a data
URL holds goes to the browser as it is; an address that the provider fetched by itself is named and never asked.
"""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock

import msgspec

from orchestrator.media_stage import Wanted, wanted_media
from outputs.journal import Log
from outputs.line_by_seq import line_by_seq
from outputs.records import RequestLine
from outputs.run_record import RunRecord
from prompts.input_error import InputError
from providers.media.encoding import Prepared, encode, wants_png
from providers.media.kinds import JPEG, PNG, type_of
from providers.media.modes import to_eight_bits
from providers.media.pictures import BrokenPictureError, decode
from providers.media.preparing import prepare
from providers.media.references import MediumKind, Reference, find_references
from providers.media.sources import MediaRoot
from providers.provider import ImageTokens, MediaLimits, Provider

MOST_SIDE = 1280  # pixels of what is shown
MOST_PIXELS = 40_000_000  # of a file: more would take the memory that the server has
MOST_SHOWN = 64  # pictures of a row
_LIMITS = MediaLimits(max_bytes=8 << 20, types=(JPEG, PNG))
_MOST_KEPT_BYTES = 48 << 20
_LONGEST_ADDRESS = 200
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
    for number, reference in enumerate(_references(request)):
        shown = _looked_at(request, record, number, reference, MOST_SHOWN - places)
        found.append(replace(shown, first=places))
        places += len(shown.pictures)
    return found


def _references(request: RequestLine) -> list[Reference]:
    try:
        return find_references(bytes(request.body))
    except InputError:
        return []  # an import takes bodies as they are


def _looked_at(request: RequestLine, record: RunRecord, number: int, reference: Reference, room: int) -> Shown:
    clip, address = reference.kind is MediumKind.CLIP, _address(reference)
    if reference.is_remote:
        return Shown(clip, address, why="an address, which the provider fetched; it is not asked from here")
    if reference.pictures > room:
        return Shown(clip, address, why=f"not shown: a page has at most {MOST_SHOWN} pictures")
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
    if wanted.medium.width * wanted.medium.height > MOST_PIXELS:
        raise InputError(f"not shown: more than {MOST_PIXELS // 10**6} million pixels")
    root = MediaRoot(Path(record.media_root or "/nonexistent"))
    sent = prepare(root, wanted.reference, wanted.medium, wanted.target, wanted.limits)
    return tuple(made_anew(picture.data) for picture in sent)


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


_Key = tuple[str, int, tuple[int, ...]]  # folder, request, and how its files lie there


@dataclass(slots=True)
class MediaShelf:
    """The pictures of the rows that were looked at last: a page asks for each of its own by itself."""

    _kept: OrderedDict[_Key, list[Shown]] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)  # one at a time: a decoder may take a hundred megabytes

    def media_of(self, folder: Path, request: RequestLine, record: RunRecord) -> list[Shown]:
        """As `media_of`, which is asked once for files that lie there unchanged."""
        if not request.media:
            return media_of(request, record)
        key = str(folder), request.seq, _state(request, record)
        with self._lock:
            found = self._kept.pop(key, None)
            self._kept[key] = found = media_of(request, record) if found is None else found
            while len(self._kept) > 1 and sum(map(_bytes, self._kept.values())) > _MOST_KEPT_BYTES:
                self._kept.popitem(last=False)
            return found

    def picture(self, folder: Path, request: RequestLine, record: RunRecord, place: int) -> Prepared | None:
        """The picture at a place of a row; None where there is none, or where it is not shown."""
        for shown in self.media_of(folder, request, record):
            if shown.first <= place < shown.first + len(shown.pictures):
                return shown.pictures[place - shown.first]
        return None


def _bytes(media: list[Shown]) -> int:
    return sum(len(picture.data) for shown in media for picture in shown.pictures)


def _state(request: RequestLine, record: RunRecord) -> tuple[int, ...]:
    """What tells whether the files of a request are still the same ones."""
    if record.media_root is None:
        return ()
    root, found = MediaRoot(Path(record.media_root)), []
    for reference in _references(request):
        if not reference.is_data and not reference.is_remote:
            try:
                state = root.path_of(reference).stat()
            except (InputError, OSError):
                found.append(-1)
            else:
                found += [state.st_ino, state.st_size, state.st_mtime_ns]
    return tuple(found)
