"""The page of two runs, and that of one row in both: what changed, with the differences marked."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.harness.log_writing import LogWriter, chat
from tests.harness.parsed_pages import Parsed, assert_harmless
from tests.harness.payloads import PAYLOADS
from tests.harness.viewed import Served, served

RATINGS = "Accuracy: [[{}]]\nCompleteness: [[50]]\nConciseness: [[50]]\nRelevance: [[50]]"


def run(folder: Path, texts: Sequence[str | None], more: Mapping[str, str] | None = None) -> LogWriter:
    """A run of judgements with these answers, None where one failed."""
    log, told = LogWriter(folder).judged()
    for number, text in enumerate(texts):
        seq = log.request(f"r{number}", {**told, "item": f"i{number}", **(more or {})})
        log.attempt(seq)
        log.fail(seq) if text is None else log.answer(seq, chat(text))
    return log


async def read(viewer: Served, path: str) -> Parsed:
    return assert_harmless(await viewer.read(path))


def links(page: Parsed, start: str) -> list[str]:
    return [found for one in page.all("a") if (found := one.attributes.get("href") or "").startswith(start)]


async def test_two_runs_are_compared_row_by_row(tmp_path: Path) -> None:
    """What moved most comes first; each row leads to both answers, side by side, and each of those to its own page."""
    a = run(tmp_path / "a", [RATINGS.format(n) for n in (10, 20, 30)])
    b = run(tmp_path / "b", [RATINGS.format(n) for n in (10, 25, 90)])
    async with served(a.folder, b.folder) as viewer:
        form = await read(viewer, "compare?a=1")
        page = await read(viewer, "compare?a=0&b=1")
        rows = links(page, "pair?")
        first = await read(viewer, rows[0])
        own = [link for link in links(first, f"r/{viewer.runs.runs[0].key}/row/") if link]
        assert (await viewer.get(own[0])).status == 200
    assert form.texts("option") == ["a", "b"] * 2
    assert [one.text for one in form.all("option") if "selected" in one.attributes] == ["b", "a"]
    assert "3 rows are in both runs, matched by their custom_id." in page.text
    assert [one.text for one in page.all("a") if one.text in ("r0", "r1", "r2")] == ["r2", "r1"]
    assert "+60.000" in page.texts("td")
    assert (first.texts("del"), first.texts("ins")) == (["30"], ["90"])
    assert first.texts("th", scope="row")[0] == "accuracy"
    assert first.texts("td")[:3] == ["30.000", "90.000", "+60.000"]
    assert links(first, "pair?") == [rows[1]]  # the next that changed


async def test_rows_that_changed_are_chosen_by_how(tmp_path: Path) -> None:
    """Those with another score, another text, another end; what is not known is refused in words."""
    a = run(tmp_path / "a", [RATINGS.format(10), RATINGS.format(20), RATINGS.format(30)])
    b = run(tmp_path / "b", [RATINGS.format(11), f"So:\n{RATINGS.format(20)}", None])
    shown = {}
    async with served(a.folder, b.folder) as viewer:
        for show in ("all", "scores", "texts", "ends"):
            page = await read(viewer, f"compare?a=0&b=1&show={show}")
            shown[show] = [one.text for one in page.all("a") if one.text in ("r0", "r1", "r2")]
        alone = await read(viewer, "compare?a=0&b=1&stage=no")
        replies = [await viewer.get(f"compare?a=0&b=1&{bad}") for bad in ("show=x", "offset=-1", "offset=9e9", "a=x")]
        assert (await viewer.get("compare?a=0&b=7")).status == 404
        assert (await viewer.get("pair?a=0&b=1&request_a=99&request_b=1")).status in (400, 404)
    assert shown == {"all": ["r0", "r2", "r1"], "scores": ["r0", "r2"], "texts": ["r0", "r1"], "ends": ["r2"]}
    assert "None." in alone.texts("p")
    assert [reply.status for reply in replies[:3]] == [400] * 3


async def test_many_rows_are_paged(tmp_path: Path) -> None:
    """Fifty on a page, with the way on and back."""
    a = run(tmp_path / "a", [f"{n}" for n in range(60)])
    b = run(tmp_path / "b", [f"{n}!" for n in range(60)])
    async with served(a.folder, b.folder) as viewer:
        page = await read(viewer, "compare?a=0&b=1")
        (on,) = [one.attributes["href"] or "" for one in page.all("a", rel="next")]
        second = await read(viewer, on.partition("#")[0])
    assert len(links(page, "pair?")) == 50
    assert len(links(second, "pair?")) == 10
    assert "51 to 60 of 60" in second.text
    assert len(second.all("a", rel="prev")) == 1


async def test_runs_without_a_common_row_are_told_apart_in_words(tmp_path: Path) -> None:
    """Nothing is compared that is not the same question."""
    a = run(tmp_path / "a", ["x"])
    b = LogWriter(tmp_path / "b").record()
    b.answer(b.request("other", None))
    async with served(a.folder, b.folder) as viewer:
        while (reply := await viewer.get("compare?a=0&b=1")).status == 202:
            pass
    assert reply.status == 400
    assert "no row in common" in reply.text


async def test_hostile_texts_are_text_in_a_comparison(tmp_path: Path) -> None:
    """As names, items, answers and links: every payload in both runs, and the marks around it."""
    logs = []
    for name in ("a", "b"):
        log = LogWriter(tmp_path / name).record(name=f"{name} {PAYLOADS['picture']}")
        for text in PAYLOADS.values():
            seq = log.request(text, {"stage": text, "item": text, "model": text}, model=text)
            log.answer(seq, chat(f"{name} {text} {name * 3}"))
        logs.append(log)
    async with served(*(log.folder for log in logs)) as viewer:
        page = await read(viewer, "compare?a=0&b=1")
        rows = links(page, "pair?")
        assert len(rows) == len(PAYLOADS)
        for link in rows:
            pair = await read(viewer, link)
            assert pair.texts("del")[0].strip() == "a"
        for link in links(page, "compare?")[:8]:
            await read(viewer, link.partition("#")[0])


async def test_what_a_comparison_leaves_behind_goes_with_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows of two runs are kept in a folder of their own while the server runs, and no longer."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    a, b = run(tmp_path / "a", ["x"]), run(tmp_path / "b", ["y"])
    async with served(a.folder, b.folder) as viewer:
        await read(viewer, "compare")
        assert list(place.iterdir()) == []
        await read(viewer, "compare?a=0&b=1")
        assert len(list(place.rglob("rows.parquet"))) == 1
    assert list(place.iterdir()) == []
