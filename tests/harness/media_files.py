"""Pictures and clips made for a test, and how a body names them."""

import struct
import zlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import orjson
from PIL import Image

from providers.media.references import Layout, MediumKind, Reference

DATA = Path(__file__).parents[3] / "shared" / "data"


def picture(url: str, detail: str | None = None) -> Reference:
    return Reference(0, 0, MediumKind.PICTURE, url, detail)


def clip(url: str, frames: int = 3, layout: Layout = Layout.STRIP) -> Reference:
    return Reference(0, 0, MediumKind.CLIP, url, None, frames, layout)


def chat(*parts: dict[str, Any]) -> bytes:
    return orjson.dumps({"model": "m", "messages": [{"role": "user", "content": list(parts)}]})


def quarters(width: int = 64, height: int = 48) -> Image.Image:
    """Red, green, blue and white, row by row: however it is turned, it can be told."""
    image = Image.new("RGB", (width, height), "white")
    image.paste("red", (0, 0, width // 2, height // 2))
    image.paste("lime", (width // 2, 0, width, height // 2))
    image.paste("blue", (0, height // 2, width // 2, height))
    return image


def png(width: int, height: int, depth: int, colour: int, pixels: bytes) -> bytes:
    """A PNG whose header says what it is told to; `pixels` are its rows with their filter bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def make_clip(path: Path, frames: int, codec: str = "mpeg4", key_every: int = 12, b_frames: int = 0) -> None:
    """A clip of 64x48 whose frames show their number: see `number_of`."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.gop_size = key_every
        stream.codec_context.max_b_frames = b_frames
        stream.codec_context.bit_rate = 2_000_000
        stream.codec_context.time_base = Fraction(1, 25)
        for number in range(frames):
            bits = np.array([255 * (number >> bit & 1) for bit in range(8)], np.uint8)
            shown = np.tile(np.repeat(bits, 8)[None, :, None], (48, 1, 3))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(shown), "rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def number_of(frame: Image.Image) -> int:
    """Which frame of a clip by `make_clip` a picture shows: eight stripes, white for a bit that is set."""
    stripes = frame.convert("L").resize((8, 1), Image.Resampling.BOX)
    return sum(1 << bit for bit in range(8) if int(np.asarray(stripes)[0, bit]) > 127)


def make_sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def mean_colour(image: Image.Image, box: Sequence[int]) -> tuple[float, ...]:
    left, top, right, bottom = box
    part = np.asarray(image.convert("RGB"))[top:bottom, left:right]
    return tuple(float(value) for value in part.reshape(-1, 3).mean(axis=0))
