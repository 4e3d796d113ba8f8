"""The budget: what a call may cost at most is reserved before it is sent, and its settlement takes the place of that.

What is settled, maybe spent and reserved never passes a cap together, however many calls are in flight and in whatever
order they end. Nothing here waits, writes or knows the time. Money goes in and out as USD and is counted in whole
billionths of a dollar (nanodollars): what is reserved or spent is rounded up, a cap down, and sums do not drift.
"""

import math
import re
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any, Self

import msgspec

from jobs.registry import BudgetSpec, check_usd
from outputs.fold import RunState
from prompts.input_error import InputError

_NANO = 1e9
_NOISE = 1e-3  # of a nanodollar: what the multiplication of a double by 1e9 may add to a whole number of them
_AMOUNT = re.compile(r"\$?(?P<usd>[0-9]+(\.[0-9]+)?)")


class Fit(IntEnum):
    """Whether a call's reservation fits under every cap that its lane is under."""

    RESERVED = 0
    WAIT = 1  # not beside what is in flight, whose settlements may make room
    HELD = 2  # not even if all that this session sees to its end turned out to cost nothing: only a higher cap helps
    PREPARING = 3  # its pictures are not ready yet
    GONE = 4  # it cannot be sent, and has been given up


_RESERVED, _WAIT, _HELD = Fit.RESERVED, Fit.WAIT, Fit.HELD  # a look-up in the enum costs as much as the sums do


class Caps(msgspec.Struct, frozen=True):
    """What may be spent at most, in USD; None or a missing name is no cap.

    `providers` by name. `models` by `model` (all lanes of that model together) or by `provider/model` (that lane);
    names are exact, and where both are given both hold.
    """

    run: float | None = None
    providers: dict[str, float] = {}
    models: dict[str, float] = {}

    @classmethod
    def from_spec(cls, spec: BudgetSpec) -> Self:
        """The caps of a spec's `[budget]`."""
        return cls(spec.run, dict(spec.providers), dict(spec.models))

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The caps of an event in the log. Raises InputError where it does not hold caps."""
        try:
            return msgspec.convert(record, cls)
        except msgspec.ValidationError as error:
            raise InputError(f"the log's last budget cannot be read: {error}", field="budget") from None

    def as_record(self) -> dict[str, Any]:
        """As the log keeps them: `run`, `providers`, `models`."""
        return {"run": self.run, "providers": dict(self.providers), "models": dict(self.models)}

    def of_lane(self, provider: str, model: str) -> dict[str, float]:
        """The caps that hold for a lane, by the names of their scopes: `run`, `provider p`, `model m`."""
        found = {} if self.run is None else {"run": self.run}
        if provider in self.providers:
            found[f"provider {provider}"] = self.providers[provider]
        for name in (model, f"{provider}/{model}"):
            if name in self.models:
                found[f"model {name}"] = self.models[name]
        return found

    def without_lane(self, lanes: Iterable[tuple[str, str]]) -> list[str]:
        """The scopes that none of these lanes, (provider, model) each, is under: their caps will never bite."""
        every = [f"provider {name}" for name in self.providers] + [f"model {name}" for name in self.models]
        bitten = {name for provider, model in lanes for name in self.of_lane(provider, model)}
        return [name for name in every if name not in bitten]


def nanodollars(usd: float) -> int:
    """Whole nanodollars, rounded up; what is below 0 counts as 0."""
    return math.ceil(usd * _NANO - _NOISE) if usd > 0 else 0


def round_up_usd(usd: float) -> float:
    """`usd` rounded up to a billionth of a dollar: what the budget counts, and what the log can write exactly."""
    return nanodollars(usd) / _NANO


class _Book:
    """What was and may be spent in one scope, in nanodollars. `cap` is None for a lane's own book.

    `left` is the part of `reserved` that no settlement of this session will free.
    """

    __slots__ = ("cap", "left", "maybe", "name", "reserved", "settled")

    def __init__(self, name: str, cap: int | None = None) -> None:
        self.name = name
        self.cap = cap
        self.settled = 0
        self.maybe = 0
        self.reserved = 0
        self.left = 0

    def add(self, other: "_Book") -> None:
        self.settled += other.settled
        self.maybe += other.maybe
        self.reserved += other.reserved
        self.left += other.left

    def describe(self) -> dict[str, Any]:
        """Amounts in USD."""
        amounts = {"settled": self.settled, "maybe": self.maybe, "reserved": self.reserved}
        told: dict[str, Any] = {f"{name}_usd": amount / _NANO for name, amount in amounts.items()}
        if self.cap is None:
            return {**told, "cap_usd": None, "room_usd": None}
        room = max(0, self.cap - sum(amounts.values()))
        return {**told, "cap_usd": self.cap / _NANO, "room_usd": room / _NANO}


class LaneBudget:
    """The budget as one lane sees it. Each reservation is ended once: by `release`, `settle` or `keep_as_maybe`.

    Each takes the amount that was reserved, and raises ValueError where so much is not. None stands for a call without
    a known price: it has no reservation, and under a cap it is held.
    """

    __slots__ = ("_books", "_own", "_scopes")

    def __init__(self, name: str) -> None:
        self._own = _Book(name)
        self._scopes: tuple[_Book, ...] = ()
        self._books: tuple[_Book, ...] = (self._own,)

    @property
    def capped(self) -> bool:
        """Whether any cap holds here."""
        return bool(self._scopes)

    def try_reserve(self, usd: float | None) -> Fit:
        """Reserve what a call may cost at most, where it fits. What costs nothing always fits."""
        if usd is None:
            return _HELD if self._scopes else _RESERVED
        amount = nanodollars(usd)
        fit = self._fit(amount) if amount and self._scopes else _RESERVED
        if fit is _RESERVED:
            for book in self._books:
                book.reserved += amount
        return fit

    def reserve_again(self, usd: float | None) -> None:
        """Reserve what an earlier session has reserved for a call that goes on: a batch's row."""
        for book in self._books:
            book.reserved += nanodollars(usd or 0.0)

    def leave(self, usd: float) -> None:
        """What is reserved for a row stays so to the session's end: its batch is left to its provider. Below zero: it
        is followed again.
        """
        for book in self._books:
            book.left += nanodollars(usd)

    def _fit(self, amount: int) -> Fit:
        fit = _RESERVED
        for scope in self._scopes:
            assert scope.cap is not None
            room = scope.cap - scope.settled - scope.maybe
            if amount > room - scope.left:
                return _HELD
            if amount > room - scope.reserved:
                fit = _WAIT
        return fit

    def release(self, usd: float | None) -> None:
        """The call was not billed."""
        self._give_back(usd)

    def settle(self, usd_reserved: float | None, cost_usd: float | None) -> bool:
        """The call was billed; an unknown cost counts at its reservation.

        Returns whether it cost more than was reserved for it, in a lane under a cap.
        """
        reserved = self._give_back(usd_reserved)
        cost = reserved if cost_usd is None else nanodollars(cost_usd)
        for book in self._books:
            book.settled += cost
        return cost > reserved and bool(self._scopes)

    def keep_as_maybe(self, usd_reserved: float | None) -> None:
        """Nobody knows whether the call was billed: it counts at its reservation for good."""
        reserved = self._give_back(usd_reserved)
        for book in self._books:
            book.maybe += reserved

    def _give_back(self, usd: float | None) -> int:
        amount = nanodollars(usd or 0.0)
        if amount > self._own.reserved:
            raise ValueError(
                f"{self._own.name}: {usd} USD to give back where {self._own.reserved / _NANO} are reserved"
            )
        for book in self._books:
            book.reserved -= amount
        return amount

    def spent(self, settled_usd: float, maybe_usd: float = 0.0) -> None:
        """What earlier sessions spent here, and what they may have spent beside it."""
        settled, maybe = nanodollars(settled_usd), nanodollars(maybe_usd)
        for book in self._books:
            book.settled += settled
            book.maybe += maybe

    def _come_under(self, scopes: Iterable[_Book]) -> None:
        """Be under these scopes from now on, with all that was counted so far."""
        self._scopes = tuple(scopes)
        self._books = (self._own, *self._scopes)
        for scope in self._scopes:
            scope.add(self._own)


class Budget:
    """The caps of a run, and what is settled, maybe spent and reserved under each.

    Each lane keeps its own book whether it is under a cap or not, so that caps may change at any moment.
    """

    def __init__(self, caps: Caps) -> None:
        self._lanes: dict[tuple[str, str], LaneBudget] = {}
        self._scopes: dict[str, _Book] = {}
        self.set_caps(caps)

    @classmethod
    def resumed(cls, caps: Caps, state: RunState) -> Self:
        """A budget with all that the log of a run says was spent; what is still open there counts as maybe spent."""
        budget = cls(caps)
        for totals in state.lanes:
            lane = budget.for_lane(totals.provider, totals.model)
            lane.spent(totals.cost_usd, totals.maybe_usd)
            lane.spent(totals.unpriced_usd)
        for row, attempt in state.open_attempts.items():
            totals = state.lanes[state.lane_of[row]]
            budget.for_lane(totals.provider, totals.model).spent(0.0, attempt.reserved_usd or 0.0)
        for row, number in enumerate(state.batch_of):
            if number:
                totals = state.lanes[state.lane_of[row]]
                budget.for_lane(totals.provider, totals.model).reserve_again(state.reserved_usd(row))
        return budget

    def for_lane(self, provider: str, model: str) -> LaneBudget:
        """The budget as this lane sees it; the same object each time."""
        lane = self._lanes.get((provider, model))
        if lane is None:
            lane = self._lanes[provider, model] = LaneBudget(f"{provider}/{model}")
            self._assign(provider, model, lane)
        return lane

    def set_caps(self, caps: Caps) -> None:
        """Other caps from now on. Where they are below what is spent and reserved, nothing new fits until it is not."""
        self.caps = caps
        self._scopes = {}
        if caps.run is not None:
            self._scope("run", caps.run)
        for (provider, model), lane in self._lanes.items():
            self._assign(provider, model, lane)

    def _assign(self, provider: str, model: str, lane: LaneBudget) -> None:
        lane._come_under([self._scope(name, usd) for name, usd in self.caps.of_lane(provider, model).items()])

    def _scope(self, name: str, usd: float) -> _Book:
        if name not in self._scopes:
            self._scopes[name] = _Book(name, int(usd * _NANO + _NOISE))
        return self._scopes[name]

    def _total(self) -> _Book:
        total = _Book("all lanes")
        for lane in self._lanes.values():
            total.add(lane._own)
        return total

    @property
    def capped(self) -> bool:
        """Whether there is any cap at all."""
        return bool(self.caps.run is not None or self.caps.providers or self.caps.models)

    @property
    def settled_usd(self) -> float:
        """What was billed in all lanes."""
        return self._total().settled / _NANO

    @property
    def maybe_usd(self) -> float:
        """What may have been billed in all lanes beside it, at most."""
        return self._total().maybe / _NANO

    @property
    def reserved_usd(self) -> float:
        """What the calls in flight may cost at most."""
        return self._total().reserved / _NANO

    @property
    def room_usd(self) -> float | None:
        """What the whole run may still reserve; None where it has no cap."""
        room: float | None = self._scopes["run"].describe()["room_usd"] if "run" in self._scopes else None
        return room

    def describe(self) -> dict[str, Any]:
        """Totals (`settled_usd`, `maybe_usd`, `reserved_usd`), and `scopes`: the same of each, by its name, for JSON.

        A scope has `cap_usd` and `room_usd` (what may still be reserved, 0 or more) beside the three.
        """
        total = self._total().describe()
        del total["cap_usd"], total["room_usd"]
        return {**total, "scopes": {name: scope.describe() for name, scope in self._scopes.items()}}


def parse_budget(text: str) -> float | None:
    """USD of `25`, `25.50` or `$25`; None for `none`, which takes the cap away. Raises InputError (`--budget`)."""
    word = text.strip()
    if word.lower() == "none":
        return None
    found = _AMOUNT.fullmatch(word)
    if found is None:
        raise InputError(f"{text!r} is no amount in USD: write 25, 25.50, $25, or none", field="--budget")
    return check_usd(float(found["usd"]), file=None, field="--budget")
