"""A rate learned from refusals alone, where no header tells it. Pure.

A provider refuses when its bucket is empty. So from one refusal to the next, what it accepted is what flowed into the
bucket in that time, whatever the bucket holds: accepted / elapsed is the rate. Only before the first refusal is it not,
because the bucket was full then. Paced at 0.95 of that, and probed up by 2 % a minute while the pace is what limits us.
"""

import math

_PACE = 0.95
_PROBE_A_MINUTE = 0.02
_FIRST = 0.5  # of the rate before the first refusal, which a full bucket, or our own start, had made what it was
_SEARCH_A_MINUTE = 4.0  # from there up, until the second refusal: twice as much every ten seconds
_RARE = 200  # calls let in, and
_RARE_S = 20.0  # seconds, since the last episode: so few refusals cost less than a slower pace would
_SURE = 40  # calls that make an estimate sure; one from n calls may be wrong by about 1/n, and a low one lasts


class LearnedRate:
    """Calls a second that seem to be accepted; `rate` is None until something was refused."""

    def __init__(self, now: float) -> None:
        self.rate: float | None = None
        self._since = now
        self._accepted = 0
        self._episodes = 0
        self._raised_at = now
        self._growth = _PROBE_A_MINUTE

    def accepted(self) -> None:
        """A call was let in."""
        self._accepted += 1

    def episode(self, now: float, *, paced: bool) -> None:
        """A refusal began an episode; `paced`: a limit that was told had held us back until now."""
        elapsed = max(now - self._since, 1e-3)
        if self._accepted == 0:
            if self.rate is not None:
                self.rate *= 0.5 if self._episodes < 3 else 1.0  # storms say nothing about the rate
            self._episodes += 1
            return
        observed = self._accepted / elapsed
        if self.rate is None:
            self.rate = observed * (_PACE if paced else _FIRST)
            self._growth = _PROBE_A_MINUTE if paced else _SEARCH_A_MINUTE
        elif self._accepted < _RARE or elapsed < _RARE_S:
            sure = observed * (1 + (2 / self._accepted if self._accepted < _SURE else 0.0))
            self.rate = _PACE * min(sure, self.rate)
            self._growth = _PROBE_A_MINUTE * max(1.0, _SURE / self._accepted)
        self._episodes += 1
        self._since, self._accepted, self._raised_at = now, 0, now

    def probe(self, now: float, used: bool) -> float | None:
        """The rate now: a little higher than before where it was `used` to the full."""
        if self.rate is not None and used:
            self.rate *= math.exp(self._growth * (now - self._raised_at) / 60)
        self._raised_at = now
        return self.rate
