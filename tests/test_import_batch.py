"""`overnight import openai-batch`: results of batch APIs become a run, with or without the manifest that was sent."""

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from outputs.answers import read_answers
from outputs.fold import fold
from outputs.journal import Log
from outputs.run_record import read_run_record
from tests.harness.graded import write_graded_spec
from tests.harness.workplace import Ended, Workplace, jsonl, line

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
CREATED = 1760000000


def chat(content: str, model: str = "gpt-4o-mini-2024-07-18") -> dict[str, Any]:
    message = {"role": "assistant", "content": content, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": CREATED, "model": model,
        "choices": [choice], "usage": USAGE,
    }  # fmt: skip


def result(custom_id: str, body: Any = None, status: int = 200, **keys: Any) -> dict[str, Any]:
    response = {"status_code": status, "request_id": "req-1", "body": chat(custom_id) if body is None else body}
    return {"id": "batch_req_1", "custom_id": custom_id, "response": response, "error": None, **keys}


EXPIRED = {"code": "batch_expired", "message": "This request could not be executed in time."}
REFUSED = {"error": {"message": "no such thing", "type": "invalid_request_error", "param": None, "code": "bad_value"}}


def imported(work: Workplace, *arguments: object) -> Ended:
    return work.overnight("import", "openai-batch", *arguments, "--out", work.run_folder)


def texts(work: Workplace) -> dict[str, str | None]:
    return {answer.custom_id: answer.completion.text for answer in read_answers(work.run_folder)}


def test_output_and_error_files_become_one_run(work: Workplace) -> None:
    """Answers land in responses.jsonl with usage and batch price, failures in errors.jsonl, each with file and line."""
    work.write([result("a"), result("b")], "out.jsonl")
    work.write([result("c", REFUSED, 400), result("d", response=None, error=EXPIRED)], "err.jsonl")
    ended = imported(work, "out.jsonl", "err.jsonl", "--json")
    assert (ended.code, ended.json["answered"], ended.json["failed"], ended.json["to_send"]) == (0, 2, 2, 0)
    [first, second] = work.lines(Log.RESPONSES)
    assert first["usage"] == {"input_tokens": 1000, "output_tokens": 100, "cached_tokens": 0}
    assert first["cost_usd"] == pytest.approx((1000 * 0.15 + 100 * 0.6) / 1e6 / 2)
    assert (first["at"], first["latency_s"], first["attempts"]) == (CREATED, None, 0)
    assert second["metadata"]["imported"] == {"source": "out.jsonl", "line": 2}
    assert [(one["custom_id"], one["error"]["code"]) for one in work.lines(Log.ERRORS)] == [
        ("c", "row_refused"),
        ("d", "transient"),
    ]
    assert work.lines(Log.ERRORS)[1]["error"]["provider_code"] == "batch_expired"
    record = read_run_record(work.run_folder)
    assert (record.source.kind, record.source.name, record.requests) == ("import", "out.jsonl, err.jsonl", 4)
    [event] = work.lines(Log.EVENTS)
    assert (event["event"], event["kind"], event["files"][0]["file"]) == ("imported", "openai-batch", "out.jsonl")
    assert [lane.provider for lane in fold(work.run_folder).lanes] == ["openai", "imported"]


def test_every_kind_of_body_is_read(work: Workplace) -> None:
    """Chat completions, responses, completions and embeddings are told apart by their bodies."""
    output: list[Any] = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}]
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    told: Any = {"object": "response", "status": "completed", "model": "gpt-4o", "output": output, "usage": usage}
    embedded: Any = {
        "object": "list",
        "model": "text-embedding-3-small",
        "usage": {"prompt_tokens": 2, "total_tokens": 2},
    }
    embedded["data"] = [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]
    choice: Any = {"index": 0, "text": "words", "finish_reason": "stop"}
    completed: Any = {
        "object": "text_completion",
        "model": "gpt-3.5-turbo-instruct",
        "choices": [choice],
        "usage": USAGE,
    }
    work.write([result("r", told), result("e", embedded), result("c", completed), result("x")])
    assert imported(work, "m.jsonl").code == 0
    urls = {one["custom_id"]: one["url"] for one in work.lines(Log.REQUESTS)}
    assert urls == {
        "r": "/v1/responses", "e": "/v1/embeddings", "c": "/v1/completions", "x": "/v1/chat/completions",
    }  # fmt: skip
    assert texts(work) == {"r": "hi", "e": None, "c": "words", "x": "x"}


def test_vllm_is_read_and_has_no_price(work: Workplace) -> None:
    """vLLM's failures stand beside a response without a body; its answers are of no provider known: unpriced."""
    ours: dict[str, Any] = {"id": "vllm-1"}
    work.write(
        [
            result("a", chat("hi", "gpt-4o"), **ours),
            {**result("b", status=400, error={"object": "error", "message": "too long", "code": 400}, **ours)},
            {**result("c", status=400, error="Request must not be sent in stream mode", **ours)},
        ]
    )
    for one in (lines := [json.loads(text) for text in Path("m.jsonl").read_bytes().splitlines()])[1:]:
        one["response"]["body"] = None
    work.write(lines)
    assert imported(work, "m.jsonl").code == 0
    assert [(one["provider"], one["cost_usd"]) for one in work.lines(Log.RESPONSES)] == [("imported", None)]
    assert [one["error"]["message"] for one in work.lines(Log.ERRORS)] == [
        "too long",
        "Request must not be sent in stream mode",
    ]


def test_the_provider_may_be_named(work: Workplace) -> None:
    """--provider says who answered; one that speaks another protocol cannot have."""
    work.write_catalog("batch_discount = 0.5\n")
    work.write([result("a", chat("hi", "own-model"))])
    assert "speaks anthropic" in imported(work, "m.jsonl", "--provider", "anthropic").error
    assert imported(work, "m.jsonl", "--provider", "lab").code == 0
    assert [(one["provider"], one["cost_usd"]) for one in work.lines(Log.RESPONSES)] == [("lab", 0.0)]


def test_an_unreadable_answer_is_a_failure(work: Workplace) -> None:
    """A 200 whose body is no answer is written as a failure with what came back, never as an answer."""
    work.write([result("a", {"nothing": 1}), result("b")])
    assert imported(work, "m.jsonl").code == 0
    [error] = work.lines(Log.ERRORS)
    assert (error["custom_id"], error["error"]["code"]) == ("a", "unreadable")
    assert '{"nothing": 1}' in error["response"]["body"]["raw"]


def test_an_answer_counts_once(work: Workplace) -> None:
    """The same answer twice is taken once, an answer beats a failure whichever is first, and all of it is counted."""
    work.write([result("a"), result("b", REFUSED, 500), result("c")], "one.jsonl")
    work.write([result("a"), result("b"), result("c", response=None, error=EXPIRED)], "two.jsonl")
    ended = imported(work, "one.jsonl", "two.jsonl", "--json")
    assert (ended.json["answered"], ended.json["failed"]) == (3, 0)
    assert ended.json["left_out"] == {"repeated answers": 1, "failures of rows that were answered": 2}


def test_different_answers_to_a_row_are_an_error_or_the_last(work: Workplace) -> None:
    """Two different answers to one custom_id are an error naming both lines; --last takes the last."""
    work.write([result("z"), result("a", chat("first"))], "one.jsonl")
    work.write([result("a", chat("second"))], "two.jsonl")
    ended = imported(work, "one.jsonl", "two.jsonl")
    assert ended.code == 2
    assert ended.error.startswith("two.jsonl:1: custom_id: 'a' has another answer on one.jsonl:2")
    assert work.files("one.jsonl", "two.jsonl") == set()
    assert imported(work, "one.jsonl", "two.jsonl", "--last").code == 0
    assert texts(work) == {"z": "z", "a": "second"}


def test_with_its_manifest_a_batch_goes_on(work: Workplace) -> None:
    """Answers are taken, and `overnight run` sends only what failed or is missing, as a run of that manifest."""
    work.write([line("a"), line("b", metadata={"k": 1}), line("c"), line("d")])
    work.write([result("b", chat("from the batch", "lab-1"))], "out.jsonl")
    work.write([result("c", response=None, error=EXPIRED)], "err.jsonl")
    ended = imported(work, "out.jsonl", "err.jsonl", "--manifest", "m.jsonl", "--json")
    assert (ended.code, ended.json["answered"], ended.json["failed"], ended.json["to_send"]) == (0, 1, 1, 3)
    assert ended.json["next"] == f"overnight run {work.run_folder}"
    [answer] = work.lines(Log.RESPONSES)
    assert answer["metadata"] == {"k": 1, "imported": {"source": "out.jsonl", "line": 1}}
    requests = work.lines(Log.REQUESTS)
    assert work.provider.calls == []
    assert work.overnight("run", work.run_folder, "--quiet").code == 0
    assert work.provider.texts == ["a", "c", "d"]
    assert texts(work) == {"a": "a", "b": "from the batch", "c": "c", "d": "d"}
    work.provider.forget()
    assert work.run("--json").json["answered"] == 4  # the manifest again: the same run, nothing to send
    assert work.provider.calls == []
    fresh = work.folder / "fresh"
    assert work.overnight("run", "m.jsonl", "--out", fresh, "--quiet").code == 0
    made = [json.loads(text) for text in (fresh / "requests.jsonl").read_bytes().splitlines()]
    assert made == requests


def test_with_its_spec_a_batch_goes_on_to_what_follows(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers to a manifest that was built of a spec make a run of the spec: what is missing, and follows, is asked."""
    spec = write_graded_spec(work.folder, 3, monkeypatch, models=("lab-1",), judge="lab-3").name
    work.overnight("build", spec, "-o", "m.jsonl")
    sent = [json.loads(text)["custom_id"] for text in Path("m.jsonl").read_bytes().splitlines()]
    work.write([result(name, chat(f"answer {name}", "lab-1")) for name in sent[:2]], "out.jsonl")
    ended = imported(work, "out.jsonl", "--manifest", spec, "--json")
    assert (ended.json["answered"], ended.json["to_send"], ended.json["items"]) == (2, 1, 3)
    assert work.overnight("run", work.run_folder, "--quiet").code == 0
    by_model = Counter(json.loads(call.body)["model"] for call in work.provider.calls)
    assert by_model == {"lab-1": 1, "lab-3": 3}
    judged = [call.text for call in work.provider.calls if json.loads(call.body)["model"] == "lab-3"]
    assert sum(f"answer {sent[0]}" in text for text in judged) == 1
    work.provider.forget()
    assert work.run(source=spec).code == 0
    assert work.provider.calls == []


def test_a_batch_that_its_manifest_does_not_ask_for(work: Workplace) -> None:
    """Results of other rows are left out and counted; where that is all of them, it is the wrong manifest."""
    work.write([line("a")])
    work.write([result("a"), result("q")], "out.jsonl")
    work.write([result("q")], "other.jsonl")
    ended = imported(work, "other.jsonl", "--manifest", "m.jsonl")
    assert ended.code == 2
    assert "not one result is of a row of m.jsonl: 'q' is not in it" in ended.error
    assert work.files("out.jsonl", "other.jsonl") == set()
    ended = imported(work, "out.jsonl", "--manifest", "m.jsonl", "--json")
    assert ended.json["left_out"] == {"results of rows that are not in the manifest": 1}


def test_a_manifest_of_another_protocol_or_price_is_refused(work: Workplace) -> None:
    """Rows that go to another protocol have no answer in such a file; an unknown price is the user's to accept."""
    work.write([{**line("a"), "body": {**line("a")["body"], "model": "claude-3-5-haiku-20241022", "max_tokens": 5}}])
    work.write([result("a")], "out.jsonl")
    assert "speaks anthropic" in imported(work, "out.jsonl", "--manifest", "m.jsonl").error
    work.write_catalog('[providers.dear]\nprotocol = "openai"\nbase_url = "http://127.0.0.1:1/v1"\n')
    work.write([line("a", provider="dear")])
    assert "the price of dear/lab-1 is unknown" in imported(work, "out.jsonl", "--manifest", "m.jsonl").error
    assert imported(work, "out.jsonl", "--manifest", "m.jsonl", "--allow-unpriced").code == 0
    assert [one["cost_usd"] for one in work.lines(Log.RESPONSES)] == [None]


@pytest.mark.parametrize("command", ["run", "resume", "retry", "export"])
def test_what_was_imported_without_its_requests_is_not_sent(work: Workplace, command: str) -> None:
    """Commands that would send an imported run again, or write its requests, say that these are not known."""
    work.write([result("a", REFUSED, 400)])
    assert imported(work, "m.jsonl").code == 0
    before = {path.name: path.read_bytes() for path in work.run_folder.iterdir() if path.name != "lock"}
    ended = work.overnight(command, work.run_folder, *(["--failed"] if command == "export" else []))
    assert ended.code == 2
    assert "without the requests as they were sent: there is nothing to send" in ended.error
    assert before == {path.name: path.read_bytes() for path in work.run_folder.iterdir() if path.name != "lock"}
    assert work.provider.calls == []


def test_status_and_tail_read_an_import(work: Workplace) -> None:
    """An imported run is shown as any other; nobody measured how long its answers took."""
    work.write([result("a"), result("b", REFUSED, 400)])
    assert imported(work, "m.jsonl").code == 0
    assert (work.overnight("status", work.run_folder, "--json").json["answered"]) == 1
    assert work.overnight("tail", work.run_folder, "--no-follow").out.split("  ")[-2:] == ["imported", "a\n"]


BAD: dict[str, tuple[bytes, str]] = {
    "torn": (jsonl([result("a")]) + b'{"custom_id": "b", "resp', "bad.jsonl:2: not JSON"),
    "list": (b"[]\n", "bad.jsonl:1"),
    "no id": (jsonl([{"response": None, "error": EXPIRED}]), "bad.jsonl:1: custom_id: is missing"),
    "id of another type": (
        jsonl([{**result("a"), "custom_id": 7}]),
        "bad.jsonl:1: custom_id: Expected `str`, got `int`",
    ),
    "blank id": (jsonl([result(" ")]), "bad.jsonl:1: custom_id: is empty"),
    "status": (jsonl([result("a", status="200")]), "bad.jsonl:1: response.status_code"),  # type: ignore[arg-type]
    "says nothing": (jsonl([result("a", response=None)]), "bad.jsonl:1: has neither a response nor an error"),
    "a manifest": (jsonl([line("a")]), "bad.jsonl:1: a request, not a result: the file that was sent goes to --man"),
    "anthropic": (jsonl([{"custom_id": "a", "result": {"type": "succeeded"}}]), "bad.jsonl:1: a result of Anthropic's"),
    "latin-1": (jsonl([result("a")]) + '{"custom_id": "\xe9"}\n'.encode("latin-1"), "bad.jsonl:2: not UTF-8"),
    "packed": (gzip.compress(jsonl([result("a")])), "bad.jsonl: is packed (gzip): unpack it first"),
    "deep": (b'{"custom_id":"a","error":' + b"[" * 500 + b"]" * 500 + b"}\n", "bad.jsonl:1: nested too deeply"),
    "empty": (b"", "bad.jsonl: holds no result"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_line_and_leaves_nothing(work: Workplace, name: str) -> None:
    """What is wrong is said with file, line and field, and no folder is made."""
    data, message = BAD[name]
    work.write(data, "bad.jsonl")
    ended = imported(work, "bad.jsonl")
    assert (ended.code, ended.error[: len(message)]) == (2, message)
    assert work.files("bad.jsonl") == set()


def test_half_of_a_surrogate_pair_costs_no_answer(work: Workplace) -> None:
    """An answer cut within a character is taken with U+FFFD in its place, and a note says where; pairs stay."""
    cut = [r"\ud83d", r"\uDE00!", r"\ud83d\u0041", r"\ud83d\ud83d\ude00", r"\\ud83d", r"\ud83d\ude00"]
    lines = [json.dumps(result(name)).replace(f'"content": "{name}"', f'"content": "hi {text}"')
             for name, text in zip("abcdef", cut, strict=True)]  # fmt: skip
    work.write("\n".join(lines).encode(), "out.jsonl")
    ended = imported(work, "out.jsonl", "--json")
    assert (ended.code, ended.json["answered"], ended.json["failed"]) == (0, 6, 0)
    what = "results with half of a surrogate pair, which is no character: read as U+FFFD"
    assert ended.json["notes"] == [f"out.jsonl: 4 {what}; the first is on line 1"]
    assert texts(work) == {
        "a": "hi \ufffd", "b": "hi \ufffd!", "c": "hi \ufffdA", "d": "hi \ufffd\U0001f600", "e": r"hi \ud83d",
        "f": "hi \U0001f600",
    }  # fmt: skip


def test_a_mark_crlf_and_blank_lines_are_taken(work: Workplace) -> None:
    """A byte order mark, CRLF and blank lines change nothing, also where a line is read again by its place."""
    lines = [json.dumps(result(name)).encode() for name in "ab"]
    work.write(b"\xef\xbb\xbf" + b"\r\n\r\n".join(lines))
    assert imported(work, "m.jsonl").code == 0
    assert texts(work) == {"a": "a", "b": "b"}
    assert [one["metadata"]["imported"]["line"] for one in work.lines(Log.RESPONSES)] == [1, 3]


def _a_file(folder: Path) -> None:
    folder.write_text("mine")


def _with_a_file(folder: Path) -> None:
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")


@pytest.mark.parametrize("there", [_a_file, _with_a_file])
def test_only_an_empty_place_will_do(work: Workplace, there: Callable[[Path], None]) -> None:
    """An --out with anything in it is refused and left as it was."""
    work.write([result("a")])
    there(work.run_folder)
    before = sorted(work.folder.rglob("*"))
    assert imported(work, "m.jsonl").code == 2
    assert sorted(work.folder.rglob("*")) == before


def test_a_run_is_never_written_over(work: Workplace) -> None:
    """A second import into a run is refused, and the run stays as it is."""
    work.write([result("a")])
    assert imported(work, "m.jsonl").code == 0
    before = (work.run_folder / "run.json").read_bytes()
    assert imported(work, "m.jsonl").error.endswith("is a run already: give another --out")
    assert (work.run_folder / "run.json").read_bytes() == before


def test_what_a_killed_import_left_is_made_anew(work: Workplace) -> None:
    """Answers of an import that was cut short do not get into the run that is made there next."""
    work.write([line("a")])
    work.run_folder.mkdir()
    (work.run_folder / "making").touch()
    stale = b'{"seq":2,"request":1,"attempts":0,"custom_id":"a"}\n'
    (work.run_folder / "responses.jsonl").write_bytes(stale)
    assert work.run().code == 0
    assert work.provider.texts == ["a"]
    (work.run_folder / "run.json").unlink()
    (work.run_folder / "making").touch()
    work.write([result("b")], "out.jsonl")
    assert imported(work, "out.jsonl").code == 0
    assert texts(work) == {"b": "b"}


@pytest.mark.parametrize("path", [".", "nowhere.jsonl"])
def test_a_path_is_a_file(work: Workplace, path: str) -> None:
    """A folder, and a file that is not there, are named."""
    assert imported(work, path).error.split(": ")[0] == path


def test_a_file_given_twice_is_refused(work: Workplace) -> None:
    """The same file under two names counts as given twice."""
    work.write([result("a")])
    assert imported(work, "m.jsonl", work.folder / "m.jsonl").error.endswith("is given twice")
