"""Whether a run will keep to its deadline and to its cap, and whether the disk has room for it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from orchestrator.estimates.estimate import LaneFacts, StageEstimate
from orchestrator.estimates.intervals import Interval

Verdict = Literal["yes", "no", "perhaps"]

_ATTEMPT_BYTES = 250  # the lines before and after an attempt
_RESPONSE_BYTES = 700  # an answer's line but for its tokens
_UNKNOWN_OUTPUT = 300  # tokens of an answer of which nobody knows
_RESERVE_BYTES = 4 << 20  # what a run keeps free for its last answers
_RESERVE_BYTES_PER_CALL = 64 << 10


def fits(needed: Interval | None, there: float | None) -> Verdict | None:
    """Whether `needed` is within what is there; None where there is no limit, perhaps where the need is not known."""
    if there is None:
        return None
    if needed is None:
        return "no" if there <= 0 else "perhaps"
    if needed.high <= there:
        return "yes"
    return "no" if needed.low > there else "perhaps"


def cap_met(stages: Iterable[StageEstimate], left_usd: float | None) -> Verdict | None:
    """Whether the stages' cost is within what is left of a cap; one whose cost nobody knows makes it uncertain."""
    return costs_met([stage.cost_usd for stage in stages], left_usd)


def costs_met(costs: Collection[Interval | None], left_usd: float | None) -> Verdict | None:
    """Whether these costs are within what is left of a cap; None among them makes it uncertain."""
    known = Interval(*(sum(getattr(cost, end) for cost in costs if cost) for end in ("low", "middle", "high")))
    verdict = fits(known, left_usd)
    return "perhaps" if verdict == "yes" and None in costs else verdict


@dataclass(frozen=True, slots=True)
class DiskRoom:
    """Bytes that a run will write (`most_bytes`: if its answers are as long as they may be) and that are free."""

    needed_bytes: int
    most_bytes: int
    free_bytes: int

    @property
    def enough(self) -> Verdict:
        """Whether there is room."""
        return fits(Interval(self.needed_bytes, self.needed_bytes, self.most_bytes), self.free_bytes) or "perhaps"


def disk_room(
    stages: Iterable[tuple[LaneFacts, StageEstimate]], request_bytes: int, concurrency: int, free_bytes: int
) -> DiskRoom:
    """`request_bytes` are those of request lines that are yet to be written."""
    needed = most = request_bytes + _RESERVE_BYTES + _RESERVE_BYTES_PER_CALL * concurrency
    for facts, found in stages:
        lines = found.rows * (_ATTEMPT_BYTES + _RESPONSE_BYTES)
        sampled = facts.sample.facts
        a_token = sum(one.bytes_a_token for one in sampled) / len(sampled) if sampled else 0.0
        tokens = found.output_tokens or Interval.exactly(found.rows * _UNKNOWN_OUTPUT)
        needed += lines + round(tokens.middle * a_token)
        most += lines + round(tokens.high * a_token)
    return DiskRoom(needed, most, free_bytes)
