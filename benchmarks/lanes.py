"""A fast lane behind a slow one in the same manifest, beside the fast lane alone: it must not wait for its neighbour.

Two simulators answer, one slowly. The slow lane's rows come first in the file and would take many minutes; once the
fast lane has its last answer the run is interrupted, and drains. Times are the fast lane's own, from its log.
"""

import argparse
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from cores import two_cores
from overnight_run import CATALOG, MANIFEST, overnight, run_command
from processes import Child, ChildError, running
from program import add_folder, main, parser, tell, whole_number
from ratios import ratio_of
from report import Report, Verdict
from run_log import lane_s
from scratch import scratch_folder
from workload import Lane, write_catalog, write_manifest

_CHILD_S = 120.0
_READY_S = 20.0
_LATENCY_S = {"slow": 2.0, "fast": 0.05}
_INTERRUPTED = 130
_MOST = 1.1


def measure(given: argparse.Namespace) -> Report:
    """All rounds, the fast lane alone and with its neighbour in each of them."""
    cores = two_cores()
    fast = Lane("fast", given.fast_rows)
    alone: list[float] = []
    together: list[float] = []
    with scratch_folder(given.dir) as folder, ExitStack() as stack:
        urls = {name: stack.enter_context(_simulator(s, cores.server)) for name, s in _LATENCY_S.items()}
        write_catalog(folder / CATALOG, urls)
        for number in range(1, given.rounds + 1):
            tell(f"round {number} of {given.rounds}")
            alone.append(_fast_lane_s(folder, (fast,), given.concurrency, cores.client))
            both = (Lane("slow", given.slow_rows), fast)
            together.append(_fast_lane_s(folder, both, given.concurrency, cores.client))
    return _report(alone, together, given, str(cores))


@contextmanager
def _simulator(latency_s: float, core: int) -> Iterator[str]:
    """A simulated provider; gives its base URL."""
    command = [overnight(), "simulate", "--port", "0", "--latency-s", str(latency_s), "--latency-spread", "0.2"]
    with running(command, core) as child:
        yield _announced(child)


def _announced(child: Child) -> str:
    """The URL in the first line that it prints."""
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and child.process.poll() is None:
        words = child.printed().partition(b"\n")[0].decode().split()
        if url := next((word for word in words if word.startswith("http://")), None):
            return url
        time.sleep(0.05)
    raise ChildError(f"the simulator does not answer: {child.said()}")


def _fast_lane_s(folder: Path, lanes: tuple[Lane, ...], concurrency: int, core: int) -> float:
    write_manifest(folder / MANIFEST, lanes)
    run = folder / "run"
    with running(run_command(concurrency, run.name), core, folder) as child:
        if len(lanes) > 1:
            _await_answers(run / "responses.jsonl", lanes[-1], child)
            child.interrupt()
        child.finish(_CHILD_S, (0, _INTERRUPTED))
    seconds = lane_s(run, lanes[-1].provider)
    shutil.rmtree(run)
    return seconds


def _await_answers(responses: Path, lane: Lane, child: Child) -> None:
    """Return once all of the lane's answers are on disk."""
    needle = b'"provider":"%b"' % lane.provider.encode()
    count = offset = 0
    deadline = time.monotonic() + _CHILD_S
    while count < lane.rows:
        if child.process.poll() is not None or time.monotonic() > deadline:
            raise ChildError(f"the lane {lane.provider} has {count:,} answers: {child.said()}")
        time.sleep(0.2)
        found, offset = _count_from(responses, offset, needle)
        count += found


def _count_from(file: Path, offset: int, needle: bytes) -> tuple[int, int]:
    """How many whole lines from `offset` on hold `needle`, and where the next line begins."""
    if not file.exists():
        return 0, offset
    with file.open("rb") as lines:
        lines.seek(offset)
        new = lines.read()
    end = new.rfind(b"\n") + 1
    return new.count(needle, 0, end), offset + end


def _report(alone: list[float], together: list[float], given: argparse.Namespace, note: str) -> Report:
    ratio = ratio_of(together, alone)
    beside = f"with {given.slow_rows:,} slow rows before it"
    report = Report(
        f"Seconds of a fast lane of {given.fast_rows:,} rows, {given.concurrency} in flight, "
        f"medians of {len(alone)} interleaved rounds",
        ("the fast lane", "seconds"),
        rows=[("alone", f"{median(alone):.2f}"), (beside, f"{median(together):.2f}")],
        notes=[note],
        numbers={"alone, s": alone, "together, s": together},
    )
    command = f"overnight run, fast lane {beside}"
    report.verdicts.append(
        Verdict(command, str(ratio), "the seconds it takes alone", f"at most {_MOST:g}", ratio.middle <= _MOST)
    )
    return report


def _arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--rounds", type=whole_number, default=5)
    made.add_argument("--fast-rows", type=whole_number, default=2_000)
    made.add_argument("--slow-rows", type=whole_number, default=10_000)
    made.add_argument("--concurrency", type=whole_number, default=32, help="calls in flight per lane")
    add_folder(made)
    return made


if __name__ == "__main__":
    main(_arguments(), measure)
