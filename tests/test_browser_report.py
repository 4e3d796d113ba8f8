"""The report in a browser: it opens from a disk, leads from each number to its rows, and prints."""

import json
import re
from itertools import product
from pathlib import Path
from typing import get_args

import pytest
from playwright.sync_api import expect

from tests.harness.browser import NARROW, WIDE, Chromium, Scheme
from tests.harness.example_runs import NAMES, example_report, example_runs

pytestmark = pytest.mark.browser
MOST_BYTES = 5_000_000
PAPER = 688  # CSS pixels: A4 without its margins
SECTIONS = {"opening", "judged", "similarity", "ice", "captions", "cost"}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of runs of every evaluation."""
    return example_report(tmp_path_factory)


def test_one_file_opens_from_disk_and_asks_for_nothing_else(browser: Chromium, report: Path) -> None:
    """Everything is in the one file of ordinary size, and all evaluations have their section."""
    assert report.stat().st_size < MOST_BYTES
    with browser.tab() as tab:
        tab.open(report.as_uri())
        assert tab.requests == [report.as_uri()]
        assert {one.get_attribute("id") for one in tab.page.locator("main section").all()} >= SECTIONS
        assert tab.page.locator("figure svg").count() >= 10
        assert "simulated" in tab.text("header").lower()


def test_without_scripts_tables_and_figures_are_all_there(browser: Chromium, report: Path) -> None:
    """What a script adds is the list of rows alone; the page says so where none runs."""
    counted = []
    for javascript in (True, False):
        with browser.tab(javascript=javascript) as tab:
            tab.open(report.as_uri())
            names = (".part table tr", ".part figure svg", "#rows noscript")
            counted.append([tab.page.locator(name).count() for name in names])
            expect(tab.page.locator("#rows-here")).to_be_visible(visible=javascript)
    assert counted[0][:2] == counted[1][:2]


@pytest.mark.parametrize(("scheme", "width"), [*product(get_args(Scheme), (WIDE, NARROW))])
def test_light_and_dark_wide_and_narrow(browser: Chromium, report: Path, scheme: Scheme, width: int) -> None:
    """The ground is as the reader's system is, and nothing but a table in its own box is wider than the window."""
    with browser.tab(scheme, width) as tab:
        tab.open(report.as_uri())
        ground = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
        red, green, blue = map(int, re.findall(r"\d+", ground)[:3])
        assert (red + green + blue > 3 * 200) == (scheme == "light")
        assert tab.overflow() == 0
        tab.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        assert tab.overflow() == 0


def test_each_number_leads_to_its_rows(browser: Chromium, report: Path) -> None:
    """Every link of a number lists rows, and as many in all as the number says."""
    with browser.tab() as tab:
        tab.open(report.as_uri())
        said = tab.page.evaluate(
            """async () => {
            const links = [...document.querySelectorAll('.part a[href^="#rows?"]')], said = [];
            for (const link of links) {
                const listed = new Promise(done => addEventListener("hashchange", done, {once: true}));
                const same = link.getAttribute("href") === location.hash;
                link.click();
                if (!same) await listed;
                said.push([link.firstChild.textContent, document.getElementById("rows-said").textContent]);
            }
            return said;
        }"""
        )
        assert len(said) > 50
        wrong = [(number, line) for number, line in said if f"of {number} row" not in line]
        assert wrong == []


def test_a_row_is_opened_by_keyboard_and_shows_what_the_log_has(
    browser: Chromium, report: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """From a number to its rows, to one of them, by the keyboard alone; the text is that of responses.jsonl."""
    answers = _answers(tmp_path_factory)
    with browser.tab() as tab:
        tab.open(report.as_uri())
        tab.page.locator('#judged a[href^="#rows?"]').first.press("Enter")
        tab.page.locator("#rows-list button").first.press("Enter")
        expect(tab.page.locator("#row")).to_be_visible()
        shown = tab.page.locator("#row pre").all_inner_texts()
        assert any(answers[tab.text("#row-title")] == text for text in shown)


def test_a_judgement_is_not_shown_as_the_judged_models_words(browser: Chromium, report: Path) -> None:
    """Whom a row is about and who was asked stand apart where they differ; a seq is not called a line's number."""
    with browser.tab() as tab:
        tab.open(f"{report.as_uri()}#rows?stage=judge")
        heads = tab.page.locator("#rows-here thead th:visible").all_inner_texts()
        assert heads[2:4] == ["about the model", "asked of"]
        cells = [row.locator("th, td").all_inner_texts() for row in tab.page.locator("#rows-list tr").all()]
        assert {len(row) for row in cells} == {len(heads)}
        assert any("" not in (row[2], row[3]) and row[2] != row[3] for row in cells)
        tab.page.locator("#rows-list button").first.press("Enter")
        facts = tab.page.locator("#row-facts th").all_inner_texts()
        assert {"about the model", "asked of", "seq in requests.jsonl", "seq in responses.jsonl"} <= set(facts)


def test_rows_are_searched(browser: Chromium, report: Path) -> None:
    """Only rows with the text are listed, and none where no row has it."""
    with browser.tab() as tab:
        tab.open(f"{report.as_uri()}#rows")
        before = tab.page.locator("#rows-list tr").count()
        tab.page.get_by_label("Search these rows").fill("no row has this in it")
        expect(tab.page.locator("#rows-list tr")).to_have_count(0)
        tab.page.get_by_label("Search these rows").fill("")
        expect(tab.page.locator("#rows-list tr")).to_have_count(before)


def test_names_are_whole_on_a_telephone(browser: Chromium, report: Path) -> None:
    """The name of a model or of a request is one line; its table is moved within its own box."""
    with browser.tab("light", NARROW) as tab:
        tab.open(f"{report.as_uri()}#rows")
        tab.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        wrapped = tab.page.evaluate(
            "[...document.querySelectorAll('#rows-list .link, td.s, tbody th.s')].filter(one => {"
            "if (one.firstChild?.nodeType !== Node.TEXT_NODE) return false;"
            "const range = document.createRange(); range.selectNodeContents(one.firstChild);"
            "return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1 })"
            ".map(one => one.textContent)"
        )
        assert wrapped == []


def test_it_prints(browser: Chromium, report: Path) -> None:
    """On paper it is dark on white without the links about, and of so many pages as a person prints."""
    with browser.tab("dark") as tab:
        tab.open(report.as_uri())
        pages = re.findall(rb"/Type\s*/Page\b", tab.page.pdf(format="A4"))
        assert 4 <= len(pages) <= 80
        tab.page.emulate_media(media="print")
        tab.page.set_viewport_size({"width": PAPER, "height": 1000})
        tab.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert tab.overflow() == 0  # else the browser prints all of it smaller
        assert tab.page.evaluate("getComputedStyle(document.body).color").startswith("rgb(0, 0, 0")
        expect(tab.page.locator("nav")).to_be_hidden()


def _answers(places: pytest.TempPathFactory) -> dict[str, str]:
    """The text of each answer of the RSE run, by its custom_id."""
    run = example_runs(places)[NAMES.index("rse")]
    lines = [json.loads(one) for one in (run / "responses.jsonl").read_text().splitlines()]
    return {one["custom_id"]: one["response"]["body"]["choices"][0]["message"]["content"] for one in lines}
