"""One line of a log file by its `seq`, found by bisection: the lines of a file stand in the order of their seqs."""

import os
from pathlib import Path

_CHUNK = 1 << 16
_HEAD = b'{"seq":'
_HEAD_BYTES = 32  # the seq and what stands before it


def line_by_seq(path: Path, seq: int) -> bytes | None:
    """The line with this seq, without its line break; None where there is none. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _bisect(fd, seq)
    finally:
        os.close(fd)


def _bisect(fd: int, seq: int) -> bytes | None:
    low, high = 0, os.fstat(fd).st_size  # a line that starts in here is the one, if any is
    while low < high:
        start = _start_of_line(fd, (low + high) // 2, low)
        end = _end_of_line(fd, start)
        found = _seq_at(fd, start)
        if found is None or end is None or found > seq:
            high = start
        elif found < seq:
            low = end + 1
        else:
            return os.pread(fd, end - start, start)
    return None


def _start_of_line(fd: int, offset: int, least: int) -> int:
    """Where the line that `offset` is in starts; `least` is the start of some line before."""
    upto = offset
    while upto > least:
        begin = max(least, upto - _CHUNK)
        found = os.pread(fd, upto - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        upto = begin
    return least


def _end_of_line(fd: int, start: int) -> int | None:
    """Where the line's break is; None for a last line without one."""
    while chunk := os.pread(fd, _CHUNK, start):
        found = chunk.find(b"\n")
        if found >= 0:
            return start + found
        start += len(chunk)
    return None


def _seq_at(fd: int, start: int) -> int | None:
    head = os.pread(fd, _HEAD_BYTES, start)
    digits = head.removeprefix(_HEAD).partition(b",")[0]
    return int(digits) if head.startswith(_HEAD) and digits.isdigit() else None
