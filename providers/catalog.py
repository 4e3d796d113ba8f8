"""The catalog: which providers there are, what they cost, what limits them, and which models route to them.

The built-in `catalog.toml` lies beneath; the user's file adds providers and overrides single keys. API keys are read
from the environment only, and never become part of a record.
"""

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from prompts.input_error import InputError
from providers.adapters import PROTOCOLS

EMBEDDED = "embedded:"
DEFAULT_FILE = "overnight.toml"


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One bucket's limits; None where there is none. rpm, tpm, ... per minute; rpd per day."""

    rpm: float | None = None
    tpm: float | None = None
    input_tpm: float | None = None
    output_tpm: float | None = None
    rpd: float | None = None
    concurrency: int | None = None


class PriceEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """USD per million tokens. `cached_input` falls back to `input`."""

    input: float
    output: float
    cached_input: float | None = None


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of a model; None where it is not."""

    max_output_tokens: int | None = None
    context_window: int | None = None
    vision: bool | None = None
    logprobs: bool | None = None


class Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One provider of the catalog."""

    protocol: str
    base_url: str
    api_key_env: str | None = None
    models: tuple[str, ...] = ()
    free: bool = False
    simulated: bool = False
    headers: dict[str, str] = {}
    timeout_s: float = 600.0
    verify: bool = True
    proxy: str | None = None
    price_id: str | None = None  # the provider's name in the price library
    limits: dict[str, Any] = {}
    prices: dict[str, PriceEntry] = {}
    facts: dict[str, Facts] = {}

    def facts_of(self, model: str) -> Facts:
        """The facts of a model: those of all matching patterns, the later over the earlier."""
        known: dict[str, Any] = {}
        for pattern, facts in self.facts.items():
            if fnmatchcase(model, pattern):
                known.update({k: v for k, v in msgspec.structs.asdict(facts).items() if v is not None})
        return Facts(**known)

    def account_limits(self) -> Limits:
        """The limits of the whole account."""
        return msgspec.convert({k: v for k, v in self.limits.items() if not isinstance(v, dict)}, Limits, strict=False)

    def model_limits(self, model: str) -> list[tuple[str, Limits]]:
        """The further buckets, as (pattern, limits), that a call for this model passes."""
        return [
            (pattern, msgspec.convert(limits, Limits, strict=False))
            for pattern, limits in self.limits.items()
            if isinstance(limits, dict) and fnmatchcase(model, pattern)
        ]


class Catalog:
    """Providers by name, in the order in which models are routed: the user's first."""

    def __init__(self, providers: Mapping[str, Provider]) -> None:
        self.providers = dict(providers)

    def provider(self, name: str) -> Provider:
        """The provider of this name. Raises InputError suggesting the nearest one."""
        try:
            return self.providers[name]
        except KeyError:
            near = get_close_matches(name, self.providers, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            known = ", ".join(sorted(self.providers))
            raise InputError(f"unknown provider {name!r}{hint} (known: {known})", field="provider") from None

    def with_recorded(self, recorded: Mapping[str, Any]) -> "Catalog":
        """This catalog, with providers that only a run's record knows behind it."""
        missing = {name: _provider(name, entry, None) for name, entry in recorded.items() if name not in self.providers}
        return Catalog({**self.providers, **missing})

    def route(self, model: str) -> str:
        """The name of the provider that a model's name routes to. Raises InputError where none does."""
        for name, provider in self.providers.items():
            if any(fnmatchcase(model, pattern) for pattern in provider.models):
                return name
        raise InputError(
            f"no provider routes the model {model!r}: add `provider` to the line, or a pattern under "
            "[providers.NAME] models in overnight.toml",
            field="body.model",
        )


def load_catalog(file: Path | None = None) -> Catalog:
    """The built-in catalog with the user's over it: `file`, else `overnight.toml` in the working folder if it is there.

    Raises InputError naming the file and the key.
    """
    built_in = tomllib.loads(resources.files("providers").joinpath("catalog.toml").read_text("utf-8"))["providers"]
    if file is None:
        default = Path(DEFAULT_FILE)
        file = default if default.is_file() else None
    own = {} if file is None else _read_toml(file)
    merged = {name: {**built_in.get(name, {}), **entry} for name, entry in own.items()}
    merged.update({name: entry for name, entry in built_in.items() if name not in merged})
    return Catalog({name: _provider(name, entry, file if name in own else None) for name, entry in merged.items()})


def _read_toml(file: Path) -> dict[str, dict[str, Any]]:
    try:
        document = tomllib.loads(file.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise InputError("no such file", file=file) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"not readable as TOML: {error}", file=file) from None
    unknown = sorted(set(document) - {"providers"})
    if unknown:
        raise InputError("unknown key; the file holds [providers.NAME] tables", file=file, field=unknown[0])
    providers = document.get("providers", {})
    for name, entry in providers.items() if isinstance(providers, dict) else ():
        if not isinstance(entry, dict):
            raise InputError("a provider is a table", file=file, field=f"providers.{name}")
    if not isinstance(providers, dict):
        raise InputError("`providers` is a table of tables", file=file, field="providers")
    return providers


def _provider(name: str, entry: dict[str, Any], file: Path | None) -> Provider:
    place = f"providers.{name}"
    try:
        provider = msgspec.convert(entry, Provider, strict=False)
        provider.account_limits()
        for pattern in provider.limits:
            provider.model_limits(pattern)
    except msgspec.ValidationError as error:
        raise InputError(str(error).replace("`$.", "`"), file=file, field=place) from None
    if provider.protocol not in PROTOCOLS:
        known = ", ".join(PROTOCOLS)
        raise InputError(f"unknown protocol {provider.protocol!r} (known: {known})", file=file, field=place)
    if provider.base_url != EMBEDDED and not provider.base_url.startswith(("http://", "https://")):
        raise InputError("base_url starts with http:// or https://", file=file, field=f"{place}.base_url")
    if not provider.timeout_s > 0:
        raise InputError("timeout_s is a number of seconds above 0", file=file, field=f"{place}.timeout_s")
    return provider
