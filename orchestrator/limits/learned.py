"""A rate learned from refusals alone, where no header tells it. Pure.

A provider refuses when its bucket is empty. So from one refusal to the next, what it let in is what flowed into the
bucket. The pace swings around that: a refusal cuts it a little, and it grows while it is what limits us. What it was
short of the limit is still in the bucket when it is above, so little is lost; the swing is so slow that few calls are
refused. The longer there is no refusal, the faster it grows (as CUBIC does, RFC 9438), so that a pace that is far too
low does not last. Where refusals come one upon the other it is too high: it falls to what was let in, and then by much.

Refusals that have nothing to do with speed, one in a hundred calls, are outgrown. A refused probe tells nothing: a
storm leaves the pace as it was.
"""

import math
from typing import NamedTuple

_CUT = 0.95
_DEEP_CUT = 0.7  # from the third short run between refusals on
_SHORT = 10  # calls
_SURE = 40  # calls from which on what was let in tells the rate
_BELOW = 0.98  # of that rate
_ROOM = 3.0  # times what went out, where it was not the pace that held it back
_MOST = 3.0  # times what was let in since the last episode on average: growth ends somewhere
_FIRST = 0.7  # of the rate before the first refusal, which a full bucket had made what it was
_SWING_S = 20.0  # from one cut to the next, about
_SWING_RATE = 7.5  # calls a second; below that swings are longer, so that no larger share is refused
_GROWTH = 0.1  # of the pace in a swing
_SLOW_SWINGS = 3.0  # about the rate that was observed
_SEARCH_S = 5.0  # a swing, until a long run has told the rate
_LEAST_S = 0.1


class _Run(NamedTuple):
    """From one episode to the next: calls that were let in, seconds, and those of them in which calls could go."""

    calls: int
    elapsed_s: float
    open_s: float

    @property
    def rate(self) -> float:
        return self.calls / self.open_s


_NO_RUN = _Run(0, 0.0, 0.0)


class LearnedRate:
    """Calls a second that seem to be accepted; `rate` is None until something was refused."""

    def __init__(self, now: float) -> None:
        self.rate: float | None = None
        self._since = now  # the last episode
        self._let_in = 0  # since the last episode: refusals come at once, so what was sent and not refused is let in
        self._short_runs = 0
        self._few = _NO_RUN  # runs of few calls, since the last of many
        self._observed = math.inf  # in the last long run
        self._swing_s = _SEARCH_S
        self._grown_at = now
        self._growing_s = 0.0  # since the last episode

    def sent(self) -> None:
        """A call goes out."""
        self._let_in += 1

    def refused(self) -> None:
        """A call was refused."""
        self._let_in = max(0, self._let_in - 1)

    def episode(self, now: float, resumed: float, *, paced: bool = False) -> None:
        """That refusal began an episode; `resumed`: when calls could go again after the last one.

        `paced`: a limit that was told had held us back until the first one, so that it was none of a full bucket.
        """
        let_in, self._let_in = self._let_in, 0
        if let_in:
            open_s = max(now - max(self._since, resumed), _LEAST_S)
            run = _Run(let_in, max(now - self._since, open_s), open_s)
            first = _CUT if paced else _FIRST
            self.rate = first * run.rate if self.rate is None else self._cut(self.rate, run)
        self._growing_s, self._grown_at, self._since = 0.0, now, now

    def _cut(self, rate: float, run: _Run) -> float:
        if run.calls >= _SURE:
            self._few, self._short_runs = _NO_RUN, 0
            return self._cut_after_long_run(rate, run)
        self._few = _Run(self._few.calls + run.calls, self._few.elapsed_s + run.elapsed_s, 0.0)
        if self._few.calls >= _SURE:  # one short run after the other, together long enough
            rate = min(rate, _BELOW * self._few.calls / self._few.elapsed_s)
            self._few = _NO_RUN
        self._short_runs = self._short_runs + 1 if run.calls < _SHORT else 0
        if self._short_runs == 1:
            return min(rate * _CUT, self._observed * _BELOW)
        return rate * (_CUT if self._short_runs < 3 else _DEEP_CUT)

    def _cut_after_long_run(self, rate: float, run: _Run) -> float:
        """What was observed is too low where the bucket was full once: it counts where the small cut has failed."""
        if self._growing_s < run.open_s / 2:  # something else held us back, and let them go in bursts
            return min(rate * _CUT, _ROOM * run.rate)
        self._observed, self._swing_s = run.rate, _SWING_S
        return rate * _CUT

    def grow(self, now: float, used: bool) -> float | None:
        """The rate now: higher than before where it was `used` to the full."""
        if self.rate is not None and used:
            step = now - self._grown_at
            self._growing_s += step
            grown = self.rate * math.exp(min(1.0, step * self._growth(self.rate)))
            most = _MOST * self._let_in / max(now - self._since, _LEAST_S)
            self.rate = max(self.rate, min(grown, most))
        self._grown_at = now
        return self.rate

    def _growth(self, rate: float) -> float:
        """Of the logarithm of the rate, a second: slow about what was let in before, faster the longer it goes on."""
        swing_s = self._swing_s * max(1.0, _SWING_RATE / rate)
        slow_s = _SLOW_SWINGS * swing_s if rate > _CUT * self._observed else 0.0
        return _GROWTH / swing_s * (1 + (max(0.0, self._growing_s - slow_s) / swing_s) ** 2)
