"""Single lines of a log file by their offsets, decoded."""

import mmap
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

import msgspec

T = TypeVar("T")


class LinesAt(Generic[T]):
    """Reads lines of one file while the block lasts; the file need not be there before the first is read."""

    def __init__(self, path: Path, kind: type[T]) -> None:
        self._path = path
        self._decode = msgspec.json.Decoder(kind).decode
        self._map: mmap.mmap | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._map is not None:
            self._map.close()
            self._map = None

    def read(self, offset: int) -> T:
        """The line that starts at `offset`, which must be whole. Raises OSError, or what the decoder raises."""
        if self._map is None:
            with self._path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        end = self._map.find(b"\n", offset)
        return self._decode(self._map[offset:end])
