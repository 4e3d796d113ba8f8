"""Pictures that a body holds in its provider's own form: shown as all others are, made anew, within the same limits."""

import base64
import io
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from PIL import Image

from orchestrator.viewing import media
from orchestrator.viewing.media import MOST_SIDE, media_of
from outputs.journal import Log
from outputs.records import RequestLine
from outputs.run_record import RunRecord, Source
from tests.harness.log_writing import LogWriter
from tests.harness.media_files import quarters
from tests.harness.parsed_pages import assert_harmless
from tests.harness.viewed import served

RECORD = RunRecord(
    name="r", created_at="", code_version="", source=Source("manifest", "m.jsonl", ""), items=0, requests=1,
    simulated=False,
)  # fmt: skip


def data_of(width: int = 64, height: int = 48) -> bytes:
    file = io.BytesIO()
    quarters(width, height).save(file, "PNG")
    return file.getvalue()


def anthropic(*pictures: bytes | str) -> dict[str, Any]:
    sources: list[dict[str, str]] = [
        {"type": "url", "url": one}
        if isinstance(one, str)
        else {"type": "base64", "media_type": "image/png", "data": base64.b64encode(one).decode()}
        for one in pictures
    ]
    return {"messages": [{"role": "user", "content": [{"type": "image", "source": source} for source in sources]}]}


def gemini(*pictures: bytes | str) -> dict[str, Any]:
    parts = [
        {"file_data": {"file_uri": one}}
        if isinstance(one, str)
        else {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(one).decode()}}
        for one in pictures
    ]
    return {"contents": [{"role": "user", "parts": [{"text": "What?"}, *parts]}]}


def asked(body: dict[str, Any]) -> RequestLine:
    line = {"seq": 1, "custom_id": "c", "url": "/v1/messages", "provider": "p", "model": "m", "fingerprint": "f"}
    return msgspec.json.decode(orjson.dumps({**line, "body": body}), type=RequestLine)


@pytest.mark.parametrize("shape", [anthropic, gemini])
def test_a_picture_inside_a_body_is_shown_by_its_pixels_alone(shape: Any) -> None:
    """With what it is and how large; nothing else that its file held goes to the browser."""
    data = data_of() + b"<script>alert(1)</script>"
    (shown,) = media_of(asked(shape(data)), RECORD)
    assert (shown.why, shown.size, shown.address[:11]) == (None, (64, 48), "data URL of")
    (picture,) = shown.pictures
    assert b"script" not in picture.data
    assert Image.open(io.BytesIO(picture.data)).convert("RGB").tobytes() == quarters().tobytes()


@pytest.mark.parametrize("shape", [anthropic, gemini])
def test_what_is_no_picture_or_too_large_is_said(shape: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits are those of all pictures; an address is named and never asked."""
    monkeypatch.setattr(media, "MOST_PIXELS", 5000)
    monkeypatch.setattr("socket.socket", lambda *_, **__: pytest.fail("a connection was opened"))
    body = shape(data_of(100, 100), b"%PDF-1.4", data_of()[:60], b"<svg onload='alert(1)'/>", "https://example.org/a")
    shown = media_of(asked(body), RECORD)
    assert all(one.pictures == () for one in shown)
    assert ["million pixels" in (shown[0].why or ""), "no picture" in (shown[1].why or "")] == [True, True]
    assert "cannot be decoded" in (shown[2].why or "")
    assert "no picture" in (shown[3].why or "")
    assert "not asked from here" in (shown[4].why or "")


def test_no_page_has_more_pictures_than_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many a body has; a large one is made small."""
    monkeypatch.setattr(media, "MOST_SHOWN", 2)
    shown = media_of(asked(anthropic(data_of(), data_of(3000, 200), data_of())), RECORD)
    assert [len(one.pictures) for one in shown] == [1, 1, 0]
    assert shown[1].pictures[0].width == MOST_SIDE
    assert [one.first for one in shown] == [0, 1, 2]


async def test_the_page_of_a_row_shows_them(tmp_path: Path) -> None:
    """Each by its place, and where it stands among the words."""
    log = LogWriter(tmp_path / "run").record()
    line = {"custom_id": "r", "method": "POST", "url": "/v1beta/models/m:generateContent", "provider": "gemini",
            "model": "m", "fingerprint": "f", "body": gemini(data_of()), "metadata": None}  # fmt: skip
    seq = log.raw(Log.REQUESTS, orjson.dumps(line)[1:])
    async with served(log.folder) as viewer:
        page = assert_harmless(await viewer.read(f"r/0/row/{seq}"))
        picture = await viewer.get(f"r/0/media/{seq}/0")
    assert [one.attributes["src"] for one in page.all("img")] == [f"../media/{seq}/0"]
    assert [one.attributes["href"] for one in page.all("a") if "picture or clip" in one.text] == ["#medium-0"]
    assert (picture.status, picture.headers["Content-Type"], picture.body[:4]) == (200, "image/png", b"\x89PNG")
