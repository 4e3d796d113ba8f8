"""Several runs as tables, each by a name of its own."""

from collections.abc import Sequence
from pathlib import Path

from outputs.run_record import read_run_record
from outputs.tables.loading import LoadedRun, load_run
from prompts.input_error import InputError


def load_runs(folders: Sequence[Path], out: Path | None = None) -> list[LoadedRun]:
    """The runs with their tables, each by a name of its own: runs of one name are called by their folders.

    Raises InputError for a folder that is named twice, and for one that cannot be read.
    """
    places = [folder.resolve() for folder in folders]
    for folder, place in zip(folders, places, strict=True):
        if places.count(place) > 1:
            raise InputError("is named twice", file=folder)
    names = _told_apart([read_run_record(folder).name for folder in folders], map(_by_path, folders))
    names = _told_apart(names, map(_by_path, places))
    return [load_run(folder, out, name=name) for folder, name in zip(folders, names, strict=True)]


def _told_apart(names: Sequence[str], others: "map[str]") -> list[str]:
    """The names; in place of those that several share, the other ones."""
    return [other if names.count(name) > 1 else name for name, other in zip(names, others, strict=True)]


def _by_path(folder: Path) -> str:
    """A name that says where the run is and can be a folder's."""
    return "-".join(part for part in folder.parts if part not in (folder.anchor, "..", "."))
