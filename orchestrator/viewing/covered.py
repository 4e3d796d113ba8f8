"""How much of a run could be read, where its tables say so already: nothing is made for it."""

from pathlib import Path

import polars as pl

from outputs.run_summary import coverage_table
from outputs.tables.extent import extent
from outputs.tables.loading import tables_as_made
from outputs.tables.made import MADE, read_made
from prompts.input_error import InputError
from prompts.records import Outcome


def coverage_of(folder: Path) -> float | None:
    """Answers that could be read, of the requests asked for; where nothing reads them, all answers. None where the
    tables of the run in `folder` are not there, or not of its log as it is.
    """
    place = folder / "tables"
    if not (place / MADE).exists():
        return None
    made = read_made(place)
    if made is None or made.log != {log.file_name: told for log, told in extent(folder).items()}:
        return None
    try:
        found = coverage_table(tables_as_made(folder, place))
    except (InputError, OSError, pl.exceptions.PolarsError):
        return None
    covered = pl.when(pl.col("read") > 0).then(pl.col(Outcome.OK.value)).otherwise("answered")
    asked = int(found["asked"].sum())
    return int(found.select(covered.sum()).item()) / asked if asked else None
