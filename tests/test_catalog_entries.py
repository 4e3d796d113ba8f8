"""What the built-in catalog knows: where each model goes, how it counts pictures, whether it gives logprobs."""

from pathlib import Path

import pytest

from providers.catalog import Catalog, load_catalog
from providers.provider import ImageTokens


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """The built-in catalog alone."""
    monkeypatch.chdir(tmp_path)
    return load_catalog()


ROUTES = {
    "qwen3:8b": "ollama",
    "qwen2.5:7b-instruct": "ollama",
    "mistral-small:24b": "ollama",
    "deepseek-v3:671b": "ollama",
    "gpt-oss:20b": "ollama",
    "ft:gpt-4o-mini-2024-07-18:org::id": "openai",
    "gpt-4o-2024-08-06": "openai",
    "gpt-4o-2024-05-13": "openai",
    "gpt-4o-mini": "openai",
    "claude-3-5-sonnet-20241022": "anthropic",
    "gemini-2.0-flash": "google",
    "deepseek-chat": "deepseek",
    "qwen-max": "alibaba",
    "qwen-max-0919": "alibaba",
    "qwen2.5-72b-instruct": "alibaba",
    "qwen2.5-14b-instruct": "alibaba",
    "qwen2.5-7b-instruct": "alibaba",
    "qwen2.5-72b": "vllm",
    "qwen2.5-14b": "vllm",
    "qwen2.5-7b-base": "vllm",
    "Qwen2.5-72B-Instruct": "vllm",
    "Qwen/Qwen2.5-72B-Instruct-Turbo": "together",
    "qwen/qwen-2.5-72b-instruct": "openrouter",
    "glm-4-plus": "zhipu",
    "doubao-pro-32k": "volcengine",
    "ep-20241022000000-abcde": "volcengine",
    "llama-3.1-70b-instruct": "vllm",
    "meta-llama/Meta-Llama-3.1-70B-Instruct-Turbo": "together",
    "meta-llama/llama-3.1-70b-instruct": "openrouter",
    "accounts/fireworks/models/llama-v3p1-70b-instruct": "fireworks",
    "llama-3.3-70b-versatile": "groq",
    "llama3.1:70b": "ollama",
    "qwen2.5:72b": "ollama",
    "mistral-large-2407": "mistral",
    "mistralai/mistral-large-2407": "openrouter",
    "phi-4": "azure",
    "microsoft/phi-4": "openrouter",
    "gpt-oss-20b": "vllm",
    "grok-3": "xai",
    "kimi-k2-thinking": "moonshot",
}


def test_every_model_of_the_papers_routes_by_its_name(catalog: Catalog) -> None:
    """The names that its makers and its hosts give a model each find a provider that takes it under that name."""
    assert {model: catalog.route(model) for model in ROUTES} == ROUTES


LOCAL = {"vllm": 8000, "sglang": 30000, "ollama": 11434, "lmstudio": 1234, "llamacpp": 8080}


def test_servers_on_this_machine_are_free_and_without_keys(catalog: Catalog) -> None:
    """They are on loopback, at the ports that they take by themselves."""
    for name, port in LOCAL.items():
        local = catalog.provider(name)
        assert (local.base_url, local.free, local.api_key_env) == (f"http://127.0.0.1:{port}/v1", True, None)
    free = {name for name, entry in catalog.providers.items() if entry.free}
    assert free == {*LOCAL, "simulator"}


def test_all_other_providers_speak_over_tls_and_ask_for_a_key(catalog: Catalog) -> None:
    """No key of the built-in catalog goes out in the clear, and none has limits that are one account's."""
    for name, entry in catalog.providers.items():
        if not entry.free:
            assert entry.base_url.startswith("https://") or entry.base_url_env, name
            assert entry.api_key_env
        assert not entry.limits


AREA, LARGE = ImageTokens("area", most=1568), ImageTokens("area", long_side=2576, most=4784)


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("gpt-4o-2024-08-06", ImageTokens("tile", 85, 170)),
        ("gpt-4.1", ImageTokens("tile", 85, 170)),
        ("gpt-4o-mini", ImageTokens("tile", 2833, 5667)),
        ("gpt-4o-mini-2024-07-18", ImageTokens("tile", 2833, 5667)),
        ("gpt-4.1-mini", ImageTokens("patch", multiplier=1.62)),
        ("gpt-4.1-nano-2025-04-14", ImageTokens("patch", multiplier=2.46)),
        ("gpt-5", ImageTokens("tile", 70, 140)),
        ("gpt-5-2025-08-07", ImageTokens("tile", 70, 140)),
        ("gpt-5-mini", ImageTokens("patch", multiplier=1.62)),
        ("gpt-5-nano", ImageTokens("patch", multiplier=2.46)),
        ("gpt-5.2", None),
        ("o1", ImageTokens("tile", 75, 150)),
        ("o3", ImageTokens("tile", 75, 150)),
        ("o4-mini", ImageTokens("patch", multiplier=1.72)),
        ("claude-3-5-sonnet-20241022", AREA),
        ("claude-sonnet-4-5", AREA),
        ("claude-opus-4-8", LARGE),
        ("claude-opus-5", LARGE),
        ("claude-opus-5-5", LARGE),
        ("claude-sonnet-5-20261001", LARGE),
        ("claude-sonnet-4-20250514", AREA),
        ("claude-haiku-4-5-20251001", AREA),
        ("gemini-2.0-flash", ImageTokens("gemini")),
        ("gemini-3-pro", ImageTokens("unknown")),
    ],
)
def test_how_each_model_counts_a_picture(catalog: Catalog, model: str, tokens: ImageTokens | None) -> None:
    """By its family's rule; None where nobody has told one."""
    assert catalog.provider(catalog.route(model)).facts_of(model).image_tokens == tokens


@pytest.mark.parametrize(
    ("name", "model", "logprobs"),
    [
        ("openai", "gpt-4o-2024-08-06", None),
        ("openai", "o1", False),
        ("openai", "o3-mini", False),
        ("openai", "o4-mini", False),
        ("openai", "gpt-5", False),
        ("openai", "gpt-5-mini-2025-08-07", False),
        ("openai", "gpt-5-chat-latest", None),
        ("openai", "gpt-5.1", None),
        ("anthropic", "claude-3-5-sonnet-20241022", False),
        ("google", "gemini-2.0-flash", True),
        ("google", "gemini-2.5-flash", None),
        ("google", "gemini-3.5-flash", False),
        ("deepseek", "deepseek-chat", True),
        ("deepseek", "deepseek-reasoner", False),
        ("groq", "llama-3.1-8b-instant", False),
    ],
)
def test_which_models_give_logprobs(catalog: Catalog, name: str, model: str, logprobs: bool | None) -> None:
    """False only where it is documented, since a row that asks for them is then refused; None where it is not known."""
    assert catalog.provider(name).facts_of(model).logprobs is logprobs
