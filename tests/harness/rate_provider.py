"""A provider that limits, in virtual time: the simulator's buckets or windows that begin anew, storms, odd refusals."""

import math
import random
from collections.abc import Callable
from typing import Protocol

from providers.simulator.limits import Limits, Refusal, reset_text, retry_headers
from providers.simulator.settings import SimulatorSettings
from providers.wire import Billing, Failure, FailureKind
from tests.harness.rate_case import Case, Seen


class Limiter(Protocol):
    """What lets calls in."""

    def admit(self, prompt_tokens: int, now: float) -> Refusal | None: ...

    def charge(self, completion_tokens: int, now: float) -> None: ...

    def headers(self, now: float) -> dict[str, str]: ...


class Windows:
    """Limits that are counted from 0 in each window; what is asked for must fit what is left of both."""

    def __init__(self, case: Case, factor: float, start: float) -> None:
        assert case.window_s is not None
        self._window_s, self._start = case.window_s, start
        given = {"requests": case.rpm, "tokens": case.tpm}
        self._limits = {name: limit * factor for name, limit in given.items() if limit is not None}
        self._used = dict.fromkeys(self._limits, 0.0)
        self._number = 0

    def admit(self, prompt_tokens: int, now: float) -> Refusal | None:
        self._turn(now)
        amounts = {"requests": 1, "tokens": prompt_tokens}
        for name, limit in self._limits.items():
            if self._used[name] + amounts[name] > self._holds(limit):
                left = max(0, int(self._holds(limit) - self._used[name]))
                return Refusal(name, limit, left, amounts[name], self._left_s(now))
        for name in self._limits:
            self._used[name] += amounts[name]
        return None

    def charge(self, completion_tokens: int, now: float) -> None:
        self._turn(now)
        if "tokens" in self._used:
            self._used["tokens"] += completion_tokens

    def headers(self, now: float) -> dict[str, str]:
        self._turn(now)
        told: dict[str, str] = {}
        for name, limit in self._limits.items():
            told[f"x-ratelimit-limit-{name}"] = f"{limit:.0f}"
            told[f"x-ratelimit-remaining-{name}"] = str(max(0, int(self._holds(limit) - self._used[name])))
            told[f"x-ratelimit-reset-{name}"] = reset_text(self._left_s(now))
        return told

    def _holds(self, per_minute: float) -> float:
        return per_minute * self._window_s / 60

    def _left_s(self, now: float) -> float:
        return self._window_s - (now - self._start) % self._window_s

    def _turn(self, now: float) -> None:
        number = math.floor((now - self._start) / self._window_s)
        if number != self._number:
            self._number = number
            self._used = dict.fromkeys(self._limits, 0.0)


class Provider:
    """Answers the calls of a case, and notes what it sees."""

    def __init__(self, case: Case, clock: Callable[[], float]) -> None:
        self.case, self.clock = case, clock
        self.start = clock()
        self.seen = Seen.nothing(case.all_lanes)
        self.changed = False
        self._limits = self._limiter(1.0)
        self._draw = random.Random(f"{case.seed} provider")

    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.clock() - self.start

    def call(self, lane: int, prompt: int) -> Failure | None:
        """A call has come; why it is refused, if it is."""
        at = self.elapsed()
        self._change(at)
        self.seen.calls_at[lane].append(at)
        refusal = self._refusal(prompt, at)
        if refusal is None:
            self._let_in(lane, prompt, at)
            return None
        self.seen.refused_at.append(at)
        self.seen.refused += self._measures(at)
        told = float(retry_headers(refusal.wait_s)["retry-after-ms"]) / 1000 if self.case.retry_after else None
        return Failure(FailureKind.THROTTLED, Billing.UNBILLED, "too fast", status=429, retry_after_s=told)

    def charge(self, output: int) -> None:
        """An answer of so many tokens goes out."""
        self._limits.charge(output, self.clock())
        if self._measures(self.elapsed()):
            self.seen.tokens += output

    def headers(self) -> dict[str, str]:
        """What an answer tells of the limits."""
        return self._limits.headers(self.clock()) if self.case.headers else {}

    def tally(self) -> Seen:
        """What was seen, with the shares."""
        seen, case = self.seen, self.case
        change = case.change if self.changed and (case.change_at_s or 0) <= case.warm_up_s else 1.0
        minutes = change * case.measured_s / 60
        limited = [(seen.accepted, case.rpm), (seen.tokens, case.tpm)]
        seen.use = max((used / (limit * minutes) for used, limit in limited if limit is not None), default=0.0)
        seen.refused_share = seen.refused / max(1, seen.refused + seen.accepted)
        return seen

    def _refusal(self, prompt: int, at: float) -> Refusal | None:
        case = self.case
        if case.storm_s is not None and case.storm_s[0] <= at < case.storm_s[1]:
            return Refusal("requests", case.rpm or 0.0, 0, 1, case.storm_wait_s)
        if case.refused_anyway and self._draw.random() < case.refused_anyway:
            return Refusal("requests", case.rpm or 0.0, 0, 1, 1.0)
        return self._limits.admit(prompt, self.clock())

    def _let_in(self, lane: int, prompt: int, at: float) -> None:
        seen = self.seen
        seen.accepted_at[lane].append(at)
        seen.largest = max(seen.largest, prompt)
        if self._measures(at):
            seen.accepted += 1
            seen.by_lane[lane] += 1
            seen.tokens += prompt

    def _measures(self, at: float) -> bool:
        return self.case.warm_up_s <= at < self.case.warm_up_s + self.case.measured_s

    def _change(self, at: float) -> None:
        if self.case.change_at_s is not None and at >= self.case.change_at_s and not self.changed:
            self.changed = True
            self._limits = self._limiter(self.case.change)

    def _limiter(self, factor: float) -> Limiter:
        case = self.case
        if case.window_s is not None:
            return Windows(case, factor, self.start)
        rpm, tpm = (None if limit is None else limit * factor for limit in (case.rpm, case.tpm))
        return Limits(SimulatorSettings(rpm=rpm, tpm=tpm, burst_s=case.burst_s), self.clock())
