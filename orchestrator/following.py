"""Answers as they land: reading on at the end of `responses.jsonl` while another task or process writes it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec

from outputs.journal import Log
from outputs.log_reader import read_lines
from outputs.records import ResponseLine
from prompts.input_error import InputError

_POLL_S = 0.2
_decode = msgspec.json.Decoder(ResponseLine).decode


async def follow(
    folder: Path, *, start: int = 0, still_running: Callable[[], bool] = lambda: False
) -> AsyncIterator[tuple[bytes, ResponseLine]]:
    """Yield (line, answer) from byte `start` of the log on, until nobody writes there any more and all is read.

    What is yielded was written by a live run and read back from the file; a torn last line is never yielded.
    Raises InputError naming a line that is damaged.
    """
    path = folder / Log.RESPONSES.file_name
    while True:
        running = still_running()  # asked before reading, so that the last lines are not missed
        for offset, line in read_lines(path, start):
            start = offset + len(line) + 1
            yield line, _read(path, offset, line)
            await asyncio.sleep(0)
        if not running:
            return
        await asyncio.sleep(_POLL_S)


def _read(path: Path, offset: int, line: bytes) -> ResponseLine:
    try:
        return _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        number = sum(1 for at, _ in read_lines(path) if at <= offset)
        raise InputError(f"the log is damaged here: {error}", file=path, line=number) from None
