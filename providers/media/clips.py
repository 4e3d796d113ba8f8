"""Clips read with PyAV: how many frames the video stream has, and chosen ones of them, exactly and in bounded memory.

Files are hostile: whatever a decoder raises on them is a `BrokenClipError`.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, BinaryIO

from providers.media.kinds import DEMUXERS
from providers.media.pictures import MAX_PIXELS

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from PIL.Image import Image

SEEK_FROM = 100  # frames: for nearer ones, decoding all of them is as quick as looking for the way
_BUFFER = 1 << 18
_REACHED, _SLACK_S = 0.9, 0.5  # of the length that a container tells, which need not be exact


class BrokenClipError(Exception):
    """A clip that cannot be read; says why."""


@dataclass(frozen=True, slots=True)
class ClipHeader:
    """Size in pixels as shown, and frames of the video stream."""

    width: int
    height: int
    frames: int


def read_clip_header(file: BinaryIO, kind: str) -> ClipHeader:
    """Size and frames of a clip of this type: frames are counted, for what containers say of them is often wrong.

    Only the first is decoded. Raises BrokenClipError: no video stream, no frame, cut off.
    """
    with _opened(file, kind) as (container, stream):
        frames, reached_s = _count(container, stream)
        if frames == 0:
            raise BrokenClipError("its video stream has no frames")
        if DEMUXERS[kind] in ("mov", "avi") and frames < stream.frames and not _trimmed(file, kind):
            raise BrokenClipError(f"has {frames} of {stream.frames} frames: it is cut off")
        length_s = (container.duration or 0) / 1e6
        if DEMUXERS[kind] == "matroska" and reached_s < _REACHED * length_s - _SLACK_S:
            raise BrokenClipError(f"ends after {reached_s:.1f} of {length_s:.1f} seconds: it is cut off")
    with _opened(file, kind) as (container, stream):
        first = next(iter(container.decode(stream)), None)
        if first is None:
            raise BrokenClipError("its video stream has no frames")
        picture = _as_picture(first)
        return ClipHeader(*picture.size, frames)


def _count(container: "InputContainer", video: "VideoStream") -> tuple[int, float]:
    """Frames of the video stream, and the second that any stream reaches: sound may outlast the pictures."""
    frames, reached_s = 0, 0.0
    for packet in container.demux():
        frames += packet.stream is video and packet.size > 0 and not packet.is_discard
        if packet.pts is not None and packet.time_base is not None:
            reached_s = max(reached_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return frames, reached_s


def chosen_frames(count: int, frames: int) -> list[int]:
    """Which frames are shown of `count`: linspace(0, count - 1, frames + 1) without its last, cut to whole numbers."""
    return [number * (count - 1) // frames for number in range(frames)]


def read_frames(file: BinaryIO, kind: str, numbers: Sequence[int], seek_from: int = SEEK_FROM) -> Iterator["Image"]:
    """The frames of these rising numbers (some may be equal), upright, in RGB, one at a time.

    Raises BrokenClipError where one cannot be decoded.
    """
    if numbers[-1] >= seek_from and (moments := _moments(file, kind)) is not None:
        return _frames_by_moment(file, kind, numbers, moments)
    return _frames_by_number(file, kind, numbers)


def _frames_by_number(file: BinaryIO, kind: str, numbers: Sequence[int]) -> Iterator["Image"]:
    with _opened(file, kind) as (container, stream):
        wanted = iter(numbers)
        next_wanted = next(wanted, None)
        for number, frame in enumerate(container.decode(stream)):
            while number == next_wanted:
                yield _as_picture(frame)
                next_wanted = next(wanted, None)
            if next_wanted is None:
                return
        raise BrokenClipError(f"its frame {next_wanted} cannot be decoded")


@dataclass(frozen=True, slots=True)
class _Moments:
    """The time stamps of all frames, and those of the key frames, in the order shown."""

    all: "array[int]"
    keys: "array[int]"

    def key_before(self, moment: int) -> int:
        return self.keys[max(0, bisect_right(self.keys, moment) - 1)]


def _frames_by_moment(file: BinaryIO, kind: str, numbers: Sequence[int], moments: _Moments) -> Iterator["Image"]:
    """From the last key frame shown before each, decoding on to the very frame; where that fails, from the start."""
    with _opened(file, kind) as (container, stream):
        for done, number in enumerate(numbers):
            moment = moments.all[number]
            container.seek(moments.key_before(moment), stream=stream, backward=True)
            found = next((frame for frame in container.decode(stream) if frame.pts == moment), None)
            if found is None:
                yield from _frames_by_number(file, kind, numbers[done:])
                return
            yield _as_picture(found)


def _moments(file: BinaryIO, kind: str) -> _Moments | None:
    """The time stamps of the frames; None where some have none, or share one."""
    found, keys = array("q"), array("q")
    with _opened(file, kind) as (container, stream):
        for packet in container.demux(stream):
            if packet.size > 0 and not packet.is_discard:
                if packet.pts is None:
                    return None
                found.append(packet.pts)
                if packet.is_keyframe:
                    keys.append(packet.pts)
    rising = array("q", sorted(found))
    if not keys or any(a == b for a, b in pairwise(rising)):
        return None
    return _Moments(rising, array("q", sorted(keys)))


def _trimmed(file: BinaryIO, kind: str) -> bool:
    """Whether frames are missing because an edit list leaves them out."""
    with _opened(file, kind, {"ignore_editlist": "1"}) as (container, stream):
        return sum(packet.size > 0 for packet in container.demux(stream)) >= stream.frames


@contextmanager
def _opened(
    file: BinaryIO, kind: str, options: dict[str, str] | None = None
) -> Iterator[tuple["InputContainer", "VideoStream"]]:
    import av

    file.seek(0)
    try:
        with av.open(file, mode="r", format=DEMUXERS[kind], options=options or {}, buffer_size=_BUFFER) as container:
            if not container.streams.video:
                others = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
                raise BrokenClipError(f"has no video stream, only {others}")
            stream = container.streams.video[0]
            _check_pixels(stream.width, stream.height)
            stream.codec_context.thread_count = 1  # the pool has a thread for each core already
            yield container, stream
    except BrokenClipError:
        raise
    except (av.error.FFmpegError, OSError, ValueError, MemoryError, AttributeError) as error:
        raise BrokenClipError(getattr(error, "strerror", None) or str(error) or type(error).__name__) from None


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise BrokenClipError(f"its frames of {width}x{height} have more than {MAX_PIXELS // 10**6} million pixels")


def _as_picture(frame: "VideoFrame") -> "Image":
    _check_pixels(frame.width, frame.height)
    picture: Image = frame.to_image()  # type: ignore[no-untyped-call]
    if frame.rotation % 90 == 0 and frame.rotation % 360:
        from PIL.Image import Transpose

        turn = {90: Transpose.ROTATE_90, 180: Transpose.ROTATE_180, 270: Transpose.ROTATE_270}
        return picture.transpose(turn[frame.rotation % 360])
    return picture
