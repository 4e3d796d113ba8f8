"""The ways from the page of two runs: its numbers lead to their rows, and what cannot be compared leads on."""

import re
import shutil
from pathlib import Path

import pytest

from tests.harness.log_writing import LogWriter, chat
from tests.harness.parsed_pages import Parsed, assert_harmless
from tests.harness.viewed import Served, served

RATINGS = "Accuracy: [[{}]]\nCompleteness: [[{}]]\nConciseness: [[50]]\nRelevance: [[50]]"


def run(folder: Path, scores: list[tuple[int, int] | None]) -> LogWriter:
    """Judgements of two models in turn, by two scores; None where one failed."""
    log, told = LogWriter(folder).judged()
    for number, given in enumerate(scores):
        about = {**told, "item": f"i{number}", "model": f"m{number % 2}"}
        seq = log.request(f"r{number}", about)
        log.attempt(seq)
        log.fail(seq) if given is None else log.answer(seq, chat(RATINGS.format(*given)))
    return log


async def read(viewer: Served, path: str) -> Parsed:
    return assert_harmless(await viewer.read(path))


def counted(page: Parsed, section: str) -> list[tuple[str, str]]:
    """The numbers of a table that lead on, and where to."""
    found = [(one.text, one.attributes.get("href") or "") for one in page.all("a")]
    return [(text, link.partition("#")[0]) for text, link in found if section in link and re.match(r"\d", text)]


def rows(page: Parsed) -> list[str]:
    return [one.text for one in page.all("a") if re.fullmatch(r"r\d+", one.text)]


async def test_counts_lead_to_their_rows(tmp_path: Path) -> None:
    """Each number of the tables to as many rows as it says, of its own model, judge and dimension."""
    a = run(tmp_path / "a", [(10, 10), (20, 20), (30, 30), (40, 40), (50, 50), None])
    b = run(tmp_path / "b", [(11, 10), (20, 21), (30, 30), None, (51, 52), (60, 60)])
    async with served(a.folder, b.folder) as viewer:
        page = await read(viewer, "compare?a=0&b=1")
        answers = [(int(text), await read(viewer, link)) for text, link in counted(page, "lane=")]
        scores = {link: await read(viewer, link) for _, link in counted(page, "dimension=")}
        plain = await read(viewer, "compare?a=0&b=1&show=only_b")
    assert [(count, rows(one)) for count, one in answers] == [(1, ["r3"]), (1, ["r5"]), (3, ["r4", "r0", "r1"])]
    shown = {tuple(sorted(dict(re.findall(r"(show|of|dimension)=([^&]+)", link)).items())): rows(one)
             for link, one in scores.items()}  # fmt: skip
    changed = {key[0][1]: found for key, found in shown.items() if ("of", "m0") in key and ("show", "scores") in key}
    assert changed == {"accuracy": ["r0", "r4"], "completeness": ["r4"], "average": ["r4", "r0"]}
    assert shown[("dimension", "accuracy"), ("of", "m1"), ("show", "only_a")] == ["r3"]
    assert shown[("dimension", "completeness"), ("of", "m1"), ("show", "scores")] == ["r1"]
    assert rows(plain) == ["r5"]


async def test_a_row_of_a_dimension_shows_that_dimension(tmp_path: Path) -> None:
    """Not the one that moved most; and the row's page leads on and back within the same list."""
    a, b = run(tmp_path / "a", [(10, 10)] * 4), run(tmp_path / "b", [(11, 90)] * 4)
    async with served(a.folder, b.folder) as viewer:
        page = await read(viewer, "compare?a=0&b=1&dimension=accuracy&of=m1&show=scores")
        links = [one.attributes["href"] or "" for one in page.all("a") if one.text in ("r1", "r3")]
        pair = await read(viewer, links[1])
    assert rows(page) == ["r1", "r3"]
    assert page.texts("td").count("+1.000") == 2
    assert "Of these alone: of m1, dimension accuracy" in page.text
    assert [one.attributes["href"] for one in pair.all("a", rel="prev")] == [links[0]]
    assert (pair.all("a", rel="up")[0].attributes["href"] or "").endswith("&of=m1&dimension=accuracy#row-1")


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("a=0&b=0", 400, "the same run"),
        ("a=0&b=2", 400, "cannot be compared: "),
        ("a=0&b=9", 404, "There is no such run here (any more)."),
        ("a=0&b=1&show=x", 400, "show: 'x' is none of"),
        ("a=0&b=1&show=all&show=texts", 400, "show: is given 2 times"),
        ("a=0&b=1&a=2", 400, "a: is given 2 times"),
    ],
)
@pytest.mark.parametrize("page", ["compare", "pair"])
async def test_what_cannot_be_compared_leads_on(tmp_path: Path, page: str, query: str, status: int, said: str) -> None:
    """A sentence that says why, the form to choose other runs, and the way back to the list."""
    logs = [run(tmp_path / name, [(10, 10)]) for name in "ab"]
    other = LogWriter(tmp_path / "c").record()
    other.answer(other.request("other"))
    async with served(*(log.folder for log in logs), other.folder) as viewer:
        while (reply := await viewer.get(f"{page}?{query}&request_a=1&request_b=1")).status == 202:
            pass
        if page == "pair" and query == "a=0&b=2":  # two rows can be looked at whatever their runs are
            assert reply.status == 200
            return
        found = assert_harmless(reply.text)
    assert (reply.status, said in found.text) == (status, True)
    assert found.texts("option") == ["a", "b", "c"] * 2
    assert "to the list of runs" in [one.text for one in found.all("a")]


async def test_a_run_that_was_deleted_meanwhile_leads_on(tmp_path: Path) -> None:
    """It is said of which run, and others can be chosen."""
    logs = [run(tmp_path / name, [(10, 10)]) for name in "ab"]
    async with served(*(log.folder for log in logs)) as viewer:
        shutil.rmtree(logs[1].folder)
        while (reply := await viewer.get("compare?a=0&b=1")).status == 202:
            pass
        page = assert_harmless(reply.text)
    assert reply.status == 400
    assert "a and b cannot be compared: " in page.text
    assert page.texts("option") == ["a", "b"] * 2


async def test_behind_the_last_changed_row_is_the_last_page(tmp_path: Path) -> None:
    """No page is empty where there are rows."""
    a, b = run(tmp_path / "a", [(10, 10)] * 60), run(tmp_path / "b", [(11, 10)] * 60)
    async with served(a.folder, b.folder) as viewer:
        page = await read(viewer, "compare?a=0&b=1&offset=100000")
    assert "51 to 60 of 60" in page.text
    assert len(rows(page)) == 10
