"""Equal requests bought once: who leads, who follows, and what each row of the log says of it."""

import asyncio
import json
import os
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import responses
from orchestrator.exporting import failed_as_manifest
from outputs.answers import read_answers
from outputs.journal import Log
from outputs.line_by_seq import line_by_seq
from outputs.records import ResponseLine
from tests.harness.asking import body, write_catalog
from tests.harness.chain import chain_ids, write_chain_spec
from tests.harness.loopback import Call, Reply
from tests.harness.priced import put_prices
from tests.harness.workplace import Workplace, line

EQUAL = [line("a", "same"), line("b", "other"), line("c", "same", metadata={"n": 3}), line("d", "same")]


def refuse(_: Call) -> Reply:
    return Reply(b'{"error":{"message":"not this one","code":"invalid_prompt"}}', 400)


def no_money(_: Call) -> Reply:
    return Reply(b'{"error":{"message":"pay first","code":"insufficient_quota"}}', 402)


def said(work: Workplace) -> dict[str, str | None]:
    """What each row was answered."""
    return {answer.custom_id: answer.completion.text for answer in read_answers(work.run_folder)}


def keep_lines(work: Workplace, log: Log, count: int) -> None:
    """Leave the first lines of a log, as a kill would that came then."""
    path = work.run_folder / log.file_name
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:count]))


def test_equal_bodies_are_bought_once_and_answered_for_all_their_rows(work: Workplace) -> None:
    """One call for three equal rows; each has its own line with its own metadata, and says whose answer it repeats."""
    work.write(EQUAL)
    assert work.run("--dedupe").code == 0
    assert work.provider.texts == ["other", "same"]
    found = work.answered()
    leader = found["a"]["request"]
    assert [found[row].get("duplicate_of") for row in "abcd"] == [None, None, leader, leader]
    assert found["c"]["metadata"] == {"n": 3}
    assert (found["c"]["attempts"], found["c"]["usage"]) == (0, None)
    assert said(work) == {"a": "same", "b": "other", "c": "same", "d": "same"}


def test_without_it_every_row_is_bought(work: Workplace) -> None:
    """Who samples the same question three times wants three answers: it is done only where it is asked for."""
    work.write(EQUAL)
    assert work.run().code == 0
    assert work.provider.texts == ["other", "same", "same", "same"]


def test_a_duplicate_costs_nothing(work: Workplace) -> None:
    """Cost and tokens are counted once, live, by a fold of the log, and by `status`, which says how many repeat."""
    put_prices(work)
    work.write(EQUAL)
    ended = work.run("--dedupe", "--budget", "1", "--json")
    assert sum(lane["cost_usd"] for lane in ended.json["lanes"]) == pytest.approx(14e-6)
    told = work.overnight("status", work.run_folder, "--json").json
    assert told["cost_usd"] == pytest.approx(14e-6)
    assert (told["answered"], told["attempts"], told["unpriced"]) == (4, 2, 0)
    [lane] = told["lanes"]
    assert (lane["duplicates"], lane["input_tokens"]) == (2, 6)
    assert "2 answered as duplicates" in work.overnight("status", work.run_folder).out


def test_the_followers_of_a_failure_fail_with_it(work: Workplace) -> None:
    """One refused call fails all rows that ask the same; all of them are exported, and all are sent again as one."""
    work.provider.reply = refuse
    work.write(EQUAL)
    assert work.run("--dedupe").code == 3
    assert work.provider.texts == ["other", "same"]
    assert {one["custom_id"] for one in work.lines(Log.ERRORS)} == set("abcd")
    assert len(list(failed_as_manifest(work.run_folder))) == 4
    assert work.overnight("retry", work.run_folder, "--json").json["rows"] == 4
    work.provider.forget()
    work.provider.reply = lambda call: work.reply(call.text)
    assert work.run().code == 0
    assert work.provider.texts == ["other", "same"]
    assert said(work)["d"] == "same"


def test_followers_of_a_row_in_a_stopped_lane_stay_unsent(work: Workplace) -> None:
    """Nothing lands in errors.jsonl, and the next session buys the answer once for all of them."""
    work.provider.reply = no_money
    work.write(EQUAL)
    ended = work.run("--dedupe", "--json")
    assert (ended.code, ended.json["unsent"]) == (6, 4)
    assert work.lines(Log.ERRORS) == []
    work.provider.forget()
    work.provider.reply = lambda call: work.reply(call.text)
    assert work.run().code == 0
    assert work.provider.texts == ["other", "same"]


def test_followers_of_a_held_row_wait_for_the_money_with_it(work: Workplace) -> None:
    """Where the budget has no room for a row, those that would repeat it stay unsent; a higher cap answers all."""
    put_prices(work)
    work.write(EQUAL)
    assert work.run("--dedupe", "--budget", "0.00001").code == 4
    assert work.provider.texts == []
    assert work.run("--budget", "1").code == 0
    assert work.provider.texts == ["other", "same"]
    assert len(said(work)) == 4


def test_a_kill_between_the_leader_and_its_followers(work: Workplace) -> None:
    """The answer that is on disk serves the rows that were not yet written, without another call."""
    work.write(EQUAL)
    assert work.run("--dedupe").code == 0
    for kept in (3, 2):
        keep_lines(work, Log.RESPONSES, kept)
        left = set(work.answered())
        work.provider.forget()
        ended = work.run("--json")
        assert (ended.code, ended.json["sent"]) == (0, 0)
        assert {"a", "b"} <= left
        assert work.provider.texts == []
        assert said(work) == {"a": "same", "b": "other", "c": "same", "d": "same"}


def test_it_is_switched_on_and_off_at_a_resume(work: Workplace) -> None:
    """What is left then follows what was answered before; the choice stands for later sessions until it is unsaid."""
    work.provider.reply = lambda call: refuse(call) if call.text == "same" else work.reply(call.text)
    work.write(EQUAL)
    assert work.run().code == 3
    work.overnight("retry", work.run_folder)
    work.provider.forget()
    work.provider.reply = lambda call: work.reply(call.text)
    work.write([*EQUAL, line("e", "other")])
    assert work.run("--dedupe").code == 0
    assert work.provider.texts == ["same"]
    assert said(work)["e"] == "other"
    work.write([*EQUAL, line("e", "other"), line("f", "other")])
    assert work.run().code == 0
    assert work.provider.texts == ["same"]
    work.write([*EQUAL, line("e", "other"), line("f", "other"), line("g", "other")])
    assert work.run("--no-dedupe").code == 0
    assert work.provider.texts == ["other", "same"]


def test_a_row_that_an_edit_took_away_still_answers_for_others(work: Workplace) -> None:
    """The leader is gone from the manifest, its answer is in the log: a new row has it for nothing."""
    work.write([line("a", "same"), line("b", "other")])
    assert work.run("--dedupe").code == 0
    work.provider.forget()
    work.write([line("b", "other"), line("new", "same")])
    assert work.run().code == 0
    assert work.provider.texts == []
    assert said(work) == {"b": "other", "new": "same"}


async def _read(folder: Path) -> dict[str, ResponseLine]:
    return {answer.custom_id: answer async for answer in responses(folder)}


def test_the_readers_take_a_duplicate_for_an_answer(work: Workplace) -> None:
    """`tail`, the Python API and `export` see each row with its answer."""
    work.write(EQUAL)
    assert work.run("--dedupe").code == 0
    shown = work.overnight("tail", work.run_folder, "--no-follow").out
    assert len(shown.splitlines()) == 4
    lines = [
        json.loads(one) for one in work.overnight("tail", work.run_folder, "--json", "--no-follow").out.splitlines()
    ]
    assert {one["custom_id"] for one in lines} == set("abcd")
    found = asyncio.run(_read(work.run_folder))
    assert {row: answer.body["choices"][0]["message"]["content"] for row, answer in found.items()} == said(work)
    assert found["d"].duplicate_of == found["a"].request
    assert work.overnight("export", work.run_folder, "--failed").out == ""


GVEVAL = """
job = "gveval"
model = "lab-1"
prompt = "gveval_ref_only_accr"
[dataset]
path = "items.json"
"""


def test_analysis_counts_a_duplicate_as_the_answer_it_is(work: Workplace) -> None:
    """Two items with the same words are judged by one call, and both have their score."""
    one = {"vname": "v", "ref": ["r"], "candidate": "A dog.", "human_score": [[1, 1, 1, 1, 1]]}
    two = {**one, "candidate": "A cat."}
    (work.folder / "items.json").write_text(json.dumps({"i1": one, "i2": one, "i3": two}))
    (work.folder / "judge.toml").write_text(GVEVAL)
    scores = "Accuracy: [[85]]\nCompleteness: [[70]]\nConciseness: [[90]]\nRelevance: [[75]]"
    work.provider.reply = lambda _: work.reply(scores)
    ended = work.run("--dedupe", "--json", source="judge.toml")
    assert ended.code == 0
    assert len(work.provider.calls) == 2
    assert ended.json["outcomes"] == {"ok": 3}
    told = work.overnight("analyze", work.run_folder, "--include-sampled", "--json")
    assert told.code == 0, told.err
    assert told.json["runs"][0]["requests"]["answered"] == 3
    judged = [one for one in told.json["captions"]["correlations"] if one["metric"].startswith("G-VEval")]
    assert {(one["n"], one["coverage"]) for one in judged} == {(3, 1.0)}


# Jobs whose questions follow from answers


@pytest.fixture
def chain(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A chain of three questions about each of two items; the first and the last question of both are the same."""
    spec = write_chain_spec(work.folder, 2, monkeypatch)
    write_catalog(work.folder / "overnight.toml", work.provider.base_url)

    def same(text: str) -> bool:
        return text.startswith("Caption") or " 2 " in text

    real = body

    def asked(content: object) -> dict[str, Any]:
        return real("the same" if same(str(content)) else content)

    monkeypatch.setattr("tests.harness.chain.body", asked)
    return spec


def test_questions_that_follow_are_bought_once_too(work: Workplace, chain: Path) -> None:
    """A derived question that was answered long ago has its answer at once, and the job goes on from there."""
    assert work.run("--dedupe", "--concurrency", 1, source=chain).code == 0
    assert set(work.answered()) == chain_ids(2)
    assert len(work.provider.calls) == 3
    assert work.provider.texts.count("the same") == 1


def test_a_chain_of_duplicates_goes_on_after_a_kill(work: Workplace, chain: Path) -> None:
    """Wherever the log of answers breaks off, the next session ends with every row answered and buys nothing twice."""
    assert work.run("--dedupe", "--concurrency", 1, source=chain).code == 0
    whole = {log: (work.run_folder / log.file_name).read_bytes() for log in Log}
    seqs = [json.loads(one)["seq"] for one in whole[Log.RESPONSES].splitlines()]
    for last in seqs:
        for log, data in whole.items():
            kept = [one for one in data.splitlines(keepends=True) if json.loads(one)["seq"] <= last]
            (work.run_folder / log.file_name).write_bytes(b"".join(kept))
        had = len([one for one in work.lines(Log.RESPONSES) if "duplicate_of" not in one])
        work.provider.forget()
        ended = work.run(source=chain)
        assert ended.code == 0, os.linesep.join([ended.err, str(last)])
        assert set(work.answered()) == chain_ids(2)
        assert had + len(work.provider.calls) == 3


# A line by its seq


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 400)), max_size=30),
    st.integers(0, 300),
    st.booleans(),
)
def test_a_line_is_found_by_its_seq(lines: list[tuple[int, int]], wanted: int, torn: bool) -> None:
    """Whatever the lines' lengths and the gaps between their seqs, and whether the last one is whole."""
    seqs = list(accumulate(step for step, _ in lines))
    written = [b'{"seq":%d,"x":"%b"}' % (seq, b"y" * size) for seq, (_, size) in zip(seqs, lines, strict=True)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        path.write_bytes(b"".join(one + b"\n" for one in written) + (b'{"seq":9' if torn else b""))
        for seq, one in zip(seqs, written, strict=True):
            assert line_by_seq(path, seq) == one
        assert (line_by_seq(path, wanted) is None) == (wanted not in seqs)


def test_a_line_is_found_among_long_ones(tmp_path: Path) -> None:
    """Lines that are longer than what is read at once."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"".join(b'{"seq":%d,"x":"%b"}\n' % (seq, b"y" * 150_000) for seq in (3, 5, 6)))
    assert [len(line_by_seq(path, seq) or b"") for seq in (3, 4, 5, 6, 7)] == [150_016, 0, 150_016, 150_016, 0]
