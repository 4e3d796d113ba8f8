"""The command that runs when a run stops."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.on_stop import run_on_stop, stop_environment


def environment(reason: str = "all answered", cost_usd: float | None = 1.5) -> dict[str, str]:
    return stop_environment(
        reason=reason, exit_code=4, run=Path("runs/a"), answered=7, failed=2, left=1, cost_usd=cost_usd
    )


def test_the_command_learns_how_the_run_ended(tmp_path: Path) -> None:
    """Every number and the reason are in its environment, beside what was there before."""
    out = tmp_path / "out"
    names = "REASON EXIT_CODE ANSWERED FAILED LEFT COST_USD RUN"
    said = " ".join(f'"$OVERNIGHT_{name}"' for name in names.split())
    assert run_on_stop(f"printf '%s|' {said} \"$PATH\" > '{out}'", environment()) is None
    run = str(Path("runs/a").absolute())
    assert out.read_text().split("|")[:-1] == ["all answered", "4", "7", "2", "1", "1.500000", run, os.environ["PATH"]]


def test_a_reason_is_never_read_by_the_shell(tmp_path: Path) -> None:
    """What a provider wrote arrives letter by letter, and runs nothing."""
    out = tmp_path / "out"
    reason = f"$(touch {tmp_path}/ran); `touch {tmp_path}/ran` ' \" ; touch {tmp_path}/ran"
    assert run_on_stop(f"printf %s \"$OVERNIGHT_REASON\" > '{out}'", environment(reason)) is None
    assert out.read_text() == reason
    assert not (tmp_path / "ran").exists()


def test_control_characters_and_length_of_a_reason_are_tamed() -> None:
    """No escape sequence, line break or NUL reaches the command's terminal, and no novel."""
    assert environment("a\x1b[2J\n\0b\udcff")["OVERNIGHT_REASON"] == "a\\x1b[2J\\x0a\\x00b\\xdcff"
    assert len(environment("x" * 1_000_000)["OVERNIGHT_REASON"]) == 2000


def test_an_unknown_cost_is_not_zero() -> None:
    """Where no price is known the variable is there and empty."""
    assert environment(cost_usd=None)["OVERNIGHT_COST_USD"] == ""
    assert environment(cost_usd=0.0)["OVERNIGHT_COST_USD"] == "0.000000"


def test_the_command_reads_nothing_and_leaves_standard_output_alone(capfd: pytest.CaptureFixture[str]) -> None:
    """What was typed ahead is not for it; what it prints goes to standard error."""
    with typed_ahead(b"yes\n"):
        assert run_on_stop("cat; echo said", environment(), timeout_s=20) is None
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "said\n")


@contextlib.contextmanager
def typed_ahead(text: bytes) -> Iterator[None]:
    """Standard input with `text` in it and nothing behind."""
    saved, (reader, writer) = os.dup(0), os.pipe()
    os.write(writer, text)
    os.close(writer)
    os.dup2(reader, 0)
    try:
        yield
    finally:
        os.dup2(saved, 0)
        os.close(saved)
        os.close(reader)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("exit 3", "failed with exit code 3"),
        ("kill -TERM $$", "ended by signal 15"),
        ("exec /no/such/command", "failed with exit code 12"),
    ],
)
def test_what_went_wrong_is_said(command: str, said: str) -> None:
    """A failure is a sentence, not an exception."""
    assert said in (run_on_stop(command, environment()) or "")


@pytest.mark.parametrize(
    ("command", "variables"),
    [("true\0", {}), ("true", {"A": "x\0"}), ("true", {"A": "x" * (4 << 20)})],
)
def test_what_cannot_be_started_is_said(command: str, variables: dict[str, str]) -> None:
    """Neither a NUL nor a variable beyond what the system takes raises."""
    assert "could not be started" in (run_on_stop(command, variables) or "")


def test_a_command_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    """Nothing of it is left running after its time is over."""
    pids = tmp_path / "pids"
    said = run_on_stop(f"echo $$ >'{pids}'; sleep 60 & echo $! >>'{pids}'; wait", environment(), timeout_s=1)
    assert said == "the on-stop command took longer than 1 s and was killed"
    wait_until_gone([int(pid) for pid in pids.read_text().split()])


def test_ctrl_c_ends_the_command_and_raises_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who does not want to wait for it gets the run's own exit code."""
    pids = tmp_path / "pids"

    class Interrupted(subprocess.Popen[bytes]):
        def wait(self, timeout: float | None = None) -> int:
            if timeout is None:
                return super().wait()
            while not pids.exists() or not pids.read_text().endswith("\n"):
                time.sleep(0.01)
            raise KeyboardInterrupt

    monkeypatch.setattr("orchestrator.on_stop.subprocess.Popen", Interrupted)
    said = run_on_stop(f"echo $$ >'{pids}'; sleep 60", environment())
    assert said == "the on-stop command was interrupted and killed"
    wait_until_gone([int(pids.read_text())])


def test_the_command_has_its_own_process_group(tmp_path: Path) -> None:
    """A Ctrl-C in the terminal does not reach it."""
    out = tmp_path / "out"
    assert run_on_stop(f"cut -d' ' -f5 /proc/$$/stat > '{out}'; echo $$ >> '{out}'", environment()) is None
    group, pid = out.read_text().split()
    assert group == pid != str(os.getpgrp())


def wait_until_gone(pids: list[int]) -> None:
    """Returns when none of the processes runs any more; the test's own time-out bounds it."""
    assert pids
    for pid in pids:
        while is_running(pid):
            time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
