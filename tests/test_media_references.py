"""What pictures and clips a body names, and the files that may be named."""

import base64
import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from prompts.input_error import InputError
from providers.media.inlining import inline, with_stand_ins
from providers.media.preparing import Prepared
from providers.media.references import Layout, MediumKind, Reference, find_references
from providers.media.sources import MediaRoot
from tests.harness.media_files import chat, picture


def test_references_are_found_in_the_order_of_the_body() -> None:
    """Pictures and clips of all messages, with what was asked of them; text has none."""
    body = orjson.dumps(
        {
            "model": "m",
            "messages": [
                {"role": "system", "content": "look for image_url"},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "image_url"},
                        {"type": "image_url", "image_url": {"url": "a.png", "detail": "low"}},
                        {"type": "video_url", "video_url": {"url": "b.mp4", "frames": 5, "layout": "separate"}},
                    ],
                },
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y"}}]},
            ],
        }
    )
    found = find_references(body)
    assert found == [
        Reference(1, 1, MediumKind.PICTURE, "a.png", "low"),
        Reference(1, 2, MediumKind.CLIP, "b.mp4", None, 5, Layout.SEPARATE),
        Reference(2, 0, MediumKind.PICTURE, "https://x/y"),
    ]
    assert [one.is_remote for one in found] == [False, False, True]
    assert found[1].field == "body.messages[1].content[2].video_url.url"
    assert find_references(chat({"type": "text", "text": "hi"})) == []
    assert find_references(b'{"messages": "image_url"}') == []
    assert find_references(b'{"image_url": ') == []


def test_a_part_written_with_escapes_is_found() -> None:
    """JSON may spell any letter with an escape."""
    body = chat({"type": "image_url", "image_url": {"url": "a.png"}}).replace(b"image_url", b"im\\u0061ge_url")
    assert [one.url for one in find_references(body)] == ["a.png"]


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({"type": "image_url", "image_url": "http://x"}, 'content[0].image_url: is text; write "image_url": {"url"'),
        ({"type": "image_url"}, "content[0].image_url: is missing"),
        ({"type": "image_url", "image_url": {}}, "image_url.url: must be text"),
        ({"type": "image_url", "image_url": {"url": ""}}, "image_url.url: must be text"),
        ({"type": "image_url", "image_url": {"url": 3}}, "image_url.url: must be text"),
        ({"type": "image_url", "image_url": {"url": "a", "detail": "best"}}, "detail: 'best' is unknown (known: auto"),
        ({"type": "image_url", "image_url": {"url": "a", "detail": []}}, "detail: [] is unknown"),
        ({"image_url": {"url": "a"}}, 'content[0].type: is missing; write "type": "image_url"'),
        ({"type": "video_url", "video_url": {"url": "a", "frames": 0}}, "frames: must be a whole number from 1 to 64"),
        ({"type": "video_url", "video_url": {"url": "a", "frames": 65}}, "frames: must be"),
        ({"type": "video_url", "video_url": {"url": "a", "frames": True}}, "frames: must be"),
        ({"type": "video_url", "video_url": {"url": "a", "layout": "grid"}}, "layout: 'grid' is unknown"),
    ],
)
def test_a_malformed_part_is_an_error_that_names_its_field(part: dict[str, Any], told: str) -> None:
    """Nothing is guessed about a part that is not as it should be."""
    with pytest.raises(InputError) as caught:
        find_references(chat(part))
    assert told in str(caught.value)


@pytest.fixture
def root(tmp_path: Path) -> MediaRoot:
    (tmp_path / "secret.png").write_bytes(b"secret")
    folder = tmp_path / "media"
    (folder / "sub").mkdir(parents=True)
    (folder / "a b%20.png").write_bytes(b"spaced")
    (folder / "a.png").write_bytes(b"inside")
    (folder / "in").symlink_to(folder / "a.png")
    (folder / "out").symlink_to(tmp_path / "secret.png")
    (folder / "outdir").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder / "loop")
    os.mkfifo(folder / "pipe")
    (tmp_path / "media-other").mkdir()
    (tmp_path / "media-other" / "a.png").write_bytes(b"sibling")
    return MediaRoot(folder)


def test_files_under_the_root_are_read(root: MediaRoot) -> None:
    """By relative and absolute paths, file: URLs and links that stay inside; percent signs count in URLs only."""
    for url in ("a.png", "./sub/../a.png", "in", str(root.folder / "a.png"), f"file://{root.folder}/a.png"):
        assert root.read(picture(url)) == b"inside"
    assert root.read(picture("a b%20.png")) == b"spaced"
    assert root.read(picture(f"FILE://localhost{root.folder}/a%20b%2520.png")) == b"spaced"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("../secret.png", "lies outside"),
        ("../../etc/passwd", "lies outside"),
        ("sub/../../secret.png", "lies outside"),
        ("/etc/passwd", "lies outside"),
        ("file:///etc/passwd", "lies outside"),
        ("../media-other/a.png", "lies outside"),
        ("out", "--media-root"),
        ("outdir/secret.png", "lies outside"),
        ("../nothing-there", "lies outside"),
        (".", "lies outside"),
        ("no.png", "no such file"),
        ("a.png/x", "no such file"),
        ("sub", "is a folder"),
        ("pipe", "not a regular file"),
        ("loop", "cannot be read"),
        ("a\0.png", "cannot be read"),
        ("x" * 5000, "cannot be read"),
        ("s3://bucket/a.png", "s3:// addresses are not read"),
        ("\ud800.png", "cannot be read"),
    ],
)
def test_a_path_that_leads_nowhere_or_outside_is_an_error(root: MediaRoot, url: str, told: str) -> None:
    """Paths out of the root, by dots, links or from the top, are refused; pipes and folders are no files."""
    with pytest.raises(InputError) as caught:
        root.read(picture(url))
    assert told in str(caught.value)
    assert caught.value.field == "body.messages[0].content[0].image_url.url"
    assert len(str(caught.value)) < 700


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_the_right_to_read_it_is_an_error(root: MediaRoot) -> None:
    """It says so, rather than that there is none."""
    (root.folder / "a.png").chmod(0)
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        root.read(picture("a.png"))


def test_data_urls_are_decoded_strictly(root: MediaRoot) -> None:
    """Sound base64 only; the type that it claims is not looked at."""
    text = base64.b64encode(b"inside").decode()
    assert root.read(picture(f"data:nonsense;charset=x;base64,{text}")) == b"inside"
    for url, told in (
        ("data:image/png;base64", "without a comma"),
        (f"data:image/png,{text}", "not in base64"),
        ("data:image/png;base64,ab-_", "base64 is broken"),
        ("data:image/png;base64,abc", "base64 is broken"),
        ("data:image/png;base64,\u00e9", "base64 is broken"),
    ):
        with pytest.raises(InputError, match=told):
            root.read(picture(url))


PNG_ONE = Prepared("image/png", b"one", 1, 1)
JPEG_TWO = Prepared("image/jpeg", b"two", 1, 1)


def test_pictures_are_put_in_and_all_else_stays() -> None:
    """A clip becomes a part for each picture; numbers that no library could write again stay as they are."""
    body = (
        b'{"x": 1e400, "n": 123456789012345678901234567890, "messages": ['
        b'{"role": "user", "name": "\\u00e9", "content": ['
        b'{"type": "image_url", "image_url": {"url": "a.png", "detail": "low", "k": 1e999}, "cache": {"t": 1}},'
        b'{"type": "text", "text": "hi"},'
        b'{"type": "image_url", "image_url": {"url": "http://x"}},'
        b'{"type": "video_url", "video_url": {"url": "c.mp4", "frames": 2, "layout": "separate"}},'
        b'{"type": "video_url", "video_url": {"url": "c.mp4"}}]}], "z": 0.10}'
    )
    made = inline(body, [[PNG_ONE], None, [PNG_ONE, JPEG_TWO], [PNG_ONE]])
    for kept in (b"1e400", b"123456789012345678901234567890", b"1e999", b'"\\u00e9"', b"0.10"):
        assert kept in made
    content = orjson.loads(made.replace(b"1e999", b"1").replace(b"1e400", b"1"))["messages"][0]["content"]
    one, two = "data:image/png;base64,b25l", "data:image/jpeg;base64,dHdv"
    assert content == [
        {"type": "image_url", "image_url": {"url": one, "detail": "low", "k": 1}, "cache": {"t": 1}},
        {"type": "text", "text": "hi"},
        {"type": "image_url", "image_url": {"url": "http://x"}},
        {"type": "image_url", "image_url": {"url": one}},
        {"type": "image_url", "image_url": {"url": two}},
        {"type": "image_url", "image_url": {"url": one, "detail": "high"}},
    ]
    assert inline(b'{"messages": []}', []) == b'{"messages": []}'
    with pytest.raises(ValueError, match="1 entries for 4"):
        inline(body, [None])


def test_stand_ins_are_tiny_pictures_for_what_is_not_remote() -> None:
    """They are what a body is checked with before its pictures are made ready."""
    body = chat(
        {"type": "image_url", "image_url": {"url": "a.png"}},
        {"type": "image_url", "image_url": {"url": "http://x"}},
        {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}},
    )
    made = with_stand_ins(body, find_references(body))
    found = find_references(made)
    assert [one.kind for one in found] == [MediumKind.PICTURE] * 3
    assert found[1].url == "http://x"
    for one in (found[0], found[2]):
        assert one.url.startswith("data:image/png;base64,")
        assert len(one.url) < 200
