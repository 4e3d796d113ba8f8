"""No page has a barrier that axe-core calls serious or critical, light or dark."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.harness.browser import NARROW, Chromium
from tests.harness.example_runs import changed_copy, example_report, example_runs
from tests.harness.viewer import viewing

pytestmark = [pytest.mark.browser, pytest.mark.long]
PAGES = {
    "the list": "",
    "a run": "r/0/",
    "rows": "r/0/rows?stage=judge&score_min=2",
    "no rows": "r/0/rows?q=not+in+any+row",
    "a pair": "r/0/rows?stage=judge",
    "a template": "r/1/rows?stage=ask&sort=iteration&descending=true",
    "bars": "r/2/rows",
    "pictures": "r/3/rows",
    "comparing": "compare?a=0&b=4",
    "two answers": "compare?a=0&b=4",
    "nothing there": "r/0/row/999999",
}
_ONE_ROW = ("a pair", "a template", "bars", "pictures", "two answers")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of runs of every evaluation."""
    return example_report(tmp_path_factory)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The viewer of a run of each kind, and of one of them with other answers."""
    runs, place = example_runs(tmp_path_factory), tmp_path_factory.mktemp("viewed")
    with viewing(*runs, changed_copy(runs[0], place / "again"), folder=place) as address:
        yield address


def test_the_report(browser: Chromium, report: Path) -> None:
    """The whole file, its rows listed and one of them open; in the dark it is the colours that differ."""
    with browser.tab("light") as tab:
        tab.open(f"{report.as_uri()}#rows")
        tab.page.locator("#rows-list button").first.click()
        assert tab.barriers() == []
        tab.page.emulate_media(color_scheme="dark")
        assert tab.barriers("color-contrast") == []


@pytest.mark.parametrize("name", PAGES)
def test_the_viewer(browser: Chromium, home: str, name: str) -> None:
    """Every kind of page, light and dark; and it is no wider than a telephone."""
    with browser.tab("light") as tab:
        tab.open(home + PAGES[name], home)
        expect(tab.page.locator("h1")).to_be_visible()
        if name in _ONE_ROW:
            tab.page.locator("table[data-rows] tbody a").first.click()
            expect(tab.page.locator("h1 bdi")).to_be_visible()
        assert tab.barriers() == []
        tab.page.set_viewport_size({"width": NARROW, "height": 800})
        tab.page.emulate_media(color_scheme="dark")
        assert tab.barriers() == []
        assert tab.overflow() == 0
        if name == "nothing there":
            tab.forgive("status of 404")
