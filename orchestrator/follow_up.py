"""What follows from settlements that are on disk: the job is told, what it asks is logged, its verdicts are watched."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from jobs.protocol import Answered, Failed, Job, Request, RunReader, Verdict
from orchestrator.requests_file import NewRow, prepare
from orchestrator.settling import PendingSettlement, answered, failed
from orchestrator.thresholds import ReadableWatch, Thresholds
from outputs.fold import RunState
from prompts.records import Outcome
from providers.catalog import Catalog
from providers.media.preflight import Preflight


@dataclass(slots=True)
class FollowUp:
    """Tells `job` of settlements; hands the requests that follow to `log_request`.

    `set_aside` is called for a lane's stage (by their numbers) of whose answers too few can be read: none of its rows
    is sent any more in this session, and all other stages go on. Answers of earlier sessions do not count there.
    """

    job: Job
    state: RunState
    catalog: Catalog
    run: RunReader
    log_request: Callable[[NewRow], None]
    set_aside: Callable[[int, int, str], None]
    provider_override: str | None = None
    preflight: Preflight | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)
    outcomes: dict[Outcome, int] = field(default_factory=dict)
    _watches: dict[tuple[int, int], ReadableWatch] = field(default_factory=dict)  # by lane and stage

    def settled(self, settlement: PendingSettlement, repeat: bool) -> None:
        """Tell the job of a settlement, where it follows up, and take up what it makes of it."""
        if settlement.kept is None or not self.job.follows_up:
            return
        told = self._as_told(settlement, repeat)
        self.take_up(self.job.on_settled(told, self.run), told.seq, settlement.row)

    def take_up(self, made: Iterable[Request | Verdict], after: int, row: int) -> None:
        """Log the requests that follow from the settlement `after` of a row, and count the verdicts."""
        for one in made:
            if isinstance(one, Verdict):
                self.outcomes[one.outcome] = self.outcomes.get(one.outcome, 0) + 1
                self._watch(row, one.outcome is Outcome.OK)
            else:
                self.log_request(prepare(one, self.catalog, self.provider_override, after, self.preflight))

    def _watch(self, row: int, ok: bool) -> None:
        key = (self.state.lane_of[row], self.state.stage_of[row])
        watch = self._watches.get(key)
        if watch is None:
            watch = self._watches[key] = ReadableWatch(self.thresholds.readable_of, self.thresholds.min_readable_share)
        if watch.note(ok):
            read = f"{watch.ok} of the last {self.thresholds.readable_of} answers could be read"
            wanted = f"under {self.thresholds.min_readable_share:.0%}"
            self.set_aside(*key, f"{read}, {wanted}: look at them (overnight tail) before going on")

    def _as_told(self, settlement: PendingSettlement, repeat: bool) -> Answered | Failed:
        assert settlement.kept is not None
        request, body = settlement.kept
        if settlement.failure is not None:
            failure = settlement.failure
            return failed(settlement.seq, request, failure.kind.value, failure.message, repeat)
        lane = self.state.lanes[self.state.lane_of[settlement.row]]
        protocol = self.catalog.provider(lane.provider).protocol
        return answered(settlement.seq, request, protocol, body, repeat)
