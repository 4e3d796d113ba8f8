"""Rows that a process of its own makes beside a block: who leaves the block early does not wait for them."""

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from outputs.browsing import making
from outputs.browsing.another import Another
from outputs.browsing.making import rows_meanwhile
from outputs.tables.loading import load_run
from tests.harness.log_writing import LogWriter

# Says who it is, as the making of rows does in the name of its folder, and goes on until somebody ends it.
ENDLESS = """import os, sys, time
from pathlib import Path
place = Path(sys.argv[1])
(place / f".making-{os.getpid()}-x").mkdir(parents=True)
while True: time.sleep(60)"""


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def maker(place: Path) -> int:
    """The process that makes the rows in `place`, once it does."""
    while True:
        for left in place.glob(".making-*"):
            return int(left.name.split("-")[1])
        time.sleep(0.01)


@pytest.mark.timeout(60)
def test_an_error_ends_the_making_of_rows_at_once(tmp_path: Path, monkeypatch: Any) -> None:
    """It is raised while the process would go on for ever; neither that one is left, nor its files."""
    log = LogWriter(tmp_path / "run").record()
    log.answer(log.request())
    run = load_run(log.folder)
    place = log.folder / "tables" / "browsing"
    monkeypatch.setattr(making, "_LARGE", 1)
    monkeypatch.setattr(making, "_command", lambda _, to: [sys.executable, "-c", ENDLESS, str(to)])
    process = 0

    def refuse() -> None:
        nonlocal process
        process = maker(place)
        raise ValueError("wrong option")

    with pytest.raises(ValueError, match="wrong option"), rows_meanwhile([run, run]):
        refuse()
    assert not is_there(process)
    assert list(place.iterdir()) == []


def test_after_the_end_no_process_is_begun() -> None:
    """What was ended before it began is not done; a command that is none is not done either."""
    another = Another()
    assert another.run([sys.executable, "-c", ""])
    assert not another.run([sys.executable, "-c", "raise SystemExit(1)"])
    assert not another.run(["/there/is/none"])
    ender = threading.Thread(target=another.end)
    ender.start()
    ender.join()
    assert not another.run([sys.executable, "-c", ""])
