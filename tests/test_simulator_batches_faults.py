"""What goes wrong with the simulator's batches: each fault alone, what it costs, and that it follows from the seed."""

import asyncio
import math
import signal
from collections import Counter
from inspect import signature
from pathlib import Path
from typing import Any

import aiohttp
import anthropic
import openai
import orjson
import pytest
from msgspec.structs import asdict
from openai.types import Batch

from orchestrator.cli_local import simulate
from prompts.input_error import InputError
from providers.simulator import SimulatorSettings
from providers.simulator.settings import BATCH_CALL_RATES, BATCH_CREATE_RATES, BATCH_LINE_RATES
from tests.harness.command import overnight
from tests.harness.simulated_batches import Asking, asking, lines

ROWS = 60
ALL = {f"row-{number}" for number in range(ROWS)}


async def ended_batch(asked: Asking, name: str = "shard.jsonl") -> Batch:
    return await asked.after(10, await asked.submit(lines(ROWS), name))


def ids(told: list[Any]) -> Counter[str]:
    return Counter(one["custom_id"] for one in told)


def counts(batch: Batch) -> tuple[int, int, int]:
    assert batch.request_counts is not None
    return batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed


async def test_dropped_lines_are_billed_and_counted() -> None:
    """A dropped line is in no file, though its batch says that it is complete and bills it."""
    async with asking(batch_drop_rate=0.3) as asked:
        ended = await ended_batch(asked)
        answers = await asked.lines(ended.output_file_id)
        stats = asked.client.simulator.stats
    assert counts(ended) == (ROWS, ROWS, 0)
    assert (ended.status, ended.error_file_id, stats.billed) == ("completed", None, ROWS)
    assert 0 < len(answers) < ROWS
    assert ended.usage is not None
    assert ended.usage.output_tokens == stats.completion_tokens
    assert stats.completion_tokens > sum(one["response"]["body"]["usage"]["completion_tokens"] for one in answers)


async def test_skipped_lines_are_not_processed() -> None:
    """A skipped line is in no file, in no count but the total, and not billed."""
    async with asking(batch_skip_rate=0.3) as asked:
        ended = await ended_batch(asked)
        answers = await asked.lines(ended.output_file_id)
        stats = asked.client.simulator.stats
    assert counts(ended) == (ROWS, len(answers), 0)
    assert (0 < len(answers) < ROWS, stats.billed, ended.status) == (True, len(answers), "completed")


async def test_duplicated_lines_are_billed_once() -> None:
    """A duplicated line stands twice in its file, byte for byte, and is billed once."""
    async with asking(batch_duplicate_rate=0.3) as asked:
        ended = await ended_batch(asked)
        raw = (await asked.raw(ended.output_file_id or "")).splitlines()
        stats = asked.client.simulator.stats
    assert set(Counter(raw).values()) == {1, 2}
    assert set(ids([orjson.loads(one) for one in raw])) == ALL
    assert (counts(ended), stats.billed) == ((ROWS, ROWS, 0), ROWS)


async def test_torn_lines_are_cut_off() -> None:
    """A torn line is the beginning of what it would have been, in a line of its own, and billed."""
    async with asking(batch_torn_rate=0.3) as asked, asking() as other:
        raw = (await asked.raw((await ended_batch(asked)).output_file_id or "")).splitlines()
        whole = (await other.raw((await ended_batch(other)).output_file_id or "")).splitlines()
        assert asked.client.simulator.stats.billed == ROWS
    torn = set(raw) - set(whole)
    assert 0 < len(torn) < ROWS == len(raw)
    for one in torn:
        assert any(line.startswith(one) for line in whole)
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(one)


@pytest.mark.parametrize(
    ("fault", "status", "type_"),
    [("batch_error_rate", 500, "server_error"), ("batch_throttle_rate", 429, "requests")],
)
async def test_failed_lines_are_in_the_error_file(fault: str, status: int, type_: str) -> None:
    """Lines that meet an error or a limit are in the error file with its status, and not billed."""
    async with asking(**{fault: 0.3}) as asked:
        ended = await ended_batch(asked)
        answers, failures = await asked.lines(ended.output_file_id), await asked.lines(ended.error_file_id)
        stats = asked.client.simulator.stats
    assert ids(answers) + ids(failures) == Counter(ALL)
    assert min(len(answers), len(failures)) > 0
    assert {(one["response"]["status_code"], one["response"]["body"]["error"]["type"]) for one in failures} == {
        (status, type_)
    }
    assert counts(ended) == (ROWS, len(answers), len(failures))
    assert stats.billed == len(answers)


async def test_a_batch_without_answers_has_no_output_file() -> None:
    """Where all lines fail there is an error file only, and the batch is complete all the same."""
    async with asking(batch_error_rate=1.0, batch_unknown=2) as asked:
        ended = await ended_batch(asked)
        assert (ended.status, ended.output_file_id, counts(ended)) == ("completed", None, (ROWS, 0, ROWS))
        assert ids(await asked.lines(ended.error_file_id)) == Counter(ALL)


async def test_expired_lines_are_told_and_unbilled() -> None:
    """A batch expires where some lines never have their turn: these are in the error file, the others are kept."""
    async with asking(batch_expire_share=0.5) as asked:
        ended = await ended_batch(asked)
        answers, failures = await asked.lines(ended.output_file_id), await asked.lines(ended.error_file_id)
        stats = asked.client.simulator.stats
    assert (ended.status, ended.expired_at, ended.completed_at) == ("expired", ended.created_at + 10, None)
    assert ids(answers) + ids(failures) == Counter(ALL)
    assert all(one["response"] is None and one["error"]["code"] == "batch_expired" for one in failures)
    assert 10 < len(answers) < 50
    assert counts(ended) == (ROWS, len(answers), len(failures))
    assert (stats.billed, stats.batches["expired"]) == (len(answers), 1)


async def test_strangers_are_answers_to_nobody() -> None:
    """Foreign custom ids are among the answers, uncounted and unbilled."""
    async with asking(batch_unknown=3) as asked:
        ended = await ended_batch(asked)
        found = ids(await asked.lines(ended.output_file_id))
        assert asked.client.simulator.stats.billed == ROWS
    assert (len(found), len(set(found) - ALL), counts(ended)) == (ROWS + 3, 3, (ROWS, ROWS, 0))


async def test_results_can_keep_the_order() -> None:
    """Results are shuffled unless that is turned off."""
    async with asking(batch_reorder=False) as asked, asking() as other:
        kept = list(ids(await asked.lines((await ended_batch(asked)).output_file_id)))
        shuffled = list(ids(await other.lines((await ended_batch(other)).output_file_id)))
    assert kept == [f"row-{number}" for number in range(ROWS)]
    assert kept != shuffled


async def test_a_full_queue_refuses_batches() -> None:
    """A batch whose tokens find no room beside those that run fails after its validation, and passes once they end."""
    async with asking() as asked:
        await ended_batch(asked)
        tokens = asked.client.simulator.stats.prompt_tokens
    async with asking(batch_queue_tokens=2 * tokens - 1) as asked:
        first = await asked.submit(lines(ROWS), "one.jsonl")
        asked.clock.now += 5
        second = await asked.submit(lines(ROWS), "two.jsonl")
        assert second.status == "validating"
        refused = await asked.after(1, second)
        assert (refused.status, refused.errors is not None) == ("failed", True)
        assert [error.code for error in (refused.errors.data if refused.errors else None) or []] == [
            "token_limit_exceeded"
        ]
        assert (await asked.after(4, first)).status == "completed"
        assert (await ended_batch(asked, "three.jsonl")).status == "completed"
        stats = asked.client.simulator.stats
    assert (stats.billed, stats.batches["refused"]) == (2 * ROWS, 1)


async def test_the_queue_is_looked_at_as_validations_end() -> None:
    """Of two batches that validate at once the first one gets the place, however late anybody looks."""
    async with asking(batch_queue_tokens=600) as asked:
        batches = [await asked.submit(lines(ROWS), f"{number}.jsonl") for number in range(2)]
        asked.clock.now += 1000
        states = [(await asked.openai.batches.retrieve(batch.id)).status for batch in batches]
    assert states == ["completed", "failed"]


async def test_lost_uploads_are_there() -> None:
    """An upload whose connection was dropped is found in the list, and the next one of that name may be answered."""
    async with asking(batch_upload_lost=0.5) as asked:
        ended = []
        for number in range(12):
            try:
                await asked.openai.files.create(file=(f"{number}.jsonl", lines(1)), purpose="batch")
                ended.append("answered")
            except openai.APIConnectionError:
                ended.append("lost")
        names = {file.filename async for file in asked.openai.files.list(purpose="batch")}
    assert names == {f"{number}.jsonl" for number in range(12)}
    assert set(ended) == {"answered", "lost"}


async def test_lost_creations_took_effect() -> None:
    """A creation whose connection was dropped is found in the list with its metadata, and runs."""
    async with asking(batch_create_lost=1.0) as asked:
        file = await asked.openai.files.create(file=("a.jsonl", lines(3)), purpose="batch")
        with pytest.raises(openai.APIConnectionError):
            await asked.create(file.id, overnight="on-1")
        [found] = [batch async for batch in asked.openai.batches.list()]
        assert (found.metadata, found.status) == ({"overnight": "on-1"}, "validating")
        assert (await asked.after(10, found)).status == "completed"


async def test_refused_creations_took_no_effect() -> None:
    """A creation that is answered 500 has made no batch, and another try may pass."""
    async with asking(batch_create_refused_rate=0.5) as asked:
        file = await asked.openai.files.create(file=("a.jsonl", lines(1)), purpose="batch")
        created = refused = 0
        for _ in range(20):
            try:
                await asked.create(file.id, overnight="on-1")
                created += 1
            except openai.InternalServerError:
                refused += 1
        assert min(created, refused) > 0
        assert asked.client.simulator.stats.batches["created"] == created


async def test_looks_at_a_batch_may_fail() -> None:
    """A share of looks is answered 500, whatever the batch does meanwhile; lists are not."""
    async with asking(batch_poll_error_rate=0.5) as asked:
        batch = await asked.submit(lines(1))
        failed = 0
        for _ in range(20):
            try:
                await asked.openai.batches.retrieve(batch.id)
            except openai.InternalServerError:
                failed += 1
        assert 0 < failed < 20
        assert len([one async for one in asked.openai.batches.list()]) == 1


async def test_first_downloads_may_be_torn() -> None:
    """The first download of a file is cut off within its body, the second one is whole."""
    async with asking(batch_download_torn=1.0) as asked:
        ended = await ended_batch(asked)
        file = ended.output_file_id or ""
        with pytest.raises(openai.APIConnectionError):
            await asked.raw(file)
        assert set(ids(await asked.lines(file))) == ALL


async def test_a_held_batch_ends_with_its_window() -> None:
    """A held batch is in progress with all lines processed, until its 24 hours are over."""
    async with asking(batch_hold=True) as asked:
        batch = await asked.submit(lines(4))
        late = await asked.after(86_399, batch)
        assert (late.status, late.output_file_id, counts(late)) == ("in_progress", None, (4, 4, 0))
        ended = await asked.after(1, batch)
        assert (ended.status, len(await asked.lines(ended.output_file_id))) == ("expired", 4)


async def test_a_held_batch_can_be_cancelled() -> None:
    """What a held batch has answered is kept when it is cancelled."""
    async with asking(batch_hold=True, batch_s=1000.0) as asked:
        batch = await asked.submit(lines(10))
        asked.clock.now += 500
        ended = await asked.openai.batches.cancel(batch.id)
        assert (ended.status, counts(ended)) == ("cancelled", (10, 5, 5))
        assert asked.client.simulator.stats.billed == 5


async def test_a_batch_that_is_longer_than_its_window_expires() -> None:
    """What has had its turn within 24 hours is kept, the rest expires."""
    async with asking(batch_s=2 * 86_400.0) as asked:
        batch = await asked.submit(lines(8))
        ended = await asked.after(86_400, batch)
        answers, rest = await asked.lines(ended.output_file_id), await asked.lines(ended.error_file_id)
    assert (ended.status, len(answers), {one["error"]["code"] for one in rest}) == ("expired", 4, {"batch_expired"})


async def test_durations_are_spread() -> None:
    """With a spread batches take different times, within it."""
    async with asking(batch_spread=0.5) as asked:
        batches = [await asked.submit(lines(1), f"{number}.jsonl") for number in range(12)]
        early = [(await asked.openai.batches.retrieve(batch.id)).status for batch in batches]
        asked.clock.now += 10
        half = [(await asked.openai.batches.retrieve(batch.id)).status for batch in batches]
        asked.clock.now += 5
        late = [(await asked.openai.batches.retrieve(batch.id)).status for batch in batches]
    assert set(early) == {"validating"}
    assert 0 < half.count("completed") < 12
    assert set(late) == {"completed"}


async def test_fates_of_lines_follow_from_the_seed() -> None:
    """The same lines meet the same faults in every simulator of a seed, in whatever order the batches came."""
    rates = {
        "batch_drop_rate": 0.2,
        "batch_skip_rate": 0.1,
        "batch_torn_rate": 0.1,
        "batch_duplicate_rate": 0.1,
        "batch_error_rate": 0.1,
        "batch_throttle_rate": 0.1,
        "batch_expire_share": 0.2,
    }
    names = ["one.jsonl", "two.jsonl", "three.jsonl"]

    async def run(asked: Asking, order: list[str]) -> tuple[dict[str, list[Any]], dict[str, Any]]:
        data = {name: b"".join(_rows(name)) for name in names}
        batches = await asyncio.gather(*(asked.submit(data[name], name) for name in order))
        asked.clock.now += 10
        ended = {name: await asked.openai.batches.retrieve(one.id) for name, one in zip(order, batches, strict=True)}
        files = {name: [one.output_file_id or "", one.error_file_id or ""] for name, one in ended.items()}
        stats = asked.client.simulator.stats
        return {name: [await asked.raw(file) for file in files[name]] for name in files}, stats.batch_billed

    async with asking(**rates) as one, asking(**rates) as other, asking(**rates, seed=1) as third:
        first = await run(one, names)
        assert first == await run(other, names[::-1])
        assert first != await run(third, names)


async def test_a_line_that_comes_again_has_another_fate() -> None:
    """Faults follow from how often a body came by batch, so that a second try of a line ends otherwise."""
    async with asking(batch_expire_share=0.5) as asked:
        left, tries = ALL, 0
        while left:
            tries += 1
            data = b"".join(row for row in _rows("row") if orjson.loads(row)["custom_id"] in left)
            ended = await asked.after(10, await asked.submit(data, f"{tries}.jsonl"))
            left = set(ids(await asked.lines(ended.error_file_id)))
        stats = asked.client.simulator.stats
    assert 2 < tries < 20
    assert (stats.billed, stats.batch_lines_seen_twice) == (ROWS, 0)


def _rows(name: str) -> list[bytes]:
    return [
        orjson.dumps(
            {
                "custom_id": f"row-{number}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {"model": "m", "messages": [{"role": "user", "content": f"{name} {number}"}]},
            }
        )
        + b"\n"
        for number in range(ROWS)
    ]


async def test_lines_of_messages_meet_the_same_faults() -> None:
    """Anthropic's results have errored, expired, torn, duplicated and foreign lines too, and bill what was answered."""
    async with asking(
        batch_error_rate=0.15,
        batch_throttle_rate=0.15,
        batch_torn_rate=0.1,
        batch_duplicate_rate=0.1,
        batch_drop_rate=0.1,
        batch_expire_share=0.2,
        batch_unknown=1,
    ) as asked:
        batch = await asked.ask_messages(*(f"question {number}" for number in range(80)))
        asked.clock.now += 10
        ended = await asked.anthropic.messages.batches.retrieve(batch.id)
        raw = await (await asked.anthropic.messages.batches.with_raw_response.results(batch.id)).http_response.aread()
        stats = asked.client.simulator.stats
    told, torn = [], 0
    for one in raw.splitlines():
        try:
            told.append(orjson.loads(one))
        except orjson.JSONDecodeError:
            torn += 1
    kinds = Counter(one["result"]["type"] for one in told)
    errors = {one["result"]["error"]["error"]["type"] for one in told if one["result"]["type"] == "errored"}
    assert ended.processing_status == "ended"
    assert (kinds["expired"], errors) == (ended.request_counts.expired, {"api_error", "rate_limit_error"})
    assert min(kinds["succeeded"], kinds["expired"], torn) > 0
    assert max(ids(told).values()) == 2
    assert len(set(ids(told)) - {f"m-{number}" for number in range(80)}) == 1
    assert stats.billed == ended.request_counts.succeeded


async def test_calls_about_messages_meet_the_same_faults() -> None:
    """Creations of message batches are lost or refused, looks fail, downloads are torn, and a full queue says 429."""
    texts = [f"question {number}" for number in range(20)]
    async with asking(batch_create_lost=1.0, batch_download_torn=1.0) as asked:
        with pytest.raises(anthropic.APIConnectionError):
            await asked.ask_messages(*texts)
        [found] = [batch async for batch in asked.anthropic.messages.batches.list()]
        asked.clock.now += 10
        url = f"{asked.client.simulator.base_url}/messages/batches/{found.id}/results"
        async with asked.client.session.get(url) as response:
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        assert len(await asked.message_results(found)) == 20
    async with asking(batch_create_refused_rate=1.0) as asked:
        with pytest.raises(anthropic.InternalServerError):
            await asked.ask_messages(*texts)
        assert asked.client.simulator.stats.batches["created"] == 0
    async with asking(batch_queue_tokens=250, batch_poll_error_rate=1.0) as asked:
        batch = await asked.ask_messages(*texts)
        with pytest.raises(anthropic.RateLimitError):
            await asked.ask_messages(*texts)
        with pytest.raises(anthropic.InternalServerError):
            await asked.anthropic.messages.batches.retrieve(batch.id)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, 1.1) for field in (*BATCH_LINE_RATES, *BATCH_CREATE_RATES, *BATCH_CALL_RATES, "batch_spread")),
        ("batch_expire_share", -0.1),
        ("batch_s", math.inf),
        ("batch_cancel_s", -1.0),
        ("batch_unknown", -1),
        ("batch_queue_tokens", 0),
    ],
)
def test_settings_that_make_no_sense_are_refused(field: str, value: float) -> None:
    """A share beyond 0 to 1, a time without end or a queue without room is bad input that names its field."""
    with pytest.raises(InputError, match="it must be from") as caught:
        SimulatorSettings(**{field: value})  # type: ignore[arg-type]  # the field is a parameter
    assert caught.value.field == field


def test_the_command_has_every_setting() -> None:
    """Each setting of batches is an option of `overnight simulate`, with the same default."""
    options = {name: option.default for name, option in signature(simulate).parameters.items() if "batch" in name}
    assert options == {name: value for name, value in asdict(SimulatorSettings()).items() if "batch" in name}


async def test_a_terminated_command_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM ends `overnight simulate`, and what was uploaded goes with it."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    async with overnight("simulate", "--port", 0, folder=tmp_path) as child, aiohttp.ClientSession() as session:
        await child.until(lambda: "\n" in child.said())
        form = aiohttp.FormData({"purpose": "batch"})
        form.add_field("file", lines(1), filename="a.jsonl")
        async with session.post(f"{child.said().split()[2]}/files", data=form) as response:
            assert response.status == 200
        assert len(list(temporary.iterdir())) == 1
        child.send(signal.SIGTERM)
        assert await child.exit_code() == 0
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("fields", [BATCH_LINE_RATES, BATCH_CREATE_RATES])
def test_rates_of_one_draw_are_at_most_one(fields: tuple[str, ...]) -> None:
    """Faults of which one befalls a line, or a creation, are together at most all of them."""
    with pytest.raises(InputError, match="together above 1"):
        SimulatorSettings(**dict.fromkeys(fields, 0.6))  # type: ignore[arg-type]  # the fields are a parameter
