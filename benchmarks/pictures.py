"""Rows that each show a photograph of their own: memory, and the rate beside the two things that have to be done.

Each photograph is read, hashed, decoded, shrunk, encoded and sent. The rate of the run's sending is held against the
slower of pillow doing its part alone on the same cores, and a bare aiohttp loop sending ready bodies; all in this run.
"""

import argparse
import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path

from overnight_run import CATALOG, MANIFEST, Measured, measure_run
from photographs import BYTES, HEIGHT, WIDTH, write_photographs
from picture_baselines import Baseline, measure_baseline
from program import add_folder, main, parser, tell, whole_number
from report import Report, Verdict
from scratch import disk_note, scratch_folder
from stub_server import stub_server

_CHILD_S = 1200.0
_RATIO = 0.8
_GROWTH = 1.15
_MB = 1_000_000
_FOLDER = "photographs"


@dataclass(slots=True)
class Rounds:
    """Rates are in photographs a second."""

    few: list[Measured] = field(default_factory=list)
    many: list[Measured] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    baselines: dict[Baseline, list[float]] = field(default_factory=lambda: {one: [] for one in Baseline})


def measure(given: argparse.Namespace) -> Report:
    """A run of a quarter of the rows for its memory, then, round by round, both baselines and the run."""
    with scratch_folder(given.dir) as folder, stub_server(folder, None) as base_url:
        tell(f"{given.rows:,} photographs")
        photographs = list(write_photographs(folder / _FOLDER, given.rows))
        _write_catalog(folder / CATALOG, base_url)
        found = Rounds()
        _write_manifest(folder / MANIFEST, photographs[: max(1, given.rows // 4)])
        found.few.append(measure_run(folder, given.concurrency, None, _CHILD_S))
        _write_manifest(folder / MANIFEST, photographs)
        for number in range(1, given.rounds + 1):
            tell(f"round {number} of {given.rounds}")
            for baseline, rates in found.baselines.items():
                rates.append(given.rows / measure_baseline(baseline, base_url, folder / _FOLDER, _CHILD_S))
            found.many.append(measure_run(folder, given.concurrency, None, _CHILD_S))
            found.rates.append(given.rows / found.many[-1].sending_s)
        return _report(found, given.rows, disk_note(folder))


def _write_manifest(file: Path, photographs: list[Path]) -> None:
    with file.open("w", encoding="utf-8") as out:
        for path in photographs:
            image = {"type": "image_url", "image_url": {"url": f"{_FOLDER}/{path.name}", "detail": "high"}}
            content = [{"type": "text", "text": "What is this?"}, image]
            body = {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": content}]}
            line = {"custom_id": path.stem, "method": "POST", "url": "/v1/chat/completions", "provider": "stub"}
            out.write(json.dumps({**line, "body": body}) + "\n")


def _write_catalog(file: Path, base_url: str) -> None:
    file.write_text(
        f'[providers.stub]\nprotocol = "openai"\nbase_url = "{base_url}"\n'
        '[providers.stub.prices."*"]\ninput = 0.5\noutput = 1.5\n'
        '[providers.stub.facts."*"]\nimage_tokens = { rule = "tile" }\n',
        encoding="utf-8",
    )


def _report(found: Rounds, rows: int, note: str) -> Report:
    slower = min(found.baselines, key=lambda one: statistics.median(found.baselines[one]))
    ratios = [ours / theirs for ours, theirs in zip(found.rates, found.baselines[slower], strict=True)]
    few, many = (max(run.peak_bytes for run in runs) for runs in (found.few, found.many))
    report = Report(
        f"{rows:,} photographs of {WIDTH} x {HEIGHT} pixels and {BYTES / _MB:.0f} MB, high detail",
        ("", "photographs/s", "peak"),
        notes=[note, "eight scenes; each file with a comment of its own"],
    )
    report.rows.append(("overnight run", f"{statistics.median(found.rates):.1f}", f"{many / _MB:.0f} MB"))
    report.rows.append((f"overnight run, {rows // 4:,} photographs", "", f"{few / _MB:.0f} MB"))
    for baseline, rates in found.baselines.items():
        report.rows.append((baseline.value, f"{statistics.median(rates):.1f}", ""))
    report.numbers = {"overnight run": found.rates, **{one.value: rates for one, rates in found.baselines.items()}}
    ratio, growth = statistics.median(ratios), many / few
    command = f"overnight run, {rows:,} photographs"
    report.verdicts.append(Verdict(command, f"{ratio:.2f}", f"the slower: {slower}", f"{_RATIO:g}", ratio >= _RATIO))
    report.verdicts.append(
        Verdict(command, f"peak {growth:.2f} times", "a quarter of the rows", f"at most {_GROWTH:g}", growth <= _GROWTH)
    )
    return report


def _arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--rows", type=whole_number, default=2_000, help="photographs; 2 MB of disk each")
    made.add_argument("--rounds", type=whole_number, default=3)
    made.add_argument("--concurrency", type=whole_number, default=64, help="calls in flight")
    add_folder(made)
    return made


if __name__ == "__main__":
    main(_arguments(), measure)
