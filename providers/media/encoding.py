"""Pixels as the bytes of a picture that a provider takes. Of a file's metadata only its colour profile goes along.

JPEG of quality 90 for photographs: they have been through JPEG before, and as PNG would have several times the bytes.
PNG where the source lost nothing and is small, or has alpha: letters and lines stay sharp.
"""

import io
from typing import TYPE_CHECKING

import msgspec

from prompts.input_error import InputError
from providers.media.kinds import BMP, GIF, JPEG, PNG, TIFF
from providers.media.modes import on_white
from providers.provider import MediaLimits

if TYPE_CHECKING:
    from PIL.Image import Image

QUALITIES = (90, 80, 70, 55, 40, 25)  # the lower ones where a picture has too many bytes
MOST_PNG_PIXELS = 1 << 20
LOSSLESS = (PNG, GIF, BMP, TIFF)


class Prepared(msgspec.Struct, frozen=True):
    """A picture ready to be sent: its type, the bytes of its file, its width and height in pixels."""

    type: str
    data: bytes
    width: int
    height: int


def encode(picture: "Image", limits: MediaLimits, *, lossless: bool, profile: bytes | None, field: str) -> Prepared:
    """A picture in mode L, RGB or RGBA as PNG (`lossless`) or JPEG, whichever the limits take.

    Raises InputError where it has more bytes than the limits, at any quality.
    """
    picture.info.clear()  # Pillow would write comments and more of it into the new file
    data = b""
    if PNG in limits.types and (lossless or JPEG not in limits.types):
        data = _saved(picture, "PNG", icc_profile=profile)
        if len(data) <= limits.max_bytes:
            return Prepared(PNG, data, *picture.size)
    elif JPEG not in limits.types:
        raise InputError("the provider takes neither JPEG nor PNG", field=field)
    if JPEG in limits.types:
        flat = on_white(picture)
        for quality in QUALITIES:
            data = _saved(flat, "JPEG", quality=quality, icc_profile=profile)
            if len(data) <= limits.max_bytes:
                return Prepared(JPEG, data, *picture.size)
    raise InputError(
        f"still has {len(data):,} bytes at {picture.width}x{picture.height}; the provider takes {limits.max_bytes:,}: "
        "make it smaller",
        field=field,
    )


def wants_png(kind: str, mode: str, size: tuple[int, int]) -> bool:
    """Whether a picture from a file of this type is better sent as PNG."""
    return mode == "RGBA" or (kind in LOSSLESS and size[0] * size[1] <= MOST_PNG_PIXELS)


def _saved(picture: "Image", form: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()
