"""What a run owes when it is taken up again: derived requests that a kill cut off, and items that an edit took away."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from jobs.protocol import Answered, Failed, Request, RunReader, Verdict
from orchestrator import InputError, run
from orchestrator.engine import Engine
from orchestrator.standing import standing_items
from outputs.fold import fold
from outputs.journal import Log
from tests.harness.chain import DEPTH, write_chain_spec
from tests.harness.graded import write_graded_spec
from tests.harness.loopback import Call, Reply
from tests.harness.workplace import Workplace, jsonl

SECOND = """
[providers.second]
protocol = "openai"
base_url = "{base_url}"
api_key_env = "SECOND_KEY"
models = ["second-*"]
"""


def reply(call: Call) -> Reply:
    return Workplace.reply("good" if call.text.startswith("grade ") else f"fine {call.text}")


@pytest.fixture
def judged(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], str]:
    """Writes a spec of two models on so many captions, whose judge `second-*` has a provider and a key of its own."""

    def write(more: str, items: int) -> str:
        catalog = work.folder / "overnight.toml"
        catalog.write_text(catalog.read_text() + SECOND.format(base_url=work.provider.base_url) + more)
        monkeypatch.setenv("SECOND_KEY", "k")
        work.provider.reply = reply
        return write_graded_spec(work.folder, items, monkeypatch, judge="second-1").name

    return write


def forget_rows(work: Workplace, gone: set[str]) -> None:
    """Leave the log as if the run had been killed before it wrote the requests with these ids."""
    seqs = {one["seq"] for one in work.lines(Log.REQUESTS) if one["custom_id"] in gone}
    assert len(seqs) == len(gone)
    for log in (Log.REQUESTS, Log.ATTEMPTS, Log.RESPONSES):
        kept = [one for one in work.lines(log) if not seqs & {one["seq"], one.get("request")}]
        (work.run_folder / log.file_name).write_bytes(jsonl(kept))


def logged(folder: Path) -> dict[str, bytes]:
    return {log.file_name: (folder / log.file_name).read_bytes() for log in Log}


OUT = ("--out", "out")
JUDGEMENTS = {f"judge-i{item}-{model}" for item in range(2) for model in range(2)}


@pytest.mark.timeout(30, method="thread")  # a run that hangs ignores signals
@pytest.mark.parametrize("lost", [JUDGEMENTS, {"judge-i1-0"}])
def test_judgements_that_a_kill_cut_off_want_their_key(
    work: Workplace, judged: Callable[[str, int], str], monkeypatch: pytest.MonkeyPatch, lost: set[str]
) -> None:
    """With every answer on disk and no key for the judge: exit 2, one line, neither a call nor a line of the log."""
    assert work.run(source=judged("free = true\n", 2)).code == 0
    forget_rows(work, lost)
    work.provider.forget()
    before = logged(work.run_folder)
    monkeypatch.delenv("SECOND_KEY")
    refused = work.overnight("run", "out", "--quiet")
    assert refused.code == 2
    assert refused.error.startswith("out: stage judge: provider: no API key for second: set SECOND_KEY")
    assert (work.provider.calls, logged(work.run_folder)) == ([], before)
    monkeypatch.setenv("SECOND_KEY", "k")
    ended = work.overnight("run", "out", "--quiet", "--json").json
    assert (ended["answered"], ended["sent"], len(work.provider.calls)) == (8, len(lost), len(lost))
    monkeypatch.delenv("SECOND_KEY")
    assert work.overnight("run", "out", "--quiet").code == 0


@pytest.mark.timeout(30, method="thread")  # a run that hangs ignores signals
def test_judgements_that_a_kill_cut_off_want_a_price_under_a_cap(
    work: Workplace, judged: Callable[[str, int], str]
) -> None:
    """A cap that is set at the resume holds for them too, so that their price must be known."""
    assert work.run("--allow-unpriced", source=judged("", 2)).code == 0
    forget_rows(work, JUDGEMENTS)
    before = logged(work.run_folder)
    refused = work.overnight("run", "out", "--quiet", "--budget", 1)
    assert refused.code == 2
    assert refused.error.startswith("out: stage judge: body.model: the price of second/second-1 is unknown")
    assert logged(work.run_folder) == before
    assert work.overnight("run", "out", "--quiet").code == 0


@pytest.mark.timeout(30, method="thread")  # a run that hangs ignores signals
async def test_a_lane_that_cannot_be_made_ends_the_run(
    work: Workplace, judged: Callable[[str, int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls in flight are awaited and their answers written, the reason is raised, and nothing is bought again."""
    spec = judged("free = true\n", 6)

    def lose_key(_engine: Engine) -> None:
        monkeypatch.delenv("SECOND_KEY")

    with pytest.raises(InputError, match="no API key for second"):
        await run(spec, out="out", concurrency=3, on_engine=lose_key)
    assert answered(work) == attempted(work)
    monkeypatch.setenv("SECOND_KEY", "k")
    assert (await run("out")).answered == len(work.provider.calls) == 24


def attempted(work: Workplace) -> set[int]:
    return {one["request"] for one in work.lines(Log.ATTEMPTS)}


def answered(work: Workplace) -> set[int]:
    return {one["request"] for one in work.lines(Log.RESPONSES)}


@pytest.mark.timeout(30, method="thread")  # a run that hangs ignores signals
@pytest.mark.parametrize("fault_at", [1, 4])
async def test_a_fault_of_a_job_ends_the_run(work: Workplace, monkeypatch: pytest.MonkeyPatch, fault_at: int) -> None:
    """It is told of nothing more, what is in flight is written, the fault is raised, and a resume loses nothing."""
    spec = write_chain_spec(work.folder, 12, monkeypatch)
    told: list[str] = []

    def break_job(engine: Engine) -> None:
        sound = engine.job.on_settled

        def on_settled(settled: Answered | Failed, run: RunReader) -> Iterable[Request | Verdict]:
            told.append(settled.custom_id)
            if len(told) == fault_at:
                raise KeyError(settled.custom_id)
            return sound(settled, run)

        engine.job.on_settled = on_settled  # type: ignore[method-assign]

    with pytest.raises(KeyError):
        await run(spec, out="out", simulate=True, concurrency=4, on_engine=break_job)
    assert len(told) == fault_at
    assert answered(work) == attempted(work)
    assert (await run("out")).answered == 12 * DEPTH


# Items that an accepted edit took away


def test_a_plan_forgets_items_that_are_asked_about_no_more(work: Workplace, judged: Callable[[str, int], str]) -> None:
    """Of ten items two are left, and one of their answers is to come again: one judgement will follow."""
    spec = judged("free = true\n", 10)

    def refuses(call: Call) -> Reply:
        refused = call.text == "Caption 1" and json.loads(call.body)["model"] == "lab-2"
        return Reply(b"{}", 400) if refused else reply(call)

    work.provider.reply = refuses
    assert work.run(source=spec).code == 3
    assert work.run("--first", 2, "--accept-changes", source=spec).code == 3
    assert work.overnight("retry", "out").code == 0
    for planned in (
        work.overnight("plan", "out", "--json"),
        work.overnight("plan", spec, "--first", 2, *OUT, "--json"),
    ):
        stages = {one["stage"]: (one["rows"], one["expected"]) for one in planned.json["stages"]}
        assert stages == {"answer": (1, 0), "judge": (1, 1)}
    work.provider.reply = reply
    assert "resuming, 6 answered before, 1 to send, about 1 to follow" in work.overnight("run", "out").err


def test_items_stand_once_as_they_are_now(work: Workplace, judged: Callable[[str, int], str]) -> None:
    """An item that was changed counts by its last line; one without a request that names it is kept."""
    spec = judged("free = true\n", 3)
    assert work.run(source=spec).code == 0
    assert standing(work) == ["Caption 0", "Caption 1", "Caption 2"]
    dataset = work.folder / "items.json"
    dataset.write_text(dataset.read_text().replace("Caption 0", "Another"))
    assert work.run("--accept-changes", source=spec).code == 0
    assert standing(work) == ["Caption 1", "Caption 2", "Another"]
    assert work.run("--first", 1, "--accept-changes", source=spec).code == 0
    assert standing(work) == ["Another"]
    assert work.run("--first", 2, source=spec).code == 0
    assert standing(work) == ["Caption 1", "Another"]
    requests = work.run_folder / Log.REQUESTS.file_name
    requests.write_bytes(requests.read_bytes().replace(b'"item":"i2"', b'"about":"i2"'))
    assert standing(work) == ["Caption 1", "Caption 2", "Another"]


def standing(work: Workplace) -> list[str]:
    return [item.candidate for item in standing_items(work.run_folder, fold(work.run_folder))]
