"""The commands that look at the catalog: which providers there are, and whether one of them answers."""

from typing import Annotated

import typer
from msgspec import to_builtins

from orchestrator.cli_options import Config, Json
from orchestrator.cli_steering import print_json


def providers(config: Config = None, as_json: Json = False) -> None:
    """List the providers of the catalog: address, whether their key is there, models, known limits. Sends nothing.

    Example: overnight providers --json
    """
    from orchestrator.providers_list import list_providers, show_providers, to_json
    from providers.catalog import load_catalog

    listed = list_providers(load_catalog(config))
    print_json(to_json(listed)) if as_json else show_providers(listed)


def prices(
    models: Annotated[list[str], typer.Argument(help="Models, or provider/model.", metavar="MODEL...")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show what models cost in USD per million tokens: fresh, cached, in batches, and where the price is from.

    Example: overnight prices gpt-4o-mini claude-3-5-sonnet-20241022 azure/phi-4
    """
    from orchestrator.prices_list import price_models, show_prices
    from providers.catalog import load_catalog

    priced = price_models(load_catalog(config), models)
    print_json({"usd_per_million_tokens": [to_builtins(one) for one in priced]}) if as_json else show_prices(priced)


def check(
    provider: Annotated[str, typer.Argument(help="A provider's name in the catalog.", metavar="PROVIDER")],
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="The model to ask; by default a known one.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make one tiny call to a provider: what came back, what it cost, which limits the headers told.

    Exit codes: 0 answered, 2 bad input and nothing sent, 3 no answer, 6 the provider refused the key or its quota.

    Example: overnight check openai --model gpt-4o-mini
    """
    from orchestrator.provider_check import check_provider
    from orchestrator.provider_showing import checked_json, show_checked
    from providers.catalog import load_catalog

    checked = check_provider(load_catalog(config), provider, model)
    print_json(checked_json(checked)) if as_json else show_checked(checked)
    raise typer.Exit(checked.exit_code)
