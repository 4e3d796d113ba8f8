"""Where tables may go: not into the folder of another run, whose own tables they would be taken for."""

from collections.abc import Sequence
from pathlib import Path

from outputs.run_record import FILE_NAME
from prompts.input_error import InputError


def tables_place(out: Path | None, folders: Sequence[Path]) -> Path | None:
    """`out` where tables of the runs in `folders` can go there; None, their own place, where it is the only run itself.

    Raises InputError for a run folder.
    """
    if out is None or not (out / FILE_NAME).exists():
        return out
    if [folder.resolve() for folder in folders] == [out.resolve()]:
        return None
    what = "is a run folder, which keeps tables of that run alone: give another --out"
    raise InputError(what, file=out)
