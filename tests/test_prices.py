"""Prices: the catalog's first, the library's next, and an unknown one stays unknown; bounds that hold."""

import functools
import json
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from genai_prices import Usage as LibraryUsage
from genai_prices import calc_price
from genai_prices.data import providers as library
from hypothesis import given
from hypothesis import strategies as st

from providers.catalog import load_catalog
from providers.prices import FREE, Rates, price_line, resolve_rates, upper_bound_usd
from providers.protocols.paths import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, RESPONSES
from providers.provider import PriceEntry, Provider
from providers.wire import Usage

MILLION = 1_000_000


def provider(**keys: object) -> Provider:
    return Provider(protocol="openai", base_url="http://h/v1", **keys)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "input_", "cached", "output"),
    [
        ("gpt-4o-2024-05-13", 5.0, 5.0, 15.0),
        ("gpt-4o-2024-08-06", 2.5, 1.25, 10.0),
        ("gpt-4o-mini", 0.15, 0.075, 0.6),
    ],
)
def test_openai_s_prices_are_in_the_library(model: str, input_: float, cached: float, output: float) -> None:
    """USD per million tokens, cached input at its own price, as OpenAI lists them."""
    rates = resolve_rates(load_catalog().provider("openai"), model)
    assert rates is not None
    shown = rates.per_million()
    assert shown["source"].startswith("genai-prices ")
    assert (shown["input"], shown["cached_input"], shown["output"]) == pytest.approx((input_, cached, output))


# Of the models of the papers: USD per million tokens of input, of cached input, of output, and of the batch API's input
# and output; None where it is not known.
PAPERS: dict[tuple[str, str], tuple[float, float, float, tuple[float, float] | None] | None] = {
    ("openai", "gpt-4o-2024-05-13"): (5.0, 5.0, 15.0, (2.5, 7.5)),
    ("openai", "gpt-4o-2024-08-06"): (2.5, 1.25, 10.0, (1.25, 5.0)),
    ("openai", "gpt-4o-mini"): (0.15, 0.075, 0.6, (0.075, 0.3)),
    ("anthropic", "claude-3-5-sonnet-20241022"): (3.0, 0.3, 15.0, (1.5, 7.5)),
    ("google", "gemini-2.0-flash"): (0.1, 0.025, 0.4, (0.05, 0.2)),
    ("deepseek", "deepseek-chat"): (0.28, 0.028, 0.42, None),
    ("alibaba", "qwen-max"): (1.6, 1.6, 6.4, None),
    ("zhipu", "glm-4-plus"): (0.69, 0.345, 0.69, None),
    ("volcengine", "doubao-pro-32k"): None,
    ("openrouter", "meta-llama/llama-3.1-70b-instruct"): (0.72, 0.72, 0.72, None),
    ("mistral", "mistral-large-2407"): (2.0, 2.0, 6.0, (1.0, 3.0)),
    ("azure", "phi-4"): (0.125, 0.125, 0.5, None),
}


@pytest.mark.parametrize(("provider_name", "model"), PAPERS)
def test_the_prices_of_the_papers_models_are_known_or_said_to_be_unknown(provider_name: str, model: str) -> None:
    """Standard, cached and batch price of each model, in the built-in catalog; an unknown one is None."""
    entry = load_catalog().provider(provider_name)
    expected = PAPERS[provider_name, model]
    rates, batch = resolve_rates(entry, model), resolve_rates(entry, model, batch=True)
    if expected is None:
        assert rates is None
        assert batch is None
        return
    assert rates is not None
    found = (rates.input * MILLION, rates.cached_input * MILLION, rates.output * MILLION)
    assert found == pytest.approx(expected[:3])
    assert (batch is None) == (expected[3] is None)
    if batch is not None:
        assert (batch.input * MILLION, batch.output * MILLION) == pytest.approx(expected[3])


DAY = datetime(2026, 11, 22, tzinfo=UTC)


@functools.cache
def rates_of(name: str, model: str, batch: bool) -> Rates:
    rates = resolve_rates(load_catalog().provider(name), model, batch=batch, at=DAY)
    assert rates is not None
    return rates


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    cached, written, fresh = (draw(st.integers(0, 300_000)) for _ in range(3))
    return Usage(cached + written + fresh, draw(st.integers(0, 50_000)), cached, written)


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("openai", "gpt-4o-2024-05-13"),
        ("openai", "gpt-4o-2024-08-06"),
        ("openai", "gpt-4o-mini"),
        ("openai", "gpt-4.1-mini"),
        ("openai", "o4-mini"),
        ("openai", "gpt-5-nano"),
        ("google", "gemini-2.5-pro"),
        ("anthropic", "claude-sonnet-4-5"),
    ],
)
@given(usage=usages())
def test_a_call_costs_what_the_library_says(name: str, model: str, batch: bool, usage: Usage) -> None:
    """Fresh, cached and written input and output, with long calls at their tier, and the same in a batch."""
    rates = rates_of(name, model, batch)
    told = LibraryUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    oracle = calc_price(
        told,
        model,
        provider_id=name,
        genai_request_timestamp=DAY,
        price_context={"processing": "batch"} if batch else None,
    )
    assert rates.cost_usd(usage) == pytest.approx(float(oracle.total_price), rel=1e-9, abs=1e-12)


def kept_for_an_hour(tokens: int, model: str, *, batch: bool) -> float:
    """What the library says that so much input costs, all of it put into Anthropic's cache for an hour."""
    told = LibraryUsage(input_tokens=tokens, cache_write_tokens=tokens, cache_write_1h_tokens=tokens)
    context = {"processing": "batch"} if batch else None
    return float(
        calc_price(told, model, provider_id="anthropic", genai_request_timestamp=DAY, price_context=context).total_price
    )


CLAUDES = [model.id for provider in library if provider.id == "anthropic" for model in provider.models]


@pytest.mark.parametrize("model", [name for name in CLAUDES if name not in ("claude-2", "claude-v1")])  # without caches
def test_an_hour_in_a_cache_costs_what_the_library_says(model: str) -> None:
    """Each of Anthropic's models has its price of an hour's cache, online and by batch, for short and long calls."""
    standard, batch = rates_of("anthropic", model, False), rates_of("anthropic", model, True)
    for tokens in (1000, 250_000):
        usage = Usage(tokens, 0, 0, tokens, long_cache_write_tokens=tokens)
        online = kept_for_an_hour(tokens, model, batch=False)
        by_batch = kept_for_an_hour(tokens, model, batch=True)
        assert standard.cost_usd(usage) == pytest.approx(online)
        assert batch.cost_usd(usage) == pytest.approx(by_batch if by_batch < online else online / 2)
        for rates in (standard, batch):
            bound = upper_bound_usd(rates, b'{"max_tokens":1,"ttl":"1h"}', None, tokens, url=MESSAGES)
            assert bound is not None
            assert bound >= rates.cost_usd(usage) * (1 - 1e-9)


def test_what_is_written_to_a_cache_has_its_own_price() -> None:
    """Anthropic's costs a quarter more than input; where none is told it is that of input."""
    sonnet = resolve_rates(load_catalog().provider("anthropic"), "claude-3-5-sonnet-20241022")
    assert sonnet is not None
    assert sonnet.written == pytest.approx(3.75 / MILLION)
    assert sonnet.cost_usd(Usage(100, 0, 20, 30)) == pytest.approx((50 * 3 + 20 * 0.3 + 30 * 3.75) / MILLION)
    assert Rates(1.0, 0.5, 2.0).cost_usd(Usage(10, 0, 2, 3)) == 9.0


def test_more_cached_than_there_was_is_no_discount() -> None:
    """Counts that do not add up never make a call cheaper than what they name."""
    assert Rates(1.0, 0.5, 2.0).cost_usd(Usage(1, 0, 10, 0)) == 5.0


def test_a_batch_price_is_the_entry_s_the_library_s_or_by_the_discount() -> None:
    """In this order; without any of them it is unknown, though the standard price is known."""
    entry = PriceEntry(2.0, 4.0, cached_input=1.0, cache_write=3.0)
    assert resolve_rates(provider(prices={"m": entry}), "m", batch=True) is None
    halved = resolve_rates(provider(prices={"m": entry}, batch_discount=0.5), "m", batch=True)
    assert halved is not None
    assert halved == Rates(1e-6, 0.5e-6, 2e-6, "50% off catalog", 1.5e-6)
    own = PriceEntry(2.0, 4.0, batch_input=0.5, batch_output=3.0)
    told = resolve_rates(provider(prices={"m": own}, batch_discount=0.5), "m", batch=True)
    assert told == Rates(0.5e-6, 0.5e-6, 3e-6)
    library = resolve_rates(provider(price_id="openai", batch_discount=0.9), "gpt-4o-mini", batch=True)
    assert library is not None
    assert library.input == pytest.approx(0.075e-6)
    assert resolve_rates(provider(price_id="deepseek"), "deepseek-v4-pro", batch=True) is None
    assert resolve_rates(provider(free=True), "m", batch=True) == FREE


def test_a_price_changes_with_the_time_of_the_call() -> None:
    """Where the library has a tariff by the hour, the call's time says which rate counts."""
    by_day, by_night = (
        resolve_rates(provider(price_id="deepseek"), "deepseek-chat", at=datetime(2026, 11, 22, hour, tzinfo=UTC))
        for hour in (12, 20)
    )
    assert by_day is not None
    assert by_night is not None
    assert by_day.input == pytest.approx(2 * by_night.input)


def test_prices_on_record_say_of_when_they_are() -> None:
    """The day and the source of a price, its batch price, and its price of long calls."""
    catalog = load_catalog()
    deepseek = resolve_rates(catalog.provider("deepseek"), "deepseek-chat")
    assert deepseek is not None
    assert deepseek.per_million() == {
        "input": 0.28,
        "cached_input": 0.028,
        "cache_write": 0.28,
        "output": 0.42,
        "source": deepseek.source,
        "as_of": "2025-12-09",
    }
    pro = resolve_rates(catalog.provider("google"), "gemini-2.5-pro")
    assert pro is not None
    shown = pro.per_million()
    assert (shown["input"], shown["batch_input"]) == (1.25, 0.625)
    assert shown["above_200000_tokens"] == {"input": 2.5, "cached_input": 0.25, "cache_write": 2.5, "output": 15.0}


@pytest.mark.parametrize("model", ["doubao-pro-32k", 'odd "name"\\', "m[1]*?", "tab\there", "\x7f"])
@pytest.mark.parametrize("name", ["volcengine", "my lab"])
def test_the_line_for_an_unknown_price_makes_it_known(name: str, model: str) -> None:
    """With its two prices put in, it is TOML that gives this model a price, and no other."""
    line = price_line(name, model)
    assert "\n" not in line
    entry, _, table = line.partition(" under ")
    text = f"{table}\n{entry}".replace("USD_PER_MILLION", "2.0")
    prices = tomllib.loads(text)["providers"][name]["prices"]
    entries = {pattern: PriceEntry(**price) for pattern, price in prices.items()}
    assert resolve_rates(provider(prices=entries), model) is not None
    assert resolve_rates(provider(prices=entries), "m1") is None


def test_a_model_that_nobody_prices_is_unknown() -> None:
    """An unknown model, and an unknown provider of the library, have no price; never 0."""
    assert resolve_rates(load_catalog().provider("openai"), "gpt-99-imagined") is None
    assert resolve_rates(provider(price_id="imagined"), "gpt-4o") is None
    assert resolve_rates(provider(), "gpt-4o") is None


def test_the_catalog_s_price_wins_over_the_library_s() -> None:
    """A price in the user's catalog is taken where its pattern matches, with cached input at the price of input."""
    known = provider(price_id="openai", prices={"gpt-4o*": PriceEntry(1.0, 3.0), "x": PriceEntry(4.0, 5.0, 1.0)})
    rates = resolve_rates(known, "gpt-4o-mini")
    assert rates is not None
    expected = {"input": 1.0, "cached_input": 1.0, "cache_write": 1.0, "output": 3.0, "source": "catalog"}
    assert rates.per_million() == expected
    other = resolve_rates(known, "x")
    assert other is not None
    assert other.per_million()["cached_input"] == pytest.approx(1.0)
    assert resolve_rates(known, "gpt-3.5-turbo") is not None


def test_a_free_provider_costs_nothing() -> None:
    """`free` needs no price, and bounds nothing above 0."""
    assert resolve_rates(provider(free=True, price_id="openai"), "gpt-4o") == FREE
    assert upper_bound_usd(FREE, b'{"messages":[]}', None) == 0.0


def test_a_call_costs_what_its_usage_says() -> None:
    """Fresh and cached input and output, each at its rate."""
    rates = Rates(2.5e-6, 1.25e-6, 10e-6)
    assert rates.cost_usd(Usage(1000, 100, 800)) == pytest.approx((200 * 2.5 + 800 * 1.25 + 100 * 10) / MILLION)
    assert rates.cost_usd(Usage(0, 0, 0)) == 0.0


RATES = Rates(1.0, 0.5, 1000.0)


@pytest.mark.parametrize(
    ("body", "longest", "tokens"),
    [
        ({}, 50, 50),
        ({"max_tokens": 10}, 50, 10),
        ({"max_completion_tokens": 10}, 50, 10),
        ({"max_tokens": 7, "max_completion_tokens": 10}, 50, 10),
        ({"max_tokens": 10, "max_completion_tokens": 7}, 50, 10),
        ({"max_tokens": None}, 50, 50),
        ({"max_tokens": 0}, 50, 50),
        ({"max_tokens": 10, "n": 4}, 50, 40),
        ({"n": 4}, 50, 200),
        ({"n": None, "max_tokens": 10}, None, 10),
        ({"n": 0, "max_tokens": 10}, None, 10),
    ],
)
def test_the_bound_is_every_byte_and_all_the_output(
    body: dict[str, int | None], longest: int | None, tokens: int
) -> None:
    """A token per byte of the body, and `n` times the longest answer it asks for, else that the model can give."""
    text = json.dumps(body).encode()
    assert upper_bound_usd(RATES, text, longest) == len(text) * 1.0 + tokens * 1000.0


GENERATE = "/v1beta/models/m:generateContent"


@pytest.mark.parametrize(
    ("url", "body", "tokens"),
    [
        (RESPONSES, {"max_output_tokens": 7}, 7),
        (RESPONSES, {"max_tokens": 7, "n": 3}, 50),
        (CHAT, {"max_output_tokens": 7}, 50),
        (CHAT, {"max_tokens": 7, "best_of": 3}, 7),
        (COMPLETIONS, {"max_tokens": 7, "n": 2}, 14),
        (COMPLETIONS, {"max_tokens": 7, "n": 2, "best_of": 5}, 35),
        (COMPLETIONS, {"max_tokens": 7, "prompt": ["a", "b", "c"]}, 21),
        (COMPLETIONS, {"max_tokens": 7, "prompt": [1, 2, 3]}, 7),
        (COMPLETIONS, {"max_tokens": 7, "prompt": [[1, 2], [3]], "n": 2}, 28),
        (MESSAGES, {"max_tokens": 7, "n": 3}, 7),
        (GENERATE, {"generationConfig": {"maxOutputTokens": 7, "candidateCount": 3}}, 21),
        (GENERATE, {"generationConfig": {"candidateCount": 3}}, 150),
        (GENERATE, {"generationConfig": {"maxOutputTokens": 7, "candidate_count": 3}}, 21),
        (GENERATE, {"generation_config": {"maxOutputTokens": 7, "candidate_count": "3"}}, 150),
        (GENERATE, {"max_tokens": 7}, 50),
        (EMBEDDINGS, {"input": "text", "max_tokens": 7}, 0),
        (CHAT, {"messages": [], "generationConfig": {"maxOutputTokens": 7}}, 50),
    ],
)
def test_each_path_s_own_fields_bound_its_output(url: str, body: dict[str, Any], tokens: int) -> None:
    """Only what the path's protocol heeds counts: a field of another one would bound nothing."""
    text = json.dumps(body).encode()
    assert upper_bound_usd(RATES, text, 50, url=url) == len(text) + tokens * 1000.0


def test_embeddings_need_no_bound_of_their_output() -> None:
    """They have none, so that their cost is bounded without it."""
    assert upper_bound_usd(RATES, b'{"input":"x"}', None, 5, url=EMBEDDINGS) == 5.0


def test_the_bound_takes_the_dearest_rate() -> None:
    """Input may turn out to be written to a cache, or to be so long that another tier counts."""
    dear = Rates(1.0, 2.0, 10.0, cache_write=3.0, tiers=((100, Rates(4.0, 1.0, 20.0)),))
    assert upper_bound_usd(dear, b'{"max_tokens":1}', None, 100) == 100 * 3.0 + 10.0
    assert upper_bound_usd(dear, b'{"max_tokens":1}', None, 101) == 101 * 4.0 + 20.0


def test_what_cannot_be_read_bounds_nothing() -> None:
    """A body whose counts are no counts has no known most."""
    assert upper_bound_usd(RATES, b'{"generation_config":{"candidate_count":[]}}', 50, url=GENERATE) is None


def test_an_answer_without_any_bound_has_no_known_most() -> None:
    """Where neither the body nor the catalog limits the answer, the most that it can cost is unknown."""
    assert upper_bound_usd(RATES, b'{"n":2}', None) is None


@given(
    text=st.text(max_size=50),
    most=st.integers(1, 10_000),
    n=st.integers(1, 5),
    share=st.floats(0, 1),
    cached=st.floats(0, 1),
)
def test_no_usage_that_fits_its_body_costs_more_than_the_bound(
    text: str, most: int, n: int, share: float, cached: float
) -> None:
    """With at most a token per byte, and at most `n` answers of `max_tokens`, no call costs more than was bounded."""
    rates = Rates(2e-6, 1e-6, 8e-6)
    messages = [{"role": "user", "content": text}]
    body = json.dumps({"messages": messages, "max_tokens": most, "n": n}, ensure_ascii=False).encode()
    used = int(len(body) * share)
    usage = Usage(used, int(n * most * share), int(used * cached))
    bound = upper_bound_usd(rates, body, None)
    assert bound is not None
    assert rates.cost_usd(usage) <= bound * (1 + 1e-12)


def test_prices_need_no_network() -> None:
    """The price library answers with every socket shut."""
    code = """
import socket
def no(*_, **__): raise OSError("no network here")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = no
from providers.catalog import load_catalog
from providers.prices import resolve_rates
assert resolve_rates(load_catalog().provider("openai"), "gpt-4o-mini") is not None
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("url", "body"),
    [
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f-1"}}]}]}),
        (CHAT, {"messages": [], "web_search_options": {}}),
        (RESPONSES, {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://x/y"}]}]}),
        (RESPONSES, {"input": "x", "previous_response_id": "resp_1"}),
        (RESPONSES, {"input": "x", "tools": [{"type": "web_search"}]}),
        (MESSAGES, {"messages": [{"content": [{"type": "image", "source": {"type": "url", "url": "https://x"}}]}]}),
        (MESSAGES, {"messages": [], "speed": "fast"}),
        (GENERATE, {"contents": [{"parts": [{"fileData": {"fileUri": "gs://x"}}]}]}),
        (GENERATE, {"contents": [{"parts": [{"inline_data": {"data": ""}}]}]}),
        (GENERATE, {"contents": [], "cachedContent": "c/1"}),
        (GENERATE, {"contents": [], "generationConfig": {"maxOutputTokens": 1, "max_output_tokens": 9}}),
        (CHAT, {"messages": [], "service_tier": "priority"}),
    ],
)
def test_what_bytes_do_not_bound_has_no_bound(url: str, body: dict[str, Any]) -> None:
    """Files, addresses, tools that fetch, native pictures, faster tiers: no sum of bytes holds for them."""
    assert upper_bound_usd(RATES, json.dumps({"max_tokens": 5, **body}).encode(), None, url=url) is None


def test_words_about_files_are_only_words() -> None:
    """A text, or a tool's schema, that speaks of such things is bounded as any other."""
    words = {"messages": [{"role": "user", "content": '{"type":"file"} "web_search_options": {}'}], "max_tokens": 5}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"file": {"type": "string"}}}}}
    for body in (words, {**words, "tools": [tool]}):
        assert upper_bound_usd(RATES, json.dumps(body).encode(), None) is not None


def test_prices_that_change_with_the_hour_are_reserved_for_at_their_dearest() -> None:
    """A night may begin at half the price: the bound is that of the dearest hour, the cost the dearer of the call's."""
    hours = tuple(Rates(2e-6 if 6 <= hour < 9 else 1e-6, 0.0, 0.0) for hour in range(24))
    rates = msgspec.structs.replace(hours[0], by_hour=hours)
    assert upper_bound_usd(rates, b'{"max_tokens":1}', None, 1000) == pytest.approx(2e-3)
    usage = Usage(1000, 0)
    assert rates.cost_between_usd(usage, 2 * 3600.0, 2 * 3600.0 + 5) == pytest.approx(1e-3)
    assert rates.cost_between_usd(usage, 6 * 3600.0 - 1, 6 * 3600.0 + 5) == pytest.approx(2e-3)
    assert rates.cost_between_usd(usage, 9 * 3600.0 - 1, 86400 + 9 * 3600.0) == pytest.approx(2e-3)


def test_an_hour_in_anthropics_cache_costs_twice_the_input() -> None:
    """Of what was put into a cache, that which is kept for an hour has its own price, under a cap too."""
    rates = resolve_rates(load_catalog().provider("anthropic"), "claude-3-5-sonnet-20241022")
    assert rates is not None
    usage = Usage(1000, 0, 0, 1000, 0, 400)
    assert rates.cost_usd(usage) == pytest.approx((600 * 3.75 + 400 * 6.0) / MILLION)
    body = b'{"max_tokens":1,"messages":[{"content":[{"cache_control":{"type":"ephemeral","ttl":"1h"}}]}]}'
    bound = upper_bound_usd(rates, body, None, 1000, url=MESSAGES)
    assert bound is not None
    assert bound >= 1000 * 6.0 / MILLION
