"""The check of all requests before the first call: fields, providers, keys. Errors name file, line and field."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jobs.manifest import ManifestJob
from jobs.protocol import Job, Request
from orchestrator.requests_file import NewRow, prepare
from orchestrator.sources import Progress, silent
from outputs.answers import iterate_items
from prompts.input_error import InputError
from providers.catalog import NOT_RECORDED, Catalog, unapplied_limits

_TELL_EVERY = 5000


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
    providers: set[str] = field(default_factory=set)
    lanes: set[tuple[str, str]] = field(default_factory=set)
    warnings: set[str] = field(default_factory=set)

    def rows(self) -> Iterator[NewRow]:
        """The rows in order. Raises InputError at the first that cannot be sent."""
        for count, (number, request) in enumerate(self._numbered(), 1):
            try:
                row = prepare(request, self.catalog, self.provider_override)
                self._check_provider(row.routed.provider)
                self._note_lane(row.routed.provider, row.routed.model)
            except InputError as error:
                place = error.field if number else f"{request.custom_id}: {error.field or ''}".rstrip(": ")
                raise InputError(error.message, file=error.file or self.file, line=number, field=place) from None
            if count % _TELL_EVERY == 0:
                self.progress("checking", count)
            yield row

    def _numbered(self) -> Iterator[tuple[int | None, Request]]:
        if isinstance(self.job, ManifestJob):
            yield from self.job.numbered()
            return
        ids: set[str] = set()
        for request in self.job.start(iterate_items(self.folder) if self.folder is not None else self.job.items()):
            if request.custom_id in ids:
                raise InputError("stands twice among the job's requests", file=self.file, field=request.custom_id)
            ids.add(request.custom_id)
            yield None, request

    def _note_lane(self, provider: str, model: str) -> None:
        if (provider, model) in self.lanes:
            return
        self.lanes.add((provider, model))
        names = unapplied_limits(self.catalog.provider(provider), model)
        if names:
            what = f"limit {names[0]} is" if len(names) == 1 else f"limits {', '.join(names)} are"
            self.warnings.add(f"provider {provider}: the {what} not applied yet; rpm and concurrency are")

    def _check_provider(self, name: str) -> None:
        if name in self.providers:
            return
        if self.need_keys:
            require_key(name, self.catalog)
        self.providers.add(name)
        self.simulated = self.simulated or self.catalog.provider(name).simulated


def require_key(name: str, catalog: Catalog) -> str | None:
    """The provider's API key from the environment. Raises InputError saying which variable to set."""
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
