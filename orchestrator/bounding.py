"""What a call can cost at most: by its bytes, by exact tokens where bytes are too many, pictures by their size."""

from collections.abc import Sequence
from typing import NamedTuple

from orchestrator.budget import Fit, round_up_usd
from orchestrator.lane import Lane
from orchestrator.media_stage import Pictures
from outputs.records import RequestLine
from providers.media.image_tokens import most_image_tokens, most_remote_tokens
from providers.media.inlining import inline
from providers.media.preparing import base64_bytes
from providers.media.references import Reference, find_references
from providers.prices import Rates, upper_bound_usd
from providers.provider import ImageTokens
from providers.tokens import upper_bound_tokens
from providers.wire import HttpCall


class Call(NamedTuple):
    """A row's call. `asked` is the body as it was asked, before any translation.

    `payload` is how many bytes of the call's body are pictures, `picture_tokens` what they count at most.
    """

    request: RequestLine
    asked: bytes
    http: HttpCall
    payload: int = 0
    picture_tokens: int = 0


def payload_bytes(pictures: Pictures) -> int:
    """How many bytes of a body are its pictures, in base64."""
    return sum(base64_bytes(len(one.data)) for shown in pictures for one in shown or ())


def picture_tokens(rule: ImageTokens, references: Sequence[Reference], pictures: Pictures) -> int:
    """What the pictures of a body count at most."""
    most = 0
    for reference, shown in zip(references, pictures, strict=True):
        if shown is None:
            most += most_remote_tokens(rule, reference.detail)
        else:
            most += sum(most_image_tokens(rule, one.width, one.height, reference.detail) for one in shown)
    return most


def plain_call(lane: Lane, request: RequestLine) -> Call:
    """The call of a row without pictures. Raises InputError."""
    body = bytes(request.body)
    return Call(request, body, lane.adapter.encode(request.url, body))


def pictured_call(lane: Lane, request: RequestLine, pictures: Pictures) -> Call:
    """The call of a row with pictures, which are ready. Raises InputError."""
    body = bytes(request.body)
    http = lane.adapter.encode(request.url, inline(body, pictures))
    tokens = picture_tokens(lane.image_tokens, find_references(body), pictures)
    return Call(request, body, http, payload_bytes(pictures), tokens)


def reserve(lane: Lane, call: Call) -> tuple[Fit, float | None]:
    """Reserve what the call may cost at most, USD, where the budget has room for that."""
    return reserve_at(lane, call, lane.rates)


def reserve_at(lane: Lane, call: Call, rates: Rates | None) -> tuple[Fit, float | None]:
    """The same at other rates than the lane's own: those of its batches."""
    bound = _bound(lane, call, rates)
    fit = lane.budget.try_reserve(bound)
    if fit is Fit.HELD and bound is not None:
        return _reserve_exactly(lane, call, rates, bound)
    return fit, bound


def _bound(lane: Lane, call: Call, rates: Rates | None, text_tokens: int | None = None) -> float | None:
    """By its bytes, or by the tokens of its text where they are given; None where nothing bounds it."""
    if rates is None:
        return None
    text = len(call.http.body) - call.payload if text_tokens is None else text_tokens
    tokens = text + call.picture_tokens
    bound = upper_bound_usd(rates, call.asked, lane.max_output_tokens, tokens, url=call.request.url)
    return None if bound is None else round_up_usd(bound)


def _reserve_exactly(lane: Lane, call: Call, rates: Rates | None, bound: float) -> tuple[Fit, float | None]:
    """By exact tokens, which are fewer than bytes; they are only counted where the output alone would fit."""
    output = _bound(lane, call, rates, 0)
    if output is None or lane.provider.price_id != "openai":  # others count otherwise, whatever the model is called
        return Fit.HELD, bound
    fit = lane.budget.try_reserve(output)
    if fit is not Fit.RESERVED:
        return fit, bound
    lane.budget.release(output)
    tokens = upper_bound_tokens(lane.model, call.http.body)
    if tokens is None:
        return Fit.HELD, bound
    exact = _bound(lane, call, rates, tokens) or bound
    return lane.budget.try_reserve(exact), exact
