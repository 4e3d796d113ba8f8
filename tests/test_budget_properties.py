"""What holds of the budget whatever happens in whatever order: calls, settlements, kills, and other caps.

The tests keep their own account, a plain list of what happened, and add it up anew for each check.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from orchestrator.budget import Budget, Caps, Fit, LaneBudget, nanodollars, round_up_usd
from outputs.fold import RunState
from providers.wire import Billing, Usage

NANO = 10**9
LANES = (("p", "m"), ("p", "n"), ("q", "m"))
MOST = 1_000  # nanodollars a call: small, so that calls often meet a cap exactly

lanes = st.sampled_from(LANES)
reservations = st.integers(0, MOST)
cap = st.none() | st.integers(0, 4 * MOST)
caps_of_each = st.fixed_dictionaries(
    {"run": cap, "provider p": cap, "provider q": cap, "model m": cap, "model n": cap, "model p/m": cap}
)


def usd(amount: int) -> float:
    return amount / NANO


def caps_in_usd(nanos: dict[str, int | None]) -> Caps:
    def of(kind: str) -> dict[str, float]:
        return {name.split()[1]: usd(cap) for name, cap in nanos.items() if name.startswith(kind) and cap is not None}

    run = nanos["run"]
    return Caps(None if run is None else usd(run), of("provider"), of("model"))


def scopes_over(lane: tuple[str, str]) -> set[str]:
    provider, model = lane
    return {"run", f"provider {provider}", f"model {model}", f"model {provider}/{model}"}


class Ended(Enum):
    """How a call stands."""

    IN_FLIGHT = "in flight"
    UNBILLED = "unbilled"
    BILLED = "billed"
    MAYBE = "maybe"


@dataclass
class Call:
    """One call, its amounts in nanodollars."""

    row: int
    lane: tuple[str, str]
    reserved: int
    ended: Ended = Ended.IN_FLIGHT
    cost: int = 0

    def counts(self) -> int:
        return self.cost if self.ended is not Ended.IN_FLIGHT else self.reserved


class AnyNight(RuleBasedStateMachine):
    """A run under any caps, with the log's fold beside it, killed and resumed at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.caps: dict[str, int | None] = dict.fromkeys(("run",))
        self.budget = Budget(Caps())
        self.state = RunState()
        self.calls: list[Call] = []
        self.used_before: dict[str, int] = {}
        self.overrun = 0  # of the step that was just taken

    # The test's own account

    def under(self, scope: str) -> Iterator[Call]:
        return (call for call in self.calls if scope in scopes_over(call.lane))

    def used(self, scope: str) -> int:
        return sum(call.counts() for call in self.under(scope))

    def spent(self, scope: str) -> int:
        return sum(call.cost for call in self.under(scope))

    def capped_scopes(self, lane: tuple[str, str] | None = None) -> Iterator[tuple[str, int]]:
        for scope, cap in self.caps.items():
            if cap is not None and (lane is None or scope in scopes_over(lane)):
                yield scope, cap

    def in_flight(self) -> list[Call]:
        return [call for call in self.calls if call.ended is Ended.IN_FLIGHT]

    def expected(self, lane: tuple[str, str], amount: int) -> Fit:
        scopes = list(self.capped_scopes(lane))
        if amount and any(amount + self.spent(scope) > cap for scope, cap in scopes):
            return Fit.HELD
        if amount and any(amount + self.used(scope) > cap for scope, cap in scopes):
            return Fit.WAIT
        return Fit.RESERVED

    # What may happen

    @rule(caps=caps_of_each)
    def other_caps(self, caps: dict[str, int | None]) -> None:
        self.caps = caps
        self.budget.set_caps(caps_in_usd(caps))

    @rule(lane=lanes, amount=reservations)
    def ask(self, lane: tuple[str, str], amount: int) -> None:
        fit = self.budget.for_lane(*lane).try_reserve(usd(amount))
        assert fit is self.expected(lane, amount)
        if fit is Fit.WAIT:
            assert any(call.reserved for call in self.in_flight()), "nothing will ever end this wait"
        if fit is Fit.RESERVED:
            row = self.state.add_request(len(self.calls) + 1, 0, self.state.lane_number(*lane))
            self.state.begin_attempt(row, 1, usd(amount))
            self.calls.append(Call(row, lane, amount))

    def pick(self, data: st.DataObject, ended: Ended) -> Call:
        call = data.draw(st.sampled_from(self.in_flight()))
        call.ended = ended
        return call

    @precondition(lambda self: bool(self.in_flight()))
    @rule(data=st.data())
    def unbilled(self, data: st.DataObject) -> None:
        call = self.pick(data, Ended.UNBILLED)
        self.budget.for_lane(*call.lane).release(usd(call.reserved))
        self.state.settle_attempt(call.row, Billing.UNBILLED, "throttled")

    @precondition(lambda self: bool(self.in_flight()))
    @rule(data=st.data(), cost=st.none() | st.integers(0, MOST + MOST // 10))
    def billed(self, data: st.DataObject, cost: int | None) -> None:
        call = self.pick(data, Ended.BILLED)
        call.cost = call.reserved if cost is None else cost
        cost_usd = None if cost is None else usd(cost)
        told = self.budget.for_lane(*call.lane).settle(usd(call.reserved), cost_usd)
        self.overrun = max(0, call.cost - call.reserved)
        assert told == (self.overrun > 0 and any(self.capped_scopes(call.lane)))
        self.state.answer(call.row, NANO + call.row, Usage(1, 1), cost_usd)

    @precondition(lambda self: bool(self.in_flight()))
    @rule(data=st.data())
    def maybe(self, data: st.DataObject) -> None:
        call = self.pick(data, Ended.MAYBE)
        call.cost = call.reserved
        self.budget.for_lane(*call.lane).keep_as_maybe(usd(call.reserved))
        self.state.settle_attempt(call.row, Billing.MAYBE, "timed_out")

    @rule(settled_first=st.booleans())
    def killed_and_resumed(self, settled_first: bool) -> None:
        for call in self.in_flight():
            call.ended, call.cost = Ended.MAYBE, call.reserved
            if settled_first:
                self.state.settle_open_as_killed(call.row)
        self.budget = Budget.resumed(caps_in_usd(self.caps), self.state)
        for call in list(self.calls):
            if call.row in self.state.open_attempts:
                self.state.settle_open_as_killed(call.row)

    @precondition(lambda self: not self.in_flight())
    @rule(lane=lanes)
    def all_the_room_can_be_had(self, lane: tuple[str, str]) -> None:
        left = [cap - self.spent(scope) for scope, cap in self.capped_scopes(lane)]
        if not left or min(left) <= 0:
            return
        mine = self.budget.for_lane(*lane)
        assert mine.try_reserve(usd(min(left) + 1)) is Fit.HELD
        assert mine.try_reserve(usd(min(left))) is Fit.RESERVED
        mine.release(usd(min(left)))

    # What always holds

    @invariant()
    def no_cap_is_passed(self) -> None:
        """Above a cap there is only what was there before, and what was used above its reservation."""
        for scope, cap in self.capped_scopes():
            assert self.used(scope) <= max(cap, self.used_before.get(scope, 0) + self.overrun)
        self.used_before = {scope: self.used(scope) for scope in self.caps_ever()}
        self.overrun = 0

    def caps_ever(self) -> set[str]:
        return {"run"}.union(*map(scopes_over, LANES))

    @invariant()
    def the_books_are_right(self) -> None:
        """The budget's totals and rooms are those of the list of calls."""
        flight = sum(call.reserved for call in self.in_flight())
        assert nanodollars(self.budget.reserved_usd) == flight
        spent = nanodollars(self.budget.settled_usd) + nanodollars(self.budget.maybe_usd)
        assert spent == sum(call.cost for call in self.calls)
        told = self.budget.describe()["scopes"]
        for scope, cap in self.capped_scopes():
            if scope in told:
                assert nanodollars(told[scope]["room_usd"]) == max(0, cap - self.used(scope))
            else:
                assert self.used(scope) == 0


AnyNight.TestCase.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
TestAnyNight = AnyNight.TestCase


@dataclass
class Night:
    """Workers that send rows under one cap, until nothing more can be sent."""

    cap: int
    bounds: list[int]
    concurrency: int
    chance: random.Random
    spent: int = 0

    def work(self) -> list[int]:
        """Send all that may be sent, the oldest first; returns the bounds of the rows that are held."""
        lane = Budget(Caps(run=usd(self.cap))).for_lane("p", "m")
        lane.spent(usd(self.spent))
        queue, held, flight = list(self.bounds), list[int](), list[int]()
        while queue or flight:
            fit = lane.try_reserve(usd(queue[0])) if queue and len(flight) < self.concurrency else Fit.WAIT
            if fit is Fit.WAIT:
                self.settle(flight.pop(self.chance.randrange(len(flight))), lane, queue)
            elif fit is Fit.HELD:
                held.append(queue.pop(0))
            else:
                flight.append(queue.pop(0))
            assert self.spent + sum(flight) <= self.cap
        return held

    def settle(self, bound: int, lane: LaneBudget, queue: list[int]) -> None:
        match self.chance.randrange(4):
            case 0:
                lane.release(usd(bound))
                queue.append(bound)
            case 1:
                lane.keep_as_maybe(usd(bound))
                self.spent += bound
            case _:
                cost = self.chance.randint(0, bound)
                lane.settle(usd(bound), usd(cost))
                self.spent += cost


@given(st.integers(0, 20 * MOST), st.lists(st.integers(1, MOST), max_size=80), st.integers(1, 64), st.randoms())
@settings(max_examples=150, deadline=None)
def test_all_that_fits_is_sent_and_all_that_is_held_does_not_fit(
    cap: int, bounds: list[int], concurrency: int, chance: random.Random
) -> None:
    """However many are in flight, a night ends, within its cap, and each row held is above what is left."""
    night = Night(cap, bounds, concurrency, chance)
    held = night.work()
    assert night.spent <= cap
    assert all(bound > cap - night.spent for bound in held)


@given(st.floats(0, 1e4), st.floats(0, 1e4))
def test_rounding_up_never_loses_money_and_keeps_the_order(one: float, other: float) -> None:
    """Rounded up is at least what it was (but for a hundredth of a nanodollar), less than one more, and in order."""
    exact = Fraction(one) * NANO
    assert exact - Fraction(1, 100) <= nanodollars(one) < exact + 1 + Fraction(1, 100)
    assert (nanodollars(one) <= nanodollars(other)) or one > other


@given(st.integers(0, 10**12))
def test_what_was_rounded_stays_as_it_is(amount: int) -> None:
    """A whole number of nanodollars survives dollars, rounding and the nine decimals of the log."""
    assert nanodollars(usd(amount)) == amount
    assert round_up_usd(float(f"{usd(amount):.9f}")) == usd(amount)


@given(st.lists(st.integers(0, 10**10), max_size=200))
def test_the_folds_sums_do_not_drift(costs: list[int]) -> None:
    """Costs added up one by one in dollars are their sum to the nanodollar."""
    state = RunState()
    lane = state.lane_number("p", "m")
    for row, cost in enumerate(costs):
        state.add_request(row + 1, 0, lane)
        state.answer(row, NANO + row, None, usd(cost))
    assert nanodollars(state.lanes[lane].cost_usd) == sum(costs)
