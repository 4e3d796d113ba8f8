"""The shipped command as a child process: `overnight run` in a folder of its own, with nothing that only we have."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from processes import run_to_end
from program import UsageError
from run_log import sending_s

MANIFEST = "manifest.jsonl"
CATALOG = "overnight.toml"  # what the command looks for in its working folder
_RUN = "run"
_BUDGET_USD = "1000000"


@dataclass(frozen=True, slots=True)
class Measured:
    """`sending_s` is from the start to the stop in the log; `wall_s` also checks the manifest: the whole process."""

    sending_s: float
    wall_s: float
    peak_bytes: int


def overnight() -> str:
    """The installed command, of this Python if it has one. Raises UsageError."""
    beside = Path(sys.executable).with_name("overnight")
    found = str(beside) if beside.is_file() else shutil.which("overnight")
    if found is None:
        raise UsageError("the command overnight is not here: pip install -e '.[dev]'")
    return found


def run_command(concurrency: int, run: str = _RUN) -> list[str]:
    """`overnight run` over the manifest of its working folder, with a budget that is never reached."""
    budget = ["--budget", _BUDGET_USD]
    return [overnight(), "run", MANIFEST, "--out", run, "--concurrency", str(concurrency), *budget]


def measure_run(folder: Path, concurrency: int, core: int | None, timeout_s: float) -> Measured:
    """Run the folder's manifest to its end, as a new run. Raises ChildError where not every row was answered."""
    finished = run_to_end(run_command(concurrency), timeout_s, core, folder)
    with (folder / _RUN / "events.jsonl").open("rb") as events:
        sending = sending_s(events)
    shutil.rmtree(folder / _RUN)
    return Measured(sending, finished.wall_s, finished.peak_bytes)
