"""All batches of a run: which rows go by one, those of earlier sessions, and what is to be said of them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from orchestrator.batch_status import at_the_provider, status_of
from orchestrator.batching.allowed import not_followable
from orchestrator.batching.lane_batches import LaneBatches, Spawn
from orchestrator.batching.surroundings import RESULTS, Surroundings
from orchestrator.batching.topping_up import OnlinePace
from orchestrator.batching.via import Via
from orchestrator.lane import Lane
from orchestrator.lanes import LaneMaker
from outputs.batches import Batch
from providers.batches.clients import has_batches


@dataclass(slots=True)
class Batching:
    """`lane_of` gives the engine's lane by its number, made where there is none yet."""

    around: Surroundings
    maker: LaneMaker
    lane_of: Callable[[int], Lane]
    spawn: Spawn
    via: Via = Via.ONLINE
    allow_rebuy: bool = False
    paces: dict[tuple[str, str], float] = field(default_factory=dict)  # seconds a row online, by provider and model
    lanes: dict[int, LaneBatches] = field(default_factory=dict)
    _without: set[int] = field(default_factory=set)  # lanes whose provider has no batch API
    _is_aside: dict[int, Callable[[int], bool]] = field(default_factory=dict)
    _paused: bool = False

    def take(self, row: int) -> bool:
        """Take a row that wants to be sent, where it goes by batch; else it goes online."""
        if not self.via.batches:
            return False
        number = self.around.state.lane_of[row]
        batches = self._lane(number)
        if batches is None or not batches.takes(time.time()):
            return False
        if (aside := self._is_aside.get(number)) is not None and aside(row):
            batches.aside += 1
        else:
            batches.add(row)
        return True

    def follow_earlier(self) -> None:
        """Go on with the batches of earlier sessions. Raises InputError where their provider is known no more."""
        for batch in self.around.state.batches.unfinished:
            number = self.around.state.lane_number(batch.told.provider or "", batch.told.model or "")
            batches = self._lane(number)
            if batches is None:
                raise not_followable(batch)
            batches.follow_earlier(batch)

    def sweep(self) -> None:
        """Before any row comes: remove what a killed session has left half done, but for batches that go on."""
        known = {self.around.sent_path(batch.told.key or "") for batch in self.around.state.batches.unfinished}
        for path in self.around.folder.glob("on-*"):
            if path.is_file() and path not in known and not path.name.endswith(RESULTS):
                path.unlink(missing_ok=True)

    def learn_paces(self, estimate: Mapping[str, Any]) -> None:
        """Take in how long rows would take online, by the high end of what a run's estimate says of its lanes."""
        for lane in estimate.get("lanes", ()):
            if lane.get("seconds") is not None and lane["rows"]:
                self.paces[lane["provider"], lane["model"]] = lane["seconds"]["high"] / lane["rows"]

    def _lane(self, number: int) -> LaneBatches | None:
        found = self.lanes.get(number)
        if found is None and number not in self._without:
            found = self._made(number)
        return found

    def _made(self, number: int) -> LaneBatches | None:
        lane = self.lane_of(number)
        if not has_batches(lane.provider):
            self._without.add(number)
            return None
        api = lane.provider.batch
        assert api is not None
        made = self.lanes[number] = LaneBatches(
            lane,
            self.maker.batch_client(lane.provider_name, lane.model),
            api,
            self.maker.batch_rates(lane.provider_name, lane.model),
            self.around,
            self.spawn,
            self.via,
            self.allow_rebuy,
        )
        made.pace = self._pace(lane)
        made.paused = self._paused
        return made

    def _pace(self, lane: Lane) -> OnlinePace:
        row_s = self.paces.get((lane.provider_name, lane.model))
        return OnlinePace(row_s, lane.latency.measured_s, lane.concurrency)

    # What the engine tells

    def look(self, now: float) -> None:
        """See, at `now` (epoch seconds), what the deadline asks for."""
        for batches in self.lanes.values():
            batches.pace = self._pace(batches.lane)
            batches.top_up(now)

    def pause(self, paused: bool) -> None:
        """Begin no batches for now, or go on; those that are under way are followed."""
        self._paused = paused
        for batches in self.lanes.values():
            batches.paused = paused
            batches.look()

    def set_aside(self, number: int, is_aside: Callable[[int], bool]) -> None:
        """Send none of a lane's rows that `is_aside` names."""
        self._is_aside[number] = is_aside
        if number in self.lanes:
            self.lanes[number].set_aside(is_aside)

    def release_held(self) -> None:
        """Look again at the rows that the budget had no room for."""
        for batches in self.lanes.values():
            batches.release_held()

    def money_came(self) -> None:
        """A reservation has ended."""
        for batches in self.lanes.values():
            if batches.awaits_money or batches.cutting:
                batches.money_came()

    def leave(self) -> None:
        """Begin nothing more; what is under way is left to its provider."""
        for batches in self.lanes.values():
            batches.leave()

    def cancel_all(self) -> int:
        """Have all batches cancelled, and take in what they have answered; returns how many."""
        return sum(batches.end_all() for batches in self.lanes.values())

    async def close(self) -> None:
        """Close all connections."""
        for batches in self.lanes.values():
            await batches.client.close()

    # What there is to say

    @property
    def idle(self) -> bool:
        """Whether nothing more will happen here unless a row comes up."""
        return all(batches.idle for batches in self.lanes.values())

    @property
    def held(self) -> int:
        """Rows that the budget has no room for."""
        return sum(len(batches.held) for batches in self.lanes.values())

    @property
    def rebought(self) -> int:
        """Rows that were sent again although their batch may answer them too, or may have done so."""
        return sum(batches.rebought for batches in self.lanes.values())

    def waiting(self, number: int) -> int:
        """Rows of a lane that wait for a batch."""
        return len(self.lanes[number].waiting) if number in self.lanes else 0

    def open_batches(self) -> list[Batch]:
        """Those with rows that are not accounted for."""
        return [batch for batch in self.around.state.batches.unfinished if batch.open_rows]

    def at_providers(self) -> int:
        """How many batches go on, or may go on, at their providers without us: those that nobody waits for included."""
        return sum(at_the_provider(batch) for batch in self.around.state.batches.unfinished)

    def left_over(self) -> str:
        """The rows that are in batches, or wait for one, in words; empty where there are none."""
        going, waiting = self.open_batches(), sum(len(batches.waiting) for batches in self.lanes.values())
        rows, many = sum(batch.open_rows for batch in going), "a batch" if len(going) == 1 else f"{len(going)} batches"
        parts = [f"{rows:,} rows are in {many} at their provider"] if going else []
        return ", ".join(parts + ([f"{waiting:,} rows wait for a batch"] if waiting else []))

    def note(self, number: int) -> str:
        """What a watcher should know of a lane's batches; empty where there are none."""
        batches = self.lanes.get(number)
        if batches is None:
            return ""
        parts = [_progress([follower.batch for follower in batches.followers])] if batches.followers else []
        parts += [f"{len(batches.waiting):,} rows wait for a batch"] if batches.waiting else []
        parts += [f"{len(batches.held):,} held: the budget has no room for them"] if batches.held else []
        parts += [f"batches were refused: {batches.refused}"] if batches.refused else []
        said = (follower.note or follower.hint for follower in batches.followers)
        parts += [note for note in said if note][:1]
        return ", ".join(parts)

    def describe(self) -> list[dict[str, Any]]:
        """Each batch that is followed, for JSON: its `BatchStatus`, its lane, and what there is to note."""
        now = time.time()
        return [
            {
                **asdict(status_of(follower.batch, now)),
                "lane": batches.lane.name,
                "note": follower.note or follower.hint,
            }
            for batches in self.lanes.values()
            for follower in batches.followers
        ]


def _progress(followed: list[Batch]) -> str:
    counts = [batch.told.counts for batch in followed if batch.told.counts is not None]
    done, total = sum(one.completed + one.failed for one in counts), sum(batch.told.rows or 0 for batch in followed)
    return f"{len(followed)} batch{'es' if len(followed) > 1 else ''}: {done:,} of {total:,} lines done"
