"""Lines of batches in OpenAI's form: those that go up, and those of output and error files, read whatever they hold.

A result is `{"id", "custom_id", "response": {"status_code", "request_id", "body"}, "error"}`. What differs: Azure has
the keys in another order and a failed row's error in the body; OpenAI has `response: null` for what never ran; vLLM has
a failed row's error, an object or a sentence, beside a response without a body.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
import orjson

from providers.batches.line_files import lines_of, one_line
from providers.batches.wire import Result

T = TypeVar("T")

NEVER_RAN = frozenset({"batch_expired", "batch_cancelled"})
_KEPT_OF_TORN = 64 << 10
_BOM = b"\xef\xbb\xbf"
_BY_CODE = {"request_timeout": 408, "server_error": 500, "internal_error": 500, "rate_limit_exceeded": 429}
_NOTHING = frozenset({b"null", b"", b"{}", b'""', b"false"})
_BREAKS = ("\u2028", "\u2029", "\u0085")  # servers in Python may split lines at them; they stand inside strings only
# A line's own custom_id: before it stand plain values only, so that nothing inside an answer passes for it.
_PLAIN = rb'(?:"[^"\\]{0,512}"|null|true|false|-?[0-9.eE+-]{1,40})'
_ID = re.compile(
    rb'\s{0,16}\{\s{0,16}(?:"[^"\\]{1,64}"\s{0,4}:\s{0,4}' + _PLAIN + rb"\s{0,4},\s{0,4}){0,8}"
    rb'"custom_id"\s{0,4}:\s{0,4}"([^"\\]{1,512})"\s{0,4}[,}]'
)
_ID_WITHIN = 8192  # bytes
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)
_number = msgspec.json.Decoder(int, strict=False)  # some write a status as a string
_NULL = msgspec.Raw(b"null")


def request_line(id_: str, url: str, body: bytes) -> bytes:
    """A row's line, without its line break; the body as it stands but for breaks that could end the line."""
    body = one_line(body)
    if not body.isascii():
        for character in _BREAKS:
            body = body.replace(character.encode(), b"\\u%04x" % ord(character))
    return b'{"custom_id":%b,"method":"POST","url":%b,"body":%b}' % (orjson.dumps(id_), orjson.dumps(url), body)


def read_results(path: Path) -> Iterator[Result]:
    """The results in a file, line by line. Never raises for what is in it."""
    for line, whole in lines_of(path):
        if read := line.removeprefix(_BOM):
            yield _result(read) if whole else _torn(read)


def _torn(line: bytes) -> Result:
    """What is left of a line that is not whole; its id, where that is whole and certainly its own."""
    found = _ID.match(line[:_ID_WITHIN])
    try:
        id_ = None if found is None else found[1].decode()
    except UnicodeDecodeError:
        id_ = None
    return Result(id_, body=line[:_KEPT_OF_TORN], torn=True)


def _result(line: bytes) -> Result:
    fields = _fields(line)
    if fields is None:
        return _torn(line)
    id_ = _read(_text, fields.get("custom_id"))
    response = _fields(fields.get("response", _NULL)) or {}
    error = bytes(fields.get("error", _NULL)).strip()
    body = bytes(response.get("body", _NULL))
    status = _status(response)
    request_id = _read(_text, response.get("request_id"))
    if body == b"null":
        body = b""
    if status == 200 and (body or error in _NOTHING):  # what was answered is paid for, whatever stands beside it
        return Result(id_, 200, body, request_id)
    if status is not None and status != 200:
        return Result(id_, status, enveloped(body or error), request_id)
    if error in _NOTHING:  # neither a response nor an error: not a line of results
        return msgspec.structs.replace(_torn(line), id=id_)
    code = _code(error)
    return Result(id_, _status_of(code), enveloped(error), request_id, ran=code not in NEVER_RAN)


def _status(response: dict[str, msgspec.Raw]) -> int | None:
    """The status of a response; of one that has an odd one or none, 200 where it has a body."""
    found = _read(_number, response.get("status_code"))
    if found is not None and 100 <= found <= 599:
        return found
    return 200 if bytes(response.get("body", _NULL)) != b"null" else None


def _code(error: bytes) -> str | int | None:
    """The code of a bare error: a word, or a status (vLLM)."""
    raw = (_fields(error) or {}).get("code")
    word = _read(_text, raw)
    return _read(_number, raw) if word is None else word


def _status_of(code: str | int | None) -> int:
    if isinstance(code, int):
        return code if 400 <= code <= 599 else 500
    return 400 if code is None else _BY_CODE.get(code, 400)


def enveloped(raw: bytes) -> bytes:
    """A body with its error under `error`, where one program puts it bare, or as a sentence."""
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return raw
    if isinstance(found, dict) and "error" not in found and ("message" in found or "code" in found):
        return b'{"error":%b}' % raw
    return orjson.dumps({"error": found}) if isinstance(found, str) else raw


def _fields(raw: bytes | msgspec.Raw) -> dict[str, msgspec.Raw] | None:
    try:
        return _object.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _read(decoder: msgspec.json.Decoder[T], raw: msgspec.Raw | None) -> T | None:
    if raw is None:
        return None
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
