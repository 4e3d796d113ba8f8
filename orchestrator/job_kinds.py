"""The kinds of job that a spec can name, and the annotated example that comes with each."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from rich.console import Console

from jobs.registry import KINDS, JobKind, kinds, load_kind
from outputs.disk import FULL
from prompts.input_error import InputError
from prompts.plain_text import plain_text
from prompts.toml_text import near_miss


def list_kinds() -> list[dict[str, str]]:
    """Each kind's `job`, as a spec names it, its `summary`, and the file name of its `example`, empty without one."""
    return [{"job": name, "summary": kind.summary, "example": _spec_name(kind)} for name, kind in kinds()]


def show_kinds(listed: list[dict[str, str]]) -> None:
    """A line for each."""
    console = Console()
    widest = max(len(one["job"]) for one in listed)
    for one in listed:
        line = f"{one['job']:{widest}}  {one['summary']}"
        console.print(plain_text(line), markup=False, highlight=False, soft_wrap=True)


def example_text(name: str) -> str:
    """The annotated spec of a kind. Raises InputError where there is no such kind, or no example of it."""
    kind = _kind(name)
    return _example(_spec_name(kind)).read_text("utf-8")


def write_example(name: str, folder: Path) -> Path:
    """Write a kind's annotated spec, and the files that it reads, into `folder`; returns the spec's path.

    Nothing is written over what is there. Raises InputError, then nothing is written.
    """
    kind = _kind(name)
    wanted = (_spec_name(kind), *kind.example_files)
    for one in wanted:
        if (folder / one).exists():
            raise InputError("is there already: give another --to", file=folder / one)
    found = {one: _example(one).read_bytes() for one in wanted}
    try:
        for one, data in found.items():
            (folder / one).parent.mkdir(parents=True, exist_ok=True)
            (folder / one).write_bytes(data)
    except OSError as error:
        if error.errno in FULL:
            raise
        raise InputError(f"cannot be written: {error.strerror}", file=folder) from None
    return folder / wanted[0]


def _kind(name: str) -> JobKind:
    if name not in KINDS:
        raise InputError(f"unknown job {name!r}{near_miss(name, KINDS)}")
    kind = load_kind(name)
    if not kind.example:
        raise InputError(f"there is no example of a spec for {name!r}")
    return kind


def _spec_name(kind: JobKind) -> str:
    return f"{kind.example}.toml" if kind.example else ""


def _example(name: str) -> Traversable:
    return files("jobs").joinpath("examples", *name.split("/"))
