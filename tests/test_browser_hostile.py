"""Runs whose every text is hostile, in a browser: report and viewer show text, and nothing of it does anything."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.harness.browser import Chromium, Tab
from tests.harness.example_runs import RESAMPLES, changed_copy
from tests.harness.hostile_runs import hostile_runs
from tests.harness.payloads import PAYLOADS
from tests.harness.viewer import overnight, viewing

pytestmark = [pytest.mark.browser, pytest.mark.long]
ROWS = (40, 8, 8, 8)  # of each run that are opened, one after another
_LONGEST_PAGE = 400_000  # characters that a page shows of a row of 1 MB, with its request and both JSON bodies
_STEERING = r"/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f]/"
_SHOWN = """[...document.body.querySelectorAll("*:not(script)")].flatMap(one => [...one.childNodes])
    .filter(one => one.nodeType === 3).map(one => one.data)"""
_AS_TEXT = [name for name, text in PAYLOADS.items() if text.isprintable() and text.isascii()]

DEEDS = {
    "script": "<script>window.pwned = 1</script>",
    "handler": "<p onclick='window.pwned = 1'>x",
    "error": "<script>throw Error('x')</script>",
    "policy": "<meta http-equiv=Content-Security-Policy content=\"script-src 'none'\"><script>1</script>",
    "dialog": "<script>alert(1)</script>",
    "remote": "<img src=http://192.0.2.1/x>",
    "other port": "<img src=http://127.0.0.1:9/x>",
    "frame": "<iframe src='data:text/html,x'></iframe>",
    "drawing": "<img src='data:image/svg+xml,<svg/>'>",
    "window": "<script>window.open('about:blank')</script>",
    "refresh": "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>",
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The hostile runs, the plain manifest first."""
    return hostile_runs(tmp_path_factory.mktemp("hostile"))


@pytest.mark.parametrize("deed", DEEDS)
def test_what_a_page_does_is_seen(browser: Chromium, tmp_path: Path, deed: str) -> None:
    """The tab that the tests below rest on tells of each deed that it is there for."""
    page = tmp_path / "page.html"
    page.write_text(f"<!DOCTYPE html><title>x</title>{DEEDS[deed]}")
    with pytest.raises(AssertionError), browser.tab() as tab:  # noqa: PT012
        tab.open(page.as_uri())
        tab.page.wait_for_timeout(100)


def test_the_report_shows_text(browser: Chromium, runs: list[Path], tmp_path: Path) -> None:
    """With every part unfolded, every row opened and searched for, nothing runs, and the texts are there."""
    out = tmp_path / "report.html"
    overnight("report", *runs, "-o", out, "--resamples", RESAMPLES, folder=tmp_path)
    with browser.tab() as tab:
        tab.open(out.as_uri())
        tab.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        seen = _rows_of_report(tab)
        assert [name for name in _AS_TEXT if PAYLOADS[name] not in seen] == []
        assert _steering(tab) == []
        assert tab.requests == [out.as_uri()]


def _rows_of_report(tab: Tab) -> str:
    """Follow each link of a number, open each row that is listed, and return all texts of rows that were seen."""
    return str(
        tab.page.evaluate(
            """async () => {
            const seen = [], all = '#rows-list button';
            for (const link of document.querySelectorAll('a[href^="#rows?"]')) link.click();
            location.hash = "#rows";
            await new Promise(done => setTimeout(done, 100));
            for (const button of document.querySelectorAll(all)) {
                button.click();
                seen.push(...[...document.querySelectorAll("#row pre")].map(one => one.innerText.slice(0, 30000)));
            }
            return seen.join("\\n");
        }"""
        )
    )


def _steering(tab: Tab) -> list[str]:
    """Characters that the page shows and that no reader sees, or that reorder what they see."""
    found: list[str] = tab.page.evaluate(
        f"{_SHOWN}.filter(one => {_STEERING}.test(one.data)).map(one => one.data.slice(0, 80))"
    )
    return found


@pytest.fixture(scope="module")
def home(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The viewer of the hostile runs."""
    place = tmp_path_factory.mktemp("viewed")
    with viewing(*runs, changed_copy(runs[1], place / "<b>again<script>", b"window"), folder=place) as address:
        yield address


@pytest.mark.parametrize("page", ["", *(f"r/{run}/{kind}" for run in range(4) for kind in ("", "rows"))])
def test_the_viewer_s_pages_show_text(browser: Chromium, home: str, page: str) -> None:
    """The list, each run's page, and the table of its rows."""
    with browser.tab() as tab:
        tab.open(home + page, home)
        expect(tab.page.locator("main table")).not_to_have_count(0)
        assert _steering(tab) == []


@pytest.mark.parametrize("run", range(4))
def test_every_row_shows_text(browser: Chromium, home: str, run: int, runs: list[Path]) -> None:
    """Rows are gone through by their own links, unfolded; what was answered is there, and none is endless."""
    with browser.tab() as tab:
        tab.open(f"{home}r/{run}/rows?limit=200", home)
        links = tab.page.locator("table[data-rows] tbody a").evaluate_all("links => links.map(one => one.href)")
        seen = ""
        for link in links[: ROWS[run]]:
            tab.open(link, home)
            tab.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
            shown = tab.text("main")
            assert len(shown) < _LONGEST_PAGE
            assert _steering(tab) == []
            seen += shown
    assert run > 0 or [name for name in _AS_TEXT if PAYLOADS[name] not in seen] == []


def test_a_search_for_a_script_finds_its_row(browser: Chromium, home: str) -> None:
    """What is searched for comes back into the form as text."""
    with browser.tab() as tab:
        tab.open(f"{home}r/0/rows", home)
        tab.page.get_by_role("searchbox").fill(PAYLOADS["end of a script"])
        tab.page.get_by_role("button", name="Show").click()
        expect(tab.page.get_by_role("searchbox")).to_have_value(PAYLOADS["end of a script"])
        expect(tab.page.locator("table[data-rows] tbody tr")).not_to_have_count(0)


def test_hostile_runs_are_compared(browser: Chromium, home: str) -> None:
    """What changed from a run to another, and one row of both."""
    with browser.tab() as tab:
        tab.open(f"{home}compare?a=1&b=4", home)
        expect(tab.page.locator("h1")).to_have_text("Compare two runs")
        assert _steering(tab) == []
        tab.page.locator("[aria-labelledby=changed] tbody a").first.click()
        expect(tab.page.locator("ins").first).to_be_visible()
        assert _steering(tab) == []
