"""A million rows, simulated: the peak memory of `overnight run`, and how soon a run stopped half way sends again.

Every answer is the stub server's one answer, so the rows stand for nothing. The run is stopped as Ctrl-C does once half
of its calls were made, and resumed from its folder. 3 KB of disk a row.
"""

import argparse
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from cores import Cores, two_cores
from overnight_run import CATALOG, MANIFEST, overnight, run_command
from processes import ChildError, Finished, running
from program import UsageError, add_folder, main, parser, tell, whole_number
from report import Report, Verdict
from resume_log import Ended, Resume, await_lines, read_resume
from scratch import disk_note, scratch_folder
from stub_server import stub_server
from workload import Lane, write_catalog, write_manifest

_CHILD_S = 3600.0
_MB = 1_000_000
_PEAK_MB = 300
_FIRST_INTENT_S = 20.0
_ROW_BYTES = 4000  # manifest, request, attempts and answer, with some room
_RUN = "run"
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Sessions:
    """The session that was stopped, the one that went on from there, and what the log says of that."""

    first: Finished
    second: Finished
    attempts: int  # calls made in the first
    resume: Resume


def measure(given: argparse.Namespace) -> Report:
    """One run in two sessions."""
    if shutil.disk_usage(given.dir).free < given.rows * _ROW_BYTES:
        raise UsageError(f"{given.rows * _ROW_BYTES / 1e9:.1f} GB of disk are needed; give --dir a folder with more")
    cores = two_cores()
    with scratch_folder(given.dir) as folder, stub_server(folder, cores.server) as base_url:
        write_catalog(folder / CATALOG, {"stub": base_url})
        tell(f"{given.rows:,} rows: writing the manifest")
        write_manifest(folder / MANIFEST, (Lane("stub", given.rows),))
        sessions = _run(folder, given, cores)
        answers = _count(folder / _RUN / "responses.jsonl")
        note = disk_note(folder)
    if answers != given.rows:
        raise ChildError(f"{answers:,} answers to {given.rows:,} rows")
    return _report(sessions, given, [str(cores), note, "SIMULATED: every answer is the stub server's one answer"])


def _run(folder: Path, given: argparse.Namespace, cores: Cores) -> Sessions:
    attempts_file = folder / _RUN / "attempts.jsonl"
    first, attempts = _stopped(folder, given, cores.client)
    before = attempts_file.stat().st_size
    tell(f"stopped after {attempts:,} calls; going on")
    command = [overnight(), "run", _RUN, "--concurrency", str(given.concurrency)]
    with running(command, cores.client, folder) as child:
        begun_at = time.time() - (time.perf_counter() - child.started)
        second = child.finish(_CHILD_S)
    return Sessions(first, second, attempts, read_resume(folder / _RUN, begun_at, before))


def _stopped(folder: Path, given: argparse.Namespace, core: int) -> tuple[Finished, int]:
    """The session up to the stop, and how many calls it made."""
    attempts_file = folder / _RUN / "attempts.jsonl"
    with running(run_command(given.concurrency, _RUN), core, folder) as child:
        await_lines(attempts_file, given.stop_at, Ended(child.process.pid))
        child.interrupt()
        finished = child.finish(_CHILD_S, (_INTERRUPTED,))
    return finished, _count(attempts_file)


def _count(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)


def _report(sessions: Sessions, given: argparse.Namespace, notes: list[str]) -> Report:
    resume = sessions.resume
    phases = (
        f"{resume.opening_s:.1f} s opening, {resume.estimating_s:.1f} s estimating, {resume.queueing_s:.1f} s queueing"
    )
    report = Report(
        f"{given.rows:,} rows, {given.concurrency} in flight [simulated]",
        ("session", "calls", "peak", "whole process"),
        rows=[
            _row("until the stop", sessions.attempts, sessions.first),
            _row("resumed", given.rows - sessions.attempts, sessions.second),
        ],
        notes=[*notes, f"the resume: {phases}"],
        numbers=_numbers(sessions),
    )
    report.verdicts.extend(_verdicts(sessions, given))
    return report


def _row(name: str, calls: int, finished: Finished) -> tuple[str, str, str, str]:
    return name, f"{calls:,}", f"{finished.peak_bytes / _MB:.1f} MB", f"{finished.wall_s:.1f} s"


def _numbers(sessions: Sessions) -> dict[str, float]:
    resume = sessions.resume
    return {
        "peak bytes until the stop": sessions.first.peak_bytes,
        "peak bytes resumed": sessions.second.peak_bytes,
        "calls until the stop": sessions.attempts,
        "resume, seconds opening": resume.opening_s,
        "resume, seconds estimating": resume.estimating_s,
        "resume, seconds queueing": resume.queueing_s,
    }


def _verdicts(sessions: Sessions, given: argparse.Namespace) -> tuple[Verdict, Verdict]:
    peak = max(sessions.first.peak_bytes, sessions.second.peak_bytes)
    sending_s = sessions.resume.first_intent_s
    command = f"overnight run, {given.rows:,} rows [simulated]"
    at = f"to the first call's line, resumed at row {sessions.attempts:,}"
    return (
        Verdict(
            command, f"{peak / _MB:.1f} MB", "peak of both sessions", f"under {_PEAK_MB} MB", peak < _PEAK_MB * _MB
        ),
        Verdict(command, f"{sending_s:.1f} s", at, f"within {_FIRST_INTENT_S:g} s", sending_s <= _FIRST_INTENT_S),
    )


def _arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--rows", type=whole_number, default=1_000_000)
    made.add_argument("--stop-at", type=whole_number, default=500_000, help="calls after which the run is stopped")
    made.add_argument("--concurrency", type=whole_number, default=256, help="calls in flight")
    add_folder(made)
    return made


if __name__ == "__main__":
    main(_arguments(), measure)
