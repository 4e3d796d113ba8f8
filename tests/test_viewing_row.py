"""The page of one row: all that the log has of it, every text as text, and of bounded size."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import orjson

from outputs.identity.templates import digest
from outputs.items import Item
from outputs.journal import Log
from outputs.records import RequestLine
from prompts.plain_text import plain_text
from providers.media.preflight import Preflight
from providers.media.references import find_references
from providers.media.sources import MediaRoot
from providers.provider import MediaLimits
from tests.harness.log_writing import LogWriter, chat
from tests.harness.media_files import quarters
from tests.harness.parsed_pages import assert_harmless, parse
from tests.harness.payloads import LONG, PAYLOADS
from tests.harness.viewed import served

RATINGS = "Response Style: [[4]]\nLogical Structure: [[3]]\nContent Detail: [[2]]\nOverall: [[3]]"


def ask(log: LogWriter, name: str, words: Any, told: Any = None, *, model: str = "m", media: Any = None) -> int:
    """A request of one user message; returns its seq."""
    body = {"model": model, "messages": [{"role": "user", "content": words}]}
    line = {
        "custom_id": name, "method": "POST", "url": "/v1/chat/completions", "provider": "openai", "model": model,
        "fingerprint": "f", "body": body, "metadata": told,
    }  # fmt: skip
    if media is not None:
        line["media"] = msgspec.to_builtins(media)
    data = orjson.dumps(line)
    seq = log.raw(Log.REQUESTS, data[1:])
    log.requests[seq] = msgspec.json.decode(b'{"seq":%d,%b' % (seq, data[1:]), type=RequestLine)
    return seq


def answered(log: LogWriter, name: str, words: Any, text: str, told: Any = None, **more: Any) -> int:
    """A request with its answer; returns the request's seq."""
    seq = ask(log, name, words, told, **more)
    log.attempt(seq)
    log.answer(seq, chat(text))
    return seq


def items(log: LogWriter, *given: Item) -> None:
    for item in given:
        log.raw(Log.ITEMS, msgspec.json.encode(item)[1:])


def judged_pair(folder: Path, ours: str, theirs: str, *, swapped: bool = False) -> tuple[LogWriter, list[int]]:
    """Two answers and the judgement that compares them; the seqs of the three requests."""
    log, told = LogWriter(folder).judged("rse_judge")
    items(log, Item(item="i"))
    answers = [
        answered(log, f"answer-{model}", "Why?", text, {"stage": "answer", "item": "i", "model": model, "turn": 1})
        for model, text in (("ref", ours), ("test", theirs))
    ]
    pair = {"item": "i", "model": "test", "reference": "ref", "turns": [1], "repeat": 0, "swapped": swapped}
    return log, [*answers, answered(log, "judgement", "Compare.", RATINGS, {**told, **pair})]


async def test_a_row_says_what_was_asked_and_what_came(tmp_path: Path) -> None:
    """Its name, state, words, money and numbers; a row that is not there is not found."""
    log = LogWriter(tmp_path / "run").record()
    seq = answered(log, "first", "Why is it so?", "Because.", {"stage": "answer", "item": "i"})
    async with served(log.folder) as viewer:
        page = assert_harmless(await viewer.read(f"r/0/row/{seq}"))
        assert (await viewer.get(f"r/0/row/{seq + 50}")).status == 404
    assert page.texts("h1") == ["first"]
    assert page.texts("pre")[:2] == ["\nBecause.", "\nWhy is it so?"]
    facts = dict(zip(page.texts("dt"), page.texts("dd"), strict=False))
    assert (facts["asked of"], facts["cost"], facts["latency"]) == ("openai/m", "$0.2500", "1.50 s")
    assert facts["seq of the request"] == str(seq)


async def test_a_failed_row_says_why(tmp_path: Path) -> None:
    """With each attempt: how it failed and settled, and what it may have cost; the unknown is n/a, not 0."""
    log = LogWriter(tmp_path / "run").record()
    seq = ask(log, "r", "x")
    log.attempt(seq, 1, None)
    log.settle(seq, 1, message="slow down")
    log.fail(seq, "not this one")
    async with served(log.folder) as viewer:
        page = assert_harmless(await viewer.read(f"r/0/row/{seq}"))
    assert "row_refused: not this one" in page.text
    attempt = page.texts("td")
    assert "slow down" in attempt
    assert "n/a" in attempt
    assert "throttled 429 rate_limit" in attempt


async def test_a_hostile_text_is_text_wherever_it_stands(tmp_path: Path) -> None:
    """As a name, a model, a message, an answer, metadata, a failure: to be read on the page, and nothing else."""
    log = LogWriter(tmp_path / "run").record()
    rows = {text: hostile_rows(log, text) for text in PAYLOADS.values()}
    async with served(log.folder) as viewer:
        for text, (good, bad) in rows.items():
            page = assert_harmless(await viewer.read(f"r/0/row/{good}"))
            failed = assert_harmless(await viewer.read(f"r/0/row/{bad}"))
            shown = "".join(c if c.isprintable() or c in "\n\t" else plain_text(c) for c in text)
            assert page.texts("h1") == [shown]
            assert page.texts("pre")[0] == f"\n{shown}"
            assert f"row_refused: {shown}" in failed.text


def hostile_rows(log: LogWriter, text: str) -> tuple[int, int]:
    """A row that was answered and one that failed, which hold the text wherever a text can stand."""
    told = {"stage": text, "item": text, "model": text, "dataset": text, text: text}
    items(log, Item(item=text, candidate=text, references=(text,), scores={text: {text: 1.0}}))
    good = answered(log, text, text, text, told, model=text)
    bad = ask(log, f"bad {text}", [{"type": text}, {"type": "image_url", "image_url": {"url": text}}], told)
    log.attempt(bad)
    log.settle(bad, message=text)
    log.fail(bad, text)
    return good, bad


async def test_a_megabyte_is_cut_and_to_be_had(tmp_path: Path) -> None:
    """The page says how much it shows; the whole is a file to be saved, as plain text, which no browser runs."""
    log = LogWriter(tmp_path / "run").record()
    seq = answered(log, "r" * 100_000, LONG, LONG, {"item": LONG[:1000], "stage": "s" * 100_000})
    async with served(log.folder) as viewer:
        text = await viewer.read(f"r/0/row/{seq}")
        whole = await viewer.get(f"r/0/row/{seq}/raw?of=answer")
        asked = await viewer.get(f"r/0/row/{seq}/raw?of=request")
        unknown = await viewer.get(f"r/0/row/{seq}/raw?of=x")
    assert f"The first 20,000 of {len(LONG):,} characters." in assert_harmless(text).text
    assert len(text) < 200_000
    assert whole.body.decode() == LONG
    assert whole.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert whole.headers["Content-Disposition"] == f'attachment; filename="row-{seq}-answer.txt"'
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert json.loads(asked.body)["messages"][0]["content"] == LONG
    assert unknown.status == 400


async def test_a_hundred_long_messages_are_no_long_page(tmp_path: Path) -> None:
    """All texts of a page together have a bound, also where every character is written as an escape."""
    log = LogWriter(tmp_path / "run").record()
    seq = answered(log, "r", [{"type": "text", "text": "\U000e0041<" * 10_000}] * 100, "\x00" * 100_000)
    async with served(log.folder) as viewer:
        assert len(await viewer.read(f"r/0/row/{seq}")) < 4_000_000


def weighed(*given: tuple[str, float], sampled: str) -> bytes:
    """An answer `Overall: [[N]]` whose score token has these alternatives."""

    def token(text: str, top: Sequence[tuple[str, float]] = ()) -> dict[str, Any]:
        logprob = math.log(dict(top).get(text, 1.0))
        listed = [{"token": one, "logprob": math.log(p), "bytes": None} for one, p in top]
        return {"token": text, "logprob": logprob, "bytes": None, "top_logprobs": listed}

    content = [token("Overall: [["), token(sampled, given), token("]]")]
    return chat(f"Overall: [[{sampled}]]", logprobs={"content": content})


async def test_the_score_is_computed_in_sight(tmp_path: Path) -> None:
    """Each alternative of the score's token with its bar; integers times probabilities, the sums, and the score."""
    log, told = LogWriter(tmp_path / "run").judged("gveval_ref_only")
    items(log, Item(item="i", candidate="c"))
    seq = ask(log, "r", "Grade.", {**told, "item": "i"})
    log.answer(seq, weighed(("80", 0.5), ("90", 0.25), ("<b>", 0.125), ("101", 0.0625), sampled="80"))
    async with served(log.folder) as viewer:
        page = assert_harmless(await viewer.read(f"r/0/row/{seq}"))
    table = page.all("table", class_="alternatives")[0].text.split()
    assert "80sampled" in "".join(table)
    assert page.texts("tr", class_="counts") == ["80 sampled800.500040.0000", "90900.250022.5000"]
    assert [bar.attributes["class"] for bar in page.all("rect")] == ["on", "on", "off", "off"]
    assert [bar.attributes["width"] for bar in page.all("rect")] == ["50.0", "25.0", "12.5", "6.25"]
    assert "Score: 62.5000 / 0.7500 = 83.3333" in page.text
    assert "83.3333" in page.texts("td")


async def test_a_pair_stands_side_by_side_with_its_differences(tmp_path: Path) -> None:
    """In the order in which the judge saw it: words of the first alone are struck out, of the second underlined."""
    log, (ours, theirs, judgement) = judged_pair(tmp_path / "run", "The cat sat.", "The dog sat.")
    async with served(log.folder) as viewer:
        page = assert_harmless(await viewer.read(f"r/0/row/{judgement}"))
        answer = assert_harmless(await viewer.read(f"r/0/row/{theirs}"))
    assert (page.texts("del"), page.texts("ins")) == (["cat "], ["dog "])
    links = [(one.text, one.attributes["href"]) for one in page.all("a") if one.text in ("ref", "test")]
    assert links == [("ref", str(ours)), ("test", str(theirs))]
    assert "First, the reference ref" in page.text
    assert [one.attributes["href"] for one in answer.all("a") if one.text == "judgement"] == [str(judgement)]
    assert "overall 3.000" in answer.text


async def test_a_swapped_pair_stands_as_the_judge_saw_it(tmp_path: Path) -> None:
    """The test model's answer first."""
    log, (_, _, judgement) = judged_pair(tmp_path / "run", "The cat sat.", "The dog sat.", swapped=True)
    async with served(log.folder) as viewer:
        page = parse(await viewer.read(f"r/0/row/{judgement}"))
    assert (page.texts("del"), page.texts("ins")) == (["dog "], ["cat "])


async def test_a_template_stands_with_those_that_it_comes_from(tmp_path: Path) -> None:
    """The seed first; each with its operator and level, and with what was changed of the one before."""
    log = LogWriter(tmp_path / "run").record(job="ice")
    seed, mutated = "Play a game: [QUESTION]", "Play a long game: [QUESTION]"
    items(log, Item(item="seed/s1", fields={"kind": "seed", "template": seed}))
    items(log, Item(item="question/q", fields={"kind": "question", "text": "Who made you?"}))
    place = {"target": "t", "tree": 1, "iteration": 1, "question": "q", "node": "n1", "parent": "s1", "seed": "s1"}
    told = {**place, "stage": "ask", "item": "question/q", "operator": "expand", "level": 1, "partner": None}
    words = mutated.replace("[QUESTION]", "Who made you?")
    seq = answered(log, "r", words, "Me.", {**told, "template_sha256": digest(mutated)})
    async with served(log.folder) as viewer:
        page = assert_harmless(await viewer.read(f"r/0/row/{seq}"))
    chain = page.all("ol", class_="ancestry")[0].text
    assert chain.index("a seed, level 0") < chain.index(seed) < chain.index("by expand, level 1, iteration 1")
    assert (page.texts("del"), page.texts("ins")) == ([], ["long "])


async def test_an_item_of_a_run_without_requests_has_a_page(tmp_path: Path) -> None:
    """Imported scores: the caption, its references, its ratings, and what other programs gave it."""
    log = LogWriter(tmp_path / "run").record(job="scores")
    scores = {"CIDEr": {"overall": 0.25}}
    items(log, Item(item="i", candidate="A cat.", references=("The cat.",), scores=scores, system="captioner"))
    async with served(log.folder) as viewer:
        page = assert_harmless(await viewer.read("r/0/row/1"))
        assert (await viewer.get("r/0/row/1/raw")).status == 404
    assert page.texts("pre") == ["\nA cat.", "\nThe cat."]
    assert "CIDEr" in page.texts("th", scope="row")
    assert "0.25" in page.texts("td")


async def test_the_rows_beside_it_are_those_of_the_filters(tmp_path: Path) -> None:
    """Previous and next stay within the list that the row was opened from; so does the way back."""
    log = LogWriter(tmp_path / "run").record()
    seqs = [answered(log, f"r{n}", "x", "yes" if n % 2 else "no", {"stage": "s"}) for n in range(5)]
    async with served(log.folder) as viewer:
        page = parse(await viewer.read(f"r/0/row/{seqs[3]}?q=yes"))
        alone = parse(await viewer.read(f"r/0/row/{seqs[0]}"))
    assert [one.attributes["href"] for one in page.all("a", rel="prev")] == [f"{seqs[1]}?q=yes"]
    assert page.all("a", rel="next") == []
    assert [one.attributes["href"] for one in page.all("a", rel="up")] == [f"../rows?q=yes#row-{seqs[3]}"]
    assert [one.attributes["href"] for one in alone.all("a", rel="next")] == [str(seqs[1])]


async def test_a_link_to_a_row_works_again(tmp_path: Path) -> None:
    """Another server with the same token shows the same page: nothing in an address belongs to a session."""
    log = LogWriter(tmp_path / "run").record()
    seq = answered(log, "r", "x", "yes")
    pages = []
    for _ in range(2):
        async with served(log.folder) as viewer:
            pages.append(await viewer.read(f"r/0/row/{seq}?state=answered"))
    assert pages[0] == pages[1]


async def test_the_pictures_of_a_row_are_found_by_its_number(tmp_path: Path) -> None:
    """Each by its place, made anew, with our headers; a place that is none, or a file that is another now, has none."""
    root = tmp_path / "media"
    root.mkdir()
    quarters().save(root / "p.png")
    words = [
        {"type": "image_url", "image_url": {"url": "p.png"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/<b>.png"}},
    ]
    body = orjson.dumps({"messages": [{"role": "user", "content": words}]})
    looked = Preflight(MediaRoot(root))
    media = [looked.look(one, MediaLimits()) for one in find_references(body)]
    log = LogWriter(tmp_path / "run").record(media_root=str(root), shows_media=True)
    seq = answered(log, "r", words, "yes", media=media)
    async with served(log.folder) as viewer:
        page = assert_harmless(await viewer.read(f"r/0/row/{seq}"))
        picture = await viewer.get(f"r/0/media/{seq}/0")
        other = await viewer.get(f"r/0/media/{seq}/1")
        (root / "p.png").write_bytes((root / "p.png").read_bytes() + b"!")
        changed = await viewer.get(f"r/0/media/{seq}/0")
        told = assert_harmless(await viewer.read(f"r/0/row/{seq}"))
    assert [one.attributes["src"] for one in page.all("img")] == [f"../media/{seq}/0"]
    assert "https://example.org/<b>.png: an address, which the provider fetched" in page.text
    assert (picture.headers["Content-Type"], picture.body[:4]) == ("image/png", b"\x89PNG")
    assert picture.headers["X-Content-Type-Options"] == "nosniff"
    assert (other.status, changed.status) == (404, 404)
    assert told.all("img") == []
    assert "has changed since" in told.text
