"""Files of lines: the shard that is sent in one body, and results that are read line by line, whatever is in them."""

import asyncio
import contextlib
import io
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO

MOST_LINE_BYTES = 64 << 20  # as for an answer that comes online


def one_line(body: bytes) -> bytes:
    """Valid JSON on one line: line breaks may only stand between its tokens."""
    return body.replace(b"\n", b" ").replace(b"\r", b" ") if b"\n" in body or b"\r" in body else body


def joined(path: Path, head: bytes, tail: bytes) -> bytes:
    """The file's lines with commas between them, between `head` and `tail`; one copy of them in memory."""
    body, comma = io.BytesIO(), b""
    body.write(head)
    with path.open("rb") as file:
        for line in file:
            if stripped := line.rstrip(b"\r\n"):
                body.write(comma)
                body.write(stripped)
                comma = b","
    body.write(tail)
    return body.getvalue()


@contextlib.asynccontextmanager
async def new_file(path: Path) -> AsyncIterator[BinaryIO]:
    """A file to write, which is at `path` when the block has ended well, on disk and whole; else nothing is left of it.

    Raises OSError.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            yield file
            await asyncio.to_thread(_sync, file)
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def lines_of(path: Path) -> Iterator[tuple[bytes, bool]]:
    """(line, whether it is all of it) for each that is not empty; of one that is too long its beginning."""
    with path.open("rb") as file:
        while line := file.readline(MOST_LINE_BYTES):
            whole = len(line) < MOST_LINE_BYTES or line.endswith(b"\n")
            yielded = line.strip()
            while line and not line.endswith(b"\n"):
                line = file.readline(MOST_LINE_BYTES)
            if yielded:
                yield yielded, whole
