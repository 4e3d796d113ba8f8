"""Making lanes: adapter, key, transport, rates and limits of one provider and model, shared where they are shared."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from orchestrator.batching.calls import AiohttpSeam
from orchestrator.budget import LaneBudget
from orchestrator.checking import require_key
from orchestrator.http import AiohttpTransport
from orchestrator.lane import Lane
from orchestrator.limits.bucket import TokenGate
from orchestrator.limits.daily import DailyGate
from orchestrator.limits.gate import Gate
from orchestrator.limits.lane_limits import LaneLimits, OnEvent, Told
from orchestrator.limits.pacer import MARGIN, Pacer
from orchestrator.limits.slots import Slots
from orchestrator.secrets import secrets_of
from providers.adapters import make_adapter
from providers.batches.clients import make_batch_client
from providers.batches.wire import BatchClient
from providers.catalog import EMBEDDED, Catalog
from providers.prices import Rates, resolve_rates
from providers.provider import Limits, Provider

AnyGate = TypeVar("AnyGate", bound=Gate)
_TOKENS = {"tpm": "tokens", "input_tpm": "input_tokens", "output_tpm": "output_tokens"}


@dataclass(slots=True)
class LaneMaker:
    """Makes the lanes of one run; `close` it when the run is over."""

    catalog: Catalog
    concurrency: int
    simulator_url: str | None = None
    _transports: dict[str, AiohttpTransport] = field(default_factory=dict)
    _gates: dict[tuple[str, str, str], Gate] = field(default_factory=dict)

    def make(
        self,
        provider_name: str,
        model: str,
        *,
        budget: LaneBudget,
        size_of: Callable[[int], int],
        on_event: OnEvent,
        sent_by_hour: Mapping[int, int],
    ) -> Lane:
        """The lane of a provider and model. Raises InputError where its key is missing.

        `sent_by_hour`: calls that earlier sessions made in this lane, by whole hours since 1970.
        """
        provider = self.catalog.provider(provider_name)
        key = require_key(provider_name, self.catalog)
        told = self.told(provider_name, model)
        for daily in told.daily:
            daily.count.preload(sent_by_hour)
        return Lane(
            provider_name=provider_name,
            model=model,
            provider=provider,
            adapter=make_adapter(provider, model, self._base_url(provider), key),
            transport=self._transport(provider_name, provider),
            rates=resolve_rates(provider, model),
            concurrency=self.concurrency,
            limits=LaneLimits(told, self.concurrency, on_event=on_event),
            budget=budget,
            secrets=secrets_of(provider, key),
            size_of=size_of,
        )

    def batch_client(self, provider_name: str, model: str) -> BatchClient:
        """The client of a lane's batch API, which its provider must have. Raises InputError where a key is missing."""
        provider = self.catalog.provider(provider_name)
        key = require_key(provider_name, self.catalog)
        transport, secrets = self._transport(provider_name, provider), secrets_of(provider, key)
        http = AiohttpSeam(transport, provider.timeout_s, secrets)
        return make_batch_client(provider, model, self._base_url(provider), key, http)

    def batch_rates(self, provider_name: str, model: str) -> Rates | None:
        """What a lane's batches cost; None where nobody knows."""
        return resolve_rates(self.catalog.provider(provider_name), model, batch=True)

    def told(self, provider_name: str, model: str) -> Told:
        """The gates that a lane's calls pass, as the catalog tells them; those of an account are shared."""
        provider = self.catalog.provider(provider_name)
        buckets = [("", provider.account_limits()), *provider.model_limits(model)]
        found = [
            self._gate(provider_name, pattern, name, value)
            for pattern, limits in buckets
            for name in Limits.__struct_fields__
            if (value := getattr(limits, name)) is not None
        ]
        return Told(_of(found, Pacer), _of(found, TokenGate), _of(found, Slots), _of(found, DailyGate))

    def has_limit(self, provider_name: str, pattern: str, name: str) -> bool:
        """Whether a lane of this run passes such a limit. `pattern` is "" for the account's."""
        return (provider_name, pattern, name) in self._gates

    def set_limit(self, provider_name: str, pattern: str, name: str, value: float) -> None:
        """Change a limit, which there is, while calls are made."""
        gate = self._gates[provider_name, pattern, name]
        if isinstance(gate, Pacer):
            gate.set_rate(value * MARGIN)
        elif isinstance(gate, Slots):
            gate.set_limit(int(value))
        elif isinstance(gate, DailyGate):
            gate.set_limit(value)
        elif isinstance(gate, TokenGate):
            gate.set_rate(value * MARGIN)

    async def close(self) -> None:
        """Close all connections, and hand out no more permits."""
        for gate in self._gates.values():
            gate.close()
        for transport in self._transports.values():
            await transport.close()

    def _gate(self, provider: str, pattern: str, name: str, value: float) -> Gate:
        key = (provider, pattern, name)
        if key not in self._gates:
            self._gates[key] = gate = make_gate(name, value)
            gate.label = f"{name} of {provider}" + (f' "{pattern}"' if pattern else "")
        return self._gates[key]

    def _base_url(self, provider: Provider) -> str:
        if provider.base_url == EMBEDDED:
            assert self.simulator_url is not None
            return self.simulator_url
        return provider.base_url

    def _transport(self, name: str, provider: Provider) -> AiohttpTransport:
        if name not in self._transports:
            self._transports[name] = AiohttpTransport(provider)
        return self._transports[name]


def make_gate(name: str, value: float, clock: Callable[[], float] = time.monotonic) -> Gate:
    """The gate of a limit by its name in the catalog."""
    if name == "rpm":
        return Pacer(value * MARGIN, clock)
    if name == "rpd":
        return DailyGate(value, clock)
    if name == "concurrency":
        return Slots(int(value), clock)
    return TokenGate(_TOKENS[name], value * MARGIN, clock)


def _of(gates: list[Gate], kind: type[AnyGate]) -> tuple[AnyGate, ...]:
    return tuple(gate for gate in gates if isinstance(gate, kind))
