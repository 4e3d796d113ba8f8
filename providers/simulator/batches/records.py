"""The records of batches: a line, what reading a file of lines found, and what a line was answered with."""

from pathlib import Path
from typing import Any, Protocol

import msgspec


class Line(msgspec.Struct, frozen=True):
    """One line of a batch: where it lies in the batch's file (bytes), and the digest of the body that it asks."""

    custom_id: str
    offset: int
    size: int
    body_digest: bytes


class Problem(msgspec.Struct, frozen=True):
    """Why a batch never ran; `line` from 1 where it is one line's fault."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


class Reading(msgspec.Struct):
    """A file of lines, as it was read. `tokens` are those of its prompts' text, which an account's queue counts."""

    lines: list[Line] = []
    problems: list[Problem] = []
    tokens: int = 0
    model: str | None = None


class Made(msgspec.Struct, frozen=True):
    """What a line is answered with; `billed` are prompt and completion tokens, None where nothing is billed."""

    status: int
    value: dict[str, Any]
    billed: tuple[int, int] | None = None


class Form(Protocol):
    """A provider's way to write lines."""

    def answer(self, data: bytes) -> Made:
        """Answer one line of the batch's file."""

    def failure(self, status: int) -> Made:
        """A line that meets a server's error (500) or a limit (429)."""

    def ran(self, identifier: str, custom_id: str, made: Made) -> tuple[bool, bytes]:
        """(whether it goes to the answers, the line without its line break) of a line that had its turn."""

    def unrun(self, identifier: str, custom_id: str, /, *, expired: bool) -> bytes:
        """The line of one whose batch expired, or was cancelled, before its turn came."""


def read_line(path: Path, line: Line) -> bytes:
    """The bytes of one line."""
    with path.open("rb") as file:
        file.seek(line.offset)
        return file.read(line.size)
