"""Log files that were torn at their end, or damaged within: what a resume makes of them."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from orchestrator import InputError, run
from orchestrator.engine import Engine, StopKind
from outputs.journal import Log
from outputs.log_reader import read_lines
from providers.simulator import Simulator, SimulatorSettings, bodies
from tests.harness import log_view
from tests.harness.asking import Manifest, seen_key, write_catalog, write_manifest
from tests.harness.chain import chain_ids, write_chain_spec
from tests.harness.command import run_to_end

pytestmark = pytest.mark.long

MANIFEST_LOGS = (Log.REQUESTS, Log.ATTEMPTS, Log.RESPONSES, Log.ERRORS, Log.EVENTS)
TWINS = 4  # the same runs with other rows, so that much can be tried at once


@dataclass(frozen=True, slots=True)
class Twin:
    """A manifest, one row of which is refused, and runs made of it: `ended`, and `stopped` with calls in flight."""

    simulator: Simulator
    catalog: Path
    manifest: Manifest
    refused: str
    ended: Path
    stopped: Path

    def base(self, name: str) -> Path:
        return self.ended if name == "ended" else self.stopped

    async def resume(self, folder: Path) -> tuple[int, set[str]]:
        """Run `folder` with the same manifest; returns the exit code and which rows were sent, each of them once."""
        before = Counter(self.simulator.seen)
        result = await run(self.manifest.path, out=folder, config=self.catalog, concurrency=2)
        sent = Counter(self.simulator.seen) - before
        rows = {row: sent[key] for row, key in self.manifest.keys.items() if sent[key]}
        assert set(rows.values()) <= {1}
        return result.exit_code, set(rows)

    def open_rows(self, folder: Path) -> set[str]:
        """The rows without a whole line that settles them."""
        return self.manifest.ids - set(log_view.answered(folder)) - set(log_view.failed(folder))

    def check_whole(self, folder: Path) -> None:
        """Every row is settled, once."""
        assert log_view.answered(folder) == Counter(self.manifest.ids - {self.refused})
        assert log_view.failed(folder) == Counter({self.refused})

    async def resume_torn(self, folder: Path, log: Log, length: int, tail: bytes = b"") -> None:
        """Resume the run once its file was cut to `length` bytes, with `tail` behind them; then put all as it was."""
        kept = {path: path.read_bytes() for path in folder.glob("*.jsonl")}
        torn = folder / log.file_name
        torn.write_bytes(kept[torn][:length])
        expected = self.open_rows(folder)  # a torn line does not count, so its row is among them
        with torn.open("ab") as file:
            file.write(tail)
        code, sent = await self.resume(folder)
        assert (code, sent) == (3, expected), f"{log.file_name}: {length} bytes of it and {tail!r}"
        self.check_whole(folder)
        for path, content in kept.items():
            path.write_bytes(content)


def _short(value: dict[str, Any]) -> bytes:
    """A body without what nobody reads here: the fewer bytes a line has, the fewer there are to tear it at."""
    if "choices" in value:
        [choice] = value["choices"]
        answer = {"message": {"content": choice["message"]["content"]}, "finish_reason": "stop"}
        value = {"model": value["model"], "choices": [answer]}
    elif "error" in value:
        value = {"error": {"message": "no"}}
    return orjson.dumps(value)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "pretty", _short)
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda _: None)  # files are torn by hand here, and nobody cuts the power


@pytest.fixture
async def twins(tmp_path: Path) -> AsyncIterator[list[Twin]]:
    async with Simulator(SimulatorSettings(record=True, latency_s=0.0, answer_tokens=1)) as simulator:
        catalog = write_catalog(tmp_path / "lab.toml", simulator.base_url)
        firsts = range(10, 10 * TWINS + 1, 10)
        yield await asyncio.gather(*(_twin(tmp_path / f"twin-{n}", simulator, catalog, n) for n in firsts))


async def _twin(folder: Path, simulator: Simulator, catalog: Path, first: int) -> Twin:
    folder.mkdir()
    manifest = write_manifest(folder / "manifest.jsonl", range(first, first + 6), refused=(first + 1,))
    twin = Twin(simulator, catalog, manifest, f"row-{first + 1}", folder / "ended", folder / "stopped")
    assert await twin.resume(twin.ended) == (3, manifest.ids)
    await _stop_with_calls_in_flight(twin)
    return twin


async def _stop_with_calls_in_flight(twin: Twin) -> None:
    engines: list[Engine] = []
    async with Simulator(SimulatorSettings(latency_s=0.1, latency_spread=0.9)) as slow:
        catalog = write_catalog(twin.stopped.with_name("slow.toml"), slow.base_url)
        sending = asyncio.create_task(
            run(twin.manifest.path, out=twin.stopped, config=catalog, concurrency=2, on_engine=engines.append)
        )
        while slow.stats.answered < 2 or slow.stats.in_flight < 2:
            await asyncio.sleep(0.001)
        engines[0].drain(StopKind.INTERRUPTED)
        engines[0].abandon()
        assert (await sending).exit_code == 130
    assert len(log_view.open_attempts(twin.stopped)) == 2


@pytest.mark.parametrize("log", MANIFEST_LOGS, ids=lambda log: log.name.lower())
@pytest.mark.parametrize("base", ["ended", "stopped"])
async def test_a_last_line_torn_at_any_byte_costs_at_most_its_own_row(twins: list[Twin], base: str, log: Log) -> None:
    """Wherever the last line of a log file was cut, a resume sends its row and what was open, and nothing else."""

    async def tear(twin: Twin, number: int) -> int:
        folder = twin.base(base)
        *_, (offset, last) = read_lines(folder / log.file_name)
        lengths = range(offset + number, offset + len(last) + 1, len(twins))
        for length in lengths:
            await twin.resume_torn(folder, log, length)
        return len(lengths)

    tried = await asyncio.gather(*(tear(twin, number) for number, twin in enumerate(twins)))
    assert sum(tried) > 70


TAILS = {
    "zeros": bytes(3000),
    "zeros and a line break": bytes(300) + b"\n",
    "garbage": b"\xfe\x07 no line at all",
    "garbage lines": b"\xfe\x07 no line at all\nnor this\n",
    "half a line": b'{"seq":99,"request":1,"atte',
    "a line with a hole": b'{"seq":99,"request":1,' + bytes(64) + b'"}\n',
    "empty lines": b"\n\n",
}


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS.keys())
@pytest.mark.parametrize("base", ["ended", "stopped"])
async def test_a_tail_that_is_no_line_is_cut_off(twins: list[Twin], base: str, tail: bytes) -> None:
    """Zeros or garbage behind the last line of a log file, or in its place, are cut off and cost no answered row."""

    async def spoil(twin: Twin, logs: tuple[Log, ...]) -> None:
        folder = twin.base(base)
        for log in logs:
            content = (folder / log.file_name).read_bytes()
            await twin.resume_torn(folder, log, len(content), tail)
            await twin.resume_torn(folder, log, content.rstrip(b"\n").rfind(b"\n") + 1, tail)

    await asyncio.gather(*(spoil(twin, tuple(Log)[n :: len(twins)]) for n, twin in enumerate(twins)))


@pytest.mark.parametrize("log", MANIFEST_LOGS, ids=lambda log: log.name.lower())
async def test_a_line_damaged_within_a_file_stops_the_run_before_anything_is_sent(twins: list[Twin], log: Log) -> None:
    """A damaged line with whole lines behind it is bad input that names file and line; nothing is sent or changed."""
    twin, folder = twins[0], twins[0].ended
    path = folder / log.file_name
    lines = path.read_bytes().splitlines(keepends=True) * 3  # as the files are short
    first = lines[0]
    damages = {
        "zeros": first[:20] + bytes(8) + first[28:],
        "a lost line break": first.rstrip(b"\n"),
        "lost bytes": first[:6] + first[10:],
        "another kind of JSON": b"[]\n",
        "an empty line": b"\n",
    }
    for what, damaged in damages.items():
        path.write_bytes(b"".join([damaged, *lines[1:]]))
        before = twin.simulator.seen
        kept = {file: file.read_bytes() for file in folder.glob("*.jsonl")}
        with pytest.raises(InputError) as caught:
            await twin.resume(folder)
        assert (caught.value.file, caught.value.line) == (str(path), 1), what
        assert twin.simulator.seen == before
        assert {file: file.read_bytes() for file in folder.glob("*.jsonl")} == kept


async def test_damage_is_exit_2_on_the_command_line(twins: list[Twin]) -> None:
    """The command names the damaged file and line in one line, and exits with 2."""
    twin = twins[0]
    path = twin.ended / Log.RESPONSES.file_name
    path.write_bytes(b"{" + path.read_bytes())
    out = ("--out", twin.ended, "--config", twin.catalog)
    code, said = await run_to_end("run", twin.manifest.path, *out, folder=twin.ended.parent)
    assert code == 2
    assert said.startswith(f"overnight: {path}:1: the log is damaged here")
    assert said.count("\n") == 1


async def test_a_lost_request_line_is_not_forgotten_by_the_folder_alone(twins: list[Twin]) -> None:
    """Without its manifest, a run whose last request line is torn says so and sends nothing; with it, it goes on."""
    twin = twins[0]
    path = twin.stopped / Log.REQUESTS.file_name
    path.write_bytes(path.read_bytes()[:-1])
    before = twin.simulator.seen
    with pytest.raises(InputError, match=r"run the manifest manifest\.jsonl again"):
        await run(twin.stopped, config=twin.catalog)
    assert twin.simulator.seen == before
    await twin.resume(twin.stopped)
    twin.check_whole(twin.stopped)


async def test_lost_requests_are_not_put_back_with_others_before_them(twins: list[Twin]) -> None:
    """Where a request line is lost and the others would now go elsewhere, the run is left as it is: nothing is sent."""
    twin = twins[0]
    path = twin.ended / Log.REQUESTS.file_name
    path.write_bytes(path.read_bytes()[:-1])
    kept = path.read_bytes()
    elsewhere = twin.catalog.with_name("elsewhere.toml")
    elsewhere.write_text(twin.catalog.read_text().replace("providers.lab", "providers.elsewhere"))
    before = twin.simulator.seen
    with pytest.raises(InputError, match="is not what it was"):
        await run(twin.manifest.path, out=twin.ended, config=elsewhere)
    assert twin.simulator.seen == before
    assert kept.startswith(path.read_bytes())
    assert await twin.resume(twin.ended) == (3, set())


async def test_a_torn_item_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the last item was cut, the same spec puts it back and asks nothing again; the folder alone says so."""
    spec = write_chain_spec(tmp_path, 2, monkeypatch)
    folder = tmp_path / "run"
    path = folder / Log.ITEMS.file_name
    async with Simulator(SimulatorSettings(record=True, latency_s=0.0, answer_tokens=1)) as simulator:
        catalog = write_catalog(tmp_path / "lab.toml", simulator.base_url)
        assert (await run(spec, out=folder, config=catalog)).exit_code == 0
        whole = path.read_bytes()
        for length in range(whole.rstrip(b"\n").rfind(b"\n") + 1, len(whole)):
            path.write_bytes(whole[:length])
            if length % 16 == 0:
                with pytest.raises(InputError, match=r"run the spec chain\.toml again"):
                    await run(folder, config=catalog)
            assert (await run(spec, out=folder, config=catalog)).exit_code == 0
            assert path.read_bytes() == whole
        assert set(simulator.seen.values()) == {1}
    assert log_view.answered(folder) == Counter(chain_ids(2))


async def test_a_torn_question_that_followed_from_an_answer_is_asked_again_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the last derived request was cut, it is derived anew, and no other row is sent."""
    spec = write_chain_spec(tmp_path, 2, monkeypatch)
    folder = tmp_path / "run"
    async with Simulator(SimulatorSettings(record=True, latency_s=0.0, answer_tokens=1)) as simulator:
        catalog = write_catalog(tmp_path / "lab.toml", simulator.base_url)
        assert (await run(spec, out=folder, config=catalog)).exit_code == 0
        kept = {file: file.read_bytes() for file in folder.glob("*.jsonl")}
        requests = folder / Log.REQUESTS.file_name
        *_, (offset, last) = read_lines(requests)
        key = seen_key(orjson.loads(last)["body"])
        for length in (*range(offset, offset + len(last), 5), offset + len(last)):
            before = Counter(simulator.seen)
            requests.write_bytes(kept[requests][:length])
            assert (await run(spec, out=folder, config=catalog)).exit_code == 0
            assert Counter(simulator.seen) - before == Counter({key: 1})
            assert log_view.keys_that_count(folder) == Counter(list(simulator.seen))
            for file, content in kept.items():
                file.write_bytes(content)


@pytest.mark.parametrize("log", tuple(Log), ids=lambda log: log.name.lower())
async def test_a_tail_that_is_json_but_no_line_of_a_log_is_named(twins: list[Twin], log: Log) -> None:
    """A whole last line that no tear can have made is bad input, also in a file that this run does not use."""
    twin = twins[0]
    path = twin.ended / log.file_name
    path.write_bytes(path.read_bytes() + b"7\n")
    before = twin.simulator.seen
    with pytest.raises(InputError, match=f"{log.file_name}.*damaged"):
        await twin.resume(twin.ended)
    assert twin.simulator.seen == before
