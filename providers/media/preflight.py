"""Every picture and clip looked at before the first call: what it is, how large, and its hash. Nothing is decoded.

A file that many rows show is looked at once, and again only when it has changed.
"""

import hashlib
import io
import os
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from prompts.input_error import InputError
from providers.media.clips import BrokenClipError, read_clip_header
from providers.media.kinds import (
    CLIPS_TAKEN,
    DEMUXERS,
    GIF,
    HEAD_BYTES,
    PICTURE_TYPES,
    PICTURES_TAKEN,
    PNG,
    looks_like,
    type_of,
)
from providers.media.pictures import MAX_PIXELS, BrokenPictureError, read_header
from providers.media.references import MediumKind, Reference
from providers.media.sources import MOST_CLIP_BYTES, MOST_PICTURE_BYTES, MediaRoot, Source
from providers.provider import MediaLimits

__all__ = ["MAX_PIXELS", "Medium", "Preflight", "check_request"]

_MOST_REMEMBERED = 10_000

_Key = tuple[int, int, int, int, MediumKind]  # device, inode, bytes, modified, and how it is asked for


class Medium(msgspec.Struct, frozen=True, omit_defaults=True):
    """One picture or clip as it was found: hash of its whole file in hex, type by its first bytes, bytes of the file.

    `width` and `height` are in pixels as shown (turned as EXIF says); `frames` is how many a clip has.
    """

    sha256: str
    type: str
    bytes: int
    width: int
    height: int
    frames: int | None = None


class Preflight:
    """Looks at the media of a manifest, under one root."""

    def __init__(self, root: MediaRoot) -> None:
        self._root = root
        self._remembered: OrderedDict[_Key, Medium] = OrderedDict()

    def look(self, reference: Reference, limits: MediaLimits) -> Medium | None:
        """What is there; None for an address that the provider fetches itself. Raises InputError naming the field."""
        if reference.is_remote:
            _check_remote(reference, limits)
            return None
        if reference.is_data:
            data = self._root.read(reference)
            return _examine(io.BytesIO(data), len(data), reference)
        with self._root.open(reference) as file:
            state = os.fstat(file.fileno())
            key = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, reference.kind)
            medium = self._remembered.get(key)
            if medium is None:
                medium = self._remembered[key] = _examine(file, state.st_size, reference)
                if len(self._remembered) > _MOST_REMEMBERED:
                    self._remembered.popitem(last=False)
            return medium


def check_request(references: Sequence[Reference], media: Sequence[Medium | None], limits: MediaLimits) -> None:
    """Raise InputError where a request shows more pictures than the provider takes in one."""
    shown = 0
    for reference, _ in zip(references, media, strict=True):
        shown += reference.pictures
        if shown > limits.max_count:
            raise InputError(
                f"is one picture more than the provider takes in a request ({limits.max_count}); show fewer",
                field=reference.field,
            )


def _check_remote(reference: Reference, limits: MediaLimits) -> None:
    if reference.kind is MediumKind.CLIP:
        raise InputError("clips are not fetched from an address; give a local file", field=reference.field)
    if not limits.remote:
        raise InputError("the provider fetches no pictures; give a local file", field=reference.field)


def _examine(file: Source, size: int, reference: Reference) -> Medium:
    clip = reference.kind is MediumKind.CLIP
    most = MOST_CLIP_BYTES if clip else MOST_PICTURE_BYTES
    if size == 0:
        raise InputError("is empty (0 bytes)", field=reference.field)
    if size > most:
        raise InputError(f"has {size:,} bytes; at most {most:,} are taken", field=reference.field)
    try:
        head = file.read(HEAD_BYTES)
        medium = _examine_clip(file, head, reference) if clip else _examine_picture(file, head, reference)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", field=reference.field) from None
    return msgspec.structs.replace(medium, sha256=digest, bytes=size)


def _examine_picture(file: Source, head: bytes, reference: Reference) -> Medium:
    kind = type_of(head)
    if kind not in PICTURE_TYPES:
        hint = "; give it as video_url" if kind in DEMUXERS else ""
        raise InputError(f"is no picture: {looks_like(head)} ({PICTURES_TAKEN}){hint}", field=reference.field)
    try:
        header = read_header(file, kind)
    except BrokenPictureError as error:
        raise InputError(f"cannot be read as {kind}: {error}", field=reference.field) from None
    if header.animated:
        how = "give it as video_url, or one frame of it" if kind in (GIF, PNG) else "give one frame of it"
        raise InputError(f"{kind} with more than one frame; {how}", field=reference.field)
    return Medium("", kind, 0, header.width, header.height)


def _examine_clip(file: Source, head: bytes, reference: Reference) -> Medium:
    kind = type_of(head)
    if kind not in DEMUXERS:
        hint = "; give it as image_url" if kind in PICTURE_TYPES else ""
        raise InputError(f"is no clip: {looks_like(head)} ({CLIPS_TAKEN}){hint}", field=reference.field)
    try:
        header = read_clip_header(file, kind)
    except BrokenClipError as error:
        raise InputError(f"cannot be read as {kind}: {error}", field=reference.field) from None
    return Medium("", kind, 0, header.width, header.height, header.frames)
