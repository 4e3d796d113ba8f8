"""The pictures of a body: found, decoded to the last pixel, and described, so that a wrong picture shows in the answer.

Only data URLs are looked at: the simulator fetches nothing and reads no file. Sizes are those of the pixels as they are
stored, and transparency is passed over: a picture that ought to have been turned or flattened is described as it came.
"""

import base64
import binascii
import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from providers.simulator.chat import BadBodyError, Chat, Part
from providers.simulator.colours import colour_words
from providers.simulator.draws import digest

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

MOST_PIXELS = 100_000_000
_DETAILS = ("auto", "low", "high", "original")
_PART_TYPES = ("text", "image_url", "input_audio", "refusal", "audio", "file")
_DATA_URL = re.compile(r"data:image/[\w.+-]+(?:;[\w.-]+=[\w.-]*)*;base64,", re.IGNORECASE)
_HEAD = 200  # characters of an address that its head lies within


class Shown(msgspec.Struct, frozen=True):
    """A picture as a body gives it: its address, how closely to look at it, and the place of its part."""

    url: str
    detail: str | None
    param: str


class Picture(msgspec.Struct, frozen=True):
    """A picture as it was seen. `digest` is of its file's bytes, `colour` its mean (red, green, blue), 0 to 255."""

    digest: bytes
    width: int
    height: int
    colour: tuple[int, int, int]

    @property
    def words(self) -> str:
        colour = "#{:02x}{:02x}{:02x}".format(*self.colour)
        return f"{self.width} x {self.height} pixels, mean colour {colour} ({colour_words(self.colour)})"


def describe(pictures: Sequence[Picture]) -> str:
    """A sentence for each picture: its size and its mean colour."""
    if len(pictures) == 1:
        return f"The picture is {pictures[0].words}."
    return " ".join(f"Picture {number} is {picture.words}." for number, picture in enumerate(pictures, start=1))


def shown_pictures(chat: Chat) -> list[Shown]:
    """The pictures of a body in its order. Raises BadBodyError for a part that shows none, and for a part of a clip."""
    return [
        _shown(part, f"messages.[{place}].content.[{number}]")
        for place, message in enumerate(chat.messages)
        if isinstance(message.content, list)
        for number, part in enumerate(message.content)
        if part.type in ("image_url", "video_url")
    ]


def _shown(part: Part, place: str) -> Shown:
    if part.type != "image_url":
        supported = ", ".join(f"'{name}'" for name in _PART_TYPES)
        message = f"Invalid value: '{part.type}'. Supported values are: {supported}."
        raise BadBodyError(message, f"{place}.type", "invalid_value")
    given, param = part.image_url, f"{place}.image_url"
    if given is None:
        raise BadBodyError(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")
    if not isinstance(given, dict):
        raise BadBodyError(f"Invalid type for '{param}': expected an object.", param, "invalid_type")
    return Shown(_url(given, f"{param}.url"), _detail(given, f"{param}.detail"), param)


def _url(given: dict[str, Any], param: str) -> str:
    if "url" not in given:
        raise BadBodyError(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")
    if not isinstance(given["url"], str):
        raise BadBodyError(f"Invalid type for '{param}': expected a string.", param, "invalid_type")
    return given["url"]


def _detail(given: dict[str, Any], param: str) -> str | None:
    detail = given.get("detail")
    if detail is not None and detail not in _DETAILS:
        supported = ", ".join(f"'{name}'" for name in _DETAILS)
        raise BadBodyError(f"Invalid value for '{param}'. Supported values are: {supported}.", param, "invalid_value")
    return detail


def decode(url: str) -> Picture:
    """Look at the picture of a data URL. Raises BadBodyError, without its place, where there is none to be seen."""
    data = _bytes(url)
    try:
        return _look(data)
    except BadBodyError:
        raise
    except Exception as error:  # pillow's readers fail in as many ways as files are broken
        raise _unsupported() from error


def _bytes(url: str) -> bytes:
    head = _DATA_URL.match(url[:_HEAD])
    if head is None:
        what = "Invalid image URL: a data URL of an image in base64 is expected; the simulator fetches no pictures."
        raise BadBodyError(what, code="invalid_image_url")
    try:
        return base64.b64decode(url[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise BadBodyError("Invalid base64 image data.", code="invalid_base64_image") from None


def _look(data: bytes) -> Picture:
    from PIL import ImageStat

    with _reader(data)(io.BytesIO(data)) as image:
        if image.width * image.height > MOST_PIXELS:
            raise BadBodyError("The image has too many pixels.", code="image_too_large")
        if getattr(image, "is_animated", False):
            raise _unsupported("Animated images are not supported.")
        # By way of RGBA where there is transparency: a palette's would else be warned about.
        flat = (image.convert("RGBA") if image.has_transparency_data else image).convert("RGB")
        red, green, blue = (round(mean) for mean in ImageStat.Stat(flat).mean)
        return Picture(digest(data), image.width, image.height, (red, green, blue))


def _reader(data: bytes) -> "Callable[[io.BytesIO], ImageFile]":
    """Pillow's reader for these bytes, by how they begin: its `open` would warn of a large picture on its own terms."""
    from PIL.GifImagePlugin import GifImageFile
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile
    from PIL.WebPImagePlugin import WebPImageFile

    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile
    if data.startswith(b"\xff\xd8\xff"):
        return JpegImageFile
    if data.startswith((b"GIF87a", b"GIF89a")):
        return GifImageFile
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WebPImageFile
    raise _unsupported()


def _unsupported(why: str = "It must be a whole file of one of these formats: png, jpeg, gif, webp.") -> BadBodyError:
    return BadBodyError(f"You uploaded an unsupported image. {why}", code="invalid_image_format")
