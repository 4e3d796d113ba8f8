"""`overnight plan`: estimates by lane, verdicts, what is learned from a run's own answers, and how it is shown."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.deadline import Deadline
from orchestrator.estimates import showing
from orchestrator.estimates.estimating import estimate_run
from orchestrator.estimates.intervals import Interval
from orchestrator.estimates.planning import Plan, make_plan
from orchestrator.estimates.showing import show_plan
from orchestrator.estimates.spans import count_span, money_span, short_count, short_time, time_span
from orchestrator.opening import Options, opened
from orchestrator.requests_file import RequestsFile
from outputs import lines
from outputs.fold import fold
from outputs.journal import Log
from outputs.run_record import read_run_record
from providers.catalog import load_catalog
from providers.wire import Usage
from tests.harness.workplace import Workplace, line

PRICES = '[providers.lab.prices."lab-*"]\ninput = 1\noutput = 10\n'


def _options(budget_usd: float, seconds_left: float | None = None) -> Options:
    return Options(budget=budget_usd, deadline=None if seconds_left is None else Deadline(time.time() + seconds_left))


def planned(work: Workplace, *arguments: object) -> Any:
    return work.overnight("plan", "m.jsonl", "--out", "out", "--json", *arguments).json


def priced(work: Workplace, limits: str = "") -> None:
    """A catalog in which `lab-*` costs something, with these limits."""
    work.write_catalog(limits + PRICES)
    path = work.folder / "overnight.toml"
    path.write_text(path.read_text().replace("free = true\n", ""))


def made(work: Workplace, rows: int, answered: int, *, tokens_a_byte: float = 0.5) -> Path:
    """A run of which some rows were answered, as it lies on the disk."""
    work.write([line(f"r{n}", "x" * 4000, body={"max_tokens": 100}) for n in range(rows)])
    with opened(work.folder / "m.jsonl", Options(out=work.run_folder)) as run:
        requests = RequestsFile(run.folder, run.state)
        seq = run.state.seqs[-1]
        with (run.folder / Log.RESPONSES.file_name).open("wb") as file:
            for row in range(answered):
                usage = Usage(round(4000 * tokens_a_byte), 20, 0)
                text = lines.response(
                    requests.read(row),
                    attempt=1,
                    at=1.0,
                    latency_s=3.0,
                    body=b"{}",
                    request_id=None,
                    usage=usage,
                    cost_usd=0.25,
                )
                file.write(b'{"seq":%d,%b\n' % (seq + 1 + row, text))
        for log in (Log.ATTEMPTS, Log.ERRORS, Log.EVENTS):
            (run.folder / log.file_name).touch()
        requests.close()
    return work.run_folder


def test_a_plan_estimates_each_lane_and_all(work: Workplace) -> None:
    """Tokens, money and time stand as least, middle and most for each lane and for the run."""
    priced(work)
    rows = [line(f"g{n}", "hello world", body={"model": "gpt-4o-mini", "max_tokens": 100}) for n in range(10)]
    work.write([*rows, line("l", "x" * 400, body={"max_tokens": 100})])
    plan = planned(work)
    gpt, lab = (one["estimate"] for one in plan["lanes"])
    assert gpt["input_tokens"] == {"low": 90, "middle": 90, "high": 90}
    assert gpt["counted_by"] == "tiktoken o200k_base"
    assert gpt["output_tokens"] == {"low": 50, "middle": 500, "high": 1000}
    assert gpt["cost_usd"]["high"] == pytest.approx((90 * 0.15 + 1000 * 0.6) / 1e6)
    assert gpt["cost_usd"]["high"] <= plan["lanes"][0]["most_usd"]
    assert lab["input_tokens"]["low"] < lab["input_tokens"]["middle"] < lab["input_tokens"]["high"]
    assert plan["estimate"]["cost_usd"]["high"] == pytest.approx(gpt["cost_usd"]["high"] + lab["cost_usd"]["high"])
    assert (plan["estimate"]["rows"], plan["estimate"]["sampled"]) == (11, 11)
    assert (plan["deadline_met"], plan["cap_met"]) == (None, None)
    assert plan["disk"]["enough"] == "yes"
    assert 0 < plan["disk"]["needed_bytes"] < plan["disk"]["most_bytes"] < plan["disk"]["free_bytes"]


def test_a_plan_names_the_limit_that_binds(work: Workplace) -> None:
    """Two lanes of one account share its limit; the time is that of both."""
    priced(work, "[providers.lab.limits]\nrpm = 60\n")
    work.write([line(f"r{n}", body={"model": f"lab-{n % 2}", "max_tokens": 5}) for n in range(600)])
    plan = planned(work)
    assert (plan["binding"], plan["lanes"][0]["estimate"]["bucket"]) == ("rpm", "lab")
    assert [one["estimate"]["seconds"]["middle"] for one in plan["lanes"]] == [600, 600]
    assert plan["estimate"]["seconds"]["middle"] == 600
    assert "what binds: rpm of lab, for lab/lab-0\n" in work.overnight("plan", "m.jsonl").out


@pytest.mark.parametrize(
    ("budget_usd", "seconds_left", "verdicts"),
    [(1.0, 3600.0, ("yes", "yes")), (0.01, 620.0, ("no", "perhaps")), (0.03, 60.0, ("perhaps", "no"))],
)
def test_a_plan_tells_whether_cap_and_deadline_hold(
    work: Workplace, budget_usd: float, seconds_left: float, verdicts: tuple[str, str]
) -> None:
    """The cost is held against the cap and the time against the deadline."""
    priced(work, '[providers.lab.limits]\nrpm = 60\n[providers.lab.limits."lab-*"]\ninput_tpm = 1000\n')
    work.write([line(f"r{n}", "x" * 48, body={"max_tokens": 5}) for n in range(590)])
    plan = make_plan(work.folder / "m.jsonl", _options(budget_usd, seconds_left))
    assert (plan.cap_met, plan.deadline_met) == verdicts


def test_what_was_spent_is_off_the_cap(work: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that spent most of its cap has the rest left, and says so."""
    priced(work)
    folder = made(work, rows=40, answered=20)
    assert make_plan(folder, _options(6.0)).cap_met == "yes"
    plan = make_plan(folder, _options(5.0))
    assert (plan.spent_usd, plan.cap_met) == (5.0, "no")
    show_plan(plan)
    assert "cap of $5.00, $5.00 of it spent: not enough: rows will be held\n" in capsys.readouterr().out


def test_a_plan_learns_from_the_answers_of_its_run(work: Workplace) -> None:
    """Input, output and latency are taken from what was answered, and the ratio says how far it may be off."""
    priced(work)
    folder = made(work, rows=50, answered=30)
    [found] = make_plan(folder, Options(concurrency=2)).lanes
    assert found.estimate is not None
    assert found.rows == 20
    assert found.estimate.input_tokens.middle == pytest.approx(20 * 2000, rel=0.01)
    assert found.estimate.output_tokens == Interval(400, 400, 400)
    assert found.estimate.seconds is not None
    assert found.estimate.seconds.middle == pytest.approx(30)
    assert found.estimate.counted_by == "ratio 0.50 tokens a byte, +-1 %; from 30 answers"


def test_what_is_on_disk_is_not_written_again(work: Workplace) -> None:
    """The requests of a run that goes on need no more room."""
    priced(work)
    work.write([line(f"r{n}", "x" * 4000, body={"max_tokens": 100}) for n in range(50)])
    new = make_plan(work.folder / "m.jsonl", Options(out=work.run_folder)).disk
    again = make_plan(made(work, rows=50, answered=0), Options()).disk
    assert new is not None
    assert again is not None
    assert new.needed_bytes - again.needed_bytes > 50 * 4000


def test_a_run_is_estimated_from_a_few_of_its_rows(work: Workplace) -> None:
    """At its start a run is estimated from some rows of each lane, and holds the truth in its intervals."""
    priced(work)
    many = [line(f"m{n}", "x" * (n % 97), body={"max_tokens": 100}) for n in range(3000)]
    few = [line(f"f{n}", "hello world", body={"model": "lab-2", "max_tokens": 10}) for n in range(3)]
    work.write([*many, *few])
    with opened(work.folder / "m.jsonl", Options(out=work.run_folder)) as run:
        found = estimate_run(run.folder, run.state, run.catalog, 64)
    first, second = found["lanes"]
    assert (first["rows"], second["rows"], second["sampled"]) == (3000, 3, 3)
    assert first["sampled"] < 600
    whole = make_plan(work.folder / "m.jsonl", Options(out=work.run_folder)).lanes[0].estimate
    assert whole is not None
    assert first["input_tokens"]["low"] < whole.input_tokens.middle < first["input_tokens"]["high"]
    assert first["input_tokens"]["middle"] == pytest.approx(whole.input_tokens.middle, rel=0.05)
    assert first["before"] == {"answered": 0, "failed": 0, "input_tokens": 0, "output_tokens": 0, "cost_usd": 0.0}
    assert json.loads(json.dumps(found)) == found


def test_an_estimate_of_a_run_that_goes_on(work: Workplace) -> None:
    """Only rows that want an answer are estimated; what was answered before stands beside."""
    priced(work)
    folder = made(work, rows=50, answered=30)
    catalog = load_catalog().with_recorded(read_run_record(folder).catalog)
    found = estimate_run(folder, fold(folder), catalog, 64)
    [one] = found["lanes"]
    assert (one["rows"], one["before"]["answered"], one["before"]["cost_usd"]) == (20, 30, 7.5)
    assert "from 30 answers" in one["counted_by"]
    done = made_whole(folder)
    assert estimate_run(folder, done, catalog, 64)["lanes"] == []


def made_whole(folder: Path) -> Any:
    """The state of a run all of whose rows are answered."""
    state = fold(folder)
    for row in range(len(state)):
        state.answer(row, 10**6 + row, None, None)
    return state


def test_a_damaged_answer_is_passed_over(work: Workplace) -> None:
    """An estimate does not fail on a line that cannot be read, or on a torn one."""
    priced(work)
    folder = made(work, rows=50, answered=30)
    state = fold(folder)
    with (folder / Log.RESPONSES.file_name).open("ab") as file:
        file.write(b'\x00\x00\n{"seq":99')
    catalog = load_catalog()
    [one] = estimate_run(folder, state, catalog, 64)["lanes"]
    assert "answers" in one["counted_by"]


def test_a_plan_fits_100_columns(
    work: Workplace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a long name and wide intervals every number of the table stays whole on its line."""
    monkeypatch.setenv("COLUMNS", "100")
    name = "gpt-4o-2024-08-06-long-name-of-a-fine-tune"
    prices = f'[providers.openai.prices."{name}"]\ninput = 2.5\noutput = 10\n'
    (work.folder / "overnight.toml").write_text(prices)
    work.write([line(f"r{n}", "hello", body={"model": name, "max_tokens": 9000}) for n in range(300)])
    plan = make_plan(work.folder / "m.jsonl", Options(out=work.run_folder))
    show_plan(plan)
    table = capsys.readouterr().out.splitlines()[1:3]
    assert max(map(len, table)) <= 100
    cells = table[1].split()
    assert " ".join(cells[1:]) == "300 2,400 4,500 to 2.70M $0.0510 to $27.01 2s to 1m34s concurrency"


def test_a_plan_of_nothing_says_so(work: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    """A run without open rows has a head line and no more."""
    priced(work)
    show_plan(make_plan(made(work, rows=3, answered=3), Options()))
    assert capsys.readouterr().out.splitlines() == [f"{work.run_folder}: goes on, 3 answered before; 0 to send"]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (count_span(None), "unknown"),
        (count_span(Interval.exactly(1234)), "1,234"),
        (count_span(Interval(9_999.4, 0, 9_999.6)), "9,999 to 10.0k"),
        (short_count(999_600), "1.00M"),
        (short_count(98_765_432), "98.8M"),
        (short_count(2.5e12), "2,500G"),
        (money_span(Interval(1.2, 2, 3.4)), "$1.20 to $3.40"),
        (money_span(Interval(0.0, 0, 0)), "$0.00"),
        (money_span(Interval(1234.5, 0, 99_999)), "$1,234 to $99,999"),
        (time_span(Interval(4200, 0, 10_800)), "1h10m to 3h"),
        (time_span(Interval(0.01, 0, 45)), "1s to 45s"),
        (short_time(600), "10m"),
        (short_time(187_200), "2d4h"),
        (short_time(172_800), "2d"),
    ],
)
def test_numbers_are_short(shown: str, expected: str) -> None:
    """A few digits, with a unit a person reads at a glance."""
    assert shown == expected


def test_the_verdicts_are_sentences(work: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    """Cap, deadline and disk each have a line, in words."""
    work.write([line("a", body={"max_tokens": 5})])
    plan: Plan = make_plan(work.folder / "m.jsonl", _options(2.5, 7200.0))
    show_plan(plan)
    shown = capsys.readouterr().out
    assert "cap of $2.50: kept to\n" in shown
    assert "deadline in 2h: met\n" in shown
    assert shown.splitlines()[-1].endswith(" free: enough")
    assert showing.__doc__
