"""The commands from end to end: what they print, what they leave, and how they exit."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from outputs.journal import Log
from tests.harness.loopback import Call, Reply
from tests.harness.workplace import Workplace, line

pytestmark = pytest.mark.long

COMMANDS = (
    "run",
    "resume",
    "demo",
    "plan",
    "status",
    "retry",
    "export",
    "tail",
    "analyze",
    "compare",
    "tables",
    "report",
    "import",
    "simulate",
    "serve-local",
    "providers",
    "check",
    "prices",
)
THREE = [line("a"), line("b", metadata={"item": 1}), line("c")]


def process(*arguments: object, **options: Any) -> "subprocess.Popen[bytes]":
    """`overnight` as a process of its own."""
    command = [sys.executable, "-m", "orchestrator.cli", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def until(condition: Callable[[], object], timeout_s: float = 30.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.01)


def refusing(*texts: str) -> Callable[[Call], Reply]:
    def reply(call: Call) -> Reply:
        if call.text in texts:
            return Reply(b'{"error":{"message":"not this one","code":"invalid_prompt"}}', 400)
        return Workplace.reply(f"you said {call.text}")

    return reply


@pytest.fixture
def half(work: Workplace) -> Workplace:
    """A run of three rows of which `b` was refused."""
    work.provider.reply = refusing("b")
    work.write(THREE)
    assert work.run().code == 3
    work.provider.forget()
    work.provider.reply = refusing()
    return work


# Help


def test_help_lists_every_command(work: Workplace) -> None:
    """`overnight --help` names each command and how to begin; without a command the same is shown."""
    shown = work.overnight("--help").out
    assert all(f"\n  {name} " in shown for name in COMMANDS)
    assert "overnight demo" in shown
    assert "Usage: overnight" in work.overnight().err


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(work: Workplace, command: str) -> None:
    """The help of a command says in a sentence what it does, shows an example or its settings, and exits with 0."""
    ended = work.overnight(command, "--help")
    assert (ended.code, ended.err) == (0, "")
    says = ended.out.split("\n\n")[1]
    assert says.strip().endswith(".")
    assert len(says) > 30
    assert f"Example: overnight {command}" in ended.out
    options = ended.out.split("Options:\n")[1].splitlines()
    bare = [shown for shown in options if shown.startswith("  -") and len(shown.split("  ")) < 3]
    assert not bare, "an option without a word of help"


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["analyze", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    """Asking for help imports none of the libraries that take their time."""
    code = f"""
import sys
from orchestrator.cli import main
sys.argv = ["overnight", *{arguments!r}]
try:
    main()
finally:
    heavy = "polars numpy scipy altair openai aiohttp uvloop jinja2 genai_prices tenacity"
    print(sorted(set(heavy.split()) & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "[]\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing"], "No such command 'nothing'"),
        (["run"], "Missing argument 'SOURCE'"),
        (["run", "m.jsonl", "--concurency", "4"], "No such option"),
        (["run", "m.jsonl", "--concurrency", "0"], "Invalid value for '--concurrency'"),
        (["run", "m.jsonl", "--concurrency", "many"], "Invalid value for '--concurrency'"),
        (["export", "out"], "say which rows: --failed"),
        (["simulate", "--port", "70000"], "Invalid value for '--port'"),
    ],
)
def test_a_wrong_command_line_exits_with_2(work: Workplace, arguments: list[str], says: str) -> None:
    """What the command line cannot mean is told with the way to the help, and nothing is done."""
    ended = work.overnight(*arguments)
    assert ended.code == 2
    assert says in ended.err
    assert not work.files("out")


# Run and resume


def test_a_run_tells_what_it_does(work: Workplace) -> None:
    """Before it sends, a run says how much and where to; at the end it prints one line of result."""
    work.write(THREE)
    ended = work.overnight("run", "m.jsonl", "--out", "out")
    assert ended.code == 0
    assert ended.err == "out: 3 requests to send\n"
    assert ended.out == "3 of 3 answered, 0 failed, $0.00; out\n"


def test_the_default_folder_has_the_manifest_s_name(work: Workplace) -> None:
    """Without --out a run goes to runs/ and the manifest's stem."""
    work.write(THREE, "my questions.jsonl")
    assert work.overnight("run", "my questions.jsonl", "-q").code == 0
    assert (work.folder / "runs" / "my questions" / "run.json").is_file()


def test_failed_rows_exit_with_3_and_say_what_to_do(work: Workplace) -> None:
    """A row that failed for good is counted, and the command that puts it up again is shown."""
    work.provider.reply = refusing("b")
    work.write(THREE)
    ended = work.run()
    assert ended.code == 3
    assert "2 of 3 answered, 1 failed" in ended.out
    assert f"overnight retry {work.run_folder}\n" in ended.out


def test_a_result_as_json(work: Workplace) -> None:
    """--json prints one document with the counts, the reason and each lane, and nothing else on standard output."""
    work.provider.reply = refusing("b")
    work.write(THREE)
    ended = work.overnight("run", "m.jsonl", "--out", "out", "--json")
    result = ended.json
    assert ended.code == result["exit_code"] == 3
    counts = {key: result[key] for key in ("asked", "answered", "failed", "sent", "unsent")}
    assert counts == {"asked": 3, "answered": 2, "failed": 1, "sent": 3, "unsent": 0}
    assert (result["folder"], result["simulated"]) == ("out", False)
    assert result["reason"].startswith("finished; 1 requests failed for good")
    [lane] = result["lanes"]
    assert (lane["provider"], lane["model"], lane["failures"]) == ("lab", "lab-1", {"row_refused": 1})
    again = work.overnight("resume", "out", "--json")
    assert (again.json["sent"], again.json["answered"]) == (0, 2)


def test_a_refused_key_stops_and_resume_goes_on(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 401 ends the run with 6 and the command that goes on; with the right key that sends what was left."""
    monkeypatch.setenv("LAB_KEY", "sk-old")
    work.write_catalog('api_key_env = "LAB_KEY"\n')
    work.provider.reply = lambda call: (
        work.reply("ok") if call.headers["Authorization"] == "Bearer sk-new" else Reply(b"{}", 401)
    )
    work.write(THREE)
    ended = work.overnight("run", "m.jsonl", "--out", "out", "--concurrency", "1", "-q")
    assert ended.code == 6
    assert "stopped: lane lab/lab-1 stopped: key refused: " in ended.out
    assert "; 3 left\ngo on with: overnight run out\n" in ended.out
    assert not work.lines(Log.ERRORS)
    monkeypatch.setenv("LAB_KEY", "sk-new")
    assert work.overnight("resume", "out", "-q").code == 0
    assert set(work.answered()) == {"a", "b", "c"}


def test_a_simulated_run_is_labelled_everywhere(work: Workplace) -> None:
    """--simulate sends nothing to the real provider; result, status and plan say that it is simulated."""
    work.write([line("a", body={"model": "gpt-4o"})])
    ended = work.overnight("run", "m.jsonl", "--out", "out", "--simulate")
    assert ended.code == 0
    assert ended.err == "out [simulated]: 1 requests to send\n"
    assert ended.out.startswith("SIMULATED: 1 of 1 answered")
    assert work.overnight("status", "out").out.startswith("SIMULATED: ")
    assert work.overnight("status", "out", "--json").json["simulated"] is True
    assert not work.provider.calls
    assert json.loads((work.run_folder / "run.json").read_bytes())["simulated"] is True


# Plan


def test_a_plan_sends_and_makes_nothing(work: Workplace) -> None:
    """A plan says lane by lane what would go out and what it can cost at most, and leaves no folder."""
    work.write_catalog('[providers.lab.prices."lab-2"]\ninput = 1\noutput = 1\n'.replace("free = true\n", ""))
    work.write([*THREE, line("d", body={"model": "gpt-4o-mini", "max_tokens": 10})])
    ended = work.overnight("plan", "m.jsonl", "--out", "out", "--json")
    plan = ended.json
    assert ended.code == 0
    assert (plan["rows"], plan["is_new"], plan["folder"]) == (4, True, "out")
    by_model = {lane["model"]: lane for lane in plan["lanes"]}
    assert by_model["lab-1"]["most_usd"] == 0.0
    body = len(json.dumps(line("d", body={"model": "gpt-4o-mini", "max_tokens": 10})["body"]))
    assert by_model["gpt-4o-mini"]["most_usd"] == pytest.approx((body * 0.15 + 10 * 0.6) / 1e6)
    assert by_model["gpt-4o-mini"]["key_missing"] == "OPENAI_API_KEY"
    shown = work.overnight("plan", "m.jsonl", "--out", "out").out
    assert shown.startswith("out: would be made; 4 to send\n")
    assert "set OPENAI_API_KEY" in shown
    assert not work.provider.calls
    assert not work.files()


def test_a_plan_never_calls_an_unknown_price_0(work: Workplace) -> None:
    """Where price or longest answer is unknown, so is the most that it can cost."""
    (work.folder / "overnight.toml").write_text(
        '[providers.x]\nprotocol = "openai"\nbase_url = "http://127.0.0.1:9/v1"\nmodels = ["lab-*"]\n'
    )
    work.write(THREE)
    assert work.overnight("plan", "m.jsonl", "--json").json["lanes"][0]["most_usd"] is None
    assert " unknown" in work.overnight("plan", "m.jsonl").out


def test_a_plan_of_a_run_counts_what_is_left(half: Workplace) -> None:
    """After a retry, the plan of the folder is the rows that were put up again."""
    assert half.overnight("plan", "out", "--json").json["rows"] == 0
    half.overnight("retry", "out")
    plan = half.overnight("plan", "out", "--json").json
    assert (plan["rows"], plan["answered"], plan["is_new"]) == (1, 2, False)
    assert half.overnight("plan", "out").out.startswith("out: goes on, 2 answered before; 1 to send\n")


# Status


def test_status_while_a_run_is_alive_and_after(work: Workplace) -> None:
    """A status shows the process, what is in flight and what is answered, without disturbing the run."""
    gate = threading.Event()

    def reply(call: Call) -> Reply:
        if call.text != "a":
            gate.wait(60)
        return work.reply(call.text)

    work.provider.reply = reply
    work.write(THREE)
    run = process("run", "m.jsonl", "--out", "out", "-q")
    try:
        until(lambda: (work.run_folder / Log.RESPONSES.file_name).exists() and len(work.provider.calls) == 3)
        until(lambda: work.overnight("status", "out", "--json").json["answered"] == 1)
        for _ in range(20):
            status = work.overnight("status", "out", "--json").json
        assert (status["running"], status["pid"]) == (True, run.pid)
        counts = {key: status[key] for key in ("asked", "answered", "failed", "in_flight", "unsent", "maybe_billed")}
        assert counts == {"asked": 3, "answered": 1, "failed": 0, "in_flight": 2, "unsent": 2, "maybe_billed": 0}
        assert (status["exit_code"], status["last_stop"]) == (None, None)
        assert f"out: sending (pid {run.pid})\n" in work.overnight("status", "out").out
        refused = work.overnight("run", "m.jsonl", "--out", "out")
        assert refused.code == 2
        assert refused.error.startswith(f"out: in use by a live process (pid {run.pid}); ")
    finally:
        gate.set()
        out, err = run.communicate(timeout=60)
    assert (run.returncode, err) == (0, b"")
    assert out == b"3 of 3 answered, 0 failed, $0.00; out\n"
    status = work.overnight("status", "out", "--json").json
    assert (status["running"], status["pid"], status["in_flight"]) == (False, None, 0)
    assert (status["answered"], status["exit_code"]) == (3, 0)
    assert work.overnight("status", "out").out.startswith("out: every request is answered\n")


def test_status_of_failures(half: Workplace) -> None:
    """A status counts failures by their kind and says how the last run stopped."""
    status = half.overnight("status", "out", "--json").json
    assert (status["answered"], status["failed"], status["unsent"], status["exit_code"]) == (2, 1, 0, 3)
    assert status["lanes"][0]["failures"] == {"row_refused": 1}
    assert "1 row_refused" in half.overnight("status", "out").out


def test_status_after_a_kill_counts_what_was_open_as_maybe_billed(half: Workplace) -> None:
    """An attempt that a dead run left open shows with its reservation, as text and as JSON alike."""
    path = half.run_folder / Log.ATTEMPTS.file_name
    row = half.lines(Log.REQUESTS)[1]["seq"]
    intent = {"seq": 1000, "at": 1.0, "request": row, "attempt": 2, "reserved_usd": 0.5}
    path.write_bytes(path.read_bytes() + json.dumps(intent).encode() + b"\n")
    status = half.overnight("status", "out", "--json").json
    assert [status[key] for key in ("in_flight", "maybe_billed", "maybe_usd", "maybe_unpriced")] == [0, 1, 0.5, 0]
    assert status["lanes"][0]["maybe_billed"] == 1
    assert "1 attempt maybe billed (at most $0.5000)" in half.overnight("status", "out").out
    del intent["reserved_usd"]
    path.write_bytes(path.read_bytes() + json.dumps({**intent, "seq": 1001, "attempt": 3}).encode() + b"\n")
    assert "2 attempts maybe billed (at most $0.5000 + 1 unpriced)" in half.overnight("status", "out").out


# Retry and export


def test_retry_puts_up_the_failed_rows_and_run_sends_exactly_those(half: Workplace) -> None:
    """After a retry the run sends the failed row and no other; a second retry finds nothing."""
    assert half.overnight("resume", "out", "-q").code == 3
    assert not half.provider.calls, "a failed row is final until a retry"
    ended = half.overnight("retry", "out")
    assert ended.out == "1 rows put up again; send them: overnight run out\n"
    ended = half.overnight("run", "out", "-q")
    assert (ended.code, half.provider.texts) == (0, ["b"])
    assert set(half.answered()) == {"a", "b", "c"}
    assert half.overnight("retry", "out").out == "no failed rows\n"
    assert half.overnight("retry", "out", "--json").json == {"folder": "out", "rows": 0}


def test_a_row_may_fail_again_after_a_retry(half: Workplace) -> None:
    """A retried row has all its attempts again; when it fails again it is failed once, not twice."""
    half.provider.reply = refusing("b")
    assert half.overnight("retry", "out", "--json").json["rows"] == 1
    assert half.run().code == 3
    assert half.provider.texts == ["b"]
    status = half.overnight("status", "out", "--json").json
    assert (status["answered"], status["failed"]) == (2, 1)
    assert len(half.lines(Log.ERRORS)) == 2


def test_failed_rows_are_exported_as_a_manifest(half: Workplace) -> None:
    """The failed rows come out as lines that plan accepts, with body, metadata and provider as they were."""
    ended = half.overnight("export", "out", "--failed", "-o", "again.jsonl")
    assert (ended.code, ended.out) == (0, "")
    written = (half.folder / "again.jsonl").read_bytes()
    assert half.overnight("export", "out", "--failed").out.encode() == written
    assert [json.loads(one) for one in written.splitlines()] == [{**THREE[1], "provider": "lab"}]
    assert half.overnight("plan", "again.jsonl", "--json").json["rows"] == 1
    assert half.overnight("run", "again.jsonl", "--out", "again", "-q").code == 0
    assert half.provider.texts == ["b"]
    assert half.provider.calls[0].body == json.dumps(THREE[1]["body"]).encode()


def test_an_export_that_cannot_be_written_spoils_nothing(half: Workplace) -> None:
    """A path that cannot be written is named; a folder that is no run leaves the old file as it was."""
    ended = half.overnight("export", "out", "--failed", "-o", "no/where.jsonl")
    assert (ended.code, ended.error) == (2, "no/where.jsonl: cannot be written: No such file or directory")
    before = (half.folder / "m.jsonl").read_bytes()
    ended = half.overnight("export", "nothing", "--failed", "-o", "m.jsonl")
    assert (ended.code, ended.error) == (2, "nothing: no such run folder")
    assert (half.folder / "m.jsonl").read_bytes() == before
    assert half.files("out") == set()


@pytest.mark.parametrize("name", [*(log.file_name for log in Log), "run.json", "lock"])
def test_an_export_never_overwrites_the_run(half: Workplace, name: str) -> None:
    """A file of the run itself is refused as the place of its export and stays as it is."""
    before = (half.run_folder / name).read_bytes()
    ended = half.overnight("export", "out", "--failed", "-o", f"out/{name}")
    assert (ended.code, ended.error) == (2, f"out/{name}: is a file of the run itself; write to another path")
    assert (half.run_folder / name).read_bytes() == before


# Tail


def test_tail_names_a_damaged_line(half: Workplace) -> None:
    """A line of the answers that is no answer is named with its file and number."""
    path = half.run_folder / Log.RESPONSES.file_name
    path.write_bytes(path.read_bytes() + b'{"seq":\n')
    ended = half.overnight("tail", "out", "-n", 1)
    assert ended.code == 2
    assert ended.error.startswith("out/responses.jsonl:3: the log is damaged here: ")


def test_tail_shows_an_answer_a_line(half: Workplace) -> None:
    """Each answer is one line with its id, model, tokens, cost, time and the beginning of its text."""
    lines = half.overnight("tail", "out").out.splitlines()
    assert sorted(shown.split("  ")[0] for shown in lines) == ["a", "c"]
    for shown in lines:
        custom_id, model, tokens, cost, seconds, text = shown.split("  ")
        assert (model, tokens, cost, text) == ("lab-1", "3+2 tokens", "$0.00", f"you said {custom_id}")
        assert seconds.endswith("s")


def test_tail_as_json_prints_whole_lines_of_the_log(half: Workplace) -> None:
    """--json prints the log's own lines, to the byte; -n says how many earlier ones."""
    log = (half.run_folder / Log.RESPONSES.file_name).read_bytes().decode()
    assert half.overnight("tail", "out", "--json").out == log
    assert half.overnight("tail", "out", "--json", "-n", 1).out == log.split("\n")[1] + "\n"
    assert half.overnight("tail", "out", "--json", "-n", 0).out == ""


def test_tail_follows_a_live_run_to_its_end(work: Workplace) -> None:
    """Started while a run is at work, tail prints each answer once and ends when the run does."""
    gates = {name: threading.Event() for name in "abc"}

    def reply(call: Call) -> Reply:
        gates[call.text].wait(60)
        return work.reply(call.text)

    work.provider.reply = reply
    work.write(THREE)
    run = process("run", "m.jsonl", "--out", "out", "-q")
    tail = None
    try:
        until(lambda: len(work.provider.calls) == 3)
        gates["b"].set()
        until(lambda: (work.run_folder / Log.RESPONSES.file_name).stat().st_size > 0)
        tail = process("tail", "out", "--json")
        assert tail.stdout is not None
        assert json.loads(tail.stdout.readline())["custom_id"] == "b"
        gates["a"].set()
        assert json.loads(tail.stdout.readline())["custom_id"] == "a"
        assert tail.poll() is None
    finally:
        for gate in gates.values():
            gate.set()
        run.communicate(timeout=60)
        rest, err = tail.communicate(timeout=60) if tail is not None else (b"", b"")
    assert [json.loads(one)["custom_id"] for one in rest.splitlines()] == ["c"]
    assert (run.returncode, err) == (0, b"")


def test_tail_ends_at_ctrl_c(work: Workplace) -> None:
    """Ctrl-C while tail waits ends it with 130 and one line, and the run goes on."""
    gate = threading.Event()

    def reply(call: Call) -> Reply:
        if call.text != "a":
            gate.wait(60)
        return work.reply(call.text)

    work.provider.reply = reply
    work.write(THREE)
    run = process("run", "m.jsonl", "--out", "out", "-q")
    try:
        until(lambda: (work.run_folder / Log.RESPONSES.file_name).exists() and len(work.provider.calls) == 3)
        tail = process("tail", "out", "--json")
        assert tail.stdout is not None
        assert json.loads(tail.stdout.readline())["custom_id"] == "a"
        tail.send_signal(signal.SIGINT)
        _, err = tail.communicate(timeout=30)
    finally:
        gate.set()
        run.communicate(timeout=60)
    assert (tail.returncode, err) == (130, b"overnight: interrupted\n")
    assert run.returncode == 0


@pytest.mark.parametrize("arguments", [["tail", "out", "--json", "-n", "1000"], ["export", "out", "--failed"]])
def test_a_reader_that_leaves_is_no_error(work: Workplace, arguments: list[str]) -> None:
    """`| head -1` ends the command without a word on standard error."""
    work.provider.reply = lambda call: work.reply("x" * 5_000) if "even" in call.text else refusing(call.text)(call)
    names = [f"{number} {'odd' if number % 2 else 'even'} {'x' * 5_000}" for number in range(80)]
    work.write([line(f"r{number}", name) for number, name in enumerate(names)])
    assert work.run().code == 3
    reader = process(*arguments)
    assert reader.stdout is not None
    assert reader.stderr is not None
    assert reader.stdout.readline().startswith(b"{")
    reader.stdout.close()
    assert reader.wait(60) == 0
    assert reader.stderr.read() == b""
    reader.stderr.close()


# Analyze and demo


def test_the_demo_runs_analyzes_and_is_read_again(work: Workplace) -> None:
    """The demo judges the shipped captions, prints the correlations, and `analyze` prints the same as JSON."""
    ended = work.overnight("demo", "--out", "out")
    assert ended.code == 0
    assert "SIMULATED: 50 of 50 answered" in ended.out
    assert "between annotators (ceiling)" in ended.out
    assert {path.name for path in (work.run_folder / "tables").iterdir()} >= {
        *(f"{table}.parquet" for table in ("requests", "responses", "attempts", "outcomes", "scores")),
        *(f"{table}.{kind}" for table in ("coverage", "correlations", "modes") for kind in ("parquet", "csv")),
    }
    read = work.overnight("analyze", "out", "--json").json
    assert read["runs"][0]["requests"] == {"asked": 50, "answered": 50, "failed": 0}
    assert read["runs"][0]["simulated"] is True
    assert {row["dimension"] for row in read["captions"]["correlations"]} >= {"accuracy", "average"}
    assert work.overnight("demo", "--out", "out").code == 0, "again: nothing is sent, and it is analysed again"
    assert not work.provider.calls


def test_a_plain_manifest_is_analysed_as_far_as_it_goes(half: Workplace) -> None:
    """`analyze` says what was asked, answered and failed, by model, where no prompt reads the answers."""
    ended = half.overnight("analyze", "out")
    assert ended.code == 0
    assert "Requests: 3 asked, 2 answered, 1 failed, 0 to go." in ended.out
    [covered] = half.overnight("analyze", "out", "--json").json["runs"][0]["coverage"]
    assert (covered["model"], covered["coverage"], covered["read"]) == ("lab/lab-1", 2 / 3, 0)


@pytest.mark.parametrize(("option", "value"), [("--pair", "a,b"), ("--misleading", "gpt"), ("--protocol", "ratings")])
def test_an_option_of_no_section_is_refused(half: Workplace, option: str, value: str) -> None:
    """What is chosen of an evaluation that the runs are not of is an error, not silently without effect."""
    ended = half.overnight("analyze", "out", option, value)
    assert (ended.code, option in ended.error, "there is none among these" in ended.error) == (2, True, True)


def test_two_runs_are_compared(half: Workplace) -> None:
    """`compare` prints JSON for scripts, writes tables where --out says, and wants two different runs."""
    ended = half.overnight("compare", "out", "out")
    assert (ended.code, ended.error) == (2, "out: is named twice")
    assert half.overnight("run", "m.jsonl", "--out", "other", "--quiet").code == 0
    ended = half.overnight("compare", "out", "other", "--json", "--out", "compared")
    assert (ended.code, ended.json["matched"]["rows"]) == (0, 3)
    [changed] = ended.json["answers_changed"]
    assert (changed["both"], changed["only_b"], changed["share_changed"]) == (2, 1, 0.0)
    assert pl.read_parquet(half.folder / "compared" / "tables" / "answers_changed.parquet").height == 1


# Simulate


def test_simulate_serves_until_it_is_interrupted(work: Workplace) -> None:
    """The simulator says where it listens, answers a run, and ends with 0 at Ctrl-C."""
    server = process("simulate", "--port", "0", "--latency-s", "0")
    try:
        assert server.stdout is not None
        first = server.stdout.readline().decode()
        assert first.startswith("simulating at http://127.0.0.1:")
        base_url = first.split()[2]
        (work.folder / "overnight.toml").write_text(
            f'[providers.sim]\nprotocol = "openai"\nbase_url = "{base_url}"\nmodels = ["*"]\nfree = true\n'
        )
        work.write(THREE)
        assert work.run().code == 0
    finally:
        server.send_signal(signal.SIGINT)
        _, err = server.communicate(timeout=30)
    assert (server.returncode, err.strip()) == (0, b"")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--error-rate", "2"], "error_rate: is 2.0; it must be from 0 to 1"),
        (["--latency-s", "-1"], "latency_s: is -1.0; it must be from 0 to 3600"),
        (["--rpm", "0"], "rpm: is 0.0; it must be from 0.001 to 1e+12"),
        (["--error-rate", "0.6", "--hang-rate", "0.6"], "simulator: together above 1: error_rate, "),
    ],
)
def test_a_simulator_that_makes_no_sense(work: Workplace, arguments: list[str], says: str) -> None:
    """Settings out of their range are named with it."""
    ended = work.overnight("simulate", *arguments)
    assert ended.code == 2
    assert ended.error.startswith(says)


def test_a_port_that_is_taken(work: Workplace) -> None:
    """A port that another program holds is named."""
    port = work.provider.base_url.split(":")[2].removesuffix("/v1")
    ended = work.overnight("simulate", "--port", port)
    assert (ended.code, ended.error) == (2, f"port: cannot listen on 127.0.0.1:{port}: Address already in use")


# The process as a whole


def test_the_installed_command_is_this_one(tmp_path: Path) -> None:
    """The console script that installing makes is there and shows the help."""
    script = Path(sys.executable).with_name("overnight")
    if not script.exists():
        pytest.skip("not installed with its script")
    done = subprocess.run([script, "--help"], capture_output=True, cwd=tmp_path, timeout=60, check=True)
    assert b"Usage: overnight" in done.stdout


def test_an_internal_error_exits_with_1(work: Workplace) -> None:
    """What is nobody's input error is not dressed up as one: it exits with 1 and shows where it came from."""
    code = """
import sys, orchestrator.estimates.planning
def broken(*_, **__): raise RuntimeError("a fault of ours")
orchestrator.estimates.planning.make_plan = broken
from orchestrator.cli import main
sys.argv = ["overnight", "plan", "m.jsonl"]
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert b"RuntimeError: a fault of ours" in done.stderr


def test_the_same_command_in_another_locale(work: Workplace) -> None:
    """In an ASCII terminal, ids and answers in other scripts are printed as far as they can be, without an error."""
    work.provider.reply = lambda _: work.reply("日本 ü \u2028")
    work.write([line("日本")])
    assert work.run().code == 0
    environment = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    for arguments in (["tail", "out"], ["status", "out"], ["plan", "m.jsonl"]):
        done = process(*arguments, env=environment)
        _, err = done.communicate(timeout=60)
        assert (done.returncode, err) == (0, b""), arguments
    read = process("tail", "out", "--json", env=environment)
    out, _ = read.communicate(timeout=60)
    assert orjson.loads(out)["custom_id"] == "日本"
