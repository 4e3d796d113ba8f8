"""The files that a manifest may name, and nothing outside their folder; and the bytes inside data URLs."""

import base64
import binascii
import io
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_to_bytes

from prompts.input_error import InputError
from providers.media.references import MediumKind, Reference

MOST_PICTURE_BYTES = 256 << 20
MOST_CLIP_BYTES = 2 << 30
Source = io.BufferedReader | io.BytesIO  # an open file, or the bytes of a data URL

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")
_FILE = re.compile(r"file://(?:localhost)?(?=/)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MediaRoot:
    """The one folder that pictures and clips are read from: the manifest's, or `--media-root`."""

    folder: Path
    _real: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_real", os.path.realpath(self.folder))

    def path_of(self, reference: Reference) -> Path:
        """Where its file lies, links followed. Raises InputError unless that is a regular file under the folder."""
        try:
            path = os.path.realpath(os.path.join(self._real, _written_path(reference)))  # noqa: PTH118
            if not _is_under(path, self._real):
                raise InputError(
                    f"{reference.url!r} lies outside {self._real}; name its folder with --media-root",
                    field=reference.field,
                )
            mode = os.stat(path).st_mode  # noqa: PTH116
        except (OSError, ValueError) as error:
            raise _unreadable(reference, error) from None
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            raise InputError(f"{reference.url!r} is {what}", field=reference.field)
        return Path(path)

    def open(self, reference: Reference) -> io.BufferedReader:
        """Its file, open for reading; for a data URL see `read`. Raises InputError."""
        path = self.path_of(reference)
        try:
            # What was a file a moment ago may be a pipe now: it must neither hang nor be read.
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise _unreadable(reference, error) from None
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise InputError(f"{reference.url!r} is not a regular file", field=reference.field)
        return os.fdopen(handle, "rb")

    def read(self, reference: Reference) -> bytes:
        """All its bytes: of its file, or those that its data URL holds. Raises InputError."""
        if reference.is_data:
            return read_data_url(reference)
        most = MOST_PICTURE_BYTES if reference.kind is MediumKind.PICTURE else MOST_CLIP_BYTES
        with self.open(reference) as file:
            try:
                size = os.fstat(file.fileno()).st_size
                data = file.read(most + 1) if size <= most else b""
            except OSError as error:
                raise _unreadable(reference, error) from None
        if max(size, len(data)) > most:
            raise InputError(f"has {size:,} bytes; at most {most:,} are taken", field=reference.field)
        return data


def read_data_url(reference: Reference) -> bytes:
    """The bytes in a data URL, whatever type it claims. Raises InputError unless they are there in sound base64."""
    head, comma, text = reference.url.partition(",")
    if not comma:
        raise InputError("a data: URL without a comma; write data:image/png;base64,...", field=reference.field)
    if not head.lower().rstrip().endswith(";base64"):
        raise InputError("a data: URL that is not in base64; write data:image/png;base64,...", field=reference.field)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"a data: URL whose base64 is broken: {error}", field=reference.field) from None


def _written_path(reference: Reference) -> str:
    url = reference.url
    if (prefix := _FILE.match(url)) is not None:
        return os.fsdecode(unquote_to_bytes(url[prefix.end() :]))
    if (scheme := _SCHEME.match(url)) is not None:
        raise InputError(
            f"{scheme.group()} addresses are not read; give a local file, a data: URL, or http(s)",
            field=reference.field,
        )
    return url


def _is_under(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def _unreadable(reference: Reference, error: OSError | ValueError) -> InputError:
    url = reference.url if len(reference.url) <= 200 else reference.url[:200] + "..."
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return InputError(f"{url!r}: no such file", field=reference.field)
    why = error.strerror if isinstance(error, OSError) else str(error)
    return InputError(f"{url!r} cannot be read: {why}", field=reference.field)
