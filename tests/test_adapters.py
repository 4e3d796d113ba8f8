"""Answers of every protocol, told apart by their shape and read alike."""

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outputs.records import HttpResponse, ResponseLine
from providers.adapters import recognise_protocol

OPENAI = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
RESPONSES = {
    "object": "response",
    "status": "completed",
    "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}],
}
ANTHROPIC = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
}
GEMINI = {"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}]}


def line(body: bytes) -> ResponseLine:
    return ResponseLine(
        seq=1,
        request=1,
        custom_id="a",
        provider="p",
        model="m",
        fingerprint="",
        attempts=1,
        at=0.0,
        latency_s=0.0,
        response=HttpResponse(200, msgspec.Raw(body)),
    )


@pytest.mark.parametrize(
    ("protocol", "body"), [("openai", OPENAI), ("openai", RESPONSES), ("anthropic", ANTHROPIC), ("gemini", GEMINI)]
)
def test_an_answer_reads_alike_whoever_gave_it(protocol: str, body: dict[str, object]) -> None:
    """Text and finish reason are the same, in the words of chat completions."""
    encoded = orjson.dumps(body)
    assert recognise_protocol(encoded) == protocol
    completion = line(encoded).completion
    assert (completion.text, completion.finish_reason) == ("hi", "stop")


@given(st.one_of(st.binary(), st.builds(orjson.dumps, st.dictionaries(st.text(max_size=9), st.integers(0, 9)))))
def test_what_is_no_answer_is_a_value_error(body: bytes) -> None:
    """Whatever the bytes are, they are recognised or refused; nothing else is raised."""
    try:
        assert recognise_protocol(body) in ("openai", "anthropic", "gemini")
    except ValueError:
        pass
