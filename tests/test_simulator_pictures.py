"""The simulator looks at pictures: what it says of them, what they count, what it refuses, and what it scores."""

import asyncio
import base64
import hashlib
import io
import struct
import threading
import zlib
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import AsyncOpenAI, BadRequestError
from PIL import Image

from providers.simulator import viewer
from providers.simulator.answer import answer
from providers.simulator.chat import BadBodyError, read_chat, read_json
from providers.simulator.colours import colour_words
from providers.simulator.pictures import MOST_PIXELS, Picture, decode, describe
from providers.simulator.tokens import Choice
from tests.harness.pictures import as_data_url, data_url, encoded, shown, size_and_colour
from tests.harness.simulated import simulated

RED = Image.new("RGB", (40, 30), (200, 40, 40))
BLUE = Image.new("RGB", (64, 48), (30, 60, 190))
JUDGE = "<candidate>{}</candidate>\nReason first.\nOverall: [[0-100]]"


def chat(*parts: dict[str, Any] | str, **body: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": content}], **body}


async def said(*bodies: dict[str, Any]) -> list[dict[str, Any]]:
    """The answers of one simulator to these bodies, each of them a 200."""
    async with simulated(seed=4) as client:
        replies = [await client.post(body) for body in bodies]
    assert [status for status, _, _ in replies] == [200] * len(bodies), replies
    return [orjson.loads(body) for _, _, body in replies]


def content(completion: dict[str, Any]) -> str:
    text = completion["choices"][0]["message"]["content"]
    assert isinstance(text, str)
    return text


def striped(mode: str = "RGB") -> Image.Image:
    image = Image.new("RGB", (90, 60), (10, 120, 60))
    image.paste((240, 200, 20), (0, 0, 45, 60))
    return image.convert(mode)


@pytest.mark.parametrize(
    ("format_", "image"),
    [
        ("PNG", striped()),
        ("JPEG", striped()),
        ("WEBP", striped()),
        ("GIF", striped("P")),
        ("PNG", striped("L")),
        ("PNG", striped("P")),
        ("PNG", striped("RGBA")),
        ("JPEG", striped("CMYK")),
    ],
)
async def test_a_picture_is_described_by_its_size_and_mean_colour(format_: str, image: Image.Image) -> None:
    """Whatever its file's format and mode, a picture's pixels and colour stand in plain answers and in judgements."""
    data = encoded(image, format_)
    plain, judged = await said(
        chat("What is this?", shown(as_data_url(data))), chat(JUDGE.format("Stripes."), shown(as_data_url(data)))
    )
    for completion in (plain, judged):
        assert content(completion).startswith(f"The picture is {size_and_colour(data)} (")
    assert content(judged).splitlines()[-1].startswith("Overall: [[")


async def test_pictures_are_described_in_their_order() -> None:
    """Several pictures are numbered, over all messages, and one of them twice is described twice."""
    red, blue = data_url(RED), data_url(BLUE)
    body = chat("One.", shown(red), shown(blue))
    body["messages"].append({"role": "user", "content": [shown(red)]})
    [completion] = await said(body)
    assert content(completion).startswith(
        "Picture 1 is 40 x 30 pixels, mean colour #c82828 (red). "
        "Picture 2 is 64 x 48 pixels, mean colour #1e3cbe (blue). "
        "Picture 3 is 40 x 30 pixels, mean colour #c82828 (red).\n"
    )


async def test_pictures_count_by_the_tile_rule() -> None:
    """Low detail counts 85; else 85, and 170 for each square of 512 of the picture as it is seen; all are summed."""
    square, wide = data_url(Image.new("L", (1024, 1024))), data_url(Image.new("L", (1536, 512)))
    words = chat("What?")
    bodies = [words, *(chat("What?", *parts) for parts in ([shown(square, "low")], [shown(square)], [shown(wide)]))]
    bodies.append(chat("What?", shown(square, "high"), shown(wide, "low")))
    text, *seen = [completion["usage"] for completion in await said(*bodies)]
    assert [usage["prompt_tokens"] - text["prompt_tokens"] for usage in seen] == [85, 765, 595, 765 + 85]
    assert [usage["prompt_tokens_details"]["image_tokens"] for usage in seen] == [85, 765, 595, 765 + 85]
    assert "image_tokens" not in text["prompt_tokens_details"]
    assert all(usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] for usage in seen)


def test_the_first_estimate_of_a_limit_is_what_is_billed() -> None:
    """What limits count of a prompt with pictures is what its usage says."""

    async def billed() -> tuple[int, int]:
        async with simulated(tpm=10_000, clock=lambda: 0.0) as client:
            _, headers, body = await client.post(chat("What?", shown(data_url(RED))))
        return 10_000 - int(headers["x-ratelimit-remaining-tokens"]), orjson.loads(body)["usage"]["total_tokens"]

    charged, told = asyncio.run(billed())
    assert charged == told


def animated() -> str:
    return data_url(RED, "GIF", save_all=True, append_images=[BLUE.resize((40, 30))])


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def claiming(width: int, height: int) -> str:
    """A PNG of a few bytes whose header claims a size."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return as_data_url(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(9))))


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("data:image/png;base64,AAAA", "invalid_image_format"),
        ("data:image/png;base64,", "invalid_image_format"),
        (as_data_url(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "invalid_image_format"),
        (as_data_url(encoded(striped(), "BMP")), "invalid_image_format"),
        (as_data_url(encoded(Image.effect_noise((400, 400), 60.0), "JPEG")[:-9000]), "invalid_image_format"),
        (as_data_url(encoded(Image.effect_noise((400, 400), 60.0))[:-9000]), "invalid_image_format"),
        (animated(), "invalid_image_format"),
        ("data:image/png;base64,@@@@", "invalid_base64_image"),
        (claiming(MOST_PIXELS // 1000, 1001), "image_too_large"),
        ("https://example.org/cat.png", "invalid_image_url"),
        ("http://127.0.0.1:1/cat.png", "invalid_image_url"),
        ("cat.png", "invalid_image_url"),
        ("/etc/hostname", "invalid_image_url"),
        ("file:///etc/hostname", "invalid_image_url"),
        ("data:video/mp4;base64,AAAA", "invalid_image_url"),
        ("data:image/png,AAAA", "invalid_image_url"),
        ("", "invalid_image_url"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_what_is_no_picture_is_refused(url: str, code: str) -> None:
    """What cannot be seen gets a 400 that says what is wrong and names its part, and is not billed."""
    body = chat("First.", shown(data_url(RED)), shown(url))
    body["messages"].insert(0, {"role": "system", "content": "Look."})
    async with simulated() as client:
        status, _, reply = await client.post(body)
        assert (client.simulator.stats.refused, client.simulator.stats.billed) == (1, 0)
    error = orjson.loads(reply)["error"]
    assert (status, error["type"], error["code"]) == (400, "invalid_request_error", code)
    assert error["param"] == "messages.[1].content.[2].image_url"
    assert error["message"]


@pytest.mark.parametrize(
    ("part", "param", "code"),
    [
        ({"type": "video_url", "video_url": {"url": "a.mp4"}}, "type", "invalid_value"),
        ({"type": "image_url"}, "image_url", "missing_required_parameter"),
        ({"type": "image_url", "image_url": data_url(RED)}, "image_url", "invalid_type"),
        ({"type": "image_url", "image_url": {}}, "image_url.url", "missing_required_parameter"),
        ({"type": "image_url", "image_url": {"url": 3}}, "image_url.url", "invalid_type"),
        (shown(data_url(RED), "medium"), "image_url.detail", "invalid_value"),
        (
            {"type": "image_url", "image_url": {"url": "data:", "detail": [1]}},
            "image_url.detail",
            "invalid_value",
        ),
    ],
)
async def test_parts_of_another_shape_are_refused(part: dict[str, Any], param: str, code: str) -> None:
    """A clip, which a chat completion has no part for, and a part of the wrong shape get a 400 with their place."""
    async with simulated() as client:
        status, _, reply = await client.post(chat("What?", part))
    error = orjson.loads(reply)["error"]
    assert (status, error["param"], error["code"]) == (400, f"messages.[0].content.[1].{param}", code)


async def test_openai_s_client_sees_the_refusal() -> None:
    """The official SDK sends a picture as it sends all, and reads the refusal of one that is none."""
    async with simulated() as client, AsyncOpenAI(base_url=client.simulator.base_url, api_key="none") as openai:
        with pytest.raises(BadRequestError) as caught:
            await openai.chat.completions.create(
                model="gpt-4o",
                messages=[
                    {
                        "role": "user",
                        "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
                    }
                ],
            )
    assert (caught.value.code, caught.value.param) == ("invalid_image_format", "messages.[0].content.[0].image_url")


async def test_others_are_answered_while_a_picture_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding happens beside the server's loop: other calls are answered before it is done."""
    answered = threading.Event()

    def slowly(url: str) -> Picture:
        assert answered.wait(20), "the server answered nobody while a picture was decoded"
        return decode(url)

    monkeypatch.setattr(viewer, "decode", slowly)
    async with simulated() as client:
        looking = asyncio.create_task(client.post(chat("What?", shown(data_url(RED)))))
        await asyncio.sleep(0.05)
        assert (await client.get("/healthz"))[0] == 200
        assert (await client.post(chat("Hello")))[0] == 200
        assert not looking.done()
        answered.set()
        assert (await looking)[0] == 200


async def test_a_picture_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that was seen is remembered, over bodies; one that could not be seen is looked at anew."""
    decoded: list[str] = []

    def counting(url: str) -> Picture:
        decoded.append(url)
        return decode(url)

    monkeypatch.setattr(viewer, "decode", counting)
    red, bad = data_url(RED), "data:image/png;base64,AAAA"
    async with simulated() as client:
        for number in range(3):
            assert (await client.post(chat(f"What? {number}", shown(red))))[0] == 200
            assert (await client.post(chat(f"What? {number}", shown(bad))))[0] == 400
    assert (decoded.count(red), decoded.count(bad)) == (1, 3)


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pictures come, only so many are remembered."""
    monkeypatch.setattr(viewer, "_REMEMBERED", 3)
    looker = viewer.Viewer()
    for level in range(10):
        url = data_url(Image.new("L", (2, 2), level))
        asked = await looker.look(b"digest", read_chat(chat("?", shown(url))))
        assert [picture.colour for picture in asked.pictures] == [(level,) * 3]
        assert len(looker._seen) <= 3


def judgement(image: Image.Image, caption: str, **body: Any) -> Choice:
    """One judgement of a caption by a picture alone."""
    asked = chat(JUDGE.format(caption), shown("data:,"), logprobs=True, top_logprobs=20, **body)
    body_digest, value = read_json(orjson.dumps(asked))
    [choice] = answer(9, read_chat(value), body_digest, pictures=(decode(data_url(image)),)).choices
    return choice


def distribution(choice: Choice) -> dict[str, float]:
    """The probabilities at the score's token, but for what was sampled there."""
    texts = [token.text for token in choice.tokens]
    return dict(choice.tokens[len(texts) - texts[::-1].index(" [[")].alternatives)


def test_scores_by_a_picture_depend_on_picture_and_caption_alone() -> None:
    """Without references the scores' distribution changes with the picture and the caption, and with nothing else."""
    found = distribution(judgement(RED, "A wall."))
    assert distribution(judgement(RED, "A wall.", temperature=0.3, user="me")) == found
    assert distribution(judgement(BLUE, "A wall.")) != found
    assert distribution(judgement(RED, "A door.")) != found
    assert len({max(distribution(judgement(RED, f"Wall {n}.")).items(), key=lambda x: x[1]) for n in range(12)}) > 8


def test_a_picture_file_under_another_label_is_the_same_picture() -> None:
    """What counts are the file's bytes, not the type that its address claims."""
    url = data_url(RED)
    assert decode(url) == decode(url.replace("image/png", "image/jpeg"))


def test_with_references_scores_follow_the_words() -> None:
    """Beside references a picture is described, and the scores are those of the overlap, as without it."""
    prompt = "<reference>a dog runs</reference>" + JUDGE
    for caption, low, high in (("a dog runs", 90, 100), ("two cars", 0, 10)):
        body_digest, value = read_json(orjson.dumps(chat(prompt.format(caption))))
        picture = decode(data_url(RED))
        [choice] = answer(9, read_chat(value), body_digest, pictures=(picture,)).choices
        assert choice.text.startswith(describe([picture]))
        assert low <= int(choice.text.rpartition("[[")[2].removesuffix("]]")) <= high


async def test_answers_to_words_alone_are_those_of_old() -> None:
    """Since the simulator looks at pictures, its answers to text have not changed by a byte."""
    digest = hashlib.sha256()
    async with simulated(seed=3) as client:
        for number in range(40):
            body: dict[str, Any] = {"model": "m", "messages": [], "n": 1 + number % 3}
            if number % 2:
                body |= {"logprobs": True, "top_logprobs": number % 21}
            asked: str | list[dict[str, str]] = f"question {number}"
            if number % 4 == 0:
                words = f"<reference>a dog {number}</reference><candidate>a dog</candidate>\nScore: [[0-100]]"
                asked = [{"type": "text", "text": words}]
            if number % 5 == 0:
                asked = f"<candidate>a cat {number}</candidate>\nScore: [[0-100]]"
            body["messages"] = [{"role": "user", "content": asked}]
            digest.update((await client.post(body))[2])
    assert digest.hexdigest() == "d511af15191405e42a05feaa0d04ac78f473735a49e0fb79146cad80ad32c68f"


@pytest.mark.parametrize(
    ("colour", "words"),
    [
        ((0, 0, 0), "black"),
        ((255, 255, 255), "white"),
        ((128, 128, 128), "grey"),
        ((60, 60, 62), "dark grey"),
        ((210, 211, 210), "light grey"),
        ((200, 40, 40), "red"),
        ((255, 130, 0), "orange"),
        ((20, 20, 120), "dark blue"),
        ((150, 220, 150), "light green"),
        ((138, 127, 107), "greyish orange"),
        ((255, 0, 2), "red"),
    ],
)
def test_colours_have_plain_names(colour: tuple[int, int, int], words: str) -> None:
    """A colour is called by its lightness and its hue."""
    assert colour_words(colour) == words


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_every_colour_has_a_name(colour: tuple[int, int, int]) -> None:
    """No colour is without a name of one to three words."""
    assert 1 <= len(colour_words(colour).split()) <= 3


FILES: list[Callable[[], bytes]] = [
    lambda: encoded(striped()),
    lambda: encoded(striped(), "JPEG"),
    lambda: encoded(striped(), "WEBP"),
    lambda: encoded(striped("P"), "GIF"),
]


@given(st.sampled_from(FILES), st.binary(min_size=1, max_size=8), st.floats(0, 1), st.floats(0, 1))
def test_a_spoilt_file_is_seen_or_refused(file: Callable[[], bytes], junk: bytes, place: float, end: float) -> None:
    """Whatever is written over a picture, and wherever it is cut, it is a picture or a refusal with a code."""
    data = bytearray(file())
    at = int(place * len(data))
    data[at : at + len(junk)] = junk
    url = "data:image/png;base64," + base64.b64encode(bytes(data[: int(end * len(data)) + 1])).decode()
    assert outcome(url) in {"seen", "invalid_image_format", "image_too_large"}


def outcome(url: str) -> str | None:
    """`seen`, or the code of the refusal."""
    try:
        picture = decode(url)
    except BadBodyError as problem:
        return problem.code
    return "seen" if picture.width and picture.height else "without pixels"


@given(st.text(max_size=60))
def test_any_address_is_seen_or_refused(url: str) -> None:
    """No address makes the looking fail in any other way."""
    with pytest.raises(BadBodyError):
        decode(url)


def test_the_size_told_is_that_of_the_stored_pixels() -> None:
    """A picture that ought to be turned by its EXIF data is described as it came, so that one not turned is noticed."""
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = decode(as_data_url(encoded(striped(), "JPEG", exif=exif)))
    assert (picture.width, picture.height) == (90, 60)
    with Image.open(io.BytesIO(encoded(striped(), "JPEG", exif=exif))) as stored:
        assert stored.getexif()[0x0112] == 6
