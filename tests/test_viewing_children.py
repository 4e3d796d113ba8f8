"""What the viewer starts ends with it, says why it failed, and leaves nothing behind."""

import asyncio
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.viewing import comparisons
from orchestrator.viewing.child import Child
from orchestrator.viewing.comparisons import Comparisons
from orchestrator.viewing.serving import leading_to
from prompts.input_error import InputError

_PARENT = """
import asyncio
from orchestrator.viewing.child import Child
print_and_wait = "import subprocess, sys, os; from pathlib import Path\\n"
print_and_wait += "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\\n"
print_and_wait += "Path(sys.argv[1]).write_text(f'{os.getpid()} {child.pid} ')\\nchild.wait()"
import sys
asyncio.run(Child(print_and_wait, (sys.argv[1],)).told())
"""


def _parent(noted: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", _PARENT, str(noted)], cwd=Path(__file__).parents[1])


async def _told(path: Path) -> list[int]:
    async with asyncio.timeout(20):
        while not path.exists() or not path.read_text().endswith(" "):
            await asyncio.sleep(0.05)
    return [int(pid) for pid in path.read_text().split()]


def _runs(pid: int) -> bool:
    """A process that has ended, but that nobody has waited for, does not run."""
    told = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(told.strip()) and not told.startswith("Z")


async def _all_ended(pids: list[int]) -> None:
    async with asyncio.timeout(20):
        while any(map(_runs, pids)):
            await asyncio.sleep(0.05)


async def test_a_child_ends_with_a_server_that_is_killed(tmp_path: Path) -> None:
    """With what it started itself, though nobody could tell it."""
    noted = tmp_path / "pids"
    parent = _parent(noted)
    pids = await _told(noted)
    assert all(map(_runs, pids))
    parent.kill()
    parent.wait()
    await _all_ended(pids)


async def test_a_child_that_nobody_waits_for_is_ended(tmp_path: Path) -> None:
    """With what it started itself."""
    noted = tmp_path / "pids"
    command = _PARENT.partition("asyncio.run")[0] + "exec(print_and_wait)"
    waiting = asyncio.create_task(Child(command, (str(noted),)).told())
    pids = await _told(noted)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await _all_ended(pids)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("raise OSError(28, 'no room')", "the disk is full"),
        ("import polars; polars.DataFrame({'a': [1] * 9999}).write_parquet('/dev/full')", "the disk is full"),
        ("raise MemoryError", "too little memory"),
        ("raise ValueError('of its own')", "ValueError: of its own"),
        (f"import os; os.kill(os.getpid(), {signal.SIGKILL.value})", "was killed"),
    ],
)
async def test_a_child_says_why_it_failed(command: str, why: str) -> None:
    """Whatever went wrong in it, in one line."""
    made = f"from orchestrator.viewing.child import answer\ndef make(): exec({command!r})\nanswer(make)"
    with pytest.raises(InputError, match=why) as caught:
        await Child(made, ()).told()
    assert "\n" not in str(caught.value)


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The comparisons that were begun; they compare nothing."""
    places: list[Path] = []

    async def compared(_a: Path, _b: Path, place: Path) -> None:
        places.append(place)
        await asyncio.sleep(0)
        (place / "document.json").write_text("{}")

    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(comparisons, "_run", compared)
    return places


async def test_comparisons_that_wait_are_not_let_go(tmp_path: Path, begun: list[Path]) -> None:
    """However many pages wait, each is made once; what is let go when it is made leaves no folder."""
    known = Comparisons()
    pages = [known.of(tmp_path, tmp_path / str(number), 10) for number in range(12)]
    assert all(one.document == {} for one in await asyncio.gather(*pages))
    assert len(begun) == 12
    for number in range(12, 14):
        await known.of(tmp_path, tmp_path / str(number), 10)
    assert 1 <= sum(place.exists() for place in begun) <= 8
    await known.close()
    assert not any((tmp_path / "temporary").iterdir())


async def test_a_comparison_that_is_replaced_leaves_no_folder(
    tmp_path: Path, begun: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes when the next one of the same runs is made."""
    monkeypatch.setattr(comparisons, "_FRESH_S", -1.0)
    monkeypatch.setattr(comparisons, "_FRESH_TIMES", 0.0)
    known = Comparisons()
    for number in range(3):
        (tmp_path / "run.json").write_text("x" * number)
        await known.of(tmp_path, tmp_path, 10)
    assert [place.exists() for place in begun] == [False, False, True]
    await known.close()


async def test_a_comparison_on_a_full_disk_says_so(
    tmp_path: Path, begun: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where not even its folder can be made."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    assert not begun
    known = Comparisons()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "mkdir", full)
        assert (await known.of(tmp_path, tmp_path, 10)).fault == "the disk is full"
    await known.close()


def test_the_file_that_leads_to_the_address_is_the_users_alone() -> None:
    """The address stands in a file, not in a process's arguments; the file goes with the server."""
    with leading_to("http://127.0.0.1:1/a&b/") as page:
        assert stat.S_IMODE(page.stat().st_mode) == 0o600
        assert stat.S_IMODE(page.parent.stat().st_mode) == 0o700
        assert 'content="0; url=http://127.0.0.1:1/a&amp;b/"' in page.read_text()
    assert not page.parent.exists()
