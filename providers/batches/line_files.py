"""Files of lines: the shard that is sent in one body, and results that are read line by line, whatever is in them."""

import io
from collections.abc import Iterator
from pathlib import Path

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
