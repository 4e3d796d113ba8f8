"""The viewer in a browser: rows are found, read and compared, by mouse and by keyboard."""

import http.client
import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.harness.browser import Chromium, Tab
from tests.harness.example_runs import NAMES, changed_copy, example_runs
from tests.harness.viewer import viewing

pytestmark = pytest.mark.browser
RSE, ICE, CAPTIONS, PICTURES, AGAIN = range(5)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The viewer of a run of each kind, and of the RSE run once more with other answers."""
    runs, place = example_runs(tmp_path_factory), tmp_path_factory.mktemp("viewed")
    again = changed_copy(runs[RSE], place / "again")
    with viewing(*runs, again, folder=place) as address:
        yield address


def rows(tab: Tab, home: str, run: int, query: str = "") -> None:
    """Open a run's table, and wait until its rows have been read."""
    tab.open(f"{home}r/{run}/rows?{query}", home)
    expect(tab.page.locator("table[data-rows]")).to_be_visible()


def names(tab: Tab) -> list[str]:
    """The rows that stand in the table."""
    return tab.page.locator("table[data-rows] tbody th a").all_inner_texts()


def found(tab: Tab) -> int:
    """How many rows the table says there are."""
    said = re.match(r"[\d,]+ to [\d,]+ of ([\d,]+)|None of", tab.text("main p[role=status]"))
    assert said is not None
    return int((said[1] or "0").replace(",", ""))


def test_the_list_names_all_runs(browser: Chromium, home: str) -> None:
    """Each run is there with what it is, and leads to its page."""
    with browser.tab() as tab:
        tab.open(home)
        lines = tab.page.locator("tbody tr").all_inner_texts()
        assert [line.split()[0] for line in lines] == [*NAMES, "again"]
        assert all("simulated" in line.lower() for line in lines)
        tab.page.get_by_role("link", name="ice", exact=True).click()
        expect(tab.page.locator("h1")).to_contain_text("ice")


def test_filters_and_search_by_mouse(browser: Chromium, home: str) -> None:
    """What is chosen holds together with what is searched for, and stands in the address and above the table."""
    with browser.tab() as tab:
        rows(tab, home, RSE)
        everything = found(tab)
        tab.page.locator("select[name=stage]").select_option("judge")
        tab.page.get_by_role("button", name="Show").click()
        expect(tab.page).to_have_url(re.compile("stage=judge"))
        judged = found(tab)
        assert 0 < judged < everything
        tab.page.get_by_role("searchbox").fill("REASONING-1")
        tab.page.get_by_role("button", name="Show").click()
        expect(tab.page).to_have_url(re.compile("q=REASONING-1"))
        assert 0 < found(tab) < judged
        assert all("reasoning-1" in name for name in names(tab))
        tab.page.get_by_role("link", name="remove all").click()
        expect(tab.page).not_to_have_url(re.compile("stage="))
        assert found(tab) == everything


def test_a_range_of_scores(browser: Chromium, home: str) -> None:
    """Both ends belong to the range, and what has no score is not in it."""
    with browser.tab() as tab:
        rows(tab, home, RSE, "stage=judge")
        tab.page.locator("input[name=score_min]").fill("3")
        tab.page.locator("input[name=score_max]").fill("4")
        tab.page.get_by_role("button", name="Show").click()
        expect(tab.page).to_have_url(re.compile("score_max=4"))
        shown = scores(tab)
        assert shown
        assert {min(shown), max(shown)} <= {3.0, 4.0} | set(shown)
        assert all(3 <= score <= 4 for score in shown)


def test_sorted_by_a_heading(browser: Chromium, home: str) -> None:
    """A click on a heading sorts by it, another the other way round, and a reader of screens is told."""
    with browser.tab() as tab:
        rows(tab, home, RSE, "stage=judge")
        for order in ("descending", "ascending"):
            tab.page.locator("thead").get_by_role("link", name="score").click()
            expect(tab.page.locator(f"th[aria-sort={order}]")).to_have_count(1)
            shown = scores(tab)
            assert shown == sorted(shown, reverse=order == "descending")
            assert len(shown) > 10


def scores(tab: Tab) -> list[float]:
    """The numbers in the column of scores."""
    headings = [one.split()[0] for one in tab.page.locator("thead th").all_inner_texts()]
    cells = tab.page.locator(f"table[data-rows] tbody tr > :nth-child({headings.index('score') + 1})").all_inner_texts()
    return [float(cell) for cell in cells if re.fullmatch(r"-?[\d.]+", cell)]


def test_pages_of_rows_by_mouse_and_by_keys(browser: Chromium, home: str) -> None:
    """Next, previous, first and last show all rows, each once."""
    with browser.tab() as tab:
        rows(tab, home, RSE)
        first = names(tab)
        tab.page.get_by_role("link", name="Next", exact=True).click()
        expect(tab.page).to_have_url(re.compile("offset="))
        second = names(tab)
        assert not set(first) & set(second)
        tab.press("[")
        expect(tab.page.locator("table[data-rows] tbody th a").first).to_have_text(first[0])
        tab.press("]")
        expect(tab.page.locator("table[data-rows] tbody th a").first).to_have_text(second[0])
        tab.page.get_by_role("link", name="Last", exact=True).click()
        expect(tab.page.get_by_role("link", name="Next", exact=True)).to_have_count(0)
        assert len(names(tab)) == (found(tab) - 1) % len(first) + 1


def test_rows_are_read_by_keys_alone(browser: Chromium, home: str) -> None:
    """j and k move, Enter opens, ] is the next of the filtered rows, u leads back, / searches, ? tells all of it."""
    with browser.tab() as tab:
        rows(tab, home, RSE, "stage=judge")
        listed = names(tab)
        tab.press("j", "j", "j", "k", "Enter")
        expect(tab.page.locator("h1")).to_have_text(listed[1])
        tab.press("]")
        expect(tab.page.locator("h1")).to_have_text(listed[2])
        tab.press("u")
        expect(tab.page).to_have_url(re.compile(r"rows\?stage=judge"))
        expect(tab.page.get_by_role("link", name=listed[2], exact=True)).to_be_focused()
        tab.press("j", "Enter")
        expect(tab.page.locator("h1")).to_have_text(listed[3])
        tab.press("u")
        expect(tab.page.get_by_role("link", name=listed[3], exact=True)).to_be_focused()
        tab.press("/")
        expect(tab.page.get_by_role("searchbox")).to_be_focused()
        tab.press("Escape")
        tab.press("?")
        expect(tab.page.get_by_role("dialog", name="Keys")).to_be_visible()
        tab.press("Escape")
        expect(tab.page.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_the_way_back_from_a_deep_page(browser: Chromium, home: str) -> None:
    """To the same page of rows, filtered as it was, and to the line that was left."""
    with browser.tab() as tab:
        rows(tab, home, RSE, "stage=judge&sort=custom_id&limit=25&offset=50")
        listed = names(tab)
        tab.page.get_by_role("link", name=listed[20], exact=True).click()
        expect(tab.page.locator("h1")).to_have_text(listed[20])
        tab.press("u")
        expect(tab.page).to_have_url(re.compile(r"stage=judge&sort=custom_id&offset=50&limit=25#row-\d+$"))
        expect(tab.page.get_by_role("link", name=listed[20], exact=True)).to_be_focused()
        assert names(tab) == listed


def test_what_is_wrong_in_a_form_has_the_focus(browser: Chromium, home: str) -> None:
    """What was typed stays, to be put right."""
    with browser.tab() as tab:
        rows(tab, home, RSE, "stage=judge")
        tab.page.locator("input[name=score_min]").fill("three")
        tab.press("Enter")
        field = tab.page.locator("input[name=score_min]")
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_be_focused()
        expect(field).to_have_value("three")
        tab.forgive("400 (Bad Request)")
        expect(tab.page.locator("select[name=stage]")).to_have_value("judge")
        field.fill("3")
        tab.press("Enter")
        expect(tab.page.locator("table[data-rows]")).to_be_visible()


def test_a_pair_side_by_side(browser: Chromium, home: str) -> None:
    """A judgement of RSE shows both answers, the differences marked by more than colour, and the scores."""
    with browser.tab() as tab:
        rows(tab, home, RSE, "stage=judge&model=simulator%2Fphi-4")
        tab.page.locator("table[data-rows] tbody th a").first.click()
        assert tab.page.locator(".pair pre").count() == 2
        for mark in ("del", "ins"):
            line = tab.page.locator(f".pair {mark}").first.evaluate("one => getComputedStyle(one).textDecorationLine")
            assert line != "none"
        assert "overall" in tab.text("[aria-labelledby=score]")


def test_the_ancestry_of_a_template(browser: Chromium, home: str) -> None:
    """A row of ICE shows the template that it was asked through, and those that it comes from up to a seed."""
    with browser.tab() as tab:
        rows(tab, home, ICE, "stage=ask&sort=iteration&descending=true")
        tab.page.locator("table[data-rows] tbody th a").first.click()
        steps = tab.page.locator(".ancestry > li")
        assert steps.count() >= 2
        assert steps.locator("ins, del").count() > 0


def test_the_score_token_s_alternatives_and_the_pictures(browser: Chromium, home: str) -> None:
    """A row of G-VEval shows the picture that was sent, a bar for each alternative, and how the score comes of them."""
    with browser.tab() as tab:
        rows(tab, home, PICTURES)
        tab.page.locator("table[data-rows] tbody th a").first.click()
        picture = tab.page.locator("figure.media img").first
        picture.scroll_into_view_if_needed()
        assert picture.evaluate("one => one.decode().then(() => one.naturalWidth)") > 0
        assert tab.page.locator("table.alternatives rect").count() > 3
        said = tab.page.get_by_text(re.compile("^Score: .* = ")).first.inner_text()
        weighted, mass, score = map(float, re.findall(r"\d+\.?\d*", said))
        assert weighted / mass == pytest.approx(score, abs=0.05)


def test_two_runs_compared(browser: Chromium, home: str) -> None:
    """What changed is counted, the rows that changed are listed, and one of them shows what is another word."""
    with browser.tab() as tab:
        tab.open(f"{home}compare?a={RSE}&b={AGAIN}", home)
        tab.page.locator("[aria-labelledby=changed] tbody a").first.click()
        expect(tab.page.locator("ins").first).to_contain_text("THE")
        expect(tab.page.locator("del").first).to_contain_text("the")


def test_a_link_opens_in_another_browser(browser: Chromium, home: str) -> None:
    """The address of a row is all that another window needs."""
    with browser.tab() as tab:
        rows(tab, home, CAPTIONS)
        tab.page.locator("table[data-rows] tbody th a").first.click()
        tab.page.wait_for_selector("h1 bdi")
        name, address = tab.text("h1"), tab.page.url
    with browser.tab() as other:
        other.open(address, home)
        assert other.text("h1") == name


def test_without_the_token_there_is_nothing(home: str) -> None:
    """Neither content nor a hint stands at an address whose token is missing or wrong."""
    parts = urlsplit(home)
    for path in ("/", "/r/0/", f"{parts.path[:-2]}x/", "/static/view.css"):
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
        connection.request("GET", path)
        response = connection.getresponse()
        assert (response.status, response.read()) == (404, b"")
        connection.close()


def test_the_text_of_a_row_is_that_of_the_log(
    browser: Chromium, home: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """An answer stands on its page as it stands in responses.jsonl."""
    line = json.loads((example_runs(tmp_path_factory)[RSE] / "responses.jsonl").read_bytes().splitlines()[7])
    said = line["response"]["body"]["choices"][0]["message"]["content"]
    with browser.tab() as tab:
        tab.open(f"{home}r/{RSE}/row/{line['request']}", home)
        assert tab.text('pre[aria-label="Answer"]').strip() == said.strip()
