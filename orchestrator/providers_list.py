"""The providers of a catalog as people see them. Of keys only whether they are there; headers and proxies stay out."""

import os
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from prompts.plain_text import plain_text
from providers.catalog import Catalog
from providers.provider import Limits, Provider


class Listed(msgspec.Struct, frozen=True):
    """One provider. `address` is None where it is yet to be set; `key_present` where it needs no key.

    `limits` are by pattern, those of the account under "".
    """

    name: str
    protocol: str
    address: str | None
    address_variable: str | None
    key_variable: str | None
    key_present: bool | None
    free: bool
    simulated: bool
    models: tuple[str, ...]
    limits: dict[str, dict[str, float]]


def list_providers(catalog: Catalog) -> list[Listed]:
    """All providers, in the order in which models are routed."""
    return [_listed(name, provider) for name, provider in catalog.providers.items()]


def to_json(listed: list[Listed]) -> dict[str, Any]:
    """For `--json`."""
    return {"providers": msgspec.to_builtins(listed)}


def show_providers(listed: list[Listed]) -> None:
    """A table, and what to do about what is missing."""
    console = Console()
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for heading in ("provider", "protocol", "address", "key", "models", "limits"):
        table.add_column(heading, overflow="fold")
    for one in listed:
        table.add_row(*(Text(plain_text(cell)) for cell in _cells(one)))
    console.print(table)
    console.print("one tiny call to a provider: overnight check PROVIDER", markup=False, highlight=False)


def _listed(name: str, provider: Provider) -> Listed:
    variable = provider.api_key_env
    buckets = {"": provider.account_limits(), **dict(_buckets(provider))}
    return Listed(
        name=name,
        protocol=provider.protocol,
        address=provider.base_url or None,
        address_variable=provider.base_url_env,
        key_variable=variable,
        key_present=None if variable is None else bool(os.environ.get(variable, "").strip()),
        free=provider.free,
        simulated=provider.simulated,
        models=provider.models,
        limits={pattern: told for pattern, limits in buckets.items() if (told := _told(limits))},
    )


def _buckets(provider: Provider) -> list[tuple[str, Limits]]:
    return [(key, msgspec.convert(value, Limits)) for key, value in provider.limits.items() if isinstance(value, dict)]


def _told(limits: Limits) -> dict[str, float]:
    return {name: value for name, value in msgspec.structs.asdict(limits).items() if value is not None}


def _cells(one: Listed) -> tuple[str, ...]:
    return (
        one.name,
        one.protocol,
        one.address or f"set {one.address_variable}",
        "none needed" if one.key_variable is None else f"{one.key_variable}: {'set' if one.key_present else 'missing'}",
        ", ".join(one.models) or "by name only",
        "; ".join(_limits_text(pattern, told) for pattern, told in one.limits.items()),
    )


def _limits_text(pattern: str, told: dict[str, float]) -> str:
    text = ", ".join(f"{name} {value:,g}" for name, value in told.items())
    return f"{pattern}: {text}" if pattern else text
