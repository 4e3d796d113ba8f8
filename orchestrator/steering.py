"""Steering a run from another terminal: what each command does to the engine, and what the heartbeat says of it."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from orchestrator.batching.allowed import has_batch_price
from orchestrator.budget import Caps
from orchestrator.control import Adjust, Command, LimitKey, Pause, Stop, Unpause, split_limit_key
from orchestrator.deadline import Deadline
from orchestrator.engine import Engine, StopKind
from orchestrator.lane import Lane
from outputs import lines
from outputs.journal import Log
from prompts.input_error import InputError
from providers.catalog import Catalog
from providers.prices import resolve_rates


@dataclass(slots=True)
class Steering:
    """Handles commands for one engine."""

    engine: Engine
    changed: asyncio.Event = field(default_factory=asyncio.Event)  # set after each command

    def handle(self, command: Command) -> dict[str, object]:
        """Do what is asked; returns how the run stands then. Raises InputError where that cannot be."""
        if self.engine.ending and not isinstance(command, Stop):
            raise InputError("the run is ending")
        match command:
            case Pause():
                self.engine.pause(True)
            case Unpause():
                self.engine.pause(False)
            case Stop(cancel_batches=cancels) if self.engine.ending:
                if cancels:
                    self.engine.stop_cancelling()
                return self.summary()  # its last event may be on disk already
            case Stop(cancel_batches=True):
                self.engine.stop_cancelling()
            case Stop():
                self.engine.drain(StopKind.STOPPED)
            case Adjust():
                self._adjust(command)
        self._log("control", **msgspec.to_builtins(command))
        self.changed.set()
        return self.summary()

    def _adjust(self, command: Adjust) -> None:
        keys = [(split_limit_key(key, self.engine.catalog.providers), value) for key, value in command.limits.items()]
        for key, value in keys:
            if not self.engine.maker.has_limit(key.provider, key.pattern or "", key.name):
                raise InputError(_no_such_limit(key), field="limit")
            if key.name == "concurrency" and not value.is_integer():
                raise InputError(f"concurrency is a whole number, not {value:g}", field="limit")
        if command.budget_usd is not msgspec.UNSET:
            self._set_budget(command.budget_usd)
        for key, value in keys:
            self.engine.maker.set_limit(key.provider, key.pattern or "", key.name, value)
        if command.concurrency is not msgspec.UNSET:
            self.engine.set_concurrency(command.concurrency)
        if command.until is not msgspec.UNSET:
            self.engine.set_deadline(None if command.until is None else Deadline(command.until))

    def _set_budget(self, usd: float | None) -> None:
        if usd is not None and (unknown := self._unknown_price()) is not None:
            raise InputError(f"{unknown} is unknown, so no budget can hold for it", field="budget")
        caps = msgspec.structs.replace(self.engine.budget.caps, run=usd)
        log_caps(self.engine, caps)
        self.engine.set_caps(caps)

    def _unknown_price(self) -> str | None:
        """A price that nobody knows and that calls or batches of this run have, or will have; None where there is none.

        Its batches may be of earlier sessions, that went another way.
        """
        engine = self.engine
        for lane in engine.lanes.values():
            if lane.rates is None:
                return f"the price of {lane.name}"
        for batches in engine.batching.lanes.values():
            if batches.rates is None:
                return f"the batch price of {batches.lane.name}"
        for name, model in engine.about:
            if not _has_price(engine.catalog, name, model):
                return f"the price of {name}/{model}"
            if not has_batch_price(name, model, engine.catalog, engine.via):
                return f"the batch price of {name}/{model}"
        return None

    def _log(self, name: str, **fields: object) -> None:
        if self.engine.journal.failure is None:
            self.engine.journal.append(Log.EVENTS, lines.event(name, time.time(), **fields))

    def describe(self) -> dict[str, object]:
        """How the run stands, with the limits in force and every batch that is followed, for the heartbeat."""
        engine = self.engine
        limits = (lane.limits.in_force() for lane in engine.lanes.values())
        lanes = [{**told, "limits": found} for told, found in zip(_lanes(engine), limits, strict=True)]
        return {**self.summary(), "lanes": lanes, "batches": self.engine.batching.describe()}

    def summary(self) -> dict[str, object]:
        """How the run stands, for the answers to commands, which are short."""
        engine = self.engine
        budget = engine.budget.describe()
        deadline = engine.deadline
        return {
            "state": state_of(engine),
            "in_flight": sum(lane.in_flight for lane in engine.lanes.values()),
            "held": held(engine),
            "in_batches": sum(lane.in_batches for lane in engine.state.lanes),
            "stages_paused": list(engine.paused_stages.reasons.values()),
            "spent_usd": budget["settled_usd"],
            "maybe_usd": budget["maybe_usd"],
            "reserved_usd": budget["reserved_usd"],
            "cap_usd": engine.budget.caps.run,
            "deadline": None if deadline is None else _moment(deadline.at),
            "concurrency": engine.maker.concurrency,
            "lanes": _lanes(engine),
        }


def _moment(at: float) -> str:
    """By the clock of this computer, with its zone."""
    return datetime.fromtimestamp(at).astimezone().isoformat(timespec="seconds")


def log_caps(engine: Engine, caps: Caps) -> None:
    """Put the caps that hold from now on into the log."""
    engine.journal.append(Log.EVENTS, lines.event("budget", time.time(), budget=caps.as_record()))


def state_of(engine: Engine) -> str:
    """One word."""
    if engine.ending or (engine.lanes and all(_sends_no_more(lane) for lane in engine.lanes.values())):
        return "draining"
    return "paused" if engine.paused else "sending"


def _has_price(catalog: Catalog, name: str, model: str) -> bool:
    return resolve_rates(catalog.provider(name), model) is not None


def _sends_no_more(lane: Lane) -> bool:
    return lane.stopped is not None or lane.late_for is not None


def held(engine: Engine) -> int:
    """Rows that the budget has no room for."""
    return engine.batching.held + sum(len(lane.held) for lane in engine.lanes.values())


def _lanes(engine: Engine) -> list[dict[str, Any]]:
    return [_describe(lane, engine.batching.note(number)) for number, lane in engine.lanes.items()]


def _describe(lane: Lane, of_batches: str) -> dict[str, Any]:
    return {
        "name": lane.name,
        "in_flight": lane.in_flight,
        "waiting": lane.waiting,
        "held": len(lane.held),
        "aside": lane.aside,
        "note": "; ".join(note for note in (lane.note(), of_batches) if note),
    }


def _no_such_limit(key: LimitKey) -> str:
    where = f'"{key.pattern}".' if key.pattern else ""
    return f"{key.provider} has no limit {where}{key.name} in this run: only one that the catalog names can be changed"
