"""What a user asks for on the command line or from Python, in words, as the values it stands for."""

import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from jobs.registry import check_usd
from orchestrator.batching.via import parse_via
from orchestrator.budget import parse_budget
from orchestrator.control import Adjust, parse_limit
from orchestrator.deadline import Deadline, parse_for, parse_until
from orchestrator.opening import DEFAULT_CONCURRENCY, Options
from orchestrator.thresholds import parse_threshold
from prompts.input_error import InputError


def options_of(
    *,
    out: str | Path | None = None,
    concurrency: int = DEFAULT_CONCURRENCY,
    config: str | Path | None = None,
    simulate: bool = False,
    accept_changes: bool = False,
    budget: float | str | None = None,
    until: datetime | str | None = None,
    for_: timedelta | str | None = None,
    via: str | None = None,
    allow_rebuy: bool = False,
    dedupe: bool | None = None,
    media_root: str | Path | None = None,
    prompts: str | Path | None = None,
    first: int | None = None,
    fields: str | Iterable[str] | None = None,
    languages: str | Iterable[str] | None = None,
    allow_unpriced: bool = False,
    thresholds: Iterable[str] | Mapping[str, float] = (),
) -> Options:
    """The options of a run: see `read_budget`, `read_deadline`, `parse_via`, `parse_threshold`. Raises InputError."""
    return Options(
        out=None if out is None else Path(out),
        concurrency=concurrency,
        config=None if config is None else Path(config),
        simulate=simulate,
        accept_changes=accept_changes,
        budget=read_budget(budget),
        deadline=read_deadline(until, for_),
        via=None if via is None else parse_via(via),
        allow_rebuy=allow_rebuy,
        dedupe=dedupe,
        media_root=None if media_root is None else Path(media_root),
        prompts=None if prompts is None else Path(prompts),
        first=first,
        chosen={
            name: _names(said) for name, said in (("fields", fields), ("languages", languages)) if said is not None
        },
        allow_unpriced=allow_unpriced,
        thresholds=_thresholds(thresholds),
    )


def read_budget(budget: float | str | None) -> float | msgspec.UnsetType | None:
    """USD, or None for `none`, which takes a cap away; UNSET where nothing is said. Raises InputError."""
    if budget is None:
        return msgspec.UNSET
    return parse_budget(budget) if isinstance(budget, str) else check_usd(budget, file=None, field="--budget")


def _names(said: str | Iterable[str]) -> tuple[str, ...]:
    """Names, of a text such as `en,zh` or as they are."""
    return tuple(name.strip() for name in said.split(",")) if isinstance(said, str) else tuple(said)


def _thresholds(given: Iterable[str] | Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """Names and values, of lines such as `failures_in_row=20` or of a mapping. Raises InputError."""
    return tuple(given.items()) if isinstance(given, Mapping) else tuple(parse_threshold(text) for text in given)


def read_deadline(until: datetime | str | None, for_: timedelta | str | None) -> Deadline | None:
    """The deadline that one of the two means; None where neither is given. Raises InputError.

    A datetime without a zone is local time.
    """
    if until is not None and for_ is not None:
        raise InputError("give --until or --for, not both", field="--for")
    if until is not None:
        return Deadline(parse_until(until if isinstance(until, str) else until.isoformat(), datetime.now()))
    if for_ is None:
        return None
    return Deadline(time.time() + parse_for(for_ if isinstance(for_, str) else f"{for_.total_seconds():f}s"))


def adjustment(
    concurrency: int | None, budget: str | None, until: str | None, for_: str | None, limits: Iterable[str]
) -> Adjust:
    """What is to change in a run that is going on; `none` takes a cap or a deadline away. Raises InputError."""
    asked = Adjust(
        concurrency=msgspec.UNSET if concurrency is None else concurrency,
        budget_usd=read_budget(budget),
        until=_new_deadline(until, for_),
        limits=dict(parse_limit(text) for text in limits),
    )
    if asked == Adjust():
        raise InputError("nothing to change: give --concurrency, --budget, --until, --for or --limit")
    return asked


def _new_deadline(until: str | None, for_: str | None) -> float | msgspec.UnsetType | None:
    said = until if for_ is None else for_
    if said is not None and said.strip().lower() == "none" and None in (until, for_):
        return None
    deadline = read_deadline(until, for_)
    return msgspec.UNSET if deadline is None else deadline.at
