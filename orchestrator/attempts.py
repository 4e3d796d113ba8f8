"""One attempt, from the row's line to its settlement: what it may cost is reserved, its intent is on disk before its
bytes leave, and however it ends is written and accounted for."""

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from orchestrator.bounding import Call, pictured_call, plain_call, reserve
from orchestrator.budget import Fit, round_up_usd
from orchestrator.deciding import EndLane, Failed, TryAgain, decide
from orchestrator.lane import Lane
from orchestrator.media_stage import MediaStage, wanted_media
from orchestrator.requests_file import RequestsFile
from orchestrator.retry import Policies
from orchestrator.sending import Slot, send
from orchestrator.settling import PendingSettlement
from outputs import lines
from outputs.fold import RunState
from outputs.journal import Journal, Log
from outputs.records import RequestLine
from prompts.input_error import InputError
from providers.cost_bounds import has_dear_tier
from providers.failures import MESSAGE_LIMIT
from providers.wire import SIMULATED_HEADER, Answer, Billing, Failure, FailureKind, HttpCall

# A row that may go: its request, its call, and what was reserved for it (None where it has no price).
Ready = tuple[RequestLine, HttpCall, float | None]


class Sent(NamedTuple):
    """An attempt under way. Times are monotonic seconds: when its row was taken, and when its bytes left."""

    row: int
    request: RequestLine
    attempt: int
    reserved_usd: float | None
    taken: float
    started: float


@dataclass(slots=True)
class Attempts:
    """Makes attempts, one at a time for each worker.

    `on_settled` is handed what has been written and will count once it is on disk; `on_money` is called whenever a
    reservation has ended. `seconds_left` says how long it is to the deadline.
    """

    state: RunState
    journal: Journal
    requests: RequestsFile
    keep_bodies: bool
    on_settled: Callable[[PendingSettlement], None]
    on_money: Callable[[], None]
    seconds_left: Callable[[], float | None]
    policies: Policies = field(default_factory=Policies)
    media: MediaStage | None = None  # where rows may have pictures
    _ready: dict[int, Ready] = field(default_factory=dict)
    _begun: set[int] = field(default_factory=set)  # rows whose pictures are being made ready ahead of their turn

    def fit(self, lane: Lane, row: int) -> Fit:
        """Read a row and reserve what it may cost at most, where its pictures are ready and the budget has room."""
        request = self.requests.read(row)
        try:
            call = plain_call(lane, request) if request.media is None else self._with_pictures(lane, row, request)
        except InputError as error:
            return self._give_up_unsent(lane, row, request, error)
        if call is None:
            return Fit.PREPARING
        fit, reserved = reserve(lane, call)
        if fit is Fit.RESERVED:
            self._ready[row] = (request, call.http, reserved)
        return fit

    def _with_pictures(self, lane: Lane, row: int, request: RequestLine) -> Call | None:
        """The call of a row with pictures; None where they are not ready yet. Raises InputError."""
        assert self.media is not None
        wanted = wanted_media(request, lane.provider, lane.image_tokens)
        self._prepare_ahead(lane)
        pictures = self.media.take(wanted, lane.media_came)
        if pictures is None:
            return None
        self._begun.discard(row)
        return pictured_call(lane, request, pictures)

    def _prepare_ahead(self, lane: Lane) -> None:
        """Have the pictures of the next rows made ready, so that the pool is never idle while there are rows."""
        assert self.media is not None
        for upcoming in lane.upcoming(self.media.ahead):
            if upcoming in self._begun:
                continue
            self._begun.add(upcoming)
            request = self.requests.read(upcoming)
            if request.media is not None:
                with contextlib.suppress(InputError):  # told when it is its turn
                    self.media.begin(wanted_media(request, lane.provider, lane.image_tokens))

    async def make(self, lane: Lane, slot: Slot, row: int) -> None:
        """Make the attempt that `fit` has prepared. Raises WriteFailedError."""
        request, call, reserved = self._ready.pop(row)
        taken = time.monotonic()
        attempt = self.state.attempts[row] + 1
        seq = self.journal.append(Log.ATTEMPTS, lines.intent(request.seq, attempt, time.time(), reserved))
        self.state.begin_attempt(row, attempt, reserved)
        await self.journal.intent_on_disk(seq)
        sent = Sent(row, request, attempt, reserved, taken, time.monotonic())
        got = await send(lane, slot, call)
        if isinstance(got, Failure):
            self._failed(lane, sent, got, {}, b"")
            return
        status, headers, body = got
        body = lane.secrets.hide_bytes(body)  # some echo the headers of a request, and messages are cut further down
        decoded = lane.adapter.decode(request.url, status, headers, body)
        if isinstance(decoded, Failure):
            self._failed(lane, sent, decoded, headers, body)
        else:
            self._answered(lane, sent, decoded, headers, body)

    def _answered(self, lane: Lane, sent: Sent, answer: Answer, headers: Mapping[str, str], body: bytes) -> None:
        now = time.monotonic()
        latency_s = now - sent.started
        cost = _cost_usd(lane, sent, answer, now)
        line = lines.response(
            sent.request,
            attempt=sent.attempt,
            at=time.time(),
            latency_s=latency_s,
            body=body,
            request_id=_request_id(lane, headers),
            usage=answer.usage,
            cost_usd=cost,
        )
        if SIMULATED_HEADER in headers and not self.state.simulated:
            self.state.simulated = True
            self.journal.append(Log.EVENTS, lines.event("simulated", time.time(), lane=lane.name))
        seq = self.journal.append(Log.RESPONSES, line)
        lane.transient_run = 0
        lane.latency.note(latency_s)
        lane.limits.answered(sent.row, sent.taken, now, answer.usage, headers, lane.in_flight)
        if lane.throttled_since:
            lane.throttled_since.pop(sent.row, None)
        if cost is not None and sent.reserved_usd is not None and cost > sent.reserved_usd:
            self._stop_overrun(lane)
        kept = (sent.request, body) if self.keep_bodies else None
        self.on_settled(PendingSettlement(seq, sent.row, answer.usage, cost, None, kept, sent.reserved_usd))

    def _stop_overrun(self, lane: Lane) -> None:
        """The whole run stops once such an answer is on disk; its lane at once, as no bound of its calls holds."""
        if lane.budget.capped:
            self.end_lane(lane, EndLane("an answer cost more than was reserved for it", 4))

    def _failed(self, lane: Lane, sent: Sent, failure: Failure, headers: Mapping[str, str], body: bytes) -> None:
        failure = lane.secrets.hide_in(failure)
        line = lines.settlement(sent.request.seq, sent.attempt, time.time(), failure, body)
        self.journal.append(Log.ATTEMPTS, line)
        self.state.settle_attempt(sent.row, failure.billing, failure.kind.value)
        self._end_reservation(lane, sent, failure.billing)
        now = time.monotonic()
        self._tell_limits(lane, sent, failure, headers, now)
        failed = Failed(sent.row, failure, self.state.failed_attempts[sent.row], sent.taken)
        decision = decide(lane, failed, self.policies, now, self.seconds_left())
        if isinstance(decision, EndLane):
            self.end_lane(lane, decision)
            lane.put_back(sent.row, 0.0)
        elif isinstance(decision, TryAgain):
            lane.put_back(sent.row, decision.due)
        else:
            self._give_up(lane, sent, failure, body)

    def _end_reservation(self, lane: Lane, sent: Sent, billing: Billing) -> None:
        if billing is Billing.UNBILLED:
            lane.budget.release(sent.reserved_usd)
        else:
            lane.budget.keep_as_maybe(sent.reserved_usd)
        self.on_money()

    def _tell_limits(self, lane: Lane, sent: Sent, failure: Failure, headers: Mapping[str, str], now: float) -> None:
        if failure.kind is FailureKind.THROTTLED:
            lane.limits.refused(sent.row, sent.taken, now, failure.retry_after_s, headers, lane.in_flight)
            return
        if failure.kind is FailureKind.TIMED_OUT:
            lane.latency.note(lane.provider.timeout_s)
        unbilled = failure.billing is Billing.UNBILLED
        lane.limits.failed(sent.row, sent.taken, unbilled=unbilled, let_in=failure.kind is FailureKind.ROW_REFUSED)

    def _give_up_unsent(self, lane: Lane, row: int, request: RequestLine, error: InputError) -> Fit:
        """A picture that cannot be made ready, or a body that cannot be said, costs its row, and nothing else."""
        self._begun.discard(row)
        lane.throttled_since.pop(row, None)
        self.give_up(row, request, unsendable(request, error), b"")
        return Fit.GONE

    def _give_up(self, lane: Lane, sent: Sent, failure: Failure, body: bytes) -> None:
        lane.throttled_since.pop(sent.row, None)
        self.give_up(sent.row, sent.request, failure, body, sent.attempt)

    def give_up(
        self, row: int, request: RequestLine, failure: Failure, body: bytes, attempt: int | None = None
    ) -> None:
        """Fail a row for good: its last attempt has been settled before, or there was none."""
        made = self.state.attempts[row] if attempt is None else attempt
        line = lines.error(request, attempt=made, at=time.time(), failure=failure, raw=body)
        seq = self.journal.append(Log.ERRORS, line)
        kept = (request, b"") if self.keep_bodies else None
        self.on_settled(PendingSettlement(seq, row, None, None, failure, kept))

    def end_lane(self, lane: Lane, ending: EndLane) -> None:
        """Stop a lane, and log why."""
        if lane.stopped is None:
            line = lines.event("lane_stopped", time.time(), lane=lane.name, reason=ending.reason)
            self.journal.append(Log.EVENTS, line)
        lane.stop(ending.reason, ending.exit_code)


def unsendable(request: RequestLine, error: InputError) -> Failure:
    """The failure of a row whose call cannot be made: its picture cannot be made ready, or its body cannot be said."""
    place = "" if error.field is None else f"{error.field}: "
    kind = FailureKind.ROW_REFUSED if request.media is None else FailureKind.BAD_MEDIUM
    return Failure(kind, Billing.UNBILLED, f"{place}{error.message}"[:MESSAGE_LIMIT])


def _cost_usd(lane: Lane, sent: Sent, answer: Answer, now: float) -> float | None:
    """What an answer cost; None where its usage, its price, or that of the tier it asked for is not known."""
    if lane.rates is None or answer.usage is None:
        return None
    if sent.reserved_usd is None and has_dear_tier(bytes(sent.request.body), url=sent.request.url):
        return None
    at = time.time() if lane.rates.by_hour else 0.0
    return round_up_usd(lane.rates.cost_between_usd(answer.usage, at - (now - sent.started), at))


def _request_id(lane: Lane, headers: Mapping[str, str]) -> str | None:
    found = headers.get("x-request-id") or headers.get("request-id")  # the second is Anthropic's
    return None if found is None else lane.secrets.hide(found)
