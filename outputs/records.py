"""The lines of a run's log, as they are read back: each record names the fields a reader needs and skips the rest.

Every line starts with `seq`. `request` is the seq of the request's own line, which is how lines of different files
belong together; times (`at`) are seconds since 1970 UTC; money is USD.
"""

from typing import Any

import msgspec

from outputs.batches import BatchTold, Step
from prompts.records import Completion
from providers.adapters import read_completion, recognise_protocol
from providers.media.preflight import Medium
from providers.wire import Billing, Usage

NULL = msgspec.Raw(b"null")


class RequestLine(msgspec.Struct, frozen=True):
    """A line of `requests.jsonl`: a manifest line with its lane and fingerprint. Raw fields keep their JSON bytes."""

    seq: int
    custom_id: msgspec.Raw
    url: str
    provider: msgspec.Raw
    model: msgspec.Raw
    fingerprint: msgspec.Raw
    body: msgspec.Raw
    method: str = "POST"
    metadata: msgspec.Raw = NULL
    media: tuple[Medium | None, ...] | None = None  # of the body's; None for what the provider fetches


class RequestMetadata(msgspec.Struct, frozen=True):
    """What is read of a request's metadata, which in a manifest may be anything."""

    stage: Any = None
    repeat: Any = None  # of a question that is asked several times on purpose

    @property
    def stage_name(self) -> str:
        """The stage of the job that the row belongs to; empty where there is none."""
        return self.stage if isinstance(self.stage, str) else ""


NO_METADATA = RequestMetadata()


class RequestHead(msgspec.Struct, frozen=True):
    """What a replay needs of a request."""

    seq: int
    custom_id: str
    provider: str
    model: str
    fingerprint: str
    after: int | None = None  # the seq of the settlement that a derived request follows from
    metadata: RequestMetadata | None = None


class AttemptLine(msgspec.Struct, frozen=True):
    """A line of `attempts.jsonl`.

    Without `settled` it stands before an attempt: what it may cost at most (`reserved_usd`, null where unpriced), and
    the batch that it goes by, if any. With `settled` it says how the attempt ended; `cost_usd` is what one cost that
    was billed and brought no answer. An answered attempt's settlement is its line in `responses.jsonl` instead.

    With `step` it is about a batch as a whole, and of no request: `batch` is the seq of the batch's first line, which
    has none; see `outputs.batches`.
    """

    seq: int
    request: int = 0
    attempt: int = 0
    at: float = 0.0
    reserved_usd: float | None = None
    settled: Billing | None = None
    kind: str | None = None
    status: int | None = None
    code: str | None = None
    message: str | None = None
    cost_usd: float | None = None
    batch: int | None = None
    step: Step | None = None
    told: BatchTold | None = None


class ResponseHead(msgspec.Struct, frozen=True):
    """What a replay needs of a line of `responses.jsonl`: all but the body."""

    seq: int
    request: int
    attempts: int
    usage: Usage | None = None
    cost_usd: float | None = None
    latency_s: float | None = None  # None where nobody measured it: an imported answer
    at: float = 0.0
    duplicate_of: int | None = None  # the request (by seq) whose answer this line repeats without a call of its own
    batch: int | None = None  # the seq of the first line of the batch that it came by


class HttpResponse(msgspec.Struct, frozen=True):
    """The `response` of a line in the OpenAI Batch output format."""

    status_code: int
    body: msgspec.Raw
    request_id: str | None = None


class ResponseLine(msgspec.Struct, frozen=True, kw_only=True):
    """A whole line of `responses.jsonl`."""

    seq: int
    request: int
    custom_id: str
    provider: str
    model: str
    fingerprint: str
    attempts: int
    at: float
    latency_s: float | None
    response: HttpResponse
    usage: Usage | None = None
    cost_usd: float | None = None
    metadata: dict[str, Any] | None = None
    body_sha256: str = ""
    duplicate_of: int | None = None  # the request (by seq) whose answer this repeats
    batch: int | None = None  # as in ResponseHead

    @property
    def completion(self) -> Completion:
        """The answer in one shape for every protocol: text, finish reason, refusal, log probabilities.

        Raises ValueError where the body is of no protocol that is known.
        """
        body = bytes(self.response.body)
        return read_completion(recognise_protocol(body), body)

    @property
    def body(self) -> dict[str, Any]:
        """The provider's answer, decoded."""
        decoded: dict[str, Any] = msgspec.json.decode(self.response.body)
        return decoded


class ErrorInfo(msgspec.Struct, frozen=True):
    """Why a request finally failed: `code` is the failure's kind."""

    code: str
    message: str


class ErrorLine(msgspec.Struct, frozen=True):
    """A line of `errors.jsonl`."""

    seq: int
    request: int
    custom_id: str
    error: ErrorInfo
    attempts: int = 0
    metadata: dict[str, Any] | None = None


class EventLine(msgspec.Struct, frozen=True):
    """A line of `events.jsonl`. The fields beyond `event` belong to the kinds that a replay acts on.

    `retry`: finally failed rows are put up again. `asked_changed`: an edited manifest withdrew and restored the
    requests with these seqs, and `adding` new request lines follow it. `budget`: the caps from here on, in USD
    (`run`, `providers`, `models`). `dedupe`: whether equal requests are asked once from here on. `via`: how rows travel
    from here on. `estimate`: what the run was expected to take, as it was told.
    """

    seq: int
    event: str
    at: float = 0.0
    withdrawn: tuple[int, ...] = ()
    restored: tuple[int, ...] = ()
    adding: int = 0
    sha256: str | None = None
    reason: str | None = None
    exit_code: int | None = None
    budget: dict[str, Any] | None = None
    dedupe: bool | None = None
    estimate: dict[str, Any] | None = None
    via: str | None = None
