"""What a call costs: the rates of a lane, resolved once from the catalog or from the price library (offline).

An unknown price is None all the way through, never 0. All amounts are USD.
"""

from fnmatch import fnmatchcase

import msgspec

from providers.provider import Provider
from providers.wire import Usage

_MILLION = 1e6


class Rates(msgspec.Struct, frozen=True):
    """USD per token."""

    input: float
    cached_input: float
    output: float
    source: str = "catalog"

    def cost_usd(self, usage: Usage) -> float:
        """What a call with this usage cost."""
        fresh = usage.input_tokens - usage.cached_tokens
        return fresh * self.input + usage.cached_tokens * self.cached_input + usage.output_tokens * self.output

    def per_million(self) -> dict[str, float | str]:
        """As people quote them: USD per million tokens."""
        per_token = {"input": self.input, "cached_input": self.cached_input, "output": self.output}
        return {**{name: round(value * _MILLION, 9) for name, value in per_token.items()}, "source": self.source}


FREE = Rates(0.0, 0.0, 0.0, "free")


def resolve_rates(provider: Provider, model: str) -> Rates | None:
    """The rates of a lane; None where neither the catalog nor the price library knows the model."""
    if provider.free:
        return FREE
    for pattern, entry in provider.prices.items():
        if fnmatchcase(model, pattern):
            cached = entry.input if entry.cached_input is None else entry.cached_input
            return Rates(entry.input / _MILLION, cached / _MILLION, entry.output / _MILLION)
    return None if provider.price_id is None else _library_rates(provider.price_id, model)


def _library_rates(price_id: str, model: str) -> Rates | None:
    from genai_prices import Usage as LibraryUsage
    from genai_prices import __version__, calc_price

    def price(input_tokens: int, cached_tokens: int, output_tokens: int) -> float:
        usage = LibraryUsage(input_tokens=input_tokens, cache_read_tokens=cached_tokens, output_tokens=output_tokens)
        return float(calc_price(usage, model, provider_id=price_id).total_price) / 1000

    try:
        return Rates(price(1000, 0, 0), price(1000, 1000, 0), price(0, 0, 1000), f"genai-prices {__version__}")
    except LookupError:
        return None


class _Bounds(msgspec.Struct, frozen=True):
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None


_bounds = msgspec.json.Decoder(_Bounds)


def upper_bound_usd(
    rates: Rates, body: bytes, max_output_tokens: int | None, input_tokens: int | None = None
) -> float | None:
    """What a call with this body can cost at most: a token per input byte, and all the output it may write.

    `max_output_tokens` is the model's own maximum. `input_tokens`, where they are counted, take the place of the bytes.
    None where neither the body nor the model bounds the output.
    """
    if not rates.input and not rates.output:
        return 0.0
    bounds = _bounds.decode(body)
    asked = max(bounds.max_completion_tokens or 0, bounds.max_tokens or 0) or max_output_tokens
    if asked is None:
        return None
    return (len(body) if input_tokens is None else input_tokens) * rates.input + (bounds.n or 1) * asked * rates.output
