"""Rows per second through the log's one writer, beside one thread that syncs every line by itself.

A row is what a call writes: its intent, awaited until it is on disk, and then its answer, awaited likewise.
"""

import argparse
import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from orchestrator.running import run_loop
from outputs import lines
from outputs.disk import OsDisk
from outputs.journal import Journal, Log
from program import add_folder, main, parser, tell, whole_number
from ratios import ratio_of
from report import Report, Verdict
from scratch import disk_note, scratch_folder

_TARGET = 20_000
_ANSWER_BYTES = 1_600
_BASELINE = "one thread, a sync for each line"
_INTENT = lines.intent(123_456, 1, 1_750_000_000.0, 0.000_346)
_ANSWER = b'"request":123456,"response":"%b"}' % (b"x" * (_ANSWER_BYTES - 40))


def measure(given: argparse.Namespace) -> Report:
    """All rounds, the baseline in each of them."""
    rates: dict[int, list[float]] = {writers: [] for writers in given.writers}
    baseline: list[float] = []
    with scratch_folder(given.dir) as folder:
        for number in range(1, given.rounds + 1):
            tell(f"round {number} of {given.rounds}")
            baseline.append(given.baseline_rows / _line_by_line_s(folder, given.baseline_rows))
            for writers, each in rates.items():
                each.append(given.rows / run_loop(_journal_s(folder, writers, given.rows)))
        return _report(rates, baseline, disk_note(folder))


async def _journal_s(folder: Path, writers: int, rows: int) -> float:
    """Seconds until all rows are on disk."""
    journal = Journal(folder, OsDisk(), 1)
    left = iter(range(rows))
    try:
        started = time.perf_counter()
        await asyncio.gather(*(_write(journal, left) for _ in range(writers)))
        return time.perf_counter() - started
    finally:
        await journal.close()
        _remove_logs(folder)


async def _write(journal: Journal, left: Iterator[int]) -> None:
    for _ in left:
        await journal.durable(journal.append(Log.ATTEMPTS, _INTENT))
        await journal.durable(journal.append(Log.RESPONSES, _ANSWER))


def _line_by_line_s(folder: Path, rows: int) -> float:
    """The same lines in the same files, each synced before the next is written."""
    disk = OsDisk()
    attempts, responses = (disk.append(folder / log.file_name) for log in (Log.ATTEMPTS, Log.RESPONSES))
    started = time.perf_counter()
    for number in range(1, rows + 1):
        for file, rest in ((attempts, _INTENT), (responses, _ANSWER)):
            file.write(b'{"seq":%d,%b\n' % (number, rest))
            file.sync()
    seconds = time.perf_counter() - started
    attempts.close()
    responses.close()
    _remove_logs(folder)
    return seconds


def _remove_logs(folder: Path) -> None:
    for log in Log:
        (folder / log.file_name).unlink(missing_ok=True)


def _report(rates: dict[int, list[float]], baseline: list[float], note: str) -> Report:
    report = Report(
        f"Rows per second, each two lines on disk, medians of {len(baseline)} interleaved rounds",
        ("", "rows/s", "times the baseline", "lowest", "highest", "target rows/s"),
        rows=[(_BASELINE, f"{median(baseline):,.0f}", "", "", "", "")],
        notes=[note],
        numbers={_BASELINE: baseline},
    )
    for writers, each in rates.items():
        ratio, rate = ratio_of(each, baseline), median(each)
        name = f"the log, {writers} writers"
        figures = [f"{figure:.1f}" for figure in (ratio.middle, ratio.low, ratio.high)]
        report.rows.append((name, f"{rate:,.0f}", *figures, f"{_TARGET:,}"))
        report.numbers[name] = each
        figure = f"{rate:,.0f} rows a second, {ratio.middle:.1f} times"
        report.verdicts.append(Verdict(name, figure, _BASELINE, f"{_TARGET:,} rows a second", rate >= _TARGET))
    return report


def _arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--rounds", type=whole_number, default=5)
    made.add_argument("--rows", type=whole_number, default=40_000)
    made.add_argument("--baseline-rows", type=whole_number, default=1_000)
    made.add_argument("--writers", type=whole_number, nargs="+", default=[64, 256])
    add_folder(made)
    return made


if __name__ == "__main__":
    main(_arguments(), measure)
