"""Making lanes: adapter, key, transport, rates and limits of one provider and model, shared where they are shared."""

from dataclasses import dataclass, field

from orchestrator.checking import require_key
from orchestrator.http import AiohttpTransport, Transport
from orchestrator.lane import Lane
from orchestrator.pacing import Pacer
from providers.adapters import make_adapter
from providers.catalog import EMBEDDED, Catalog, Limits, Provider
from providers.prices import resolve_rates


@dataclass(slots=True)
class LaneMaker:
    """Makes the lanes of one run; `close` it when the run is over."""

    catalog: Catalog
    concurrency: int
    simulator_url: str | None = None
    _transports: dict[str, Transport] = field(default_factory=dict)
    _pacers: dict[tuple[str, str], Pacer] = field(default_factory=dict)

    def make(self, provider_name: str, model: str) -> Lane:
        """The lane of a provider and model. Raises InputError where its key is missing."""
        provider = self.catalog.provider(provider_name)
        buckets = [("", provider.account_limits()), *provider.model_limits(model)]
        key = require_key(provider_name, self.catalog)
        headers = dict(provider.headers) | ({} if key is None else {"Authorization": f"Bearer {key}"})
        return Lane(
            provider_name=provider_name,
            model=model,
            provider=provider,
            adapter=make_adapter(provider.protocol, self._base_url(provider), headers),
            transport=self._transport(provider_name, provider),
            rates=resolve_rates(provider, model),
            concurrency=min([self.concurrency, *(limits.concurrency for _, limits in buckets if limits.concurrency)]),
            pacers=tuple(
                pacer for pattern, limits in buckets if (pacer := self._pacer(provider_name, pattern, limits))
            ),
        )

    async def close(self) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            await transport.close()

    def _base_url(self, provider: Provider) -> str:
        if provider.base_url == EMBEDDED:
            assert self.simulator_url is not None
            return self.simulator_url
        return provider.base_url

    def _transport(self, name: str, provider: Provider) -> Transport:
        if name not in self._transports:
            self._transports[name] = AiohttpTransport(provider)
        return self._transports[name]

    def _pacer(self, provider: str, pattern: str, limits: Limits) -> Pacer | None:
        if limits.rpm is None:
            return None
        key = (provider, pattern)
        if key not in self._pacers:
            self._pacers[key] = Pacer(limits.rpm)
        return self._pacers[key]
