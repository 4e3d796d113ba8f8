"""The Gemini adapter: where calls go, and answers read as the official SDK reads them."""

import math
from typing import Any

import orjson
import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from prompts.input_error import InputError
from prompts.records import Alternative, Completion, SampledToken
from providers.adapters import make_adapter, read_completion
from providers.protocols.paths import CHAT
from providers.provider import Provider
from providers.wire import Adapter, Answer, Billing, Failure, FailureKind, Usage
from tests.harness.chat_bodies import DATA_URL
from tests.harness.mutated import mutated

NATIVE = "/v1beta/models/gemini-x:generateContent"
HI = {"role": "user", "content": "hi"}
TOP = [{"token": "h", "logProbability": -0.5}, {"token": "y", "logProbability": -1.5}]
ANSWER: dict[str, Any] = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [{"text": "hm", "thought": True}, {"text": "h"}, {"text": "i", "thoughtSignature": "cw=="}],
            },
            "finishReason": "STOP",
            "index": 0,
            "avgLogprobs": -0.5,
            "logprobsResult": {
                "chosenCandidates": [
                    {"token": "h", "tokenId": 1, "logProbability": -0.5},
                    {"token": "i", "tokenId": 2, "logProbability": -2.5},
                ],
                "topCandidates": [{"candidates": TOP}],
            },
        }
    ],
    "usageMetadata": {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 90,
        "toolUsePromptTokenCount": 7,
        "candidatesTokenCount": 10,
        "thoughtsTokenCount": 5,
        "totalTokenCount": 122,
    },
    "modelVersion": "gemini-x-001",
    "responseId": "r",
}
TOKENS = (
    SampledToken("h", -0.5, None, (Alternative("h", -0.5), Alternative("y", -1.5))),
    SampledToken("i", -2.5, None, ()),
)


def adapter(base_url: str = "http://host", model: str = "gemini-x", key: str | None = "k", **settings: Any) -> Adapter:
    return make_adapter(Provider(protocol="gemini", **settings), model, base_url, key)


def chat(*said: dict[str, Any], **keys: Any) -> bytes:
    return orjson.dumps({"model": "gemini-x", "messages": list(said or (HI,)), **keys})


def encoded(body: bytes) -> Any:
    return orjson.loads(adapter().encode(CHAT, body).body)


def answer(**keys: Any) -> bytes:
    return orjson.dumps({**ANSWER, **keys})


def with_candidate(**keys: Any) -> bytes:
    return answer(candidates=[{**ANSWER["candidates"][0], **keys}])


def decoded(body: bytes, status: int = 200) -> Answer | Failure:
    return adapter().decode(CHAT, status, {}, body)


def read(body: bytes) -> Completion:
    return read_completion("gemini", body)


@pytest.mark.parametrize(
    ("base_url", "path", "url"),
    [
        ("https://g.com", CHAT, "https://g.com/v1beta/models/gemini-x:generateContent"),
        ("https://g.com/", CHAT, "https://g.com/v1beta/models/gemini-x:generateContent"),
        ("https://g.com/v1beta", CHAT, "https://g.com/v1beta/models/gemini-x:generateContent"),
        ("https://g.com/v1/", CHAT, "https://g.com/v1/models/gemini-x:generateContent"),
        ("http://h:1/gemini/v1beta", CHAT, "http://h:1/gemini/v1beta/models/gemini-x:generateContent"),
        ("https://g.com", NATIVE, "https://g.com/v1beta/models/gemini-x:generateContent"),
        ("https://g.com/v1beta", NATIVE, "https://g.com/v1beta/models/gemini-x:generateContent"),
        ("https://g.com/v1beta", "/v1/models/m:generateContent", "https://g.com/v1/models/m:generateContent"),
    ],
)
def test_a_call_goes_to_the_models_path(base_url: str, path: str, url: str) -> None:
    """The model is in the path, behind one version: the base URL's or the current one; a native path keeps its own."""
    assert adapter(base_url).encode(path, chat()).url == url


@pytest.mark.parametrize("model", ["a/b", "a:b", "a?b", "a b", ""])
def test_a_model_that_would_change_the_path_is_an_error(model: str) -> None:
    """Only a plain name is put into the path."""
    with pytest.raises(InputError) as caught:
        adapter(model=model).encode(CHAT, chat())
    assert caught.value.field == "body.model"


def test_a_native_body_goes_out_as_it_stands() -> None:
    """A generateContent body is not touched."""
    body = b'{ "contents": [ ],\t"x": 1e400 }'
    assert adapter().encode(NATIVE, body).body == body


def test_the_headers_are_the_protocols() -> None:
    """Key and content type; the catalog's headers go along, and win whatever their case."""
    call = adapter(headers={"X-Team": "t", "X-Goog-Api-Key": "x"}).encode(CHAT, chat())
    expected = {"content-type": "application/json", "x-goog-api-key": "x", "x-team": "t"}
    assert {name.lower(): value for name, value in call.headers.items()} == expected
    assert "x-goog-api-key" not in adapter(key=None).encode(CHAT, chat()).headers


def test_a_conversation_becomes_turns() -> None:
    """System texts go to their own place, neighbours become one turn, calls and results are parts."""
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    body = chat(
        {"role": "system", "content": "s"},
        {"role": "developer", "content": [{"type": "text", "text": "d"}]},
        HI,
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": DATA_URL, "detail": "low"}}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "42"}]},
        {"role": "user", "content": "so?"},
    )
    said = encoded(body)
    assert said == {
        "systemInstruction": {"role": "user", "parts": [{"text": "s"}, {"text": "d"}]},
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "hi"},
                    {"inlineData": {"mimeType": "image/png", "data": DATA_URL.partition(",")[2]}},
                ],
            },
            {"role": "model", "parts": [{"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}}]},
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"id": "c1", "name": "f", "response": {"output": "42"}}},
                    {"text": "so?"},
                ],
            },
        ],
    }
    for content in said["contents"]:
        types.Content.model_validate(content)


@pytest.mark.parametrize(
    ("keys", "config"),
    [
        ({"max_tokens": 5}, {"maxOutputTokens": 5}),
        ({"max_completion_tokens": 5}, {"maxOutputTokens": 5}),
        ({"temperature": 1.5, "top_p": 0.5, "top_k": 7}, {"temperature": 1.5, "topP": 0.5, "topK": 7}),
        ({"stop": "x"}, {"stopSequences": ["x"]}),
        ({"n": 3, "seed": -4}, {"candidateCount": 3, "seed": -4}),
        ({"presence_penalty": 0.5, "frequency_penalty": -1}, {"presencePenalty": 0.5, "frequencyPenalty": -1}),
        ({"presence_penalty": 0, "frequency_penalty": None, "stop": [], "logit_bias": {}, "store": False}, None),
        ({"logprobs": True, "top_logprobs": 4}, {"responseLogprobs": True, "logprobs": 4}),
        ({"logprobs": True}, {"responseLogprobs": True}),
        ({"logprobs": False, "top_logprobs": 0}, None),
        ({"reasoning_effort": "minimal"}, {"thinkingConfig": {"thinkingLevel": "MINIMAL"}}),
        ({"reasoning_effort": "none"}, {"thinkingConfig": {"thinkingBudget": 0}}),
        ({"response_format": {"type": "text"}}, None),
        ({"response_format": {"type": "json_object"}}, {"responseMimeType": "application/json"}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}},
            {"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}},
        ),
    ],
)
def test_each_field_has_its_place(keys: dict[str, Any], config: dict[str, Any] | None) -> None:
    """What the protocol has a word for is said in it, and the SDK knows the word; a default need not be said."""
    said = encoded(chat(**keys))
    assert said.get("generationConfig") == config
    types.GenerateContentConfig.model_validate(config or {})


FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": False}
TOOLS = [{"type": "function", "function": FUNCTION}, {"type": "function", "function": {"name": "g"}}]


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (None, None),
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "function": {"name": "g"}}, {"mode": "ANY", "allowedFunctionNames": ["g"]}),
    ],
)
def test_tools_are_function_declarations(choice: Any, config: dict[str, Any] | None) -> None:
    """Functions with their JSON schemas as they stand, and which of them may be called."""
    said = encoded(chat(tools=TOOLS, tool_choice=choice, parallel_tool_calls=True))
    declared = [{"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}}, {"name": "g"}]
    assert said["tools"] == [{"functionDeclarations": declared}]
    assert said.get("toolConfig") == (config and {"functionCallingConfig": config})
    types.Tool.model_validate(said["tools"][0])
    types.ToolConfig.model_validate(said.get("toolConfig", {}))


@pytest.mark.parametrize(
    ("asked", "tier"), [("auto", None), ("default", "standard"), ("flex", "flex"), ("priority", "priority")]
)
def test_the_service_tier_has_its_own_words(asked: str, tier: str | None) -> None:
    """Tiers that the protocol knows are said in its words."""
    assert encoded(chat(service_tier=asked)).get("serviceTier") == tier


def test_usage_counts_thoughts_and_what_tools_returned() -> None:
    """Thoughts are output and tool results are input, though they are counted apart; what is cached is in already."""
    assert decoded(answer()) == Answer("gemini-x-001", Usage(107, 15, 90, 0, 5))


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        (None, None),
        ({}, None),
        ({"candidatesTokenCount": 3}, None),
        ({"promptTokenCount": 3}, None),
        ({"promptTokenCount": 3, "totalTokenCount": 3}, Usage(3, 0)),
        ({"promptTokenCount": 3, "totalTokenCount": 9}, Usage(3, 6)),
        ({"promptTokenCount": 3, "thoughtsTokenCount": 4, "totalTokenCount": 7}, Usage(3, 4, 0, 0, 4)),
        ({"promptTokenCount": 3, "candidatesTokenCount": 2, "cachedContentTokenCount": 9}, Usage(3, 2, 3)),
        ({"promptTokenCount": 3, "candidatesTokenCount": "2"}, None),
        ({"promptTokenCount": 3, "candidatesTokenCount": -2}, None),
        ({"promptTokenCount": 9, "totalTokenCount": 3}, Usage(9, 0)),
    ],
)
def test_a_count_that_is_missing_is_told_by_the_total_or_unknown(usage: Any, told: Usage | None) -> None:
    """The protocol leaves out a count of 0: the total says whether it was; without a total nobody knows."""
    found = decoded(answer(usageMetadata=usage))
    assert isinstance(found, Answer)
    assert found.usage == told


def test_a_blocked_prompt_is_an_answer() -> None:
    """A prompt that was blocked costs its input, and there is nothing to read."""
    usage = {"promptTokenCount": 3, "totalTokenCount": 3}
    body = orjson.dumps({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": usage})
    assert decoded(body) == Answer(None, Usage(3, 0))
    assert read(body) == Completion(None, "content_filter")


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("CONTINUATION", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("LANGUAGE", "content_filter"),
        ("OTHER", "other"),
        ("MALFORMED_RESPONSE", "malformed_response"),
        (None, None),
        (5, None),
    ],
)
def test_finish_reasons_are_in_one_tongue(reason: Any, finish: str | None) -> None:
    """Finish reasons in OpenAI's words; others stay as they are, in lower case."""
    assert read(with_candidate(finishReason=reason)) == Completion("hi", finish, None, TOKENS)


def test_a_function_call_is_no_text() -> None:
    """An answer that calls a function stops for it."""
    content = {"parts": [{"functionCall": {"name": "f", "args": {"text": "x"}}}]}
    assert read(with_candidate(content=content, logprobsResult=None)) == Completion(None, "tool_calls")
    cut = with_candidate(content=content, logprobsResult=None, finishReason="MAX_TOKENS")
    assert read(cut) == Completion(None, "length")


@pytest.mark.parametrize("content", [None, {}, {"role": "model"}, {"parts": None}, {"parts": []}])
def test_a_candidate_may_be_without_content(content: Any) -> None:
    """A filtered or cut answer may have no parts at all."""
    body = with_candidate(content=content, finishReason="SAFETY", logprobsResult=None)
    assert isinstance(decoded(body), Answer)
    assert read(body) == Completion(None, "content_filter")


@pytest.mark.parametrize(
    ("logprobs", "tokens"),
    [
        ({}, None),
        ({"chosenCandidates": []}, ()),
        ({"chosenCandidates": [{"token": "h"}]}, None),
        ({"chosenCandidates": [{"token": "h", "logProbability": "-Infinity"}]}, None),
        ({"chosenCandidates": [{"token": "h", "logProbability": 0}]}, (SampledToken("h", 0.0),)),
        (
            {"chosenCandidates": TOP[:1], "topCandidates": [{"candidates": TOP[1:]}, {"candidates": TOP}, {}]},
            (SampledToken("h", -0.5, None, (Alternative("y", -1.5),)),),
        ),
        ({"chosenCandidates": TOP[:1], "topCandidates": [{}]}, (SampledToken("h", -0.5),)),
        ("none", None),
    ],
)
def test_log_probabilities_have_the_one_shape(logprobs: Any, tokens: Any) -> None:
    """The chosen tokens with their lists, which may be too few, too many or without the chosen one."""
    assert read(with_candidate(logprobsResult=logprobs)) == Completion("hi", "stop", None, tokens)


@pytest.mark.parametrize(
    "body",
    [
        answer(modelVersion=5),
        answer(usageMetadata=[]),
        answer(promptFeedback="fine"),
        with_candidate(finishReason=[]),
        with_candidate(logprobsResult=5),
        with_candidate(content={"role": 5, "parts": [{"text": "hi", "thought": "no"}]}),
        with_candidate(content={"parts": [{"functionCall": 5}, {"text": "hi"}]}),
    ],
)
def test_a_lesser_field_may_be_anything(body: bytes) -> None:
    """The answer is paid for: its text is kept where another field is not as it should be."""
    assert isinstance(decoded(body), Answer)
    assert read(body).text == "hi"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{}",
        b"[" + answer() + b"]",
        answer()[:-1],
        answer() + b"}",
        answer(candidates=None),
        answer(candidates=[]),
        answer(candidates=[], promptFeedback={}),
        answer(candidates=[None]),
        with_candidate(content="hi"),
        with_candidate(content={"parts": [{"text": 5}]}),
        answer(responseId="\u00e9").replace("\u00e9".encode(), b"\xe9"),
        answer(x=0).replace(b":0", b":" + b"[" * 100_000 + b"]" * 100_000),
        with_candidate(content={"parts": [{"functionCall": 0}]}).replace(b'l":0', b'l":' + b'{"a":' * 100_000),
    ],
)
def test_a_200_that_is_no_answer_is_unreadable(body: bytes) -> None:
    """What is not an answer to its last byte is a typed failure that may have been billed."""
    found = decoded(body)
    assert isinstance(found, Failure)
    assert (found.kind, found.billing, found.status) == (FailureKind.UNREADABLE, Billing.MAYBE, 200)
    assert found.message.startswith("a 200 that is not a generateContent answer: ")


def test_errors_are_typed() -> None:
    """Another status is classified by its code; an error in a 200 says so."""
    error = {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}
    found = decoded(orjson.dumps({"error": error}), 503)
    assert isinstance(found, Failure)
    assert (found.kind, found.code) == (FailureKind.TRANSIENT, "UNAVAILABLE")
    message = "a 200 that holds an error: The model is overloaded."
    held = decoded(orjson.dumps({"error": error}))
    assert held == Failure(FailureKind.UNREADABLE, Billing.MAYBE, message, status=200, code="503")


_counts = st.integers(0, 10**9)
_parts = st.fixed_dictionaries({"text": st.text(max_size=9)}, optional={"thought": st.booleans()})
_tokens = st.fixed_dictionaries({"token": st.text(max_size=3), "logProbability": st.floats(-100, 0)})
_logprobs = st.fixed_dictionaries(
    {"chosenCandidates": st.lists(_tokens, max_size=3)},
    optional={
        "topCandidates": st.lists(st.fixed_dictionaries({"candidates": st.lists(_tokens, max_size=2)}), max_size=3)
    },
)
_usages = st.fixed_dictionaries(
    {"promptTokenCount": _counts, "candidatesTokenCount": _counts},
    optional={"thoughtsTokenCount": _counts, "toolUsePromptTokenCount": _counts},
)


@given(parts=st.lists(_parts, min_size=1, max_size=4), usage=_usages, logprobs=_logprobs)
def test_the_official_sdk_reads_the_same(
    parts: list[dict[str, Any]], usage: dict[str, Any], logprobs: dict[str, Any]
) -> None:
    """Text, tokens and usage are what the SDK's typed response says they are."""
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "logprobsResult": logprobs}
    body = orjson.dumps({"candidates": [candidate], "usageMetadata": usage})
    official = types.GenerateContentResponse.model_validate_json(body)
    completion = read(body)
    assert completion.text == official.text
    assert official.candidates is not None
    told = official.candidates[0].logprobs_result
    assert told is not None
    assert told.chosen_candidates is not None
    assert completion.tokens is not None
    chosen = [(token.token, token.log_probability) for token in told.chosen_candidates]
    assert [(token.token, token.logprob) for token in completion.tokens] == chosen
    assert all(math.isfinite(x.logprob) for token in completion.tokens for x in token.alternatives)
    counts = official.usage_metadata
    assert counts is not None
    sent = (counts.prompt_token_count or 0) + (counts.tool_use_prompt_token_count or 0)
    thought = counts.thoughts_token_count or 0
    assert decoded(body) == Answer(None, Usage(sent, (counts.candidates_token_count or 0) + thought, 0, 0, thought))


@given(st.binary(max_size=60) | mutated(ANSWER))
def test_no_body_raises(body: bytes) -> None:
    """Whatever comes is an answer or a failure, and what is an answer can be read again."""
    if isinstance(decoded(body), Answer):
        assert read(body) is not None
    assert isinstance(decoded(body, 500), Failure)
