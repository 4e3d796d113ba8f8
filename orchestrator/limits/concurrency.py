"""How many calls a lane may have in flight: slow start, additive growth only while the limit is used, one cut an
episode. Pure."""

START = 16
_CUT = 0.7


class AdaptiveConcurrency:
    """`allowed` calls in flight, at most `most`."""

    def __init__(self, most: int, start: int = START) -> None:
        self.most = most
        self.allowed = float(min(start, most))
        self._slow_start_to = float("inf")

    def set_most(self, most: int) -> None:
        """Another upper limit; what was learned below it stands."""
        grows = most > self.most and self.allowed >= self.most
        self.most = most
        self.allowed = min(self.allowed, float(most))
        if grows:
            self._slow_start_to = float("inf")

    def answered(self, in_flight: int) -> None:
        """A call was answered while so many, itself among them, were in flight."""
        if self.allowed >= self.most or in_flight < int(self.allowed):
            return
        self.allowed += 1.0 if self.allowed < self._slow_start_to else 1.0 / self.allowed
        self.allowed = min(self.allowed, float(self.most))

    def episode(self, in_flight: int) -> None:
        """A refusal began an episode while so many calls were in flight."""
        if in_flight < int(self.allowed):
            return  # the pace was what limited us, so the pace was too high
        self.allowed = max(1.0, self.allowed * _CUT)
        self._slow_start_to = self.allowed
