"""The limits of one lane: which gates it passes, and what it makes of answers and refusals."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.limits.bucket import TokenGate
from orchestrator.limits.concurrency import START, AdaptiveConcurrency
from orchestrator.limits.cooldown import Cooldown
from orchestrator.limits.daily import DailyGate
from orchestrator.limits.gate import Gate, Waiter
from orchestrator.limits.learned import LearnedRate
from orchestrator.limits.live import LiveLimit
from orchestrator.limits.pacer import MARGIN, MOST_RPM, Pacer
from orchestrator.limits.ratio import TokenRatio, Tokens
from orchestrator.limits.slots import Slots
from providers.rate_headers import Resource, read_rate_headers
from providers.wire import Usage

_READ_EVERY_S = 0.05
_LOOK_AGAIN = 32  # answers after which headers are looked for anew, where there were none
_NOTABLE = 0.005  # a pace that changes by less is left alone
_EVENT = 0.1  # a limit that changes by less is not logged
_LOW = 0.2

OnEvent = Callable[[str, Mapping[str, object]], None]


@dataclass(frozen=True, slots=True)
class Told:
    """The gates that were told beforehand; lanes of one provider share them."""

    pacers: tuple[Pacer, ...] = ()
    tokens: tuple[TokenGate, ...] = ()
    slots: tuple[Slots, ...] = ()
    daily: tuple[DailyGate, ...] = ()

    @property
    def any(self) -> bool:
        return bool(self.pacers or self.tokens or self.slots)

    def per_minute(self, resource: str) -> float | None:
        """The least that was told of this resource."""
        if resource == Resource.REQUESTS:
            return min((pacer.rpm / MARGIN for pacer in self.pacers), default=None)
        return min((gate.per_minute / MARGIN for gate in self.tokens if gate.resource == resource), default=None)


class LaneLimits:
    """Asked before each call (`admits`, `enter`) and told after it (`answered`, `refused`, `failed`)."""

    def __init__(
        self,
        told: Told,
        most_in_flight: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        draw: random.Random | None = None,
        on_event: OnEvent | None = None,
    ) -> None:
        self.told = told
        self._on_event = on_event
        self.cooldown = Cooldown(draw)
        self.concurrency = AdaptiveConcurrency(most_in_flight, most_in_flight if told.any else START)
        self.ratio = TokenRatio()
        self.learned = LearnedRate(clock())
        self.live: dict[str, LiveLimit] = {}
        self._clock = clock
        self._pacer: Pacer | None = None
        self._tokens: dict[str, TokenGate] = {}
        self._gates: tuple[Gate, ...] = ()
        self._counting: tuple[TokenGate, ...] = ()
        self._others: tuple[Gate, ...] = ()  # those that count calls
        self._expected: dict[int, tuple[int, Tokens]] = {}
        self._queued: Gate | None = None
        self._next_read = 0.0
        self._unread = 0
        self._logged: dict[str, float] = {}
        self._rebuild()

    # Before a call

    def admits(self, waiter: Waiter, now: float) -> bool:
        """Whether the lane's next call may go now. Where a gate is closed, the lane is woken when it opens."""
        if not self.cooldown.is_over(now):
            self.withdraw(waiter, now)  # or the lanes behind it at a shared gate would wait for it
            return False
        for gate in self._gates:
            if not gate.admits(waiter, now):
                if self._queued is not None and self._queued is not gate:
                    self._queued.withdraw(waiter, now)
                self._queued = gate
                return False
        return True

    def enter(self, waiter: Waiter, row: int, size: int, now: float) -> None:
        """The call of this row, whose line has so many bytes, goes out."""
        self.cooldown.sent(now)
        self.learned.sent()
        if not self._gates:
            return
        self._queued = None
        if self._counting:
            tokens = self.ratio.expect(size)
            self._expected[row] = (size, tokens)
            for counting in self._counting:
                counting.enter(waiter, now, tokens[counting.place])
        for gate in self._others:
            gate.enter(waiter, now, 1.0)

    def withdraw(self, waiter: Waiter, now: float) -> None:
        """The lane wants nothing just now."""
        if self._queued is not None:
            self._queued.withdraw(waiter, now)
            self._queued = None

    @property
    def gated(self) -> bool:
        """Whether there is any gate to pass."""
        return bool(self._gates)

    def daily_wait_s(self) -> float:
        """Seconds until the day's requests allow one more."""
        return max((gate.wait_s() for gate in self.told.daily), default=0.0)

    # After a call

    def left(self) -> None:
        """A call is over, however it ended."""
        for slots in self.told.slots:
            slots.leave(self._clock())

    def answered(
        self, row: int, sent: float, now: float, usage: Usage | None, headers: Mapping[str, str], in_flight: int
    ) -> None:
        """A call of the row that went out at `sent` was answered."""
        self.cooldown.accepted(sent)
        self.concurrency.answered(in_flight, now)
        if self._expected and (expected := self._expected.pop(row, None)) is not None and usage is not None:
            self._settle(expected, usage)
        if now >= self._next_read:
            self._read(headers, now)

    def refused(
        self, row: int, sent: float, now: float, retry_after_s: float | None, headers: Mapping[str, str], in_flight: int
    ) -> None:
        """A call was refused for speed."""
        self._give_back(row, unbilled=True)
        self._unread = 0
        self._read(headers, now)
        self.learned.refused()
        resumed = self.cooldown.until
        if not self.cooldown.refused(sent, now, retry_after_s):
            return
        if self.live:
            self._cut_share()
        else:
            self._blame_us(now, resumed, in_flight)
        self._pace(now)
        wait_s = round(self.cooldown.until - now, 3)
        self._tell("cooldown", {"wait_s": wait_s, "in_a_row": self.cooldown.in_a_row})

    def failed(self, row: int, sent: float, *, unbilled: bool, let_in: bool) -> None:
        """A call of the row, sent then, ended without an answer; `let_in`: it was looked at, and refused for itself."""
        if let_in:
            self.cooldown.accepted(sent)
        else:
            self.cooldown.given_back(sent)
        self._give_back(row, unbilled=unbilled)

    def outage(self, now: float, until: float) -> None:
        """Nothing comes back: rest until then, and try with a single call."""
        self.cooldown.outage(now, until)
        self._tell("outage", {"wait_s": round(until - now, 3)})

    def _give_back(self, row: int, *, unbilled: bool) -> None:
        """What a call was taken to need is given back where nobody counts it."""
        if self._expected and (expected := self._expected.pop(row, None)) is not None and unbilled:
            for gate in self._counting:
                gate.settle(-expected[1][gate.place])

    def close(self) -> None:
        """Wake nobody any more."""
        for gate in self._gates:
            gate.close()

    def note(self, now: float) -> str:
        """What a watcher should know."""
        wait_s = self.cooldown.until - now
        if wait_s > 0:
            return f"cooling down {wait_s:.0f} s"
        gate = self._queued
        if gate is None:
            return ""
        opens_s = gate.opens_in_s(now)
        return f"waits for {gate.label}" + (f" (opens in {opens_s:,.0f} s)" if opens_s >= 1 else "")

    def in_force(self) -> list[str]:
        """The limits that hold now, in words: those that were told, then those of headers and refusals."""
        rates = [(pacer.label, pacer.rpm / MARGIN) for pacer in self.told.pacers]
        rates += [(gate.label, gate.per_minute / MARGIN) for gate in self.told.tokens]
        rates += [(slots.label, slots.limit) for slots in self.told.slots]
        rates += [(daily.label, daily.count.limit) for daily in self.told.daily]
        rates += [(gate.label, gate.per_minute) for gate in self._tokens.values()]
        rates += [] if self._pacer is None else [(self._pacer.label, self._pacer.rpm)]
        found = [f"{label}: {value:,.1f}".removesuffix(".0") for label, value in rates]
        return [*found, f"in flight: {int(self.concurrency.allowed):,}"]

    # What was learned

    def _settle(self, expected: tuple[int, Tokens], usage: Usage) -> None:
        size, tokens = expected
        self.ratio.note(size, usage)
        actual = (usage.input_tokens + usage.output_tokens, usage.input_tokens, usage.output_tokens)
        for gate in self._counting:
            gate.settle(actual[gate.place] - tokens[gate.place])

    def _read(self, headers: Mapping[str, str], now: float) -> None:
        self._next_read = now + _READ_EVERY_S
        if self._unread <= 0:
            readings = read_rate_headers(headers, time.time())
            for reading in readings:
                self.live.setdefault(reading.resource, LiveLimit()).read(reading, now)
            self._unread = 0 if readings else _LOOK_AGAIN
            if readings:
                self.concurrency.trust()  # the pace is known from now on, and is what limits us
        self._unread -= 1
        self._pace(now)

    def _blame_us(self, now: float, resumed: float, in_flight: int) -> None:
        """The first refusal is put down to the pace alone: a full start says little about how many may be in flight."""
        if self._pacer is not None:
            self.concurrency.episode(in_flight, now)
        self.learned.episode(now, resumed, paced=self.told.any)

    def _cut_share(self) -> None:
        """The resource of which little is left takes the blame; where none is short, all do."""
        short = [live for live in self.live.values() if live.fullness < _LOW]
        for live in short or self.live.values():
            live.refused()

    def _pace(self, now: float) -> None:
        """Set our own gates to what was learned, where that is below what was told."""
        for resource, live in self.live.items():
            if resource != Resource.REQUESTS and live.per_second is not None:
                self._pace_tokens(resource, live.per_second * 60)
        requests = self.live.get(Resource.REQUESTS)
        if requests is not None:
            rate = requests.per_second
        elif self.live:
            rate = None
        else:
            rate = self.learned.grow(now, used=self._pacer is not None and self._queued is self._pacer)
        if rate is not None:
            self._pace_requests(rate * 60, "header" if requests is not None else "learned")

    def _pace_requests(self, rpm: float, source: str) -> None:
        rpm = min(rpm, MOST_RPM)
        if self._pacer is None:
            if _is_above(rpm, self.told.per_minute(Resource.REQUESTS)):
                return
            self._pacer = Pacer(rpm, self._clock)
            self._pacer.label = f"rpm, as {'headers tell it' if source == 'header' else 'refusals taught it'}"
            self._rebuild()
        elif _differs(rpm, self._pacer.rpm):
            self._pacer.set_rate(rpm)
        self._log(Resource.REQUESTS, rpm, source)

    def _pace_tokens(self, resource: str, per_minute: float) -> None:
        gate = self._tokens.get(resource)
        if gate is None:
            if _is_above(per_minute, self.told.per_minute(resource)):
                return
            gate = self._tokens[resource] = TokenGate(resource, per_minute, self._clock)
            gate.label = f"{resource.replace('_', ' ')} a minute, as headers tell it"
            self._rebuild()
        elif _differs(per_minute, gate.per_minute):
            gate.set_rate(per_minute)
        self._log(resource, per_minute, "header")

    def _rebuild(self) -> None:
        own = () if self._pacer is None else (self._pacer,)
        self._counting = (*self.told.tokens, *self._tokens.values())
        self._others = (*self.told.daily, *self.told.slots, *self.told.pacers, *own)
        # Those that may be closed for longest come first; permits are taken last, when all else is open.
        self._gates = (*self.told.daily, *self.told.slots, *self._counting, *self.told.pacers, *own)

    def _log(self, resource: str, per_minute: float, source: str) -> None:
        before = self._logged.get(resource)
        if before is None or abs(per_minute - before) > _EVENT * before:
            self._logged[resource] = per_minute
            fields = {"resource": resource, "per_minute": round(per_minute, 2), "source": source}
            self._tell("limit_learned", fields)

    def _tell(self, name: str, fields: Mapping[str, object]) -> None:
        if self._on_event is not None:
            self._on_event(name, fields)


def _is_above(rate: float, told: float | None) -> bool:
    return told is not None and rate >= told * MARGIN * MARGIN


def _differs(rate: float, before: float) -> bool:
    return abs(rate - before) > _NOTABLE * before
