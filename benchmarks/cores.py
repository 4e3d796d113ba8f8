"""Which core runs what: a client and its server on one core would measure each other."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cores:
    """The core of whatever is measured and the core of what it talks to; the same where there is only one."""

    client: int
    server: int

    def __str__(self) -> str:
        if self.client == self.server:
            return "client and server share the only core: both are slower than they would be apart"
        return f"client on core {self.client}, server on core {self.server}"


def two_cores() -> Cores:
    """The last two cores that this process may use; the first one tends to serve the machine's interrupts."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(client=usable[-1], server=usable[max(0, len(usable) - 2)])


@contextlib.contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Processes started in the block run on this core for good; None leaves them free."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before if core is None else {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
