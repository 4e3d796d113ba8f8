"""Pictures of any kind of pixel, made into the ones that providers take: 8 bits of grey, RGB, or RGB with alpha."""

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

_DEEP = ("I;16", "I;16L", "I;16B", "I;16N")
_STRIP = 256  # rows
_MOST_PROFILE_BYTES = 64 << 10


def to_eight_bits(picture: "Image") -> "Image":
    """The picture in mode L, RGB or RGBA. What has more than 8 bits is scaled, not clipped.

    16-bit grey: v / 257, rounded. Wider numbers: as 16-bit where they fit, else from their least to their most.
    Floating point: 0 to 1 or 0 to 255 where they fit, else from the least to the most.
    """
    if picture.mode in _DEEP:
        return _from_deep(picture)
    if picture.mode == "I":
        return _from_array(_scaled_whole(_numbers(picture)))
    if picture.mode == "F":
        return _from_array(_scaled_real(_numbers(picture)))
    if picture.mode == "CMYK":
        return _from_cmyk(picture)
    if picture.mode in ("RGBA", "LA", "La", "RGBa", "PA") or picture.has_transparency_data:
        return picture if picture.mode == "RGBA" else _with_alpha(picture)
    if picture.mode in ("L", "RGB"):
        return picture
    return picture.convert("L" if picture.mode == "1" else "RGB")


def on_white(picture: "Image") -> "Image":
    """The picture without alpha, on white."""
    if picture.mode != "RGBA":
        return picture
    from PIL import Image

    ground = Image.new("RGB", picture.size, "white")
    ground.paste(picture, mask=picture.getchannel("A"))
    return ground


def profile_of(picture: "Image", mode: str) -> bytes | None:
    """The colour profile that still holds when the picture is in `mode`: without it the colours would be others."""
    profile = picture.info.get("icc_profile")
    if not isinstance(profile, bytes) or not 128 <= len(profile) <= _MOST_PROFILE_BYTES:
        return None
    return profile if profile[16:20] == (b"GRAY" if mode == "L" else b"RGB ") else None


def _with_alpha(picture: "Image") -> "Image":
    if picture.mode == "La":
        picture = picture.convert("LA")
    return picture.convert("RGBA")


def _from_cmyk(picture: "Image") -> "Image":
    """By its own profile where it has a sound one, else as plain inks."""
    profile = picture.info.get("icc_profile")
    if isinstance(profile, bytes) and profile[16:20] == b"CMYK":
        from PIL import ImageCms

        try:
            made = ImageCms.profileToProfile(
                picture,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            made = None
        if made is not None:
            return made
    return picture.convert("RGB")


def _from_deep(picture: "Image") -> "Image":
    """In strips: all of a large picture in wider numbers would take gigabytes."""
    import numpy as np
    from PIL import Image

    deep = np.asarray(picture)
    made = np.empty(deep.shape, np.uint8)
    for top in range(0, len(deep), _STRIP):
        made[top : top + _STRIP] = (deep[top : top + _STRIP].astype(np.uint32) + 128) // 257
    return Image.fromarray(made)


def _numbers(picture: "Image") -> Any:
    import numpy as np

    return np.asarray(picture).astype(np.float64)


def _scaled_whole(numbers: Any) -> Any:
    least, most = float(numbers.min()), float(numbers.max())
    if least >= 0 and most <= 65535:
        return numbers / 257.0
    return (numbers - least) * (255.0 / max(1.0, most - least))


def _scaled_real(numbers: Any) -> Any:
    import numpy as np

    finite = numbers[np.isfinite(numbers)]
    least, most = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    numbers = np.nan_to_num(numbers, nan=least, posinf=most, neginf=least)
    if least >= 0 and most <= 1:
        return numbers * 255.0
    if least >= 0 and most <= 255:
        return numbers
    return (numbers - least) / (most - least) * 255.0 if most > least else np.clip(numbers, 0, 255)


def _from_array(numbers: Any) -> "Image":
    import numpy as np
    from PIL import Image

    return Image.fromarray(np.rint(numbers).clip(0, 255).astype(np.uint8))
