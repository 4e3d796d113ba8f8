"""What the tables in a folder were made of: where nothing of that has changed, they are taken as they are."""

import hashlib
from pathlib import Path

import msgspec

from outputs.disk import Disk
from outputs.journal import Log
from outputs.run_record import FILE_NAME, RunRecord
from outputs.tables.columns import TABLES
from outputs.tables.extent import extent

FORMAT = 2  # of the tables: counted on with every change of their columns or of what stands in them
MADE = "made.json"


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """`log`: size in bytes and time of the last change (nanoseconds since 1970) of each log file.

    `rows` and `bytes` are by table; `counts` are the requests asked for, answered and finally failed.
    """

    format: int = FORMAT
    code_version: str
    run: str  # the name in the tables
    run_sha256: str  # of run.json
    log: dict[str, tuple[int, int]]
    rows: dict[str, int] = {}
    bytes: dict[str, int] = {}
    counts: tuple[int, int, int] = (0, 0, 0)
    simulated: bool = False

    @property
    def ends(self) -> dict[Log, int]:
        """How far each log file was read."""
        return {log: self.log[log.file_name][0] for log in Log}

    def same_run(self, other: "Made") -> bool:
        """Whether both are of the same log, name, format and code."""
        return all(getattr(self, name) == getattr(other, name) for name in _OF_THE_RUN)


_OF_THE_RUN = ("format", "code_version", "run", "run_sha256", "log")


def made_of(folder: Path, record: RunRecord) -> Made:
    """What tables that are made now will be of."""
    from importlib import metadata

    try:
        version = metadata.version("overnight")
    except metadata.PackageNotFoundError:
        version = "unknown"
    sha256 = hashlib.sha256((folder / FILE_NAME).read_bytes()).hexdigest()
    log = {log.file_name: told for log, told in extent(folder).items()}
    return Made(code_version=version, run=record.name, run_sha256=sha256, log=log)


def read_made(place: Path) -> Made | None:
    """What the tables in `place` were made of; None where one is missing, or is not the one that was made."""
    try:
        made = msgspec.json.decode((place / MADE).read_bytes(), type=Made)
        whole = all((place / f"{name}.parquet").stat().st_size == made.bytes.get(name) for name in TABLES)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return made if whole else None


def write_made(place: Path, made: Made, disk: Disk) -> None:
    """Say what the tables in `place` were made of, once they are there. Raises OSError."""
    disk.replace(place / MADE, msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n")
