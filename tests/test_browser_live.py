"""A run that goes on, watched and steered in a browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.harness.browser import Chromium, Tab
from tests.harness.viewer import GoingOn, going_on, viewing

pytestmark = [pytest.mark.browser, pytest.mark.long]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[GoingOn]:
    """A run of more rows than any test waits for."""
    with going_on(tmp_path) as run:
        yield run


@pytest.fixture
def home(run: GoingOn, tmp_path: Path) -> Iterator[str]:
    """The viewer of all runs of the working folder."""
    with viewing(folder=tmp_path) as address:
        yield address


def fact(tab: Tab, name: str) -> Locator:
    """What a page says of the run under this name."""
    return tab.page.locator(f'[data-fact="{name}"]')


def test_the_list_leads_to_a_run_and_follows_it(browser: Chromium, run: GoingOn, home: str) -> None:
    """The run is in the list, its count grows without the page being loaded again, and its page is a click away."""
    with browser.tab() as tab:
        tab.open(home)
        tab.page.evaluate("window.kept = true")
        before = fact(tab, "0.answered").inner_text()
        expect(fact(tab, "0.answered")).not_to_have_text(before)
        assert tab.page.evaluate("window.kept")
        tab.page.get_by_role("link", name="live").click()
        expect(fact(tab, "state")).to_have_text("sending")


def test_the_page_of_a_run_follows_it(browser: Chromium, run: GoingOn, home: str) -> None:
    """Answers, rate and lanes are kept up to date by the page itself."""
    with browser.tab() as tab:
        tab.open(f"{home}r/0/", home)
        lane = tab.page.locator('[data-table="lanes"] tr')
        expect(lane).to_contain_text("lab/lab-1")
        before, of_lane = fact(tab, "answered").inner_text(), lane.inner_text()
        expect(fact(tab, "answered")).not_to_have_text(before)
        expect(lane).not_to_have_text(of_lane)


def test_counts_of_a_lane_lead_to_their_rows(browser: Chromium, run: GoingOn, home: str) -> None:
    """Also after the page has put another number in the place of the one that it was loaded with."""
    with browser.tab() as tab:
        tab.open(f"{home}r/0/", home)
        link = tab.page.locator('[data-table="lanes"] a').nth(1)
        before = link.inner_text()
        expect(link).not_to_have_text(before)
        assert link.get_attribute("href") == "rows?lane=lab%2Flab-1&state=answered"
        link.click()
        expect(tab.page.locator("table[data-rows] tbody tr").first).to_contain_text("row-")


def test_pause_and_resume_by_clicks(browser: Chromium, run: GoingOn, home: str) -> None:
    """Paused, the run calls nobody and says so; resumed, it goes on."""
    with browser.tab() as tab:
        tab.open(f"{home}r/0/", home)
        tab.page.get_by_role("button", name="Pause").click()
        expect(fact(tab, "state")).to_have_text("paused")
        run.until(lambda: run.beat()["state"] == "paused" and run.counting.in_flight == 0)
        calls = len(run.provider.calls)
        expect(tab.page.get_by_role("button", name="Pause")).to_be_disabled()
        assert len(run.provider.calls) == calls
        tab.page.get_by_role("button", name="Resume").press("Enter")
        expect(fact(tab, "state")).to_have_text("sending")
        run.until(lambda: len(run.provider.calls) > calls)
        assert run.beat()["state"] == "sending"


def test_settings_are_changed(browser: Chromium, run: GoingOn, home: str) -> None:
    """A new cap and concurrency are those of the run; what makes no sense is refused in words, and changes nothing."""
    with browser.tab() as tab:
        tab.open(f"{home}r/0/", home)
        tab.page.get_by_label("Budget").fill("25")
        tab.page.get_by_label("In flight per lane").fill("3")
        tab.page.get_by_role("button", name="Change").click()
        expect(fact(tab, "cap")).to_contain_text("25")
        expect(fact(tab, "concurrency")).to_have_text("3")
        tab.page.get_by_label("In flight per lane").fill("many")
        tab.page.get_by_role("button", name="Change").click()
        expect(tab.page.locator("#said")).to_have_class("bad")
        expect(fact(tab, "concurrency")).to_have_text("3")
        tab.forgive("status of 400")


def test_stop_asks_first(browser: Chromium, run: GoingOn, home: str) -> None:
    """Only after the question is the run ended, as by Ctrl-C; then nothing can be steered, and the page says why."""
    with browser.tab() as tab:
        tab.open(f"{home}r/0/", home)
        tab.page.get_by_role("button", name="Stop").click()
        tab.page.get_by_role("button", name="Let it go on").click()
        assert run.process.poll() is None
        tab.page.get_by_role("button", name="Stop").click()
        tab.page.get_by_role("button", name="Stop the run").click()
        assert run.process.wait(20) == 130
        expect(tab.page.get_by_role("button", name="Pause")).to_be_disabled()
        expect(fact(tab, "why")).to_contain_text("overnight run")
