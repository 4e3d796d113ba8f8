"""The chat completions endpoint: one call from its bytes to an answer, a refusal or a fault."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from providers.simulator import bodies
from providers.simulator.answer import answer
from providers.simulator.asked import Asked
from providers.simulator.chat import BadBodyError, read_chat, read_json
from providers.simulator.draws import identifier
from providers.simulator.faults import Fault, FaultKind, draw_fault, latency_s
from providers.simulator.limits import Limits, Refusal, reset_text
from providers.simulator.personas import persona_of
from providers.simulator.settings import SimulatorSettings
from providers.simulator.stats import Tally
from providers.simulator.tokens import SimulatedAnswer
from providers.simulator.viewer import Viewer

_GATEWAY_PAGE = b"<html><head><title>Simulated gateway</title></head><body>The upstream did not answer.</body></html>\n"
SERVER_ERROR = "The server had an error while processing your request."


def json_response(status: int, value: Any, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=bodies.pretty(value), headers=headers, content_type="application/json")


def completed(settings: SimulatorSettings, asked: Asked) -> tuple[SimulatedAnswer, dict[str, Any]]:
    """What a body is answered with, and the completion around it: the same online and in a batch."""
    made = answer(settings.seed, asked.chat, asked.body_digest, settings.answer_tokens, asked.pictures)
    return made, bodies.completion(asked, made, identifier(settings.seed, asked.body_digest, "completion"))


class ChatEndpoint:
    """Answers calls until `closing` is set; then what hangs is dropped."""

    def __init__(
        self, settings: SimulatorSettings, tally: Tally, closing: asyncio.Event, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._tally = tally
        self._closing = closing
        self._clock = clock
        self._limits = Limits(settings, clock())
        self._viewer = Viewer()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self._tally.arrive()
        try:
            return await self._call(request)
        except web.HTTPRequestEntityTooLarge:
            self._tally.refused += 1
            raise
        finally:
            self._tally.leave()

    async def _call(self, request: web.Request) -> web.StreamResponse:
        body_digest, value = read_json(await request.read())
        times_seen = self._tally.see(body_digest)
        headers = {"x-request-id": f"req_{identifier(self._settings.seed, body_digest, f'request {times_seen}')}"}
        try:
            chat = read_chat(value)
            persona_of(chat.model).refuse(self._settings.seed, body_digest)
            asked = await self._viewer.look(body_digest, chat)
        except BadBodyError as problem:
            return self._refused(problem, headers)
        if refusal := self._limits.admit(asked.prompt_tokens, self._clock()):
            return self._limited(asked, refusal, headers)
        if fault := draw_fault(self._settings, body_digest, times_seen):
            return await self._faulty(request, asked, fault, headers)
        await self._wait(asked)
        response = self._answered(asked, headers)
        self._tally.answered += 1
        return response

    async def _wait(self, asked: Asked) -> None:
        await asyncio.sleep(latency_s(self._settings, asked.body_digest, persona_of(asked.chat.model).slow))

    def _refused(self, problem: BadBodyError, headers: dict[str, str]) -> web.Response:
        self._tally.refused += 1
        return json_response(
            400,
            bodies.error(problem.message, "invalid_request_error", problem.param, problem.code),
            headers | self._limits.headers(self._clock()),
        )

    def _limited(self, asked: Asked, refusal: Refusal, headers: dict[str, str]) -> web.Response:
        self._tally.limited += 1
        told = self._limits.refusal_headers(refusal.wait_s, self._clock())
        return json_response(429, bodies.limited(asked.chat.model, refusal), headers | told)

    def _answered(self, asked: Asked, headers: dict[str, str]) -> web.Response:
        made, body = completed(self._settings, asked)
        self._tally.bill(asked.body_digest, asked.prompt_tokens, made.completion_tokens)
        now = self._clock()
        self._limits.charge(made.completion_tokens, now)
        return json_response(200, body, headers | self._limits.headers(now))

    async def _faulty(
        self, request: web.Request, asked: Asked, fault: Fault, headers: dict[str, str]
    ) -> web.StreamResponse:
        self._tally.fault(fault.kind)
        if fault.kind is FaultKind.THROTTLE:
            return self._throttled(asked, headers)
        if fault.kind is FaultKind.HANG:
            await self._closing.wait()
            return drop(request)
        await self._wait(asked)
        if fault.kind is FaultKind.ERROR:
            return json_response(
                500, bodies.error(SERVER_ERROR, "server_error"), headers | self._limits.headers(self._clock())
            )
        if fault.kind is FaultKind.DROPPED_EARLY:
            return drop(request)
        return await self._spoilt(request, self._answered(asked, headers), fault)

    def _throttled(self, asked: Asked, headers: dict[str, str]) -> web.Response:
        settings, wait_s = self._settings, self._settings.throttle_wait_s
        told = self._limits.refusal_headers(wait_s, self._clock())
        if settings.rate_headers and settings.rpm is None:
            told |= {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": reset_text(wait_s)}
        return json_response(429, bodies.throttled(asked.chat.model, "requests", wait_s), headers | told)

    async def _spoilt(self, request: web.Request, response: web.Response, fault: Fault) -> web.StreamResponse:
        """An answer whose body is no JSON, ends early, or is torn off by a closed connection."""
        body = response.body
        assert isinstance(body, bytes)
        part = body[: max(1, int(len(body) * fault.share))]
        if fault.kind is FaultKind.NOT_JSON:
            response.body, response.content_type = _GATEWAY_PAGE, "text/html"
        elif fault.kind is FaultKind.TRUNCATED:
            response.body = part
        else:
            return await _send_part(request, response, len(body), part)
        return response


def drop(request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()  # for the framework; the connection is gone


async def _send_part(request: web.Request, whole: web.Response, length: int, part: bytes) -> web.StreamResponse:
    torn = web.StreamResponse(headers=whole.headers)
    torn.content_length = length
    await torn.prepare(request)
    await torn.write(part)
    if request.transport is not None:
        request.transport.close()
    return torn
