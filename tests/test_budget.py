"""The budget by example: what fits under which cap, and what each settlement leaves."""

import pytest

from jobs.registry import BudgetSpec
from orchestrator.budget import Budget, Caps, Fit, parse_budget, round_up_usd
from outputs.fold import RunState
from prompts.input_error import InputError
from providers.wire import Billing, Usage


def amounts(budget: Budget) -> tuple[float, float, float]:
    return budget.settled_usd, budget.maybe_usd, budget.reserved_usd


def test_near_the_cap_a_call_waits_for_settlements() -> None:
    """What does not fit beside what is in flight waits, and fits once that has cost less than it might have."""
    budget = Budget(Caps(run=1.0))
    lane = budget.for_lane("p", "m")
    assert [lane.try_reserve(0.6), lane.try_reserve(0.6)] == [Fit.RESERVED, Fit.WAIT]
    assert not lane.settle(0.6, 0.1)
    assert lane.try_reserve(0.6) is Fit.RESERVED
    assert amounts(budget) == (0.1, 0.0, 0.6)


def test_a_call_that_can_never_fit_is_held_until_the_cap_is_raised() -> None:
    """What is above all that is left is held, even while calls are in flight; a higher cap lets it go."""
    budget = Budget(Caps(run=1.0))
    lane = budget.for_lane("p", "m")
    lane.spent(0.5)
    assert lane.try_reserve(0.25) is Fit.RESERVED
    assert lane.try_reserve(0.51) is Fit.HELD
    budget.set_caps(Caps(run=2.0))
    assert lane.try_reserve(0.51) is Fit.RESERVED


def test_nobody_waits_for_money_that_does_not_come_back() -> None:
    """What is reserved for a batch that was left is no room to wait for, in any lane and under any later cap."""
    budget = Budget(Caps(run=1.0))
    lost, lane = budget.for_lane("p", "m"), budget.for_lane("p", "n")
    lost.reserve_again(0.5)
    assert lane.try_reserve(0.6) is Fit.WAIT
    lost.leave(0.5)
    assert [lane.try_reserve(0.6), lane.try_reserve(0.3), lane.try_reserve(0.4)] == [Fit.HELD, Fit.RESERVED, Fit.WAIT]
    budget.set_caps(Caps(run=1.2))
    assert [lane.try_reserve(0.8), lane.try_reserve(0.4)] == [Fit.HELD, Fit.RESERVED]
    assert amounts(budget) == (0.0, 0.0, 1.2)


def test_each_way_to_settle_leaves_what_it_should() -> None:
    """Unbilled leaves nothing, billed its cost, maybe its reservation, and so does an unknown cost."""
    budget = Budget(Caps(run=10.0))
    lane = budget.for_lane("p", "m")
    for _ in range(4):
        assert lane.try_reserve(1.0) is Fit.RESERVED
    lane.release(1.0)
    assert amounts(budget) == (0.0, 0.0, 3.0)
    lane.settle(1.0, 0.25)
    assert amounts(budget) == (0.25, 0.0, 2.0)
    lane.keep_as_maybe(1.0)
    assert amounts(budget) == (0.25, 1.0, 1.0)
    assert not lane.settle(1.0, None)
    assert amounts(budget) == (1.25, 1.0, 0.0)
    assert budget.room_usd == 7.75


def test_usage_above_its_reservation_is_told() -> None:
    """A cost above what was reserved is counted in full and told; one that equals it is not."""
    budget = Budget(Caps(run=1.0))
    lane = budget.for_lane("p", "m")
    lane.try_reserve(0.1)
    lane.try_reserve(0.9)
    assert not lane.settle(0.1, 0.1)
    assert lane.settle(0.9, 0.900_000_001)
    assert budget.settled_usd == 1.000_000_001
    assert budget.room_usd == 0.0


def test_every_cap_that_names_a_lane_holds() -> None:
    """Caps of the run, the provider, the model anywhere and the model there all bind, and nobody else's does."""
    caps = Caps(run=10.0, providers={"p": 4.0}, models={"m": 3.0, "p/m": 2.0, "q/m": 9.0})
    assert caps.of_lane("p", "m") == {"run": 10.0, "provider p": 4.0, "model m": 3.0, "model p/m": 2.0}
    assert caps.of_lane("q", "n") == {"run": 10.0}
    budget = Budget(caps)
    assert budget.for_lane("p", "m").try_reserve(2.5) is Fit.HELD
    assert budget.for_lane("p", "m").try_reserve(2.0) is Fit.RESERVED
    assert budget.for_lane("q", "m").try_reserve(2.0) is Fit.WAIT
    assert budget.for_lane("q", "m").try_reserve(1.0) is Fit.RESERVED
    assert budget.for_lane("p", "n").try_reserve(2.0) is Fit.RESERVED
    assert budget.for_lane("p", "n").try_reserve(0.5) is Fit.WAIT
    assert budget.for_lane("r", "n").try_reserve(5.0) is Fit.RESERVED


def test_a_call_that_does_not_fit_leaves_no_trace() -> None:
    """A reservation that fails at one cap is in no other cap's book."""
    budget = Budget(Caps(run=10.0, models={"m": 1.0}))
    assert budget.for_lane("p", "m").try_reserve(5.0) is Fit.HELD
    assert (budget.room_usd, budget.reserved_usd) == (10.0, 0.0)


def test_without_a_cap_all_fits_and_is_counted_for_a_cap_to_come() -> None:
    """An uncapped run sends everything, and a cap set while it runs knows what was spent and what is in flight."""
    budget = Budget(Caps())
    lane = budget.for_lane("p", "m")
    assert (budget.capped, lane.capped, budget.room_usd) == (False, False, None)
    assert [lane.try_reserve(usd) for usd in (1e6, 3.0, None)] == [Fit.RESERVED] * 3
    assert not lane.settle(1e6, 2e6)
    assert not lane.settle(None, None)
    budget.set_caps(Caps(run=2e6 + 4))
    assert (budget.capped, lane.capped, budget.room_usd) == (True, True, 1.0)
    assert [lane.try_reserve(1.0), lane.try_reserve(1.0), lane.try_reserve(5.0)] == [Fit.RESERVED, Fit.WAIT, Fit.HELD]


def test_an_unknown_price_is_never_sent_under_a_cap() -> None:
    """A call that nobody can price is held where a cap holds."""
    assert Budget(Caps(providers={"p": 5.0})).for_lane("p", "m").try_reserve(None) is Fit.HELD
    assert Budget(Caps(providers={"p": 5.0})).for_lane("q", "m").try_reserve(None) is Fit.RESERVED


def test_what_costs_nothing_always_fits() -> None:
    """A free lane goes on where all the money is spent, and even where too much was."""
    budget = Budget(Caps(run=1.0))
    lane = budget.for_lane("p", "m")
    lane.spent(2.0)
    assert lane.try_reserve(0.0) is Fit.RESERVED
    assert lane.try_reserve(1e-9) is Fit.HELD


def test_a_cap_lowered_below_what_is_reserved_lets_nothing_new_in() -> None:
    """Calls in flight stay reserved under a lowered cap; new ones wait until there is room again."""
    budget = Budget(Caps(run=10.0))
    lane = budget.for_lane("p", "m")
    lane.try_reserve(6.0)
    budget.set_caps(Caps(run=5.0))
    assert (lane.try_reserve(1.0), budget.room_usd, budget.reserved_usd) == (Fit.WAIT, 0.0, 6.0)
    lane.settle(6.0, 4.0)
    assert lane.try_reserve(1.0) is Fit.RESERVED


def test_a_reservation_is_given_back_once() -> None:
    """Giving back what is not reserved would make room that is not there: it is refused."""
    lane = Budget(Caps(run=1.0)).for_lane("p", "m")
    lane.try_reserve(0.5)
    lane.release(0.5)
    with pytest.raises(ValueError, match="p/m"):
        lane.settle(0.5, 0.1)


def test_a_lane_is_looked_up_once() -> None:
    """Asking for the same lane again gives the same books, not new ones."""
    budget = Budget(Caps(run=1.0))
    assert budget.for_lane("p", "m") is budget.for_lane("p", "m")
    assert budget.for_lane("p", "m") is not budget.for_lane("q", "m")


def test_ten_dimes_make_a_dollar() -> None:
    """Sums in doubles would drift past the cap or short of it; these do not."""
    lane = Budget(Caps(run=1.0)).for_lane("p", "m")
    assert [lane.try_reserve(0.1) for _ in range(10)] == [Fit.RESERVED] * 10
    assert lane.try_reserve(1e-9) is Fit.WAIT


def test_a_resumed_budget_counts_all_that_the_log_says() -> None:
    """Costs, what may have been billed, unpriced answers at their reservations, and what is open count at resume."""
    state = RunState()
    for row in range(5):
        state.add_request(row + 1, 0, state.lane_number("p", "m" if row < 4 else "n"))
        state.begin_attempt(row, 1, 1.0)
    state.answer(0, 10, Usage(1, 1), 0.25)
    state.answer(1, 11, None, None)
    state.settle_attempt(2, Billing.MAYBE, "timed_out")
    state.settle_attempt(4, Billing.UNBILLED, "throttled")
    budget = Budget.resumed(Caps(run=4.0, models={"m": 3.5}), state)
    assert amounts(budget) == (1.25, 2.0, 0.0)
    assert budget.for_lane("p", "m").try_reserve(0.5) is Fit.HELD
    assert budget.for_lane("p", "n").try_reserve(0.5) is Fit.RESERVED


def test_the_budget_describes_itself_in_dollars() -> None:
    """Totals, and for each cap what is under it and what room is left."""
    budget = Budget(Caps(run=5.0, providers={"p": 2.0}))
    lane = budget.for_lane("p", "m")
    lane.spent(0.5, 0.25)
    lane.try_reserve(1.0)
    under = {"settled_usd": 0.5, "maybe_usd": 0.25, "reserved_usd": 1.0}
    assert budget.describe() == {
        **under,
        "scopes": {
            "run": {**under, "cap_usd": 5.0, "room_usd": 3.25},
            "provider p": {**under, "cap_usd": 2.0, "room_usd": 0.25},
        },
    }


def test_a_cap_on_nothing_is_found() -> None:
    """A cap whose provider or model no lane has is named, so that a slip of the pen is not taken for a cap."""
    caps = Caps(1.0, {"p": 1.0, "openai": 1.0}, {"m": 1.0, "p/m": 1.0, "q/m": 1.0, "gpt": 1.0})
    assert caps.without_lane([("p", "m"), ("q", "n")]) == ["provider openai", "model q/m", "model gpt"]


def test_caps_are_written_and_read_back() -> None:
    """A spec's caps are the log's caps are the caps; a record that holds none is refused."""
    caps = Caps.from_spec(BudgetSpec(run=1.5, providers={"p": 1.0}, models={"p/m": 0.5}))
    assert caps.as_record() == {"run": 1.5, "providers": {"p": 1.0}, "models": {"p/m": 0.5}}
    assert Caps.from_record(caps.as_record()) == caps
    assert Caps.from_record({}) == Caps()
    with pytest.raises(InputError, match="budget"):
        Caps.from_record({"run": "much"})


@pytest.mark.parametrize(
    ("text", "usd"),
    [("25", 25.0), ("25.50", 25.5), ("$25", 25.0), (" $0.005 ", 0.005), ("0", 0.0), ("none", None), ("None", None)],
)
def test_amounts_are_read_as_people_write_them(text: str, usd: float | None) -> None:
    """Dollars with or without the sign, and `none` for no cap."""
    assert parse_budget(text) == usd


@pytest.mark.parametrize(
    "text",
    ["", "$", "-1", "1,000", "1e3", "25 EUR", "nan", "inf", ".5", "5.", "$none", "2500000000", "٢٥", "1_000"],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    """What is not plainly an amount is bad input that names the option."""
    with pytest.raises(InputError) as caught:
        parse_budget(text)
    assert caught.value.field == "--budget"


@pytest.mark.parametrize(
    ("usd", "rounded"),
    [(0.0, 0.0), (-1.0, 0.0), (0.07, 0.07), (1e-10, 1e-9), (1.000_000_000_1, 1.000_000_001), (0.29, 0.29)],
)
def test_money_is_rounded_up_to_a_billionth_of_a_dollar(usd: float, rounded: float) -> None:
    """A fraction of a billionth counts as a whole one; the noise of a double does not."""
    assert round_up_usd(usd) == rounded
