"""The catalog: which providers there are, what they cost, what limits them, and which models route to them.

The built-in `catalog.toml` lies beneath; the user's file adds providers and overrides single keys. API keys are read
from the environment only, and never become part of a record.
"""

import functools
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from prompts.input_error import InputError
from prompts.toml_text import convert_table, parse_toml
from providers.protocols import PROTOCOLS
from providers.provider import Facts, Limits, PriceEntry, Provider

if TYPE_CHECKING:
    import ssl

EMBEDDED = "embedded:"
DEFAULT_FILE = "overnight.toml"
NOT_RECORDED = "(not recorded)"  # what a run's record has in place of a header's value

_TABLES = ("providers", "thresholds")
_PATTERN_TABLES = ("prices", "facts")  # of prices the first that matches counts, of facts the last
_BARE_URL = (
    "is an address without user name, password, query or fragment; a key comes from the environment (api_key_env)"
)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Catalog:
    """Providers by name, in the order in which models are routed: the user's first.

    `thresholds` is the table of that name in the user's file, as it stands there; `file` is that file.
    """

    def __init__(
        self,
        providers: Mapping[str, Provider],
        thresholds: Mapping[str, Any] | None = None,
        file: Path | None = None,
    ) -> None:
        self.providers = dict(providers)
        self.thresholds = dict(thresholds or {})
        self.file = file

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
        return Catalog({**self.providers, **missing}, self.thresholds, self.file)

    def route(self, model: str) -> str:
        """The name of the provider that a model's name routes to. Raises InputError where none does."""
        for name, provider in self.providers.items():
            if any(fnmatchcase(model, pattern) for pattern in provider.models):
                return name
        raise InputError(
            f"no provider routes the model {model!r}: add `provider` to the line (in a spec: "
            "provider/model), or a pattern under [providers.NAME] models in overnight.toml",
            field="body.model",
        )


def load_catalog(file: Path | None = None) -> Catalog:
    """The built-in catalog with the user's over it: `file`, else `overnight.toml` in the working folder if it is there.

    Raises InputError naming the file and the key.
    """
    built_in = _built_in()
    if file is None:
        default = Path(DEFAULT_FILE)
        file = default if default.is_file() else None
    own, thresholds = ({}, {}) if file is None else _read_toml(file)
    merged = {name: _over(entry, built_in.get(name, {})) for name, entry in own.items()}
    merged.update({name: entry for name, entry in built_in.items() if name not in merged})
    providers = {name: _provider(name, entry, file if name in own else None) for name, entry in merged.items()}
    return Catalog(providers, thresholds, file)


@functools.cache
def _built_in() -> Mapping[str, dict[str, Any]]:
    """The tables of the built-in file, read once; nobody changes them."""
    text = resources.files("providers").joinpath("catalog.toml").read_text("utf-8")
    tables: dict[str, dict[str, Any]] = tomllib.loads(text)["providers"]
    return tables


def _over(own: dict[str, Any], built_in: dict[str, Any]) -> dict[str, Any]:
    """A user's table over a built-in one, key by key; tables of patterns hold both, the user's where they win."""
    merged = {**built_in, **own}
    for key in _PATTERN_TABLES:
        ours, theirs = built_in.get(key), own.get(key)
        if isinstance(ours, dict) and isinstance(theirs, dict):
            rest = {pattern: table for pattern, table in ours.items() if pattern not in theirs}
            merged[key] = {**theirs, **rest} if key == "prices" else {**rest, **theirs}
    return merged


def _read_toml(file: Path) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The tables `providers` and `thresholds`."""
    try:
        document = parse_toml(file.read_bytes().decode("utf-8"), file=file)
    except FileNotFoundError:
        raise InputError("no such file", file=file) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=file) from None
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 at byte {error.start}", file=file) from None
    unknown = sorted(set(document) - set(_TABLES))
    if unknown:
        what = "unknown key; the file holds [providers.NAME] tables, and [thresholds]"
        raise InputError(what, file=file, field=unknown[0])
    thresholds = document.get("thresholds", {})
    if not isinstance(thresholds, dict):
        raise InputError("is a table: [thresholds]", file=file, field="thresholds")
    providers = document.get("providers", {})
    if not isinstance(providers, dict):
        raise InputError("is a table of tables: [providers.NAME]", file=file, field="providers")
    for name, entry in providers.items():
        if not isinstance(entry, dict):
            raise InputError(f"a provider is a table: [providers.{name}]", file=file, field=f"providers.{name}")
    return providers, thresholds


def _provider(name: str, entry: dict[str, Any], file: Path | None) -> Provider:
    source = file or "the built-in catalog"
    place = f"providers.{name}."
    for key, kind in (("prices", PriceEntry), ("facts", Facts)):
        _check_tables(entry.get(key), kind, source, f"{place}{key}.")
    provider = _located(convert_table(entry, Provider, file=source, within=place), file)
    account = {key: value for key, value in provider.limits.items() if not isinstance(value, dict)}
    convert_table(account, Limits, file=source, within=f"{place}limits.")
    models = {key: value for key, value in provider.limits.items() if isinstance(value, dict)}
    _check_tables(models, Limits, source, f"{place}limits.")
    for key, wrong in _faults(provider, with_files=file is not None):
        raise InputError(wrong, file=source, field=place + key)
    simulated = provider.simulated or provider.base_url == EMBEDDED
    return msgspec.structs.replace(provider, simulated=simulated)


def _located(provider: Provider, file: Path | None) -> Provider:
    """With its address from the environment where that has one, and its files found beside the catalog's."""
    address = "" if provider.base_url_env is None else os.environ.get(provider.base_url_env, "").strip()
    if address and not provider.base_url and address_fault(address) is None:  # another is told when it is used
        provider = msgspec.structs.replace(provider, base_url=address)
    if provider.ca_file and file is not None:
        path = file.parent / Path(provider.ca_file).expanduser()
        provider = msgspec.structs.replace(provider, ca_file=str(path.absolute()))
    return provider


def address_fault(url: str) -> str | None:
    """What is wrong with a base URL, None where nothing is. One that may hold a key is not shown."""
    if _has_extras(url):
        return _BARE_URL
    return None if _is_url(url) else f"{url!r} is not http:// or https:// and a host"


def _check_tables(tables: Any, kind: type[msgspec.Struct], file: Path | str, place: str) -> None:
    """Check a table of tables; whatever else it is will be refused with the provider."""
    for pattern, table in tables.items() if isinstance(tables, dict) else ():
        if isinstance(table, dict):
            convert_table(table, kind, file=file, within=f'{place}"{pattern}".')


def _faults(provider: Provider, *, with_files: bool) -> Iterator[tuple[str, str]]:
    """(key, what is wrong with it) of values that no call could be made with.

    `with_files`: the files that it names are here; those of a record may be on another machine.
    """
    if provider.protocol not in PROTOCOLS:
        yield "protocol", f"unknown protocol {provider.protocol!r} (known: {', '.join(PROTOCOLS)})"
    if not provider.base_url and provider.base_url_env is None:
        yield "base_url", "is missing"
    if provider.base_url not in ("", EMBEDDED) and (wrong := address_fault(provider.base_url)):
        yield "base_url", wrong
    if provider.ca_file is not None and with_files:
        if not provider.verify:
            yield "ca_file", "counts for nothing with verify = false: leave one of them out"
        try:
            trust(provider.ca_file)
        except ValueError as error:
            yield "ca_file", str(error)
    if provider.proxy is not None and not _is_url(provider.proxy):
        yield "proxy", "is not http:// or https:// and a host"  # not shown: it may hold a password
    for key in ("organization", "project", "api_version"):
        if not (getattr(provider, key) or "").isprintable():
            yield key, "has characters that no header or address can carry"
    for name, value in provider.headers.items():
        if not _HEADER_NAME.fullmatch(name):
            yield f'headers."{name}"', "is no name of a header"
        if not value.isprintable():
            yield f"headers.{name}", "has characters that no header can carry"


def trust(ca_file: str) -> "ssl.SSLContext":
    """What trusts the certificates in this file (PEM), and no others. Raises ValueError saying what is wrong."""
    import ssl

    if not ca_file:
        raise ValueError("is empty")  # which would be taken for the system's certificates

    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        raise ValueError(f"{ca_file}: holds no certificates in PEM") from None
    except OSError as error:
        raise ValueError(f"{ca_file}: cannot be read: {error.strerror}") from None


def _has_extras(url: str) -> bool:
    host = url.split("://", 1)[-1].split("/", 1)[0]
    return "@" in host or "?" in url or "#" in url


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    return parts.scheme in ("http", "https") and bool(host) and port != 0 and not any(c.isspace() for c in text)
