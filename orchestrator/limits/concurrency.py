"""How many calls a lane may have in flight: slow start; once there was a cut, growth with the time, so that it neither
takes for ever where answers take long nor rushes where they come at once; only while the limit is used; one cut an
episode. Pure."""

import math

START = 32
_CUT = 0.7
_GROWTH = 0.03  # a second
_LONGEST_STEP_S = 10.0


class AdaptiveConcurrency:
    """`allowed` calls in flight, at most `most`."""

    def __init__(self, most: int, start: int = START) -> None:
        self.most = most
        self.allowed = float(min(start, most))
        self._slow_start_to = float("inf")
        self._grown_at = float("-inf")

    def set_most(self, most: int) -> None:
        """Another upper limit; what was learned below it stands."""
        grows = most > self.most and self.allowed >= self.most
        self.most = most
        self.allowed = min(self.allowed, float(most))
        if grows:
            self._slow_start_to = float("inf")

    def trust(self) -> None:
        """All that may be in flight may be, as of now."""
        self.allowed = max(self.allowed, float(self.most))

    def answered(self, in_flight: int, now: float) -> None:
        """A call was answered while so many, itself among them, were in flight."""
        step, self._grown_at = min(now - self._grown_at, _LONGEST_STEP_S), now
        if self.allowed >= self.most or in_flight < int(self.allowed):
            return
        self.allowed += 1.0 if self.allowed < self._slow_start_to else self.allowed * math.expm1(_GROWTH * step)
        self.allowed = min(self.allowed, float(self.most))

    def episode(self, in_flight: int, now: float) -> None:
        """A refusal began an episode while so many calls were in flight."""
        if in_flight < int(self.allowed):
            return  # the pace was what limited us, so the pace was too high
        self.allowed = max(1.0, self.allowed * _CUT)
        self._slow_start_to, self._grown_at = self.allowed, now
