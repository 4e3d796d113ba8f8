"""What a refusal for speed, or an outage, asks of a lane: to send nothing for a while, then one probe, then the rest.

Pure."""

import random

from orchestrator.retry import throttled_wait_s

_JITTER = 0.2  # of what the provider asked for, so that clients that were refused together do not come back together
_JITTER_S = 0.05
_UNANSWERED = 3.0  # a probe that is not refused in so many times the time a refusal takes was let in
_LEAST_S = 0.2
_FIRST_S = 0.1  # the first wait, where nobody says how long; up to twice as long


class Cooldown:
    """An *episode* begins with the refusal of a call that was sent after the last episode had begun."""

    def __init__(self, draw: random.Random | None = None) -> None:
        self.until = float("-inf")
        self.began = float("-inf")  # the last episode
        self.in_a_row = 0  # episodes since a call was last let in
        self.refused_since: float | None = None  # when the first of these began
        self._draw = draw or random.Random()
        self._must_probe = False
        self._outage = False
        self._probe_sent: float | None = None
        self._refusal_s = 0.1  # how long a refusal takes, smoothed

    def is_over(self, now: float) -> bool:
        """Whether a call may go, as far as this is concerned."""
        if now < self.until:
            return False
        if self._probe_sent is None:
            return True
        return self.probe_ends_at() <= now

    def probe_ends_at(self) -> float:
        """When the probe that is out counts as let in, although its answer is not there; after an outage, never."""
        if self._outage:
            return float("inf")
        return (self._probe_sent or 0.0) + max(_LEAST_S, _UNANSWERED * self._refusal_s)

    def next_look(self, now: float) -> float | None:
        """When to ask again, where only time is in the way."""
        if now < self.until:
            return self.until
        if self._probe_sent is None or self._outage or self.is_over(now):
            return None
        return self.probe_ends_at()

    def sent(self, now: float) -> None:
        """A call goes out."""
        if self._must_probe:
            if self._probe_sent is None:
                self._probe_sent = now
            else:  # the probe was let in
                self._let_in()

    def accepted(self, sent: float) -> None:
        """A call that was sent then was answered."""
        if (self.in_a_row or self._must_probe) and sent >= self.began:
            self._let_in()

    def given_back(self, sent: float) -> None:
        """A call ended in a way that says nothing about the limit: if it was the probe, another may go."""
        if self._probe_sent is not None and sent >= self._probe_sent:
            self._probe_sent = None

    def rest(self, until: float) -> None:
        """Hold all calls until then, for another reason than a refusal; a shorter rest never cuts a longer one."""
        self.until = max(self.until, until)

    def outage(self, now: float, until: float) -> None:
        """Nothing comes back: hold all calls until then, and let a single one find out whether that is over."""
        self.rest(until)
        self.began = now
        self._must_probe, self._probe_sent, self._outage = True, None, True

    def refused(self, sent: float, now: float, retry_after_s: float | None) -> bool:
        """A call was refused; returns whether that begins an episode."""
        self._refusal_s += 0.2 * (max(0.0, now - sent) - self._refusal_s)
        is_new = sent >= self.began
        if is_new:
            self.began = now
            self.in_a_row += 1
            if self.refused_since is None:
                self.refused_since = now
        if is_new or retry_after_s is not None:
            self.until = max(self.until, now + self._wait_s(retry_after_s))
        self._must_probe, self._probe_sent, self._outage = True, None, False
        return is_new

    def _wait_s(self, retry_after_s: float | None) -> float:
        if retry_after_s is None and self.in_a_row == 1:  # a small bucket fills in no time
            return _FIRST_S * (1 + self._draw.random())
        if retry_after_s is None:
            return throttled_wait_s(self.in_a_row - 1)
        return retry_after_s * (1 + _JITTER * self._draw.random()) + _JITTER_S * self._draw.random()

    def _let_in(self) -> None:
        self._must_probe, self._probe_sent, self._outage = False, None, False
        self.in_a_row = 0
        self.refused_since = None
