"""Pictures: what is refused before the first call, and what the others become."""

import base64
import gc
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from prompts.input_error import InputError
from providers.media.kinds import looks_like, type_of
from providers.media.pictures import exif_orientation
from providers.media.preflight import Medium, Preflight, check_request
from providers.media.preparing import Prepared, check_sent, decode_fully, prepare
from providers.media.references import Layout
from providers.media.sources import MediaRoot
from providers.media.targets import Target
from providers.provider import MediaLimits
from tests.harness.media_files import DATA, clip, mean_colour, picture, png, quarters
from tests.harness.pictures import encoded

LIMITS = MediaLimits()
TARGET = Target(2048)
NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (300, 400, 3), dtype=np.uint8))


@pytest.fixture
def root(tmp_path: Path) -> MediaRoot:
    return MediaRoot(tmp_path)


def looked(root: MediaRoot, data: bytes, name: str = "p.png") -> Medium:
    (root.folder / name).write_bytes(data)
    medium = Preflight(root).look(picture(name), LIMITS)
    assert medium is not None
    return medium


def prepared(
    root: MediaRoot, data: bytes, target: Target = TARGET, limits: MediaLimits = LIMITS
) -> tuple[Prepared, Image.Image]:
    """What the picture in a file becomes, and its pixels as anyone would read them."""
    made = prepare(root, picture("p.png"), looked(root, data), target, limits)
    assert len(made) == 1
    image = Image.open(io.BytesIO(made[0].data))
    image.load()
    assert image.size == (made[0].width, made[0].height)
    assert Image.MIME[str(image.format)] == made[0].type
    assert image.getexif().get(0x0112, 1) == 1 or made[0].data == data
    return made[0], image


def refused(root: MediaRoot, data: bytes) -> str:
    with pytest.raises(InputError) as caught:
        looked(root, data)
    assert caught.value.field == "body.messages[0].content[0].image_url.url"
    return caught.value.message


GIF_OF_TWO = encoded(NOISE.convert("P"), "GIF", save_all=True, append_images=[quarters(400, 300).convert("P")])
WEBP_OF_TWO = encoded(NOISE, "WEBP", save_all=True, append_images=[quarters(400, 300)])
APNG_OF_TWO = encoded(NOISE, "PNG", save_all=True, append_images=[quarters(400, 300)])
TIFF_OF_TWO = encoded(NOISE, "TIFF", save_all=True, append_images=[NOISE])
BOMB = png(60_000, 60_000, 1, 0, b"\0" * 1000)
WEBP_BOMB = b"RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\xff\x3f" * 2 + b"\0" * 40


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is empty (0 bytes)"),
        (b"hello, world", "is no picture: text that starts 'hello, world' (JPEG, PNG, WebP, GIF, BMP and TIFF are"),
        (b"<html><body>404", "is no picture: a web page or XML"),
        (b'<?xml version="1.0"?>\n<svg width="9">', "is no picture: SVG"),
        (b"%PDF-1.7 ...", "is no picture: a PDF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1", "is no picture: HEIC"),
        (b"\0\0\0\x18ftypisom\0\0\0\0mp42", "give it as video_url"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"\x00\x01\x02\x03\x04", "a file that starts 00 01 02 03 04"),
        (b"\xff\xd8\xff\xe0", "cannot be read as image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "cannot be read as image/png"),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 100, "cannot be read as image/png"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "cannot be read as image/webp: its header is cut off"),
        (GIF_OF_TWO, "image/gif with more than one frame; give it as video_url, or one frame of it"),
        (APNG_OF_TWO, "image/png with more than one frame; give it as video_url, or one frame of it"),
        (WEBP_OF_TWO, "image/webp with more than one frame; give one frame of it"),
        (TIFF_OF_TWO, "image/tiff with more than one frame"),
        (BOMB, "60000x60000 is 3,600 million pixels; at most 100 million"),
        (WEBP_BOMB, "4194304x4194304 is 17,592,186 million pixels"),
        (png(0, 5, 8, 0, b""), "cannot be read as image/png"),
    ],
)
def test_what_is_no_picture_is_refused_before_the_first_call(root: MediaRoot, data: bytes, told: str) -> None:
    """By its first bytes and its header alone, and it is said what it looks like."""
    assert told in refused(root, data)


def test_a_picture_between_pillows_bound_and_ours_is_taken_in_silence(root: MediaRoot) -> None:
    """95 million pixels: Pillow would warn, and a warning is an error here."""
    medium = looked(root, png(9_500, 10_000, 1, 0, b"\0" * 100))
    assert (medium.width, medium.height) == (9_500, 10_000)
    assert "million pixels" in refused(root, png(10_001, 10_000, 1, 0, b"\0" * 100))


def test_a_medium_is_its_hash_type_bytes_and_size(root: MediaRoot) -> None:
    """The type is read from the bytes: the name may say what it likes, and so may a data URL."""
    data = encoded(NOISE, "JPEG")
    medium = looked(root, data, "photo.png")
    assert (medium.type, medium.bytes, medium.width, medium.height) == ("image/jpeg", len(data), 400, 300)
    url = "data:image/gif;base64," + base64.b64encode(data).decode()
    assert Preflight(root).look(picture(url), LIMITS) == medium


def test_a_file_is_looked_at_once_until_it_changes(root: MediaRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows show it; and as many as are remembered, memory is bounded."""
    from providers.media import preflight as module

    calls: list[str] = []
    real = module._examine

    def counting(file: Any, size: int, reference: Any) -> Medium:
        calls.append(reference.url)
        return real(file, size, reference)

    monkeypatch.setattr(module, "_examine", counting)
    monkeypatch.setattr(module, "_MOST_REMEMBERED", 3)
    looking = Preflight(root)
    for name in "abcde":
        (root.folder / name).write_bytes(encoded(NOISE.resize((10, 10 + ord(name))), "PNG"))
    for _ in range(3):
        first = looking.look(picture("a"), LIMITS)
    assert calls == ["a"]
    (root.folder / "a").write_bytes(encoded(quarters(), "PNG"))
    assert looking.look(picture("./a"), LIMITS) != first
    for name in "bcde":
        looking.look(picture(name), LIMITS)
    assert calls == ["a", "./a", *"bcde"]
    assert len(looking._remembered) == 3


def test_remote_pictures_are_left_to_providers_that_fetch_them(root: MediaRoot) -> None:
    """Where the provider does not, that is an error; and a clip is never fetched."""
    looking = Preflight(root)
    assert looking.look(picture("https://host/a.png"), LIMITS) is None
    with pytest.raises(InputError, match=r"fetches no pictures; give a local file"):
        looking.look(picture("HTTP://host/a.png"), MediaLimits(remote=False))
    with pytest.raises(InputError, match="clips are not fetched"):
        looking.look(clip("https://host/a.mp4"), LIMITS)


def test_more_pictures_than_the_provider_takes_are_refused() -> None:
    """The frames of a clip shown separately count each."""
    three = MediaLimits(max_count=3)
    check_request([picture("a"), picture("b"), picture("c")], [None] * 3, three)
    check_request([picture("a"), clip("b"), clip("c")], [None] * 3, three)
    with pytest.raises(InputError, match=r"takes in a request \(3\)"):
        check_request([picture("a"), clip("b", 3, Layout.SEPARATE)], [None] * 2, three)


def test_more_bytes_than_the_provider_takes_in_a_request_are_refused() -> None:
    """Counted in base64, as they are sent."""
    check_sent([picture("a"), picture("b")], [400, 0], MediaLimits(max_request_bytes=400))
    with pytest.raises(InputError, match="800 bytes in base64"):
        check_sent([picture("a"), picture("b")], [400, 400], MediaLimits(max_request_bytes=799))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_picture_that_needs_no_change_goes_out_as_its_own_bytes(root: MediaRoot, form: str) -> None:
    """Nothing is gained by encoding it anew."""
    for image in (NOISE, NOISE.convert("L")) if form != "WEBP" else (NOISE,):
        data = encoded(image, form)
        assert prepared(root, data)[0].data == data


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
@pytest.mark.parametrize("part", [0.5, 0.9])
def test_a_truncated_picture_is_an_error_when_it_is_decoded(root: MediaRoot, form: str, part: float) -> None:
    """Its header may be sound: it is decoded to its end before its row is paid for, and by --decode-media."""
    image = NOISE if form != "TIFF" else NOISE.convert("L")
    data = encoded(image, form, **({"compression": "tiff_lzw"} if form == "TIFF" else {}))
    cut = data[: int(len(data) * part)]
    try:
        medium = looked(root, cut)
    except InputError as error:  # some formats have their header at the end, or tell their length
        assert "cannot be read as" in error.message  # noqa: PT017
        return
    for decoding in (
        lambda: prepare(root, picture("p.png"), medium, TARGET, LIMITS),
        lambda: prepare(root, picture("p.png"), medium, Target(40), LIMITS),
        lambda: decode_fully(root, picture("p.png"), medium),
    ):
        with pytest.raises(InputError, match=f"cannot be decoded as {medium.type}") as caught:
            decoding()
        assert caught.value.field is not None


def test_what_lacks_only_its_last_bytes_is_encoded_anew_or_refused(root: MediaRoot) -> None:
    """All pixels are there, but a provider may be stricter: such a file does not go out as it is."""
    for form, lost in (("PNG", 12), ("JPEG", 2)):
        data = encoded(NOISE, form)[:-lost]
        try:
            made, image = prepared(root, data)
        except InputError as error:
            assert "cannot be decoded" in error.message  # noqa: PT017
            continue
        assert made.data != data
        assert image.size == NOISE.size


def test_a_file_that_changed_since_it_was_checked_is_an_error(root: MediaRoot) -> None:
    """The row's identity holds the hash of what was checked."""
    medium = looked(root, encoded(NOISE, "PNG"))
    (root.folder / "p.png").write_bytes(encoded(quarters(), "PNG"))
    with pytest.raises(InputError, match="changed since it was checked"):
        prepare(root, picture("p.png"), medium, TARGET, LIMITS)
    with pytest.raises(InputError, match="changed since it was checked"):
        decode_fully(root, picture("p.png"), medium)
    (root.folder / "p.png").unlink()
    with pytest.raises(InputError, match="no such file"):
        prepare(root, picture("p.png"), medium, TARGET, LIMITS)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_picture_is_turned_upright(root: MediaRoot, orientation: int, form: str) -> None:
    """Whatever way EXIF says that it lies, red is at the top left; sizes are told as shown."""
    undone = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the turn that a camera made
    upright = quarters(160, 120)
    lying = upright if orientation == 1 else upright.transpose(Image.Transpose(undone[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    if form != "TIFF":  # Pillow writes no places into those
        exif[0x8825] = {1: "N", 2: (52.0, 31.0, 0.0)}
    data = encoded(lying, form, exif=exif, **({"lossless": True} if form == "WEBP" else {}))
    medium = looked(root, data)
    assert (medium.width, medium.height) == (160, 120)
    for target in (TARGET, Target(80)):
        made, image = prepared(root, data, target)
        assert image.size == target.size(160, 120)
        width, height = image.size
        for box, colour in (
            ((4, 4, width // 2 - 4, height // 2 - 4), (255, 0, 0)),
            ((width // 2 + 4, 4, width - 4, height // 2 - 4), (0, 255, 0)),
            ((4, height // 2 + 4, width // 2 - 4, height - 4), (0, 0, 255)),
        ):
            assert np.abs(np.subtract(mean_colour(image, box), colour)).max() < 12, (form, orientation, box)
        if made.data != data:
            assert not image.getexif()
            assert b"Exif" not in made.data


def test_broken_exif_leaves_a_picture_as_it_lies(root: MediaRoot) -> None:
    """It neither fails nor warns."""
    for exif in (b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"x" * 40):
        data = encoded(quarters(), "JPEG", exif=exif)
        assert prepared(root, data)[1].size == (64, 48)


@given(st.binary(max_size=60), st.sampled_from([b"", b"Exif\0\0II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08\0\x01"]))
def test_any_bytes_of_exif_have_an_orientation(data: bytes, start: bytes) -> None:
    """1 where there is none."""
    assert 1 <= exif_orientation(start + data) <= 8


def test_cmyk_becomes_rgb(root: MediaRoot) -> None:
    """As plain inks, and by a profile where it has a sound one."""
    inks = quarters(160, 120).convert("CMYK")
    for options in ({}, {"icc_profile": b"\0" * 16 + b"CMYK" + b"\0" * 200}):
        made, image = prepared(root, encoded(inks, "JPEG", quality=95, **options))
        assert (made.type, image.mode) == ("image/jpeg", "RGB")
        assert np.abs(np.subtract(mean_colour(image, (8, 8, 70, 50)), (255, 0, 0))).max() < 12


def test_sixteen_bits_are_scaled_not_clipped(root: MediaRoot) -> None:
    """A ramp from black to white stays one, in grey and in colour."""
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (16, 1))
    made, image = prepared(root, encoded(Image.fromarray(ramp), "PNG"))
    assert (made.type, image.mode) == ("image/png", "L")
    assert np.abs(np.asarray(image)[0].astype(int) - np.arange(256)).max() <= 1
    rows = b"".join(b"\0" + np.repeat(row.astype(">u2"), 3).tobytes() for row in ramp)
    made, image = prepared(root, png(256, 16, 16, 2, rows))
    assert (made.type, image.mode) == ("image/png", "RGB")
    assert np.abs(np.asarray(image)[0, :, 1].astype(int) - np.arange(256)).max() <= 1


@pytest.mark.parametrize(
    ("numbers", "least", "most"),
    [
        (np.linspace(0, 65535, 256).astype(np.int32), 0, 255),
        (np.linspace(-(10**6), 10**9, 256).astype(np.int32), 0, 255),
        (np.linspace(0, 1, 256).astype(np.float32), 0, 255),
        (np.linspace(0, 200, 256).astype(np.float32), 0, 200),
        (np.linspace(-5, 5000, 256).astype(np.float32), 0, 255),
        (np.full(256, np.nan, np.float32), 0, 0),
    ],
)
def test_wide_numbers_are_scaled_to_eight_bits(root: MediaRoot, numbers: Any, least: int, most: int) -> None:
    """Whole numbers as 16 bits where they fit; floating point from 0 to 1 or 255; else from least to most."""
    data = encoded(Image.fromarray(np.tile(numbers, (16, 1))), "TIFF")
    image = prepared(root, data)[1]
    values = np.asarray(image)[0].astype(int)
    assert image.mode == "L"
    assert abs(values[0] - least) <= 1
    assert abs(values[-1] - most) <= 1
    assert (np.diff(values) >= 0).all()


def test_every_mode_becomes_one_that_providers_take(root: MediaRoot) -> None:
    """Palettes, alpha of all kinds, single bits: 8 bits of grey, RGB, or RGB with alpha."""
    image = quarters(160, 120)
    clear = image.convert("RGBA")
    clear.putalpha(128)
    for made_of, form, mode in (
        (image.convert("P"), "PNG", "RGB"),
        (image.convert("P"), "GIF", "RGB"),
        (image.convert("1"), "PNG", "L"),
        (image.convert("LA"), "PNG", "RGBA"),
        (clear.quantize(), "PNG", "RGBA"),
        (clear, "TIFF", "RGBA"),
        (image, "BMP", "RGB"),
        (image.convert("YCbCr"), "JPEG", "RGB"),
        (image.convert("LAB"), "TIFF", None),
    ):
        data = encoded(made_of, form)
        try:
            made, shown = prepared(root, data)
        except InputError:
            assert mode is None
            continue
        assert mode is None or (made.type, shown.mode) == (
            "image/jpeg" if form == "JPEG" else "image/png",
            mode,
        ), (made_of.mode, form)
    assert mean_colour(prepared(root, encoded(image.convert("P"), "PNG"))[1], (8, 8, 70, 50)) == (255, 0, 0)


def test_photographs_become_jpeg_and_drawings_png(root: MediaRoot) -> None:
    """By what the file was, how large it is made, and whether it has alpha."""
    large = NOISE.resize((1600, 1200))
    assert prepared(root, encoded(large, "JPEG"), Target(800))[0].type == "image/jpeg"
    assert prepared(root, encoded(large, "WEBP"), Target(800))[0].type == "image/jpeg"
    assert prepared(root, encoded(large, "PNG"), Target(800))[0].type == "image/png"
    assert prepared(root, encoded(large, "PNG"), Target(1500))[0].type == "image/jpeg"
    assert prepared(root, encoded(large.convert("RGBA"), "PNG"), Target(1500))[0].type == "image/png"


def test_the_limits_of_the_provider_are_kept(root: MediaRoot) -> None:
    """Types that it does not take are made into others; bytes are saved by quality; else it is an error."""
    only_png = MediaLimits(types=("image/png",))
    only_jpeg = MediaLimits(types=("image/jpeg",))
    jpeg, clear = encoded(NOISE, "JPEG", quality=95), encoded(NOISE.convert("RGBA"), "PNG")
    assert prepared(root, jpeg, limits=only_png)[0].type == "image/png"
    assert prepared(root, encoded(NOISE, "WEBP"), limits=only_jpeg)[0].type == "image/jpeg"
    assert prepared(root, clear, limits=only_jpeg)[0].type == "image/jpeg"
    for most in (len(jpeg) - 1, 40_000, 30_000):
        for data in (jpeg, clear):
            assert len(prepared(root, data, limits=MediaLimits(max_bytes=most))[0].data) <= most
    with pytest.raises(InputError, match=r"still has .* bytes at 400x300; the provider takes 500"):
        prepared(root, jpeg, limits=MediaLimits(max_bytes=500))
    with pytest.raises(InputError, match="neither JPEG nor PNG"):
        prepared(root, jpeg, limits=MediaLimits(types=("image/webp",)))


def test_a_file_encoded_anew_has_no_metadata_but_its_colours(root: MediaRoot) -> None:
    """Place, camera, comments and texts stay here; the profile that its colours are meant by goes along."""
    exif = Image.Exif()
    exif[0x010F] = "CANARY"
    exif[0x8825] = {1: "N"}
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(NOISE, "JPEG", exif=exif, comment=b"CANARY", xmp=b"CANARY", icc_profile=profile)
    for limits in (LIMITS, MediaLimits(types=("image/png",))):
        made, image = prepared(root, data, Target(100), limits)
        assert b"CANARY" not in made.data
        assert image.info["icc_profile"] == profile
        assert not image.getexif()


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(1, 300), st.integers(1, 300), st.integers(16, 400), st.integers(1, 8), st.sampled_from(["JPEG", "PNG"])
)
def test_a_prepared_picture_has_the_size_of_its_target(
    root: MediaRoot, width: int, height: int, side: int, orientation: int, form: str
) -> None:
    """However large, and whichever way it lies: what was reserved for is what is sent."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(NOISE.resize((width, height)), form, exif=exif)
    shown = (height, width) if orientation >= 5 else (width, height)
    assert prepared(root, data, Target(side))[1].size == Target(side).size(*shown)


def test_a_large_jpeg_is_resized_as_well_as_by_pillow_alone(root: MediaRoot) -> None:
    """Decoding it to a half first costs nothing that JPEG's own loss would not hide."""
    smooth = NOISE.resize((40, 30)).resize((3000, 2000), Image.Resampling.BICUBIC)
    data = encoded(smooth, "JPEG", quality=92)
    image = prepared(root, data, Target(700))[1]
    by_pillow = Image.open(io.BytesIO(data)).resize(image.size, Image.Resampling.LANCZOS)
    difference = np.abs(np.asarray(image).astype(int) - np.asarray(by_pillow)).mean()
    assert difference < 2.0, f"{difference:.2f} of 255 on average"


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_files_are_refused_or_read_and_never_anything_else(root: MediaRoot, data: st.DataObject) -> None:
    """A few bytes changed anywhere: an InputError, or a picture."""
    form = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]))
    damaged = bytearray(encoded(NOISE.resize((40, 30)), form))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.one_of(st.integers(0, min(200, len(damaged) - 1)), st.integers(0, len(damaged) - 1)))
        damaged[place] = data.draw(st.integers(0, 255))
    try:
        made, _ = prepared(root, bytes(damaged), Target(2048))
    except InputError:
        return
    assert made.width * made.height <= 100_000_000


@given(st.binary(max_size=600))
def test_any_bytes_have_a_name(data: bytes) -> None:
    """Whatever a file starts with can be told in a few words."""
    assert looks_like(data)
    assert type_of(data) is None or "/" in str(type_of(data))


def test_preparing_in_threads_gives_what_one_thread_gives(root: MediaRoot) -> None:
    """Nothing is shared: 40 times on four threads, always the same bytes, and no thread or picture is left behind."""
    medium = looked(root, encoded(NOISE.resize((1200, 900)), "JPEG"))

    def once(_: int) -> bytes:
        return prepare(root, picture("p.png"), medium, Target(500), LIMITS)[0].data

    before = threading.active_count()
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(once, range(40)))) == 1
    gc.collect()
    assert threading.active_count() == before
    assert not [
        one for one in gc.get_objects() if isinstance(one, Image.Image) and one.size in ((1200, 900), (500, 375))
    ]


def test_the_photograph_goes_out_as_it_is() -> None:
    """A real one, small enough for every model."""
    if not DATA.is_dir():
        pytest.skip(f"no {DATA}: the photograph is not part of the project")
    root = MediaRoot(DATA)
    medium = Preflight(root).look(picture("sample_image.jpg"), LIMITS)
    assert medium is not None
    assert (medium.type, medium.width, medium.height) == ("image/jpeg", 400, 317)
    made = prepare(root, picture("sample_image.jpg"), medium, Target(512), LIMITS)
    assert made[0].data == (DATA / "sample_image.jpg").read_bytes()
