"""A limit as the provider's headers tell it, and a fair share of it where others use the same key. Pure.

Each reading says a limit and what remains of it. A lane alone sends at the limit, and much remains. Where others send
too, what remains falls; all of them see that. The share of the limit that a lane takes follows

    d share / dt = GROWTH - CUT * share * shortage,    shortage = max(0, 1 - level / target)

with the level a few seconds ahead, by its trend. The first term is the same for all and the second is in proportion, so
shares become equal (additive increase, multiplicative decrease, as of Chiu and Jain 1989), and settle where what
remains is a little below the target: neither empty, which is refused, nor full, which is wasted. Where readings are
far apart, what lies between them counts for growth only: one reading after a long silence must not end a lane.
"""

import math

from providers.rate_headers import Reading

MARGIN = 0.99
_GROWTH = 0.05  # of the limit, a second
_CUT = 1.0  # a second, at nothing left
_TARGET = 0.5  # of the most that was ever left
_AHEAD_S = 10.0
_SMOOTH_S = 1.0
_LONGEST_CUT_S = 1.0
_LONGEST_GROWTH_S = 10.0
_REFUSED = 0.85
_LEAST = 0.01


class LiveLimit:
    """One resource of one lane. `per_second` is how fast to send; None until a header was read."""

    def __init__(self) -> None:
        self.limit_per_second: float | None = None
        self.share = 1.0
        self._most = 0.0
        self._level: float | None = None
        self._trend = 0.0  # of the level, a second, smoothed
        self._read_at = 0.0

    @property
    def per_second(self) -> float | None:
        """Units a second."""
        return None if self.limit_per_second is None else self.limit_per_second * self.share * MARGIN

    @property
    def fullness(self) -> float:
        """What was left at the last reading, as a share of the most that was ever left; 1 where that is unknown."""
        return 1.0 if self._level is None or not self._most else self._level / self._most

    def read(self, reading: Reading, now: float) -> None:
        """What a header said at `now`."""
        limit = reading.limit / (reading.window_s or 60.0)
        if limit <= 0:
            return
        if self.limit_per_second != limit:
            self._most = 0.0 if self.limit_per_second is None else self._most * limit / self.limit_per_second
            self.limit_per_second = limit
            self._level, self._trend = None, 0.0
        if reading.remaining is None:
            return
        self._most = max(self._most, reading.remaining)
        self._follow(reading.remaining, reading.reset_s, now)

    def refused(self) -> None:
        """An episode began although we kept to our share."""
        self.share = max(_LEAST, self.share * _REFUSED)

    def _follow(self, level: float, reset_s: float | None, now: float) -> None:
        if self._level is None:
            self._level, self._read_at = level, now
            return
        step = now - self._read_at
        if step < _SMOOTH_S / 10:
            return
        part = min(1.0, step / _SMOOTH_S)
        self._trend += part * ((level - self._level) / step - self._trend)
        self._level, self._read_at = level, now
        self._adjust(step, level, reset_s)

    def _adjust(self, step: float, level: float, reset_s: float | None) -> None:
        target = max(_TARGET * self._most, 1.0)
        ahead = level + _AHEAD_S * min(0.0, self._trend) + _AHEAD_S * max(0.0, self._trend) * (level < target)
        shortage = min(1.0, max(0.0, 1 - ahead / target))
        if reset_s and self._lasts(level, reset_s):
            shortage = 0.0
        kept = self.share * math.exp(-_CUT * shortage * min(step, _LONGEST_CUT_S))
        self.share = min(1.0, max(_LEAST, kept + _GROWTH * min(step, _LONGEST_GROWTH_S)))

    def _lasts(self, level: float, reset_s: float) -> bool:
        """Whether what is left lasts until the reset although all go on as they do: a window that is nearly over."""
        used = (self.limit_per_second or 0.0) * self.share
        return level >= max(used, -self._trend) * reset_s
