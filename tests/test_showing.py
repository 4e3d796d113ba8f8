"""What a person sees at a terminal of 80 columns, and who may write in a run folder."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.display import line, table
from orchestrator.folder_lock import LOCK, FolderLock, live_pid
from orchestrator.progress import LaneProgress, Progress
from orchestrator.session import Result
from orchestrator.showing import show_result, show_status
from orchestrator.status import Status
from outputs.disk import Reserve
from outputs.fold import LaneTotals
from prompts.input_error import InputError

LONG = "gpt-4o-2024-08-06-long-name-of-a-fine-tune"


def _progress(name: str, note: str) -> Progress:
    lane = LaneProgress(name, 1_000_000, 123_456, 1_234, 512, 123.4, 7_200.0, 98_765_432, 123.45, 7, note)
    return Progress((lane,), lane, simulated=False, stopping=False)


def _drawn(progress: Progress) -> str:
    file = io.StringIO()
    Console(file=file, width=80, force_terminal=True, color_system=None).print(table(progress))
    return file.getvalue()


def _status(lane: LaneTotals) -> Status:
    return Status(
        folder=Path("out"),
        name="out",
        job="manifest",
        simulated=False,
        pid=None,
        asked=lane.asked,
        answered=lane.answered,
        failed=lane.failed,
        in_flight=0,
        attempts=lane.attempts,
        cost_usd=lane.cost_usd,
        maybe_usd=lane.maybe_usd,
        maybe_billed=lane.maybe_billed,
        maybe_unpriced=lane.maybe_unpriced,
        unpriced=lane.unpriced,
        rate=0.0,
        last_stop=None,
        exit_code=None,
        lanes=(lane,),
    )


def test_a_narrow_live_table_keeps_its_numbers() -> None:
    """A long name is cut and a long note folded beneath; every number stays whole."""
    shown = _drawn(_progress(f"openai/{LONG}", "slow down " * 20))
    numbers = shown.splitlines()[2].split()
    assert numbers[1:] == ["123,456/1,000,000", "1,234", "512", "123.4", "98.77M", "$123.45", "+", "?", "2h00m"]
    assert numbers[0].startswith("open")
    assert " ".join(shown.split()).count("slow down") == 20
    assert "7 answers unpriced" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_no_text_of_others_steers_the_terminal() -> None:
    """Control characters in the name of a lane or in its note show as escapes, in the table and in the line."""
    progress = _progress("p/\x1b[31mred", "\x1b]0;title\x07 \u202e")
    for shown in (_drawn(progress), line(progress)):
        assert not {"\x1b", "\x07", "\u202e"} & set(shown)
        assert "\\x1b]0;title\\x07" in shown


def test_a_narrow_status_keeps_its_numbers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """At 80 columns the numbers of a lane stand whole on one line, and its failures on a line of their own."""
    monkeypatch.setenv("COLUMNS", "80")
    lane = LaneTotals("openai", LONG, 1_000_000, 123_456, 1_234, 234_567, 98_765_432, 8_765_432, 123.45)
    lane.failures = {"row_refused": 1_200, "transient": 34}
    show_status(_status(lane))
    lines = capsys.readouterr().out.splitlines()
    numbers = ["1,000,000", "123,456", "1,234", "234,567", "98.77M", "8.77M", "$123.45"]
    assert any(shown.split()[1:] == numbers for shown in lines)
    assert lines[-1] == f"openai/{LONG}: 1,200 row_refused, 34 transient"


@pytest.mark.parametrize(
    ("unpriced", "most"), [(0, "at most $2.50"), (2, "at most $2.50 + 2 unpriced"), (6, "at most unknown")]
)
def test_an_unknown_price_is_never_shown_as_0(capsys: pytest.CaptureFixture[str], unpriced: int, most: str) -> None:
    """What attempts may have cost is a bound only where all of them have a price."""
    lane = LaneTotals("p", "m", 6, maybe_billed=6, maybe_unpriced=unpriced, maybe_usd=0.0 if unpriced == 6 else 2.5)
    show_result(Result(Path("out"), 3, "", 6, 0, 6, 6, (lane,), {}, simulated=False))
    assert f"6 attempts maybe billed ({most})" in capsys.readouterr().out


def test_a_deleted_lock_lets_no_second_writer_in(tmp_path: Path) -> None:
    """While one holds the folder nobody else gets it, and it shows as in use, though the file of the lock is gone."""
    lock = FolderLock(tmp_path)
    (tmp_path / LOCK).unlink()
    assert live_pid(tmp_path) == 0
    with pytest.raises(InputError, match="in use by a live process"):
        FolderLock(tmp_path)
    lock.release()
    assert live_pid(tmp_path) is None
    FolderLock(tmp_path).release()


def test_a_lock_that_cannot_be_read_is_an_input_error(tmp_path: Path) -> None:
    """Where nobody can tell who holds the folder, the lock is named."""
    (tmp_path / LOCK).symlink_to(LOCK)
    with pytest.raises(InputError, match="lock: cannot be read: "):
        live_pid(tmp_path)


def test_a_reserve_that_cannot_be_made_is_an_input_error(tmp_path: Path) -> None:
    """A folder in the place of the reserve is named, and stays."""
    with pytest.raises(InputError, match="cannot be written: Is a directory"):
        Reserve(tmp_path, 4096)
    assert tmp_path.is_dir()
