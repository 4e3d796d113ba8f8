"""The check of all requests before the first call: fields, providers, keys. Errors name file, line and field."""

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from jobs.manifest import ManifestJob
from jobs.protocol import Expected, Job, Request
from orchestrator.batching.allowed import require_batchable
from orchestrator.batching.via import Via
from orchestrator.budget import Caps
from orchestrator.requests_file import NewRow, prepare
from orchestrator.sources import Progress, silent
from outputs.answers import iterate_items
from outputs.items import Item
from prompts.input_error import InputError
from providers.catalog import NOT_RECORDED, Catalog, address_fault
from providers.cost_bounds import has_dear_tier, points_elsewhere
from providers.media.preflight import Preflight
from providers.media.sources import MediaRoot
from providers.prices import FREE, Rates, price_line, resolve_rates, upper_bound_usd

_TELL_EVERY = 5000


@dataclass(frozen=True, slots=True)
class PriceCheck:
    """Whether what a lane's calls may cost is known, which it must be under a cap."""

    capped: bool
    rates: Rates | None
    longest: int | None  # tokens that the model writes at most

    @classmethod
    def of(cls, provider_name: str, model: str, catalog: Catalog, caps: Caps, *, allow_unpriced: bool = True) -> Self:
        """The check of a lane. Raises InputError where its price is unknown, which is only allowed without a cap."""
        provider = catalog.provider(provider_name)
        capped = bool(caps.of_lane(provider_name, model))
        rates = resolve_rates(provider, model)
        if rates is None and (capped or not allow_unpriced):
            add = f"add to overnight.toml: {price_line(provider_name, model)}"
            what = "so no budget can hold for it; " if capped else ""
            otherwise = "" if capped else " (or send it all the same, shown as unpriced: --allow-unpriced)"
            raise InputError(
                f"the price of {provider_name}/{model} is unknown{', ' if capped else '; '}{what}{add}{otherwise}",
                field="body.model",
            )
        return cls(capped, rates, provider.facts_of(model).max_output_tokens)

    @property
    def needs_bodies(self) -> bool:
        """Whether it depends on each body if its cost has a bound."""
        return (
            self.capped
            and self.rates is not None
            and self.longest is None
            and bool(self.rates.input or self.rates.output)
        )

    def check(self, url: str, body: bytes) -> None:
        """Raise InputError where nothing bounds what a call with this body may cost."""
        if self.capped and self.rates is not FREE and has_dear_tier(body, url=url):
            raise InputError(
                "the price of this tier is not known, so no budget can hold for it", field="body.service_tier"
            )
        if self.capped and self.rates is not FREE and points_elsewhere(body, url=url):
            what = (
                "shows or points to what has no bound for the budget: files, addresses, tools that fetch, pictures in "
                "a native body (those of a chat completion are counted)"
            )
            raise InputError(what, field="body")
        if self.needs_bodies and self.rates is not None and upper_bound_usd(self.rates, body, None, url=url) is None:
            raise InputError(
                "missing: without it, or the model's own maximum, a call's cost has no bound for the budget",
                field="body.max_tokens",
            )


@dataclass(slots=True)
class RequestCheck:
    """Turns a job's first requests into rows that can be sent. `folder` holds the items, `file` names the source."""

    job: Job
    catalog: Catalog
    file: Path | None
    folder: Path | None = None
    provider_override: str | None = None
    progress: Progress = silent
    need_keys: bool = True
    simulated: bool = False
    caps: Caps = field(default_factory=Caps)
    allow_unpriced: bool = False
    known_lanes: Collection[tuple[str, str]] = ()  # of the run as it is: without a price only where that was allowed
    media_root: Path | None = None  # the folder that pictures and clips lie in
    via: Via = Via.ONLINE
    providers: set[str] = field(default_factory=set)
    lanes: dict[tuple[str, str], PriceCheck] = field(default_factory=dict)
    shows_media: bool = False  # whether any row so far has a picture or clip
    _preflight: Preflight | None = field(init=False)

    def __post_init__(self) -> None:
        self._preflight = None if self.media_root is None else Preflight(MediaRoot(self.media_root))

    def rows(self) -> Iterator[NewRow]:
        """The rows in order. Raises InputError at the first that cannot be sent."""
        for count, (number, request) in enumerate(self._numbered(), 1):
            try:
                row = self._checked(request)
            except InputError as error:
                place = error.field if number else f"{request.custom_id}: {error.field or ''}".rstrip(": ")
                raise InputError(error.message, file=error.file or self.file, line=number, field=place) from None
            if count % _TELL_EVERY == 0:
                self.progress("checking", count)
            yield row
        for _ in self.expected():
            pass

    def expected(self, items: Iterable[Item] | None = None) -> Iterator[tuple[Expected, NewRow]]:
        """The requests that will follow from answers, each as a row like them. Raises InputError as `rows` does.

        `items`: what the rows are about, where that is not all that the check reads.
        """
        for expected in self.job.expected(self._items() if items is None else items):
            with self._naming(expected.stage):
                row = self._checked(expected.request)
            yield expected, row

    def require_sendable(self, row: NewRow) -> None:
        """Raise InputError, as `expected` does, where a request that has followed from an answer cannot be sent."""
        with self._naming(row.stage):
            self._check_lane(row)

    def _checked(self, request: Request) -> NewRow:
        row = prepare(request, self.catalog, self.provider_override, preflight=self._preflight)
        self._check_lane(row)
        self.shows_media = self.shows_media or bool(row.routed.media)
        return row

    def _check_lane(self, row: NewRow) -> None:
        self._check_provider(row.routed.provider)
        self._check_price(row)

    @contextlib.contextmanager
    def _naming(self, stage: str) -> Iterator[None]:
        """Name file and stage in the errors of the block."""
        try:
            yield
        except InputError as error:
            place = ": ".join(part for part in (f"stage {stage}", error.field) if part)
            raise InputError(error.message, file=error.file or self.file, field=place) from None

    def _items(self) -> Iterator[Item]:
        return iterate_items(self.folder) if self.folder is not None else self.job.items()

    def _numbered(self) -> Iterator[tuple[int | None, Request]]:
        if isinstance(self.job, ManifestJob):
            yield from self.job.numbered()
            return
        ids: set[str] = set()
        for request in self.job.start(self._items()):
            if request.custom_id in ids:
                raise InputError("stands twice among the job's requests", file=self.file, field=request.custom_id)
            ids.add(request.custom_id)
            yield None, request

    def _check_price(self, row: NewRow) -> None:
        routed = row.routed
        lane = (routed.provider, routed.model)
        if lane not in self.lanes:
            allowed = self.allow_unpriced or lane in self.known_lanes
            self.lanes[lane] = check = PriceCheck.of(*lane, self.catalog, self.caps, allow_unpriced=allowed)
            require_batchable(*lane, self.catalog, self.via, capped=check.capped, allow_unpriced=self.allow_unpriced)
        self.lanes[lane].check(row.url, routed.body)

    def _check_provider(self, name: str) -> None:
        if name in self.providers:
            return
        if self.need_keys:
            require_key(name, self.catalog)
        self.providers.add(name)
        self.simulated = self.simulated or self.catalog.provider(name).simulated


def require_address(name: str, catalog: Catalog) -> None:
    """Raise InputError where a provider has no address, saying which variable or key of the catalog to set."""
    provider = catalog.provider(name)
    if provider.base_url or provider.base_url_env is None:
        return
    told = os.environ.get(provider.base_url_env, "").strip()
    wrong = address_fault(told) if told else None
    why = "is not known" if wrong is None else f"in {provider.base_url_env} cannot be used, it {wrong}"
    what = f"the address of {name} {why}: set {provider.base_url_env}, or base_url under [providers.{name}]"
    raise InputError(f"{what} in overnight.toml", field="provider")


def require_key(name: str, catalog: Catalog) -> str | None:
    """The provider's API key from the environment. Raises InputError saying which variable to set, for its address too.

    Without a key variable in the catalog it needs none: None.
    """
    require_address(name, catalog)
    provider = catalog.provider(name)
    if NOT_RECORDED in provider.headers.values():
        what = f"the headers of {name} are not in the run's record: put [providers.{name}] in overnight.toml"
        raise InputError(what, field="provider")
    variable = provider.api_key_env
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise InputError(
            f"no API key for {name}: set {variable} in the environment, or try the run with --simulate",
            field="provider",
        )
    if not key.isascii() or not key.isprintable():
        raise InputError(f"the API key in {variable} has characters that no header can carry", field="provider")
    return key
