"""One scenario of the rate lab, and what is seen of it."""

from array import array
from dataclasses import dataclass, field

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario. `told`: limits by their catalog names that the client knows beforehand."""

    rpm: float | None = 600.0
    tpm: float | None = 200_000.0
    told: dict[str, float] = field(default_factory=dict)
    headers: bool = True
    retry_after: bool = True
    lanes: int = 1
    processes: int = 1  # each with lanes of its own, which share nothing
    starts_after_s: float = 0.0  # each process so long after the one before it
    concurrency: int = 256
    latency_s: tuple[float, float] = (0.5, 3.0)
    prompt_tokens: Range = (20, 600)
    by_lane: tuple[Range, ...] = ()  # prompt tokens of each lane of a process, in place of those
    output_tokens: Range = (10, 200)
    huge: tuple[int, int] | None = None  # (every so manieth row, its prompt tokens)
    burst_s: float = 60.0
    window_s: float | None = None  # limits count anew every so many seconds, in place of filling up all the time
    change_at_s: float | None = None  # when the limits are multiplied by `change`
    change: float = 1.0
    storm_s: tuple[float, float] | None = None  # all is refused between these
    storm_wait_s: float = 5.0  # what a refusal of the storm asks to wait
    refused_anyway: float = 0.0  # share of calls that are refused for no reason
    warm_up_s: float = 120.0
    measured_s: float = 300.0
    seed: int = 0

    @property
    def all_lanes(self) -> int:
        return self.lanes * self.processes

    def tokens_of_lane(self, index: int) -> Range:
        """The prompt tokens of a lane's rows, least and most; lanes are numbered over all processes."""
        return self.by_lane[index % self.lanes] if self.by_lane else self.prompt_tokens


@dataclass(slots=True)
class Seen:
    """What the provider saw. `use` (of the limit that binds most) and `refused_share` are of the measured time.

    `accepted_at` and `calls_at`, by lane, and `refused_at` are in seconds since the start, over the whole time.
    """

    use: float = 0.0
    refused_share: float = 0.0
    accepted: int = 0
    refused: int = 0
    tokens: int = 0
    by_lane: list[int] = field(default_factory=list)
    largest: int = 0  # prompt tokens of the largest row that was let in, over the whole time
    refused_at: "array[float]" = field(default_factory=lambda: array("d"))
    accepted_at: list["array[float]"] = field(default_factory=list)
    calls_at: list["array[float]"] = field(default_factory=list)

    @classmethod
    def nothing(cls, lanes: int) -> "Seen":
        return cls(
            by_lane=[0] * lanes,
            accepted_at=[array("d") for _ in range(lanes)],
            calls_at=[array("d") for _ in range(lanes)],
        )

    def accepted_between(self, start: float, end: float) -> int:
        """Calls let in, of all lanes."""
        return sum(start <= at < end for lane in self.accepted_at for at in lane)

    @property
    def smallest_share(self) -> float:
        """Of the calls let in, the share of the lane that had fewest."""
        return min(self.by_lane) / max(1, sum(self.by_lane))
