"""What a run will take: tokens, money and time of each lane as intervals, from a sample of its rows.

What answers of the run have shown is believed before any guess. Nothing here reads a file or knows the time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from orchestrator.estimates.intervals import Interval, longest, mean_of, ratio_of, spanning, total
from orchestrator.estimates.pace import Demand, Pace, paces
from orchestrator.estimates.row_sample import RowSample
from providers.prices import Rates
from providers.provider import Limits
from providers.tokens import GUESSED_ERROR

ENOUGH_ANSWERS = 5  # fewer say too little to be believed before a guess
GUESSED_LATENCY_S = Interval(0.5, 4.0, 20.0)
SIMULATED_LATENCY_S = Interval(0.045, 0.05, 0.1)

_USUAL_OUTPUT = 300  # tokens of a choice that nothing shortens
_SHORTEST_SHARE = 0.05
_LEAST_ERROR = 0.01
_UNSEEN = Interval(0.25, 1.0, 2.0)  # prompts with answers in them that are yet to come, against their examples
_LATENCY_ERROR = 0.1  # between one hour and the next


@dataclass(frozen=True, slots=True)
class AnswerFacts:
    """One answer of the run: what was counted of its request before, and what its `usage` says, in tokens."""

    counted: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    latency_s: float | None  # None where nobody measured it: an imported answer


@dataclass(frozen=True, slots=True)
class LaneFacts:
    """What is known of a lane's stage before it is estimated. `sample` holds its rows that want an answer.

    Of those, `expected` will follow from answers. What is said of the lane as such is the same in each of its stages.
    """

    provider: str
    model: str
    sample: RowSample
    concurrency: int
    rates: Rates | None = None  # None where the price is unknown
    buckets: tuple[tuple[str, Limits], ...] = ()
    simulated: bool = False
    answers: Sequence[AnswerFacts] = ()
    stage: str = ""
    expected: int = 0
    online_rates: Rates | None = None  # where rows go either way: those of calls, and `rates` are those of batches

    @property
    def measured(self) -> Sequence[AnswerFacts]:
        """The answers, where they are enough to go by."""
        return self.answers if len(self.answers) >= ENOUGH_ANSWERS else ()

    @property
    def timed(self) -> Sequence[float]:
        """How long answers took, in seconds, where they are enough to go by."""
        found = [answer.latency_s for answer in self.answers if answer.latency_s is not None]
        return found if len(found) >= ENOUGH_ANSWERS else ()


@dataclass(frozen=True, slots=True)
class StageEstimate:
    """What the rows of one stage take of a lane: tokens and USD, None where nobody knows."""

    stage: str
    provider: str
    model: str
    rows: int
    input_tokens: Interval
    output_tokens: Interval | None
    cost_usd: Interval | None


@dataclass(frozen=True, slots=True)
class LaneEstimate:
    """What a lane's rows will take. Tokens and USD over all rows; None where nobody knows. `seconds` from the start.

    `binding` and `bucket` are those of `Pace`; `counted_by` and `output_by` say in words where the tokens come from.
    """

    provider: str
    model: str
    rows: int
    sampled: int
    input_tokens: Interval
    output_tokens: Interval | None
    cost_usd: Interval | None
    seconds: Interval | None
    binding: str
    bucket: str | None
    counted_by: str
    output_by: str
    latency_by: str


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """All lanes together; they run side by side, so the longest says how long. None where one lane's is not known."""

    rows: int
    sampled: int
    input_tokens: Interval
    output_tokens: Interval | None
    cost_usd: Interval | None
    seconds: Interval | None
    lanes: tuple[LaneEstimate, ...]
    stages: tuple[StageEstimate, ...] = ()

    @property
    def slowest(self) -> LaneEstimate | None:
        """The lane that the run waits for."""
        known = [lane for lane in self.lanes if lane.seconds is not None]
        return max(known, key=lambda lane: lane.seconds.middle if lane.seconds else 0.0, default=None)

    def to_json(self) -> dict[str, Any]:
        """`total`, the `lanes`, and the `stages`."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        lanes, stages = document.pop("lanes"), document.pop("stages")
        return {"total": document, "lanes": list(lanes), "stages": list(stages)}


def estimate(stages: Sequence[LaneFacts]) -> RunEstimate:
    """The estimate of a run that has these stages of lanes; a lane's rows share its limits, whatever their stage."""
    each = [_stage_estimate(stage) for stage in stages]
    lanes: dict[tuple[str, str], list[int]] = {}
    for number, stage in enumerate(stages):
        lanes.setdefault((stage.provider, stage.model), []).append(number)
    parts = [([stages[n] for n in numbers], [each[n] for n in numbers]) for numbers in lanes.values()]
    demands = [_demand(facts, found) for facts, found in parts]
    found = [
        _lane_estimate(facts, found, demand, pace)
        for (facts, found), demand, pace in zip(parts, demands, paces(demands), strict=True)
    ]
    return _run_estimate(tuple(found), tuple(each))


def _stage_estimate(stage: LaneFacts) -> StageEstimate:
    taken, given = estimate_input(stage), estimate_output(stage)
    cost = _cost(stage, taken, given)
    rows = stage.sample.rows
    return StageEstimate(stage.stage, stage.provider, stage.model, rows, taken, given, cost)


def _demand(stages: Sequence[LaneFacts], found: Sequence[StageEstimate]) -> Demand:
    """What a lane's stages ask of its limits together; a call takes as long as it does on average over their rows."""
    rows = sum(one.rows for one in found)
    shares = [one.rows / rows if rows else 1 / len(found) for one in found]
    latency = total(_latency(stage).times(share) for stage, share in zip(stages, shares, strict=True))
    taken, given = total(one.input_tokens for one in found), _total_known([one.output_tokens for one in found])
    return Demand(rows, taken, given, latency, stages[0].concurrency, stages[0].buckets)


def _total_known(intervals: Sequence[Interval | None]) -> Interval | None:
    """The sum; None where one of them is not known."""
    known = [one for one in intervals if one is not None]
    return total(known) if len(known) == len(intervals) else None


def _lane_estimate(
    stages: Sequence[LaneFacts], found: Sequence[StageEstimate], demand: Demand, pace: Pace
) -> LaneEstimate:
    cost = _total_known([one.cost_usd for one in found])
    return LaneEstimate(
        provider=stages[0].provider,
        model=stages[0].model,
        rows=demand.rows,
        sampled=sum(len(stage.sample.facts) for stage in stages),
        input_tokens=demand.input.rounded(),
        output_tokens=None if demand.output is None else demand.output.rounded(),
        cost_usd=None if cost is None else cost.rounded(9),
        seconds=None if pace.seconds is None else pace.seconds.rounded(3),
        binding=pace.binding,
        bucket=pace.bucket,
        counted_by=_all_of(map(_counted_by, stages)),
        output_by=_all_of(_output_by(stage, one.output_tokens) for stage, one in zip(stages, found, strict=True)),
        latency_by=_latency_by(stages, demand.latency_s),
    )


def _all_of(said: Iterable[str]) -> str:
    return " / ".join(dict.fromkeys(said))


def _run_estimate(lanes: tuple[LaneEstimate, ...], stages: tuple[StageEstimate, ...]) -> RunEstimate:
    outputs, costs = _total_known([x.output_tokens for x in lanes]), _total_known([x.cost_usd for x in lanes])
    times = [lane.seconds for lane in lanes if lane.seconds is not None]
    return RunEstimate(
        rows=sum(lane.rows for lane in lanes),
        sampled=sum(lane.sampled for lane in lanes),
        input_tokens=total(lane.input_tokens for lane in lanes).rounded(),
        output_tokens=None if outputs is None else outputs.rounded(),
        cost_usd=None if costs is None else costs.rounded(9),
        seconds=longest(times) if len(times) == len(lanes) else None,
        lanes=lanes,
        stages=tuple(_rounded(one) for one in stages),
    )


def _rounded(stage: StageEstimate) -> StageEstimate:
    return replace(
        stage,
        input_tokens=stage.input_tokens.rounded(),
        output_tokens=None if stage.output_tokens is None else stage.output_tokens.rounded(),
        cost_usd=None if stage.cost_usd is None else stage.cost_usd.rounded(9),
    )


# Input


def estimate_input(lane: LaneFacts) -> Interval:
    """Input tokens of all rows: counted in the sample, times what `usage` of earlier answers was to such a count.

    Without enough answers a count by a model's own vocabulary stands as it is, one by bytes give or take 25 %. What
    rows that follow from answers will hold is not known: a quarter to twice as much as their examples.
    """
    sample = lane.sample
    counted = sample.whole([one.counted.tokens for one in sample.facts])
    unsure = sample.whole([one.counted.unsure for one in sample.facts])
    ratio, error = _ratio(lane)
    if lane.measured:
        unsure = Interval.exactly(0.0)  # what was unsure in a count is in the ratio's error
    found = counted.give_or_take(unsure.middle).times(Interval(ratio * (1 - error), ratio, ratio * (1 + error)))
    share = lane.expected / sample.rows if sample.rows else 0.0
    return found.times(Interval.exactly(1 - share) + _UNSEEN.times(share))


def _ratio(lane: LaneFacts) -> tuple[float, float]:
    """(tokens billed for each one counted, its relative error)."""
    measured = lane.measured
    if measured:
        ratio, error = ratio_of([x.input_tokens for x in measured], [x.counted for x in measured], _LEAST_ERROR)
        return ratio, min(error, 1.0)
    return 1.0, 0.0 if lane.sample.encoding is not None else GUESSED_ERROR


def _counted_by(lane: LaneFacts) -> str:
    ratio, error = _ratio(lane)
    facts = lane.sample.facts
    pictures = sum(one.counted.media > 0 for one in facts)
    notes = [f"from {len(lane.measured):,} answers"] if lane.measured else []
    if lane.sample.encoding is None and not lane.measured:
        notes.append("a guess")
    if lane.expected:
        notes.append(f"{lane.expected:,} rows by examples")
    if pictures:
        share = sum(one.counted.media_tokens for one in facts) / sum(one.counted.media for one in facts)
        notes.append(f"{pictures / len(facts):.0%} of rows with pictures or the like, {share:,.0f} tokens each")
    return "; ".join([_method(lane, ratio, error), *notes])


def _method(lane: LaneFacts, ratio: float, error: float) -> str:
    percent = f"+-{max(error * 100, 1):.0f} %"
    if lane.sample.encoding is not None:
        return f"tiktoken {lane.sample.encoding}" + (f" x {ratio:.2f}, {percent}" if lane.measured else "")
    text = sum(one.counted.text_bytes for one in lane.sample.facts)
    words = sum(one.counted.tokens - one.counted.media_tokens for one in lane.sample.facts)
    a_byte = ratio * words / text if text else 0.0
    return f"ratio {a_byte:.2f} tokens a byte, {percent}"


# Output


def estimate_output(lane: LaneFacts) -> Interval | None:
    """Output tokens of all rows; None where neither answers nor a longest answer say anything.

    With enough answers: their mean and its error, within what the rows may write at most. Else, for each choice of a
    row: at most `max_tokens`, or the model's longest answer; half of that as the middle, but no more than 300 tokens;
    and as the least a twentieth of it, or of 300 where it is longer.
    """
    facts, rows = lane.sample.facts, lane.sample.rows
    mosts = [one.most_output for one in facts]
    most = None if None in mosts else lane.sample.per_row([one or 0 for one in mosts]).high
    if lane.measured:
        measured = mean_of([x.output_tokens for x in lane.measured], rows).times(rows)
        return measured if most is None else Interval(*(min(most, x) for x in _ends(measured)))
    if most is None:
        return None
    guesses = [_guess(one.choices, (one.most_output or 0) / one.choices) for one in facts]
    least = lane.sample.per_row([one.low for one in guesses]).low
    middle = lane.sample.per_row([one.middle for one in guesses]).middle
    return Interval(min(least, middle), middle, max(most, middle))


def _ends(interval: Interval) -> tuple[float, float, float]:
    return interval.low, interval.middle, interval.high


def _guess(choices: int, most: float) -> Interval:
    usual = min(most, _USUAL_OUTPUT)
    low = min(most, max(1.0, _SHORTEST_SHARE * usual))
    return Interval(low, max(low, min(most / 2, _USUAL_OUTPUT)), most).times(choices)


def _output_by(lane: LaneFacts, output: Interval | None) -> str:
    if lane.measured:
        return f"from {len(lane.measured):,} answers"
    if output is None:
        return "unknown: set max_tokens, or max_output_tokens in the catalog's facts"
    return "a guess within max_tokens"


# Time and money


def _latency(lane: LaneFacts) -> Interval:
    if not lane.timed:
        return SIMULATED_LATENCY_S if lane.simulated else GUESSED_LATENCY_S
    mean = mean_of(lane.timed, lane.sample.rows)
    return mean.give_or_take(_LATENCY_ERROR * mean.middle)


def _latency_by(stages: Sequence[LaneFacts], found: Interval) -> str:
    answers = sum(len(stage.timed) for stage in stages)
    source = f"from {answers:,} answers" if answers else "a guess"
    return f"{found.low:.3g} to {found.high:.3g} s a call, {source}"


def _cost(lane: LaneFacts, taken: Interval, given: Interval | None) -> Interval | None:
    """USD; None where the price is unknown, or the output and it is not free."""
    cost = None if lane.rates is None else cost_at(lane.rates, lane, taken, given)
    if cost is None or lane.online_rates is None:
        return cost
    online = cost_at(lane.online_rates, lane, taken, given)
    return None if online is None else spanning(cost, online)


def cost_at(rates: Rates, lane: LaneFacts, taken: Interval, given: Interval | None) -> Interval | None:
    """USD at these rates, with as much read from a cache as in earlier answers; None where the output is not known."""
    if given is None and rates.output:
        return None
    measured = sum(x.input_tokens for x in lane.measured)
    cached = sum(x.cached_tokens for x in lane.measured) / measured if measured else 0.0
    cost = taken.times(cached * rates.cached_input + (1 - cached) * rates.input)
    return cost if given is None else cost + given.times(rates.output)
