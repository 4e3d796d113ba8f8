"""Calls per second of a whole run, beside a bare aiohttp loop and the official openai SDK.

A run is the shipped command with a budget and token limits, set too high to be reached: it reads the manifest,
reserves, sends, writes two lines for each attempt and syncs them, and accounts for tokens and cost. All talk to the
same stub server, round by round, each on the same core. A run's rate is that of its sending, from `start` to `stop`
in its log; the whole process, which also checks the manifest, is the column beside it. The like-for-like yardstick is
the loop on uvloop, because a run is on uvloop too.
"""

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from contenders import Contender, is_installed, measure_contender
from cores import Cores, two_cores
from overnight_run import CATALOG, MANIFEST, measure_run
from program import add_folder, main, parser, tell, whole_number
from ratios import Ratio, ratio_of
from report import Report, Verdict
from scratch import disk_note, scratch_folder
from stub_server import stub_server
from workload import Lane, write_catalog, write_manifest

_CHILD_S = 300.0
_BARE_TARGETS = {64: 0.7, 256: 0.8}
_SDK_TARGET = 10.0
_SHORT = "short.jsonl"


@dataclass(slots=True)
class Rates:
    """Calls per second at one concurrency, by rounds."""

    concurrency: int
    ours: list[float] = field(default_factory=list)
    whole_s: list[float] = field(default_factory=list)
    theirs: dict[Contender, list[float]] = field(default_factory=dict)

    def ratio(self, contender: Contender) -> Ratio:
        return ratio_of(self.ours, self.theirs[contender])


@dataclass(frozen=True, slots=True)
class Ground:
    """Where everybody runs."""

    folder: Path
    base_url: str
    cores: Cores
    rows: int
    sdk_rows: int


def measure(given: argparse.Namespace) -> Report:
    """All rounds at all concurrencies."""
    cores = two_cores()
    with scratch_folder(given.dir) as folder, stub_server(folder, cores.server) as base_url:
        write_manifest(folder / MANIFEST, (Lane("stub", given.rows),))
        write_manifest(folder / _SHORT, (Lane("stub", given.sdk_rows),))
        write_catalog(folder / CATALOG, {"stub": base_url})
        ground = Ground(folder, base_url, cores, given.rows, given.sdk_rows)
        measured = [_rounds(ground, concurrency, given.rounds) for concurrency in given.concurrency]
        return _report(measured, given.rounds, [str(cores), disk_note(folder)])


def _rounds(ground: Ground, concurrency: int, rounds: int) -> Rates:
    """Whoever went first goes last in the next round, so that no place in the order favours anybody."""
    contenders = [contender for contender in Contender if is_installed(contender)]
    rates = Rates(concurrency, theirs={contender: [] for contender in contenders})
    order: list[Contender | None] = [None, *contenders]  # None is us
    for number in range(1, rounds + 1):
        tell(f"{concurrency} in flight, round {number} of {rounds}")
        for contender in order:
            _go(ground, rates, contender)
        order.append(order.pop(0))
    return rates


def _go(ground: Ground, rates: Rates, contender: Contender | None) -> None:
    core = ground.cores.client
    if contender is None:
        run = measure_run(ground.folder, rates.concurrency, core, _CHILD_S)
        rates.ours.append(ground.rows / run.sending_s)
        rates.whole_s.append(run.wall_s)
        return
    name, rows = (_SHORT, ground.sdk_rows) if contender is Contender.SDK else (MANIFEST, ground.rows)
    manifest = ground.folder / name
    seconds = measure_contender(contender, ground.base_url, manifest, rates.concurrency, core, _CHILD_S)
    rates.theirs[contender].append(rows / seconds)


def _report(measured: list[Rates], rounds: int, notes: list[str]) -> Report:
    report = Report(
        f"Calls per second, medians of {rounds} interleaved rounds",
        ("", "in flight", "calls/s", "overnight's ratio", "lowest", "highest", "target", "whole process"),
        notes=notes,
    )
    for rates in measured:
        whole = f"{median(rates.whole_s):.1f} s"
        ours = f"{median(rates.ours):,.0f}"
        report.rows.append(("overnight run", str(rates.concurrency), ours, "", "", "", "", whole))
        for contender in rates.theirs:
            _add(report, rates, contender)
        theirs = {contender.value: each for contender, each in rates.theirs.items()}
        numbers = {"overnight run": rates.ours, **theirs, "overnight run, whole process, s": rates.whole_s}
        report.numbers[f"{rates.concurrency} in flight"] = numbers
    return report


def _add(report: Report, rates: Rates, contender: Contender) -> None:
    ratio = rates.ratio(contender)
    target = _SDK_TARGET if contender is Contender.SDK else _BARE_TARGETS.get(rates.concurrency)
    figures = [f"{figure:.2f}" for figure in (ratio.middle, ratio.low, ratio.high)]
    rate = f"{median(rates.theirs[contender]):,.0f}"
    report.rows.append((contender, str(rates.concurrency), rate, *figures, "" if target is None else f"{target:g}", ""))
    if target is not None:
        command = f"overnight run, {rates.concurrency} in flight"
        met = ratio.middle >= target
        report.verdicts.append(Verdict(command, str(ratio), f"the {contender}", f"{target:g}", met))


def _arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--rounds", type=whole_number, default=10)
    made.add_argument("--rows", type=whole_number, default=20_000, help="of a run and of a bare loop")
    made.add_argument("--sdk-rows", type=whole_number, default=1_500)
    made.add_argument("--concurrency", type=whole_number, nargs="+", default=[64, 256], help="calls in flight")
    add_folder(made)
    return made


if __name__ == "__main__":
    main(_arguments(), measure)
