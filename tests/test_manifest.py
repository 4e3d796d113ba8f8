"""Manifests that are accepted, and what goes out for them: the body's bytes, just as they stand in the file."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.manifest import ManifestJob, nesting, read_manifest
from orchestrator.checking import RequestCheck
from orchestrator.requests_file import NewRow, request_line
from outputs.journal import Log
from prompts.input_error import InputError
from providers.catalog import Catalog
from providers.provider import Provider
from tests.harness.workplace import Workplace, jsonl, line

MESSAGES = b'"messages":[{"role":"user","content":"hi"}]'


def asking(custom_id: str, body: bytes) -> bytes:
    return b'{"custom_id":"%b","url":"/v1/chat/completions","body":%b}' % (custom_id.encode(), body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"lab-1",%b}' % MESSAGES,
        b'{ "model" :\t"lab-1" ,  %b }' % MESSAGES,
        b'{%b,"model":"lab-1"}' % MESSAGES,
        b'{"model":"lab-1",%b,"seed":123456789012345678901234567890}' % MESSAGES,
        b'{"model":"lab-1",%b,"x":1e400,"y":-1E+400,"z":1.0,"w":0.10000000000000000001}' % MESSAGES,
        rb'{"model":"lab-1","messages":[{"role":"user","content":"\ud83d\ude00 \u2028 \/ \u0000"}]}',
        '{"model":"lab-1","messages":[{"role":"user","content":"\u2028\u2029\x85 😀 ü"}]}'.encode(),
        b'{"model":"lab-1",%b,"unknown":{"to us":[null,true]},"metadata":{"a":"b"}}' % MESSAGES,
        b'{"model":"lab-1",%b,"deep":%b}' % (MESSAGES, b"[" * 150 + b"]" * 150),
        rb'{"mod\u0065l":"lab-1","messages":[{"role":"user","content":"[[[{{{\"]"}]}',
    ],
)
def test_a_body_goes_out_byte_for_byte(work: Workplace, body: bytes) -> None:
    """White space, order of keys, escapes, long numbers and unknown keys reach the provider as they stand."""
    work.provider.reply = lambda _: work.reply("ok")
    work.write(asking("a", body) + b"\n")
    ended = work.run()
    assert ended.code == 0, ended
    assert [call.body for call in work.provider.calls] == [body]
    assert work.provider.calls[0].path == "/v1/chat/completions"


@pytest.mark.parametrize(
    "manifest",
    [
        jsonl([line("a"), line("b")]),
        jsonl([line("a"), line("b")])[:-1],
        jsonl([line("a"), line("b")]).replace(b"\n", b"\r\n"),
        jsonl([line("a"), line("b")]).replace(b"\n", b"\r\n")[:-1],
        b"\xef\xbb\xbf" + jsonl([line("a"), line("b")]),
        b"\xef\xbb\xbf\r\n" + jsonl([line("a"), line("b")]),
        b"\n  \r\n" + jsonl([line("a")]) + b"\n\n\t" + jsonl([line("b")]) + b"\n \n",
    ],
    ids=["plain", "no last line break", "CRLF", "a carriage return at the end", "BOM", "BOM alone", "blank lines"],
)
def test_line_ends_marks_and_blank_lines_do_not_matter(work: Workplace, manifest: bytes) -> None:
    """However lines end, and whatever blank ones stand between them, the same two requests are read."""
    work.write(manifest)
    assert work.run().code == 0
    assert work.provider.texts == ["a", "b"]
    assert {call.body for call in work.provider.calls} == {json.dumps(line(x)["body"]).encode() for x in "ab"}


def test_the_method_may_be_left_out_and_metadata_comes_back(work: Workplace) -> None:
    """Optional keys are optional; metadata is carried into the answers as it was."""
    metadata = {"item": "video 7", "nested": {"list": [1, 2.5, None, "\u2028"]}}
    plain = {key: value for key, value in line("a").items() if key != "method"}
    work.write([plain, line("b", metadata=metadata, provider="lab"), line("c", metadata=None, provider=None)])
    assert work.run().code == 0
    assert {name: one["metadata"] for name, one in work.answered().items()} == {"a": None, "b": metadata, "c": None}


def test_ids_may_be_any_text(work: Workplace) -> None:
    """Ids with line breaks, quotes, control characters and other scripts come back as they were, one line each."""
    ids = ['a"}\n{"custom_id":"b', "\x1b[31mred", "a\u2028b", "日本", "x" * 5_000, " padded "]
    work.write([line(name, text=str(number)) for number, name in enumerate(ids)])
    assert work.run().code == 0
    assert set(work.answered()) == set(ids)
    assert {one["custom_id"] for one in work.lines(Log.REQUESTS)} == set(ids)


def test_a_line_of_twenty_megabytes(work: Workplace) -> None:
    """A 20 MB line is checked, logged, sent and resumed like any other."""
    large = "x" * 20_000_000
    work.provider.reply = lambda _: work.reply("ok")
    work.write([line("small"), line("large", large), line("last")])
    assert work.run().code == 0
    assert sorted(len(call.body) > 20_000_000 for call in work.provider.calls) == [False, False, True]
    assert work.run().code == 0
    assert len(work.provider.calls) == 3
    assert work.overnight("status", "out", "--json").json["answered"] == 3


def test_the_log_of_requests_is_the_manifest_s_lines_in_order(work: Workplace) -> None:
    """`requests.jsonl` holds every line of the manifest in its order, with where it goes and a rising seq."""
    work.write([line(f"r{number}") for number in range(50)])
    assert work.run().code == 0
    lines = work.lines(Log.REQUESTS)
    assert [one["custom_id"] for one in lines] == [f"r{number}" for number in range(50)]
    assert [one["seq"] for one in lines] == list(range(1, 51))
    assert {(one["provider"], one["model"], one["method"]) for one in lines} == {("lab", "lab-1", "POST")}
    assert [one["body"] for one in lines] == [line(f"r{number}")["body"] for number in range(50)]


def test_duplicates_are_found_by_id_not_by_hash_alone(tmp_path: Path) -> None:
    """Ten thousand ids that differ in a character are all accepted; one that stands twice is found among them."""
    path = tmp_path / "m.jsonl"
    path.write_bytes(jsonl(line(f"id-{number}") for number in range(10_000)))
    assert len(list(ManifestJob(path).numbered())) == 10_000
    with path.open("ab") as file:
        file.write(jsonl([line("id-77")]))
    with pytest.raises(InputError) as caught:
        list(ManifestJob(path).numbered())
    assert str(caught.value) == f"{path}:10001: custom_id: 'id-77' stands on line 78 already"


def test_a_manifest_s_lines_are_numbered_as_an_editor_does(tmp_path: Path) -> None:
    """Blank lines count, and U+2028, a vertical tab or a lone carriage return inside a text end no line."""
    path = tmp_path / "m.jsonl"
    odd = json.dumps(line("a", "one\u2028two\x0bthree\x85"), ensure_ascii=False).encode()
    path.write_bytes(b"\n" + odd + b"\n\n\n" + jsonl([line("b")]))
    assert [(number, request.custom_id) for number, request in read_manifest(path)] == [(2, "a"), (5, "b")]


LINE = json.dumps(line("a", body={"n": 1, "max_tokens": 10, "x": [{}]}, metadata={"k": "v"})).encode()
CATALOG = Catalog({"lab": Provider(protocol="openai", base_url="http://h/v1", models=("lab-*",), free=True)})
FRAGMENTS = [
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"0",
    b"-1",
    b"1e999",
    b"\n",
    b"\r",
    b"\xff",
    b"\\ud800",
]


@given(
    st.lists(
        st.tuples(st.integers(0, len(LINE)), st.integers(0, 12), st.sampled_from(FRAGMENTS) | st.binary(max_size=3)),
        max_size=3,
    )
)
@settings(max_examples=300)
def test_any_bytes_are_read_or_refused(edits: list[tuple[int, int, bytes]]) -> None:
    """However a manifest is mangled, each line becomes a request or an error that names the file."""
    text = LINE + b"\n" + LINE.replace(b'"a"', b'"b"')
    for place, cut, put in edits:
        text = text[:place] + put + text[place + cut :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.jsonl"
        path.write_bytes(text)
        found = checked(path)
        if isinstance(found, InputError):
            assert found.file == str(path)
            assert str(found).isprintable()
            return
        for row in found:
            assert json.loads(b"{" + request_line(row))["custom_id"] == row.custom_id
            assert b"\n" not in request_line(row)


def checked(path: Path) -> list[NewRow] | InputError:
    try:
        return list(RequestCheck(ManifestJob(path), CATALOG, path).rows())
    except InputError as error:
        return error


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text('[]{}"\\a'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('[{"\\', max_size=3), inner, max_size=3),
    max_leaves=8,
)


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


@given(json_values, st.booleans())
def test_nesting_is_counted_outside_of_strings(value: object, indented: bool) -> None:
    """The nesting of a JSON text is that of its value, whatever its strings look like."""
    assert nesting(json.dumps(value, indent=2 if indented else None).encode()) == _depth(value)
