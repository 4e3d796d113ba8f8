"""Answers that would forge lines of the log, or are no answers: each stays one line, or is a typed failure kept raw."""

import base64
import hashlib
import json
from typing import Any

from rich.console import Console

from orchestrator.display import table
from orchestrator.progress import LaneProgress, Progress
from outputs.answers import read_answers
from outputs.journal import Log
from tests.harness.loopback import Call, Reply, chat_answer
from tests.harness.workplace import Workplace, line

FORGERY = '"}\n{"seq":99,"request":1,"custom_id":"forged","response":{"body":{}}}\r\n{"custom_id":"r1'

TEXTS = {
    "a forged line": FORGERY,
    "a line break": "one\ntwo\r\nthree\rfour",
    "control characters": "".join(map(chr, range(32))) + "\x7f\x80\x9b",
    "an escape sequence": "\x1b]0;owned\x07\x1b[2J\x1b[31mred",
    "separators": "\u2028\u2029\x85\x0b\x0c",
    "text that runs backwards": "\u202eevil\u2066",
    "no characters": "\ufffe\uffff\ufeff",
    "beyond the first plane": "\U0001f600\U0010ffff",
    "quotes and backslashes": '\\"\\\\"\\n\\u2028',
    "nothing": "",
}


def spellings(answer: dict[str, Any]) -> dict[str, bytes]:
    """Ways to write one answer as JSON."""
    pretty = json.dumps(answer, indent=2)
    return {
        "dense": json.dumps(answer, separators=(",", ":")).encode(),
        "indented": (pretty + "\n").encode(),
        "indented with CRLF": b"\r\n" + pretty.replace("\n", "\r\n").encode() + b"\r\n\r\n",
        "indented with CR": pretty.replace("\n", "\r").encode(),
        "UTF-8": json.dumps(answer, ensure_ascii=False).encode(),
        "indented with tabs": json.dumps(answer, indent="\t", ensure_ascii=False).encode(),
    }


def answering(bodies: dict[str, bytes]) -> Any:
    def reply(call: Call) -> Reply:
        return Reply(bodies[call.text])

    return reply


def test_no_answer_forges_a_line(work: Workplace) -> None:
    """Whatever an answer says and however it is written, it is one line, with equal JSON and the original's digest."""
    bodies = {
        f"{name}, {how}": body
        for name, text in TEXTS.items()
        for how, body in spellings(chat_answer(text, note={FORGERY: [FORGERY]})).items()
    }
    work.provider.reply = answering(bodies)
    work.write([line(name) for name in bodies])
    assert work.run().code == 0
    lines = work.answered()
    assert lines.keys() == bodies.keys()
    for name, body in bodies.items():
        assert lines[name]["response"]["body"] == json.loads(body), name
        assert lines[name]["body_sha256"] == hashlib.sha256(body).hexdigest(), name
    texts = {answer.custom_id: answer.completion.text for answer in read_answers(work.run_folder)}
    assert texts == {name: TEXTS[name.split(",")[0]] for name in bodies}
    work.provider.forget()
    assert work.run().code == 0
    assert not work.provider.calls
    assert work.overnight("status", "out", "--json").json["answered"] == len(bodies)


def test_a_body_is_kept_but_for_line_breaks(work: Workplace) -> None:
    """Spacing, order of keys, escapes and numbers of a provider's body stay; only line breaks become spaces."""
    body = b'{ "x":1e400,\r\n"big":123456789012345678901234567890 ,\t"e":"\\u00fc\\/",\n"choices":[{"message":{}}]}\n'
    work.provider.reply = lambda _: Reply(body)
    work.write([line("a")])
    assert work.run().code == 0
    kept = body.replace(b"\n", b" ").replace(b"\r", b" ")
    assert b'"body":%b}}\n' % kept in (work.run_folder / Log.RESPONSES.file_name).read_bytes()


def test_tail_shows_no_control_characters(work: Workplace) -> None:
    """What a model says, and how a row is named, cannot steer the terminal that `overnight tail` prints on."""
    bodies = {f"{name}\x1b[2J": json.dumps(chat_answer(text)).encode() for name, text in TEXTS.items()}
    work.provider.reply = answering(bodies)
    work.write([line(name) for name in bodies])
    assert work.run().code == 0
    shown = work.overnight("tail", "out", "--no-follow", "-n", 100).out
    assert len(shown.splitlines()) == len(shown.split("\n")) - 1 == len(bodies)
    assert all(character.isprintable() or character == "\n" for character in shown)
    assert "owned" in shown


BROKEN = {
    "an error": b'{"error":{"message":"upstream is down","code":502}}',
    "a page": b"<html>\n<body>Bad gateway</body>\n</html>\n",
    "an end too soon": json.dumps(chat_answer("hello")).encode()[:-9],
    "no UTF-8": json.dumps(chat_answer("hello")).encode().replace(b"hello", b"h\xe9llo \xff\n"),
    "no UTF-8 where nobody looks": json.dumps({**chat_answer("hello"), "id": "?"}).encode().replace(b"?", b"\xe9"),
    "a raw line break in a string": json.dumps(chat_answer("X")).encode().replace(b"X", FORGERY.encode()),
    "no choices": b'{"choices":[]}',
    "a list": b"[]",
    "nothing": b"",
    "zero bytes": b"\0\0\0",
    "depths": b'{"choices":[{}],"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
}


def raw_of(holder: dict[str, Any]) -> bytes:
    """What came back, from a line that kept it."""
    if "raw_base64" in holder:
        return base64.b64decode(holder["raw_base64"])
    return str(holder.get("raw", "")).encode()


def test_a_200_that_is_no_answer_fails_its_row_and_is_kept(work: Workplace) -> None:
    """Each is tried twice, fails as unreadable and maybe billed, and both what came back first and last are kept."""
    good = json.dumps(chat_answer("hello")).encode()
    work.provider.reply = answering({**BROKEN, "good": good})
    work.write([line(name) for name in [*BROKEN, "good"]])
    ended = work.run()
    assert ended.code == 3, ended
    assert f"1 of {len(BROKEN) + 1} answered, {len(BROKEN)} failed" in ended.out
    assert set(work.answered()) == {"good"}
    errors = {one["custom_id"]: one for one in work.lines(Log.ERRORS)}
    assert errors.keys() == BROKEN.keys()
    settled: dict[int, list[dict[str, Any]]] = {}
    for one in work.lines(Log.ATTEMPTS):
        if "settled" in one:
            settled.setdefault(one["request"], []).append(one)
    for name, body in BROKEN.items():
        failed = errors[name]
        assert (failed["error"]["code"], failed["attempts"], failed["response"]["status_code"]) == (
            "unreadable",
            2,
            200,
        )
        assert raw_of(failed["response"]["body"]) == body, name
        attempts = settled[failed["request"]]
        assert [(one["kind"], one["settled"]) for one in attempts] == [("unreadable", "maybe")] * 2
        assert all(raw_of(one) == body for one in attempts)
    assert errors["an error"]["error"]["message"] == "a 200 that holds an error: upstream is down"
    assert errors["an error"]["error"]["provider_code"] == "502"
    assert "raw_base64" in errors["no UTF-8"]["response"]["body"]


def test_what_a_failed_row_says_cannot_forge_a_line(work: Workplace) -> None:
    """An error page that looks like log lines stays inside its line, and is shown without control characters."""
    page = json.dumps({"error": {"message": FORGERY + "\x1b[2J", "code": FORGERY}}).encode()
    work.provider.reply = lambda _: Reply(page, 400)
    work.write([line("a"), line("b")])
    assert work.run().code == 3
    errors = work.lines(Log.ERRORS)
    assert sorted(one["custom_id"] for one in errors) == ["a", "b"]
    assert {one["error"]["message"] for one in errors} == {FORGERY + "\x1b[2J"}
    status = work.overnight("status", "out")
    assert status.code == 0
    assert "\x1b" not in status.out


def test_a_lane_that_stops_says_why_without_steering_the_terminal(work: Workplace) -> None:
    """The reason that a provider gives for a refused key is shown with its control characters made visible."""
    page = json.dumps({"error": {"message": "bad key\x1b[2J\r\nGo on"}}).encode()
    work.provider.reply = lambda _: Reply(page, 401)
    work.write([line("a")])
    ended = work.run()
    assert ended.code == 6
    assert "key refused: bad key\\x1b[2J\\x0d\\x0aGo on; 1 left" in ended.out
    assert "\x1b" not in work.overnight("status", "out").out


def test_progress_does_not_steer_the_terminal() -> None:
    """What a provider gave as its reason is shown plainly in the live table as well."""
    lane = LaneProgress("lab/m\x1b[2J", 3, 1, 0, 1, 0.5, None, 10, 0.0, 0, "stopped: bad key\x1b[2J\r\nGo on")
    console = Console(width=200, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(table(Progress((lane,), lane, simulated=False, stopping=False)))
    assert "lab/m\\x1b[2J" in captured.get()
    assert "stopped: bad key\\x1b[2J\\x0d\\x0aGo on" in captured.get()


def test_an_answer_nested_as_deeply_as_can_be_read_is_read_again(work: Workplace) -> None:
    """Whatever depth is accepted when it comes can be read by every later command; what is deeper fails its row."""
    bodies = {
        str(depth): b'{"choices":[{"message":{"content":"hi"}}],"x":%b}' % (b"[" * depth + b"]" * depth)
        for depth in (300, *range(820, 1_000, 2))
    }
    work.provider.reply = answering(bodies)
    work.write([line(name) for name in bodies])
    assert work.run().code in (0, 3)
    answered = set(work.answered())
    assert "300" in answered
    assert len(answered) + len(work.lines(Log.ERRORS)) == len(bodies)
    assert work.run().code in (0, 3)
    assert work.overnight("status", "out", "--json").json["answered"] == len(answered)
    assert len(work.overnight("tail", "out", "--no-follow", "-n", 100).out.splitlines()) == len(answered)
    assert {one.custom_id for one in read_answers(work.run_folder)} == answered
