"""`overnight` in processes of its own, for tests whose own process has the browser: commands, runs, and the viewer."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.harness.attended import Counting
from tests.harness.loopback import Loopback
from tests.harness.workplace import jsonl, line

TOKEN = "a-token-that-lasts"
EXAMPLES = Path(__file__).parents[2] / "jobs/examples"
_PATIENCE_S = 60


def environment() -> dict[str, str]:
    """That of the children: no colours, no proxies, and no programs beside Python, so that METEOR's is not started."""
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return {**kept, "NO_COLOR": "1", "PATH": str(Path(sys.executable).parent)}


def overnight(*arguments: object, folder: Path, codes: tuple[int, ...] = (0,)) -> str:
    """The command, run to its end in `folder`; returns what it printed."""
    ended = subprocess.run(
        _command(*arguments), cwd=folder, env=environment(), capture_output=True, timeout=_PATIENCE_S
    )
    assert ended.returncode in codes, ended.stderr.decode()[-2000:]
    return ended.stdout.decode()


def simulated(name: str, out: Path, *options: object) -> Path:
    """The run of a shipped example, all answers simulated."""
    overnight("run", EXAMPLES / f"{name}.toml", "--simulate", "--out", out, "--quiet", *options, folder=out.parent)
    return out


@contextlib.contextmanager
def viewing(*runs: Path, folder: Path, token: str = TOKEN) -> Iterator[str]:
    """`overnight view` of these runs; yields its address. It ends well when it is interrupted."""
    told = {**environment(), "OVERNIGHT_VIEW_TOKEN": token}
    command = _command("view", *runs, "--no-open", "--json")
    with subprocess.Popen(command, cwd=folder, env=told, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield str(_first_document(process.stdout)["url"])
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(_PATIENCE_S)
    assert code == 0


def _first_document(lines: Any) -> dict[str, Any]:
    """The first JSON document that is printed, on one line or on several."""
    said = ""
    for one in lines:
        said += one
        with contextlib.suppress(json.JSONDecodeError):
            found: dict[str, Any] = json.loads(said)
            return found
    raise AssertionError(f"no address: {said}")


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "orchestrator.cli", *map(str, arguments)]


@dataclass
class GoingOn:
    """A run that is at work on rows until it is stopped; its provider takes `counting.latency_s` for a call."""

    folder: Path
    provider: Loopback
    process: "subprocess.Popen[bytes]"
    counting: Counting = field(default_factory=Counting)

    def beat(self) -> dict[str, Any]:
        """The run's heartbeat; empty where there is none yet."""
        try:
            found: dict[str, Any] = json.loads((self.folder / "heartbeat.json").read_bytes())
        except FileNotFoundError:
            return {}
        return found

    def answered(self) -> int:
        """How many answers are on disk."""
        path = self.folder / "responses.jsonl"
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what the run is to come to."""
        ends = time.monotonic() + _PATIENCE_S
        while not condition():
            assert time.monotonic() < ends, "it did not come to that"
            time.sleep(0.01)


@contextlib.contextmanager
def going_on(folder: Path, rows: int = 2000, latency_s: float = 0.05) -> Iterator[GoingOn]:
    """A run of so many rows, two at a time, in `folder`/runs/live; it is killed if it still lives at the end."""
    counting = Counting(latency_s)
    with Loopback() as provider:
        provider.reply = counting
        entry = f'protocol = "openai"\nbase_url = "{provider.base_url}"\nmodels = ["lab-*"]\nfree = true\n'
        (folder / "overnight.toml").write_text(f"[providers.lab]\n{entry}")
        (folder / "m.jsonl").write_bytes(jsonl(line(f"row-{place}") for place in range(rows)))
        command = _command("run", "m.jsonl", "--out", folder / "runs" / "live", "--concurrency", 2, "--quiet")
        with subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.DEVNULL) as process:
            run = GoingOn(folder / "runs" / "live", provider, process, counting)
            try:
                run.until(lambda: run.answered() > 0)
                yield run
            finally:
                process.kill()
                counting.gate.set()
