"""Responses, completions and embeddings over the OpenAI adapter, and how the official SDK reads the same bodies."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion as SdkCompletion
from openai.types import CreateEmbeddingResponse
from openai.types.responses import Response

from prompts.records import Alternative, Completion, SampledToken
from providers.protocols.openai import OpenAIAdapter, make, read_completion
from providers.protocols.paths import CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES
from providers.provider import Provider
from providers.wire import Answer, Billing, Failure, FailureKind, Usage

ADAPTER = OpenAIAdapter("http://host/v1", {})
TOKENS = [
    {
        "token": "hi",
        "logprob": -0.25,
        "bytes": [104, 105],
        "top_logprobs": [
            {"token": "hi", "logprob": -0.25, "bytes": [104, 105]},
            {"token": "x", "logprob": -3, "bytes": []},
        ],
    }
]
SAMPLED = (SampledToken("hi", -0.25, b"hi", (Alternative("hi", -0.25), Alternative("x", -3.0))),)


def decoded(url: str, body: Any, status: int = 200) -> Answer | Failure:
    return ADAPTER.decode(url, status, {}, body if isinstance(body, bytes) else orjson.dumps(body))


def read(body: Any) -> Completion:
    return read_completion(orjson.dumps(body))


def failure_of(url: str, body: Any) -> Failure:
    found = decoded(url, body)
    assert isinstance(found, Failure)
    return found


def message(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": list(parts)}


def output_text(text: str, logprobs: Any = None) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}


REASONING = {"type": "reasoning", "id": "r1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
CALL = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "f", "arguments": "{}", "status": "completed"}
RESPONSES_USAGE = {
    "input_tokens": 30,
    "input_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 4},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 7},
    "total_tokens": 39,
}


def response(*output: Any, status: Any = "completed", **keys: Any) -> dict[str, Any]:
    """A response as the API tells it, with all that the official records ask for."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": "m",
        "output": list(output),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": RESPONSES_USAGE,
        **keys,
    }


def text_completion(text: Any = "hi", logprobs: Any = None, **keys: Any) -> dict[str, Any]:
    choice = {"index": 0, "text": text, "finish_reason": "length", "logprobs": logprobs}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    whole = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]}
    return {**whole, "usage": usage, **keys}


def embeddings(embedding: Any = (0.5, -1), **keys: Any) -> dict[str, Any]:
    data = [{"object": "embedding", "index": 0, "embedding": embedding}]
    return {"object": "list", "model": "m", "data": data, "usage": {"prompt_tokens": 4, "total_tokens": 4}, **keys}


def chat(usage: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}], "usage": usage}


# Usage


@pytest.mark.parametrize(
    ("more", "read_as"),
    [
        ({}, Usage(30, 9)),
        ({"prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 4}}, Usage(30, 9, 20, 4)),
        ({"completion_tokens_details": {"reasoning_tokens": 7}}, Usage(30, 9, reasoning_tokens=7)),
        ({"prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 40}}, Usage(30, 9, 20, 10)),
        ({"prompt_tokens_details": {"cached_tokens": 50, "cache_write_tokens": 40}}, Usage(30, 9, 30, 0)),
        ({"completion_tokens_details": {"reasoning_tokens": 10}}, Usage(30, 9, reasoning_tokens=9)),
        ({"prompt_cache_hit_tokens": 12, "prompt_cache_miss_tokens": 18}, Usage(30, 9, 12)),
        ({"cached_tokens": 13}, Usage(30, 9, 13)),
        ({"cached_tokens": 13, "prompt_tokens_details": {"cached_tokens": 20}}, Usage(30, 9, 20)),
        ({"cached_tokens": "all"}, Usage(30, 9)),
        ({"cached_tokens": "all", "prompt_tokens_details": {"cached_tokens": 20}}, Usage(30, 9, 20)),
        ({"prompt_tokens_details": {"cached_tokens": -1}}, Usage(30, 9)),
        ({"completion_tokens_details": [7]}, Usage(30, 9)),
    ],
)
def test_parts_of_a_usage_are_read_where_they_can_be(more: dict[str, Any], read_as: Usage) -> None:
    """Cached, written and reasoning tokens stay within their whole; one that cannot be read costs no main count."""
    assert decoded(CHAT, chat({"prompt_tokens": 30, "completion_tokens": 9, **more})) == Answer("m", read_as)


@pytest.mark.parametrize(
    ("usage", "read_as"),
    [
        (RESPONSES_USAGE, Usage(30, 9, 20, 4, 7)),
        ({"input_tokens": 30, "output_tokens": 9}, Usage(30, 9)),
        ({"input_tokens": 30, "output_tokens": 9, "input_tokens_details": {"cached_tokens": "x"}}, Usage(30, 9)),
        (
            {"input_tokens": 30, "output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 99}},
            Usage(30, 9, 0, 0, 9),
        ),
        ({"input_tokens": 30}, None),
        ({"prompt_tokens": 30, "completion_tokens": 9}, None),
        ([30], None),
        (None, None),
    ],
)
def test_a_response_tells_its_usage_in_words_of_its_own(usage: Any, read_as: Usage | None) -> None:
    """Input and output tokens with their details; without both counts usage is unknown."""
    assert decoded(RESPONSES, response(message(output_text("hi")), usage=usage)) == Answer("m", read_as)


def test_an_embedding_uses_input_only() -> None:
    """Embeddings tell no output tokens, and none were sampled; they have no text."""
    assert decoded(EMBEDDINGS, embeddings()) == Answer("m", Usage(4, 0))
    assert decoded(EMBEDDINGS, embeddings("AAAAPwAAgL8=", usage=None)) == Answer("m", None)
    assert read(embeddings()) == Completion(None)


# Responses


@pytest.mark.parametrize(
    ("output", "completion"),
    [
        ([message(output_text("hi"))], Completion("hi", "stop")),
        (
            [REASONING, message(output_text("a"), output_text("b")), message(output_text("c"))],
            Completion("abc", "stop"),
        ),
        ([message(output_text("hi", []))], Completion("hi", "stop")),
        ([{"type": "new", "content": [output_text("aside")]}, message(output_text("hi"))], Completion("hi", "stop")),
        ([message(output_text("hi", TOKENS))], Completion("hi", "stop", None, SAMPLED)),
        ([message({"type": "refusal", "refusal": "I cannot"})], Completion(None, "stop", "I cannot")),
        ([CALL], Completion(None, "tool_calls")),
        ([REASONING, CALL, CALL], Completion(None, "tool_calls")),
        ([message(output_text("first")), CALL], Completion("first", "stop")),
        ([message(output_text(""))], Completion("", "stop")),
        ([], Completion(None, "stop")),
    ],
)
def test_a_response_is_read(output: list[Any], completion: Completion) -> None:
    """The texts of its messages, refusals, log probabilities, and a finish reason in chat's words."""
    body = response(*output)
    assert decoded(RESPONSES, body) == Answer("m", Usage(30, 9, 20, 4, 7))
    assert read(body) == completion


@pytest.mark.parametrize(
    ("status", "details", "finish"),
    [
        ("completed", None, "stop"),
        ("incomplete", {"reason": "max_output_tokens"}, "length"),
        ("incomplete", {"reason": "content_filter"}, "content_filter"),
        ("incomplete", {"reason": "max_messages"}, "length"),
        ("incomplete", None, "length"),
        ("incomplete", "no", "length"),
        (None, None, None),
    ],
)
def test_a_response_that_was_cut_says_why(status: Any, details: Any, finish: str | None) -> None:
    """An incomplete response is an answer: cut by its length, or by a filter."""
    body = response(message(output_text("hi")), status=status, incomplete_details=details)
    assert isinstance(decoded(RESPONSES, body), Answer)
    assert read(body) == Completion("hi", finish)


@pytest.mark.parametrize(
    ("code", "kind", "billing"),
    [
        ("server_error", FailureKind.TRANSIENT, Billing.MAYBE),
        ("rate_limit_exceeded", FailureKind.THROTTLED, Billing.UNBILLED),
        ("insufficient_quota", FailureKind.QUOTA, Billing.MAYBE),
        ("invalid_prompt", FailureKind.ROW_REFUSED, Billing.MAYBE),
        ("invalid_image_url", FailureKind.ROW_REFUSED, Billing.MAYBE),
        ("image_too_large", FailureKind.ROW_REFUSED, Billing.MAYBE),
        ("from_next_year", FailureKind.UNREADABLE, Billing.MAYBE),
    ],
)
def test_a_response_that_failed_is_no_answer(code: str, kind: FailureKind, billing: Billing) -> None:
    """A failed response in a 200 is the failure that its code names."""
    found = failure_of(RESPONSES, response(status="failed", error={"code": code, "message": "went wrong"}, usage=None))
    assert found == Failure(kind, billing, "a 200 that holds an error: went wrong", status=200, code=code)


@pytest.mark.parametrize("error", [None, {}, {"code": 5}, [1]])
def test_a_failure_without_words_is_a_failure(error: Any) -> None:
    """A failed response that does not say why is unreadable."""
    found = failure_of(RESPONSES, response(status="failed", error=error))
    assert (found.kind, found.message) == (FailureKind.UNREADABLE, "a 200 that holds an error: without a message")


@pytest.mark.parametrize("status", ["queued", "in_progress", "cancelled"])
def test_a_response_that_is_not_finished_is_no_answer(status: str) -> None:
    """What runs in the background has no answer yet, and is not waited for."""
    found = failure_of(RESPONSES, response(status=status))
    assert (found.kind, found.billing) == (FailureKind.UNREADABLE, Billing.MAYBE)
    assert status in found.message


# Completions


@pytest.mark.parametrize(
    ("logprobs", "tokens"),
    [
        (None, None),
        ({}, None),
        (
            {
                "tokens": ["h", "i"],
                "token_logprobs": [-0.5, -1],
                "top_logprobs": [{"h": -0.5, "x": -2}, {}],
                "text_offset": [0, 1],
            },
            (SampledToken("h", -0.5, None, (Alternative("h", -0.5), Alternative("x", -2.0))), SampledToken("i", -1.0)),
        ),
        ({"tokens": ["h"], "token_logprobs": [-0.5], "top_logprobs": None}, (SampledToken("h", -0.5),)),
        (
            {"tokens": ["h", "i"], "token_logprobs": [None, -1], "top_logprobs": [None, {"i": -1}]},
            (SampledToken("i", -1.0, None, (Alternative("i", -1.0),)),),
        ),
        ({"tokens": ["h", "i"], "token_logprobs": [-1]}, None),
        ({"tokens": ["h"], "token_logprobs": [-1], "top_logprobs": []}, (SampledToken("h", -1.0),)),
        ({"tokens": ["h"], "token_logprobs": [-1], "top_logprobs": [{}, {}]}, None),
        ({"tokens": "h"}, None),
        ({"content": TOKENS}, SAMPLED),
        ([], None),
    ],
)
def test_a_completion_has_its_log_probabilities_side_by_side(logprobs: Any, tokens: Any) -> None:
    """Lists beside each other, or chat's items; what does not fit together is none, and the text is kept."""
    body = text_completion(logprobs=logprobs)
    assert decoded(COMPLETIONS, body) == Answer("m", Usage(3, 2))
    assert read(body) == Completion("hi", "length", None, tokens)


# What llama.cpp answers: items with an id, an end of text without any bytes, completions with chat's items.
LLAMA_ITEMS = [
    {
        "id": 19556,
        "token": "Hello",
        "bytes": [72, 101, 108, 108, 111],
        "logprob": -0.5439180135726929,
        "top_logprobs": [
            {"id": 19556, "token": "Hello", "bytes": [72, 101, 108, 108, 111], "logprob": -0.5439180135726929},
            {"id": 2, "token": "", "bytes": [], "logprob": -2.393794298171997},
        ],
    },
    {
        "id": 2,
        "token": "",
        "bytes": [],
        "logprob": -0.001,
        "top_logprobs": [{"id": 2, "token": "", "bytes": [], "logprob": -0.001}],
    },
]
LLAMA_TOKENS = (
    SampledToken(
        "Hello",
        -0.5439180135726929,
        b"Hello",
        (Alternative("Hello", -0.5439180135726929), Alternative("", -2.393794298171997)),
    ),
    SampledToken("", -0.001, b"", (Alternative("", -0.001),)),
)


@pytest.mark.parametrize(
    ("url", "choice"),
    [(CHAT, {"message": {"role": "assistant", "content": "Hello"}}), (COMPLETIONS, {"text": "Hello"})],
)
def test_the_log_probabilities_of_llama_cpp_are_read(url: str, choice: dict[str, Any]) -> None:
    """Tokens with ids, and the end of a text with no bytes, as a real server sends them."""
    choice = {"finish_reason": "stop", "index": 0, "logprobs": {"content": LLAMA_ITEMS}, **choice}
    usage = {
        "completion_tokens": 2,
        "prompt_tokens": 31,
        "total_tokens": 33,
        "prompt_tokens_details": {"cached_tokens": 30},
    }
    body = {
        "choices": [choice],
        "created": 1,
        "model": "m",
        "usage": usage,
        "timings": {"cache_n": 0, "prompt_ms": 136.2},
    }
    assert decoded(url, body) == Answer("m", Usage(31, 2, 30))
    assert read(body) == Completion("Hello", "stop", None, LLAMA_TOKENS)


# What is no answer

PLAIN: dict[str, tuple[str, dict[str, Any]]] = {
    RESPONSES: ("a response", response(message(output_text("hi")))),
    COMPLETIONS: ("a completion", text_completion()),
    EMBEDDINGS: ("a list of embeddings", embeddings()),
}
WRONG = [b"", b"null", b"[]", b"{}", b"<html>", orjson.dumps(chat({})).replace(b"message", b"massage")]
WRONG_OF: dict[str, list[Any]] = {
    RESPONSES: [
        {"output": None},
        {"output": [None]},
        {"output": [message(output_text("hi") | {"text": 5})]},
        {"output": [{"type": "message", "content": "hi"}]},
    ],
    COMPLETIONS: [{"choices": []}, {"choices": [{"text": None}]}, chat(None), {"choices": [{"text": 5}]}],
    EMBEDDINGS: [{"data": []}, {"data": [[0.5]]}, {"data": [{"index": 0}]}, chat(None)],
}


@pytest.mark.parametrize("url", PLAIN)
def test_a_200_that_is_no_answer_is_unreadable(url: str) -> None:
    """Whatever is not the kind of answer that the path asks for, to its last byte, is a failure that may be billed."""
    noun, plain = PLAIN[url]
    body = orjson.dumps(plain)
    deep = orjson.dumps({**plain, "x": 0}).replace(b'"x":0', b'"x":' + b"[" * 100_000 + b"]" * 100_000)
    broken = [
        body[:-1],
        body[:20],
        body + b"}",
        body + body,
        orjson.dumps({**plain, "x": "\u00e9"}).replace(b"\xc3\xa9", b"\xe9"),
        deep,
    ]
    for bad in (*WRONG, *WRONG_OF[url], *broken):
        found = failure_of(url, bad)
        assert (found.kind, found.billing, found.status) == (FailureKind.UNREADABLE, Billing.MAYBE, 200)
        assert found.message.startswith(f"a 200 that is not {noun}: "), bad


@pytest.mark.parametrize("url", [CHAT, *PLAIN])
def test_a_200_that_holds_an_error_says_so(url: str) -> None:
    """An error in a 200 keeps its message and code, whatever was asked."""
    found = failure_of(url, {"error": {"message": "upstream failed", "code": 502}})
    message = "a 200 that holds an error: upstream failed"
    assert found == Failure(FailureKind.UNREADABLE, Billing.MAYBE, message, status=200, code="502")


@pytest.mark.parametrize("url", [CHAT, *PLAIN])
def test_a_page_that_is_not_found_hints_at_the_base_url(url: str) -> None:
    """Whatever was asked, a 404 under a base URL without a version asks for the version."""
    found = OpenAIAdapter("http://host:8000", {}).decode(url, 404, {}, b"not here")
    assert isinstance(found, Failure)
    assert found.message.endswith(" (is base_url missing its /v1?)")


@pytest.mark.parametrize(
    ("url", "body"),
    [
        (RESPONSES, response(message(output_text("hi") | {"logprobs": "x"}), model=3, usage=3, incomplete_details=3)),
        (RESPONSES, response({"type": 5}, {"type": "new", "content": "words"}, message(output_text("hi")))),
        (COMPLETIONS, {"choices": [{"text": "hi", "finish_reason": 5, "logprobs": 5}], "model": 5, "usage": 5}),
    ],
)
def test_a_lesser_field_does_not_cost_the_answer(url: str, body: Any) -> None:
    """A field beside the text that cannot be read is unknown, and the text is kept."""
    assert isinstance(decoded(url, body), Answer)
    assert read(body).text == "hi"


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([10**30, 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
odd_parts = st.fixed_dictionaries(
    {"type": odd | st.sampled_from(["output_text", "refusal"]), "text": odd | st.text()},
    optional={"refusal": odd, "logprobs": odd | st.just(TOKENS)},
)
odd_items = st.fixed_dictionaries(
    {"type": odd | st.sampled_from(["message", "reasoning", "function_call"])},
    optional={"content": odd | st.lists(odd_parts, max_size=2)},
)
odd_lists = st.fixed_dictionaries(
    {
        "tokens": odd | st.lists(st.text(max_size=2), max_size=2),
        "token_logprobs": odd | st.lists(st.none() | st.floats(), max_size=2),
    },
    optional={"top_logprobs": odd | st.lists(odd, max_size=2), "content": odd},
)
odd_choices = st.fixed_dictionaries(
    {}, optional={"text": odd | st.text(), "message": odd, "logprobs": odd | odd_lists, "finish_reason": odd}
)
odd_answers = st.fixed_dictionaries(
    {},
    optional={
        "output": odd | st.lists(odd_items, max_size=2),
        "choices": odd | st.lists(odd_choices, min_size=1, max_size=2),
        "data": odd | st.lists(st.fixed_dictionaries({"embedding": odd}), min_size=1, max_size=2),
        "status": odd | st.sampled_from(["completed", "incomplete", "failed", "queued"]),
        "incomplete_details": odd | st.just({"reason": "content_filter"}),
        "model": odd,
        "error": odd,
        "usage": odd | st.fixed_dictionaries({"input_tokens": odd, "output_tokens": odd}),
    },
)


@given(st.sampled_from([CHAT, *PLAIN]), odd_answers)
def test_reading_never_raises(url: str, made: Any) -> None:
    """Any JSON is an answer or a failure, and what was accepted can be read when it is stored without its path."""
    body = json.dumps(made).encode()
    if isinstance(decoded(url, body), Answer):
        assert read_completion(body)


@given(st.sampled_from([CHAT, *PLAIN]), st.binary(max_size=200))
def test_reading_bytes_never_raises(url: str, body: bytes) -> None:
    """The same for any bytes."""
    assert isinstance(decoded(url, body), Answer | Failure)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"choices":[]}', b'{"output":3}', b'{"data":[]}'])
def test_a_stored_body_of_no_kind_is_an_error(body: bytes) -> None:
    """A stored body that is no answer raises ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011  (whichever of its kinds)
        read_completion(body)


def deeper(frames: int, body: bytes) -> Completion:
    return deeper(frames - 1, body) if frames else read_completion(body)


@pytest.mark.parametrize("url", [CHAT, *PLAIN])
def test_what_was_accepted_can_be_read_from_deeper_down(url: str) -> None:
    """The most nested answer that is accepted can still be read where the stack is 50 frames deeper."""
    plain = chat(None) if url == CHAT else PLAIN[url][1]
    start = orjson.dumps({**plain, "x": 0}).removesuffix(b"0}")

    def nested(depth: int) -> bytes:
        return start + b"[" * depth + b" " * 2000 + b"]" * depth + b"}"

    accepted, refused = 1, 100_000
    while refused - accepted > 1:
        middle = (accepted + refused) // 2
        if isinstance(decoded(url, nested(middle)), Answer):
            accepted = middle
        else:
            refused = middle
    assert deeper(50, nested(accepted))


# The official SDK's records


@pytest.mark.parametrize(
    "body",
    [
        response(REASONING, message(output_text("a", TOKENS), output_text("b", TOKENS))),
        response(message({"type": "refusal", "refusal": "no"})),
        response(CALL),
        response(
            message(output_text("\u2028 \U0001f600 \x00")),
            status="incomplete",
            incomplete_details={"reason": "max_output_tokens"},
        ),
    ],
)
def test_the_official_sdk_reads_a_response_the_same(body: dict[str, Any]) -> None:
    """Text, tokens and usage of a response are those of the openai package's records."""
    sdk = Response.model_validate(body)
    completion = read(body)
    parts = [part for item in sdk.output if item.type == "message" for part in item.content]
    assert (completion.text or "") == sdk.output_text
    assert completion.refusal == next((part.refusal for part in parts if part.type == "refusal"), None)
    items = [item for part in parts if part.type == "output_text" for item in part.logprobs or ()]
    tokens = tuple(
        SampledToken(x.token, x.logprob, bytes(x.bytes), tuple(Alternative(y.token, y.logprob) for y in x.top_logprobs))
        for x in items
    )
    assert (completion.tokens or ()) == tokens
    assert sdk.usage is not None
    into, out = sdk.usage.input_tokens_details, sdk.usage.output_tokens_details
    usage = Usage(
        sdk.usage.input_tokens,
        sdk.usage.output_tokens,
        into.cached_tokens,
        into.cache_write_tokens,
        out.reasoning_tokens,
    )
    assert decoded(RESPONSES, body) == Answer(sdk.model, usage)


def test_the_official_sdk_reads_a_completion_and_an_embedding_the_same() -> None:
    """Text, finish, tokens and usage are those of the openai package's records."""
    logprobs = {"tokens": ["h", "i"], "token_logprobs": [-0.5, -1], "top_logprobs": [{"h": -0.5}, {"i": -1, "x": -2}]}
    body = text_completion(logprobs=logprobs)
    sdk = SdkCompletion.model_validate(body)
    choice = sdk.choices[0]
    assert choice.logprobs is not None
    assert sdk.usage is not None
    lists = (choice.logprobs.tokens, choice.logprobs.token_logprobs, choice.logprobs.top_logprobs)
    tokens = tuple(
        SampledToken(token, logprob, None, tuple(Alternative(*pair) for pair in top.items()))
        for token, logprob, top in zip(*(x or [] for x in lists), strict=True)
    )
    assert read(body) == Completion(choice.text, choice.finish_reason, None, tokens)
    assert decoded(COMPLETIONS, body) == Answer(sdk.model, Usage(sdk.usage.prompt_tokens, sdk.usage.completion_tokens))
    vectors = CreateEmbeddingResponse.model_validate(embeddings())
    assert decoded(EMBEDDINGS, embeddings()) == Answer(vectors.model, Usage(vectors.usage.prompt_tokens, 0))


# Headers


@pytest.mark.parametrize(
    ("settings", "key", "headers"),
    [
        ({}, None, {}),
        ({}, "k", {"Authorization": "Bearer k"}),
        ({"organization": "org-1"}, "k", {"Authorization": "Bearer k", "OpenAI-Organization": "org-1"}),
        (
            {"organization": "org-1", "project": "proj-1"},
            "k",
            {"Authorization": "Bearer k", "OpenAI-Organization": "org-1", "OpenAI-Project": "proj-1"},
        ),
        ({"project": "proj-1", "headers": {"openai-project": "proj-2"}}, None, {"openai-project": "proj-2"}),
        ({"headers": {"authorization": "Basic x", "X-Team": "t"}}, "k", {"authorization": "Basic x", "X-Team": "t"}),
    ],
)
def test_a_providers_account_is_told(settings: dict[str, Any], key: str | None, headers: dict[str, str]) -> None:
    """Organisation and project go with every call; a header that is spelt out in the catalog wins, in any case."""
    call = make(Provider("openai", **settings), "m", "http://host/v1", key).encode(CHAT, b"{}")
    assert sorted(call.headers.items()) == sorted({"Content-Type": "application/json", **headers}.items())
