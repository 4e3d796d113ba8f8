"""Writing the log's lines: what happened, as the JSON bytes that stand behind `seq`.

No answer can forge a line: a body is embedded only after it was found to be JSON, with the line breaks between its
tokens made spaces (JSON allows none inside a string); anything else is stored as a string.
"""

import base64
import hashlib

import msgspec
import orjson

from outputs.batches import BatchTold, Step
from outputs.records import RequestLine
from providers.wire import Billing, Failure, Usage

_NULL = b"null"


def embeddable(body: bytes) -> bytes:
    """A valid JSON body on one line; all else of it stays as it came."""
    if b"\n" in body:
        body = body.replace(b"\n", b" ")
    if b"\r" in body:
        body = body.replace(b"\r", b" ")
    return body


def raw_field(body: bytes) -> bytes:
    """`"raw":"..."` for text, `"raw_base64":"..."` for bytes that are not UTF-8: what came back, whatever it was."""
    try:
        return b'"raw":%b' % orjson.dumps(body.decode())
    except UnicodeDecodeError:
        return b'"raw_base64":"%b"' % base64.b64encode(body)


def intent(request_seq: int, attempt: int, at: float, reserved_usd: float | None, batch: int | None = None) -> bytes:
    """The line before an attempt. `batch`: the seq of the first line of the batch that it goes by."""
    reserved = _NULL if reserved_usd is None else b"%.9f" % reserved_usd
    by = b"" if batch is None else b',"batch":%d' % batch
    return b'"request":%d,"attempt":%d,"at":%.3f,"reserved_usd":%b%b}' % (request_seq, attempt, at, reserved, by)


def batch_step(step: Step, at: float, told: BatchTold | None = None, batch: int | None = None) -> bytes:
    """A line about a batch: its first, or one more of the batch whose first line has the seq `batch`."""
    of = b"" if batch is None else b'"batch":%d,' % batch
    said = b"" if told is None else b',"told":' + msgspec.json.encode(told)
    return b'%b"step":"%b","at":%.3f%b}' % (of, step.value.encode(), at, said)


def settlement(
    request_seq: int, attempt: int, at: float, failure: Failure, raw: bytes = b"", cost_usd: float | None = None
) -> bytes:
    """The line that says how an attempt without an answer ended; `raw` is what came back where that may be billed.

    `cost_usd`: what it cost, where it is known to have been billed all the same.
    """
    return _settled(
        request_seq,
        attempt,
        at,
        failure.billing,
        failure.kind.value,
        failure.message,
        failure.status,
        failure.code,
        raw,
        cost_usd,
    )


def unsettled(request_seq: int, attempt: int, at: float) -> bytes:
    """The settlement of an attempt whose process was killed: nobody knows whether it was billed."""
    message = "the process ended before this attempt settled"
    return _settled(request_seq, attempt, at, Billing.MAYBE, "killed", message, None, None, b"")


def not_sent(request_seq: int, attempt: int, at: float, why: str) -> bytes:
    """The settlement of an attempt by a batch that never ran, or not as far as to its row."""
    return _settled(request_seq, attempt, at, Billing.UNBILLED, "not_sent", why, None, None, b"")


def _settled(
    request_seq: int,
    attempt: int,
    at: float,
    billing: Billing,
    kind: str,
    message: str,
    status: int | None,
    code: str | None,
    raw: bytes,
    cost_usd: float | None = None,
) -> bytes:
    return b'"request":%d,"attempt":%d,"at":%.3f,"settled":"%b","kind":"%b","status":%b,"code":%b,"message":%b%b%b}' % (
        request_seq,
        attempt,
        at,
        billing.value.encode(),
        kind.encode(),
        orjson.dumps(status),
        orjson.dumps(code),
        orjson.dumps(message),
        b"" if cost_usd is None else b',"cost_usd":%.9f' % cost_usd,
        b"," + raw_field(raw) if raw and billing is not Billing.UNBILLED else b"",
    )


def response(
    request: RequestLine,
    *,
    attempt: int,
    at: float,
    latency_s: float | None,
    body: bytes,
    request_id: str | None,
    usage: Usage | None,
    cost_usd: float | None,
    duplicate_of: int | None = None,
    batch: int | None = None,
) -> bytes:
    """The line of an answer, in the OpenAI Batch output format and beyond. `body` has been found to be JSON.

    `duplicate_of`: the seq of the request whose answer this one repeats, without a call of its own. `latency_s` is None
    where nobody measured it. `batch`: the seq of the first line of the batch that it came by.
    """
    return (
        b'"request":%d,"id":"overnight-%d",%b%b"custom_id":%b,"provider":%b,"model":%b,"fingerprint":%b,"attempts":%d,'
        b'"at":%.3f,"latency_s":%b,"usage":%b,"cost_usd":%b,"body_sha256":"%b","metadata":%b,"error":null,'
        b'"response":{"status_code":200,"request_id":%b,"body":%b}}'
    ) % (
        request.seq,
        request.seq,
        b"" if duplicate_of is None else b'"duplicate_of":%d,' % duplicate_of,
        b"" if batch is None else b'"batch":%d,' % batch,
        request.custom_id,
        request.provider,
        request.model,
        request.fingerprint,
        attempt,
        at,
        _NULL if latency_s is None else b"%.4f" % latency_s,
        _usage(usage),
        _NULL if cost_usd is None else b"%.9f" % cost_usd,
        hashlib.sha256(body).hexdigest().encode(),
        request.metadata,
        _NULL if request_id is None else orjson.dumps(request_id.encode(errors="replace").decode()),
        embeddable(body),
    )


def _usage(usage: Usage | None) -> bytes:
    if usage is None:
        return _NULL
    return b'{"input_tokens":%d,"output_tokens":%d,"cached_tokens":%d%b%b%b}' % (
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        b',"cache_write_tokens":%d' % usage.cache_write_tokens if usage.cache_write_tokens else b"",
        b',"reasoning_tokens":%d' % usage.reasoning_tokens if usage.reasoning_tokens else b"",
        b',"long_cache_write_tokens":%d' % usage.long_cache_write_tokens if usage.long_cache_write_tokens else b"",
    )


def error(request: RequestLine, *, attempt: int, at: float, failure: Failure, raw: bytes) -> bytes:
    """The line of a request that finally failed, in the OpenAI Batch output format and beyond."""
    response = (
        _NULL
        if failure.status is None
        else b'{"status_code":%d,"request_id":null,"body":{%b}}' % (failure.status, raw_field(raw))
    )
    return (
        b'"request":%d,"id":"overnight-%d","custom_id":%b,"provider":%b,"model":%b,"fingerprint":%b,"attempts":%d,'
        b'"at":%.3f,"metadata":%b,"error":{"code":"%b","message":%b,"provider_code":%b},"response":%b}'
    ) % (
        request.seq,
        request.seq,
        request.custom_id,
        request.provider,
        request.model,
        request.fingerprint,
        attempt,
        at,
        request.metadata,
        failure.kind.value.encode(),
        orjson.dumps(failure.message),
        orjson.dumps(failure.code),
        response,
    )


def event(name: str, at: float, **fields: object) -> bytes:
    """A line of `events.jsonl`."""
    return orjson.dumps({"event": name, "at": round(at, 3), **fields})[1:]
