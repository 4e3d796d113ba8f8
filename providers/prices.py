"""What a call costs: the rates of a lane, resolved once from the catalog or from the price library (offline).

An unknown price is None all the way through, never 0. All amounts are USD.
"""

import re
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from providers.cost_bounds import upper_bound_usd
from providers.provider import PriceEntry, Provider
from providers.rates import FREE, Rates

__all__ = ["FREE", "Rates", "price_line", "resolve_rates", "upper_bound_usd"]

_MILLION = 1e6
_LONG_CACHE_WRITE = 2.0  # times fresh input: what Anthropic charges for an hour in its cache
_PROBE = 1000  # tokens; few enough for the price of a short call
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_WILD = re.compile(r"([*?[])")


def resolve_rates(provider: Provider, model: str, *, batch: bool = False, at: datetime | None = None) -> Rates | None:
    """The rates of a lane; None where neither the catalog nor the price library knows the model.

    `batch`: those of the provider's batch API, which may be unknown where the others are known: the catalog's
    `batch_*`, else the library's where they differ from the standard ones, else by the provider's `batch_discount`.
    `at` is the time of the call, for prices that change with it; by default now.
    """
    rates = _standard(provider, model, at)
    return rates.batch if batch and rates is not None and not provider.free else rates


def price_line(provider_name: str, model: str) -> str:
    """The line of TOML that makes a price known, and the table for it; whoever adds it puts the two prices in."""
    key = provider_name if _BARE_KEY.fullmatch(provider_name) else _quoted(provider_name)
    pattern = _quoted(_WILD.sub(r"[\1]", model))
    return f"prices.{pattern} = {{ input = USD_PER_MILLION, output = USD_PER_MILLION }} under [providers.{key}]"


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007F")


def _standard(provider: Provider, model: str, at: datetime | None) -> Rates | None:
    if provider.free:
        return FREE
    for pattern, entry in provider.prices.items():
        if fnmatchcase(model, pattern):
            return _catalog_rates(entry, provider.batch_discount)
    return None if provider.price_id is None else _library_rates(provider, provider.price_id, model, at)


def _catalog_rates(entry: PriceEntry, discount: float | None) -> Rates:
    cached = entry.input if entry.cached_input is None else entry.cached_input
    written = None if entry.cache_write is None else entry.cache_write / _MILLION
    source = entry.source or "catalog"
    rates = Rates(entry.input / _MILLION, cached / _MILLION, entry.output / _MILLION, source, written, entry.as_of)
    if entry.batch_input is None or entry.batch_output is None:
        return _with_discount(rates, discount)
    cached = entry.batch_input if entry.batch_cached_input is None else entry.batch_cached_input
    batch = Rates(entry.batch_input / _MILLION, cached / _MILLION, entry.batch_output / _MILLION, source)
    return msgspec.structs.replace(rates, batch=batch)


def _with_discount(rates: Rates, discount: float | None) -> Rates:
    if discount is None:
        return rates
    return msgspec.structs.replace(rates, batch=rates.scaled(1 - discount, f"{discount:.0%} off {rates.source}"))


def _library_rates(provider: Provider, price_id: str, model: str, at: datetime | None) -> Rates | None:
    now = at or datetime.now(UTC)
    try:
        rates = _with_hours(_from_library(price_id, model, now, None), price_id, model, now)
        batch = _from_library(price_id, model, now, {"processing": "batch"})
    except LookupError:
        return None
    if (batch.input, batch.output) == (rates.input, rates.output):  # so it answers where it knows no others
        return _with_discount(rates, provider.batch_discount)
    return msgspec.structs.replace(rates, batch=batch)


def _with_hours(rates: Rates, price_id: str, model: str, day: datetime) -> Rates:
    """The rates, with those of every hour where the library's change over the day. Raises LookupError."""
    from genai_prices import Usage, calc_price

    def probe(hour: int) -> Any:
        usage = Usage(input_tokens=_PROBE, output_tokens=_PROBE)
        at = day.astimezone(UTC).replace(hour=hour, minute=30)
        return calc_price(usage, model, provider_id=price_id, genai_request_timestamp=at).total_price

    if len({probe(hour) for hour in range(24)}) == 1:
        return rates
    hours = [day.astimezone(UTC).replace(hour=hour, minute=30) for hour in range(24)]
    return msgspec.structs.replace(rates, by_hour=tuple(_from_library(price_id, model, at, None) for at in hours))


def _from_library(price_id: str, model: str, at: datetime, context: dict[str, str] | None) -> Rates:
    """Raises LookupError where the library does not know the model."""
    from genai_prices import Usage, __version__, calc_price

    source = f"genai-prices {__version__}"

    def calc(**tokens: int) -> Any:
        return calc_price(
            Usage(**tokens), model, provider_id=price_id, genai_request_timestamp=at, price_context=context
        )

    def rates(input_tokens: int) -> Rates:
        fresh, read, written = (
            float(calc(input_tokens=input_tokens, **tokens).input_price) / input_tokens
            for tokens in ({}, {"cache_read_tokens": input_tokens}, {"cache_write_tokens": input_tokens})
        )
        output = float(calc(input_tokens=input_tokens, output_tokens=_PROBE).output_price) / _PROBE
        long_written = _LONG_CACHE_WRITE * fresh if price_id == "anthropic" else None
        return Rates(fresh, read, output, source, written, long_cache_write=long_written)

    tiers = _thresholds(calc(input_tokens=_PROBE).model_price)
    return msgspec.structs.replace(rates(_PROBE), tiers=tuple((above, rates(above + 1)) for above in tiers))


def _thresholds(model_price: Any) -> list[int]:
    """The numbers of input tokens above which the library's prices are others."""
    return sorted({tier.start for price in vars(model_price).values() for tier in getattr(price, "tiers", ())})
