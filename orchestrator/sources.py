"""What a run is made from: a manifest, a job spec, or a run folder that holds all it needs."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from jobs.manifest import ManifestJob
from jobs.protocol import Job
from jobs.spec import LoadedSpec, load_spec, restore_spec
from outputs.run_record import PromptRecord, RunRecord, Source
from prompts.input_error import InputError

DEFAULT_RUNS = Path("runs")


@dataclass(frozen=True, slots=True)
class Asked:
    """A source as read: its job, and what `run.json` will say of it."""

    path: Path
    source: Source
    job: Job
    spec: LoadedSpec | None = None
    first: int | None = None  # items of each dataset, or rows of a manifest, that it was cut to

    @property
    def default_out(self) -> Path:
        """Where the run goes where no --out is given."""
        if self.spec is not None and self.spec.out is not None:
            return self.spec.out
        return DEFAULT_RUNS / self.path.stem

    @property
    def media_folder(self) -> Path:
        """Where pictures and clips lie where no --media-root is given: beside the manifest, or beside the dataset."""
        return (self.path.parent if self.spec is None else self.spec.dataset_folder).resolve()

    @property
    def prompts(self) -> tuple[PromptRecord, ...]:
        spec = self.spec
        return () if spec is None else tuple(PromptRecord(p.name, p.version, p.sha256, p.text) for p in spec.prompts)


def read_source(
    path: Path,
    providers: Collection[str],
    media_root: Path | None = None,
    prompts_folder: Path | None = None,
    first: int | None = None,
    chosen: Mapping[str, tuple[str, ...]] | None = None,
) -> Asked:
    """A manifest or a spec (`*.toml`); `media_root` is where its items' media are, if not beside the dataset.

    `prompts_folder` has prompts that go over the shipped ones, `first` cuts a manifest, or each dataset of a spec, to
    its beginning. `chosen` has values for keys of a spec, in place of its own. Raises InputError.
    """
    if path.suffix != ".toml" and prompts_folder is not None:
        raise InputError("is for a spec: a manifest has its prompts in it", file=path, field="--prompts")
    if path.suffix == ".toml":
        spec = load_spec(path, providers, media_root, prompts_folder, first, chosen)
        return Asked(path, Source("spec", path.name, _sha256(path)), spec.job, spec, first)
    for name in chosen or ():
        raise InputError(f"is for specs with the key {name}", file=path, field=f"--{name}")
    return Asked(path, Source("manifest", path.name, _sha256(path)), ManifestJob(path, first), first=first)


def recorded_spec(record: RunRecord, providers: Collection[str]) -> LoadedSpec | None:
    """The spec of a run folder, from its record alone; None where a manifest was run. Raises InputError."""
    if record.spec_text is None:
        return None
    texts = {prompt.name: prompt.text for prompt in record.prompts}
    return restore_spec(record.spec_text, texts, providers, record.name, record.first)


def check_path(path: Path) -> None:
    """Raise InputError for a path that the system will not even look at, such as one that is too long."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise InputError(f"cannot be used: {error.strerror}", file=path) from None


def _sha256(path: Path) -> str:
    if path.exists() and not path.is_file():
        raise InputError("is no ordinary file, which can be read more than once", file=path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError("no such file", file=path) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None


Progress = Callable[[str, int], None]  # (what is being done, rows so far)


def silent(what: str, rows: int) -> None:
    """A progress that tells nobody."""
