"""Finding equal keys among millions of rows, at 12 bytes a row: 64-bit hashes, looked at in parts."""

import hashlib
from array import array
from collections.abc import Iterator

_PARTS = 256


class KeyIndex:
    """Keys by the order in which they were added (0, 1, ...). Equal hashes are taken for equal keys."""

    def __init__(self) -> None:
        self._hashes = [array("Q") for _ in range(_PARTS)]
        self._numbers = [array("I") for _ in range(_PARTS)]
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: bytes) -> None:
        """The next key."""
        digest = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little")
        self._hashes[digest % _PARTS].append(digest)
        self._numbers[digest % _PARTS].append(self._count)
        self._count += 1

    def repeated(self) -> list[int]:
        """The numbers, ascending, of keys that were there before."""
        found: list[int] = []
        for hashes, numbers in zip(self._hashes, self._numbers, strict=True):
            if len(set(hashes)) == len(hashes):
                continue
            seen: set[int] = set()
            for digest, number in zip(hashes, numbers, strict=True):
                if digest in seen:
                    found.append(number)
                seen.add(digest)
        return sorted(found)

    def matches(self, other: "KeyIndex") -> Iterator[tuple[int, int]]:
        """(number here, number there) for each key here that is also in `other`; the last one there counts."""
        for part in range(_PARTS):
            there = dict(zip(other._hashes[part], other._numbers[part], strict=True))
            for digest, number in zip(self._hashes[part], self._numbers[part], strict=True):
                if (match := there.get(digest)) is not None:
                    yield number, match
