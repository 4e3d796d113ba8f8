"""What the job is told of a settlement, live and in replay alike."""

from typing import Any

import msgspec

from jobs.protocol import Answered, Failed
from outputs.records import RequestLine
from providers.adapters import read_completion
from providers.wire import Failure, Usage

_metadata = msgspec.json.Decoder(dict[str, Any] | None)
_custom_id = msgspec.json.Decoder(str)


class PendingSettlement(msgspec.Struct):
    """A settlement whose line is written but not yet known to be on disk.

    `kept`: what the job will be told from, and duplicates answered with. `reserved_usd`: what was reserved for an
    answer. `duplicate_of`: the row whose answer this repeats.
    """

    seq: int
    row: int
    usage: Usage | None
    cost_usd: float | None
    failure: Failure | None
    kept: tuple[RequestLine, bytes] | None
    reserved_usd: float | None = None
    duplicate_of: int | None = None
    by_batch: bool = False


def metadata_of(request: RequestLine) -> dict[str, Any]:
    return _metadata.decode(request.metadata) or {}


def answered(seq: int, request: RequestLine, protocol: str, body: bytes, repeat: bool) -> Answered:
    """An answer as the job sees it."""
    return Answered(
        seq=seq,
        custom_id=_custom_id.decode(request.custom_id),
        metadata=metadata_of(request),
        completion=read_completion(protocol, body),
        repeat=repeat,
    )


def failed(seq: int, request: RequestLine, kind: str, message: str, repeat: bool) -> Failed:
    """A final failure as the job sees it."""
    return Failed(
        seq=seq,
        custom_id=_custom_id.decode(request.custom_id),
        metadata=metadata_of(request),
        kind=kind,
        message=message,
        repeat=repeat,
    )
