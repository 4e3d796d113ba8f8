"""`run.json`: what was asked. It is written when the run is made and replaced atomically, never edited in place."""

from pathlib import Path
from typing import Any

import msgspec

from prompts.input_error import InputError

FORMAT = 1
FILE_NAME = "run.json"


class PromptRecord(msgspec.Struct, frozen=True):
    """A prompt as it was used: the whole file's text, and its SHA-256 in hex."""

    name: str
    version: str
    sha256: str
    text: str


class Source(msgspec.Struct, frozen=True):
    """What the run was made from: `kind` is manifest or spec, `name` the file's name, `sha256` of its bytes in hex."""

    kind: str
    name: str
    sha256: str


class RunRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """All that was asked for. `catalog` and `prices` are snapshots by provider and by lane, without any secret."""

    name: str
    created_at: str
    code_version: str
    source: Source
    items: int  # lines written to items.jsonl when the run was made: seq 1 to `items`
    requests: int  # lines written to requests.jsonl when the run was made: the next `requests` seqs
    simulated: bool
    job: str = "manifest"
    provider_override: str | None = None  # everything was sent there, whatever the requests name
    spec_text: str | None = None
    prompts: tuple[PromptRecord, ...] = ()
    seed: int = 0
    first: int | None = None  # items of each dataset, or rows of the manifest, that it was cut to
    shows_media: bool = False  # whether requests show pictures or clips, which may change though the manifest does not
    media_root: str | None = None  # where the pictures and clips that requests name are
    budget: dict[str, Any] | None = None  # the caps it was made with, in USD; later ones are in the log
    catalog: dict[str, Any] = {}
    prices: dict[str, Any] = {}
    format: int = FORMAT


class _Format(msgspec.Struct):
    format: int = FORMAT


def read_run_record(folder: Path) -> RunRecord:
    """Read `run.json` of a run folder. Raises InputError where it is none, or was made by another version."""
    path = folder / FILE_NAME
    try:
        text = path.read_bytes()
        written = msgspec.json.decode(text, type=_Format).format
        if written != FORMAT:
            raise InputError(f"format {written}: this version of overnight reads format {FORMAT}", file=path)
        return msgspec.json.decode(text, type=RunRecord)
    except FileNotFoundError:
        what = "not a run folder: it has no run.json" if folder.exists() else "no such run folder"
        raise InputError(what, file=folder) from None
    except NotADirectoryError:
        raise InputError("is a file; a run is a folder", file=folder) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"not readable as the record of a run: {error}", file=path) from None
