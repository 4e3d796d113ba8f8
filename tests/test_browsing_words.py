"""The messages of a request, read from a body of any wire format."""

import json
from typing import Any

import pytest

from outputs.browsing.asked_words import Part, read_messages

PICTURE = {"type": "image_url", "image_url": {"url": "pictures/a.png", "detail": "low"}}
CLIP = {"type": "video_url", "video_url": {"url": "clips/b.mp4"}}


def shown(body: Any) -> list[tuple[str, str]]:
    """Role and words of each message."""
    return [(message.role, message.text) for message in read_messages(json.dumps(body).encode())]


SYSTEM_AND_USER = [("system", "s"), ("user", "u")]
SPOKEN = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
SEEN = [{"type": "text", "text": "u"}, {"type": "image"}]
CONTENTS = [{"role": "user", "parts": [{"text": "u"}, {"inlineData": {"data": "x"}}]}, {"parts": [{"text": "v"}]}]
ASKED = [{"role": "user", "content": [{"type": "input_text", "text": "u"}]}]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"messages": SPOKEN}, SYSTEM_AND_USER),
        ({"system": "s", "messages": [{"role": "user", "content": SEEN}]}, [("system", "s"), ("user", "u\n[image]")]),
        (
            {"systemInstruction": {"parts": [{"text": "s"}]}, "contents": CONTENTS},
            [("system", "s"), ("user", "u\n[inlineData]"), ("user", "v")],
        ),
        ({"instructions": "s", "input": ASKED}, SYSTEM_AND_USER),
        ({"input": ["one", "two"]}, [("user", "one\ntwo")]),
        ({"input": "one"}, [("user", "one")]),
        ({"prompt": "p"}, [("user", "p")]),
    ],
    ids=["chat", "anthropic", "gemini", "responses", "embeddings", "text", "completion"],
)
def test_words_are_found_in_every_wire_format(body: Any, wanted: list[tuple[str, str]]) -> None:
    """Each message with its role, in order; what is no text is named by its kind."""
    assert shown(body) == wanted


def test_pictures_and_clips_are_numbered_over_the_whole_body() -> None:
    """Their numbers are those of the request's media, whichever message they stand in."""
    body = {
        "messages": [
            {"content": [PICTURE, {"type": "text", "text": "t"}]},
            {"role": "user", "content": [CLIP, PICTURE]},
        ]
    }
    parts = [part for message in read_messages(json.dumps(body).encode()) for part in message.parts]
    assert parts == [
        Part(None, 0, "pictures/a.png", "image_url"),
        Part("t"),
        Part(None, 1, "clips/b.mp4", "video_url"),
        Part(None, 2, "pictures/a.png", "image_url"),
    ]


@pytest.mark.parametrize(
    ("piece", "address"),
    [
        ({"type": "image", "source": {"media_type": "image/png", "data": "AA"}}, "data:image/png;base64,AA"),
        ({"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}, "https://example.org/a.png"),
        ({"inlineData": {"mimeType": "image/png", "data": "AA"}}, "data:image/png;base64,AA"),
        ({"inline_data": {"mime_type": "image/png", "data": "AA"}}, "data:image/png;base64,AA"),
        ({"fileData": {"fileUri": "gs://a"}}, "gs://a"),
        ({"type": "input_image", "image_url": "data:image/png;base64,AA"}, "data:image/png;base64,AA"),
        ({"type": "image", "source": 7}, ""),
        ({"inlineData": {"data": ["x"]}}, "data:;base64,"),
    ],
)  # fmt: skip
def test_pictures_of_other_wire_formats_are_numbered_too(piece: Any, address: str) -> None:
    """Among those that a chat body names, with their bytes as a data URL."""
    pieces = [PICTURE, piece, CLIP]
    body = {"messages": [{"content": pieces}]} if "type" in piece else {"contents": [{"parts": pieces}]}
    parts = [part for message in read_messages(json.dumps(body).encode()) for part in message.parts]
    assert [(part.medium, part.address) for part in parts][1] == (1, address)
    assert [part.medium for part in parts] == [0, 1, 2]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[1]", b"\xff", b"{}", b'{"messages":7}', b'{"messages":[7,[]]}',
        b'{"contents":[{"parts":{"x":1}}]}', b'{"messages":[{"role":7,"content":{"a":1}}]}',
        b'{"messages":[{"content":[7,null,{"type":7},{"type":"image_url"}]}]}',
        b"[" * 100_000,
    ],
)  # fmt: skip
def test_an_odd_body_is_no_crash(body: bytes) -> None:
    """What cannot be read is left out."""
    assert isinstance(read_messages(body), tuple)
