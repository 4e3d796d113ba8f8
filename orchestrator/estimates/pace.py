"""How long lanes take side by side, and which limit each of them waits for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.estimates.intervals import NOTHING, Interval, longest, total
from providers.provider import Limits

_MINUTE_S = 60.0
_DAY_S = 86_400.0
_OWN_WORK_S = Interval(0.0002, 0.0005, 0.002)  # of one process, for each row: writing, syncing, parsing


@dataclass(frozen=True, slots=True)
class Demand:
    """What a lane asks of its limits. Tokens over all its rows; `output` is None where nobody knows.

    `buckets` are (name, limits); lanes with a bucket of the same name share it.
    """

    rows: int
    input: Interval
    output: Interval | None
    latency_s: Interval
    concurrency: int
    buckets: tuple[tuple[str, Limits], ...] = ()


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a lane takes, None where nobody knows, and the limit that makes it so long.

    `binding` is one of rpm, tpm, input_tpm, output_tpm, rpd, concurrency, latency, this machine; `bucket` says whose
    limit that is, None where it is the lane's own.
    """

    seconds: Interval | None
    binding: str
    bucket: str | None = None


def paces(demands: Sequence[Demand]) -> list[Pace]:
    """One for each lane. A lane takes as long as the slowest of its limits lets it, what others ask of it included."""
    return [_pace(lane, demands) for lane in demands]


def _pace(lane: Demand, demands: Sequence[Demand]) -> Pace:
    found = [_own_latency(lane), Pace(_OWN_WORK_S.times(sum(one.rows for one in demands)), "this machine")]
    for name, limits in lane.buckets:
        sharers = [one for one in demands if any(name == other for other, _ in one.buckets)]
        found += [Pace(seconds, limit, name) for limit, seconds in _bucket_times(limits, sharers)]
    known = [(one, one.seconds) for one in found if one.seconds is not None]
    slowest, _ = max(known, key=lambda pair: pair[1].middle)
    seconds = longest([seconds for _, seconds in known]) if len(known) == len(found) else None
    return Pace(seconds, slowest.binding, slowest.bucket)


def _own_latency(lane: Demand) -> Pace:
    rounds = max(1.0, lane.rows / lane.concurrency)
    return Pace(lane.latency_s.times(rounds), "concurrency" if rounds > 1 else "latency")


def _bucket_times(limits: Limits, lanes: Sequence[Demand]) -> Iterator[tuple[str, Interval | None]]:
    rows = sum(one.rows for one in lanes)
    taken = total(one.input for one in lanes)
    outputs = [one.output for one in lanes]
    given = None if None in outputs else total(one or NOTHING for one in outputs)
    if limits.rpm:
        yield "rpm", Interval.exactly(rows / limits.rpm * _MINUTE_S)
    if limits.tpm:
        yield "tpm", None if given is None else (taken + given).times(_MINUTE_S / limits.tpm)
    if limits.input_tpm:
        yield "input_tpm", taken.times(_MINUTE_S / limits.input_tpm)
    if limits.output_tpm:
        yield "output_tpm", None if given is None else given.times(_MINUTE_S / limits.output_tpm)
    if limits.rpd:
        yield "rpd", Interval.exactly(_days_waited(rows, limits.rpd) * _DAY_S)
    if limits.concurrency:
        in_all = total(one.latency_s.times(one.rows) for one in lanes)
        yield "concurrency", in_all.times(1 / limits.concurrency)


def _days_waited(rows: int, a_day: float) -> int:
    """How often a day's quota is used up before the last row: each day's calls may all go out at once."""
    return max(0, int(-(-rows // a_day)) - 1)
