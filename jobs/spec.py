"""Job specs: a TOML file becomes a job with its prompts, ready to run.

A run folder holds the spec's text and its prompts, so that a job is rebuilt from there without the spec's folder.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from jobs.datasets import find_reader
from jobs.media_pattern import check_pattern
from jobs.protocol import Job
from jobs.registry import BudgetSpec, JobSpec, Materials, check_usd, find_kind
from outputs.items import Item
from prompts.input_error import InputError
from prompts.template import Prompt, load_prompt, parse_prompt, read_prompt
from prompts.toml_text import convert_table, near_miss, parse_toml


@dataclass(frozen=True, slots=True)
class LoadedSpec:
    """A spec as read: `text` is the whole file, `name` its stem, `out` the run folder that it asks for, if any.

    `budget` has the caps of its `[budget]` table; none where there is no table. `dataset_folder` is where the paths of
    pictures and clips start from, unless told otherwise; of a recorded spec it is not known, and the working folder.
    """

    name: str
    text: str
    job_name: str
    seed: int
    out: Path | None
    prompts: tuple[Prompt, ...]
    job: Job
    budget: BudgetSpec
    dataset_folder: Path = Path()


def load_spec(path: Path, providers: Collection[str], media_root: Path | None = None) -> LoadedSpec:
    """Read a spec and build its job; `providers` are the names in the catalog. Raises InputError.

    The dataset is read by the job's `items()`, but its path and its reader are checked here. The items' pictures and
    clips are under `media_root`, by default the dataset's folder.
    """
    text = _read(path)
    spec = _parse(text, path)
    _check_providers(spec.budget, path, providers)
    dataset = path.parent / spec.dataset.path
    if not dataset.is_file():
        raise InputError(f"no such file: {dataset}", file=path, field="dataset.path")
    prompt = _find_prompt(spec.prompt, path)
    out = None if spec.out is None else path.parent / spec.out
    root = dataset.parent if media_root is None else media_root
    materials = Materials(path, {spec.prompt: prompt}, providers, lambda: _read_items(spec, dataset, path), root)
    return _build(spec, text, path.stem, out, prompt, materials, dataset.parent)


def restore_spec(text: str, prompts: Mapping[str, str], providers: Collection[str], name: str = "spec") -> LoadedSpec:
    """Rebuild a spec from what a run folder holds: the spec's text, and the texts of its prompts by their names.

    Its job's `items()` raises InputError: a run folder keeps the items themselves, not the dataset. `out` is None.
    """
    source = f"{name} (as recorded)"
    spec = _parse(text, source)
    known = Path(spec.prompt).stem
    if known not in prompts:
        raise InputError(f"the record has no prompt {known!r}{near_miss(known, prompts)}", file=source, field="prompt")
    prompt = parse_prompt(prompts[known], f"prompt {known} (as recorded)")

    def no_items() -> Iterator[Item]:
        raise InputError("a recorded spec has no dataset: the run's items.jsonl has its items", file=source)

    return _build(spec, text, name, None, prompt, Materials(source, {spec.prompt: prompt}, providers, no_items), Path())


def _build(
    spec: JobSpec,
    text: str,
    name: str,
    out: Path | None,
    prompt: Prompt,
    materials: Materials,
    dataset_folder: Path,
) -> LoadedSpec:
    job = find_kind(spec.job, materials.source).build(spec, materials)
    return LoadedSpec(name, text, spec.job, spec.seed, out, (prompt,), job, spec.budget, dataset_folder)


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
    spec = convert_table(table, find_kind(table.get("job"), source).spec, file=source)
    if spec.dataset.first is not None and spec.dataset.first < 1:
        raise InputError("at least 1 item", file=source, field="dataset.first")
    reader = find_reader(spec.dataset.reader, source)
    if spec.dataset.media is not None:
        check_pattern(spec.dataset.media, reader.media_names, source)
    return spec


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


def _find_prompt(name: str, spec: Path) -> Prompt:
    """A name is a shipped prompt; what has a slash or ends in `.md` is a path, relative to the spec."""
    if "/" in name or name.endswith(".md"):
        return read_prompt(spec.parent / name)
    try:
        return load_prompt(name)
    except InputError as error:
        raise InputError(error.message, file=error.file or spec, line=error.line, field=error.field) from None


def _read_items(spec: JobSpec, dataset: Path, source: Path) -> Iterator[Item]:
    items = find_reader(spec.dataset.reader, source).read(dataset, spec.dataset.media)
    return islice(items, spec.dataset.first)
