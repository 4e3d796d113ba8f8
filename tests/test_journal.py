"""The log's one writer: order, durability, and what happens when the disk says no."""

import asyncio
import errno
from pathlib import Path

import msgspec
import pytest

from outputs.disk import LogFile, OsDisk, Reserve
from outputs.journal import Journal, Log, WriteFailedError


class _Disk(OsDisk):
    """The real disk, with files that count syncs, write in small pieces, and can be made to fail."""

    def __init__(self) -> None:
        self.syncs = 0
        self.piece = 1 << 30
        self.error: int | None = None
        self.synced = asyncio.Event()

    def append(self, path: Path) -> LogFile:
        return _File(super().append(path), self)


class _File:
    def __init__(self, real: LogFile, disk: _Disk) -> None:
        self.real, self.disk = real, disk

    def write(self, data: bytes) -> int:
        if self.disk.error is not None:
            raise OSError(self.disk.error, "told to")
        return self.real.write(data[: self.disk.piece])

    def sync(self) -> None:
        self.disk.syncs += 1
        self.real.sync()

    def close(self) -> None:
        self.real.close()


def _seqs(folder: Path, log: Log) -> list[int]:
    lines = (folder / log.file_name).read_bytes().splitlines()
    return [msgspec.json.decode(line)["seq"] for line in lines]


async def test_every_line_gets_the_next_seq_across_files(tmp_path: Path) -> None:
    """One rising number over all files, and in each file the lines in its order."""
    journal = Journal(tmp_path, OsDisk(), 7)
    seqs = [journal.append(log, b'"x":1}') for log in (Log.EVENTS, Log.ATTEMPTS, Log.EVENTS, Log.RESPONSES)]
    await journal.flush()
    assert seqs == [7, 8, 9, 10]
    assert _seqs(tmp_path, Log.EVENTS) == [7, 9]
    assert _seqs(tmp_path, Log.ATTEMPTS) == [8]
    assert _seqs(tmp_path, Log.RESPONSES) == [10]
    await journal.close()


async def test_nothing_is_durable_before_its_sync(tmp_path: Path) -> None:
    """`durable` returns only after the line's file was synced, and the callback tells how far the log is on disk."""
    disk = _Disk()
    journal = Journal(tmp_path, disk, 1)
    told: list[int] = []
    journal.on_durable = told.append
    seq = journal.append(Log.ATTEMPTS, b'"x":1}')
    assert journal.durable_seq < seq
    assert disk.syncs == 0
    await journal.durable(seq)
    assert disk.syncs == 1
    assert told == [seq]
    await journal.close()


async def test_many_lines_share_one_sync(tmp_path: Path) -> None:
    """Lines that are appended together are written together."""
    disk = _Disk()
    journal = Journal(tmp_path, disk, 1)
    seqs = [journal.append(Log.ATTEMPTS, b'"x":1}') for _ in range(200)]
    await asyncio.gather(*(journal.durable(seq) for seq in seqs))
    assert disk.syncs == 1
    await journal.close()


async def test_a_disk_that_takes_few_bytes_at_a_time_gets_them_all(tmp_path: Path) -> None:
    """A short write is continued where it stopped."""
    disk = _Disk()
    disk.piece = 3
    journal = Journal(tmp_path, disk, 1)
    for _ in range(20):
        journal.append(Log.EVENTS, b'"text":"0123456789"}')
    await journal.flush()
    assert _seqs(tmp_path, Log.EVENTS) == list(range(1, 21))
    await journal.close()


async def test_a_failed_write_is_told_to_all_who_wait(tmp_path: Path) -> None:
    """Where the log cannot be written, nobody is left waiting and nothing more is taken."""
    disk = _Disk()
    disk.error = errno.EIO
    journal = Journal(tmp_path, disk, 1)
    waiting = journal.durable(journal.append(Log.ATTEMPTS, b'"x":1}'))
    with pytest.raises(WriteFailedError):
        await waiting
    with pytest.raises(WriteFailedError):
        journal.append(Log.ATTEMPTS, b'"x":1}')
    await journal.close()
    assert not journal.disk_full


async def test_a_full_disk_frees_the_reserve_and_writes_on(tmp_path: Path) -> None:
    """The reserved blocks are given up once, what was waiting lands, and the run is told to stop."""
    disk = _Disk()
    reserve = Reserve(tmp_path / "reserve", 4096)
    free = reserve.free

    def free_and_mend() -> bool:
        disk.error = None
        return free()

    reserve.free = free_and_mend  # type: ignore[method-assign]
    journal = Journal(tmp_path, disk, 1, reserve=reserve)
    told: list[bool] = []
    journal.on_trouble = lambda: told.append(journal.disk_full)
    disk.error = errno.ENOSPC
    await journal.durable(journal.append(Log.RESPONSES, b'"x":1}'))
    assert told == [True]
    assert not (tmp_path / "reserve").exists()
    assert _seqs(tmp_path, Log.RESPONSES) == [1]
    await journal.close()


async def test_an_intent_does_not_wait_for_the_sync_of_answers(tmp_path: Path) -> None:
    """Answers share a sync for a while; what is sent next waits only for its own line to be on disk."""
    journal = Journal(tmp_path, OsDisk(), 1)
    answer = journal.append(Log.RESPONSES, b'"x":1}')
    intent = journal.append(Log.ATTEMPTS, b'"x":1}')
    await journal.intent_on_disk(intent)
    assert journal.durable_seq < answer
    await journal.durable(intent)
    assert journal.durable_seq >= intent
    await journal.close()


async def test_an_answer_is_written_before_it_is_synced(tmp_path: Path) -> None:
    """What came back is in the file, out of reach of a kill, while it waits for its sync."""
    journal = Journal(tmp_path, OsDisk(), 1)
    journal.append(Log.RESPONSES, b'"x":1}')
    await journal.intent_on_disk(journal.append(Log.ATTEMPTS, b'"x":1}'))
    assert _seqs(tmp_path, Log.RESPONSES) == [1]
    assert journal.durable_seq == 0
    await journal.close()


async def test_who_waits_for_an_answer_to_be_on_disk_has_it_synced_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`durable` does not sit out the time for which answers share a sync."""
    monkeypatch.setattr("outputs.journal._ANSWERS_S", 600.0)
    journal = Journal(tmp_path, OsDisk(), 1)
    await asyncio.wait_for(journal.durable(journal.append(Log.RESPONSES, b'"x":1}')), 10)
    answer = journal.append(Log.RESPONSES, b'"x":2}')
    await journal.intent_on_disk(answer)
    await asyncio.wait_for(journal.durable(answer), 10)
    await journal.close()
