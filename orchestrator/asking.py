"""What a user asks for on the command line or from Python, in words, as the values it stands for."""

import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec

from orchestrator.budget import parse_budget
from orchestrator.control import Adjust, parse_limit
from orchestrator.deadline import Deadline, parse_for, parse_until
from orchestrator.opening import DEFAULT_CONCURRENCY, Options
from orchestrator.thresholds import parse_threshold
from prompts.input_error import InputError


def options_of(
    *,
    out: Path | None = None,
    concurrency: int = DEFAULT_CONCURRENCY,
    config: Path | None = None,
    simulate: bool = False,
    accept_changes: bool = False,
    budget: str | None = None,
    until: str | None = None,
    for_: str | None = None,
    dedupe: bool | None = None,
    thresholds: Iterable[str] = (),
) -> Options:
    """The options of a run. `budget` as in `parse_budget`, `until` and `for_` as in `deadline`. Raises InputError."""
    return Options(
        out=out,
        concurrency=concurrency,
        config=config,
        simulate=simulate,
        accept_changes=accept_changes,
        budget=msgspec.UNSET if budget is None else parse_budget(budget),
        deadline=read_deadline(until, for_),
        dedupe=dedupe,
        thresholds=tuple(parse_threshold(text) for text in thresholds),
    )


def read_deadline(until: str | None, for_: str | None) -> Deadline | None:
    """The deadline that one of the two means; None where neither is given. Raises InputError."""
    if until is not None and for_ is not None:
        raise InputError("give --until or --for, not both", field="--for")
    if until is not None:
        return Deadline(parse_until(until, datetime.now()))
    return None if for_ is None else Deadline(time.time() + parse_for(for_))


def adjustment(
    concurrency: int | None, budget: str | None, until: str | None, for_: str | None, limits: Iterable[str]
) -> Adjust:
    """What is to change in a run that is going on; `none` takes a cap or a deadline away. Raises InputError."""
    asked = Adjust(
        concurrency=msgspec.UNSET if concurrency is None else concurrency,
        budget_usd=msgspec.UNSET if budget is None else parse_budget(budget),
        until=_new_deadline(until, for_),
        limits=dict(parse_limit(text) for text in limits),
    )
    if asked == Adjust():
        raise InputError("nothing to change: give --concurrency, --budget, --until, --for or --limit")
    return asked


def _new_deadline(until: str | None, for_: str | None) -> float | msgspec.UnsetType | None:
    if until is not None and until.strip().lower() == "none":
        return None
    deadline = read_deadline(until, for_)
    return msgspec.UNSET if deadline is None else deadline.at
