"""Clips: what is refused, which frames are shown, and the picture that is made of them."""

import base64
import io
import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from prompts.input_error import InputError
from providers.media.clips import chosen_frames, read_frames
from providers.media.preflight import Medium, Preflight
from providers.media.preparing import Prepared, decode_fully, prepare
from providers.media.references import Layout
from providers.media.sources import MediaRoot
from providers.media.targets import Target
from providers.provider import MediaLimits
from tests.harness.media_files import DATA, clip, make_clip, make_sound, number_of, quarters
from tests.harness.pictures import encoded

LIMITS = MediaLimits()
TARGET = Target(2048, 768)
FRAME = (512, 462)


def looked(root: MediaRoot, name: str) -> Medium:
    medium = Preflight(root).look(clip(name), LIMITS)
    assert medium is not None
    return medium


def opened(picture: Prepared) -> Image.Image:
    return Image.open(io.BytesIO(picture.data))


def numbers_of(pictures: Iterable[Image.Image]) -> list[int]:
    return [number_of(one) for one in pictures]


@pytest.fixture
def root(tmp_path: Path) -> MediaRoot:
    make_clip(tmp_path / "c.mp4", 60)
    return MediaRoot(tmp_path)


def test_the_published_clip_becomes_the_published_picture() -> None:
    """Frames 0, 72 and 144 of 217, 1536x512; the frames differ from the published ones by under 1 of 255 on average."""
    if not DATA.is_dir():
        pytest.skip(f"no {DATA}: the clip is not part of the project")
    root = MediaRoot(DATA)
    medium = looked(root, "video1.mp4")
    assert (medium.type, medium.frames, medium.width, medium.height) == ("video/mp4", 217, 1280, 720)
    assert chosen_frames(217, 3) == [0, 72, 144]
    made = prepare(root, clip("video1.mp4"), medium, TARGET, LIMITS)
    assert [(one.type, one.width, one.height) for one in made] == [("image/png", 1536, 512)]
    ours = np.asarray(opened(made[0])).astype(int)
    published = np.asarray(Image.open(DATA / "video1.png").convert("RGB")).astype(int)
    for number in range(3):
        area = (slice(0, 462), slice(512 * number, 512 * number + 512))
        difference = np.abs(ours[area] - published[area]).mean()
        print(f"frame {number + 1}: {difference:.3f}")  # noqa: T201
        assert difference < 0.5, f"frame {number + 1} differs by {difference:.3f} of 255 on average"
        bar = ours[462:, 512 * number : 512 * number + 512]
        assert bar.max() == 255
        assert 0.02 < (bar < 128).mean() < 0.2, "no label beneath the frame"


@given(st.integers(1, 10**6), st.integers(1, 64))
def test_frames_are_chosen_as_linspace_does(count: int, frames: int) -> None:
    """In whole numbers, so that no rounding moves one."""
    chosen = chosen_frames(count, frames)
    assert len(chosen) == frames
    assert chosen == sorted(chosen)
    assert 0 <= chosen[0] <= chosen[-1] < count
    by_numpy = np.linspace(0, count - 1, frames + 1)[:frames]
    assert np.abs(by_numpy - chosen).max() < 1 + 1e-6


@pytest.mark.parametrize("seek_from", [0, 10**9])
@pytest.mark.parametrize(
    ("codec", "name", "b_frames"), [("mpeg4", "d.mp4", 2), ("mpeg4", "d.avi", 0), ("mpeg4", "d.mkv", 2)]
)
def test_seeking_finds_the_very_frames(tmp_path: Path, seek_from: int, codec: str, name: str, b_frames: int) -> None:
    """By time stamps from the key frame before, or one by one from the start: the same frames."""
    make_clip(tmp_path / name, 110, codec, b_frames=b_frames)
    medium = looked(MediaRoot(tmp_path), name)
    assert medium.frames == 110
    numbers = [0, 0, 11, 12, 13, 47, 48, 90, 109]
    with (tmp_path / name).open("rb") as file:
        assert numbers_of(read_frames(file, medium.type, numbers, seek_from)) == numbers


def test_frames_are_shown_separately_each_like_a_picture(root: MediaRoot) -> None:
    """In the order of the clip, each no larger than the target."""
    asked = clip("c.mp4", 4, Layout.SEPARATE)
    made = prepare(root, asked, looked(root, "c.mp4"), Target(32), LIMITS)
    assert [(one.width, one.height) for one in made] == [(32, 24)] * 4
    assert numbers_of([opened(one) for one in made]) == [0, 14, 29, 44]


def test_a_strip_has_as_many_frames_as_were_asked_for(root: MediaRoot) -> None:
    """Side by side, also where the clip has fewer; a target that is smaller makes it smaller."""
    medium = looked(root, "c.mp4")
    made = prepare(root, clip("c.mp4", 4), medium, Target(4096), LIMITS)[0]
    assert (made.width, made.height) == (2048, 512)
    image = opened(made)
    assert numbers_of([image.crop((512 * k, 0, 512 * k + 512, 462)) for k in range(4)]) == [0, 14, 29, 44]
    small = prepare(root, clip("c.mp4", 4), medium, Target(512), LIMITS)[0]
    assert (small.width, small.height) == (512, 128)
    make_clip(root.folder / "one.mp4", 1)
    made = prepare(root, clip("one.mp4"), looked(root, "one.mp4"), TARGET, LIMITS)[0]
    assert (made.width, made.height) == (1536, 512)


def test_a_clip_is_turned_as_its_camera_was_held(root: MediaRoot) -> None:
    """Filmed upright by a phone: it lies on its side in the file, and is shown a quarter clockwise from that."""
    data = bytearray((root.folder / "c.mp4").read_bytes())
    matrix = data.index(b"tkhd") + 44
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    (root.folder / "t.mp4").write_bytes(data)
    medium = looked(root, "t.mp4")
    assert (medium.width, medium.height) == (48, 64)
    made = prepare(root, clip("t.mp4", 4, Layout.SEPARATE), medium, TARGET, LIMITS)
    assert numbers_of(opened(one).transpose(Image.Transpose.ROTATE_90) for one in made) == [0, 14, 29, 44]


def test_frames_are_counted_not_believed(tmp_path: Path) -> None:
    """Matroska does not say how many there are; a GIF is a clip of its frames."""
    make_clip(tmp_path / "c.mkv", 33)
    assert looked(MediaRoot(tmp_path), "c.mkv").frames == 33
    pictures = [quarters(64, 48 + k).convert("P").resize((64, 48)) for k in range(5)]
    (tmp_path / "a.gif").write_bytes(
        encoded(pictures[0], "GIF", save_all=True, append_images=pictures[1:], duration=50)
    )
    medium = looked(MediaRoot(tmp_path), "a.gif")
    assert (medium.type, medium.width, medium.height) == ("image/gif", 64, 48)
    assert prepare(MediaRoot(tmp_path), clip("a.gif"), medium, TARGET, LIMITS)[0].width == 1536


def test_a_clip_in_a_data_url_is_read_like_a_file(root: MediaRoot) -> None:
    """The same medium, the same picture."""
    url = "data:video/mp4;base64," + base64.b64encode((root.folder / "c.mp4").read_bytes()).decode()
    medium = Preflight(root).look(clip(url), LIMITS)
    assert medium == looked(root, "c.mp4")
    assert medium is not None
    assert prepare(root, clip(url), medium, TARGET, LIMITS) == prepare(root, clip("c.mp4"), medium, TARGET, LIMITS)


def refused(root: MediaRoot, data: bytes) -> str:
    (root.folder / "bad").write_bytes(data)
    with pytest.raises(InputError) as caught:
        Preflight(root).look(clip("bad"), LIMITS)
    assert caught.value.field == "body.messages[0].content[0].video_url.url"
    return caught.value.message


def test_what_is_no_clip_is_refused(root: MediaRoot) -> None:
    """0 bytes, text, pictures, sound alone, and playlists, which would have other files opened."""
    assert refused(root, b"") == "is empty (0 bytes)"
    assert "is no clip: text that starts 'hello'" in refused(root, b"hello")
    assert "a playlist" in refused(root, b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n/etc/passwd\n")
    assert "give it as image_url" in refused(root, encoded(quarters(), "JPEG"))
    assert "cannot be read as video/mp4" in refused(root, b"\0\0\0\x18ftypisom" + b"\0" * 100)
    make_sound(root.folder / "sound.mp4")
    assert "has no video stream, only audio" in refused(root, (root.folder / "sound.mp4").read_bytes())


def test_a_clip_that_is_cut_off_is_refused(root: MediaRoot) -> None:
    """Without its index at the end, and with one that tells of frames that are not there."""
    data = (root.folder / "c.mp4").read_bytes()
    assert "cannot be read as video/mp4" in refused(root, data[: len(data) // 2])
    start = data.index(b"mdat")
    moov = data.index(b"moov") - 4
    size = moov - (start - 4)
    emptied = data[: start + 4] + data[start + 4 : start + 4 + size // 2]
    assert "cannot be read as video/mp4" in refused(root, emptied)


def test_a_clip_that_changed_or_does_not_decode_is_an_error(root: MediaRoot) -> None:
    """Before its row is paid for, and by --decode-media."""
    medium = looked(root, "c.mp4")
    decode_fully(root, clip("c.mp4"), medium)
    make_clip(root.folder / "c.mp4", 61)
    with pytest.raises(InputError, match="changed since it was checked"):
        prepare(root, clip("c.mp4"), medium, TARGET, LIMITS)
    with pytest.raises(InputError, match="changed since it was checked"):
        decode_fully(root, clip("c.mp4"), medium)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_damaged_clips_are_refused_or_read(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A few bytes changed anywhere: an InputError, or a picture."""
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(exist_ok=True)
    if not (folder / "c.mp4").exists():
        make_clip(folder / "c.mp4", 6)
    damaged = bytearray((folder / "c.mp4").read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    (folder / "d.mp4").write_bytes(damaged)
    root = MediaRoot(folder)
    try:
        made = prepare(root, clip("d.mp4"), looked(root, "d.mp4"), TARGET, LIMITS)
    except InputError:
        return
    assert (made[0].width, made[0].height) == (1536, 512)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mkv", "mpeg4"), ("a.webm", "libvpx"), ("a.avi", "mpeg4"), ("a.mp4", "mpeg4")]
)
def test_half_a_clip_is_refused_in_every_container(tmp_path: Path, name: str, codec: str) -> None:
    """Its frames would be chosen from what is left: a wrong picture, and paid for. Whole it is taken."""
    whole = tmp_path / name
    make_clip(whole, 80, codec)
    preflight = Preflight(MediaRoot(tmp_path))
    medium = preflight.look(clip(name), MediaLimits())
    assert medium is not None
    assert medium.frames == 80
    torn = tmp_path / f"torn-{name}"
    torn.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(InputError):
        preflight.look(clip(torn.name), MediaLimits())
