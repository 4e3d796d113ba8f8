"""Estimates: intervals from samples, what is believed before what, which limit binds, and the verdicts."""

import itertools
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.estimates.against_actual import compare_estimate, estimate_lines
from orchestrator.estimates.estimate import AnswerFacts, LaneFacts, RunEstimate, estimate
from orchestrator.estimates.intervals import Interval, longest, mean_of, total, whole_from_sample
from orchestrator.estimates.pace import Demand, paces
from orchestrator.estimates.row_sample import RowSample
from orchestrator.estimates.verdicts import cap_met, disk_room, fits
from outputs.fold import LaneTotals
from providers.prices import FREE, Rates
from providers.provider import Limits
from providers.tokens import MEDIUM_TOKENS

DEAR = Rates(1e-6, 5e-7, 4e-6)
POINT = Interval.exactly


def body(text: Any = "hello", **keys: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": text}], **keys}).encode()


def lane(*bodies: bytes, encoding: str | None = None, model_most: int | None = None, **keys: Any) -> LaneFacts:
    """A lane that is to send these bodies."""
    sample = RowSample(encoding, model_most)
    for one in bodies:
        sample.add(one)
    return LaneFacts(**{"provider": "p", "model": "m", "sample": sample, "concurrency": 8, "rates": DEAR, **keys})


def answers(
    count: int, *, ratio: float = 1.0, out: int = 50, cached: int = 0, latency_s: float = 2.0
) -> list[AnswerFacts]:
    """Answers to requests that were counted as 100 to 109 tokens."""
    return [
        AnswerFacts(100 + n % 10, round((100 + n % 10) * ratio), out + n % 3 - 1, cached, latency_s)
        for n in range(count)
    ]


def only(found: RunEstimate) -> Any:
    [one] = found.lanes
    return one


def demand(rows: int, **keys: Any) -> Demand:
    defaults = {"input": POINT(rows * 100), "output": POINT(rows * 10), "latency_s": POINT(1e-6), "concurrency": 8}
    return Demand(rows, **{**defaults, **keys})


# Intervals


def test_all_rows_are_no_sample() -> None:
    """Where every row was counted the sum is known."""
    assert whole_from_sample([3, 5], [1, 1], 2, 2) == POINT(8)


def test_sizes_take_the_spread_out_of_a_sample() -> None:
    """What goes with the size of a row is known from a few rows and the size of all."""
    sizes = list(range(1, 21))
    assert whole_from_sample([0.25 * size for size in sizes], sizes, 1000, 100) == POINT(250)
    without = whole_from_sample([0.25 * size for size in sizes], [1] * 20, 100, 100)
    assert without.low < without.middle < without.high


def test_the_interval_of_a_sample_holds_what_it_says() -> None:
    """Of many samples, some 95 in a hundred have the true sum within their interval."""
    draws = random.Random(1)
    values = [draws.lognormvariate(5, 1) for _ in range(5000)]
    sizes = [value * draws.uniform(3, 5) for value in values]
    hits = 0
    for _ in range(300):
        rows = draws.sample(range(5000), 200)
        found = whole_from_sample([values[r] for r in rows], [sizes[r] for r in rows], sum(sizes), 5000)
        hits += found.low <= sum(values) <= found.high
    assert 270 <= hits <= 300


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.integers(0, 1000))
def test_an_interval_has_an_order(values: list[float], others: int) -> None:
    """Least, middle and most stand in that order, and nothing falls below 0."""
    found = mean_of(values, others)
    assert 0 <= found.low <= found.middle <= found.high
    rows = len(values) + others
    found = whole_from_sample(values, [1] * len(values), rows, rows)
    assert 0 <= found.low <= found.middle <= found.high


def test_sums_and_the_longest() -> None:
    """Costs add up, times run side by side."""
    both = [Interval(1, 2, 9), Interval(3, 4, 5)]
    assert total(both) == Interval(4, 6, 14)
    assert longest(both) == Interval(3, 4, 9)
    assert longest([]) == total([]) == POINT(0)


# Rows


def test_a_sample_stays_even_and_small() -> None:
    """All rows while they are few; then always every second, fourth, eighth one, from the first to the last."""
    sample = RowSample(None, most=10)
    for number in range(20):
        sample.add(body(max_tokens=number + 1))
    assert [one.most_output for one in sample.facts] == list(range(1, 21))
    for number in range(20, 1000):
        sample.add(body(max_tokens=number + 1))
    kept = [one.most_output or 0 for one in sample.facts]
    assert 10 <= len(kept) <= 20
    assert {b - a for a, b in itertools.pairwise(kept)} == {64}
    assert kept[0] == 1
    assert (sample.rows, sample.size) == (1000, sum(len(body(max_tokens=n + 1)) for n in range(1000)))


# Input


def test_openais_tokens_are_counted() -> None:
    """A vocabulary's count is a point, and says whose it is."""
    found = only(estimate([lane(body("hello world"), encoding="o200k_base")]))
    assert found.input_tokens == POINT(9)
    assert found.counted_by == "tiktoken o200k_base"


def test_a_guess_by_bytes_shows_its_error() -> None:
    """Without a vocabulary and without answers, a quarter of the bytes, give or take 25 %, and it says so."""
    found = only(estimate([lane(body("x" * 4000))]))
    assert found.input_tokens.middle == pytest.approx(1007, abs=1)
    assert found.input_tokens.low == pytest.approx(0.75 * 1007, abs=1)
    assert found.input_tokens.high == pytest.approx(1.25 * 1007, abs=1)
    assert found.counted_by == "ratio 0.25 tokens a byte, +-25 %; a guess"


def test_answers_calibrate_the_ratio() -> None:
    """What `usage` was to the count of the same requests is believed, with the error that was measured."""
    found = only(estimate([lane(body("x" * 4000), answers=answers(50, ratio=1.2))]))
    assert found.input_tokens.middle == pytest.approx(1.2 * 1007, rel=0.01)
    assert found.input_tokens.high < 1.25 * 1007
    assert found.counted_by.startswith("ratio 0.30 tokens a byte, +-1 %; from 50 answers")
    counted = only(estimate([lane(body("x" * 4000), encoding="o200k_base", answers=answers(50, ratio=1.2))]))
    assert counted.counted_by == "tiktoken o200k_base x 1.20, +-1 %; from 50 answers"


def test_a_few_answers_say_nothing_yet() -> None:
    """Four answers do not stand against a guess."""
    assert "a guess" in only(estimate([lane(body(), answers=answers(4))])).counted_by


def test_pictures_and_tools_are_said_to_be_unsure() -> None:
    """A picture widens the interval and is mentioned; so do tools widen it."""
    picture = [{"type": "image_url", "image_url": {"url": "file.png"}}]
    found = only(estimate([lane(body(picture), body("no"), encoding="o200k_base")]))
    assert found.input_tokens.low < MEDIUM_TOKENS / 2 < found.input_tokens.middle
    assert "50% of rows with pictures or the like, 765 tokens each" in found.counted_by
    tools = only(estimate([lane(body("no", tools=[{"type": "function"}]), encoding="o200k_base")])).input_tokens
    assert tools.low < tools.middle < tools.high


# Output


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (1, Interval(1, 1, 1)),
        (10, Interval(1, 5, 10)),
        (200, Interval(10, 100, 200)),
        (16_000, Interval(15, 300, 16_000)),
    ],
)
def test_output_is_guessed_within_its_bound(most: int, expected: Interval) -> None:
    """Without answers: a twentieth of what may be written, half of it, all of it; 300 at most as the middle."""
    assert only(estimate([lane(body(max_tokens=most))])).output_tokens == expected
    assert only(estimate([lane(body(), model_most=most)])).output_tokens == expected
    assert only(estimate([lane(body(max_completion_tokens=most, n=3))])).output_tokens == expected.times(3)


def test_unbounded_output_is_unknown() -> None:
    """Where one row has no bound, neither output nor cost is known; it is not guessed."""
    found = estimate([lane(body(), body(max_tokens=5))])
    assert (found.output_tokens, found.cost_usd) == (None, None)
    assert only(found).output_by == "unknown: set max_tokens, or max_output_tokens in the catalog's facts"
    assert fits(found.cost_usd, 1.0) == "perhaps"


def test_answers_say_how_much_is_written() -> None:
    """The mean of the answers there are, within what the rows may write at most."""
    rows = [body(max_tokens=200)] * 100
    found = only(estimate([lane(*rows, answers=answers(60, out=50))]))
    assert found.output_tokens.middle == pytest.approx(5000, rel=0.01)
    assert 4900 < found.output_tokens.low < found.output_tokens.high < 5100
    assert found.output_by == "from 60 answers"
    short = only(estimate([lane(*[body(max_tokens=20)] * 100, answers=answers(60, out=50))]))
    assert short.output_tokens.high == 2000
    unbounded = only(estimate([lane(body(), answers=answers(60, out=50))]))
    assert unbounded.output_tokens is not None


# Cost


def test_cost_is_tokens_by_price() -> None:
    """Input and output, each at its price, least and most."""
    found = only(estimate([lane(*[body("hello world", max_tokens=200)] * 10, encoding="o200k_base")]))
    assert found.cost_usd.low == pytest.approx(90 * 1e-6 + 100 * 4e-6)
    assert found.cost_usd.high == pytest.approx(90 * 1e-6 + 2000 * 4e-6)


def test_an_unknown_price_is_unknown_and_a_free_lane_costs_nothing() -> None:
    """No price: no cost for the lane nor for the run. Free: 0, however much is written."""
    unpriced, free = lane(body(max_tokens=5), rates=None), lane(body(), rates=FREE)
    assert estimate([unpriced, free]).cost_usd is None
    assert estimate([free]).cost_usd == POINT(0)


def test_cached_input_is_priced_as_it_was() -> None:
    """The share of input that answers had from a cache is at the price for that."""
    rows = [body("hello world", max_tokens=200)] * 10
    half = only(estimate([lane(*rows, encoding="o200k_base", answers=answers(100, cached=52, out=1))]))
    none = only(estimate([lane(*rows, encoding="o200k_base", answers=answers(100, cached=0, out=1))]))
    assert none.cost_usd.middle - half.cost_usd.middle == pytest.approx(90 * 5e-7 / 2, rel=0.05)


# Time


@pytest.mark.parametrize(
    ("limits", "seconds", "binding"),
    [
        (Limits(rpm=60), 1000, "rpm"),
        (Limits(tpm=6600), 1000, "tpm"),
        (Limits(input_tpm=6000), 1000, "input_tpm"),
        (Limits(output_tpm=600), 1000, "output_tpm"),
        (Limits(rpd=400), 2 * 86_400, "rpd"),
        (Limits(rpm=60, output_tpm=300), 2000, "output_tpm"),
    ],
)
def test_the_slowest_limit_binds(limits: Limits, seconds: float, binding: str) -> None:
    """A thousand rows of 100 tokens in and 10 out take as long as the tightest limit lets them."""
    [pace] = paces([demand(1000, buckets=(("p", limits),))])
    assert pace.seconds is not None
    assert pace.seconds.middle == pytest.approx(seconds)
    assert (pace.binding, pace.bucket) == (binding, "p")


def test_calls_in_flight_bind() -> None:
    """Without a limit it is latency by concurrency, and never less than one call."""
    slow = Interval(1, 2, 4)
    [pace] = paces([demand(800, latency_s=slow, concurrency=8)])
    assert (pace.seconds, pace.binding, pace.bucket) == (Interval(100, 200, 400), "concurrency", None)
    [pace] = paces([demand(2, latency_s=slow, concurrency=8)])
    assert (pace.seconds, pace.binding) == (slow, "latency")
    [pace] = paces([demand(800, latency_s=slow, buckets=(("p", Limits(concurrency=2)),))])
    assert (pace.seconds, pace.bucket) == (Interval(400, 800, 1600), "p")
    [pace] = paces([demand(1_000_000)])
    assert pace.binding == "this machine"


def test_lanes_share_a_bucket() -> None:
    """The demand of all lanes of an account adds up; a lane of another account does not wait for them."""
    account = (("p", Limits(rpm=60)),)
    both, other, alone = paces([demand(600, buckets=account), demand(300, buckets=account), demand(300)])
    assert both.seconds == other.seconds
    assert both.seconds is not None
    assert both.seconds.middle == pytest.approx(900)
    assert alone.binding != "rpm"


def test_time_is_unknown_where_output_is_and_counts() -> None:
    """A limit on tokens that nobody can foretell leaves the time open, and another limit does not."""
    [pace] = paces([demand(600, output=None, buckets=(("p", Limits(tpm=100)),))])
    assert pace.seconds is None
    [pace] = paces([demand(600, output=None, buckets=(("p", Limits(rpm=60)),))])
    assert pace.seconds is not None


def test_the_run_takes_as_long_as_its_longest_lane() -> None:
    """Lanes run side by side; the slowest is named."""
    slow = lane(*[body(max_tokens=5)] * 100, model="slow", buckets=(("q", Limits(rpm=6)),))
    quick = lane(body(max_tokens=5), model="quick")
    found = estimate([quick, slow])
    assert found.seconds is not None
    assert found.seconds.middle == pytest.approx(1000)
    assert found.slowest is not None
    assert found.slowest.model == "slow"
    assert estimate([]).seconds == POINT(0)


def test_latency_is_measured_or_guessed() -> None:
    """Answers say how long a call takes; a simulator is known to be quick; else a wide guess, and it says so."""
    rows = [body(max_tokens=5)] * 80
    measured = only(estimate([lane(*rows, answers=answers(50, latency_s=3.0))]))
    assert measured.seconds.middle == pytest.approx(30)
    assert measured.latency_by == "2.7 to 3.3 s a call, from 50 answers"
    assert only(estimate([lane(*rows)])).latency_by == "0.5 to 20 s a call, a guess"
    assert only(estimate([lane(*rows, simulated=True)])).seconds.middle == pytest.approx(0.5)


# Verdicts


@pytest.mark.parametrize(
    ("needed", "there", "verdict"),
    [
        (Interval(1, 2, 3), None, None),
        (Interval(1, 2, 3), 3, "yes"),
        (Interval(1, 2, 3), 2, "perhaps"),
        (Interval(1, 2, 3), 0.5, "no"),
        (None, 10, "perhaps"),
        (None, 0, "no"),
    ],
)
def test_verdicts(needed: Interval | None, there: float | None, verdict: str | None) -> None:
    """Within the least: yes; beyond the most: no; between them, or unknown: perhaps."""
    assert fits(needed, there) == verdict


def test_a_cap_with_an_unpriced_lane() -> None:
    """A lane without a price leaves a cap uncertain, but what is priced may pass it alone."""
    lanes = estimate([lane(body(max_tokens=100)), lane(body(max_tokens=100), rates=None)]).stages
    assert cap_met(lanes, None) is None
    assert cap_met(lanes, 1.0) == "perhaps"
    assert cap_met(lanes, 1e-9) == "no"
    assert cap_met(lanes[:1], 1.0) == "yes"


def test_the_disk_is_asked_for_room() -> None:
    """Longer answers and their log probabilities take more; little room is no room."""

    def needed(**keys: Any) -> int:
        facts = lane(*[body(max_tokens=100, **keys)] * 1000)
        return disk_room(zip([facts], estimate([facts]).stages, strict=True), 500_000, 8, 10**12).needed_bytes

    reserve = (4 << 20) + 8 * (64 << 10)
    assert needed() == pytest.approx(500_000 + 1000 * (950 + 50 * 5) + reserve)
    assert needed(logprobs=True, top_logprobs=20) - needed() == pytest.approx(1000 * 50 * (90 + 20 * 70))
    facts = lane(*[body(max_tokens=100_000)] * 1000)
    both = list(zip([facts], estimate([facts]).stages, strict=True))
    assert disk_room(both, 0, 8, 10**12).enough == "yes"
    assert disk_room(both, 0, 8, 10**8).enough == "perhaps"
    assert disk_room(both, 0, 8, 10**6).enough == "no"


# Estimate against actual


def estimated(**keys: Any) -> dict[str, Any]:
    document = estimate([lane(*[body(max_tokens=200)] * 100, **keys)]).to_json()
    before = {"answered": 10, "failed": 1, "input_tokens": 1000, "output_tokens": 500, "cost_usd": 0.5}
    document["lanes"][0]["before"] = before
    read: dict[str, Any] = json.loads(json.dumps(document))
    return read


def totals(**keys: Any) -> LaneTotals:
    now = {"asked": 111, "answered": 58, "failed": 3, "input_tokens": 1450, "output_tokens": 5500, "cost_usd": 0.52}
    return LaneTotals("p", "m", **{**now, **keys})


def test_an_estimate_is_held_against_what_came() -> None:
    """Only what came after it counts, and what half of the rows took is doubled before it is compared."""
    [found] = compare_estimate(estimated(), [totals()], seconds=30.0)
    assert (found["rows"], found["done"]) == (100, 50)
    out = found["output_tokens"]
    assert (out["low"], out["high"], out["actual"], out["projected"]) == (1000, 20_000, 5000, 10_000)
    assert out["verdict"] == "inside"
    assert found["input_tokens"]["verdict"] == "inside"
    assert found["cost_usd"]["projected"] == pytest.approx(0.04)
    assert found["seconds"]["projected"] == 60.0


@pytest.mark.parametrize(("output_tokens", "verdict"), [(600, "below"), (40_000, "above")])
def test_what_lies_outside_is_said(output_tokens: int, verdict: str) -> None:
    """Fewer or more tokens than were foreseen are below or above, in the lines too."""
    found = compare_estimate(estimated(), [totals(output_tokens=output_tokens)])
    assert found[0]["output_tokens"]["verdict"] == verdict
    [line] = estimate_lines(found)
    assert line.startswith("p/m: 50 of 100 done; cost $0.0200 (to $0.0400) of ")
    assert verdict in line
    assert "time" not in line


def test_nothing_is_said_of_what_is_not_known() -> None:
    """Nothing done yet, an unknown estimate, unpriced answers or another lane have no verdict."""
    [found] = compare_estimate(estimated(), [totals(answered=10, failed=1)])
    assert (found["done"], found["output_tokens"]["projected"], found["output_tokens"]["verdict"]) == (0, None, None)
    [found] = compare_estimate(estimated(rates=None), [totals()])
    assert (found["cost_usd"]["low"], found["cost_usd"]["verdict"]) == (None, None)
    [found] = compare_estimate(estimated(), [totals(unpriced=3)])
    assert found["cost_usd"]["actual"] is None
    assert compare_estimate(estimated(), [LaneTotals("p", "another")]) == []
    assert compare_estimate({}, [totals()]) == []
