"""A process of its own that does some work beside this one, and that can be ended before it is done."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

from outputs.child_environment import child_environment


@dataclass(slots=True)
class Another:
    """Runs one process at a time. `end` may be called from another thread."""

    _process: "subprocess.Popen[bytes] | None" = None
    _ended: bool = False
    _lock: Lock = field(default_factory=Lock)

    def run(self, command: Sequence[str]) -> bool:
        """Whether the command, which finds this program's modules, was done; after `end` none is begun."""
        try:
            with self._lock:
                if self._ended:
                    return False
                self._process = process = _begun(command)
        except OSError:
            return False
        try:
            return process.wait() == 0
        except BaseException:
            process.kill()
            process.wait()
            raise

    def end(self) -> None:
        """End the process, if there is one; whoever waits for it goes on."""
        with self._lock:
            self._ended = True
            if self._process is not None:
                self._process.kill()


def _begun(command: Sequence[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
