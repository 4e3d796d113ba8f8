"""What calls cost, by model: the rates that runs are accounted with, and an explicit unknown where there are none."""

from collections.abc import Iterable
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.models import ModelName, read_model
from prompts.plain_text import plain_text
from providers.catalog import Catalog
from providers.prices import price_line, resolve_rates

_COLUMNS = {
    "input": "input",
    "cached_input": "cached",
    "cache_write": "to cache",
    "output": "output",
    "batch_input": "batch in",
    "batch_output": "batch out",
}
_UNKNOWN = "unknown"


class Priced(msgspec.Struct, frozen=True):
    """One model: `rates` in USD per million tokens with their source, or None and the line that makes them known."""

    provider: str
    model: str
    rates: dict[str, Any] | None
    add: str | None = None


def price_models(catalog: Catalog, models: Iterable[str]) -> list[Priced]:
    """The rates of models, each `model` or `provider/model`. Raises InputError for one that routes nowhere."""
    return [_priced(catalog, read_model(model, catalog.providers, "")) for model in models]


def _priced(catalog: Catalog, asked: ModelName) -> Priced:
    name, model = asked.provider or catalog.route(asked.model), asked.model
    rates = resolve_rates(catalog.provider(name), model)
    if rates is None:
        return Priced(name, model, None, price_line(name, model))
    return Priced(name, model, rates.per_million())


def show_prices(priced: list[Priced]) -> None:
    """A table in USD per million tokens, where each price is from, and what to add where one is unknown."""
    console = Console()
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    console.print("USD per million tokens:")
    table.add_column("model", overflow="fold")
    for heading in _COLUMNS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for one in priced:
        table.add_row(*(Text(plain_text(cell)) for cell in _cells(one)))
    console.print(table)
    for one in priced:
        line = f"{one.provider}/{one.model}: {_source(one)}"
        console.print(plain_text(line), markup=False, highlight=False, soft_wrap=True)


def _source(one: Priced) -> str:
    if one.rates is None:
        return f"unknown; add to overnight.toml: {one.add}"
    day = f", {one.rates['as_of']}" if one.rates.get("as_of") else ""
    return f"{one.rates['source']}{day}"


def _cells(one: Priced) -> list[str]:
    rates = one.rates
    name = f"{one.provider}/{one.model}"
    if rates is None:
        return [name, *([_UNKNOWN] * len(_COLUMNS))]
    return [name, *(f"{rates[column]:g}" if rates.get(column) is not None else _UNKNOWN for column in _COLUMNS)]
