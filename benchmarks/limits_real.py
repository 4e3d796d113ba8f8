"""The shipped command against servers that limit, over HTTP on loopback: what of the limit it uses, what is refused.

The simulator limits 600 calls and 200,000 tokens a minute, and is asked by one run or by two at once; nginx's
`limit_req` 100 calls a second, judged by its own log; and llmock, an independent mock server with a verdict on its
clients, where it is installed. All answers are SIMULATED. Exit code 1 where a target is missed.
"""

import argparse
import shutil
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from limited_runs import Limits, Ran, run_at_once, write_limits, write_rows
from nginx_limit import RATE, Judged, judge, limiting_server
from overnight_run import CATALOG, MANIFEST, overnight, run_command
from processes import run_to_end
from program import add_folder, parser, tell, whole_number
from report import Report, Verdict
from scratch import disk_note, scratch_folder
from serving import PORT, serving
from targets import exit_by_targets
from workload import Lane, write_manifest

_LIMITS = Limits(600.0, 200_000.0)
_TOLD = {"rpm": 600, "tpm": 200_000}
_NGINX_ROWS = 2_000
_NGINX_TARGETS = {"told": 0.98, "untold": 0.9}
_NGINX_S = 600.0
_LLMOCK_ROWS = 400
_CONCURRENCY = 64
_PARTS = ("simulator", "nginx", "llmock")


def measure(given: argparse.Namespace) -> Report:
    """The parts that were asked for."""
    report = Report(
        "Use of a limit over HTTP; every answer is SIMULATED",
        ("", "used", "refused", "least share", "target", ""),
    )
    report.notes.append(disk_note(given.dir))
    if "simulator" in given.parts:
        _simulator(report, given)
    if "nginx" in given.parts:
        _nginx(report, given.dir)
    if "llmock" in given.parts:
        _llmock(report, given)
    return report


def _simulator(report: Report, given: argparse.Namespace) -> None:
    minutes = given.minutes
    _simulated(report, given.dir, "simulator, headers", minutes, use=0.95, refused=0.01)
    _simulated(report, given.dir, "simulator, told", minutes, told=_TOLD, use=0.98, refused=0.0)
    _simulated(report, given.dir, "simulator, no headers", minutes, flags=("--no-headers",), use=0.9, refused=0.03)
    _simulated(report, given.dir, "simulator, two runs at once", minutes, runs=2, use=0.9, refused=0.02)


def _simulated(
    report: Report,
    parent: Path,
    name: str,
    minutes: int,
    *,
    use: float,
    refused: float,
    runs: int = 1,
    told: Mapping[str, int] = MappingProxyType({}),
    flags: tuple[str, ...] = (),
) -> None:
    """Rows for so many minutes, and for the minute's worth that the buckets hold at the start."""
    tell(name)
    command = [overnight(), "simulate", "--port", PORT, "--latency-s", "1", *flags]
    limits = ("--rpm", f"{_LIMITS.rpm:g}", "--tpm", f"{_LIMITS.tpm:g}")
    with scratch_folder(parent) as folder, serving([*command, *limits], folder) as url:
        write_rows(folder / MANIFEST, int(_LIMITS.rpm * (minutes + 1) / runs))
        write_limits(folder / CATALOG, url, told)
        ran = run_at_once(folder, runs, _CONCURRENCY, (minutes + 4) * 120.0, _LIMITS)
    _add(report, name, ran, use, refused)


def _add(report: Report, name: str, ran: Ran, use: float, refused: float) -> None:
    several = ran.share is not None
    met = ran.use >= use and ran.refused <= refused and (ran.share is None or ran.share >= 0.4)
    target = f"used >= {use:g}, refused <= {refused:.0%}" + (", share >= 0.4" if several else "")
    share = "" if ran.share is None else f"{ran.share:.2f}"
    _line(report, (name, f"{ran.use:.3f}", f"{ran.refused:.2%}", share, target), met)
    report.numbers[name] = {"use": ran.use, "refused": ran.refused, "share": ran.share}


def _nginx(report: Report, parent: Path) -> None:
    for knowing, target in _NGINX_TARGETS.items():
        name = f"nginx, {RATE} a second, {knowing}"
        tell(name)
        with scratch_folder(parent) as folder, limiting_server(folder) as url:
            write_manifest(folder / MANIFEST, (Lane("lab", _NGINX_ROWS),))
            write_limits(folder / CATALOG, url, {"rpm": RATE * 60} if knowing == "told" else {})
            run_to_end(run_command(_CONCURRENCY), _NGINX_S, folder=folder)
            _add_judged(report, name, judge(folder, _NGINX_ROWS), target)


def _add_judged(report: Report, name: str, judged: Judged, target: float) -> None:
    met = judged.use >= target and judged.lost == 0 and judged.twice == 0
    words = f"used >= {target:g}, none lost, none twice"
    _line(report, (name, f"{judged.use:.3f}", f"{judged.refused:.2%}", "", words), met)
    report.notes.append(f"{name}: {judged.lost} rows lost, {judged.twice} served twice")
    fields = {"use": judged.use, "refused": judged.refused, "lost": judged.lost, "twice": judged.twice}
    report.numbers[name] = fields


def _llmock(report: Report, given: argparse.Namespace) -> None:
    found = given.llmock or shutil.which("llmock")
    if found is None:
        report.notes.append("llmock: skipped, it is not installed here (--llmock PATH)")
        return
    tell("llmock")
    command = [found, "serve", "--host", "127.0.0.1", "--port", PORT, "--rpm", "120", "--tpm", "20000"]
    with scratch_folder(given.dir) as folder, serving(command, folder) as url:
        write_manifest(folder / MANIFEST, (Lane("lab", _LLMOCK_ROWS),))
        write_limits(folder / CATALOG, url, {})
        run_to_end(run_command(_CONCURRENCY), 1800.0, folder=folder)
        with urllib.request.urlopen(f"{url}/_llmock/verdict?format=text", timeout=30) as answer:
            verdict = answer.read().decode()
    report.notes.append(f"llmock, all {_LLMOCK_ROWS} rows answered; its verdict:\n{verdict.strip()}")


def _line(report: Report, cells: tuple[str, ...], met: bool) -> None:
    report.rows.append((*cells, "met" if met else "MISSED"))
    report.verdicts.append(Verdict(cells[0], cells[1], f"of the limit, {cells[2]} refused", cells[4], met))


def _arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--minutes", type=whole_number, default=4, help="of each run against the simulator, about")
    made.add_argument("--parts", nargs="+", choices=_PARTS, default=list(_PARTS))
    made.add_argument("--llmock", help="its program, where it is not on the PATH")
    add_folder(made)
    return made


if __name__ == "__main__":
    exit_by_targets(_arguments(), measure)
