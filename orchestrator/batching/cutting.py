"""Cutting shards: rows that wait become the lines of one batch's file, each with its money reserved.

A shard keeps to the limits of its batch API, and to one group: what cannot be in one batch waits for the next.
"""

import asyncio
import contextlib
import hashlib
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

from orchestrator.attempts import unsendable
from orchestrator.batching.row_queue import RowQueue
from orchestrator.batching.surroundings import PASS, Surroundings
from orchestrator.bounding import Call, pictured_call, plain_call, reserve_at
from orchestrator.budget import Fit
from orchestrator.lane import Lane
from orchestrator.media_stage import Pictures, wanted_media
from outputs.journal import WriteFailedError
from outputs.records import RequestLine
from prompts.input_error import InputError
from providers.batches.wire import BatchClient
from providers.prices import Rates


@dataclass(slots=True)
class Cut:
    """A shard on disk. `rows`, `seqs` (of their requests) and `reserved` (USD) belong together, in the file's order."""

    key: str
    path: Path
    group: str = ""
    rows: list[int] = field(default_factory=list)
    seqs: list[int] = field(default_factory=list)
    reserved: list[float | None] = field(default_factory=list)
    size: int = 0
    sha256: str = ""


@dataclass(slots=True)
class Leftovers:
    """Rows that came up and are not in the shard: those that no batch has room for, and those that no money is for."""

    too_large: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    awaits_money: bool = False  # the next row fits once something has settled
    needs_bytes: int = 0  # of the next row's line, where there was no room for it beside what is queued


class Made(NamedTuple):
    """A row's call, and as a line of a batch's file: the group that all lines of it must share, and its bytes."""

    call: Call
    group: str
    line: bytes


@dataclass(slots=True)
class _Filling:
    """A shard while it is filled. It has `room` bytes at most; rows of another group than its own wait in `other`."""

    cut: Cut
    file: IO[bytes]
    room: int
    most_bytes: int  # of a row's line, whatever else is queued
    left: Leftovers
    other: list[int]
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def set_aside(self, row: int, group: str, line: bytes) -> bool:
        """Put a row where it belongs that cannot be in this shard; returns whether it is one."""
        if self.cut.rows and group != self.cut.group:
            self.other.append(row)
            return True
        if len(line) > self.most_bytes:
            self.left.too_large.append(row)
            return True
        return False

    def has_room(self, line: bytes) -> bool:
        """Whether a line fits in beside the others."""
        return self.cut.size + len(line) <= self.room

    def add(self, row: int, made: Made, reserved: float | None) -> None:
        """Write a row's line, for which `reserved` (USD) is held."""
        cut = self.cut
        cut.group = made.group
        cut.rows.append(row)
        cut.seqs.append(made.call.request.seq)
        cut.reserved.append(reserved)
        cut.size += self.file.write(made.line)
        self.digest.update(made.line)


@dataclass(slots=True)
class Cutter:
    """Cuts the shards of one lane, at the rates of its batches."""

    lane: Lane
    client: BatchClient
    rates: Rates | None
    around: Surroundings
    _ready: asyncio.Event = field(default_factory=asyncio.Event)  # pictures are

    async def cut(self, waiting: RowQueue, most_rows: int, room: int, most_bytes: int) -> tuple[Cut, Leftovers]:
        """Take rows from `waiting` and write them to a file, which is on disk then. The shard may be empty: then there
        is no file. It has `room` bytes at most; a row of more than `most_bytes` is too large whatever else is queued.
        Raises WriteFailedError.
        """
        key = f"on-{secrets.token_hex(6)}"
        cut, left = Cut(key, self.around.sent_path(key)), Leftovers()
        other: list[int] = []  # rows of other groups
        try:
            self.around.folder.mkdir(exist_ok=True)
            with cut.path.open("wb") as file:
                await self._fill(_Filling(cut, file, room, most_bytes, left, other), waiting, most_rows)
                await asyncio.to_thread(_sync, file)
        except OSError as error:
            cut.rows.clear()  # it is no shard; the next session cuts one anew
            raise WriteFailedError(f"a batch's file cannot be written: {error.strerror}") from error
        finally:
            waiting.add_first(other)
            if not cut.rows:
                with contextlib.suppress(OSError):
                    cut.path.unlink(missing_ok=True)
        return cut, left

    async def _fill(self, filling: _Filling, waiting: RowQueue, most_rows: int) -> None:
        """Take rows until the shard is full, or the next one has to wait."""
        looked = 0
        while waiting and len(filling.cut.rows) < most_rows:
            row = waiting.pop()
            looked += 1
            if looked % PASS == 0:
                await asyncio.sleep(0)
            made = await self._made(filling.cut.key, row, waiting)
            if made is not None and not self._place(filling, row, made):
                waiting.add_first([row])
                break
        filling.cut.sha256 = filling.digest.hexdigest()

    def _place(self, filling: _Filling, row: int, made: Made) -> bool:
        """Put a row into the shard, or where else it belongs. Returns False where it is to wait for room or money."""
        if filling.set_aside(row, made.group, made.line):
            return True
        left, fits = filling.left, filling.has_room(made.line)
        fit, reserved = reserve_at(self.lane, made.call, self.rates) if fits else (Fit.WAIT, None)
        if fit is Fit.RESERVED:
            filling.add(row, made, reserved)
        elif fit is Fit.HELD:
            left.held.append(row)
        else:
            left.awaits_money = fits
            left.needs_bytes = 0 if fits or filling.cut.rows else len(made.line)
            return False
        return True

    async def _made(self, key: str, row: int, waiting: RowQueue) -> Made | None:
        """The call and the line of a row; None where it wants no answer or has failed for good."""
        if not self.around.state.is_open(row) or self.around.state.batch_of[row]:
            return None
        request = self.around.requests.read(row)
        try:
            call = await self._call(request, waiting)
            group, line = self.client.line(f"{key}-{request.seq}", request.url, call.http)
        except InputError as error:
            self.around.attempts.give_up(row, request, unsendable(request, error), b"")
            return None
        return Made(call, group, line + b"\n")

    async def _call(self, request: RequestLine, waiting: RowQueue) -> Call:
        if request.media is None:
            return plain_call(self.lane, request)
        return pictured_call(self.lane, request, await self._pictures(request, waiting))

    async def _pictures(self, request: RequestLine, waiting: RowQueue) -> Pictures:
        """The pictures of a row, once they are ready; those of the rows behind it are begun meanwhile."""
        media = self.around.attempts.media
        assert media is not None
        wanted = wanted_media(request, self.lane.provider, self.lane.image_tokens)
        while (pictures := media.take(wanted, self._ready.set)) is None:
            self._begin_ahead(waiting.upcoming(media.ahead))
            await self._ready.wait()
            self._ready.clear()
        return pictures

    def _begin_ahead(self, rows: Sequence[int]) -> None:
        media = self.around.attempts.media
        assert media is not None
        for row in rows:
            request = self.around.requests.read(row)
            if request.media is not None:
                with contextlib.suppress(InputError):  # told when it is its turn
                    media.begin(wanted_media(request, self.lane.provider, self.lane.image_tokens))


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
