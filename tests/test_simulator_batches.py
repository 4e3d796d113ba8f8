"""The simulator's batch APIs as the official SDKs see them: files, batches, answers, billing, counts."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any, Literal

import aiohttp
import anthropic
import openai
import orjson
import pytest

from providers.simulator import Simulator
from tests.harness.simulated_batches import ENDPOINT, WALL, Asking, asking, chat, line, lines


async def test_a_file_comes_back_as_it_went_up() -> None:
    """An uploaded file is described, listed and given back byte for byte, and is gone once deleted."""
    data = bytes(range(256)) * 5000 + b"\r\n--\n"
    async with asking() as asked:
        file = await asked.openai.files.create(file=("shard.jsonl", data), purpose="batch")
        assert (file.object, file.filename, file.bytes, file.purpose) == ("file", "shard.jsonl", len(data), "batch")
        assert (file.created_at, file.status) == (int(WALL), "processed")
        assert await asked.openai.files.retrieve(file.id) == file
        assert await asked.raw(file.id) == data
        deleted = await asked.openai.files.delete(file.id)
        assert (deleted.id, deleted.deleted) == (file.id, True)
        for call in (asked.openai.files.retrieve, asked.openai.files.content, asked.openai.files.delete):
            with pytest.raises(openai.NotFoundError):
                await call(file.id)


async def test_files_are_listed_in_pages() -> None:
    """Files are listed by purpose, newest first or last, and a cursor goes on where a page ended."""
    async with asking() as asked:
        purposes: list[Literal["batch", "user_data"]] = ["batch", "batch", "user_data", "batch"]
        ids = [
            (await asked.openai.files.create(file=(f"{number}.jsonl", b"{}"), purpose=purpose)).id
            for number, purpose in enumerate(purposes)
        ]
        batch_files = [ids[0], ids[1], ids[3]]
        first = await asked.openai.files.list(purpose="batch", limit=2)
        assert ([file.id for file in first.data], first.has_more) == ([ids[3], ids[1]], True)
        assert [file.id async for file in asked.openai.files.list(purpose="batch", limit=1)] == batch_files[::-1]
        assert [file.id async for file in asked.openai.files.list(order="asc")] == ids
        with pytest.raises(openai.BadRequestError):
            await asked.openai.files.list(after="file-none")
        with pytest.raises(openai.BadRequestError):
            await asked.openai.files.list(limit=0)


async def test_a_batch_goes_through_its_states() -> None:
    """A batch is validated, works, writes its files and is complete, as the clock says, with counts and moments."""
    async with asking() as asked:
        batch = await asked.submit(lines(8), overnight="on-1")
        assert (batch.status, batch.metadata, batch.created_at) == ("validating", {"overnight": "on-1"}, int(WALL))
        assert (batch.endpoint, batch.completion_window, batch.model) == (ENDPOINT, "24h", "gpt-4o")
        assert batch.expires_at == int(WALL) + 86_400
        seen = [await asked.after(seconds, batch) for seconds in (1, 4, 4, 0.5, 0.5)]
        assert [one.status for one in seen] == ["in_progress", "in_progress", "finalizing", "finalizing", "completed"]
        counts = [one.request_counts for one in seen]
        assert [(one.total, one.completed, one.failed) for one in counts if one is not None] == [
            (8, 0, 0),
            (8, 4, 0),
            (8, 8, 0),
            (8, 8, 0),
            (8, 8, 0),
        ]
        last = seen[-1]
        assert (last.in_progress_at, last.finalizing_at, last.completed_at) == tuple(int(WALL) + s for s in (1, 9, 10))
        assert (seen[3].output_file_id, last.error_file_id, last.errors) == (None, None, None)
        output = await asked.openai.files.retrieve(last.output_file_id or "")
        assert (output.purpose, output.created_at) == ("batch_output", int(WALL) + 10)
        assert await asked.openai.batches.retrieve(batch.id) == last


async def test_answers_are_those_of_online_calls() -> None:
    """Every line's body is, byte for byte, the JSON that the same body gets online, refusals too; others' order."""

    def body(number: int) -> dict[str, Any]:
        more: dict[str, Any] = {"logprobs": True, "top_logprobs": 3} if number % 2 else {"n": 2, "temperature": 0.5}
        return {**chat(f"Frage {number} ü"), "model": "fails-30", **more}

    async with asking() as asked:
        batch = await asked.submit(lines(20, body))
        ended = await asked.after(10, batch)
        answers, failures = await asked.lines(ended.output_file_id), await asked.lines(ended.error_file_id)
        online = {f"row-{number}": await asked.client.post(body(number)) for number in range(20)}
    assert len(answers) + len(failures) == 20
    assert min(len(answers), len(failures)) > 0
    for told in answers + failures:
        status, _, data = online[told["custom_id"]]
        response = told["response"]
        assert (response["status_code"], told["error"], told["id"][:10]) == (status, None, "batch_req_")
        assert orjson.dumps(response["body"]) == orjson.dumps(orjson.loads(data))
    assert [told["custom_id"] for told in answers] != sorted(told["custom_id"] for told in answers)


async def test_spelling_of_a_body_does_not_matter() -> None:
    """The order of a body's keys changes no answer, as online."""
    body = chat("Hello")
    async with asking() as asked:
        batch = await asked.submit(line("a", body) + line("b", dict(reversed(body.items()))))
        one, other = await asked.lines((await asked.after(10, batch)).output_file_id)
    assert one["response"]["body"] == other["response"]["body"]


async def test_each_processed_line_is_billed_once() -> None:
    """What is billed is what was processed, at its moment, whoever looks and how often; usage is the sum of all."""
    async with asking() as asked:
        batch = await asked.submit(lines(10))
        for seconds, billed in ((0.9, 0), (0.1, 0), (0.8, 1), (3.2, 5), (0, 5), (5, 10), (100, 10)):
            asked.clock.now += seconds
            stats = asked.client.simulator.stats
            assert (stats.billed, stats.batch_billed["lines"]) == (billed, billed)
        ended = await asked.after(0, batch)
        usages = [told["response"]["body"]["usage"] for told in await asked.lines(ended.output_file_id)]
        _, told = await asked.client.get("/simulator/stats")
    assert ended.usage is not None
    for tokens, field in (
        (ended.usage.input_tokens, "prompt_tokens"),
        (ended.usage.output_tokens, "completion_tokens"),
    ):
        assert tokens == told[field] == told["batch_billed"][field] == sum(usage[field] for usage in usages)
    assert ended.usage.total_tokens == ended.usage.input_tokens + ended.usage.output_tokens
    assert (told["calls"], told["answered"], told["batch_files"]) == (0, 0, 2)


async def test_bodies_that_are_bought_twice_show() -> None:
    """A body that a batch and a call, or two lines, had answered is seen twice; others are seen once."""
    async with asking(record=True) as asked:
        await asked.client.post(chat("question 0"))
        await asked.client.post(chat("online"))
        await asked.client.post(chat("online"))
        await asked.submit(lines(3) + line("again", chat("question 1")))
        asked.clock.now += 10
        assert sorted(asked.client.simulator.seen.values()) == [1, 2, 2, 2]
        assert asked.client.simulator.stats.batch_lines_seen_twice == 2


@pytest.mark.parametrize(
    ("data", "problems"),
    [
        (b"", [("empty_file", None, None)]),
        (
            line("a", chat("x")) + b"{not json\n" + b"[1]\n",
            [("invalid_json_line", 2, None), ("invalid_json_line", 3, None)],
        ),
        (line("a", chat("x")) + line("a", chat("y")), [("duplicate_custom_id", 2, "custom_id")]),
        (line("a", chat("x"), url="/v1/embeddings"), [("url_mismatch", 1, "url")]),
        (line("a", chat("x"), method="GET"), [("invalid_method", 1, "method")]),
        (line("a", "x"), [("missing_required_parameter", 1, "body")]),
        (b'{"custom_id": 5}\n', [("missing_required_parameter", 1, "custom_id")]),
        (line("a", chat("x")) + b"\n" + line("b", {**chat("y"), "model": "z"}), [("model_mismatch", 3, "body.model")]),
    ],
)
async def test_a_bad_file_fails_its_batch(data: bytes, problems: list[Any]) -> None:
    """A batch of a file with wrong lines fails once it is validated, names each of them, and costs nothing."""
    async with asking() as asked:
        batch = await asked.submit(data)
        assert (batch.status, batch.errors) == ("validating", None)
        failed = await asked.after(1, batch)
        stats = asked.client.simulator.stats
    assert (failed.status, failed.failed_at, failed.output_file_id) == ("failed", int(WALL) + 1, None)
    assert failed.errors is not None
    assert [(error.code, error.line, error.param) for error in failed.errors.data or []] == problems
    assert (stats.billed, stats.batches["refused"], stats.distinct_bodies) == (0, 1, 0)


async def test_too_many_lines_fail_their_batch() -> None:
    """A file of more lines than a batch may have is refused as a whole."""
    data = b"".join(
        b'{"custom_id":"%d","method":"POST","url":"/v1/chat/completions","body":{}}\n' % n for n in range(50_001)
    )
    async with asking() as asked:
        failed = await asked.after(1, await asked.submit(data))
    assert failed.errors is not None
    assert [error.code for error in failed.errors.data or []] == ["too_many_tasks"]


async def test_calls_that_make_no_sense_are_refused() -> None:
    """Creating without a file for batches, for another endpoint or window, is refused at once, as are unknown ids."""
    async with asking() as asked:
        file = await asked.openai.files.create(file=("a.jsonl", lines(1)), purpose="batch")
        other = await asked.openai.files.create(file=("a.jsonl", lines(1)), purpose="user_data")
        good = {"input_file_id": file.id, "endpoint": ENDPOINT, "completion_window": "24h"}
        for wrong in (
            {"input_file_id": "file-none"},
            {"input_file_id": other.id},
            {"endpoint": "/v1/embeddings"},
            {"completion_window": "1h"},
            {"metadata": {"a": 5}},
        ):
            with pytest.raises(openai.BadRequestError):
                await asked.openai.batches.create(**{**good, **wrong})  # type: ignore[arg-type]  # wrong on purpose
        with pytest.raises(openai.NotFoundError):
            await asked.openai.batches.retrieve("batch_none")
        with pytest.raises(openai.NotFoundError):
            await asked.openai.batches.cancel("batch_none")
        assert asked.client.simulator.stats.batches["created"] == 0


@pytest.mark.parametrize(
    ("body", "type_"),
    [
        (b"no form", "application/json"),
        (b"--x\r\nno header at all\r\n\r\nab\r\n--x--", "multipart/form-data; boundary=x"),
        (b"no form", "multipart/form-data"),
        (b"no form", "multipart/form-data; boundary=x"),
        (b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nab", "multipart/form-data; boundary=x"),
        (
            b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n\xff\r\n--x--',
            "multipart/form-data; boundary=x",
        ),
        (
            b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--x--',
            "multipart/form-data; boundary=x",
        ),
    ],
)
async def test_uploads_that_are_no_form_are_refused(body: bytes, type_: str) -> None:
    """Whatever is posted as an upload and is none is a 400, and leaves no file."""
    async with asking() as asked, aiohttp.ClientSession() as session:
        url = f"{asked.client.simulator.base_url}/files"
        async with session.post(url, data=body, headers={"Content-Type": type_}) as response:
            assert response.status == 400
            assert "error" in await response.json()
        assert asked.client.simulator.stats.batch_files == 0


async def test_creations_that_are_no_json_are_refused() -> None:
    """Whatever is posted as a creation, in either form, and is none is a 400 and makes no batch."""
    deep = b'{"requests":[{"custom_id":"a","params":{"x":' + b"[" * 5000 + b"]" * 5000 + b"}}]}"
    async with asking() as asked:
        for path in ("/batches", "/messages/batches"):
            for body in (b"", b"{", b"[]", b'{"input_file_id": "\xff"}', b'{"requests":[{"custom_id":"\xff"}]}', deep):
                assert (await asked.client.post(body, path))[0] == 400
        assert asked.client.simulator.stats.batches["created"] == 0


async def test_an_odd_name_of_a_file_is_taken() -> None:
    """A file's name with bytes that are no text is kept as far as it can be said."""
    form = b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    form += b'--x\r\nContent-Disposition: form-data; name="file"; filename="a\xff"\r\n\r\nab\r\n--x--\r\n'
    async with asking() as asked, aiohttp.ClientSession() as session:
        url = f"{asked.client.simulator.base_url}/files"
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        async with session.post(url, data=form, headers=headers) as response:
            assert (response.status, (await response.json())["filename"]) == (200, "a?")


async def test_batches_are_listed_in_pages() -> None:
    """Batches are listed newest first, and a cursor goes on where a page ended."""
    async with asking() as asked:
        ids = [(await asked.submit(lines(1), f"{number}.jsonl")).id for number in range(3)]
        first = await asked.openai.batches.list(limit=2)
        assert ([batch.id for batch in first.data], first.has_more) == ([ids[2], ids[1]], True)
        assert [batch.id async for batch in asked.openai.batches.list(limit=1)] == ids[::-1]


async def test_a_cancelled_batch_keeps_what_had_its_turn() -> None:
    """What is processed until a cancellation takes effect is kept and billed; the rest is in the error file."""
    async with asking(batch_cancel_s=2.0) as asked:
        batch = await asked.submit(lines(8))
        asked.clock.now += 3
        cancelling = await asked.openai.batches.cancel(batch.id)
        assert (cancelling.status, cancelling.cancelling_at) == ("cancelling", int(WALL) + 3)
        assert (await asked.openai.batches.cancel(batch.id)).status == "cancelling"
        assert (await asked.after(1.9, batch)).status == "cancelling"
        ended = await asked.after(0.1, batch)
        assert (ended.status, ended.cancelled_at) == ("cancelled", int(WALL) + 5)
        assert ended.request_counts is not None
        assert (ended.request_counts.completed, ended.request_counts.failed) == (4, 4)
        answers, rest = await asked.lines(ended.output_file_id), await asked.lines(ended.error_file_id)
        assert {told["custom_id"] for told in answers} == {f"row-{number}" for number in range(4)}
        assert {told["custom_id"] for told in rest} == {f"row-{number}" for number in range(4, 8)}
        assert all(told["response"] is None and told["error"]["code"] == "batch_cancelled" for told in rest)
        asked.clock.now += 100
        assert asked.client.simulator.stats.billed == 4
        with pytest.raises(openai.ConflictError):
            await asked.openai.batches.cancel(batch.id)


async def test_a_batch_that_is_cancelled_at_once_has_nothing() -> None:
    """Cancelled while it is validated, a batch has no answers and costs nothing."""
    async with asking() as asked:
        batch = await asked.submit(lines(2))
        ended = await asked.openai.batches.cancel(batch.id)
        assert (ended.status, ended.output_file_id, ended.in_progress_at) == ("cancelled", None, None)
        assert len(await asked.lines(ended.error_file_id)) == 2
        stats = asked.client.simulator.stats
        assert (stats.billed, stats.batches["cancelled"], stats.batches["running"]) == (0, 1, 0)


async def test_a_deleted_file_does_not_harm_its_batch() -> None:
    """A batch has its lines for itself: its input can be deleted once it is created."""
    async with asking() as asked:
        batch = await asked.submit(lines(3))
        await asked.openai.files.delete(batch.input_file_id)
        ended = await asked.after(10, batch)
        assert len(await asked.lines(ended.output_file_id)) == 3


async def test_all_batches_are_told_of() -> None:
    """A list of its own names each batch with its metadata, rows and state, for whoever looks for orphans."""
    async with asking() as asked:
        await asked.submit(lines(2), "one.jsonl", overnight="on-1")
        asked.clock.now += 10
        await asked.submit(b"", "two.jsonl")
        await asked.ask_messages("a", "b", "c")
        _, told = await asked.client.get("/simulator/batches")
        stats = asked.client.simulator.stats
    assert [(one["name"], one["metadata"], one["rows"], one["state"], one["succeeded"]) for one in told] == [
        ("one.jsonl", {"overnight": "on-1"}, 2, "completed", 2),
        ("two.jsonl", {}, 0, "validating", 0),
        ("", {}, 3, "in_progress", 0),
    ]
    assert (told[2]["form"], told[2]["first_custom_id"]) == ("anthropic", "m-0")
    assert stats.batches == {
        "created": 3, "running": 2, "completed": 1, "cancelled": 0, "expired": 0, "refused": 0
    }  # fmt: skip


async def test_lookers_at_once_bill_nothing_twice() -> None:
    """However many look at the same time, each line is processed once."""
    async with asking() as asked:
        batch = await asked.submit(lines(400))
        asked.clock.now += 10
        seen = await asyncio.gather(*(asked.openai.batches.retrieve(batch.id) for _ in range(8)))
        assert {one.status for one in seen} == {"completed"}
        assert {one.output_file_id for one in seen} == {seen[0].output_file_id}
        assert len(await asked.lines(seen[0].output_file_id)) == 400
        stats = asked.client.simulator.stats
    assert (stats.billed, stats.repeated_bodies) == (400, 0)


async def test_files_go_with_the_simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uploads and results are on disk while the simulator runs, and gone once it is closed; its counts stay."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with asking() as asked:
        await asked.after(10, await asked.submit(lines(3)))
        assert sum(path.is_file() for path in tmp_path.rglob("*")) == 2
        simulator: Simulator = asked.client.simulator
    assert list(tmp_path.iterdir()) == []
    assert (simulator.stats.billed, simulator.stats.batches["completed"]) == (3, 1)


async def test_everything_is_labelled() -> None:
    """Uploads, batches, files and errors of both forms carry the label."""
    async with asking() as asked:
        file = await asked.openai.files.with_raw_response.create(file=("a.jsonl", lines(1)), purpose="batch")
        batch = await asked.create(file.parse().id)
        ended = await asked.after(10, batch)
        labelled: list[Any] = [
            file,
            await asked.openai.batches.with_raw_response.retrieve(batch.id),
            await asked.openai.files.with_raw_response.content(ended.output_file_id or ""),
            await asked.anthropic.messages.batches.with_raw_response.list(),
        ]
        status, headers, _ = await asked.client.post({}, "/batches")
    assert status == 400
    assert all(reply.headers["x-overnight-simulated"] == "1" for reply in labelled)
    assert headers["x-overnight-simulated"] == "1"


async def test_messages_go_through_their_states() -> None:
    """Anthropic's batch is in progress until it has ended; its counts move at the end, and results are messages."""
    async with asking() as asked:
        batch = await asked.ask_messages("Hello", "What is it?", "Why?")
        assert (batch.processing_status, batch.request_counts.processing, batch.results_url) == ("in_progress", 3, None)
        assert (batch.expires_at - batch.created_at).total_seconds() == 86_400
        asked.clock.now += 5
        half = await asked.anthropic.messages.batches.retrieve(batch.id)
        assert (half.processing_status, half.request_counts.succeeded) == ("in_progress", 0)
        assert asked.client.simulator.stats.billed == 1
        with pytest.raises(anthropic.AnthropicError):
            await asked.message_results(batch)
        asked.clock.now += 5
        ended = await asked.anthropic.messages.batches.retrieve(batch.id)
        assert (ended.processing_status, ended.request_counts.succeeded, ended.request_counts.processing) == (
            "ended",
            3,
            0,
        )
        results = await asked.message_results(batch)
        stats = asked.client.simulator.stats
    assert {told.custom_id for told in results} == {"m-0", "m-1", "m-2"}
    usages = [told.result.message.usage for told in results]
    assert all(told.result.type == "succeeded" and told.result.message.content[0].text for told in results)
    assert (stats.billed, stats.prompt_tokens) == (3, sum(usage.input_tokens for usage in usages))
    assert stats.completion_tokens == sum(usage.output_tokens for usage in usages)


async def test_messages_are_cut_and_refused() -> None:
    """A message ends at its most tokens; params that are wrong are an errored result, unbilled."""
    async with asking() as asked:
        batch = await asked.anthropic.messages.batches.create(
            requests=[
                {"custom_id": "a", "params": {"model": "c", "max_tokens": 2, "system": [{"type": "text", "text": "s"}],
                                              "messages": [{"role": "user", "content": "x"}]}},
                {"custom_id": "b", "params": {"model": "c", "max_tokens": 2, "messages": []}},
                {"custom_id": "c", "params": {"model": "c", "messages": [{"role": "user", "content": "x"}]}},  # type: ignore[typeddict-item]  # no max_tokens
            ]
        )  # fmt: skip
        asked.clock.now += 10
        told = {result.custom_id: result.result for result in await asked.message_results(batch)}
        assert asked.client.simulator.stats.billed == 1
    assert (told["a"].message.stop_reason, told["a"].message.usage.output_tokens) == ("max_tokens", 2)
    assert [told[id_].error.error.type for id_ in ("b", "c")] == ["invalid_request_error"] * 2


async def test_a_creation_of_messages_is_checked() -> None:
    """No requests, a custom id twice, or one with other characters is refused at once."""
    one = {"params": {"model": "c", "max_tokens": 2, "messages": [{"role": "user", "content": "x"}]}}
    async with asking() as asked:
        for ids in ([], ["a", "a"], ["ü"], ["a" * 65]):
            requests: list[Any] = [{"custom_id": id_, **one} for id_ in ids]
            with pytest.raises(anthropic.BadRequestError):
                await asked.anthropic.messages.batches.create(requests=requests)
        with pytest.raises(anthropic.NotFoundError):
            await asked.anthropic.messages.batches.retrieve("msgbatch_none")
        assert asked.client.simulator.stats.batches["created"] == 0


async def test_batches_of_messages_are_listed_in_pages() -> None:
    """Message batches are listed newest first, without OpenAI's, and a cursor goes on where a page ended."""
    async with asking() as asked:
        await asked.submit(lines(1))
        ids = [(await asked.ask_messages(text)).id for text in ("a", "b", "c")]
        assert [batch.id async for batch in asked.anthropic.messages.batches.list(limit=2)] == ids[::-1]
        with pytest.raises(openai.NotFoundError):
            await asked.openai.batches.retrieve(ids[0])


async def test_cancelled_messages_are_kept_in_part() -> None:
    """A cancelled batch of messages ends with what had its turn, and says of the rest that it was canceled."""
    async with asking(batch_cancel_s=1.0) as asked:
        batch = await asked.ask_messages(*"abcdefghi")
        asked.clock.now += 2
        assert (await asked.anthropic.messages.batches.cancel(batch.id)).processing_status == "canceling"
        asked.clock.now += 1
        ended = await asked.anthropic.messages.batches.retrieve(batch.id)
        assert (ended.processing_status, ended.request_counts.succeeded, ended.request_counts.canceled) == (
            "ended",
            3,
            6,
        )
        types = [told.result.type for told in await asked.message_results(batch)]
        assert (types.count("succeeded"), types.count("canceled")) == (3, 6)
        with pytest.raises(anthropic.BadRequestError):
            await asked.anthropic.messages.batches.cancel(batch.id)
        assert asked.client.simulator.stats.billed == 3


async def test_one_run_after_another_is_the_same() -> None:
    """Ids, orders and answers follow from the seed and what was sent, not from the day or the simulator."""

    async def run(asked: Asking) -> tuple[str, bytes]:
        ended = await asked.after(10, await asked.submit(lines(30), overnight="on-1"))
        return ended.id, await asked.raw(ended.output_file_id or "")

    async with asking() as one, asking() as other, asking(seed=1) as third:
        other.clock.now += 50
        first, second, unlike = await run(one), await run(other), await run(third)
    assert first == second
    assert first[0] != unlike[0]
