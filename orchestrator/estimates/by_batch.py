"""What lanes would take by their providers' batch APIs: money, batches and time at most, or why they cannot go so."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from orchestrator.batching.via import Via
from orchestrator.estimates.estimate import LaneFacts, RunEstimate, StageEstimate, cost_at
from orchestrator.estimates.intervals import Interval, longest, spanning, total
from providers.batches.clients import has_batches
from providers.prices import Rates
from providers.provider import Provider

NO_API = "no batch API that is spoken here"
NO_PRICE = "the price of its batches is unknown"

_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class ByBatch:
    """A lane by batch. `usd` and `most_usd` are None where the price, or the longest answer, is not known.

    `hours` is how long it takes at most. `missing` says what keeps the rest from being known; where the provider has no
    batch API, all else is None.
    """

    usd: Interval | None = None
    most_usd: float | None = None
    hours: float | None = None
    batches: int | None = None
    missing: str | None = None

    @property
    def goes(self) -> bool:
        """Whether the lane's rows can go by batch."""
        return self.hours is not None


@dataclass(frozen=True, slots=True)
class AllByBatch:
    """The whole run: what can go by batch, and the rest online. `usd` is None where a part of it is not known.

    `rows` go by batch, within `hours`: and again so long for each step that follows from answers (`steps`: there are
    some). `online_rows` cannot.
    """

    usd: Interval | None
    hours: float
    rows: int
    online_rows: int
    steps: bool


def batch_rates(provider: Provider, rates: Rates | None) -> Rates | None:
    """The rates of a lane by batch, of those online; None where they are unknown or the provider has no batches."""
    if rates is None or not has_batches(provider):
        return None
    return rates if provider.free else rates.batch


def priced_via(via: Via, facts: LaneFacts, provider: Provider) -> LaneFacts:
    """The facts of a stage with the rates of the way that its rows go; of both ways by `auto`."""
    if not via.batches or not has_batches(provider):
        return facts
    rates = batch_rates(provider, facts.rates)
    return replace(facts, rates=rates, online_rates=facts.rates if via is Via.AUTO else None)


def lane_by_batch(
    provider: Provider,
    stages: Sequence[tuple[LaneFacts, StageEstimate]],
    line_bytes: int,
    most_usd: float | None,
) -> ByBatch:
    """A lane with these stages. `line_bytes` are those of all its lines, `most_usd` what they cost at most by batch."""
    api = provider.batch
    if api is None or not has_batches(provider):
        return ByBatch(missing=NO_API)
    rows = sum(found.rows for _, found in stages)
    shards = max(math.ceil(rows / api.max_rows), math.ceil(line_bytes / api.max_bytes))
    taken = sum(found.input_tokens.high for _, found in stages)
    turns = 1 if api.queued_tokens is None else max(1, math.ceil(taken / api.queued_tokens))
    rates = batch_rates(provider, stages[0][0].rates)
    costs = [None if rates is None else stage_usd(facts, found, rates) for facts, found in stages]
    return ByBatch(
        usd=_all_known(costs),
        most_usd=most_usd,
        hours=api.hours * turns,
        batches=shards,
        missing=NO_PRICE if rates is None else None,
    )


def stage_usd(facts: LaneFacts, found: StageEstimate, rates: Rates) -> Interval | None:
    """What a stage costs at these rates."""
    return cost_at(rates, facts, found.input_tokens, found.output_tokens)


def all_by_batch(found: RunEstimate, lanes: Sequence[ByBatch], *, steps: bool) -> AllByBatch | None:
    """All lanes together, in the order of the estimate's; None where none of them can go by batch."""
    pairs = list(zip(found.lanes, lanes, strict=True))
    going = [(lane.rows, way.hours) for lane, way in pairs if way.hours is not None]
    if not going:
        return None
    rows = sum(count for count, _ in going)
    costs = [way.usd if way.goes else lane.cost_usd for lane, way in pairs]
    return AllByBatch(
        usd=_all_known(costs),
        hours=max(hours for _, hours in going),
        rows=rows,
        online_rows=found.rows - rows,
        steps=steps,
    )


def costs_of(via: Via, online: Iterable[Interval | None], batch: Iterable[Interval | None]) -> list[Interval | None]:
    """What parts of a run cost that way, each of them None where that is not known; `auto` is between the two."""
    if via is Via.ONLINE:
        return list(online)
    if via is Via.BATCH:
        return list(batch)
    pairs = zip(online, batch, strict=True)
    return [None if one is None or other is None else spanning(one, other) for one, other in pairs]


def seconds_of(via: Via, found: RunEstimate, lanes: Sequence[ByBatch], *, steps: bool) -> Interval | None:
    """How long a run takes that way; None where nobody knows.

    A batch may be back at once, and takes its hours at most: but for each step that follows from answers, and how many
    those are nobody knows. By `auto` it is whichever is over first, as what is late goes online.
    """
    if via is Via.ONLINE or not any(way.goes for way in lanes):
        return found.seconds
    online = found.seconds
    by_batch = _seconds_by_batch(found, lanes, steps)
    if via is Via.BATCH or online is None or by_batch is None:
        return by_batch if via is Via.BATCH or online is None else online
    return Interval(*(min(getattr(online, end), getattr(by_batch, end)) for end in ("low", "middle", "high")))


def _seconds_by_batch(found: RunEstimate, lanes: Sequence[ByBatch], steps: bool) -> Interval | None:
    pairs = zip(found.lanes, lanes, strict=True)
    times = [lane.seconds if way.hours is None else _within(way.hours, steps) for lane, way in pairs]
    known = [time for time in times if time is not None]
    return longest(known) if len(known) == len(times) else None


def _within(hours: float, steps: bool) -> Interval:
    return Interval(0.0, hours * _HOUR_S, math.inf if steps else hours * _HOUR_S)


def _all_known(costs: Sequence[Interval | None]) -> Interval | None:
    known = [cost for cost in costs if cost is not None]
    return total(known).rounded(9) if len(known) == len(costs) else None
