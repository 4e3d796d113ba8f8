"""Job specs: a TOML file becomes a job with its prompts, ready to run.

A run folder holds the spec's text and its prompts, so that a job is rebuilt from there without the spec's folder.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from jobs.materials import Materials
from jobs.protocol import Job
from jobs.registry import BudgetSpec, JobSpec, check_usd, find_kind
from prompts.input_error import InputError
from prompts.template import Prompt
from prompts.toml_text import convert_table, near_miss, parse_toml


@dataclass(frozen=True, slots=True)
class LoadedSpec:
    """A spec as read: `text` is the whole file, `name` its stem, `out` the run folder that it asks for, if any.

    `budget` has the caps of its `[budget]` table; none where there is no table. `dataset_folder` is where the paths of
    pictures and clips start from, unless told otherwise; of a recorded spec it is not known, and the working folder.
    """

    name: str
    text: str
    seed: int
    out: Path | None
    prompts: tuple[Prompt, ...]
    job: Job
    budget: BudgetSpec
    dataset_folder: Path = Path()
    first: int | None = None


def load_spec(
    path: Path,
    providers: Collection[str],
    media_root: Path | None = None,
    prompts_folder: Path | None = None,
    first: int | None = None,
    chosen: Mapping[str, tuple[str, ...]] | None = None,
) -> LoadedSpec:
    """Read a spec and build its job; `providers` are the names in the catalog. Raises InputError.

    The datasets are read by the job's `items()`, but their paths and readers are checked here. The items' pictures and
    clips are under `media_root`, by default the dataset's folder. `first` takes that many items of each dataset.
    `chosen` has values for keys of the spec, in place of its own.
    """
    text = _read(path)
    spec = _with_chosen(_parse(text, path), chosen or {}, path)
    _check_providers(spec.budget, path, providers)
    folder = path.parent
    materials = Materials(
        path, providers, folder, spec.seed, prompts_folder=prompts_folder, media_root=media_root, first=first
    )
    shown = spec.media_dataset()
    out = None if spec.out is None else folder / spec.out
    return _build(spec, text, path.stem, out, materials, folder if shown is None else (folder / shown.path).parent)


def restore_spec(
    text: str,
    prompts: Mapping[str, str],
    providers: Collection[str],
    name: str = "spec",
    first: int | None = None,
) -> LoadedSpec:
    """Rebuild a spec from what a run folder holds: the spec's text, and the texts of its prompts by their names.

    Its job's `items()` raises InputError: a run folder keeps the items themselves, not the dataset. `out` is None.
    """
    source = f"{name} (as recorded)"
    spec = _parse(text, source)
    materials = Materials(source, providers, None, spec.seed, recorded=prompts, first=first)
    return _build(spec, text, name, None, materials, Path())


def _build(
    spec: JobSpec, text: str, name: str, out: Path | None, materials: Materials, dataset_folder: Path
) -> LoadedSpec:
    job = find_kind(spec.job, materials.source).build(spec, materials)
    materials.require_own_prompts()
    prompts = tuple(materials.used.values())
    return LoadedSpec(name, text, spec.seed, out, prompts, job, spec.budget, dataset_folder, materials.first)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise InputError(f"cannot read the spec: {error.strerror}", file=path) from None
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 at byte {error.start}", file=path) from None


def _parse(text: str, source: Path | str) -> JobSpec:
    table = parse_toml(text, file=source)
    _check_amounts(table.get("budget"), source)
    return convert_table(table, find_kind(table.get("job"), source).spec, file=source)


def _with_chosen(spec: JobSpec, chosen: Mapping[str, tuple[str, ...]], source: Path) -> JobSpec:
    for name in chosen:
        if name not in spec.__struct_fields__:
            what = f"is for specs with the key {name}, which job {spec.job} has not"
            raise InputError(what, file=source, field=f"--{name}")
    return msgspec.structs.replace(spec, **chosen)


def _check_amounts(budget: Any, source: Path | str) -> None:
    """Name the key of a wrong amount, which the reading of the table as a record does not."""
    if not isinstance(budget, dict):
        return
    if "run" in budget:
        check_usd(budget["run"], file=source, field="budget.run")
    for part in ("providers", "models"):
        caps = budget.get(part)
        if isinstance(caps, dict):
            for name, amount in caps.items():
                check_usd(amount, file=source, field=f"budget.{part}.{name}")


def _check_providers(budget: BudgetSpec, source: Path, providers: Collection[str]) -> None:
    """A misspelt provider's cap would never bite."""
    for name in budget.providers:
        if name not in providers:
            raise InputError(f"unknown provider{near_miss(name, providers)}", file=source, field="budget.providers")
