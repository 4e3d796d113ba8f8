"""A picture or clip made ready to be sent: decoded in full, turned upright, in 8 bits, no larger than is looked at.

Runs in threads of a pool and shares nothing between them. A picture that needs no change goes out as its own bytes;
what is encoded anew carries no metadata.
"""

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import TYPE_CHECKING

from prompts.input_error import InputError
from providers.media.clips import BrokenClipError, chosen_frames, read_frames
from providers.media.encoding import Prepared, encode, wants_png
from providers.media.modes import profile_of, to_eight_bits
from providers.media.pictures import BrokenPictureError, Header, decode, is_whole, read_header, upright
from providers.media.preflight import Medium
from providers.media.references import Layout, MediumKind, Reference
from providers.media.sources import MediaRoot, Source
from providers.media.strips import make_strip
from providers.media.targets import Target
from providers.provider import MediaLimits

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

__all__ = ["Prepared", "base64_bytes", "check_sent", "decode_fully", "prepare"]

_GAP = 2.0  # how much larger than wanted a picture is first made by plain averages: seen by nobody, and much faster


def prepare(
    root: MediaRoot, reference: Reference, medium: Medium, target: Target, limits: MediaLimits
) -> list[Prepared]:
    """The pictures to send for a reference, in order: one, or one for each frame of a clip shown separately.

    Raises InputError: changed since it was looked at, not decodable, or too many bytes for the provider however made.
    """
    try:
        if reference.kind is MediumKind.PICTURE:
            return [_prepare_picture(_read(root, reference, medium), reference, medium, target, limits)]
        with _opened(root, reference, medium) as file:
            return _prepare_clip(file, reference, medium, target, limits)
    except (BrokenPictureError, BrokenClipError) as error:
        raise InputError(f"cannot be decoded as {medium.type}: {error}", field=reference.field) from None


def decode_fully(root: MediaRoot, reference: Reference, medium: Medium) -> None:
    """Decode a picture, or every frame of a clip that is shown. Raises InputError where that fails."""
    try:
        if reference.kind is MediumKind.PICTURE:
            to_eight_bits(decode(_read(root, reference, medium), medium.type))
            return
        with _opened(root, reference, medium) as file:
            for _ in read_frames(file, medium.type, _numbers(reference, medium)):
                pass
    except (BrokenPictureError, BrokenClipError) as error:
        raise InputError(f"cannot be decoded as {medium.type}: {error}", field=reference.field) from None


def base64_bytes(count: int) -> int:
    """How long so many bytes are in base64."""
    return 4 * -(-count // 3)


def check_sent(references: Sequence[Reference], encoded: Sequence[int], limits: MediaLimits) -> None:
    """Raise InputError where the pictures of one request together have more bytes than the provider takes.

    `encoded`: for each reference the bytes of its pictures in base64.
    """
    for reference, total in zip(references, accumulate(encoded), strict=True):
        if total > limits.max_request_bytes:
            raise InputError(
                f"the pictures up to this one have {total:,} bytes in base64; the provider takes "
                f"{limits.max_request_bytes:,} in a request: show fewer or smaller ones",
                field=reference.field,
            )


def _prepare_picture(
    data: bytes, reference: Reference, medium: Medium, target: Target, limits: MediaLimits
) -> Prepared:
    header = read_header(io.BytesIO(data), medium.type)
    size = target.size(header.width, header.height)
    lying = (size[1], size[0]) if header.orientation >= 5 else size
    picture = decode(data, medium.type, lying)
    if _fits_as_it_is(data, picture, medium.type, header, size, limits):
        return Prepared(medium.type, data, *size)
    made = upright(_resized(to_eight_bits(picture), lying), header.orientation)
    lossless = wants_png(medium.type, made.mode, size)
    profile = profile_of(picture, made.mode)
    return encode(made.copy(), limits, lossless=lossless, profile=profile, field=reference.field)


def _fits_as_it_is(
    data: bytes, picture: "ImageFile", kind: str, header: Header, size: tuple[int, int], limits: MediaLimits
) -> bool:
    return (
        kind in limits.types
        and size == (header.width, header.height)
        and header.orientation == 1
        and picture.mode in ("L", "RGB", "RGBA")
        and len(data) <= limits.max_bytes
        and is_whole(data, kind, picture)
    )


def _prepare_clip(
    file: Source, reference: Reference, medium: Medium, target: Target, limits: MediaLimits
) -> list[Prepared]:
    frames = read_frames(file, medium.type, _numbers(reference, medium))
    if reference.layout is Layout.SEPARATE:
        shown = (_resized(frame, target.size(*frame.size)) for frame in frames)
        return [encode(one, limits, lossless=False, profile=None, field=reference.field) for one in shown]
    strip = make_strip(frames, reference.frames)
    strip = _resized(strip, target.size(*strip.size))
    return [encode(strip, limits, lossless=True, profile=None, field=reference.field)]


def _numbers(reference: Reference, medium: Medium) -> list[int]:
    return chosen_frames(medium.frames or 1, reference.frames)


def _resized(picture: "Image", size: tuple[int, int]) -> "Image":
    from PIL.Image import Resampling

    return picture if picture.size == size else picture.resize(size, Resampling.LANCZOS, reducing_gap=_GAP)


def _read(root: MediaRoot, reference: Reference, medium: Medium) -> bytes:
    data = root.read(reference)
    _check_unchanged(hashlib.sha256(data).hexdigest(), reference, medium)
    return data


@contextmanager
def _opened(root: MediaRoot, reference: Reference, medium: Medium) -> Iterator[Source]:
    """A clip's file, looked at again from its first byte to its last: it is not read into memory."""
    with io.BytesIO(root.read(reference)) if reference.is_data else root.open(reference) as file:
        try:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", field=reference.field) from None
        _check_unchanged(digest, reference, medium)
        yield file


def _check_unchanged(digest: str, reference: Reference, medium: Medium) -> None:
    if digest != medium.sha256:
        raise InputError(
            "has changed since it was checked: put it back, or run the manifest or spec again to ask for it anew",
            field=reference.field,
        )
