"""The stages that are paused for this session: of whose answers too few could be read. All others go on."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from orchestrator.lane import Lane
from outputs import lines
from outputs.fold import RunState
from outputs.journal import Journal, Log


@dataclass(slots=True)
class PausedStages:
    """`lanes` are the engine's, by number. A stage is paused in one lane, and is known by their numbers."""

    state: RunState
    journal: Journal
    lanes: dict[int, Lane]
    set_aside_in_batches: Callable[[int, Callable[[int], bool]], None]
    reasons: dict[tuple[int, int], str] = field(default_factory=dict)  # sentences, by lane and stage

    def pause(self, lane: int, stage: int, reason: str) -> None:
        """Send no more rows of a lane's stage, and log why; what is in flight is awaited. The first reason stands."""
        if (lane, stage) in self.reasons:
            return
        totals, name = self.state.lanes[lane], self.state.stages[stage]
        lane_name = f"{totals.provider}/{totals.model}"
        self.reasons[lane, stage] = f"stage {name or 'without a name'} of {lane_name} paused: {reason}"
        if self.journal.failure is None:
            event = lines.event("stage_paused", time.time(), lane=lane_name, stage=name, reason=reason)
            self.journal.append(Log.EVENTS, event)
        if lane in self.lanes:
            self.apply(lane)

    def apply(self, lane: int) -> None:
        """Set aside what is paused in a lane, if anything is."""
        if any(number == lane for number, _ in self.reasons):
            self.lanes[lane].set_aside(partial(self._holds, lane))
            self.set_aside_in_batches(lane, partial(self._holds, lane))

    def _holds(self, lane: int, row: int) -> bool:
        return (lane, self.state.stage_of[row]) in self.reasons
