"""Making the rows of a run, and what is searched of them: files beside the run's tables, made when those are newer.

Those of a large run are made by a process of its own, so that whoever shows the rows keeps none of its memory.
"""

import hashlib
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec

from outputs.browsing.another import Another
from outputs.browsing.writing import FILES, ROWS, write_files
from outputs.disk import FULL, Disk, OsDisk
from outputs.tables.loading import LoadedRun, tables_as_made
from outputs.tables.made import MADE
from outputs.tables.workroom import workroom
from prompts.input_error import InputError

FOLDER = "browsing"
_FORMAT = 3  # counted on with every change of what the rows say
_LARGE = 30_000  # rows, from which on a process of its own pays
_COMMAND = f"import sys; from {__name__} import main; main(*sys.argv[1:])"


class _Made(msgspec.Struct, frozen=True):
    """What the files were made of: the digest of what the tables were made of. `bytes` of each file."""

    tables: str
    bytes: dict[str, int]
    format: int = _FORMAT


def browse_table(run: LoadedRun) -> Path:
    """The run's rows, columns as in `outputs.browsing.columns.BROWSE`, under the name that the run itself has.

    Raises InputError where they cannot be made, OSError where the disk is full.
    """
    place = _place(run)
    if not _is_made(place) and not (_is_large(run) and _made_by_another(run.folder, place)):
        make(run.folder, place.parent)
    return place / ROWS


def _place(run: LoadedRun) -> Path:
    return next(iter(run.tables.values())).parent / FOLDER


@contextmanager
def rows_meanwhile(runs: Sequence[LoadedRun]) -> Iterator[None]:
    """Have the rows of large runs made beside the block, which goes on for as long as that takes.

    Nothing is raised: who opens rows that could not be made is told why. What the block raises ends the making at once.
    """
    another = Another()
    with ThreadPoolExecutor(1) as beside:
        for run in filter(_is_large, runs):
            beside.submit(_make_by, another, run)
        try:
            yield
        except BaseException:
            another.end()
            raise


def _make_by(another: Another, run: LoadedRun) -> None:
    """What that process cannot make is left to who opens the rows: what this one makes, nobody can end."""
    place = _place(run)
    if not _is_made(place) and not another.run(_command(run.folder, place)):
        with workroom(place):
            pass  # what the process left behind is gone


def _is_large(run: LoadedRun) -> bool:
    return max(run.record.requests, run.counts.asked) >= _LARGE


def make(folder: Path, tables: Path, disk: Disk | None = None) -> None:
    """Make the files in this process, of the run in `folder` whose tables are in `tables`. Raises as `browse_table`."""
    disk = OsDisk() if disk is None else disk
    place = tables / FOLDER
    try:
        made_of = _digest(tables)
        with workroom(place) as beside:
            write_files(tables_as_made(folder, tables), beside, disk)
            for name in FILES:
                (beside / name).replace(place / name)
        disk.replace(place / MADE, msgspec.json.encode(_Made(made_of, _sizes(place))))
    except OSError as error:
        if error.errno in FULL:
            raise
        raise InputError(f"cannot be written: {error.strerror or error}", file=place) from None


def unmake(tables: Path) -> None:
    """Have the tables in this folder and their rows made anew by whoever wants them next, whatever is there.

    Raises OSError.
    """
    for made in (tables / FOLDER / MADE, tables / MADE):
        made.unlink(missing_ok=True)


def _digest(tables: Path) -> str:
    """Of what the tables were made of."""
    return hashlib.sha256((tables / MADE).read_bytes()).hexdigest()


def _sizes(place: Path) -> dict[str, int]:
    return {name: (place / name).stat().st_size for name in FILES}


def _is_made(place: Path) -> bool:
    try:
        made = msgspec.json.decode((place / MADE).read_bytes(), type=_Made)
        return (made.format, made.tables, made.bytes) == (_FORMAT, _digest(place.parent), _sizes(place))
    except (OSError, msgspec.MsgspecError):
        return False


def _made_by_another(folder: Path, place: Path) -> bool:
    """Whether a process of its own has made them; where it cannot, this one does, and tells what is wrong."""
    return Another().run(_command(folder, place)) and _is_made(place)


def _command(folder: Path, place: Path) -> list[str]:
    return [sys.executable, "-P", "-c", _COMMAND, str(folder.resolve()), str(place.parent.resolve())]


def main(folder: str, tables: str) -> None:
    """Make the rows of the run in `folder`, whose tables are in `tables`."""
    make(Path(folder), Path(tables))
