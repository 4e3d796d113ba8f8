"""`overnight plan` with batches: both prices and times, what a verdict is judged by, and what cannot go by batch."""

import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.batching.via import Via
from orchestrator.deadline import Deadline
from orchestrator.estimates.estimating import estimate_run
from orchestrator.estimates.intervals import Interval
from orchestrator.estimates.planning import LanePlan, Plan, make_plan
from orchestrator.estimates.showing import show_plan
from orchestrator.opening import Options, opened
from outputs import lines
from outputs.batches import BatchTold, Step
from outputs.journal import Log
from outputs.log_reader import last_seq
from tests.harness.chain import write_chain_spec
from tests.harness.workplace import Workplace, line

PRICES = '[providers.lab.prices."lab-*"]\ninput = 1\noutput = 10\n'
HALF = PRICES + "batch_input = 0.5\nbatch_output = 5\n"
HOUR = 3600.0


def catalog(work: Workplace, prices: str = HALF, batch: str | None = "") -> None:
    """`lab-*` costs something; `batch` are the keys of its batch API, None where it has none."""
    api = "" if batch is None else f"[providers.lab.batch]\n{batch}\n"
    work.write_catalog(api + prices)
    path = work.folder / "overnight.toml"
    path.write_text(path.read_text().replace("free = true\n", ""))


def rows(work: Workplace, count: int = 100, text: str = "hello") -> None:
    work.write([line(f"r{n}", text, body={"max_tokens": 100}) for n in range(count)])


def planned(work: Workplace, via: Via | None = None, **options: Any) -> Plan:
    if "seconds_left" in options:
        options["deadline"] = Deadline(time.time() + options.pop("seconds_left"))
    return make_plan(work.folder / "m.jsonl", Options(out=work.run_folder, via=via, **options))


def lab(plan: Plan) -> LanePlan:
    [found] = plan.lanes
    return found


def cost(plan: Plan) -> Interval:
    assert plan.estimate is not None
    assert plan.estimate.cost_usd is not None
    return plan.estimate.cost_usd


def test_half_the_price_is_half_of_each_number(work: Workplace) -> None:
    """Cost and bound by batch are half of those online, in one batch, within the API's hours."""
    catalog(work, batch="hours = 72")
    rows(work)
    plan = planned(work)
    found, online = lab(plan), cost(plan)
    assert found.batch_usd is not None
    assert found.most_usd is not None
    assert (found.batch_usd.low, found.batch_usd.high) == pytest.approx((online.low / 2, online.high / 2), rel=1e-6)
    assert found.batch_most_usd == pytest.approx(found.most_usd / 2)
    assert (found.batches, found.batch_hours, found.batch_missing) == (1, 72.0, None)


@pytest.mark.parametrize(
    ("limits", "batches", "hours"),
    [
        ("max_rows = 40", 3, 24.0),
        ("max_rows = 100", 1, 24.0),
        ("max_bytes = 9000", 3, 24.0),
        ("queued_tokens = 400", 1, 72.0),
    ],
)
def test_limits_of_a_batch_make_more_of_them(work: Workplace, limits: str, batches: int, hours: float) -> None:
    """Rows and bytes say how many batches there are, queued tokens how many turns they take."""
    catalog(work, batch=limits)
    rows(work)
    found = lab(planned(work))
    assert (found.batches, found.batch_hours) == (batches, hours)


@pytest.mark.parametrize(
    ("prices", "batch", "missing", "hours"),
    [(PRICES, "", "the price of its batches is unknown", 24.0), (HALF, None, "no batch API that is spoken here", None)],
)
def test_what_is_not_known_is_none_and_says_why(
    work: Workplace, prices: str, batch: str | None, missing: str, hours: float | None
) -> None:
    """Without a batch API, or without its price, nothing is claimed of what it costs, least of all 0."""
    catalog(work, prices, batch)
    rows(work)
    found = lab(planned(work))
    assert (found.batch_usd, found.batch_most_usd, found.batch_missing) == (None, None, missing)
    assert found.batch_hours == hours


def test_a_free_providers_batches_are_free(work: Workplace) -> None:
    """What costs nothing online costs nothing by batch."""
    work.write_catalog("[providers.lab.batch]\n")
    rows(work)
    found = lab(planned(work))
    assert (found.batch_usd, found.batch_most_usd) == (Interval(0, 0, 0), 0)


def test_both_ways_stand_beside_each_other(work: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    """The last lines say price and time of both, what is in it online, and why."""
    catalog(work)
    free = (
        '[providers.free]\nprotocol = "openai"\nbase_url = "http://127.0.0.1:9/v1"\nmodels = ["free-*"]\nfree = true\n'
    )
    path = work.folder / "overnight.toml"
    path.write_text(path.read_text() + free)
    more = [line(f"f{n}", body={"model": "free-1", "max_tokens": 1}) for n in range(3)]
    work.write([line("r", body={"max_tokens": 100}), *more])
    plan = planned(work)
    assert plan.by_batch is not None
    assert (plan.by_batch.rows, plan.by_batch.online_rows, plan.by_batch.hours) == (1, 3, 24.0)
    show_plan(plan)
    text = capsys.readouterr().out
    assert "; by batch $" in text
    assert " within 24h (3 rows of it online)\n" in text
    assert "free/free-1: no batch API that is spoken here: --via batch refuses it, --via auto sends it online\n" in text


def test_without_any_batch_api_nothing_is_said_of_batches(work: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    """A plan for a server without batches looks as ever; asked for batches, it says that there are none."""
    catalog(work, batch=None)
    rows(work)
    show_plan(planned(work))
    assert "batch" not in capsys.readouterr().out.split("\n", 1)[1]
    show_plan(planned(work, Via.BATCH))
    assert "lab/lab-1: no batch API that is spoken here: --via batch refuses it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("via", "cap", "verdict"),
    [
        (None, 0.8, "perhaps"),
        (Via.BATCH, 0.8, "yes"),
        (Via.AUTO, 0.8, "perhaps"),
        (Via.ONLINE, 1.2, "yes"),
        (Via.AUTO, 1.2, "yes"),
        (Via.BATCH, 0.001, "no"),
        (Via.AUTO, 0.001, "no"),
    ],
)
def test_a_cap_is_judged_by_the_way_that_rows_go(work: Workplace, via: Via | None, cap: float, verdict: str) -> None:
    """A cap that is short online may be enough by batch; `auto` may have to pay either price."""
    catalog(work)
    rows(work, 1000)
    plan = planned(work, via, budget=cap)
    assert cost(plan).high == pytest.approx(1.0, rel=0.1)
    assert plan.cap_met == verdict


@pytest.mark.parametrize(
    ("via", "hours", "verdict"),
    [
        (None, 2.0, "yes"),
        (Via.BATCH, 2.0, "perhaps"),
        (Via.AUTO, 2.0, "yes"),
        (Via.BATCH, 25.0, "yes"),
        (Via.BATCH, 0.0, "perhaps"),
        (None, 0.0, "no"),
        (Via.AUTO, 0.0, "perhaps"),
    ],
)
def test_a_deadline_is_judged_by_the_way_that_rows_go(
    work: Workplace, via: Via | None, hours: float, verdict: str
) -> None:
    """Nobody knows when a batch is back before its hours are over; what is late goes online by `auto`."""
    catalog(work)
    rows(work)
    assert planned(work, via, seconds_left=hours * HOUR + 0.1).deadline_met == verdict


def test_the_verdicts_name_the_way(work: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    """Which way a verdict is for stands beside it, where it is not the usual one."""
    catalog(work)
    rows(work, 10)
    show_plan(planned(work, Via.BATCH, budget=2.0, seconds_left=30 * HOUR))
    text = capsys.readouterr().out
    assert "cap of $2.00, via batch: kept to\n" in text
    assert "deadline in 30h, via batch: met\n" in text


def test_steps_that_follow_from_answers_take_as_long_again(
    work: Workplace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where rows follow from answers, no deadline can be promised by batch, and each step is said to take its hours."""
    spec = write_chain_spec(work.folder, 4, monkeypatch)
    options = Options(out=work.run_folder, via=Via.BATCH, simulate=True, deadline=Deadline(time.time() + 30 * HOUR))
    plan = make_plan(spec, options)
    assert plan.expected
    assert plan.by_batch is not None
    assert (plan.by_batch.steps, plan.deadline_met) == (True, "perhaps")
    show_plan(plan)
    assert "within 24h, each step that follows from answers\n" in capsys.readouterr().out


def test_rows_too_long_for_a_batch_are_counted(work: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    """A row with more bytes than a batch may have is named before anything is sent."""
    catalog(work, batch="max_bytes = 5000")
    work.write([line("short"), line("long", "x" * 6000), line("longer", "x" * 7000)])
    plan = planned(work)
    assert lab(plan).too_long_for_batch == 2
    show_plan(plan)
    assert (
        "2 rows are too long for a batch: --via batch fails them, --via auto sends them online\n"
        in capsys.readouterr().out
    )


def in_batches(work: Workplace, count: int) -> Path:
    """A run of ten rows of which `count` are in a batch, as it lies on the disk; it went by `auto`."""
    with opened(work.folder / "m.jsonl", Options(out=work.run_folder)) as run:
        requests = list(run.state.seqs)
    seq = last_seq(work.run_folder)
    for log in Log:
        (work.run_folder / log.file_name).touch()
    begun = seq + 1
    told = BatchTold(key="on-1", provider="lab", model="lab-1", rows=count)
    written = [lines.batch_step(Step.BEGUN, 1.0, told)]
    written += [lines.intent(request, 1, 1.0, 0.25, begun) for request in requests[:count]]
    with (work.run_folder / Log.ATTEMPTS.file_name).open("ab") as file:
        for number, text in enumerate(written):
            file.write(b'{"seq":%d,%b\n' % (begun + number, text))
    with (work.run_folder / Log.EVENTS.file_name).open("ab") as file:
        file.write(b'{"seq":%d,%b\n' % (begun + len(written), lines.event("via", 1.0, via="auto")))
    return work.run_folder


def test_rows_in_batches_are_not_planned_again(work: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    """What is in a batch is not sent, what is reserved for it is off the cap, and the run goes on by its own way."""
    catalog(work)
    rows(work, 10)
    folder = in_batches(work, 4)
    plan = make_plan(folder, Options(budget=1.5))
    assert (plan.rows, plan.in_batches, plan.in_batches_usd, plan.via) == (6, 4, 1.0, Via.AUTO)
    assert plan.cap_met == "yes"
    assert make_plan(folder, Options(budget=1.0)).cap_met == "no"
    show_plan(plan)
    text = capsys.readouterr().out
    assert "4 rows more are in batches: they will be followed, not sent again\n" in text
    assert "cap of $1.50, $1.00 reserved for batches, via auto: kept to\n" in text


def test_a_plan_by_batch_fits_80_columns(
    work: Workplace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A long name is cut; every number of the table of batches stays whole on its line."""
    monkeypatch.setenv("COLUMNS", "80")
    catalog(work)
    name = "lab-4o-2024-08-06-long-name-of-a-fine-tune-of-a-fine-tune"
    work.write([line(f"r{n}", body={"model": name, "max_tokens": 9000}) for n in range(300)])
    show_plan(planned(work))
    text = capsys.readouterr().out.splitlines()
    at = next(number for number, shown in enumerate(text) if shown.startswith("lane by batch"))
    assert max(map(len, text[at : at + 2])) <= 80
    assert text[at + 1].split()[1:] == ["1", "$0.0234", "to", "$13.50", "$13.52", "24h"]


def test_a_plan_is_json(work: Workplace) -> None:
    """`--json` has each lane by batch and the whole, in numbers, and by which way the verdicts are."""
    catalog(work)
    rows(work, 10)
    plan = work.overnight("plan", "m.jsonl", "--out", "out", "--json", "--via", "auto", "--budget", "9").json
    [one] = plan["lanes"]
    assert one["batch_usd"]["high"] == pytest.approx(one["estimate"]["cost_usd"]["high"] / 2, rel=1e-3)
    assert (one["batches"], one["batch_hours"], one["batch_missing"]) == (1, 24.0, None)
    assert (plan["via"], plan["cap_met"], plan["by_batch"]["rows"]) == ("auto", "yes", 10)


@pytest.mark.parametrize(("via", "low", "high"), [(Via.ONLINE, 1.0, 1.0), (Via.BATCH, 0.5, 0.5), (Via.AUTO, 0.5, 1.0)])
def test_the_estimate_of_a_run_is_at_the_price_of_its_way(work: Workplace, via: Via, low: float, high: float) -> None:
    """What a session logs for `status` to compare with has the prices of batches where rows go by batch."""
    catalog(work)
    rows(work, 10)
    with opened(work.folder / "m.jsonl", Options(out=work.run_folder)) as run:
        online = estimate_run(run.folder, run.state, run.catalog, 64)["total"]["cost_usd"]
        found = estimate_run(run.folder, run.state, run.catalog, 64, via=via)["total"]["cost_usd"]
    assert found["low"] == pytest.approx(low * online["low"], rel=1e-6)
    assert found["high"] == pytest.approx(high * online["high"], rel=1e-6)


@pytest.mark.parametrize(("hours", "too_near"), [(0.2, ("lab/lab-1",)), (8.0, ())])
def test_a_plan_says_where_a_deadline_is_too_near_for_batches(
    work: Workplace, capsys: pytest.CaptureFixture[str], hours: float, too_near: tuple[str, ...]
) -> None:
    """By `auto` nothing would go by batch so near the deadline, and a line says so."""
    catalog(work)
    rows(work)
    plan = planned(work, Via.AUTO, deadline=Deadline(time.time() + hours * 3600))
    assert plan.too_near == too_near
    show_plan(plan)
    assert ("so near the deadline" in capsys.readouterr().out) == bool(too_near)
