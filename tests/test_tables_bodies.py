"""The words of stored answers in the table of responses: of every protocol, and of bodies of none."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from outputs.journal import Log
from outputs.tables.bodies import UNREAD, BodyReader
from outputs.tables.loading import load_run
from prompts.records import Completion
from providers.adapters import read_completion
from tests.harness.log_writing import LogWriter, chat

TOKEN = {"token": "9", "logprob": -0.1, "bytes": [57], "top_logprobs": [{"token": "9", "logprob": -0.1}]}
BODIES: dict[str, list[bytes]] = {
    "openai": [
        chat("plain"),
        chat(None),
        chat("9", logprobs={"content": [TOKEN]}),
        chat("9", logprobs={"content": "odd"}),
        chat("x", finish_reason=7),
        chat("x", message={"content": [{"type": "text", "text": "in "}, {"text": "parts"}]}),
        chat("x", message={"content": "x", "refusal": ["odd"]}),
        chat("x", message={"content": None, "refusal": "no"}),
        orjson.dumps({"choices": [{"text": "old", "finish_reason": "length"}]}),
        orjson.dumps({"choices": [{"finish_reason": "stop"}]}),
        orjson.dumps({"choices": [{"message": {"content": "a"}}, {"message": {"content": "b"}}], "usage": "odd"}),
        orjson.dumps(
            {
                "output": [{"type": "message", "content": [{"type": "output_text", "text": "new"}]}],
                "status": "completed",
            }
        ),
        orjson.dumps({"data": [{"embedding": [0.5]}], "object": "list"}),
    ],
    "azure": [chat("deployed")],
    "anthropic": [
        orjson.dumps({"content": [{"type": "text", "text": "hello"}], "stop_reason": "end_turn", "usage": {}}),
        orjson.dumps({"content": [], "stop_reason": "refusal"}),
    ],
    "gemini": [
        orjson.dumps({"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}]}),
        orjson.dumps({"promptFeedback": {"blockReason": "SAFETY"}}),
    ],
}
NONE = [
    b"null",
    b"7",
    b"[]",
    b"{}",
    b'"a body that is text"',
    b'"AAEC/w=="',
    rb'{"choices":[{"message":{"content":"\ud800"}}]}',
]


def read(protocol: str, body: bytes) -> Completion | None:
    """What the protocol's own reader says; None where it cannot read the body."""
    try:
        return read_completion(protocol, body)
    except (ValueError, KeyError):
        return None


@pytest.mark.parametrize(("protocol", "body"), [(name, body) for name, bodies in BODIES.items() for body in bodies])
def test_bodies_are_read_as_their_protocol_reads_them(protocol: str, body: bytes) -> None:
    """Fast or not, text, finish reason and refusal are the protocol's; log probabilities are there where wanted."""
    slow = read(protocol, body)
    assert slow is not None
    reader = BodyReader({"p": {"protocol": protocol}})
    assert reader.completion("p", raw(body), with_tokens=True) == slow
    fast = reader.completion("p", raw(body), with_tokens=False)
    assert (fast.text, fast.finish_reason, fast.refusal) == (slow.text, slow.finish_reason, slow.refusal)


@pytest.mark.parametrize("body", NONE)
@pytest.mark.parametrize("protocol", ["openai", "azure", "anthropic", "gemini", "of tomorrow", None])
def test_a_body_that_cannot_be_read_has_no_text(protocol: str | None, body: bytes) -> None:
    """Text, base64, an empty object or half a character in place of an answer is none, and no error."""
    completion = BodyReader({"p": {"protocol": protocol}}).completion("p", raw(body), with_tokens=True)
    known = None if protocol is None else read(protocol, body)
    assert completion == (UNREAD if known is None else known)
    assert completion.text is None


def test_a_provider_that_the_catalog_lacks_is_read_by_the_shape_of_its_answers() -> None:
    """What was imported may come from anywhere: the body says what it is."""
    for bodies in BODIES.values():
        assert BodyReader({}).completion("p", raw(bodies[0]), with_tokens=False).text is not None
    assert BodyReader({"p": "odd"}).completion("p", raw(b"{}"), with_tokens=False) == UNREAD


def test_the_table_has_the_words_of_every_answer(tmp_path: Path) -> None:
    """One run may hold every protocol and every odd body: each is a row, with text where there is any."""
    log = LogWriter(tmp_path / "night").record()
    wanted: list[tuple[str, str | None]] = []
    for protocol, bodies in BODIES.items():
        for body in (*bodies, *NONE[:-1]):  # the last is no line's: nobody could read the log
            log.answer(log.request(provider=protocol), body)
            found = read(protocol, body)
            wanted.append((protocol, None if found is None else found.text))
    responses = load_run(log.folder).scan("responses").collect()
    assert responses.select("provider", "text").rows() == wanted


def test_text_of_any_characters_stays_as_it_is(tmp_path: Path) -> None:
    """NUL, separators of lines, the other directions and half a megabyte of text come back as they went in."""
    log = LogWriter(tmp_path / "night").record()
    texts = ["a\x00b", "\u2028\u2029\r\n\t", "\u202eright to left", "é" * 250_000, "", "\ufeff🙂"]
    for text in texts:
        log.answer(log.request(), chat(text))
    assert load_run(log.folder).scan("responses").collect()["text"].to_list() == texts


def test_an_answer_without_a_body_is_a_row_without_text(tmp_path: Path) -> None:
    """A line that lacks what only bodies hold is still an answer."""
    log = LogWriter(tmp_path / "night").record()
    row = log.request()
    lean: dict[str, Any] = {"request": row, "custom_id": "a", "provider": "openai", "model": "m", "attempts": 0}
    log.raw(Log.RESPONSES, orjson.dumps(lean | {"response": {}})[1:])
    assert load_run(log.folder).scan("responses").collect().select("text", "latency_s", "landed_at").row(0) == (
        None, None, None,
    )  # fmt: skip


def raw(body: bytes) -> Any:
    """A body as the reader of lines gives it."""
    import msgspec

    return msgspec.Raw(body)
