"""One tiny call to a provider, sent as a run would send it. Nothing of its key is in what comes back from here."""

import asyncio
import contextlib
import re
import time
from collections.abc import Iterator, Mapping

import msgspec
import orjson

from orchestrator.checking import require_key
from orchestrator.http import AiohttpTransport, TransportError
from orchestrator.secrets import secrets_of
from prompts.input_error import InputError
from prompts.records import Completion
from providers.adapters import make_adapter, read_completion
from providers.catalog import EMBEDDED, Catalog
from providers.prices import resolve_rates
from providers.protocols.paths import CHAT
from providers.provider import Provider
from providers.rate_headers import Reading, read_rate_headers
from providers.routing import route
from providers.wire import SIMULATED_HEADER, Answer, Billing, Failure, FailureKind, HttpCall, Usage

_TEXT = "Say OK."
_MAX_TOKENS = 16
_LONGEST_WAIT_S = 60.0
_MOST_SHOWN = 500  # characters
_WILD = re.compile(r"[*?\[]")
_REASONING = re.compile(r"(o\d|gpt-([5-9]|\d\d))")  # these refuse max_tokens
_REFUSED = (FailureKind.KEY_REFUSED, FailureKind.QUOTA)


class Checked(msgspec.Struct, frozen=True):
    """How the call went. `failure` is None where there was an answer; `cost_usd` where its price or usage is unknown.

    `status` is None where nothing came back. Text is cut off where it is long.
    """

    provider: str
    model: str
    latency_s: float
    simulated: bool = False
    status: int | None = None
    text: str | None = None
    finish_reason: str | None = None
    answered_by: str | None = None
    usage: Usage | None = None
    priced: bool = False
    cost_usd: float | None = None
    limits: tuple[Reading, ...] = ()
    failure: Failure | None = None

    @property
    def exit_code(self) -> int:
        """That of the command."""
        if self.failure is None:
            return 0
        return 6 if self.failure.kind in _REFUSED else 3


def check_provider(catalog: Catalog, name: str, model: str | None) -> Checked:
    """Make the call. Raises InputError where it cannot be made, before anything is sent."""
    provider = catalog.provider(name)
    asked = model if model is not None else _known_model(name, provider)
    body = tiny_body(provider, asked)
    route(CHAT, name, body, catalog)
    key = require_key(name, catalog)
    return asyncio.run(_check(name, provider, asked, body, key))


def tiny_body(provider: Provider, model: str) -> bytes:
    """A chat completion of a few tokens."""
    reasoning = provider.protocol in ("openai", "azure") and _REASONING.match(model)
    most = "max_completion_tokens" if reasoning else "max_tokens"
    return orjson.dumps({"model": model, "messages": [{"role": "user", "content": _TEXT}], most: _MAX_TOKENS})


def _known_model(name: str, provider: Provider) -> str:
    """The catalog's `check_model`, else the first name of a model that it spells out. Raises InputError."""
    if provider.check_model is not None:
        return provider.check_model
    if provider.base_url == EMBEDDED:
        return "simulated"
    for spelt in (provider.deployments, provider.models, provider.prices, provider.facts):
        for model in spelt:
            if not _WILD.search(model):
                return model
    raise InputError(f"the catalog names no model of {name}: say which to ask, as in --model NAME", field="--model")


async def _check(name: str, provider: Provider, model: str, body: bytes, key: str | None) -> Checked:
    async with contextlib.AsyncExitStack() as stack:
        base_url = provider.base_url
        if base_url == EMBEDDED:
            from providers.simulator import Simulator, SimulatorSettings

            base_url = (await stack.enter_async_context(Simulator(SimulatorSettings()))).base_url
        transport = await stack.enter_async_context(AiohttpTransport(provider))
        adapter = make_adapter(provider, model, base_url, key)
        secrets = secrets_of(provider, key)
        start = time.monotonic()
        got = await _post(transport, adapter.encode(CHAT, body), min(provider.timeout_s, _LONGEST_WAIT_S))
        made = Checked(name, model, time.monotonic() - start, provider.simulated)
        if isinstance(got, Failure):
            return msgspec.structs.replace(made, failure=secrets.hide_in(got))
        status, headers, answer = got
        answer = secrets.hide_bytes(answer)  # before any message is cut
        decoded = adapter.decode(CHAT, status, headers, answer)
        made = _with_headers(made, status, headers)
        if isinstance(decoded, Failure):
            return msgspec.structs.replace(made, failure=decoded)
        return _with_answer(made, provider, decoded, _completion(provider, answer))


async def _post(
    transport: AiohttpTransport, call: HttpCall, timeout_s: float
) -> tuple[int, Mapping[str, str], bytes] | Failure:
    try:
        async with asyncio.timeout(timeout_s):
            return await transport.post(call)
    except TransportError as error:
        return error.failure
    except TimeoutError:
        return Failure(FailureKind.TIMED_OUT, Billing.MAYBE, f"no answer in {timeout_s:g} s")


def _with_headers(made: Checked, status: int, headers: Mapping[str, str]) -> Checked:
    simulated = made.simulated or SIMULATED_HEADER in headers
    limits = read_rate_headers(headers, time.time())
    return msgspec.structs.replace(made, status=status, simulated=simulated, limits=limits)


def _with_answer(made: Checked, provider: Provider, answer: Answer, completion: Completion) -> Checked:
    rates = resolve_rates(provider, made.model)
    text, finish_reason, model = (
        None if told is None else told[:_MOST_SHOWN]
        for told in (completion.text or completion.refusal, completion.finish_reason, answer.model)
    )
    return msgspec.structs.replace(
        made,
        text=text,
        finish_reason=finish_reason,
        answered_by=model,
        usage=answer.usage,
        priced=rates is not None,
        cost_usd=None if rates is None or answer.usage is None else rates.cost_usd(answer.usage),
    )


def _completion(provider: Provider, body: bytes) -> Completion:
    try:
        return read_completion(provider.protocol, body)
    except (KeyError, ValueError):
        return Completion(None, None, None, None)


def failure_lines(failure: Failure) -> Iterator[str]:
    """What went wrong, and what may have been paid for it."""
    yield f"{failure.kind.value}: {failure.message}"
    if failure.billing is not Billing.UNBILLED:
        yield "it may have been billed"
