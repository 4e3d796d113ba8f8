"""A child process that is asked in lines and answers in lines: never waited for without an end, never left behind."""

import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from queue import Empty, Queue
from threading import Thread
from types import TracebackType
from typing import IO, Self

_END_S = 5.0
_TOLD = 200


class ProgramError(Exception):
    """It ended, or was silent for too long; the message goes on after its name."""


class LineProgram:
    """A program for as long as the `with` lasts. Texts are UTF-8.

    Lines are written by one thread and read by another, since either pipe may be full while the other one is waited
    for.
    """

    def __init__(self, command: Sequence[str], silence_s: float) -> None:
        self._command = command
        self._silence_s = silence_s

    def __enter__(self) -> Self:
        """Raises ProgramError where it cannot be started."""
        self._said = tempfile.TemporaryFile()
        try:
            self._child = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said
            )
        except OSError as error:
            self._said.close()
            raise ProgramError(f"cannot be started: {error.strerror}") from error
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._stdin = self._child.stdin
        self._answers: Queue[bytes] = Queue()
        self._threads = [Thread(target=_read, args=(self._child.stdout, self._answers), daemon=True)]
        self._threads[0].start()
        return self

    def ask(self, lines: Iterable[str], answers: int) -> list[str]:
        """As many lines as are expected in answer to some. Raises ProgramError."""
        writer = Thread(target=_write, args=(self._stdin, lines), daemon=True)
        writer.start()
        self._threads.append(writer)
        return [self._answer() for _ in range(answers)]

    def _answer(self) -> str:
        try:
            line = self._answers.get(timeout=self._silence_s)
        except Empty:
            raise ProgramError(f"said nothing for {self._silence_s:g} s") from None
        if not line:
            raise ProgramError(f"ended early{self._last_words()}")
        return line.decode("utf-8", "replace").strip()

    def _last_words(self) -> str:
        self._said.seek(0)
        said = " ".join(self._said.read().decode("utf-8", "replace").split())
        return f": {said[:_TOLD]}" if said else ""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.kill()
        self._child.wait()
        for thread in self._threads:
            thread.join(_END_S)
        for pipe in (self._child.stdout, self._said):
            assert pipe is not None
            pipe.close()
        try:
            self._stdin.close()
        except OSError:  # what was not read of what was written
            pass


def _read(pipe: IO[bytes], into: "Queue[bytes]") -> None:
    for line in pipe:
        into.put(line)
    into.put(b"")


def _write(pipe: IO[bytes], lines: Iterable[str]) -> None:
    try:
        for line in lines:
            pipe.write(f"{line}\n".encode())
        pipe.flush()
    except OSError:  # it has ended: whoever waits for its answer is told
        pass
