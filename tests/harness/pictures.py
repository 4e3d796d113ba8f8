"""Pictures in messages, as tests write them, and what a simulator should say of them."""

import base64
import io
from typing import Any

from PIL import Image, ImageStat


def encoded(image: Image.Image, format_: str = "PNG", **options: Any) -> bytes:
    """The picture as a file's bytes."""
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def as_data_url(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def data_url(image: Image.Image, format_: str = "PNG", **options: Any) -> str:
    return as_data_url(encoded(image, format_, **options))


def shown(url: str, detail: str | None = None) -> dict[str, Any]:
    """The part of a message that shows a picture."""
    return {"type": "image_url", "image_url": {"url": url, **({} if detail is None else {"detail": detail})}}


def size_and_colour(data: bytes) -> str:
    """What a simulator says of a picture file, up to the words for its colour."""
    with Image.open(io.BytesIO(data)) as image:
        mean = ImageStat.Stat(image.convert("RGB")).mean
        return f"{image.width} x {image.height} pixels, mean colour #{''.join(f'{round(part):02x}' for part in mean)}"
