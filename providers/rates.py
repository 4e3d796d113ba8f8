"""What a token costs in one lane: rates, and the cost of a call by its usage. All amounts are USD."""

from typing import Any

import msgspec

from providers.wire import Usage

_MILLION = 1e6


class Rates(msgspec.Struct, frozen=True):
    """USD per token.

    `cache_write` is that of input where it is None. `as_of` is the day of the price (YYYY-MM-DD) where it is known.
    `tiers` are the rates of long calls, as (tokens, rates), rising: with more input tokens than that, the whole call is
    charged at them. `batch` are the rates of the provider's batch API; None where they are unknown. `long_cache_write`
    is input that a cache keeps for an hour. `by_hour` has 24 rates where they change with the hour of the day, UTC.
    """

    input: float
    cached_input: float
    output: float
    source: str = "catalog"
    cache_write: float | None = None
    as_of: str | None = None
    tiers: "tuple[tuple[int, Rates], ...]" = ()
    batch: "Rates | None" = None
    long_cache_write: float | None = None
    by_hour: "tuple[Rates, ...]" = ()

    def cost_between_usd(self, usage: Usage, first: float, last: float) -> float:
        """What a call from `first` to `last` (seconds since 1970) cost, by the dearer hour: none says which."""
        if not self.by_hour:
            return self.cost_usd(usage)
        return max(self.by_hour[int(at // 3600) % 24].cost_usd(usage) for at in (first, last))

    def cost_usd(self, usage: Usage) -> float:
        """What a call with this usage cost. More cached than there was of input is charged as told, never below 0."""
        rates = self.at(usage.input_tokens) if self.tiers else self
        cached, written = usage.cached_tokens, usage.cache_write_tokens
        cost = cached * rates.cached_input + usage.output_tokens * rates.output
        fresh = usage.input_tokens - cached - written
        if fresh > 0:
            cost += fresh * rates.input
        if written:
            kept = usage.long_cache_write_tokens
            cost += (written - kept) * rates.written + kept * rates.long_written
        return cost

    def at(self, input_tokens: int) -> "Rates":
        """The rates of a call with so much input."""
        found = self
        for above, rates in self.tiers:
            if input_tokens > above:
                found = rates
        return found

    @property
    def written(self) -> float:
        """Input that is put into a cache."""
        return self.input if self.cache_write is None else self.cache_write

    @property
    def long_written(self) -> float:
        """Input that is put into a cache for an hour."""
        return self.written if self.long_cache_write is None else self.long_cache_write

    @property
    def dearest_input(self) -> float:
        """Input, whatever a cache makes of it."""
        return max(self.input, self.cached_input, self.written)

    def scaled(self, factor: float, source: str) -> "Rates":
        """All rates times `factor`, which come from `source`."""
        return msgspec.structs.replace(
            self,
            input=self.input * factor,
            cached_input=self.cached_input * factor,
            output=self.output * factor,
            cache_write=None if self.cache_write is None else self.cache_write * factor,
            long_cache_write=None if self.long_cache_write is None else self.long_cache_write * factor,
            tiers=tuple((above, rates.scaled(factor, source)) for above, rates in self.tiers),
            by_hour=tuple(rates.scaled(factor, source) for rates in self.by_hour),
            source=source,
            batch=None,
        )

    def per_million(self) -> dict[str, Any]:
        """As people quote them: USD per million tokens, with their source and, where known, their day.

        `batch_*` are there where the batch API's are known, `above_N_tokens` for the rates of long calls.
        """
        shown: dict[str, Any] = self._quoted("")
        if self.batch is not None:
            shown |= self.batch._quoted("batch_")
            shown["batch_source"] = self.batch.source
        shown |= {f"above_{above}_tokens": rates._quoted("") for above, rates in self.tiers}
        if self.by_hour:
            shown["by_hour_utc"] = [rates._quoted("") for rates in self.by_hour]
        shown["source"] = self.source
        return shown if self.as_of is None else {**shown, "as_of": self.as_of}

    def _quoted(self, prefix: str) -> dict[str, float]:
        rates = (self.input, self.cached_input, self.written, self.output)
        names = ("input", "cached_input", "cache_write", "output")
        return {prefix + name: round(rate * _MILLION, 9) for name, rate in zip(names, rates, strict=True)}


FREE = Rates(0.0, 0.0, 0.0, "free")
