"""The pictures of a row: what was sent is shown, made anew, from the run's own media root and from nowhere else."""

import base64
import io
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from PIL import Image

from orchestrator.viewing.media import MOST_SIDE, made_anew, media_of
from orchestrator.viewing.media_shelf import MediaShelf
from outputs.records import RequestLine
from outputs.run_record import RunRecord, Source
from prompts.input_error import InputError
from providers.media.encoding import Prepared
from providers.media.preflight import Medium, Preflight
from providers.media.references import find_references
from providers.media.sources import MediaRoot
from providers.provider import MediaLimits
from tests.harness.media_files import chat, make_clip, number_of, quarters

CATALOG = {"lab": {"protocol": "openai", "base_url": "http://127.0.0.1:9/v1"}}


def record(root: Path | None) -> RunRecord:
    return RunRecord(
        name="r",
        created_at="",
        code_version="",
        source=Source("manifest", "m.jsonl", ""),
        items=0,
        requests=1,
        simulated=False,
        media_root=None if root is None else str(root),
        catalog=CATALOG,
    )


def shows(url: str, **more: Any) -> dict[str, Any]:
    kind = "video_url" if more else "image_url"
    return {"type": kind, kind: {"url": url, **more}}


def asked(root: Path, *parts: dict[str, Any], media: tuple[Medium | None, ...] | None = None) -> RequestLine:
    """A request with these pictures, looked at as before a run."""
    body = chat(*parts)
    if media is None:
        looked = Preflight(MediaRoot(root))
        media = tuple(looked.look(reference, MediaLimits()) for reference in find_references(body))
    raw = {"seq": 1, "custom_id": "c", "url": "/v1/chat/completions", "provider": "lab", "model": "m"}
    line = {**raw, "fingerprint": "f", "body": orjson.Fragment(body), "media": msgspec.to_builtins(media)}
    return msgspec.json.decode(orjson.dumps(line), type=RequestLine)


def pixels(shown: Prepared) -> Image.Image:
    return Image.open(io.BytesIO(shown.data)).convert("RGB")


def saved(path: Path, picture: Image.Image | None = None) -> Path:
    (picture or quarters()).save(path)
    return path


def test_a_picture_is_shown_by_its_pixels_alone(tmp_path: Path) -> None:
    """What stands in a file beside its pixels (a script in a comment, or behind the end) does not reach the browser."""
    quarters().save(tmp_path / "p.png")
    data = (tmp_path / "p.png").read_bytes() + b"<script>alert(1)</script>"
    (tmp_path / "p.png").write_bytes(data)
    (shown,) = media_of(asked(tmp_path, shows("p.png")), record(tmp_path))
    assert shown.why is None
    (picture,) = shown.pictures
    assert b"script" not in picture.data
    assert pixels(picture).tobytes() == quarters().tobytes()


def test_a_picture_in_a_data_url_is_shown_and_its_words_are_not(tmp_path: Path) -> None:
    """It is named by its length: a megabyte of base64 is no caption."""
    file = io.BytesIO()
    quarters().save(file, "PNG")
    url = "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()
    (shown,) = media_of(asked(tmp_path, shows(url)), record(None))
    assert shown.pictures[0].type == "image/png"
    assert shown.address == f"data URL of {len(url):,} characters"


def test_a_clip_is_shown_as_the_frames_that_were_sent(tmp_path: Path) -> None:
    """Frames shown separately are as many pictures; the places of a row's pictures count through."""
    make_clip(tmp_path / "c.mp4", 30)
    saved(tmp_path / "p.png")
    request = asked(tmp_path, shows("c.mp4", frames=3, layout="separate"), shows("p.png"))
    clip, picture = media_of(request, record(tmp_path))
    assert [number_of(pixels(frame)) for frame in clip.pictures] == [0, 9, 19]
    assert (clip.clip, clip.frames, clip.first, picture.first) == (True, 30, 0, 3)
    shelf = MediaShelf()
    third = shelf.picture(tmp_path, request, record(tmp_path), 2)
    last = shelf.picture(tmp_path, request, record(tmp_path), 3)
    assert third is not None
    assert number_of(pixels(third)) == 19
    assert last is not None
    assert last.data == picture.pictures[0].data
    assert shelf.picture(tmp_path, request, record(tmp_path), 4) is None


def test_a_file_that_is_another_now_is_not_shown(tmp_path: Path) -> None:
    """Its hash is not the recorded one: nobody is shown a picture that the judge did not see. Put back, it is shown."""
    saved(tmp_path / "p.png")
    request, before = asked(tmp_path, shows("p.png")), (tmp_path / "p.png").read_bytes()
    shelf = MediaShelf()
    assert shelf.picture(tmp_path, request, record(tmp_path), 0) is not None
    saved(tmp_path / "p.png", quarters(32, 32))
    (shown,) = shelf.media_of(tmp_path, request, record(tmp_path))
    assert shown.pictures == ()
    assert shown.why is not None
    assert "has changed since" in shown.why
    (tmp_path / "p.png").write_bytes(before)
    assert shelf.picture(tmp_path, request, record(tmp_path), 0) is not None


@pytest.mark.parametrize("url", ["../secret.png", "way/out.png", "file:///{outside}", "{outside}", "/etc/hostname"])
def test_no_path_leads_out_of_the_media_root(tmp_path: Path, url: str) -> None:
    """Neither by dots, by a link, nor by an absolute path; though the recorded hash is that of the file out there."""
    (tmp_path / "in").mkdir()
    secret = saved(tmp_path / "secret.png")
    (tmp_path / "in" / "way").symlink_to(tmp_path)
    (tmp_path / "in" / "way" / "out.png").symlink_to(secret)
    medium = asked(tmp_path, shows("secret.png")).media
    address = url.format(outside=secret)
    (shown,) = media_of(asked(tmp_path, shows(address), media=medium), record(tmp_path / "in"))
    assert shown.pictures == ()
    assert shown.why is not None
    assert "lies outside" in shown.why


def test_an_address_is_named_and_never_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the provider fetched is not asked for from here."""
    monkeypatch.setattr("socket.socket", lambda *_, **__: pytest.fail("a connection was opened"))
    (shown,) = media_of(asked(tmp_path, shows("https://example.org/p.png")), record(tmp_path))
    assert (shown.address, shown.pictures) == ("https://example.org/p.png", ())
    assert shown.why is not None
    assert "not asked" in shown.why


def test_a_request_without_recorded_hashes_shows_nothing(tmp_path: Path) -> None:
    """Nothing tells whether a file is still the one that was sent; and of an unknown folder nothing is read."""
    saved(tmp_path / "p.png")
    (unknown,) = media_of(asked(tmp_path, shows("p.png"), media=()), record(tmp_path))
    assert (unknown.pictures, unknown.why) == ((), "not shown: its hash was not recorded")
    (homeless,) = media_of(asked(tmp_path, shows("p.png")), record(None))
    assert homeless.pictures == ()


def test_what_is_no_picture_any_more_is_said(tmp_path: Path) -> None:
    """A file that is gone, or that no decoder reads, is a sentence in the place of the picture."""
    saved(tmp_path / "p.png")
    request = asked(tmp_path, shows("p.png"))
    (tmp_path / "p.png").unlink()
    (shown,) = media_of(request, record(tmp_path))
    assert shown.why is not None
    assert "no such file" in shown.why
    with pytest.raises(InputError, match="cannot be decoded"):
        made_anew(b"<svg onload='alert(1)'/>")


def test_a_large_picture_is_made_small() -> None:
    """What goes to the browser has a bounded size, whatever was sent."""
    file = io.BytesIO()
    quarters(3000, 200).save(file, "PNG")
    assert (made_anew(file.getvalue()).width, made_anew(file.getvalue()).height) == (MOST_SIDE, 85)
