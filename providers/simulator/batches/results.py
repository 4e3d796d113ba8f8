"""The result lines of a batch, as they come, and the files that are made of them at its end."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec


class _Piece(msgspec.Struct, frozen=True):
    to_answers: bool
    offset: int
    size: int


class Results:
    """Lines on disk, answers and failures in one file until `write` parts them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pieces: list[_Piece] = []
        self._end = 0

    def add(self, to_answers: bool, lines: Iterable[bytes]) -> None:
        """Keep lines (without line breaks) for one of the two files."""
        with self._path.open("ab") as file:
            for line in lines:
                self._pieces.append(_Piece(to_answers, self._end, len(line)))
                self._end += file.write(line)

    def write(self, path: Path, order: Sequence[int], to_answers: bool | None) -> int:
        """Write the answers, or the failures, or (None) both, in this order of all lines; returns how many."""
        chosen = [self._pieces[place] for place in order if to_answers in (None, self._pieces[place].to_answers)]
        if not chosen:
            return 0
        with self._path.open("rb") as source, path.open("wb") as target:
            for piece in chosen:
                _copy(source, target, piece)
        return len(chosen)

    def __len__(self) -> int:
        return len(self._pieces)

    def discard(self) -> None:
        """Free the disk; nothing can be written from here on."""
        self._path.unlink(missing_ok=True)


def _copy(source: BinaryIO, target: BinaryIO, piece: _Piece) -> None:
    source.seek(piece.offset)
    target.write(source.read(piece.size) + b"\n")
