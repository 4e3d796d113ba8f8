"""An edited manifest given to the same folder: exactly what changed is sent, and only what is asked for counts."""

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.exporting import failed_as_manifest
from outputs.answers import count_requests, read_answers, read_responses
from outputs.fold import fold
from outputs.journal import Log
from tests.harness.loopback import Call, Reply
from tests.harness.workplace import Ended, Workplace, jsonl, line

FIVE = [line(f"r{number}") for number in range(5)]
FAR = "what is asked for changed: "


def again(work: Workplace, lines: list[dict[str, Any]]) -> tuple[Ended, list[str]]:
    """Run these lines into the same folder; what the command said, and what was asked now."""
    work.write(lines)
    work.provider.forget()
    ended = work.overnight("run", "m.jsonl", "--out", "out")
    return ended, work.provider.texts


@pytest.fixture
def first(work: Workplace) -> Workplace:
    """A folder in which the five rows are answered."""
    work.write(FIVE)
    assert work.run().code == 0
    assert work.provider.texts == ["r0", "r1", "r2", "r3", "r4"]
    return work


def read_back(work: Workplace) -> dict[str, str | None]:
    """What a reader of the folder sees: the text of each answer that counts."""
    answers = list(read_answers(work.run_folder))
    found = {answer.custom_id: answer.completion.text for answer in answers}
    assert len(found) == len(answers)
    return found


def test_the_same_again_sends_nothing(first: Workplace) -> None:
    """The second run of a manifest makes no call, changes no answer and says that all was answered before."""
    before = (first.run_folder / Log.RESPONSES.file_name).read_bytes()
    ended, asked = again(first, FIVE)
    assert (ended.code, asked) == (0, [])
    assert ended.err == "out: resuming, 5 answered before, 0 to send\n"
    assert (first.run_folder / Log.RESPONSES.file_name).read_bytes() == before


def test_a_changed_and_a_new_row_are_sent_and_no_other(first: Workplace) -> None:
    """One changed, one new, one gone: two calls, and the counts say so."""
    edited = [FIVE[0], line("r1", "other words"), FIVE[2], FIVE[3], line("new")]
    ended, asked = again(first, edited)
    assert (ended.code, asked) == (0, ["new", "other words"])
    assert f"{FAR}1 changed, 1 new, 1 no longer asked for, 3 unchanged\n" in ended.err
    assert read_back(first) == {"r0": "r0", "r1": "other words", "r2": "r2", "r3": "r3", "new": "new"}
    assert "5 of 5 answered" in ended.out


def test_a_plan_says_what_an_edit_would_send(first: Workplace) -> None:
    """`overnight plan` counts the same rows, and sends nothing."""
    first.write([line("r0", "other words"), *FIVE[1:4], line("new")])
    first.provider.forget()
    plan = first.overnight("plan", "m.jsonl", "--out", "out", "--json").json
    assert plan["changes"] == "1 changed, 1 new, 1 no longer asked for, 3 unchanged"
    assert (plan["rows"], plan["is_new"], first.provider.calls) == (2, False, [])
    assert FAR + plan["changes"] in first.overnight("plan", "m.jsonl", "--out", "out").out


def test_rows_taken_out_are_asked_for_no_more(first: Workplace) -> None:
    """A shorter manifest sends nothing; the rows gone count nowhere, and their answers stay in the log."""
    ended, asked = again(first, FIVE[:2])
    assert (ended.code, asked) == (0, [])
    assert f"{FAR}3 no longer asked for, 2 unchanged\n" in ended.err
    assert set(read_back(first)) == {"r0", "r1"}
    assert {one.custom_id for one in read_responses(first.run_folder)} == {"r0", "r1"}
    counts = count_requests(first.run_folder)
    assert (counts.asked, counts.answered, counts.failed) == (2, 2, 0)
    assert len(first.lines(Log.RESPONSES)) == 5


def test_taking_an_edit_back_sends_nothing(first: Workplace) -> None:
    """The old manifest after an edited one brings the old answers back without a call, and so does the edit again."""
    edited = [FIVE[0], line("r1", "other words"), line("new")]
    assert again(first, edited)[1] == ["new", "other words"]
    ended, asked = again(first, FIVE)
    assert (ended.code, asked) == (0, [])
    assert f"{FAR}2 no longer asked for, 4 asked for again, 1 unchanged\n" in ended.err
    assert read_back(first) == {f"r{number}": f"r{number}" for number in range(5)}
    ended, asked = again(first, edited)
    assert (ended.code, asked) == (0, [])
    assert read_back(first) == {"r0": "r0", "r1": "other words", "new": "new"}


@pytest.mark.parametrize(
    "rewritten",
    [
        b"".join(json.dumps(one, separators=(",", ":")).encode() + b"\n" for one in FIVE),
        b"".join(b"  " + json.dumps(one, separators=(" , ", " : ")).encode() + b"\t\r\n\r\n" for one in FIVE),
        b"\xef\xbb\xbf" + jsonl(FIVE)[:-1],
        jsonl(reversed(FIVE)),
        jsonl(dict(reversed(one.items())) for one in FIVE),
        jsonl(FIVE).replace(b"r3", rb"\u00723"),
        jsonl({**one, "metadata": {"note": "new"}} for one in FIVE),
    ],
    ids=["dense", "spaced", "BOM", "other order", "other order of keys", "escapes", "metadata"],
)
def test_the_same_requests_written_otherwise_send_nothing(first: Workplace, rewritten: bytes) -> None:
    """White space, line ends, escapes, the order of lines and keys of a line, and metadata make no other request."""
    first.write(rewritten)
    first.provider.forget()
    ended = first.overnight("run", "m.jsonl", "--out", "out")
    assert (ended.code, first.provider.calls) == (0, [])
    assert FAR not in ended.err
    assert read_back(first) == {f"r{number}": f"r{number}" for number in range(5)}


@pytest.mark.parametrize(
    "edited",
    [
        line("r0", body={"seed": 1}),
        line("r0", body={"seed": 123456789012345678901234567890}),
        line("r0", body={"temperature": 1.0}),
        {**line("r0"), "body": {"messages": [{"content": "r0", "role": "user"}], "model": "lab-1"}},
        line("r0", body={"model": "lab-2"}),
    ],
    ids=["a key more", "a long number", "a fraction", "other order of the body's keys", "another model"],
)
def test_a_body_that_differs_is_sent(first: Workplace, edited: dict[str, Any]) -> None:
    """Whatever of the body differs makes another request, and only that one goes out."""
    ended, asked = again(first, [edited, *FIVE[1:]])
    assert (ended.code, asked) == (0, ["r0"])
    assert f"{FAR}1 changed, 4 unchanged\n" in ended.err
    assert json.loads(first.provider.calls[0].body) == edited["body"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("123456789012345678901234567890", "123456789012345678901234567891"),
        ("1", "1.0"),
        ("1e400", "1e401"),
        ("1.0000000000000000001", "1.0000000000000000002"),
    ],
)
def test_numbers_that_are_written_differently_are_different(work: Workplace, one: str, other: str) -> None:
    """A long number, or a fraction, that changes in its last digit is another request."""
    work.provider.reply = lambda _: work.reply("ok")
    text = jsonl([line("a", body={"seed": 7}), line("b")])
    for digits, calls in ((one, 2), (one, 2), (other, 3)):
        work.write(text.replace(b"7}", digits.encode() + b"}"))
        assert work.run().code == 0
        assert len(work.provider.calls) == calls
    assert work.provider.calls[-1].body.endswith(other.encode() + b"}")


def test_another_provider_makes_another_request(first: Workplace) -> None:
    """A row that names another provider is sent there, though its body is the same."""
    second = f'protocol = "openai"\nbase_url = "{first.provider.base_url}"\nfree = true\n'
    first.write_catalog(f"[providers.second]\n{second}")
    ended, asked = again(first, [{**FIVE[0], "provider": "second"}, *FIVE[1:]])
    assert (ended.code, asked) == (0, ["r0"])
    assert {answer.custom_id: answer.provider for answer in read_answers(first.run_folder)}["r0"] == "second"
    first.write([{**one, "provider": "second"} for one in FIVE])
    assert first.run().code == 0
    (first.folder / "overnight.toml").write_text(f"[providers.second]\n{second}")
    assert len(first.overnight("tail", "out", "-n", "100").out.splitlines()) == 10, (
        "the first provider is still on record"
    )
    assert first.overnight("resume", "out", "-q").code == 0


def test_a_row_for_the_simulator_may_join_a_real_run(first: Workplace) -> None:
    """An edit that adds the first row for the embedded simulator starts it, and the run is labelled from then on."""
    ended, asked = again(first, [*FIVE, line("more", provider="simulator")])
    assert (ended.code, asked) == (0, [])
    assert read_back(first)["more"]
    assert first.overnight("status", "out", "--json").json["simulated"] is True


def test_an_id_that_moves_to_another_body_counts_once(first: Workplace) -> None:
    """Two ids that swap their bodies are both sent again, and each answer that counts is the new one."""
    ended, asked = again(first, [line("r0", "r1"), line("r1", "r0"), *FIVE[2:]])
    assert (ended.code, asked) == (0, ["r0", "r1"])
    assert {name: read_back(first)[name] for name in ("r0", "r1")} == {"r0": "r1", "r1": "r0"}
    assert fold(first.run_folder).lanes[0].asked == 5


def test_a_failed_row_that_is_edited_or_taken_out_is_failed_no_more(work: Workplace) -> None:
    """A refused row that is mended in the manifest is sent; one taken out is neither retried nor exported."""
    work.provider.reply = refusing("bad")
    work.write([line("r0"), line("mended", "bad"), line("gone", "bad too"), line("kept", "bad as well")])
    assert work.run().code == 3
    ended, asked = again(work, [line("r0"), line("mended", "good"), line("kept", "bad as well")])
    assert (ended.code, asked) == (3, ["good"])
    exported = [json.loads(one) for one in failed_as_manifest(work.run_folder)]
    assert [one["custom_id"] for one in exported] == ["kept"]
    assert work.overnight("retry", "out").out.startswith("1 rows put up again")
    status = work.overnight("status", "out", "--json").json
    assert (status["asked"], status["answered"], status["failed"], status["unsent"]) == (3, 2, 0, 1)


def refusing(word: str) -> Any:
    def reply(call: Call) -> Reply:
        refused = Reply(b'{"error":{"message":"no","code":"invalid_prompt"}}', 400)
        return refused if call.text.startswith(word) else Workplace.reply(call.text)

    return reply


def test_an_edit_of_every_row_wants_a_word(first: Workplace) -> None:
    """Where no request is as it was, sending all of them again is left to the user's --accept-changes."""
    every = [line(f"r{number}", f"new {number}") for number in range(5)]
    ended, asked = again(first, every)
    says = "out: nothing that this run asked for is in m.jsonl as it was (5 changed); give another --out, or "
    assert (ended.code, ended.error, asked) == (2, f"{says}--accept-changes", [])
    assert first.overnight("run", "m.jsonl", "--out", "out", "--accept-changes").code == 0
    assert first.provider.texts == [f"new {number}" for number in range(5)]


def test_the_folder_alone_goes_on_with_the_edit(first: Workplace) -> None:
    """`overnight run RUN` after an edit knows what is asked for now, without the manifest."""
    assert again(first, [*FIVE[:2], line("new")])[1] == ["new"]
    (first.folder / "m.jsonl").unlink()
    first.provider.forget()
    ended = first.overnight("run", "out")
    assert (ended.code, first.provider.calls) == (0, [])
    assert "3 of 3 answered" in ended.out


def test_an_edit_that_cannot_be_sent_changes_nothing(first: Workplace) -> None:
    """An edited manifest with a fault is refused, and the folder stays as it was to the byte."""
    before = {path.name: path.read_bytes() for path in first.run_folder.iterdir() if path.name != "lock"}
    ended, asked = again(first, [*FIVE, line("new"), line("bad", body={"messages": []})])
    assert (ended.code, ended.error, asked) == (2, "m.jsonl:7: body.messages: is empty", [])
    assert {path.name: path.read_bytes() for path in first.run_folder.iterdir() if path.name != "lock"} == before


def test_an_analysis_takes_only_what_is_still_asked_for(work: Workplace) -> None:
    """A spec that takes fewer captions, accepted, leaves a table of those; taking more again sends the new ones."""
    examples = Path(__file__).parents[1] / "jobs" / "examples"
    (work.folder / "captions_constructed.json").write_bytes((examples / "captions_constructed.json").read_bytes())
    spec = (examples / "gveval_ref_only.toml").read_text()
    for first, sent in ((5, 5), (3, 0), (6, 1)):
        (work.folder / "s.toml").write_text(spec.replace("# first = 5", f"first = {first}"))
        result = work.run("--accept-changes", "--json", source="s.toml").json
        assert (result["asked"], result["answered"], result["sent"]) == (first, first, sent)
        read = work.overnight("analyze", "out", "--json").json
        assert read["runs"][0]["requests"] == {"asked": first, "answered": first, "failed": 0}
        assert {row["items"] for row in read["captions"]["correlations"] if row["metric"].startswith("G-VEval")} == {
            first
        }
