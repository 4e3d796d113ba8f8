"""The Anthropic adapter: where calls go and under which version, and answers read as the official SDK reads them."""

from typing import Any

import orjson
import pytest
from anthropic.types import Message
from hypothesis import given
from hypothesis import strategies as st

from prompts.input_error import InputError
from prompts.records import Completion
from providers.adapters import make_adapter, read_completion
from providers.protocols.paths import CHAT, MESSAGES
from providers.provider import Facts, Provider
from providers.wire import Adapter, Answer, Billing, Failure, FailureKind, Usage
from tests.harness.chat_bodies import DATA_URL
from tests.harness.mutated import mutated

CURRENT, SAMPLING = "2026-10-21", "2023-06-01"
HI = {"role": "user", "content": "hi"}
ANSWER: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "h"},
        {"type": "text", "text": "i"},
    ],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "stop_details": None,
    "usage": {
        "input_tokens": 10,
        "cache_read_input_tokens": 90,
        "cache_creation_input_tokens": 5,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 4},
        "service_tier": "standard",
    },
}


def adapter(base_url: str = "http://host", key: str | None = "k", **settings: Any) -> Adapter:
    return make_adapter(Provider(protocol="anthropic", **settings), "claude-x", base_url, key)


def chat(*said: dict[str, Any], **keys: Any) -> bytes:
    return orjson.dumps({"model": "claude-x", "messages": list(said or (HI,)), **keys})


def encoded(body: bytes, **settings: Any) -> Any:
    return orjson.loads(adapter(**settings).encode(CHAT, body).body)


def answer(**keys: Any) -> bytes:
    return orjson.dumps({**ANSWER, **keys})


def decoded(body: bytes, status: int = 200) -> Answer | Failure:
    return adapter().decode(CHAT, status, {}, body)


def usage_of(**usage: Any) -> Usage | None:
    found = decoded(answer(usage=usage))
    assert isinstance(found, Answer)
    return found.usage


def read(**keys: Any) -> Completion:
    return read_completion("anthropic", answer(**keys))


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://api.anthropic.com", "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/v1", "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/v1/", "https://api.anthropic.com/v1/messages"),
        ("http://127.0.0.1:1/anthropic", "http://127.0.0.1:1/anthropic/v1/messages"),
    ],
)
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_call_goes_to_messages(base_url: str, url: str, path: str) -> None:
    """Both kinds of body go to the one path, whether or not the base URL has the version."""
    assert adapter(base_url).encode(path, chat()).url == url


def test_a_native_body_goes_out_as_it_stands() -> None:
    """A messages body is not touched."""
    body = b'{ "model":"m",\t"messages": [ ], "x": 1e400 }'
    assert adapter().encode(MESSAGES, body).body == body


def test_the_headers_are_the_protocols() -> None:
    """Key, version and content type; the catalog's headers go along, and win whatever their case."""
    call = adapter(headers={"X-Team": "t", "Anthropic-Version": "x"}).encode(CHAT, chat())
    expected = {"content-type": "application/json", "anthropic-version": "x", "x-api-key": "k", "x-team": "t"}
    assert {name.lower(): value for name, value in call.headers.items()} == expected
    assert "x-api-key" not in adapter(key=None).encode(CHAT, chat()).headers


@pytest.mark.parametrize(
    ("path", "body", "version"),
    [
        (CHAT, chat(), CURRENT),
        (CHAT, chat(temperature=1, top_p=1.0), CURRENT),
        (CHAT, chat(temperature=0.5), SAMPLING),
        (CHAT, chat(top_p=0.5), SAMPLING),
        (CHAT, chat(top_k=5), SAMPLING),
        (MESSAGES, chat(), CURRENT),
        (MESSAGES, chat(top_k=5), SAMPLING),
        (MESSAGES, chat(temperature=1), SAMPLING),
        (MESSAGES, chat({"role": "user", "content": '"top_k"'}), CURRENT),
        (MESSAGES, b'{"temperature"', CURRENT),
    ],
)
def test_the_version_is_one_that_takes_the_body(path: str, body: bytes, version: str) -> None:
    """Sampling parameters go out under the last version that takes them, all else under the current one."""
    assert adapter().encode(path, body).headers["anthropic-version"] == version


def test_the_catalog_may_say_which_version() -> None:
    """A version in the catalog is the version; what it does not take is an error, unless it is the default."""
    assert adapter(api_version=SAMPLING).encode(CHAT, chat()).headers["anthropic-version"] == SAMPLING
    pinned = adapter(api_version=CURRENT)
    assert "temperature" not in orjson.loads(pinned.encode(CHAT, chat(temperature=1)).body)
    with pytest.raises(InputError, match=f'the last that takes it is "{SAMPLING}"') as caught:
        pinned.encode(CHAT, chat(temperature=0))
    assert caught.value.field == "body.temperature"


def test_an_answer_has_a_length() -> None:
    """The protocol wants max_tokens: the body's, else the model's most, else 4096."""
    facts = {"claude-*": Facts(max_output_tokens=64000)}
    assert encoded(chat(max_completion_tokens=9))["max_tokens"] == 9
    assert encoded(chat(), facts=facts)["max_tokens"] == 64000
    assert encoded(chat())["max_tokens"] == 4096


def test_a_conversation_becomes_turns() -> None:
    """System texts go to their own place, neighbours become one turn, results come first in the user's."""
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    body = chat(
        {"role": "system", "content": "s"},
        {"role": "developer", "content": [{"type": "text", "text": "d"}]},
        HI,
        {"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "there"}]},
        {"role": "assistant", "content": "well", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": DATA_URL, "detail": "high"}}]},
    )
    said = encoded(body)
    source = {"type": "base64", "media_type": "image/png", "data": DATA_URL.partition(",")[2]}
    assert said["system"] == [{"type": "text", "text": "s"}, {"type": "text", "text": "d"}]
    assert said["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "there"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "well"},
                {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "42"},
                {"type": "image", "source": source},
            ],
        },
    ]


FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
TOOLS = [{"type": "function", "function": FUNCTION}]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, {}),
        ({"stop": "x"}, {"stop_sequences": ["x"]}),
        ({"stop": ["x", "y"]}, {"stop_sequences": ["x", "y"]}),
        ({"stop": [], "n": 1, "store": False, "logprobs": False, "seed": None, "metadata": {}}, {}),
        ({"user": "u"}, {"metadata": {"user_id": "u"}}),
        ({"metadata": {"user_id": "u"}}, {"metadata": {"user_id": "u"}}),
        ({"service_tier": "default"}, {"service_tier": "standard_only"}),
        ({"service_tier": "auto"}, {}),
        ({"reasoning_effort": "high"}, {"output_config": {"effort": "high"}}),
        ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        ({"response_format": {"type": "text"}}, {}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}},
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
        ),
        ({"tools": []}, {}),
        ({"tool_choice": "auto"}, {}),
        (
            {"tools": TOOLS},
            {"tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": True}]},
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
            {"tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]},
        ),
    ],
)
def test_each_field_has_its_place(keys: dict[str, Any], said: dict[str, Any]) -> None:
    """What the protocol has a word for is said in it; what is the default anyway need not be said."""
    plain = {"model": "claude-x", "max_tokens": 5, "messages": [HI]}
    assert encoded(chat(max_tokens=5, **keys)) == {**plain, **said}


@pytest.mark.parametrize(
    ("keys", "choice"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, {"type": "tool", "name": "f"}),
        ({"parallel_tool_calls": True}, None),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        (
            {"parallel_tool_calls": False, "tool_choice": "required"},
            {"type": "any", "disable_parallel_tool_use": True},
        ),
        ({"parallel_tool_calls": False, "tool_choice": "none"}, {"type": "none"}),
    ],
)
def test_the_choice_of_tools(keys: dict[str, Any], choice: Any) -> None:
    """Which tools may be called, and whether several at a time."""
    assert encoded(chat(tools=TOOLS, **keys)).get("tool_choice") == choice


def test_usage_counts_what_went_through_the_cache() -> None:
    """The protocol's input count leaves the cache out; ours has it in, and says how much of it was thought."""
    assert decoded(answer()) == Answer("claude-x", Usage(105, 7, 90, 5, 4))


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        ({}, None),
        ({"input_tokens": 3}, None),
        ({"output_tokens": 3}, None),
        ({"input_tokens": 3, "output_tokens": 0}, Usage(3, 0)),
        ({"input_tokens": 3, "output_tokens": 2, "cache_read_input_tokens": None}, Usage(3, 2)),
        ({"input_tokens": 3, "output_tokens": 2, "cache_read_input_tokens": "9"}, None),
        ({"input_tokens": -3, "output_tokens": 2}, None),
        (
            {"input_tokens": 3, "output_tokens": 2, "output_tokens_details": {"thinking_tokens": 9}},
            Usage(3, 2, 0, 0, 2),
        ),
        ({"input_tokens": 3, "output_tokens": 2, "output_tokens_details": "much"}, Usage(3, 2)),
    ],
)
def test_a_count_that_is_missing_is_not_0(usage: dict[str, Any], told: Usage | None) -> None:
    """Usage without its main counts, or with a cache count that cannot be read, is unknown."""
    assert usage_of(**usage) == told


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("pause_turn", "pause_turn"),
        ("New_Reason", "new_reason"),
        (None, None),
        (5, None),
    ],
)
def test_finish_reasons_are_in_one_tongue(reason: Any, finish: str | None) -> None:
    """Stop reasons in OpenAI's words; new ones stay as they are, in lower case."""
    assert read(stop_reason=reason) == Completion("hi", finish)


def test_a_refusal_is_filtered() -> None:
    """A refusal is the classifiers': its explanation is kept, else the text so far."""
    details = {"type": "refusal", "category": "bio", "explanation": "because"}
    assert read(stop_reason="refusal", stop_details=details) == Completion("hi", "content_filter", "because")
    assert read(stop_reason="refusal", stop_details=5) == Completion("hi", "content_filter", "hi")
    assert read(stop_reason="refusal", content=[]) == Completion(None, "content_filter", "refused")


def test_an_answer_without_text_has_none() -> None:
    """A call of a tool is no text."""
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {"text": 1}, "text": 5}
    assert read(content=[call], stop_reason="tool_use") == Completion(None, "tool_calls")


@pytest.mark.parametrize(
    "keys",
    [
        {"model": 5},
        {"stop_reason": []},
        {"usage": "none"},
        {"stop_details": []},
        {"content": [{"type": 5, "text": 5}, *ANSWER["content"]]},
        {"content": [{"type": "new", "text": {}}, *ANSWER["content"]]},
    ],
)
def test_a_lesser_field_may_be_anything(keys: dict[str, Any]) -> None:
    """The answer is paid for: its text is kept where another field is not as it should be."""
    assert isinstance(decoded(answer(**keys)), Answer)
    assert read(**keys).text == "hi"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{}",
        answer()[:-1],
        answer() + b"}",
        answer(content=None),
        answer(content="hi"),
        answer(content=[None]),
        answer(content=[{"type": "text", "text": 5}]),
        answer(id="\u00e9").replace("\u00e9".encode(), b"\xe9"),
        answer(x=0).replace(b":0", b":" + b"[" * 100_000 + b"]" * 100_000),
        answer(content=[{"type": "text", "text": 0}]).replace(b":0", b":" + b'{"a":' * 100_000),
    ],
)
def test_a_200_that_is_no_message_is_unreadable(body: bytes) -> None:
    """What is not a message to its last byte is a typed failure that may have been billed."""
    found = decoded(body)
    assert isinstance(found, Failure)
    assert (found.kind, found.billing, found.status) == (FailureKind.UNREADABLE, Billing.MAYBE, 200)
    assert found.message.startswith("a 200 that is not a message: ")


def test_errors_are_typed() -> None:
    """Another status is classified by its code; an error in a 200 says so."""
    error = orjson.dumps({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    found = decoded(error, 529)
    assert isinstance(found, Failure)
    assert (found.kind, found.message) == (FailureKind.THROTTLED, "Overloaded")
    message = "a 200 that holds an error: Overloaded"
    failure = Failure(FailureKind.UNREADABLE, Billing.MAYBE, message, status=200, code="overloaded_error")
    assert decoded(error) == failure


_counts = st.integers(0, 10**9)
_blocks = st.builds(lambda text: {"type": "text", "text": text}, st.text(max_size=9)) | st.just(
    {"type": "tool_use", "id": "t", "name": "f", "input": {"text": "x"}}
)
_usages = st.fixed_dictionaries(
    {"input_tokens": _counts, "output_tokens": _counts},
    optional={"cache_read_input_tokens": _counts, "cache_creation_input_tokens": st.none() | _counts},
)


@given(content=st.lists(_blocks, max_size=4), usage=_usages)
def test_the_official_sdk_reads_the_same(content: list[dict[str, Any]], usage: dict[str, Any]) -> None:
    """Text and usage are what the SDK's typed message says they are."""
    body = answer(content=content, usage=usage)
    official = Message.model_validate_json(body)
    texts = [block.text for block in official.content if block.type == "text"]
    assert read_completion("anthropic", body) == Completion("".join(texts) if texts else None, "stop")
    cached, written = official.usage.cache_read_input_tokens or 0, official.usage.cache_creation_input_tokens or 0
    sent = official.usage.input_tokens + cached + written
    assert decoded(body) == Answer(official.model, Usage(sent, official.usage.output_tokens, cached, written))


@given(st.binary(max_size=60) | mutated(ANSWER))
def test_no_body_raises(body: bytes) -> None:
    """Whatever comes is an answer or a failure, and what is an answer can be read again."""
    if isinstance(decoded(body), Answer):
        assert read_completion("anthropic", body) is not None
    assert isinstance(decoded(body, 500), Failure)
