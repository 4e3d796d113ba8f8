"""Pictures of the report and of the viewer's pages, light and dark, wide and narrow, as Debian's Chromium shows them.

Everything is simulated: the shipped examples are run, or the runs given are shown.
"""

import argparse
import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final, get_args

from PIL import Image

from simulated_night import night
from tests.harness.browser import NARROW, WIDE, Chromium, Scheme, chromium
from tests.harness.viewer import overnight, simulated, viewing

_EXAMPLES = ("rse", "ice", "gveval_ref_only", "gveval_ref_free")
_SECTIONS = ("judged", "similarity", "ice", "captions", "cost")
_TALLEST = 12_000  # pixels of a picture
_ROWS: Final = {  # which rows of a run are shown, and which of them is opened: the first
    "rse": "stage=judge&model=simulator%2Fphi-4",
    "ice": "stage=ask&sort=iteration&descending=true",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A page: what its picture is called, where it is, and what all its requests begin with."""

    name: str
    url: str
    home: str


def main() -> None:
    """Write the pictures, and print where each is."""
    given = _arguments().parse_args()
    given.into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, chromium() as browser:
        runs = given.runs or [simulated(name, Path(place) / name) for name in _EXAMPLES]
        for shown in _pages(Path(place), [run.resolve() for run in runs], given):
            for scheme, width in product(get_args(Scheme), (WIDE, NARROW)):
                _take(browser, shown, scheme, width, given)


def _pages(place: Path, runs: list[Path], given: argparse.Namespace) -> Iterator[Shown]:
    report = given.report
    if report is None:
        report = place / "report.html"
        overnight("report", *runs, "-o", report, folder=place)
    home = report.resolve().as_uri()
    yield Shown("report", home, home)
    if not given.whole:
        yield from (Shown(f"report-{key}", f"{home}#{key}", home) for key in _SECTIONS)
    yield from _pages_of_viewer(place, runs)


def _pages_of_viewer(place: Path, runs: list[Path]) -> Iterator[Shown]:
    with night(place) as going_on, viewing(going_on.relative_to(place), *runs, folder=place) as home:
        yield Shown("runs", home, home)
        yield Shown("live", f"{home}r/0/", home)
        for number, run in enumerate(runs, 1):
            rows = f"{home}r/{number}/rows?{_ROWS.get(run.name, '')}"
            yield Shown(f"rows-{run.name}", rows, home)
            yield Shown(f"row-{run.name}", rows, home)


def _take(browser: Chromium, shown: Shown, scheme: Scheme, width: int, given: argparse.Namespace) -> None:
    path = given.into / f"{shown.name}-{scheme}-{width}.png"
    with browser.tab(scheme, width) as tab:
        tab.open(shown.url, shown.home)
        if "rows?" in shown.url:
            tab.page.wait_for_selector("table[data-rows]")
        if shown.name.startswith("row-"):
            tab.page.locator("table[data-rows] tbody a").first.click()
            tab.page.wait_for_selector("h1 bdi")
        _save(tab.page.screenshot(full_page=given.whole), path)
        print(path, f"{tab.overflow()} pixels too wide" if tab.overflow() else "")


def _save(shot: bytes, path: Path) -> None:
    """As PNG, which PIL packs closer than the browser."""
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    picture.crop((0, 0, picture.width, min(picture.height, _TALLEST))).save(path, optimize=True)


def _arguments() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("runs", nargs="*", type=Path, help="run folders; without them the shipped examples are run")
    made.add_argument("--into", type=Path, default=Path("benchmark-pictures"), help="where the pictures go")
    made.add_argument("--report", type=Path, help="a report that is made already")
    made.add_argument("--whole", action="store_true", help="the whole page, not only what a window shows")
    return made


if __name__ == "__main__":
    main()
