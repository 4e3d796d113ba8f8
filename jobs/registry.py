"""The kinds of job that a spec can name, and what a kind needs to be built.

A kind's module is imported when a spec names it, so that a short command does not pay for all of them.
"""

import importlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from jobs.protocol import Job
from outputs.items import Item
from prompts.input_error import InputError
from prompts.template import Prompt
from prompts.toml_text import near_miss


class DatasetSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`[dataset]`: the file, relative to the spec, its reader, and how many of its items to take (all, by default).

    `media` is the pattern of the paths of the items' pictures or clips, relative to the dataset's folder.
    """

    path: str
    reader: str = "msvd-eval"
    first: int | None = None
    media: str | None = None


class BudgetSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`[budget]`: what may be spent at most, in USD: by the whole run, by a provider, by a model.

    `providers` by their names in the catalog. `models` by `model` (wherever it is served, together) or by
    `provider/model`. What is not named has no cap of its own.
    """

    run: float | None = None
    providers: dict[str, float] = {}
    models: dict[str, float] = {}


class JobSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The keys that every spec may have. A kind adds its own by inheriting; any other key is an error."""

    job: str
    model: str
    dataset: DatasetSpec
    prompt: str
    seed: int = 0
    out: str | None = None
    params: dict[str, Any] = {}
    budget: BudgetSpec = BudgetSpec()


@dataclass(frozen=True, slots=True)
class Materials:
    """What a spec's words stand for: `prompts` by the words of the spec, `items` reads the dataset.

    `source` names the spec in errors; `providers` are the names in the catalog. `media_root` is the folder that the
    paths of the items' pictures and clips start from; a recorded spec reads no items and looks at no file.
    """

    source: Path | str
    prompts: Mapping[str, Prompt]
    providers: Collection[str]
    items: Callable[[], Iterator[Item]]
    media_root: Path = Path()


@dataclass(frozen=True, slots=True)
class JobKind:
    """One kind of job: the record of its spec, and how to build it. `build` raises InputError for a spec it refuses."""

    spec: type[JobSpec]
    build: Callable[[Any, Materials], Job]


MOST_USD = 1e9  # a cap above it is a slip of the pen, or `inf`
KINDS = {"gveval": "jobs.gveval"}  # each module has a JobKind by the name KIND


def find_kind(name: object, source: Path | str) -> JobKind:
    """The kind that a spec's `job` names. Raises InputError naming `source` where there is none."""
    if name is None:
        raise InputError(f"is missing{near_miss('', KINDS)}", file=source, field="job")
    if not isinstance(name, str) or name not in KINDS:
        raise InputError(f"unknown job {name!r}{near_miss(str(name), KINDS)}", file=source, field="job")
    kind: JobKind = importlib.import_module(KINDS[name]).KIND
    return kind


def check_usd(amount: object, *, file: Path | str | None, field: str) -> float:
    """A cap as a float. Raises InputError where it is not an amount of money from 0 to a billion USD."""
    if isinstance(amount, dict):
        raise InputError(
            "an amount in USD is expected; a name with a dot in it stands in quotes", file=file, field=field
        )
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount <= MOST_USD:
        raise InputError(f"an amount in USD is expected, 0 or more, not {amount!r}", file=file, field=field)
    return float(amount)


def split_model(name: str, providers: Collection[str]) -> tuple[str | None, str]:
    """(provider, model) of `provider/model` where the first part is a provider's name; else (None, the whole name)."""
    provider, slash, model = name.partition("/")
    return (provider, model) if slash and provider in providers else (None, name)
