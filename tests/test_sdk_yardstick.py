"""The yardstick of the wire: what the official SDKs send and read, and what we do, to one independent server.

Left out of the comparison, because no protocol fixes it: the SDKs' own headers (user agent, x-stainless-*,
x-goog-api-client), the order of keys but in schemas, and the spelling of Gemini's JSON (its SDK mixes mime_type with
mimeType, writes base64 with - and _, and an empty generationConfig; the API takes them all). Anthropic's SDK sends a
key as a bearer token, we send it as the x-api-key that its documentation names. Its messages have no temperature and
top_p, which only an older API version takes: there the SDK is told of both by hand. Completions are answered by a
recorded body: the server does not have them.
"""

import base64
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from orchestrator.http import AiohttpTransport
from providers.adapters import make_adapter, read_completion
from providers.protocols.paths import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, RESPONSES
from providers.provider import Provider
from providers.wire import Answer, Failure, FailureKind, Usage
from tests.harness.llmock import LLMock
from tests.harness.recorder import Exchange, Recorder

pytestmark = pytest.mark.filterwarnings(  # google-genai subclasses it when its first client is made
    "ignore:Inheritance class AiohttpClientSession from ClientSession:DeprecationWarning"
)

Reading = tuple[str | None, str | None, Usage]
Ask = Callable[[str, dict[str, Any]], Awaitable[Reading]]

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
CLAUDE = "claude-3-5-sonnet-20241022"
GEMINI = "gemini-2.0-flash"
SCHEMA = {
    "type": "object",
    "properties": {"zeta": {"type": "integer"}, "alpha": {"type": "string"}},
    "required": ["zeta", "alpha"],
    "additionalProperties": False,
}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "get_weather", "description": "The weather of a city", "parameters": PARAMETERS}
ASKED = {"role": "user", "content": "What is the weather in Zürich?"}
CALLED = {
    "role": "assistant",
    "content": "I look.",
    "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Zürich"}'}}
    ],
}
RETURNED = {"role": "tool", "tool_call_id": "call_1", "content": "12 °C"}
ROWS: dict[str, dict[str, Any]] = {
    "plain": {"messages": [{"role": "user", "content": 'Describe it. \u2028 \U0001f600 "quoted"'}]},
    "system": {
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Rate this caption."}]
    },
    "turns": {
        "messages": [
            {"role": "user", "content": "A first question"},
            {"role": "assistant", "content": "A first answer"},
            {"role": "user", "content": "A second question"},
        ]
    },
    "picture": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is in the picture?"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                ],
            }
        ]
    },
    "stop": {"messages": [{"role": "user", "content": "Count to ten."}], "stop": ["END", "###"]},
    "sampling": {
        "messages": [{"role": "user", "content": "Say it."}],
        "temperature": 0.2,
        "top_p": 0.9,
        "max_tokens": 50,
    },
    "json_schema": {
        "messages": [{"role": "user", "content": "Rate it as JSON."}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "rating", "strict": True, "schema": SCHEMA}},
    },
    "tools": {"messages": [ASKED], "tools": [{"type": "function", "function": FUNCTION}]},
    "forced tool": {
        "messages": [ASKED],
        "tools": [{"type": "function", "function": FUNCTION}],
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
    },
    "tool result": {"messages": [ASKED, CALLED, RETURNED], "tools": [{"type": "function", "function": FUNCTION}]},
}
LOGPROBS = {"messages": [{"role": "user", "content": "Score it."}], "logprobs": True, "top_logprobs": 5}
ENDINGS = ["stop", "length", "content_filter"]


@pytest.fixture(scope="session")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LLMock]:
    """The independent server, once for all tests."""
    with LLMock(tmp_path_factory.mktemp("llmock") / "log") as server:
        yield server


@pytest.fixture
async def recorder(mock: LLMock) -> AsyncIterator[Recorder]:
    """What stands between the clients and the server; the server expects nothing special."""
    mock.expect()
    async with Recorder(mock.url) as between:
        yield between


async def post(protocol: str, model: str, base_url: str, url: str, body: Any) -> tuple[Any, Answer | Failure, bytes]:
    """What our adapter makes of a request, over the transport that runs use."""
    provider = Provider(protocol, base_url=base_url)
    adapter = make_adapter(provider, model, base_url, "k")
    async with AiohttpTransport(provider) as transport:
        status, headers, answer = await transport.post(adapter.encode(url, json.dumps(body).encode()))
    return adapter, adapter.decode(url, status, headers, answer), answer


def reading(protocol: str, adapter: Any, url: str, body: bytes) -> Reading:
    """Our reading of an answer."""
    found = adapter.decode(url, 200, {}, body)
    assert isinstance(found, Answer)
    assert found.usage is not None
    completion = read_completion(protocol, body)
    return completion.text, completion.finish_reason, found.usage


async def same(recorder: Recorder, protocol: str, root: str, url: str, body: Any, ask: Ask, asked: Any) -> Exchange:
    """Ask by SDK (`asked`) and by adapter (`body`): the exchange of ours, once all but bodies has been found equal."""
    base_url = recorder.url + root
    theirs_read = await ask(base_url, asked)
    theirs = recorder.last
    adapter, _, answer = await post(protocol, body.get("model", GEMINI), base_url, url, body)
    ours = recorder.last
    assert len(recorder.exchanges) == 2
    assert (ours.method, ours.target) == (theirs.method, theirs.target)
    assert ours.headers["content-type"] == theirs.headers["content-type"] == "application/json"
    assert orders(ours.json) == orders(theirs.json)
    assert reading(protocol, adapter, url, theirs.answer) == theirs_read
    assert reading(protocol, adapter, url, answer) == theirs_read
    return ours


def orders(value: Any) -> list[list[str]]:
    """The order of the properties in every schema: equal JSON may differ in it, but models see it."""
    if isinstance(value, list):
        return sorted(order for inner in value for order in orders(inner))
    if not isinstance(value, dict):
        return []
    properties = value.get("properties")
    own = [list(properties)] if isinstance(properties, dict) else []
    return sorted(own + [order for inner in value.values() for order in orders(inner)])


def expect_ending(mock: LLMock, finish: str) -> None:
    text = "Half a \U0001f600 sentence \u2028"
    mock.expect({"type": "reply", "text": text, "finish_reason": finish, "times": 2})


# OpenAI


def openai_usage(usage: Any) -> Usage:
    into, out = usage.prompt_tokens_details, usage.completion_tokens_details
    cached = (into and into.cached_tokens) or 0
    return Usage(usage.prompt_tokens, usage.completion_tokens, cached, 0, (out and out.reasoning_tokens) or 0)


def openai_sdk(base_url: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=base_url, api_key="k", max_retries=0)


async def ask_chat(base_url: str, asked: dict[str, Any]) -> Reading:
    async with openai_sdk(base_url) as sdk:
        answer = await sdk.chat.completions.create(**asked)
    choice = answer.choices[0]
    return choice.message.content, choice.finish_reason, openai_usage(answer.usage)


async def ask_responses(base_url: str, asked: dict[str, Any]) -> Reading:
    async with openai_sdk(base_url) as sdk:
        answer = await sdk.responses.create(**asked)
    usage = answer.usage
    assert usage is not None
    texts = [item for item in answer.output if item.type == "message"]
    finish = "stop" if texts else "tool_calls"
    if answer.incomplete_details is not None:
        assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")
        finish = "length"
    counts = Usage(
        usage.input_tokens,
        usage.output_tokens,
        usage.input_tokens_details.cached_tokens,
        usage.input_tokens_details.cache_write_tokens or 0,
        usage.output_tokens_details.reasoning_tokens,
    )
    return answer.output_text if texts else None, finish, counts


async def ask_embeddings(base_url: str, asked: dict[str, Any]) -> Reading:
    async with openai_sdk(base_url) as sdk:
        answer = await sdk.embeddings.create(**asked)
    return None, None, Usage(answer.usage.prompt_tokens, 0)


async def ask_completions(base_url: str, asked: dict[str, Any]) -> Reading:
    async with openai_sdk(base_url) as sdk:
        answer = await sdk.completions.create(**asked)
    return answer.choices[0].text, answer.choices[0].finish_reason, openai_usage(answer.usage)


async def openai_same(recorder: Recorder, url: str, body: dict[str, Any], ask: Ask) -> tuple[Any, Any]:
    """The bodies of the SDK and of us, once all else has been found equal."""
    ours = await same(recorder, "openai", "/v1", url, body, ask, body)
    theirs = recorder.exchanges[0]
    assert ours.headers["authorization"] == theirs.headers["authorization"] == "Bearer k"
    return theirs.json, ours.json


@pytest.mark.parametrize("name", [*ROWS, "logprobs"])
async def test_chat_completions_are_the_sdks(recorder: Recorder, name: str) -> None:
    """A row of a manifest is, byte for byte, what the openai package would have sent as JSON, and reads the same."""
    body = {"model": "gpt-4o", **(LOGPROBS if name == "logprobs" else ROWS[name])}
    theirs, ours = await openai_same(recorder, CHAT, body, ask_chat)
    assert ours == theirs


@pytest.mark.parametrize("finish", ENDINGS)
async def test_chat_completions_end_as_the_sdk_says(mock: LLMock, recorder: Recorder, finish: str) -> None:
    """Answers that were cut or filtered, with characters outside of ASCII, read as the openai package reads them."""
    expect_ending(mock, finish)
    await openai_same(recorder, CHAT, {"model": "gpt-4o", **ROWS["plain"]}, ask_chat)


RESPONSES_TOOL = {"type": "function", "strict": True, **FUNCTION}
RESPONSES_ROWS: dict[str, dict[str, Any]] = {
    "plain": {"input": "Describe it. \u2028 \U0001f600"},
    "system": {"input": "Rate this caption.", "instructions": "Be brief."},
    "turns": {"input": ROWS["turns"]["messages"]},
    "picture": {
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What is in the picture?"},
                    {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "low"},
                ],
            }
        ]
    },
    "sampling": {"input": "Say it.", "temperature": 0.2, "top_p": 0.9, "max_output_tokens": 50},
    "json_schema": {
        "input": "Rate it.",
        "text": {"format": {"type": "json_schema", "name": "rating", "strict": True, "schema": SCHEMA}},
    },
    "tools": {"input": "What is the weather?", "tools": [RESPONSES_TOOL]},
    "logprobs": {"input": "Score it.", "include": ["message.output_text.logprobs"], "top_logprobs": 5},
    "reasoning": {"input": "Think.", "reasoning": {"effort": "low"}, "store": False},
}


@pytest.mark.parametrize("name", RESPONSES_ROWS)
async def test_responses_are_the_sdks(recorder: Recorder, name: str) -> None:
    """The same for responses."""
    theirs, ours = await openai_same(recorder, RESPONSES, {"model": "gpt-4o", **RESPONSES_ROWS[name]}, ask_responses)
    assert ours == theirs


@pytest.mark.parametrize("finish", ["stop", "length"])
async def test_responses_end_as_the_sdk_says(mock: LLMock, recorder: Recorder, finish: str) -> None:
    """A response that was cut is incomplete, and reads so."""
    expect_ending(mock, finish)
    await openai_same(recorder, RESPONSES, {"model": "gpt-4o", **RESPONSES_ROWS["plain"]}, ask_responses)


@pytest.mark.parametrize("texts", ["One text", ["One text", "and another, \u00fc"]])
async def test_embeddings_are_the_sdks(recorder: Recorder, texts: Any) -> None:
    """The same for embeddings; where no format is asked for, the SDK asks for base64, and we for nothing."""
    body = {"model": "text-embedding-3-small", "input": texts}
    theirs, ours = await openai_same(recorder, EMBEDDINGS, body, ask_embeddings)
    assert theirs == {**ours, "encoding_format": "base64"}


async def test_embeddings_with_a_format_are_the_sdks(recorder: Recorder) -> None:
    """With a format the bodies are equal."""
    body = {"model": "text-embedding-3-small", "input": ["a"], "encoding_format": "float", "dimensions": 256}
    theirs, ours = await openai_same(recorder, EMBEDDINGS, body, ask_embeddings)
    assert ours == theirs


TEXT_COMPLETION = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1,
    "model": "gpt-3.5-turbo-instruct",
    "choices": [
        {
            "index": 0,
            "text": " a dog",
            "finish_reason": "length",
            "logprobs": {
                "tokens": [" a", " dog"],
                "token_logprobs": [-0.1, -0.2],
                "top_logprobs": [{" a": -0.1}, {" dog": -0.2, " cat": -2.5}],
                "text_offset": [0, 2],
            },
        }
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}


@pytest.mark.parametrize(
    "more", [{}, {"max_tokens": 2, "temperature": 0, "stop": ["\n"]}, {"logprobs": 2, "echo": False}]
)
async def test_completions_are_the_sdks(more: dict[str, Any]) -> None:
    """The same for completions."""
    async with Recorder(None, json.dumps(TEXT_COMPLETION).encode()) as recorder:
        body = {"model": "gpt-3.5-turbo-instruct", "prompt": "This is", **more}
        theirs, ours = await openai_same(recorder, COMPLETIONS, body, ask_completions)
    assert ours == theirs


async def test_the_account_is_the_sdks(recorder: Recorder) -> None:
    """Organisation and project are told in the headers that the openai package tells them in."""
    body = {"model": "gpt-4o", **ROWS["plain"]}
    base_url = recorder.url + "/v1"
    async with openai.AsyncOpenAI(
        base_url=base_url, api_key="k", organization="org-1", project="proj-1", max_retries=0
    ) as sdk:
        await sdk.chat.completions.create(**body)
    provider = Provider("openai", base_url=base_url, organization="org-1", project="proj-1")
    call = make_adapter(provider, "gpt-4o", base_url, "k").encode(CHAT, b"{}")
    for name in ("OpenAI-Organization", "OpenAI-Project", "Authorization"):
        assert call.headers[name] == recorder.last.headers[name]


# Anthropic

ANTHROPIC_PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
ANTHROPIC_TOOL = {"name": "get_weather", "description": FUNCTION["description"], "input_schema": PARAMETERS}
OLDER = {"anthropic-version": "2023-06-01"}
ANTHROPIC_ROWS: dict[str, dict[str, Any]] = {
    "plain": {"messages": ROWS["plain"]["messages"]},
    "system": {"system": "Be brief.", "messages": [{"role": "user", "content": "Rate this caption."}]},
    "turns": {"messages": ROWS["turns"]["messages"]},
    "picture": {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "What is in the picture?"}, ANTHROPIC_PICTURE]}
        ]
    },
    "stop": {"messages": ROWS["stop"]["messages"], "stop_sequences": ["END", "###"]},
    "sampling": {
        "messages": ROWS["sampling"]["messages"],
        "max_tokens": 50,
        "extra_body": {"temperature": 0.2, "top_p": 0.9},
        "extra_headers": OLDER,
    },
    "json_schema": {
        "messages": ROWS["json_schema"]["messages"],
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    },
    "tools": {"messages": [ASKED], "tools": [ANTHROPIC_TOOL]},
    "forced tool": {
        "messages": [ASKED],
        "tools": [ANTHROPIC_TOOL],
        "tool_choice": {"type": "tool", "name": "get_weather"},
    },
    "tool result": {
        "messages": [
            ASKED,
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Zürich"}},
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "12 °C"}]},
        ],
        "tools": [ANTHROPIC_TOOL],
    },
}
ANTHROPIC_FINISH = {"end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls", "refusal": "content_filter"}


async def ask_anthropic(base_url: str, asked: dict[str, Any]) -> Reading:
    async with anthropic.AsyncAnthropic(base_url=base_url, api_key="k", max_retries=0) as sdk:
        answer = await sdk.messages.create(**asked)
    texts = [block.text for block in answer.content if block.type == "text"]
    usage = answer.usage
    cached, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    counts = Usage(usage.input_tokens + cached + written, usage.output_tokens, cached, written, 0)
    return "".join(texts) if texts else None, ANTHROPIC_FINISH[str(answer.stop_reason)], counts


async def anthropic_same(recorder: Recorder, url: str, body: dict[str, Any], asked: dict[str, Any]) -> None:
    ours = await same(recorder, "anthropic", "/anthropic", url, body, ask_anthropic, asked)
    theirs = recorder.exchanges[0]
    assert ours.json == theirs.json
    assert ours.headers["anthropic-version"] == theirs.headers["anthropic-version"]
    assert (ours.headers["x-api-key"], theirs.headers["authorization"]) == ("k", "Bearer k")


@pytest.mark.parametrize("name", ROWS)
async def test_messages_from_chat_are_the_sdks(recorder: Recorder, name: str) -> None:
    """A chat row is translated into what the anthropic package sends for the same request, and reads the same."""
    limits = {"max_tokens": 300}
    body = {"model": CLAUDE, **limits, **ROWS[name]}
    await anthropic_same(recorder, CHAT, body, {"model": CLAUDE, **limits, **ANTHROPIC_ROWS[name]})


@pytest.mark.parametrize("name", ANTHROPIC_ROWS)
async def test_messages_are_the_sdks(recorder: Recorder, name: str) -> None:
    """A native row goes out as it stands, under the version that takes it."""
    asked = {"model": CLAUDE, "max_tokens": 300, **ANTHROPIC_ROWS[name]}
    extra = asked.get("extra_body", {})
    body = {key: value for key, value in asked.items() if not key.startswith("extra_")} | extra
    await anthropic_same(recorder, MESSAGES, body, asked)


@pytest.mark.parametrize("finish", ENDINGS)
async def test_messages_end_as_the_sdk_says(mock: LLMock, recorder: Recorder, finish: str) -> None:
    """Answers that were cut or filtered read as the anthropic package reads them."""
    expect_ending(mock, finish)
    limits = {"max_tokens": 300}
    body = {"model": CLAUDE, **limits, **ROWS["plain"]}
    await anthropic_same(recorder, CHAT, body, {"model": CLAUDE, **limits, **ANTHROPIC_ROWS["plain"]})


# Gemini

GEMINI_TOOLS = [
    {
        "function_declarations": [
            {"name": "get_weather", "description": FUNCTION["description"], "parameters_json_schema": PARAMETERS}
        ]
    }
]
GEMINI_ASKED = {"role": "user", "parts": [{"text": ASKED["content"]}]}
GEMINI_ROWS: dict[str, dict[str, Any]] = {
    "plain": {"contents": [{"role": "user", "parts": [{"text": ROWS["plain"]["messages"][0]["content"]}]}]},
    "system": {
        "contents": [{"role": "user", "parts": [{"text": "Rate this caption."}]}],
        "config": {"system_instruction": "Be brief."},
    },
    "turns": {
        "contents": [
            {"role": "user", "parts": [{"text": "A first question"}]},
            {"role": "model", "parts": [{"text": "A first answer"}]},
            {"role": "user", "parts": [{"text": "A second question"}]},
        ]
    },
    "picture": {
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "What is in the picture?"},
                    {"inline_data": {"mime_type": "image/png", "data": base64.b64decode(PIXEL)}},
                ],
            }
        ]
    },
    "stop": {
        "contents": [{"role": "user", "parts": [{"text": "Count to ten."}]}],
        "config": {"stop_sequences": ["END", "###"]},
    },
    "sampling": {
        "contents": [{"role": "user", "parts": [{"text": "Say it."}]}],
        "config": {"temperature": 0.2, "top_p": 0.9, "max_output_tokens": 50},
    },
    "json_schema": {
        "contents": [{"role": "user", "parts": [{"text": "Rate it as JSON."}]}],
        "config": {"response_mime_type": "application/json", "response_json_schema": SCHEMA},
    },
    "tools": {"contents": [GEMINI_ASKED], "config": {"tools": GEMINI_TOOLS}},
    "forced tool": {
        "contents": [GEMINI_ASKED],
        "config": {
            "tools": GEMINI_TOOLS,
            "tool_config": {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["get_weather"]}},
        },
    },
    "tool result": {
        "contents": [
            GEMINI_ASKED,
            {
                "role": "model",
                "parts": [
                    {"text": "I look."},
                    {"function_call": {"id": "call_1", "name": "get_weather", "args": {"city": "Zürich"}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"function_response": {"id": "call_1", "name": "get_weather", "response": {"output": "12 °C"}}}
                ],
            },
        ],
        "config": {"tools": GEMINI_TOOLS},
    },
    "logprobs": {
        "contents": [{"role": "user", "parts": [{"text": "Score it."}]}],
        "config": {"response_logprobs": True, "logprobs": 5},
    },
}
GEMINI_FINISH = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter"}
JSON_OF_THE_USERS = {"responseJsonSchema", "parametersJsonSchema", "args", "response"}


def gemini_sdk(base_url: str) -> genai.Client:
    root = base_url.removesuffix("/v1beta")
    options = types.HttpOptions(base_url=root, api_version="v1beta")
    return genai.Client(vertexai=False, api_key="k", http_options=options)


async def ask_gemini(base_url: str, asked: dict[str, Any]) -> Reading:
    sdk = gemini_sdk(base_url)
    try:
        answer = await sdk.aio.models.generate_content(model=GEMINI, **asked)
    finally:
        await sdk.aio.aclose()
        sdk.close()
    assert answer.candidates is not None
    candidate, usage = answer.candidates[0], answer.usage_metadata
    assert usage is not None
    assert candidate.finish_reason is not None
    finish = "tool_calls" if answer.function_calls else GEMINI_FINISH[candidate.finish_reason.name]
    thought = usage.thoughts_token_count or 0
    counts = Usage(
        usage.prompt_token_count or 0,
        (usage.candidates_token_count or 0) + thought,
        usage.cached_content_token_count or 0,
        0,
        thought,
    )
    return None if answer.function_calls else answer.text, finish, counts


def one_spelling(value: Any, key: str = "") -> Any:
    """JSON of Gemini's with its keys in camel case and its bytes in plain base64; a user's own JSON stays."""
    if key in JSON_OF_THE_USERS:
        return value
    if isinstance(value, dict):
        camel = {re.sub(r"_([a-z])", lambda found: found[1].upper(), name): inner for name, inner in value.items()}
        spelt = {name: one_spelling(inner, name) for name, inner in camel.items()}
        return {name: inner for name, inner in spelt.items() if (name, inner) != ("generationConfig", {})}
    if isinstance(value, list):
        return [one_spelling(inner) for inner in value]
    return value.replace("-", "+").replace("_", "/") if key == "data" else value


async def gemini_same(recorder: Recorder, url: str, body: dict[str, Any], asked: dict[str, Any]) -> None:
    ours = await same(recorder, "gemini", "/gemini/v1beta", url, body, ask_gemini, asked)
    theirs = recorder.exchanges[0]
    assert one_spelling(ours.json) == one_spelling(theirs.json)
    assert ours.headers["x-goog-api-key"] == theirs.headers["x-goog-api-key"] == "k"


@pytest.mark.parametrize("name", [*ROWS, "logprobs"])
async def test_contents_from_chat_are_the_sdks(recorder: Recorder, name: str) -> None:
    """A chat row is translated into what the google-genai package sends for the same request, and reads the same."""
    body = {"model": GEMINI, **(LOGPROBS if name == "logprobs" else ROWS[name])}
    await gemini_same(recorder, CHAT, body, GEMINI_ROWS[name])


@pytest.mark.parametrize("name", GEMINI_ROWS)
async def test_contents_are_the_sdks(recorder: Recorder, name: str) -> None:
    """A native row goes out as it stands, to the model that its path names."""
    async with Recorder(None, b'{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{}}') as first:
        await ask_gemini(f"{first.url}/gemini/v1beta", GEMINI_ROWS[name])
    native = one_spelling(first.last.json)
    await gemini_same(recorder, f"/v1beta/models/{GEMINI}:generateContent", native, GEMINI_ROWS[name])


@pytest.mark.parametrize("finish", ENDINGS)
async def test_contents_end_as_the_sdk_says(mock: LLMock, recorder: Recorder, finish: str) -> None:
    """Answers that were cut or filtered read as the google-genai package reads them."""
    expect_ending(mock, finish)
    await gemini_same(recorder, CHAT, {"model": GEMINI, **ROWS["plain"]}, GEMINI_ROWS["plain"])


# Refusals

ASKS: dict[str, tuple[str, str, Ask, dict[str, Any]]] = {
    "openai": ("/v1", "gpt-4o", ask_chat, {"model": "gpt-4o", **ROWS["plain"]}),
    "anthropic": ("/anthropic", CLAUDE, ask_anthropic, {"model": CLAUDE, "max_tokens": 5, **ANTHROPIC_ROWS["plain"]}),
    "gemini": ("/gemini/v1beta", GEMINI, ask_gemini, GEMINI_ROWS["plain"]),
}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, FailureKind.ROW_REFUSED),
        (401, FailureKind.KEY_REFUSED),
        (429, FailureKind.THROTTLED),
        (500, FailureKind.TRANSIENT),
    ],
)
@pytest.mark.parametrize("protocol", ASKS)
async def test_what_the_sdks_raise_is_a_failure(
    mock: LLMock, recorder: Recorder, protocol: str, status: int, kind: FailureKind
) -> None:
    """Where an SDK raises, we have a typed failure with the same status."""
    root, model, ask, asked = ASKS[protocol]
    mock.expect({"type": "fail", "status": status, "times": 2})
    with pytest.raises(Exception) as raised:  # noqa: PT011  (each SDK has its own)
        await ask(recorder.url + root, asked)
    told = getattr(raised.value, "status_code", None) or getattr(raised.value, "code", None)
    body = {"model": model, **ROWS["plain"]}
    _, failure, _ = await post(protocol, model, recorder.url + root, CHAT, body)
    assert isinstance(failure, Failure)
    assert (failure.status, failure.kind) == (told, kind)
