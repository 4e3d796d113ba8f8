"""Prices: the catalog's first, the library's next, and an unknown one stays unknown; bounds that hold."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.catalog import load_catalog
from providers.prices import FREE, Rates, resolve_rates, upper_bound_usd
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
    assert str(shown.pop("source")).startswith("genai-prices ")
    assert shown == pytest.approx({"input": input_, "cached_input": cached, "output": output})


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
    expected = {"input": 1.0, "cached_input": 1.0, "output": 3.0, "source": "catalog"}
    assert rates.per_million() == pytest.approx(expected)
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
