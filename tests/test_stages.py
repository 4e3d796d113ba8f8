"""A job's stages: each is checked before the first call, and one whose judge cannot be read pauses by itself."""

import asyncio
import json
import re
import time
from collections.abc import Callable

import pytest

from jobs.protocol import Request
from orchestrator import InputError, plan, run
from orchestrator.budget import Fit
from orchestrator.control import Adjust
from orchestrator.display import line as line_of
from orchestrator.engine import Engine, StopKind
from orchestrator.lane import Lane
from orchestrator.progress import Watcher
from orchestrator.requests_file import prepare
from orchestrator.status import read_status
from orchestrator.steering import Steering
from orchestrator.to_follow import Following, by_stage, merged
from outputs.answers import read_answers
from outputs.fold import fold
from outputs.journal import Log
from outputs.run_record import read_run_record
from providers.catalog import load_catalog
from tests.harness.asking import body
from tests.harness.graded import write_graded_spec
from tests.harness.lanes import make_lane
from tests.harness.loopback import Call, Reply
from tests.harness.priced import put_prices
from tests.harness.workplace import Workplace, line

ITEMS = 30
PAUSING = ("--threshold", "readable_of=10", "-c", 2)


def model_of(call: Call) -> str:
    return str(json.loads(call.body)["model"])


def grading(grade: str) -> Callable[[Call], Reply]:
    """A provider whose judge takes its time and says `grade`, and which says of all else `fine`."""

    def reply(call: Call) -> Reply:
        if not call.text.startswith("grade "):
            return Workplace.reply(f"fine {call.text}")
        time.sleep(0.02)  # a verdict counts once it is on disk
        return Workplace.reply(grade)

    return reply


@pytest.fixture
def spec(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two models answer thirty captions, and the first of them judges the answers."""
    return write_graded_spec(work.folder, ITEMS, monkeypatch).name


def test_a_judge_that_cannot_be_read_pauses_its_stage_alone(work: Workplace, spec: str) -> None:
    """All answers come, the judge's other rows stay unsent, and the reason has stage, lane and figures: exit 7."""
    work.provider.reply = grading("hm")
    ended = work.run(*PAUSING, "--json", source=spec)
    reason = "stage judge of lab/lab-1 paused: 0 of the last 10 answers could be read, under 50%"
    assert (ended.code, ended.json["reason"][: len(reason)]) == (7, reason)
    asked = [call.text.startswith("grade ") for call in work.provider.calls]
    assert (asked.count(False), ended.json["failed"]) == (2 * ITEMS, 0)
    assert 10 <= asked.count(True) < 40
    assert ended.json["unsent"] == 2 * ITEMS - asked.count(True)
    assert not (work.run_folder / Log.ERRORS.file_name).read_bytes()
    [paused] = [one for one in work.lines(Log.EVENTS) if one["event"] == "stage_paused"]
    assert (paused["stage"], paused["lane"]) == ("judge", "lab/lab-1")
    status = work.overnight("status", "out")
    assert status.out.splitlines()[0].startswith(f"out: {reason}")


def test_a_paused_stage_goes_on_when_the_run_does(work: Workplace, spec: str) -> None:
    """`overnight run RUN` asks the judge again, whose earlier answers are not held against it."""
    work.provider.reply = grading("hm")
    unsent = work.run(*PAUSING, "--json", source=spec).json["unsent"]
    work.provider.reply = grading("good")
    work.provider.forget()
    ended = work.overnight("run", "out", "--json", *PAUSING)
    assert (ended.code, ended.json["unsent"], len(work.provider.calls)) == (0, 0, unsent)
    assert ended.json["outcomes"]["ok"] == unsent


def test_another_terminal_is_told_of_a_paused_stage(work: Workplace, spec: str) -> None:
    """What the run says of itself names the stage, and its lane says how many rows are set aside."""
    work.provider.reply = grading("hm")
    engines: list[Engine] = []
    result = asyncio.run(run(spec, out="out", concurrency=2, thresholds={"readable_of": 10}, on_engine=engines.append))
    told = Steering(engines[0]).describe()
    assert told["stages_paused"] == [result.reason]
    [judge] = [lane for lane in engines[0].lanes.values() if lane.model == "lab-1"]
    assert (judge.aside, judge.waiting) == (result.unsent, 0)
    assert f"{result.unsent} set aside: their stage is paused" in judge.note()


def test_a_lane_sets_aside_what_waits_in_it_and_what_comes() -> None:
    """New rows, rows up for a retry and held rows of the stage go; a lane without others is idle at once."""
    lane: Lane = make_lane(fit=lambda row: Fit.HELD if row == 3 else Fit.WAIT)
    for row in (3, 4, 5):
        lane.add(row)
    lane.put_back(7, 1e9)
    assert lane.take_nowait(0.0) is None
    assert (list(lane.held), lane.awaits_money, lane.waiting) == ([3], True, 3)
    lane.set_aside(lambda row: row != 5)
    assert (list(lane.held), lane.awaits_money, lane.waiting, lane.aside) == ([], False, 1, 3)
    lane.set_aside(lambda row: True)
    lane.add(8)
    lane.put_back(9, 0.0)
    assert (lane.waiting, lane.aside, lane.idle) == (0, 6, True)
    assert lane.note().endswith("6 set aside: their stage is paused")


# What is checked before the first call

SECOND = """
[providers.second]
protocol = "openai"
base_url = "{base_url}"
api_key_env = "SECOND_KEY"
models = ["second-*"]
"""
FREE = "free = true\n"


def with_second(work: Workplace, more: str = FREE) -> None:
    """A provider of its own for the judge, with a key; it costs nothing, or what `more` says."""
    catalog = work.folder / "overnight.toml"
    catalog.write_text(catalog.read_text() + SECOND.format(base_url=work.provider.base_url) + more)


@pytest.mark.parametrize(
    ("judge", "params", "arguments", "says"),
    [
        ("second-1", "", (), "no API key for second: set SECOND_KEY"),
        ("second-1", "", ("--simulate", "--budget", 1), None),
        ("second-2", "", ("--budget", 1), "the price of second/second-2 is unknown, so no budget can hold for it"),
        ("nowhere-1", "", (), "nowhere-1"),
        ("claude-haiku-4-5", "judge_params = { seed = 1 }", (), "seed"),
    ],
)
def test_a_later_stage_is_checked_before_the_first_call(
    work: Workplace,
    monkeypatch: pytest.MonkeyPatch,
    judge: str,
    params: str,
    arguments: tuple[object, ...],
    says: str | None,
) -> None:
    """A missing key, price, route or word for the judge ends the run before it begins, and names file and stage."""
    with_second(work, "")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    if judge == "second-2":
        monkeypatch.setenv("SECOND_KEY", "k")
    write_graded_spec(work.folder, 2, monkeypatch, judge=judge, more=params)
    ended = work.run(*arguments, source="graded.toml")
    assert work.provider.calls == []
    if says is None:
        assert ended.code == 0, ended.err
    else:
        assert ended.code == 2
        assert ended.error.startswith("graded.toml: stage judge: ")
        assert says in ended.error
        assert not work.run_folder.exists()


def test_the_record_has_the_lanes_of_later_stages(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their providers and prices are on record, answers are read back, and --simulate sends all to the simulator."""
    with_second(work)
    monkeypatch.setenv("SECOND_KEY", "k")
    write_graded_spec(work.folder, 2, monkeypatch, judge="second-1")
    work.provider.reply = grading("good")
    assert work.run(source="graded.toml").code == 0
    record = read_run_record(work.run_folder)
    assert set(record.catalog) == {"lab", "second"}
    assert set(record.prices) == {"date", "lab/lab-1", "lab/lab-2", "second/second-1"}
    read = list(read_answers(work.run_folder))
    assert [one.completion.text for one in read if one.provider == "second"] == ["good"] * 4
    work.provider.forget()
    simulated = work.overnight("run", "graded.toml", "--out", "sim", "--simulate", "--json").json
    assert {(one["provider"], one["model"]) for one in simulated["lanes"]} == {
        ("simulator", model) for model in ("lab-1", "lab-2", "second-1")
    }
    assert (simulated["simulated"], simulated["answered"], work.provider.calls) == (True, 8, [])


def test_going_on_needs_the_keys_of_later_stages(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where no request of theirs is there yet; and nothing is sent without them."""
    with_second(work)
    monkeypatch.setenv("SECOND_KEY", "k")
    write_graded_spec(work.folder, 2, monkeypatch, judge="second-1")
    work.provider.reply = lambda _: Reply(b"{}", 401)
    assert work.run(source="graded.toml").code == 6
    work.provider.forget()
    work.provider.reply = grading("good")
    monkeypatch.delenv("SECOND_KEY")
    for source in ("out", "graded.toml"):
        refused = work.overnight("run", source, *(() if source == "out" else ("--out", "out")))
        assert (refused.code, work.provider.calls) == (2, [])
        assert refused.error.startswith(f"{source}: stage judge: provider: no API key for second: set SECOND_KEY")
    monkeypatch.setenv("SECOND_KEY", "k")
    assert work.overnight("run", "out", "--json").json["answered"] == 8
    monkeypatch.delenv("SECOND_KEY")
    assert work.overnight("run", "out").code == 0


def test_another_judge_is_refused_before_it_is_on_record(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that only later stages show is refused as any, and the folder goes on with what it was made with."""
    write_graded_spec(work.folder, 2, monkeypatch, judge="lab-1")
    work.provider.reply = grading("good")
    assert work.run(source="graded.toml").code == 0
    before = (work.run_folder / "run.json").read_bytes()
    write_graded_spec(work.folder, 2, monkeypatch, judge="lab-3")
    refused = work.run(source="graded.toml")
    assert refused.code == 2
    assert "which the job no longer asks" in refused.error
    assert (work.run_folder / "run.json").read_bytes() == before
    assert work.overnight("run", "out").code == 0
    accepted = work.run("--accept-changes", "--json", source="graded.toml").json
    assert (accepted["sent"], accepted["answered"]) == (4, 8)


# What it will take


def test_a_plan_prices_all_stages(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there to send is counted, what will follow is expected; both are in the lanes, the cost and the time."""
    put_prices(work)
    write_graded_spec(work.folder, 10, monkeypatch, judge="lab-1")
    planned = work.overnight("plan", "graded.toml", "--out", "out", "--json", "--budget", 1).json
    stages = {(one["stage"], one["model"]): (one["rows"], one["expected"]) for one in planned["stages"]}
    assert stages == {("answer", "lab-1"): (10, 0), ("answer", "lab-2"): (10, 0), ("judge", "lab-1"): (20, 20)}
    lanes = {one["model"]: one for one in planned["lanes"]}
    assert {name: (one["rows"], one["expected"]) for name, one in lanes.items()} == {
        "lab-1": (30, 20),
        "lab-2": (10, 0),
    }
    for end in ("low", "middle", "high"):
        cost = sum(one["cost_usd"][end] for one in planned["stages"])
        assert planned["estimate"]["cost_usd"][end] == pytest.approx(cost)
    judge = next(one for one in planned["stages"] if one["stage"] == "judge")
    assert judge["most_usd"] > judge["cost_usd"]["middle"] > 0
    [tokens] = [one["estimate"]["input_tokens"] for one in planned["lanes"] if one["model"] == "lab-1"]
    assert tokens["high"] > 1.5 * tokens["middle"]  # nobody knows what the answers will be
    assert lanes["lab-1"]["most_usd"] > judge["most_usd"]
    assert (planned["rows"], planned["expected"], planned["cap_met"]) == (40, 20, "yes")
    assert work.overnight("plan", "graded.toml", "--budget", 0.0001, "--json").json["cap_met"] == "no"
    shown = work.overnight("plan", "graded.toml").out
    assert "20 to send, about 20 to follow from the answers\nnote: lab-1 judges its own answers\n" in shown
    assert "stage answer, lab/lab-1: 10 now, cost" in shown
    assert "stage judge, lab/lab-1: about 20 to follow, cost" in shown


def test_a_plan_of_a_run_expects_what_is_left(work: Workplace, spec: str) -> None:
    """Requests that answers have brought already are no longer expected, and a finished run expects nothing."""
    work.provider.reply = grading("hm")
    ended = work.run(*PAUSING, "--json", source=spec)
    planned = work.overnight("plan", "out", "--json").json
    assert (planned["rows"], planned["expected"]) == (ended.json["unsent"], 0)
    again = work.overnight("plan", spec, "--out", "out", "--json").json
    assert (again["rows"], again["expected"], again["changes"]) == (ended.json["unsent"], 0, None)
    work.provider.reply = grading("good")
    assert work.overnight("run", "out").code == 0
    assert work.overnight("plan", "out", "--json").json["rows"] == 0


def test_whoever_watches_is_told_that_more_will_follow(work: Workplace, spec: str) -> None:
    """Progress and status say how many requests there will be about, while anything is left."""
    work.provider.reply = grading("good")
    seen: list[str] = []

    def look(engine: Engine) -> None:
        seen.append(line_of(Watcher(engine, simulated=False).look()))
        engine.drain(StopKind.INTERRUPTED)

    assert asyncio.run(run(spec, out="out", concurrency=1, on_engine=look)).exit_code == 130
    assert re.match(rf"[01234]/~{4 * ITEMS} answered, ", seen[0])  # calls begin while it is set up
    status = read_status(work.run_folder)
    assert (2 * ITEMS <= status.asked < 3 * ITEMS, status.about) == (True, 4 * ITEMS)
    shown = work.overnight("status", "out").out
    assert f"{status.answered} of {status.asked} (about 120 in all, as answers bring more) answered" in shown
    announced = work.overnight("run", "out").err
    left = f"{status.unsent} to send, about {4 * ITEMS - status.asked} to follow from the answers"
    assert (
        f"note: lab-1 judges its own answers\nout: resuming, {status.answered} answered before, {left}\n" in announced
    )
    assert read_status(work.run_folder).about == 4 * ITEMS
    expected = read_status(work.run_folder).expected

    def of(model: str) -> int:
        return next(lane.answered for lane in status.lanes if lane.model == model)

    assert [(one["model"], one["rows"], one["done"]) for one in expected] == [
        ("lab-1", 90 - of("lab-1"), 90 - of("lab-1")),
        ("lab-2", 30 - of("lab-2"), 30 - of("lab-2")),
    ]
    assert plan("out").expected == 0


def test_repeats_of_a_question_are_no_duplicates(work: Workplace) -> None:
    """Rows whose metadata differ in `repeat` are asked each, also by a later session; others once."""
    rows = [line(f"r{n}", "same", metadata={"repeat": n // 2}) for n in range(4)]
    work.write(rows)
    assert work.run("--dedupe").code == 0
    assert work.provider.texts == ["same", "same"]
    found = work.answered()
    assert [found[f"r{n}"].get("duplicate_of") for n in range(4)] == [
        None,
        found["r0"]["request"],
        None,
        found["r2"]["request"],
    ]
    work.provider.forget()
    work.write([*rows, line("r4", "same", metadata={"repeat": 1}), line("r5", "same", metadata={"repeat": 2})])
    assert work.run().code == 0
    assert work.provider.texts == ["same"]
    assert work.answered()["r4"]["duplicate_of"] == found["r2"]["request"]


async def test_no_cap_is_set_where_a_later_stage_has_no_price(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that goes on without a price for its judge takes no budget from another terminal, as none would hold."""
    with_second(work, "")
    monkeypatch.setenv("SECOND_KEY", "k")
    spec = write_graded_spec(work.folder, 2, monkeypatch, judge="second-1")
    work.provider.reply = grading("good")

    def steer(engine: Engine) -> None:
        with pytest.raises(InputError, match="the price of second/second-1 is unknown"):
            Steering(engine).handle(Adjust(budget_usd=1.0))

    result = await run(spec, out="out", allow_unpriced=True, on_engine=steer)
    assert (result.exit_code, result.answered) == (0, 8)
    assert (await run("out")).exit_code == 0


def test_stages_of_a_manifest_are_counted_up_to_a_point(work: Workplace) -> None:
    """A manifest may call every row of a stage of its own: a plan still adds up."""
    work.write([line(f"r{n}", metadata={"stage": f"s{n}"}) for n in range(400)])
    assert work.run("--quiet").code == 0
    planned = work.overnight("plan", "m.jsonl", "--json").json
    assert len(planned["stages"]) < 120
    assert sum(one["rows"] for one in planned["stages"]) == planned["rows"] == 400
    assert len(set(fold(work.run_folder).stages)) == 256


def test_many_examples_are_kept_as_few() -> None:
    """Whatever a job expects row by row, some of it stays in memory, and the counts stay exact."""
    row = prepare(Request(custom_id="any", body=body("any"), provider="simulator"), load_catalog())
    kept = merged(Following(f"s{n % 3}", n, row) for n in range(1000))
    assert len(kept) <= 3 * 40
    assert by_stage(kept) == by_stage(Following(f"s{n % 3}", n, row) for n in range(1000))
