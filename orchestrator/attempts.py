"""One attempt, from the row's line to its settlement: what it may cost is reserved, its intent is on disk before its
bytes leave, and however it ends is written and accounted for."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from orchestrator.budget import Fit, round_up_usd
from orchestrator.deciding import EndLane, Failed, TryAgain, decide
from orchestrator.lane import Lane
from orchestrator.requests_file import RequestsFile
from orchestrator.retry import Policies
from orchestrator.sending import Slot, send
from orchestrator.settling import PendingSettlement
from outputs import lines
from outputs.fold import RunState
from outputs.journal import Journal, Log
from outputs.records import RequestLine
from providers.prices import upper_bound_usd
from providers.tokens import upper_bound_tokens
from providers.wire import SIMULATED_HEADER, Answer, Billing, Failure, FailureKind, HttpCall

# A row that may go: its request, its call, and what was reserved for it (None where it has no price).
Prepared = tuple[RequestLine, HttpCall, float | None]


_SHORTEST_SECRET = 8  # characters; a shorter one would be found where it is not
_HIDDEN = "[key]"


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
    _prepared: dict[int, Prepared] = field(default_factory=dict)

    def fit(self, lane: Lane, row: int) -> Fit:
        """Read a row and reserve what it may cost at most, where the budget has room for that."""
        request = self.requests.read(row)
        call = lane.adapter.encode(request.url, bytes(request.body))
        bound = _bound(lane, call.body)
        fit = lane.budget.try_reserve(bound)
        if fit is Fit.HELD and bound is not None:
            bound, fit = _reserve_exactly(lane, call.body, bound)
        if fit is Fit.RESERVED:
            self._prepared[row] = (request, call, bound)
        return fit

    async def make(self, lane: Lane, slot: Slot, row: int) -> None:
        """Make the attempt that `fit` has prepared. Raises WriteFailedError."""
        request, call, reserved = self._prepared.pop(row)
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
        decoded = lane.adapter.decode(request.url, status, headers, body)
        if isinstance(decoded, Failure):
            self._failed(lane, sent, decoded, headers, body)
        else:
            self._answered(lane, sent, decoded, headers, body)

    def _answered(self, lane: Lane, sent: Sent, answer: Answer, headers: Mapping[str, str], body: bytes) -> None:
        now = time.monotonic()
        latency_s = now - sent.started
        cost = None if lane.rates is None or answer.usage is None else round_up_usd(lane.rates.cost_usd(answer.usage))
        line = lines.response(
            sent.request,
            attempt=sent.attempt,
            at=time.time(),
            latency_s=latency_s,
            body=body,
            request_id=headers.get("x-request-id"),
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
        failure, body = _without_secret(lane, failure, body)
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

    def _give_up(self, lane: Lane, sent: Sent, failure: Failure, body: bytes) -> None:
        lane.throttled_since.pop(sent.row, None)
        line = lines.error(sent.request, attempt=sent.attempt, at=time.time(), failure=failure, raw=body)
        seq = self.journal.append(Log.ERRORS, line)
        kept = (sent.request, b"") if self.keep_bodies else None
        self.on_settled(PendingSettlement(seq, sent.row, None, None, failure, kept))

    def end_lane(self, lane: Lane, ending: EndLane) -> None:
        """Stop a lane, and log why."""
        if lane.stopped is None:
            line = lines.event("lane_stopped", time.time(), lane=lane.name, reason=ending.reason)
            self.journal.append(Log.EVENTS, line)
        lane.stop(ending.reason, ending.exit_code)


def _without_secret(lane: Lane, failure: Failure, body: bytes) -> tuple[Failure, bytes]:
    """What came back, without our key, which some providers echo."""
    secret = lane.secret
    if not secret or len(secret) < _SHORTEST_SECRET:
        return failure, body
    if secret in failure.message:
        failure = msgspec.structs.replace(failure, message=failure.message.replace(secret, _HIDDEN))
    return failure, body.replace(secret.encode(), _HIDDEN.encode())


def _bound(lane: Lane, body: bytes, input_tokens: int | None = None) -> float | None:
    """What a call can cost at most; by its bytes, or by its input tokens where they are given."""
    if lane.rates is None:
        return None
    bound = upper_bound_usd(lane.rates, body, lane.max_output_tokens, input_tokens)
    return None if bound is None else round_up_usd(bound)


def _reserve_exactly(lane: Lane, body: bytes, bound: float) -> tuple[float, Fit]:
    """By exact tokens, which are fewer than bytes; they are only counted where the output alone would fit."""
    output = _bound(lane, body, 0)
    if output is None or lane.provider.price_id != "openai":  # others count otherwise, whatever the model is called
        return bound, Fit.HELD
    fit = lane.budget.try_reserve(output)
    if fit is not Fit.RESERVED:
        return bound, fit
    lane.budget.release(output)
    tokens = upper_bound_tokens(lane.model, body)
    if tokens is None:
        return bound, Fit.HELD
    exact = _bound(lane, body, tokens) or bound
    return exact, lane.budget.try_reserve(exact)
