"""The runs that are viewed: found, told apart, and found again under links that last."""

import errno
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from orchestrator.viewing import folders
from orchestrator.viewing.folders import find_runs, viewed_runs
from prompts.input_error import InputError
from tests.harness.log_writing import LogWriter
from tests.harness.viewed import served


def some_run(folder: Path) -> None:
    """A run of one request, which is answered."""
    log = LogWriter(folder).record()
    log.answer(log.request())


def facts(page: str) -> dict[str, str]:
    """What a page says at load, by the names under which it is updated."""
    return {name: unescape(text) for name, text in re.findall(r'data-fact="([\w.]+)"[^>]*>([^<]*)<', page)}


def listed(page: str) -> list[str]:
    """The names of runs in the list, in its order."""
    return list(links_of(page))


def links_of(page: str) -> dict[str, str]:
    """Where the name of each run in the list leads to."""
    return {name: link for link, name in re.findall(r'<a href="(r/[0-9a-f]{10}(?:-\d)?/)">([^<]+)</a>', page)}


async def test_the_list_shows_every_run_and_new_ones(tmp_path: Path) -> None:
    """Their places stay, and each leads to its own; the simulated ones are called so."""
    some_run(tmp_path / "b")
    LogWriter(tmp_path / "deep" / "er" / "c").record(simulated=True)
    async with served(tmp_path) as server:
        await server.read("r/0/")
        page = await server.read("")
        assert listed(page) == ["b", "c"]
        assert page.count("simulated</span>") == 1
        some_run(tmp_path / "a")
        page = await server.read("")
        assert listed(page) == ["b", "c", "a"]
        assert json.loads(await server.read("list.json"))["known"].startswith("3 runs")


def test_runs_are_named_or_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder twice is one run; what is no run and holds none is refused."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no run found"):
        viewed_runs([])
    with pytest.raises(InputError, match="no such run folder"):
        viewed_runs([Path("nowhere")])
    some_run(tmp_path / "runs" / "night")
    assert [run.folder for run in viewed_runs([]).runs] == [Path("runs/night")]
    assert [run.folder for run in viewed_runs([Path("runs/night"), Path("runs")]).runs] == [Path("runs/night")]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="not a run folder"):
        viewed_runs([tmp_path / "empty"])


async def test_links_last_whatever_else_is_viewed(tmp_path: Path) -> None:
    """A link to a run leads to it when it has moved in the list, and when it was moved; one to another run is none."""
    for name in ("b", "c"):
        LogWriter(tmp_path / name).record(name=f"run {name}")
    async with served(tmp_path) as server:
        links = links_of(await server.read(""))
    LogWriter(tmp_path / "a").record(name="run a")
    shutil.move(tmp_path / "c", tmp_path / "z")
    shutil.copytree(tmp_path / "z", tmp_path / "zz")
    async with served(tmp_path) as server:
        now = links_of(await server.read(""))
        pages = [await server.read(links[name]) for name in ("b", "c")]
        form = await server.read(f"compare?a={links['c'][2:-1]}")
        unknown = [(await server.get(path)).status for path in ("r/0123456789/", "compare?a=0123456789&b=0")]
    assert (now["b"], now["z"], now["zz"]) == (links["b"], links["c"], f"{links['c'][:-1]}-2/")
    assert [f"run {name}" in page for name, page in zip("bc", pages, strict=True)] == [True, True]
    assert f'value="{links["c"][2:-1]}" selected' in form
    assert unknown == [404, 404]


async def test_a_folder_that_was_renamed_is_one_run(tmp_path: Path) -> None:
    """Under its new name, in its old place and under its old link; where the old name is taken anew, there are two."""
    for name in ("a", "b"):
        LogWriter(tmp_path / name).record(name=f"run {name}")
    async with served(tmp_path) as server:
        before = links_of(await server.read(""))
        known = json.loads(await server.read("list.json"))["known"]
        await server.read(f"{before['a']}rows")
        (tmp_path / "a").rename(tmp_path / "z")
        now = links_of(await server.read(""))
        assert now == {"z": before["a"], "b": before["b"]}
        assert json.loads(await server.read("list.json"))["known"] != known
        assert str(tmp_path / "z") in await server.read(before["a"])
        assert "run a" in await server.read(f"{before['a']}rows")
        shutil.copytree(tmp_path / "z", tmp_path / "a")
        assert list(links_of(await server.read(""))) == ["z", "b", "a"]


async def test_the_folders_are_gone_through_in_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow disk holds up no other page."""
    some_run(tmp_path / "a")
    async with served(tmp_path) as server:
        threads: list[threading.Thread] = []

        def watched(folder: Path) -> Iterator[Path]:
            threads.append(threading.current_thread())
            return find_runs(folder)

        monkeypatch.setattr(folders, "find_runs", watched)
        await server.read("")
        await server.read("list.json")
    assert len(threads) == 2
    assert threading.main_thread() not in threads


def test_files_beside_runs_are_not_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, the list looks into folders alone, also those that a link leads to."""
    LogWriter(tmp_path / "there" / "a").record()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "link").symlink_to(tmp_path / "there")
    for number in range(5):
        (tmp_path / "runs" / f"{number}.png").touch()
    asked: list[Path] = []
    stat = Path.stat

    def counted(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        asked.append(path)
        return stat(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", counted)
    assert list(find_runs(tmp_path / "runs")) == [tmp_path / "runs" / "link" / "a"]
    assert not [path for path in asked if ".png" in str(path)]


async def test_a_folder_that_is_closed_to_us_is_listed_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found or named, beside other runs, which go on."""
    some_run(tmp_path / "good")
    (tmp_path / "closed").mkdir()
    for name in ("stat", "open"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name), f"{tmp_path / 'closed'}/"))
    for given in ([tmp_path], [tmp_path / "closed", tmp_path / "good"]):
        async with served(*given) as server:
            shown = facts((await server.get("")).text)
            assert (shown["0.state"], shown["1.answered"]) == ("cannot be read", "1 of 1")
            assert "Permission denied" in shown["0.answered"]
            assert "cannot be read" in (await server.get("r/0/")).text


def refusing(call: Callable[..., Any], below: str) -> Callable[..., Any]:
    """A system call that is refused below a folder, as to whom it is closed; tests may run as root."""

    def refused(path: Any, *arguments: Any, **options: Any) -> Any:
        if not isinstance(path, int) and os.fspath(path).startswith(below):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return call(path, *arguments, **options)

    return refused


def test_a_folder_is_one_run_however_it_is_spelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in folders of the same name are told apart by more of the way to them."""
    monkeypatch.chdir(tmp_path)
    for name in ("mon/vm/rse", "tue/vm/rse", "tue/vm/ice"):
        some_run(tmp_path / name)
    (tmp_path / "link").symlink_to(tmp_path / "mon")
    given = [Path("mon"), Path("mon/vm/rse"), tmp_path / "mon/vm/rse", Path("link/vm/../vm/rse"), Path("tue")]
    assert [run.label for run in viewed_runs(given).runs] == ["mon/vm/rse", "ice", "tue/vm/rse"]
