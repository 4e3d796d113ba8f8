"""Bad input: one clear line that names file, line and field, exit code 2, nothing sent and nothing left behind."""

import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from outputs.journal import Log
from tests.harness.loopback import Reply
from tests.harness.workplace import Ended, Workplace, jsonl, line, without

EXAMPLES = Path(__file__).parents[1] / "jobs" / "examples"
GOOD = line("good")
DEEP = b"[" * 5_000 + b"]" * 5_000


@dataclass(frozen=True, slots=True)
class Refused:
    """A manifest, and how the line that refuses it goes on behind the file's name."""

    manifest: bytes
    says: str


def body(**keys: Any) -> bytes:
    return jsonl([line("a", body=keys)])


def changed(**keys: Any) -> bytes:
    return jsonl([{**line("a"), **keys}])


def raw_body(text: bytes) -> bytes:
    return b'{"custom_id":"a","url":"/v1/chat/completions","body":%b}\n' % text


MANIFESTS = {
    "not JSON": Refused(jsonl([GOOD]) + b"{oops}\n", ":2: not JSON: "),
    "a key and no more": Refused(b'{"a":\n', ":1: not JSON: "),
    "a wrong value and no end": Refused(b'{"custom_id":5,\n', ":1: not JSON: "),
    "plain text": Refused(b"What is this?\n", ":1: not JSON: "),
    "a trailing comma": Refused(b'{"custom_id":"a",}\n', ":1: not JSON: "),
    "a line cut short": Refused(jsonl([GOOD]) + jsonl([line("b")])[:30], ":2: not JSON: unexpected end of data"),
    "two objects on a line": Refused(jsonl([GOOD])[:-1] + jsonl([line("b")]), ":1: not JSON: "),
    "NaN": Refused(raw_body(b'{"temperature":NaN}'), ":1: not JSON: "),
    "half of a surrogate pair": Refused(
        raw_body(rb'{"model":"lab-1","messages":[{"role":"user","content":"\ud83d"}]}'), ":1: not JSON: "
    ),
    "zero bytes": Refused(jsonl([GOOD]) + b"\0" * 20 + b"\n", ":2: not JSON: "),
    "a list": Refused(b"[1]\n", ":1: Expected `object`, got `array`"),
    "an id twice, once in escapes": Refused(
        jsonl([GOOD]) + jsonl([GOOD]).replace(b"good", rb"\u0067ood", 1),
        ":2: custom_id: 'good' stands on line 1 already",
    ),
    "an id twice": Refused(
        jsonl([GOOD, line("b")]) + b"\n" + jsonl([GOOD]), ":4: custom_id: 'good' stands on line 1 already"
    ),
    "no url": Refused(jsonl([GOOD, without(line("a"), "url")]), ":2: url: is missing"),
    "no custom_id": Refused(jsonl([without(GOOD, "custom_id")]), ":1: custom_id: is missing"),
    "no body": Refused(jsonl([without(GOOD, "body")]), ":1: body: is missing"),
    "a number as custom_id": Refused(changed(custom_id=5), ":1: custom_id: Expected `str`, got `int`"),
    "null as url": Refused(changed(url=None), ":1: url: Expected `str`, got `null`"),
    "text as body": Refused(changed(body="hello"), ":1: body: Expected `object`, got `str`"),
    "null as body": Refused(changed(body=None), ":1: body: Expected `object`, got `null`"),
    "text as metadata": Refused(changed(metadata="x"), ":1: metadata: Expected `object`, got `str`"),
    "a number as provider": Refused(changed(provider=1), ":1: provider: Expected `str | null`, got `int`"),
    "another method": Refused(changed(method="GET"), ":1: method: 'GET': only POST is sent"),
    "an unknown key": Refused(changed(custom_ids=1), ":1: custom_ids: unknown key: did you mean 'custom_id'?"),
    "an empty custom_id": Refused(changed(custom_id=""), ":1: custom_id: is empty"),
    "a blank custom_id": Refused(changed(custom_id=" \t"), ":1: custom_id: is empty"),
    "an unknown provider": Refused(
        changed(provider="labb"), ":1: provider: unknown provider 'labb'; did you mean 'lab'? (known: alibaba, "
    ),
    "a model that routes nowhere": Refused(
        body(model="nobody-x"), ":1: body.model: no provider routes the model 'nobody-x': add `provider` to"
    ),
    "no key": Refused(
        body(model="gpt-4o"), ":1: provider: no API key for openai: set OPENAI_API_KEY in the environment, or"
    ),
    "no model": Refused(changed(body={"messages": [{}]}), ":1: body.model: is missing"),
    "an empty model": Refused(body(model=""), ":1: body.model: is empty"),
    "a number as model": Refused(body(model=5), ":1: body.model: Expected `str`, got `int`"),
    "no messages": Refused(changed(body={"model": "lab-1"}), ":1: body.messages: is missing"),
    "empty messages": Refused(body(messages=[]), ":1: body.messages: is empty"),
    "text as messages": Refused(body(messages="hi"), ":1: body.messages: Expected `array`, got `str`"),
    "text as a message": Refused(body(messages=["hi"]), ":1: body.messages[0]: Expected `object`, got `str`"),
    "a stream": Refused(body(stream=True), ":1: body.stream: streamed answers are not read; leave it out"),
    "text as max_tokens": Refused(body(max_tokens="10"), ":1: body.max_tokens: Expected `int | null`, got `str`"),
    "fewer tokens than none": Refused(body(max_tokens=-5), ":1: body.max_tokens: Expected `int` >= 0"),
    "half a choice": Refused(body(n=1.5), ":1: body.n: Expected `int | null`, got `float`"),
    "more choices than numbers": Refused(body(n=10**400), ":1: body.n: Expected `int` <= "),
    "log probabilities of a model that has none": Refused(
        body(model="lab-silent", logprobs=True), ":1: body.logprobs: lab gives none for the model 'lab-silent'"
    ),
    "an unknown url": Refused(
        changed(url="/v1/messages", body={**GOOD["body"], "max_tokens": 5}),
        ":1: url: '/v1/messages' is not spoken to lab (spoken: /v1/chat/completions, /v1/responses",
    ),
    "bytes that are not UTF-8": Refused(
        jsonl([GOOD]) + jsonl([line("b", "hi!")]).replace(b"hi!", b"hi\xff"),
        f":2: not UTF-8 at byte {len(jsonl([GOOD])) + jsonl([line('b', 'hi!')]).index(b'hi!') + 2} of the file",
    ),
    "UTF-16": Refused(jsonl([GOOD]).decode().encode("utf-16"), ":1: not UTF-8 at byte 0 of the file"),
    "a body nested deeply": Refused(
        raw_body(b'{"model":"lab-1","messages":[{}],"x":%b}' % DEEP), ":1: nested too deeply: 200 levels at most"
    ),
    "a body nested where a decoder gives up late": Refused(
        raw_body(b'{"model":"lab-1","messages":[{}],"x":%b}' % (b"[" * 300 + b"]" * 300)), ":1: nested too deeply"
    ),
    "metadata nested deeply": Refused(
        jsonl([GOOD])[:-2] + b',"metadata":{"x":%b}}\n' % DEEP, ":1: nested too deeply: 200 levels at most"
    ),
    "an empty file": Refused(b"", ": no requests in it: the file is empty"),
    "blank lines": Refused(b"\n\r\n   \n", ": no requests in it: the file is empty"),
    "a byte order mark": Refused(b"\xef\xbb\xbf", ": no requests in it: the file is empty"),
}


def assert_refused(work: Workplace, ended: Ended, says: str) -> None:
    """One line that begins so, exit code 2, no call, no folder."""
    assert ended.code == 2, ended
    assert ended.error.startswith(says), ended.err
    assert ended.out == ""
    assert not work.provider.calls
    assert not work.run_folder.exists()
    assert not (work.folder / "runs").exists()


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_bad_manifest_is_refused(work: Workplace, name: str) -> None:
    """Each fault of a manifest is one line with file, line and field, before anything is sent or left behind."""
    refused = MANIFESTS[name]
    work.write_catalog('[providers.lab.facts."lab-silent"]\nlogprobs = false\n')
    work.write(refused.manifest)
    assert_refused(work, work.run(), f"m.jsonl{refused.says}")
    assert not work.files()


@pytest.mark.parametrize("name", sorted(set(MANIFESTS) - {"no key"}))
def test_a_plan_refuses_the_same(work: Workplace, name: str) -> None:
    """`overnight plan` refuses what `overnight run` refuses, in the same words; it alone needs no key."""
    refused = MANIFESTS[name]
    work.write_catalog('[providers.lab.facts."lab-silent"]\nlogprobs = false\n')
    work.write(refused.manifest)
    assert_refused(work, work.overnight("plan", "m.jsonl", "--out", work.run_folder), f"m.jsonl{refused.says}")


def test_an_error_is_one_plain_line_whatever_it_names(work: Workplace) -> None:
    """Keys and file names with line breaks or escape sequences are shown so that they cannot steer the terminal."""
    work.write([{**line("a"), "x\x1b[2J\ny": 1}], "m\x1b[2J\n.jsonl")
    ended = work.overnight("run", "m\x1b[2J\n.jsonl")
    assert ended.code == 2
    assert ended.error.startswith("m\\x1b[2J\\x0a.jsonl:1: x\\x1b[2J\\x0ay: unknown key; known here: body, custom_id, ")
    assert ended.error.isprintable()


def test_a_fault_far_down_the_file_is_found_before_the_first_call(work: Workplace) -> None:
    """The last of 3,000 lines is wrong: nothing of the others was sent, and no folder made for it stays."""
    work.write([*(line(f"r{number}") for number in range(2_999)), without(line("last"), "url")])
    ended = work.overnight("run", "m.jsonl", "--out", "deep/er/out", "--quiet")
    assert_refused(work, ended, "m.jsonl:3000: url: is missing")
    assert not work.files()


def test_an_empty_folder_given_stays_empty(work: Workplace) -> None:
    """Bad input leaves nothing in a folder that was there before."""
    work.run_folder.mkdir()
    work.write(b"{}\n")
    assert work.run().code == 2
    assert not list(work.run_folder.iterdir())


def test_bad_input_to_the_default_folder_leaves_no_runs(work: Workplace) -> None:
    """Without --out, a refused manifest leaves no `runs` behind."""
    work.write(b"{}\n")
    assert_refused(work, work.overnight("run", "m.jsonl"), "m.jsonl:1: custom_id: is missing")


@pytest.mark.parametrize("command", [("run", "--quiet"), ("plan",)])
def test_a_rehearsal_refuses_an_unknown_provider(work: Workplace, command: tuple[str, ...]) -> None:
    """With --simulate, a provider that a line names and the catalog does not know is refused as it is without."""
    work.write([GOOD, line("b", provider="labb")])
    ended = work.overnight(command[0], "m.jsonl", "--out", work.run_folder, "--simulate", *command[1:])
    assert_refused(work, ended, "m.jsonl:2: provider: unknown provider 'labb'; did you mean 'lab'?")


# Keys


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "no API key for lab: set LAB_KEY in the environment, or try the run with --simulate"),
        (" \n", "no API key for lab: set LAB_KEY in the environment, or try the run with --simulate"),
        ("sk-one\nX-Evil: 1", "the API key in LAB_KEY has characters that no header can carry"),
        ("sk-\u20ac", "the API key in LAB_KEY has characters that no header can carry"),
    ],
)
def test_a_key_that_cannot_be_sent_names_its_variable_only(
    work: Workplace, monkeypatch: pytest.MonkeyPatch, key: str, says: str
) -> None:
    """A missing or impossible key names the variable, and never shows a key."""
    monkeypatch.setenv("LAB_KEY", key)
    monkeypatch.setenv("OTHER_KEY", "sk-other")
    work.write_catalog('api_key_env = "LAB_KEY"\n')
    work.write([GOOD])
    ended = work.run()
    assert_refused(work, ended, f"m.jsonl:1: provider: {says}")
    assert "sk-" not in ended.err


def test_a_key_around_which_white_space_stands_is_sent_without(
    work: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line break that a shell left behind a key does not spoil the header; no file of the run holds the key."""
    monkeypatch.setenv("LAB_KEY", "sk-secret-1\n")
    work.write_catalog('api_key_env = "LAB_KEY"\nheaders = { X-Team = "secret-team" }\n')
    work.write([GOOD])
    ended = work.run()
    assert ended.code == 0, ended
    assert work.provider.calls[0].headers["Authorization"] == "Bearer sk-secret-1"
    kept = b"".join(path.read_bytes() for path in work.run_folder.iterdir())
    assert b"secret-1" not in kept
    assert b"secret-team" not in kept


def test_a_key_that_went_missing_stops_a_resume(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resume with rows to send and no key is refused; what was there stays as it was."""
    monkeypatch.setenv("LAB_KEY", "sk-1")
    work.write_catalog('api_key_env = "LAB_KEY"\n')
    work.write([GOOD])
    assert work.run().code == 0
    monkeypatch.delenv("LAB_KEY")
    assert work.run().code == 0, "nothing is left to send, so no key is needed"
    work.write([GOOD, line("more")])
    ended = work.run()
    assert (ended.code, len(work.provider.calls)) == (2, 1)
    assert ended.error == (
        "m.jsonl:1: provider: no API key for lab: set LAB_KEY in the environment, or try the run with --simulate"
    )


# Sources and folders


def test_a_source_that_is_not_there(work: Workplace) -> None:
    """A path that does not exist is named."""
    assert_refused(work, work.run(source="nothing.jsonl"), "nothing.jsonl: no such file")


def test_a_source_that_is_a_folder(work: Workplace) -> None:
    """A folder that is no run is refused, whatever its name ends with."""
    (work.folder / "x.jsonl").mkdir()
    assert_refused(work, work.run(source="x.jsonl"), "x.jsonl: not a run folder: it has no run.json")


def test_a_source_that_can_be_read_only_once(work: Workplace) -> None:
    """A pipe is refused: a manifest is read more than once."""
    os.mkfifo(work.folder / "pipe.jsonl")
    assert_refused(work, work.run(source="pipe.jsonl"), "pipe.jsonl: is no ordinary file, which can be read more than ")


@pytest.mark.parametrize("command", ["run", "plan", "status", "resume"])
def test_a_path_that_no_system_takes(work: Workplace, command: str) -> None:
    """A name that is too long is an input error like any other, as source, folder and catalog."""
    long = "x" * 300
    work.write([GOOD])
    ended = work.overnight(command, long)
    assert ended.code == 2
    assert ended.error.startswith(f"{long}"), ended
    assert ended.error.endswith("File name too long")
    if command in ("run", "plan"):
        for option in ("--out", "--config"):
            assert_refused(work, work.overnight(command, "m.jsonl", option, long), f"{long}: cannot be ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_source_that_may_not_be_read(work: Workplace) -> None:
    """A file without permission to read is named."""
    work.write([GOOD]).chmod(0)
    assert_refused(work, work.run(), "m.jsonl: cannot be read: Permission denied")


def test_a_folder_of_someone_else_s_files(work: Workplace) -> None:
    """A folder with other files is left alone, by run and by plan."""
    work.run_folder.mkdir()
    (work.run_folder / "thesis.tex").write_text("mine")
    work.write([GOOD])
    for ended in (work.run(), work.overnight("plan", "m.jsonl", "--out", work.run_folder)):
        says = f"{work.run_folder}: not a run folder, and not empty ('thesis.tex' is in it): give another --out"
        assert (ended.code, ended.error) == (2, says)
    assert [path.name for path in work.run_folder.iterdir()] == ["thesis.tex"]
    assert not work.provider.calls


@pytest.mark.parametrize(
    ("out", "says"), [("m.jsonl", "is a file; a run is a folder"), ("m.jsonl/out", "cannot be made: Not a directory")]
)
def test_a_run_folder_that_cannot_be_one(work: Workplace, out: str, says: str) -> None:
    """An --out that is a file, or lies below one, is refused and the file stays."""
    before = work.write([GOOD]).read_bytes()
    ended = work.overnight("run", "m.jsonl", "--out", out, "--quiet")
    assert_refused(work, ended, f"{out}: {says}")
    assert (work.folder / "m.jsonl").read_bytes() == before


def test_a_run_folder_takes_no_out(work: Workplace) -> None:
    """`overnight run RUN --out ELSEWHERE` says that a run goes on where it is, and makes nothing."""
    work.write([GOOD])
    assert work.run().code == 0
    ended = work.overnight("run", work.run_folder, "--out", "elsewhere")
    assert ended.code == 2
    assert ended.error.startswith(f"{work.run_folder}: is a run folder already: ")
    assert work.files("out") == set()


def test_a_run_folder_in_use_names_the_process(work: Workplace) -> None:
    """A folder that another process holds is refused with that process's id."""
    work.write([GOOD])
    assert work.run().code == 0
    with (work.run_folder / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write("4321\n")
        lock.flush()
        for arguments in (("run", "m.jsonl", "--out", "out"), ("resume", "out"), ("retry", "out")):
            ended = work.overnight(*arguments)
            assert ended.code == 2
            assert ended.error.startswith("out: in use by a live process (pid 4321); `overnight status` "), ended.err
    assert len(work.provider.calls) == 1


def test_a_run_folder_made_from_another_manifest(work: Workplace) -> None:
    """A manifest that shares no row with the folder's is refused, naming both, unless the user accepts it."""
    work.write([GOOD])
    assert work.run().code == 0
    work.write([line("z")], "other.jsonl")
    ended = work.run(source="other.jsonl")
    assert (ended.code, len(work.provider.calls)) == (2, 1)
    assert ended.error == (
        f"{work.run_folder}: made from another manifest (m.jsonl): not one of its rows is in other.jsonl; "
        "give another --out, or --accept-changes"
    )
    assert work.run("--accept-changes", source="other.jsonl").code == 0
    assert work.provider.texts == ["good", "z"]


def test_a_run_folder_made_from_a_spec(work: Workplace) -> None:
    """A folder that a spec made takes no manifest, and the other way round."""
    for name in ("gveval_ref_only.toml", "captions_constructed.json"):
        (work.folder / name).write_bytes((EXAMPLES / name).read_bytes())
    work.write([GOOD])
    assert work.run(source="gveval_ref_only.toml").code == 0
    ended = work.run()
    assert ended.code == 2
    assert ended.error == f"{work.run_folder}: made from another source, the spec gveval_ref_only.toml"
    ended = work.overnight("run", "m.jsonl", "--out", "other", "--quiet")
    assert ended.code == 0
    ended = work.overnight("run", "gveval_ref_only.toml", "--out", "other", "--quiet")
    assert (ended.code, ended.error) == (2, "other: made from another source, the manifest m.jsonl")
    assert work.provider.texts == ["good"]


def test_a_real_run_is_not_mixed_with_a_simulated_one(work: Workplace) -> None:
    """--simulate on the folder of a real run is refused."""
    work.write([GOOD])
    assert work.run().code == 0
    ended = work.run("--simulate")
    assert ended.code == 2
    assert ended.error == f"{work.run_folder}: this run is not simulated: give another --out for a simulated one"


def _truncated(record: bytes) -> bytes:
    return record[: len(record) // 2]


def _newer(record: bytes) -> bytes:
    return json.dumps({**json.loads(record), "format": 2}).encode()


def _much_newer(_: bytes) -> bytes:
    return b'{"format":7,"nothing":"is as it was"}'


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_truncated, "not readable as the record of a run: "),
        (_newer, "format 2: this version of overnight reads format 1"),
        (_much_newer, "format 7: this version of overnight reads format 1"),
    ],
)
def test_a_record_that_cannot_be_read(work: Workplace, spoil: Callable[[bytes], bytes], says: str) -> None:
    """Every command refuses a run.json that is cut short or of a newer format, and leaves the folder as it is."""
    work.write([GOOD])
    assert work.run().code == 0
    record = work.run_folder / "run.json"
    record.write_bytes(spoil(record.read_bytes()))
    before = {path.name: path.read_bytes() for path in work.run_folder.iterdir() if path.name != "lock"}
    for command in ("run", "resume", "plan", "status", "retry", "tail", "analyze"):
        ended = work.overnight(command, "out")
        assert ended.code == 2, command
        assert ended.error.startswith(f"out/run.json: {says}"), ended.err
    assert work.run().error.startswith(f"{record}: {says}")
    assert work.overnight("export", "out", "--failed").error.startswith(f"out/run.json: {says}")
    assert {path.name: path.read_bytes() for path in work.run_folder.iterdir() if path.name != "lock"} == before
    assert len(work.provider.calls) == 1


@pytest.mark.parametrize("command", ["run", "resume", "plan", "status", "retry", "tail", "analyze"])
def test_a_folder_that_is_no_run(work: Workplace, command: str) -> None:
    """Every command that takes a run folder refuses another folder in the same words."""
    (work.folder / "d").mkdir()
    ended = work.overnight(command, "d")
    assert (ended.code, ended.error) == (2, "d: not a run folder: it has no run.json")
    assert not list((work.folder / "d").iterdir())


@pytest.mark.parametrize("command", ["resume", "status", "retry", "tail", "analyze"])
def test_a_file_or_nothing_in_place_of_a_run_folder(work: Workplace, command: str) -> None:
    """A manifest, or a name that is not there, is refused where a run folder is wanted; nothing is started."""
    work.write([GOOD])
    ended = work.overnight(command, "m.jsonl")
    assert (ended.code, ended.error) == (2, "m.jsonl: is a file; a run is a folder")
    ended = work.overnight(command, "nothing")
    assert (ended.code, ended.error) == (2, "nothing: no such run folder")
    assert not work.provider.calls
    assert not work.files()


def test_a_log_with_a_damaged_line(work: Workplace) -> None:
    """A line of the log that is no record is named with its file and number, and nothing more is sent."""
    work.write([GOOD, line("b")])
    assert work.run().code == 0
    path = work.run_folder / Log.RESPONSES.file_name
    path.write_bytes(b'{"seq":\n' + path.read_bytes())
    for command in ("resume", "status", "plan"):
        ended = work.overnight(command, "out")
        assert ended.code == 2
        assert ended.error.startswith("out/responses.jsonl:1: the log is damaged here: "), ended.err
    assert len(work.provider.calls) == 2


def test_lost_requests_are_said_and_can_be_put_back(work: Workplace) -> None:
    """A folder whose requests.jsonl is gone says so everywhere, and the same manifest puts it back without a call."""
    work.write([GOOD, line("b")])
    assert work.run().code == 0
    (work.run_folder / Log.REQUESTS.file_name).unlink()
    lost = "out: lines of it are lost; run the manifest m.jsonl again to put them back"
    assert work.overnight("status", "out").error == lost
    assert work.overnight("resume", "out").error == lost
    for arguments in (("plan", "out"), ("export", "out", "--failed")):
        ended = work.overnight(*arguments)
        assert (ended.code, ended.error) == (2, "out/requests.jsonl: cannot be read: No such file or directory")
    assert work.run().code == 0
    assert len(work.provider.calls) == 2
    assert work.overnight("status", "out", "--json").json["answered"] == 2


SPEC = (EXAMPLES / "gveval_ref_only.toml").read_text()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("job = \n", "s.toml:1: not TOML: "),
        (SPEC.replace('job = "gveval"', 'job = "gvevl"'), "s.toml: job: unknown job 'gvevl': did you mean 'gveval'?"),
        (SPEC.replace("[dataset]", "[datasets]"), "s.toml: datasets: unknown key: did you mean 'dataset'?"),
        (SPEC.replace('.json"', '.jsn"'), "s.toml: dataset.path: no such file: captions_constructed.jsn"),
        (SPEC.replace("[dataset]", "promts = 5\n[dataset]"), "s.toml: promts: unknown key: did you mean 'prompt'"),
        (SPEC.replace("seed = 0", 'seed = "0"'), "s.toml: seed: Expected `int`, got `str`"),
        (SPEC.replace('model = "simulator/', 'model = "openai/'), "s.toml: gveval-"),
    ],
)
def test_a_bad_spec_is_refused(work: Workplace, text: str, says: str) -> None:
    """A spec that cannot be read, names what is not there, or lacks a key for its provider leaves nothing behind."""
    (work.folder / "captions_constructed.json").write_bytes((EXAMPLES / "captions_constructed.json").read_bytes())
    (work.folder / "s.toml").write_text(text)
    assert_refused(work, work.run(source="s.toml"), says)


# The catalog


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[providers.lab\n", ":1: not TOML: "),
        ("[provider.lab]\n", ": provider: unknown key; the file holds [providers.NAME] tables"),
        ("providers = [1]\n", ": providers: is a table of tables: [providers.NAME]"),
        ('[providers]\nlab = "x"\n', ": providers.lab: a provider is a table: [providers.lab]"),
        (
            '[providers.x]\nprotocol = "openai"\nbase_ulr = "http://h/v1"\n',
            ": providers.x.base_ulr: unknown key: did you mean 'base_url' or",
        ),
        ('[providers.x]\nbase_url = "http://h/v1"\n', ": providers.x.protocol: is missing"),
        (
            '[providers.x]\nprotocol = "opanai"\nbase_url = "http://h/v1"\n',
            ": providers.x.protocol: unknown protocol 'opanai' (known: openai, azure, anthropic, gemini)",
        ),
    ],
)
def test_a_bad_catalog_is_refused(work: Workplace, text: str, says: str) -> None:
    """A catalog that cannot be read is named with line or key, as ./overnight.toml and as --config."""
    work.write([GOOD])
    (work.folder / "own.toml").write_text(text)
    assert_refused(work, work.run("--config", "own.toml"), f"own.toml{says}")
    (work.folder / "overnight.toml").write_text(text)
    assert_refused(work, work.run(), f"overnight.toml{says}")


def test_a_catalog_that_is_not_there(work: Workplace) -> None:
    """A --config that does not exist, or is a folder, is named."""
    work.write([GOOD])
    assert_refused(work, work.run("--config", "nothing.toml"), "nothing.toml: no such file")
    (work.folder / "d").mkdir()
    assert_refused(work, work.run("--config", "d"), "d: cannot be read: Is a directory")


def test_headers_that_are_not_on_record_stop_a_resume(work: Workplace) -> None:
    """A run whose provider left the catalog, and had headers of its own, is refused: their values are not on record."""
    work.write_catalog('headers = { X-Team = "eval" }\n')
    work.write([GOOD])
    work.provider.reply = lambda _: Reply(b"{}", 401)
    assert work.run().code == 6
    work.provider.forget()
    (work.folder / "overnight.toml").write_text("")
    ended = work.overnight("resume", "out")
    assert ended.code == 2
    assert ended.error == (
        "provider: the headers of lab are not in the run's record: put [providers.lab] in overnight.toml"
    )
    assert not work.provider.calls
