"""A night that goes on while pages are looked at: simulated models with limits, prices, faults, a cap, a deadline."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.harness.viewer import environment

_MODELS = ("gpt-4o-mini", "claude-3-5-haiku", "deepseek-chat")
_CATALOG = """
[providers.simulated]
protocol = "openai"
base_url = "{url}"
models = ["*"]

[providers.simulated.limits."gpt-4o-mini"]
rpm = 600
[providers.simulated.limits."deepseek-chat"]
rpm = 300
tpm = 200_000

[providers.simulated.prices."*"]
input = 0.60
output = 2.40

[providers.simulated.facts."*"]
max_output_tokens = 1024
"""
_WORDS = "name a river that flows north and say what lies at its mouth in two sentences for a child"


@contextlib.contextmanager
def night(folder: Path, rows: int = 9000, for_s: float = 25.0) -> Iterator[Path]:
    """The run's folder, after it has gone on for so long; it goes on, and ends with the block."""
    faults = ("--latency-s", "1.5", "--latency-spread", "0.8", "--throttle-rate", "0.02", "--error-rate", "0.01")
    with _going("simulate", "--port", "0", *faults, folder=folder) as simulator:
        assert simulator.stdout is not None
        url = simulator.stdout.readline().split()[2]
        (folder / "overnight.toml").write_text(_CATALOG.format(url=url))
        (folder / "night.jsonl").write_text("".join(_lines(rows)))
        run = folder / "runs" / "night"
        asked = ("--out", str(run), "--concurrency", "24", "--budget", "12", "--for", "2h", "--quiet")
        with _going("run", "night.jsonl", *asked, folder=folder):
            time.sleep(for_s)
            yield run


def _lines(rows: int) -> Iterator[str]:
    random = Random(0)
    for place in range(rows):
        model = _MODELS[place % len(_MODELS)]
        text = " ".join(random.choices(_WORDS.split(), k=random.randint(8, 60)))
        body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 400}
        told = {"item": f"question-{place // len(_MODELS)}", "dataset": "rivers"}
        line = {"custom_id": f"{model}-{place:05d}", "url": "/v1/chat/completions", "body": body, "metadata": told}
        yield json.dumps(line) + "\n"


@contextlib.contextmanager
def _going(*arguments: str, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "orchestrator.cli", *arguments]
    with subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
