"""The kinds of job that a spec can name, and the keys that every spec may have.

A kind's module is imported when a spec names it, so that a short command does not pay for all of them.
"""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from jobs.materials import Materials
from jobs.protocol import Job
from prompts.input_error import InputError
from prompts.toml_text import near_miss


class DatasetSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`[dataset]`: a file, relative to the spec, and how to read it.

    `reader` names its format, by default the job's usual one. `name` is put before the items' ids, and is needed where
    a spec has several datasets. `sample` takes so many items, drawn with the spec's seed, in the file's order; `first`
    the first so many of those (all, by default). `media` is the pattern of the paths of the items' pictures or clips,
    relative to the dataset's folder; `captions` a second file with the captions, for formats that have one; `columns`
    says for a general table which of its columns holds what.
    """

    path: str
    reader: str | None = None
    name: str = ""
    sample: int | None = None
    first: int | None = None
    media: str | None = None
    captions: str | None = None
    columns: dict[str, str] = {}


class BudgetSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`[budget]`: what may be spent at most, in USD: by the whole run, by a provider, by a model.

    `providers` by their names in the catalog. `models` by `model` (wherever it is served, together) or by
    `provider/model`. What is not named has no cap of its own.
    """

    run: float | None = None
    providers: dict[str, float] = {}
    models: dict[str, float] = {}


class JobSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The keys that every spec may have. A kind adds its own by inheriting; any other key is an error.

    `params` goes into the body of every request of the job's first stage.
    """

    job: str
    seed: int = 0
    out: str | None = None
    params: dict[str, Any] = {}
    budget: BudgetSpec = BudgetSpec()

    def media_dataset(self) -> DatasetSpec | None:
        """The dataset beside which the pictures and clips lie that requests show; None where they show none."""
        return None


@dataclass(frozen=True, slots=True)
class JobKind:
    """One kind of job: the record of its spec, how to build it, and what it is for in a line.

    `build` raises InputError for a spec it refuses. `example` is the stem of its annotated spec in `jobs/examples`, and
    `example_files` what that reads, beside it.
    """

    spec: type[JobSpec]
    build: Callable[[Any, Materials], Job]
    summary: str = ""
    example: str = ""
    example_files: tuple[str, ...] = ()


MOST_USD = 1e9  # a cap above it is a slip of the pen, or `inf`
KINDS = {  # each module has a JobKind by the name KIND
    "ask": "jobs.ask",
    "gveval": "jobs.gveval",
    "ice": "jobs.ice.job",
    "judge": "jobs.judge",
    "rse": "jobs.rse",
}


def find_kind(name: object, source: Path | str) -> JobKind:
    """The kind that a spec's `job` names. Raises InputError naming `source` where there is none."""
    if name is None:
        raise InputError(f"is missing{near_miss('', KINDS)}", file=source, field="job")
    if not isinstance(name, str) or name not in KINDS:
        raise InputError(f"unknown job {name!r}{near_miss(str(name), KINDS)}", file=source, field="job")
    return load_kind(name)


def load_kind(name: str) -> JobKind:
    """The kind of a name in `KINDS`."""
    kind: JobKind = importlib.import_module(KINDS[name]).KIND
    return kind


def kinds() -> Iterator[tuple[str, JobKind]]:
    """All kinds, by name."""
    return ((name, load_kind(name)) for name in sorted(KINDS))


def check_usd(amount: object, *, file: Path | str | None, field: str) -> float:
    """A cap as a float. Raises InputError where it is not an amount of money from 0 to a billion USD."""
    if isinstance(amount, dict):
        raise InputError(
            "an amount in USD is expected; a name with a dot in it stands in quotes", file=file, field=field
        )
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount <= MOST_USD:
        raise InputError(f"an amount in USD is expected, 0 or more, not {amount!r}", file=file, field=field)
    return float(amount)
