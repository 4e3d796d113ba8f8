"""Pictures read with Pillow: what their header says, and their pixels, decoded to the last.

Files are hostile: whatever a decoder raises on them is a `BrokenPictureError`. The format is the one that the first
bytes tell, and the size is bounded before anything as large as the picture is made.
"""

import io
import struct
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from providers.media.kinds import BMP, GIF, JPEG, PNG, TIFF, WEBP

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

MAX_PIXELS = 100_000_000
_ORIENTATION = 0x0112
_SHORT = 3
_SWAPPED = (5, 6, 7, 8)  # orientations that lie on their side
_LOUD = ("ignore", None, UserWarning)  # and its subclasses; only what PIL says


class BrokenPictureError(Exception):
    """A picture that cannot be read; says why."""


@dataclass(frozen=True, slots=True)
class Header:
    """What is known before decoding: size in pixels as shown, EXIF orientation (1 to 8), more than one frame or not."""

    width: int
    height: int
    orientation: int
    animated: bool


def read_header(file: BinaryIO, kind: str) -> Header:
    """The header of a picture of this type. Decodes nothing. Raises BrokenPictureError."""
    if kind == WEBP:
        _check_pixels(*_webp_size(file))
    picture = _open(file, kind)
    try:
        width, height = picture.size
        _check_pixels(width, height)
        orientation = _orientation(picture, kind)
        animated = bool(getattr(picture, "is_animated", False))
    except BrokenPictureError:
        raise
    except Exception as error:
        raise BrokenPictureError(_in_words(error)) from None
    if orientation in _SWAPPED:
        width, height = height, width
    return Header(width, height, orientation, animated)


def decode(data: bytes, kind: str, size: tuple[int, int] | None = None) -> "ImageFile":
    """The picture with all its pixels, not turned. `size`: what it will be resized to, before it is turned.

    A JPEG much larger than that is decoded to a half, a quarter or an eighth, never under `size`; it is read to its
    end all the same. Raises BrokenPictureError.
    """
    picture = _open(io.BytesIO(data), kind)
    try:
        _check_pixels(*picture.size)
        if size is not None and kind == JPEG:
            picture.draft(None, size)  # None keeps the mode
        picture.load()
    except BrokenPictureError:
        raise
    except Exception as error:
        raise BrokenPictureError(_in_words(error)) from None
    return picture


def upright(picture: "Image", orientation: int) -> "Image":
    """The picture turned as its EXIF orientation says."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return picture.transpose(turns[orientation]) if orientation in turns else picture


def is_whole(data: bytes, kind: str, picture: "ImageFile") -> bool:
    """Whether a file ends where its picture ends and holds no second one: what may be sent as it is."""
    if kind == JPEG:
        return data.endswith(b"\xff\xd9") and "mp" not in picture.info
    if kind == PNG:
        return data.endswith(b"\0\0\0\0IEND\xaeB`\x82") and data[24] == 8
    return kind == WEBP and int.from_bytes(data[4:8], "little") + 8 == len(data)


def exif_orientation(exif: bytes) -> int:
    """The orientation in a block of EXIF, 1 to 8; 1 where it has none or is broken."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, start)
        for number in range(entries):
            tag, kind, count, value = struct.unpack_from(order + "HHIH", tiff, start + 2 + 12 * number)
            if tag == _ORIENTATION:
                return int(value) if (kind, count) == (_SHORT, 1) and 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def _orientation(picture: "ImageFile", kind: str) -> int:
    """Pillow turns a TIFF by itself. Of a PNG it counts only where it stands before the pixels."""
    exif = picture.info.get("exif")
    return exif_orientation(exif) if kind in (JPEG, PNG, WEBP) and isinstance(exif, bytes) else 1


def _open(file: BinaryIO, kind: str) -> "ImageFile":
    """Not by `Image.open`: that tries every format, and warns of sizes by a bound of its own."""
    from PIL import BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

    classes: dict[str, type[ImageFile]] = {
        JPEG: JpegImagePlugin.JpegImageFile,
        PNG: PngImagePlugin.PngImageFile,
        WEBP: WebPImagePlugin.WebPImageFile,
        GIF: GifImagePlugin.GifImageFile,
        BMP: BmpImagePlugin.BmpImageFile,
        TIFF: TiffImagePlugin.TiffImageFile,
    }
    _quiet()
    file.seek(0)
    try:
        return classes[kind](file)
    except Exception as error:
        raise BrokenPictureError(f"its header cannot be read: {_in_words(error)}") from None


def _quiet() -> None:
    """Pillow warns of odd metadata on stderr, which is no news here.

    Threads share the filters, so this one is put in once and stays, rather than put in and taken out around each call.
    """
    if not any(kept[:3] == _LOUD and kept[3] is not None for kept in warnings.filters):
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def _check_pixels(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise BrokenPictureError(f"its header says {width}x{height} pixels")
    if width * height > MAX_PIXELS:
        raise BrokenPictureError(
            f"{width}x{height} is {width * height / 1e6:,.0f} million pixels; at most {MAX_PIXELS // 10**6} million "
            "are decoded: make it smaller"
        )


def _webp_size(file: BinaryIO) -> tuple[int, int]:
    """Pillow makes room for the whole picture when it opens a WebP: its size must be known before."""
    file.seek(0)
    head = file.read(30)
    if len(head) < 30:
        raise BrokenPictureError("its header is cut off")
    chunk = head[12:16]
    if chunk == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":
        return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
    raise BrokenPictureError("its header cannot be read")


def _in_words(error: Exception) -> str:
    return str(error) or type(error).__name__
