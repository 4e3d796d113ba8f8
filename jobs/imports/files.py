"""The files of an import: found, of a kind that can be read, and their lines with their places."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from prompts.input_error import InputError

_BOM = b"\xef\xbb\xbf"
_PACKED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"(\xb5/\xfd": "zstandard", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}


def check_files(paths: Sequence[Path]) -> dict[Path, str]:
    """The SHA-256, in hex, of each file's bytes. Raises InputError for what is no plain file, or given twice."""
    found: dict[Path, str] = {}
    places: dict[Path, Path] = {}
    for path in paths:
        found[path] = _digest(path)
        same = places.setdefault(path.resolve(), path)
        if same is not path:
            raise InputError("is given twice", file=path)
    return found


def _digest(path: Path) -> str:
    try:
        if path.is_dir():
            raise InputError("is a folder: name its files", file=path)
        if path.exists() and not path.is_file():
            raise InputError("is no ordinary file, which can be read more than once", file=path)
        with path.open("rb") as file:
            beginning = file.read(8)
            packed = next((name for mark, name in _PACKED.items() if beginning.startswith(mark)), None)
            if packed is not None:
                raise InputError(f"is packed ({packed}): unpack it first", file=path)
            file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError("no such file", file=path) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None


def read_json_lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """(line number, offset in bytes, text) of every line that is not blank, without byte order mark and line break.

    Raises InputError for what is not UTF-8.
    """
    with path.open("rb") as file:
        offset = 0
        for number, line in enumerate(file, 1):
            text = (line.removeprefix(_BOM) if number == 1 else line).strip()
            if text:
                check_utf8(path, number, text)
                yield number, offset, text
            offset += len(line)


def check_utf8(path: Path, number: int, text: bytes) -> None:
    """Raise InputError for a line that is not UTF-8."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 at byte {error.start} of the line", file=path, line=number) from None
