"""The OpenAI adapter: what goes out, what a 200 must hold, and the same reading as the official SDK's."""

import json
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion

from outputs import lines
from outputs.records import RequestLine
from prompts.records import Alternative, Completion, SampledToken
from providers.failures import MESSAGE_LIMIT
from providers.prices import Rates
from providers.protocols.openai import OpenAIAdapter, read_completion
from providers.protocols.paths import CHAT
from providers.simulator import Simulator, SimulatorSettings
from providers.wire import Answer, Billing, Failure, FailureKind, Usage

ADAPTER = OpenAIAdapter("http://host/v1", {"Authorization": "Bearer k"})


def answer(choice: Any = None, **keys: Any) -> bytes:
    plain = {"message": {"content": "hi"}, "finish_reason": "stop"} if choice is None else choice
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    return orjson.dumps({"model": "m", "choices": [plain], "usage": usage, **keys})


def decoded(body: bytes, status: int = 200) -> Answer | Failure:
    return ADAPTER.decode(CHAT, status, {}, body)


def usage_of(body: bytes) -> Usage | None:
    found = decoded(body)
    assert isinstance(found, Answer)
    return found.usage


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("http://host/v1", "http://host/v1/chat/completions"),
        ("http://host/v1/", "http://host/v1/chat/completions"),
        ("http://host/openai/v1beta", "http://host/openai/v1beta/chat/completions"),
        ("http://host:8000", "http://host:8000/chat/completions"),
    ],
)
def test_a_call_has_the_body_as_it_stands(base_url: str, url: str) -> None:
    """The path goes behind the base URL with one version in it; headers are the lane's; the body is not touched."""
    body = b'{ "model":"m",\t"x": 1e400 }'
    call = OpenAIAdapter(base_url, {"Authorization": "Bearer k", "X-Team": "t"}).encode("/v1/chat/completions", body)
    assert (call.url, call.body) == (url, body)
    headers = {"Content-Type": "application/json", "Authorization": "Bearer k", "X-Team": "t"}
    assert dict(call.headers) == headers


def test_an_answer_gives_its_model_and_its_usage() -> None:
    """Of a chat completion the hot path reads model and usage; cached tokens are part of the input."""
    details = {"prompt_tokens": 30, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 20}}
    assert decoded(answer(usage=details)) == Answer("m", Usage(30, 2, 20))


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        (None, None),
        ({}, None),
        ({"prompt_tokens": 3}, None),
        ({"prompt_tokens": None, "completion_tokens": 2}, None),
        ({"prompt_tokens": -1, "completion_tokens": 2}, None),
        ({"prompt_tokens": "3", "completion_tokens": 2}, None),
        ({"prompt_tokens": 1.0, "completion_tokens": 2}, None),
        ({"prompt_tokens": 10**12 + 1, "completion_tokens": 2}, None),
        ({"prompt_tokens": 10**12, "completion_tokens": 2}, Usage(10**12, 2, 0)),
        ({"prompt_tokens": 3, "completion_tokens": 0}, Usage(3, 0, 0)),
        ({"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": None}, Usage(3, 2, 0)),
        ({"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {}}, Usage(3, 2, 0)),
        ({"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 9}}, Usage(3, 2, 3)),
    ],
)
def test_a_count_that_is_missing_is_not_0(usage: dict[str, Any] | None, read: Usage | None) -> None:
    """Usage without both counts is unknown, so that nobody takes it for free; more cached than sent is no discount."""
    assert usage_of(answer(usage=usage)) == read


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"<html>Bad gateway</html>",
        answer()[:-1],
        answer()[:20],
        answer() + b"}",
        answer() + answer(),
        answer().replace(b"hi", b"h\xff"),
        answer(id="\u00e9").replace("\u00e9".encode(), b"\xe9"),
        answer().replace(b"hi", b"h\n"),
        answer().replace(b"hi", rb"\ud800"),
        orjson.dumps({"choices": []}),
        orjson.dumps({"choices": None}),
        orjson.dumps({"choices": [None]}),
        orjson.dumps({"choices": ["hi"]}),
        answer({"message": None}),
        answer({"message": "hi"}),
        answer({"message": {"content": 5}}),
        answer(x=0).replace(b":0", b":" + b"[" * 100_000),
        answer(x=0).replace(b":0", b":" + b"[" * 100_000 + b"]" * 100_000),
    ],
)
def test_a_200_that_is_no_answer_is_unreadable(body: bytes) -> None:
    """Whatever is not a chat completion to its last byte is a typed failure that may have been billed."""
    found = decoded(body)
    assert isinstance(found, Failure)
    assert (found.kind, found.billing, found.status) == (FailureKind.UNREADABLE, Billing.MAYBE, 200)
    assert found.message.startswith("a 200 that is not a chat completion: ")


@pytest.mark.parametrize(
    ("error", "message", "code"),
    [
        ({"message": "upstream failed", "code": 502}, "a 200 that holds an error: upstream failed", "502"),
        ({"message": "no", "code": "insufficient_quota"}, "a 200 that holds an error: no", "insufficient_quota"),
        ("plain words", "a 200 that holds an error: plain words", None),
        ({}, "a 200 that holds an error: without a message", None),
    ],
)
def test_a_200_that_holds_an_error_says_so(error: Any, message: str, code: str | None) -> None:
    """An error in a 200 is unreadable too; its own message and code are kept."""
    found = decoded(orjson.dumps({"error": error}))
    assert found == Failure(FailureKind.UNREADABLE, Billing.MAYBE, message, status=200, code=code)


def test_other_statuses_are_classified() -> None:
    """What is not a 200 is a failure, even with an answer in it."""
    found = decoded(answer(), status=500)
    assert isinstance(found, Failure)
    assert found.kind is FailureKind.TRANSIENT


@given(st.binary(max_size=200) | st.builds(lambda cut: answer()[:cut], st.integers(0, 90)))
def test_reading_never_raises(body: bytes) -> None:
    """Any bytes are an answer or a failure, and an answer can be read as a completion."""
    if isinstance(decoded(body), Answer):
        assert read_completion(body)


@pytest.mark.parametrize(
    ("base_url", "status", "body", "hinted"),
    [
        ("http://host:8000", 404, b'{"detail":"Not Found"}', True),
        ("http://host:8000", 404, b"x" * 5_000, True),
        ("http://host:8000/", 404, b"", True),
        ("http://host:8000/v1", 404, b"", False),
        ("http://host/v1beta/openai", 404, b"", False),
        ("http://host:8000", 400, b"", False),
        ("http://host:8000", 404, b'{"error":{"message":"no such model"}}', False),
    ],
)
def test_a_page_that_is_not_found_hints_at_the_base_url(base_url: str, status: int, body: bytes, hinted: bool) -> None:
    """A 404 without the protocol's error, under a base URL without a version, asks whether that is what is missing."""
    found = OpenAIAdapter(base_url, {}).decode(CHAT, status, {}, body)
    assert isinstance(found, Failure)
    assert found.message.endswith(" (is base_url missing its /v1?)") == hinted
    assert len(found.message) <= MESSAGE_LIMIT


REQUEST = RequestLine(
    seq=1,
    custom_id=msgspec.Raw(b'"a"'),
    url="/v1/chat/completions",
    provider=msgspec.Raw(b'"lab"'),
    model=msgspec.Raw(b'"m"'),
    fingerprint=msgspec.Raw(b'"f"'),
    body=msgspec.Raw(b"{}"),
)
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([10**30, 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
odd_tokens = st.lists(
    st.fixed_dictionaries({"token": odd | st.just("t"), "logprob": odd}, optional={"bytes": odd, "top_logprobs": odd})
)
odd_choices = st.fixed_dictionaries(
    {},
    optional={
        "message": odd | st.fixed_dictionaries({"content": odd}, optional={"refusal": odd}),
        "finish_reason": odd,
        "logprobs": odd | st.fixed_dictionaries({"content": odd_tokens}),
    },
)
odd_usage = st.fixed_dictionaries(
    {"prompt_tokens": odd | st.integers(0, 10**13), "completion_tokens": odd | st.integers(0, 10**13)},
    optional={"prompt_tokens_details": odd | st.fixed_dictionaries({"cached_tokens": odd})},
)
odd_answers = st.fixed_dictionaries(
    {"choices": odd | st.lists(odd_choices, min_size=1, max_size=2)},
    optional={"model": odd, "usage": odd | odd_usage, "error": odd},
)
odd_text = st.binary(max_size=8).map(lambda value: value.decode("utf-8", "surrogateescape"))


@given(odd_answers, st.sampled_from([200, 200, 200, 404, 429, 503]), odd_text, odd_text | st.sampled_from(["9" * 400]))
def test_no_content_of_an_answer_stops_the_log(made: Any, status: int, request_id: str, retry_after: str) -> None:
    """Whatever numbers, fields and headers come back, the answer is decoded, priced, logged and read again."""
    body = json.dumps(made).encode()
    found = ADAPTER.decode(CHAT, status, {"x-request-id": request_id, "retry-after": retry_after}, body)
    if isinstance(found, Failure):
        assert orjson.loads(b"{" + lines.error(REQUEST, attempt=1, at=1.0, failure=found, raw=body))
        assert orjson.loads(b"{" + lines.settlement(1, 1, 1.0, found, body))
        return
    cost = None if found.usage is None else Rates(1.0, 0.5, 2.0).cost_usd(found.usage)
    logged = lines.response(
        REQUEST,
        attempt=1,
        at=1.0,
        latency_s=1.0,
        body=body,
        request_id=request_id,
        usage=found.usage,
        cost_usd=cost,
    )
    assert msgspec.convert(json.loads(b"{" + logged)["usage"], Usage | None) == found.usage
    assert read_completion(body)


# Completions


def test_a_completion_has_text_and_tokens() -> None:
    """Text, finish reason, and each sampled token with its bytes and alternatives."""
    tokens = [
        {
            "token": "h",
            "logprob": -0.5,
            "bytes": [104],
            "top_logprobs": [{"token": "h", "logprob": -0.5, "bytes": [1]}],
        },
        {"token": "", "logprob": -9999.0, "bytes": [], "top_logprobs": [], "id": 7},
        {"token": "i", "logprob": 0, "bytes": None, "top_logprobs": None},
    ]
    body = answer({"message": {"content": "hi"}, "finish_reason": "length", "logprobs": {"content": tokens}})
    sampled = (
        SampledToken("h", -0.5, b"h", (Alternative("h", -0.5),)),
        SampledToken("", -9999.0, b""),
        SampledToken("i", 0.0, None),
    )
    assert read_completion(body) == Completion("hi", "length", None, sampled)


@pytest.mark.parametrize(
    ("message", "text", "refusal"),
    [
        ({"content": None, "refusal": "I cannot"}, None, "I cannot"),
        ({"content": "", "refusal": None}, "", None),
        ({}, None, None),
        ({"content": None, "tool_calls": [{"id": "x"}]}, None, None),
        ({"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "a"}, {"text": "b"}]}, "ab", None),
    ],
)
def test_messages_without_plain_text_are_read(message: Any, text: str | None, refusal: str | None) -> None:
    """Refusals, tool calls, empty messages and messages in parts are completions."""
    assert isinstance(decoded(answer({"message": message})), Answer)
    assert read_completion(answer({"message": message})) == Completion(text, None, refusal, None)


@pytest.mark.parametrize("logprobs", [None, {}, {"content": None}, {"tokens": ["hi"], "token_logprobs": [-1.0]}])
def test_no_log_probabilities_are_none(logprobs: Any) -> None:
    """Log probabilities that are missing, null, or in the older form are none, not an empty list."""
    assert read_completion(answer({"message": {"content": "hi"}, "logprobs": logprobs})).tokens is None


@pytest.mark.parametrize(
    "choice",
    [
        {"logprobs": {"content": [{"token": "hi"}]}},
        {"logprobs": {"content": [{"token": "hi", "logprob": None}]}},
        {"logprobs": {"content": [{"token": "hi", "logprob": "low"}]}},
        {"logprobs": [-1.0]},
        {"finish_reason": 1},
    ],
)
def test_a_lesser_field_does_not_cost_the_answer(choice: dict[str, Any]) -> None:
    """Log probabilities or a finish reason that cannot be read are unknown; text, model and usage are kept."""
    body = answer({"message": {"content": "hi", "refusal": 0}, **choice})
    assert decoded(body) == Answer("m", Usage(3, 2, 0))
    assert read_completion(body) == Completion("hi", None, None, None)


def as_sdk(body: bytes) -> tuple[Completion, Usage | None]:
    """What the official SDK's records say of a body, in our words."""
    read = ChatCompletion.model_validate_json(body)
    choice = read.choices[0]
    tokens = None
    if choice.logprobs is not None and choice.logprobs.content is not None:
        tokens = tuple(
            SampledToken(
                token.token,
                token.logprob,
                None if token.bytes is None else bytes(token.bytes),
                tuple(Alternative(other.token, other.logprob) for other in token.top_logprobs),
            )
            for token in choice.logprobs.content
        )
    usage = None
    if read.usage is not None:
        into, out = read.usage.prompt_tokens_details, read.usage.completion_tokens_details
        cached = 0 if into is None else into.cached_tokens or 0
        written = 0 if into is None else into.cache_write_tokens or 0
        reasoning = 0 if out is None else out.reasoning_tokens or 0
        usage = Usage(read.usage.prompt_tokens, read.usage.completion_tokens, cached, written, reasoning)
    return Completion(choice.message.content, choice.finish_reason, choice.message.refusal, tokens), usage


SCORED = "<reference>a dog runs</reference><candidate>a dog runs</candidate>\nScore: [[0-100]]"


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"max_tokens": 2},
        {"n": 3},
        {"logprobs": True},
        {"logprobs": True, "top_logprobs": 20},
        {"logprobs": True, "top_logprobs": 5, "max_completion_tokens": 4, "n": 2},
    ],
)
async def test_the_official_sdk_reads_the_same(asked: dict[str, Any]) -> None:
    """Of one body over HTTP, the openai package and this adapter read equal text, finish, tokens and usage."""
    async with (
        Simulator(SimulatorSettings(latency_s=0.0)) as simulator,
        AsyncOpenAI(base_url=simulator.base_url, api_key="none", max_retries=0) as sdk,
    ):
        raw = await sdk.chat.completions.with_raw_response.create(
            model="gpt-4o", messages=[{"role": "user", "content": SCORED}], **asked
        )
    body = raw.http_response.content
    completion, usage = as_sdk(body)
    assert completion.text == raw.parse().choices[0].message.content
    assert read_completion(body) == completion
    assert decoded(body) == Answer("gpt-4o", usage)
    assert (completion.tokens is not None) == ("logprobs" in asked)


@pytest.mark.parametrize(
    ("message", "finish"),
    [
        ({"content": None, "refusal": "I cannot"}, "stop"),
        ({"content": "\u2028 \U0001f600 \x00 \x1b[31m"}, "length"),
        ({"content": ""}, "content_filter"),
        ({"content": None, "tool_calls": []}, "tool_calls"),
    ],
)
def test_the_official_sdk_reads_odd_answers_the_same(message: dict[str, Any], finish: str) -> None:
    """Refusals, control characters, filtered and empty answers read as the SDK reads them."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish, "logprobs": None}
    usage = {
        "prompt_tokens": 30,
        "completion_tokens": 2,
        "total_tokens": 32,
        "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 7, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 1, "audio_tokens": 0},
    }
    whole = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    for body in (orjson.dumps(whole), json.dumps(whole, indent=2).replace("\n", "\r\n").encode()):
        completion, read_usage = as_sdk(body)
        assert read_completion(body) == completion
        assert decoded(body) == Answer("m", read_usage)
