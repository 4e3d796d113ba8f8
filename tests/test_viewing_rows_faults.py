"""What is wrong in the address of the table of rows: it is said at its field, and all else stays as it was."""

from pathlib import Path

import msgspec
import pytest

from outputs.items import Item
from outputs.journal import Log
from tests.harness.log_writing import LogWriter, chat
from tests.harness.parsed_pages import Parsed, parse
from tests.harness.viewed import Served, served

RATINGS = "Accuracy: [[{0}]]\nCompleteness: [[50]]\nConciseness: [[50]]\nRelevance: [[50]]"


def rated(folder: Path) -> LogWriter:
    """A run of two models' judgements."""
    log, told = LogWriter(folder).judged()
    for number in range(4):
        row = log.request(f"row-{number}", {**told, "model": f"m{number % 2}"})
        log.attempt(row)
        log.answer(row, chat(RATINGS.format(10 * number)))
    return log


async def refused(server: Served, query: str) -> Parsed:
    """The page of what is no filter."""
    reply = await server.get(f"r/0/rows?{query}")
    assert reply.status == 400
    return parse(reply.text)


def chosen(page: Parsed) -> list[str | None]:
    return [one.attributes.get("value") for one in page.all("option") if "selected" in one.attributes]


async def test_a_value_that_is_none_is_said_at_its_field(tmp_path: Path) -> None:
    """The form keeps it and all the rest, and shows no row, for nobody asked for other ones."""
    async with served(rated(tmp_path / "run").folder) as server:
        page = await refused(server, "score_min=abc&model=m1&q=row&sort=score")
    (field,) = page.all("input", name="score_min")
    assert (field.attributes["value"], field.attributes["aria-invalid"]) == ("abc", "true")
    said = page.all("span", id=field.attributes["aria-describedby"] or "")
    assert [one.text for one in said] == ["'abc' is no number"]
    assert chosen(page)[0] == "m1"
    assert page.all("input", name="q")[0].attributes["value"] == "row"
    assert page.all("input", name="sort")[0].attributes["value"] == "score"
    assert page.all("table") == []


async def test_what_the_form_has_no_field_for_is_said_above_it(tmp_path: Path) -> None:
    """With its name; several faults at once, each once."""
    async with served(rated(tmp_path / "run").folder) as server:
        page = await refused(server, "colour=red&level=x&offset=-1&score_max=y")
    assert [one.text.split(":")[0] for one in page.all("li") if ":" in one.text] == ["colour", "level", "offset"]
    assert page.all("input", name="score_max")[0].attributes["aria-invalid"] == "true"


@pytest.mark.parametrize("query", ["limit=25&limit=50", "model=m0&model=m1", "q=a&q=b", "score_min=1&score_min=1"])
async def test_a_filter_that_is_given_twice_is_refused(tmp_path: Path, query: str) -> None:
    """None of them is taken in silence; a field that was left empty is none."""
    name = query.partition("=")[0]
    async with served(rated(tmp_path / "run").folder) as server:
        page = await refused(server, query)
        row = await server.get(f"r/0/row/1?{query}")
        alone = await server.get(f"r/0/rows?{query.partition('&')[0]}&{name}=")
    assert [one.text for one in page.all("span", id=f"wrong-{name}")] == ["is given 2 times: give it once"]
    assert row.status == 400
    assert f"{name}: is given 2 times" in row.text
    assert alone.status == 200


async def test_a_score_says_what_it_is_of(tmp_path: Path) -> None:
    """In the heading where there is one dimension, beside each score where there are several."""
    log, several = rated(tmp_path / "one"), LogWriter(tmp_path / "several").record(job="scores")
    for metric in ("CIDEr", "SPICE"):
        item = Item(item=metric, candidate="c", scores={metric: {"overall": 1.0}})
        several.raw(Log.ITEMS, msgspec.json.encode(item)[1:])
    async with served(log.folder, several.folder) as server:
        one = parse(await server.read("r/0/rows"))
        two = parse(await server.read("r/1/rows"))
    assert "score (accuracy)" in one.texts("th", scope="col")
    assert "dimension" not in one.texts("th", scope="col")
    assert {"score", "dimension"} <= {*two.texts("th", scope="col")}
    assert [cell for cell in two.texts("td") if cell in ("CIDEr", "SPICE")] == ["CIDEr", "SPICE"]


async def test_rows_without_a_value_are_chosen_from_any_menu(tmp_path: Path) -> None:
    """Of numbers and of yes and no too; the page of such a row goes on with the filter."""
    log = LogWriter(tmp_path / "run").record()
    for name, told in (("seed", {"level": 0}), ("first", {"level": 1}), ("plain", {})):
        log.request(name, told)
    async with served(log.folder) as server:
        page = parse(await server.read("r/0/rows?level=()&conflict=()&by_batch=()"))
        (link,) = [one for one in page.all("a") if one.text == "plain"]
        row = await server.get(f"r/0/{link.attributes['href']}")
        score = await server.get("r/0/rows?score=()&attempts=()&cost_usd=()&latency_s=()&answer=()")
    assert [value for value in chosen(page) if value == "()"] == ["()"] * 3
    assert not [one for one in page.all("a") if one.text in ("seed", "first")]
    assert (row.status, score.status) == (200, 200)


async def test_an_attempt_s_failure_leads_to_the_rows_that_met_it(tmp_path: Path) -> None:
    """Also to those that were answered later; the menu counts rows."""
    log = LogWriter(tmp_path / "run").record()
    for name, failures in (("smooth", 0), ("twice", 2)):
        row = log.request(name)
        for turn in range(failures):
            log.attempt(row, turn + 1)
            log.settle(row, turn + 1)
        log.attempt(row, failures + 1)
        log.answer(row, number=failures + 1)
    async with served(log.folder) as server:
        page = parse(await server.read("r/0/rows?attempt_failure=throttled"))
    assert [one.text for one in page.all("a") if one.text in ("smooth", "twice")] == ["twice"]
    assert "throttled (1)" in page.texts("option")


async def test_what_sorts_is_a_link_and_what_does_not_is_none(tmp_path: Path) -> None:
    """Nothing is offered that is refused."""
    async with served(rated(tmp_path / "run").folder) as server:
        page = parse(await server.read("r/0/rows"))
        links = [one.attributes["href"] or "" for one in page.all("a") if "sort=" in (one.attributes["href"] or "")]
        assert [(await server.get(f"r/0/{link}")).status for link in links] == [200] * len(links)
    assert "begins" in page.texts("th", scope="col")
    assert "begins" not in [one.text for one in page.all("a")]
