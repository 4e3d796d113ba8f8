"""The shipped examples, simulated, and the report of them all: made once for all tests that open pages."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.harness.made_once import made_once
from tests.harness.viewer import overnight, simulated

NAMES = ("rse", "ice", "gveval_ref_only", "gveval_ref_free")
RESAMPLES = 100  # of intervals; the pages are looked at here, not the numbers


def example_runs(places: pytest.TempPathFactory) -> list[Path]:
    """Run folders: pairs of answers, a search, captions with and without pictures."""

    def make(folder: Path) -> None:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda name: simulated(name, folder / name), NAMES))

    folder = made_once(places, "example-runs", make)
    return [folder / name for name in NAMES]


def changed_copy(run: Path, out: Path, word: bytes = b" the ", answers: int = 20) -> Path:
    """The run once more, with `word` in capitals in its first answers."""
    shutil.copytree(run, out)
    log = out / "responses.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(line.replace(word, word.upper()) for line in lines[:answers]) + b"".join(lines[answers:]))
    return out


def example_report(places: pytest.TempPathFactory) -> Path:
    """The report of all of them."""
    runs = example_runs(places)

    def make(folder: Path) -> None:
        overnight("report", *runs, "-o", "report.html", "--resamples", RESAMPLES, folder=folder)

    return made_once(places, "example-report", make) / "report.html"
