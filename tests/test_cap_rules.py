"""A cap in USD by example, on the command line: what is sent under it, what is held, and what is said of that.

Output costs 0.001 USD a token and input nothing: a row that may write 10 tokens is reserved at 0.010, and costs 0.005.
"""

import json
from collections.abc import Callable

import pytest

from outputs.journal import Log
from tests.harness.loopback import Call, Reply, chat_answer
from tests.harness.workplace import Ended, Workplace, line

WRITTEN = 5
PRICES = '[providers.lab.prices."*"]\ninput = 0.0\noutput = 1000.0\n'


def reply(tokens: int | None = WRITTEN) -> Callable[[Call], Reply]:
    """Answers that wrote so many tokens; None: that do not say how many."""
    usage = None if tokens is None else {"prompt_tokens": 9, "completion_tokens": tokens, "total_tokens": 9 + tokens}
    return lambda _: Reply(json.dumps({**chat_answer("Yes."), "usage": usage}).encode())


def rows(count: int, max_tokens: int | None = 10, prefix: str = "row") -> list[dict[str, object]]:
    body = {} if max_tokens is None else {"max_tokens": max_tokens}
    return [line(f"{prefix}-{number}", body=body) for number in range(count)]


@pytest.fixture
def till(work: Workplace) -> Workplace:
    """A working folder whose models have prices."""
    work.provider.reply = reply()
    write_catalog(work)
    return work


def write_catalog(work: Workplace, more: str = PRICES) -> None:
    entry = f'protocol = "openai"\nbase_url = "{work.provider.base_url}"\nmodels = ["lab-*"]\n'
    (work.folder / "overnight.toml").write_text(f"[providers.lab]\n{entry}{more}")


def run(work: Workplace, *arguments: object, source: str = "m.jsonl") -> Ended:
    """One call at a time, so that it is certain how many fit."""
    return work.run("--concurrency", 1, "--json", *arguments, source=source)


def test_what_does_not_fit_is_held_and_a_higher_cap_lets_it_go(till: Workplace) -> None:
    """Of ten rows five fit, which is exit 4 and says so; twice the cap answers the others, and none twice."""
    till.write(rows(10))
    ended = run(till, "--budget", 0.03)
    assert (ended.code, ended.json["answered"], ended.json["held"], ended.json["failed"]) == (4, 5, 5, 0)
    assert ended.json["budget"]["settled_usd"] == 0.025
    assert "no room for 5 rows" in ended.json["reason"]
    assert till.lines(Log.ERRORS) == []
    assert run(till, "--budget", 0.06).code == 0
    assert len(till.provider.calls) == 10


def test_a_cap_lasts_until_it_is_changed(till: Workplace) -> None:
    """A resume counts what earlier sessions spent under the cap that they were given, whatever new rows it brings."""
    till.write(rows(3))
    assert run(till, "--budget", "0.03").code == 0
    till.write(rows(10))
    ended = run(till)
    assert (ended.code, ended.json["answered"], ended.json["budget"]["settled_usd"]) == (4, 5, 0.025)
    again = till.overnight("run", till.run_folder, "--json", "--quiet")
    assert (again.code, again.json["sent"], again.json["held"]) == (4, 0, 5)


def test_none_takes_the_cap_away(till: Workplace) -> None:
    """`--budget none` sends all that was held, and later sessions have no cap either."""
    till.write(rows(10))
    assert run(till, "--budget", 0.03).code == 4
    assert run(till, "--budget", "none").code == 0
    till.write(rows(20))
    assert run(till).code == 0
    assert till.overnight("status", till.run_folder, "--json").json["caps"]["run"] is None


def test_a_cap_lowered_below_what_is_spent_sends_nothing(till: Workplace) -> None:
    """Under a cap that is used up already nothing is sent, and nothing is lost."""
    till.write(rows(10))
    assert run(till, "--budget", 0.03).code == 4
    ended = run(till, "--budget", 0.01)
    assert (ended.code, ended.json["sent"], ended.json["answered"]) == (4, 0, 5)
    assert ended.json["budget"]["scopes"]["run"]["room_usd"] == 0.0
    assert run(till, "--budget", "none").code == 0
    assert len(till.provider.calls) == 10


def test_no_money_sends_nothing(till: Workplace) -> None:
    """A budget of nothing is a budget: no call is made."""
    till.write(rows(3))
    ended = run(till, "--budget", 0)
    assert (ended.code, ended.json["held"], till.provider.calls) == (4, 3, [])


def test_rows_too_dear_are_held_while_smaller_ones_go_on(till: Workplace) -> None:
    """Rows that would not fit the cap alone hold nobody up, wherever they stand."""
    dear = rows(4, 1000, "dear")
    cheap = rows(4)
    till.write([one for pair in zip(dear, cheap, strict=True) for one in pair])
    ended = run(till, "--budget", 0.05)
    assert (ended.code, ended.json["held"]) == (4, 4)
    assert set(till.answered()) == {str(one["custom_id"]) for one in cheap}


def test_an_unknown_price_under_a_cap_is_bad_input(till: Workplace) -> None:
    """A budget for a model without a price is exit 2 that names the model; nothing is sent and nothing left behind."""
    write_catalog(till, "")
    till.write(rows(3))
    ended = till.run("--budget", 5)
    assert ended.code == 2
    assert "m.jsonl:1" in ended.error
    assert "the price of lab/lab-1 is unknown" in ended.error
    assert (till.provider.calls, till.files()) == ([], set())


def test_a_cap_for_a_run_that_was_made_without_prices_is_bad_input(till: Workplace) -> None:
    """Where rows without a price are left, a cap given at a resume is exit 2 too, and nothing is sent."""
    write_catalog(till, "")
    till.provider.reply = lambda _: Reply(b'{"error":{"message":"no","code":"invalid_api_key"}}', 401)
    till.write(rows(3))
    assert till.run("--allow-unpriced").code == 6
    till.provider.forget()
    ended = till.run("--budget", 5)
    assert (ended.code, till.provider.calls) == (2, [])
    assert "the price of lab/lab-1 is unknown" in ended.error


def test_a_row_without_a_bound_is_bad_input_under_a_cap(till: Workplace) -> None:
    """Without max_tokens, of the row or of its model, a budget is exit 2 that names the line and the field."""
    till.write([*rows(2), *rows(1, None, "open")])
    ended = till.run("--budget", 5)
    assert (ended.code, till.provider.calls) == (2, [])
    assert "m.jsonl:3" in ended.error
    assert "body.max_tokens" in ended.error
    assert till.run().code == 0


def test_a_cap_given_at_a_resume_names_the_row_without_a_bound(till: Workplace) -> None:
    """Where a run was made without a cap, one that is given later names the row that nothing bounds."""
    till.provider.reply = lambda _: Reply(b'{"error":{"message":"no","code":"invalid_api_key"}}', 401)
    till.write([*rows(2), *rows(1, None, "open")])
    assert till.run().code == 6
    ended = till.run("--budget", 5)
    assert ended.code == 2
    assert "open-0" in ended.error or "m.jsonl:3" in ended.error


def test_a_models_own_maximum_bounds_a_row(till: Workplace) -> None:
    """A row that names no max_tokens is reserved at what its model writes at most."""
    write_catalog(till, PRICES + '[providers.lab.facts."lab-*"]\nmax_output_tokens = 10\n')
    till.write(rows(10, None))
    ended = run(till, "--budget", 0.03)
    assert (ended.code, ended.json["answered"], ended.json["held"]) == (4, 5, 5)


def test_usage_above_its_reservation_stops_the_run(till: Workplace) -> None:
    """An answer that cost more than its row could is exit 4, said plainly, after which nothing more is sent."""
    till.provider.reply = reply(12)
    till.write(rows(10))
    ended = run(till, "--budget", 5)
    assert (ended.code, ended.json["sent"], ended.json["budget"]["settled_usd"]) == (4, 1, 0.012)
    assert "cost $0.012000 where at most $0.010000 was reserved" in ended.json["reason"]


def test_answers_without_usage_count_at_their_reservation(till: Workplace) -> None:
    """What does not say what it cost counts at what it may have cost, in this session and in later ones."""
    till.provider.reply = reply(None)
    till.write(rows(10))
    ended = run(till, "--budget", 0.03)
    assert (ended.code, ended.json["answered"], ended.json["budget"]["settled_usd"]) == (4, 3, 0.03)
    assert [one["cost_usd"] for one in till.lines(Log.RESPONSES)] == [None] * 3
    again = run(till)
    assert (again.code, again.json["sent"], again.json["budget"]["settled_usd"]) == (4, 0, 0.03)


def test_refused_rows_cost_nothing(till: Workplace) -> None:
    """What a provider refuses gives its reservation back: under a cap for one row, all the others are tried too."""
    till.provider.reply = lambda call: reply()(call) if call.text == "row-4" else Reply(b'{"error":{"code":"x"}}', 400)
    till.write(rows(5))
    ended = run(till, "--budget", 0.01)
    assert (ended.code, ended.json["answered"], ended.json["failed"], ended.json["held"]) == (3, 1, 4, 0)


def test_what_may_have_been_billed_counts_in_later_sessions(till: Workplace) -> None:
    """A 200 that nobody can read counts at its reservation, and is asked again only while there is money for it."""
    till.provider.reply = lambda _: Reply(b"<html>")
    till.write(rows(1))
    ended = run(till, "--budget", 0.015)
    assert (ended.code, ended.json["held"], ended.json["budget"]["maybe_usd"]) == (4, 1, 0.01)
    till.provider.reply = reply()
    assert run(till).json["sent"] == 0
    again = run(till, "--budget", 0.02)
    assert (again.code, again.json["answered"]) == (0, 1)
    assert (again.json["budget"]["settled_usd"], again.json["budget"]["maybe_usd"]) == (0.005, 0.01)
