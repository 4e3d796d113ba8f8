"""The Azure adapter: deployments, API versions and keys as the official client sends them; OpenAI's answers."""

import json
from typing import Any

import orjson
import pytest
from multidict import CIMultiDict
from openai import AsyncAzureOpenAI

from orchestrator.http import AiohttpTransport
from prompts.input_error import InputError
from prompts.records import Completion
from providers.adapters import check_encode, make_adapter, read_completion
from providers.protocols.paths import CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES
from providers.provider import Provider
from providers.wire import Answer, Failure, FailureKind, Usage
from tests.harness.recorder import Exchange, Recorder

VERSION = "2024-10-21"
MESSAGES = [{"role": "user", "content": "Hi"}]
AZURE = Provider("azure", api_version=VERSION)


def call_url(base_url: str, url: str, model: str = "gpt-4o", **settings: Any) -> str:
    provider = Provider("azure", **{"api_version": VERSION, **settings})
    return make_adapter(provider, model, base_url, "k").encode(url, orjson.dumps({"model": model})).url


@pytest.mark.parametrize(
    "base_url",
    [
        "https://name.openai.azure.com",
        "https://name.openai.azure.com/",
        "https://name.openai.azure.com/openai",
        "https://name.openai.azure.com/openai/",
    ],
)
@pytest.mark.parametrize(
    ("url", "path"),
    [
        (CHAT, "/deployments/gpt-4o/chat/completions"),
        (COMPLETIONS, "/deployments/gpt-4o/completions"),
        (EMBEDDINGS, "/deployments/gpt-4o/embeddings"),
        (RESPONSES, "/responses"),
    ],
)
def test_a_call_goes_to_its_deployment(base_url: str, url: str, path: str) -> None:
    """However the resource's address is written, the path has the deployment and the API version."""
    assert call_url(base_url, url) == f"https://name.openai.azure.com/openai{path}?api-version=2024-10-21"


def test_a_deployment_has_a_name_of_its_own() -> None:
    """Catalog names that differ from the model's go into the path, quoted; other models keep their own."""
    deployments = {"gpt-4o": "eval 4o/é"}
    found = call_url("https://h", CHAT, deployments=deployments)
    assert found == "https://h/openai/deployments/eval%204o%2F%C3%A9/chat/completions?api-version=2024-10-21"
    assert "/deployments/gpt-4o-mini/" in call_url("https://h", CHAT, "gpt-4o-mini", deployments=deployments)


def test_a_response_names_its_deployment_in_the_body() -> None:
    """There the deployment is the body's model; all else stays as it was written, and without a name of its own all."""
    body = b'{ "model": "gpt-4o", "input": "Hi", "x": 1.50, "deep": { "model": "gpt-4o" } }'
    named = Provider("azure", api_version=VERSION, deployments={"gpt-4o": "eval"})
    call = make_adapter(named, "gpt-4o", "https://h", "k").encode(RESPONSES, body)
    assert call.body == b'{"model":"eval","input":"Hi","x":1.50,"deep":{ "model": "gpt-4o" }}'
    assert make_adapter(AZURE, "gpt-4o", "https://h", "k").encode(RESPONSES, body).body == body
    assert make_adapter(named, "gpt-4o", "https://h", "k").encode(CHAT, body).body == body


def test_a_missing_api_version_says_what_to_add() -> None:
    """Without an API version nothing can be sent, and the error has the line to add."""
    with pytest.raises(InputError, match=r'overnight\.toml: api_version = "2024-10-21"') as caught:
        check_encode(Provider("azure"), "gpt-4o", CHAT, b"{}")
    assert caught.value.field == "provider"


def test_an_address_of_the_newer_kind_is_another_protocol() -> None:
    """Under /openai/v1 Azure speaks plain OpenAI; asking for deployments there would find nothing."""
    with pytest.raises(InputError, match='protocol = "openai"'):
        make_adapter(AZURE, "gpt-4o", "https://name.openai.azure.com/openai/v1/", "k")


@pytest.mark.parametrize(
    ("settings", "key", "headers"),
    [
        ({}, None, {}),
        ({}, "k", {"api-key": "k"}),
        (
            {"organization": "o", "headers": {"X-Team": "t"}},
            "k",
            {"api-key": "k", "OpenAI-Organization": "o", "X-Team": "t"},
        ),
        ({"headers": {"Api-Key": "other"}}, "k", {"Api-Key": "other"}),
    ],
)
def test_the_key_is_a_header_of_its_own(settings: dict[str, Any], key: str | None, headers: dict[str, str]) -> None:
    """Azure takes keys as api-key; a header that the catalog spells out wins."""
    provider = Provider("azure", api_version=VERSION, **settings)
    call = make_adapter(provider, "m", "https://h", key).encode(CHAT, b"{}")
    assert isinstance(call.headers, CIMultiDict)
    assert sorted(call.headers.items()) == sorted({"Content-Type": "application/json", **headers}.items())


FILTERS = {"hate": {"filtered": False, "severity": "safe"}, "jailbreak": {"filtered": False, "detected": False}}
CHAT_ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-2024-08-06",
    "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": FILTERS}],
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "logprobs": None,
            "content_filter_results": FILTERS,
            "message": {"role": "assistant", "content": "Hello", "refusal": None},
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


def test_answers_are_openais_with_more_in_them() -> None:
    """What Azure's filters say beside an answer is skipped."""
    body = orjson.dumps(CHAT_ANSWER)
    found = make_adapter(AZURE, "gpt-4o", "https://h", "k").decode(CHAT, 200, {}, body)
    assert found == Answer("gpt-4o-2024-08-06", Usage(3, 2))
    assert read_completion("azure", body) == Completion("Hello", "stop")


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"code": "content_filter", "message": "filtered", "status": 400}, FailureKind.ROW_REFUSED),
        (401, {"code": "401", "message": "Access denied"}, FailureKind.KEY_REFUSED),
        (404, {"code": "DeploymentNotFound", "message": "no such deployment"}, FailureKind.ROW_REFUSED),
        (429, {"code": "429", "message": "Please retry after 7 seconds."}, FailureKind.THROTTLED),
    ],
)
def test_refusals_are_classified(status: int, error: dict[str, Any], kind: FailureKind) -> None:
    """Azure's refusals are told by status and code, and a 404 says nothing of a missing version in the address."""
    headers = {"retry-after-ms": "7000"}
    body = orjson.dumps({"error": error})
    found = make_adapter(AZURE, "gpt-4o", "https://h", "k").decode(CHAT, status, headers, body)
    assert isinstance(found, Failure)
    assert (found.kind, found.message) == (kind, error["message"])
    assert found.retry_after_s == 7.0


# The official client

EMBEDDING = {
    "object": "list",
    "model": "m",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
    "usage": {"prompt_tokens": 1, "total_tokens": 1},
}
TEXT = {
    "id": "c",
    "object": "text_completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "text": "x", "finish_reason": "stop", "logprobs": None}],
}
REQUESTS: dict[str, tuple[str, dict[str, Any], Any]] = {
    CHAT: (
        "chat.completions",
        {"messages": MESSAGES, "max_tokens": 5, "logprobs": True, "top_logprobs": 3},
        CHAT_ANSWER,
    ),
    COMPLETIONS: ("completions", {"prompt": "Hi", "max_tokens": 5, "logprobs": 2}, TEXT),
    EMBEDDINGS: ("embeddings", {"input": ["Hi"], "encoding_format": "float"}, EMBEDDING),
    RESPONSES: (
        "responses",
        {"input": "Hi", "max_output_tokens": 16},
        {"id": "r", "object": "response", "output": [], "status": "completed"},
    ),
}


async def sent_by_the_sdk(recorder: Recorder, resource: str, body: dict[str, Any], deployment: str | None) -> Exchange:
    client = AsyncAzureOpenAI(
        azure_endpoint=recorder.url, azure_deployment=deployment, api_version=VERSION, api_key="k", max_retries=0
    )
    async with client:
        place: Any = client
        for name in resource.split("."):
            place = getattr(place, name)
        await place.create(**body)
    return recorder.last


@pytest.mark.parametrize("deployments", [{}, {"gpt-4o": "eval_4o.1"}, {"gpt-4o": "eval 4o"}])
@pytest.mark.parametrize("url", REQUESTS)
async def test_the_official_client_sends_the_same(url: str, deployments: dict[str, str]) -> None:
    """Path, query, key and body are those of AsyncAzureOpenAI, which takes a response's deployment for its model."""
    resource, fields, answer = REQUESTS[url]
    deployment = deployments.get("gpt-4o")
    body = {**fields, "model": "gpt-4o"}
    async with Recorder(None, orjson.dumps(answer)) as recorder:
        by_sdk = body if url != RESPONSES or deployment is None else {**body, "model": deployment}
        theirs = await sent_by_the_sdk(recorder, resource, by_sdk, deployment)
        provider = Provider("azure", base_url=recorder.url, api_version=VERSION, deployments=deployments)
        adapter = make_adapter(provider, "gpt-4o", recorder.url, "k")
        async with AiohttpTransport(provider) as transport:
            status, headers, got = await transport.post(adapter.encode(url, json.dumps(body).encode()))
        ours = recorder.last
    assert ours is not theirs
    assert (ours.method, ours.target) == (theirs.method, theirs.target)
    assert ours.json == theirs.json
    for name in ("api-key", "content-type"):
        assert ours.headers[name] == theirs.headers[name]
    assert "authorization" not in ours.headers
    assert isinstance(adapter.decode(url, status, headers, got), Answer)
