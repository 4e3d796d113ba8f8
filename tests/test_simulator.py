"""The simulator over real HTTP on loopback: its answers, labels, refusals, faults, limits and its end."""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import orjson
import pytest
from openai import AsyncOpenAI, RateLimitError
from PIL import Image

from prompts.input_error import InputError
from providers.simulator import Simulator, SimulatorSettings, serve
from tests.harness.pictures import data_url, shown
from tests.harness.simulated import Client, simulated


async def come_true(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come true in five seconds")


def chat(content: str = "Hello", **body: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": content}], **body}


async def test_an_answer_has_openai_s_shape() -> None:
    """A chat is answered with a completion as OpenAI's, indented, with usage that adds up."""
    async with simulated() as client:
        status, headers, body = await client.post(chat())
    answer = orjson.loads(body)
    assert status == 200
    assert headers["content-type"].startswith("application/json")
    assert body.startswith(b'{\n  "id": "chatcmpl-')
    assert (answer["object"], answer["model"]) == ("chat.completion", "gpt-4o")
    [choice] = answer["choices"]
    assert choice["message"]["content"]
    assert (choice["finish_reason"], choice["logprobs"], choice["message"]["refusal"]) == ("stop", None, None)
    usage = answer["usage"]
    assert usage["prompt_tokens"] > 0
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 0


async def test_everything_is_labelled_simulated() -> None:
    """Answers, errors and unknown paths all carry the label."""
    async with simulated() as client:
        replies = [await client.post(chat()), await client.post(b"no json"), await client.post(chat(), "/nothing")]
        assert (await client.get("/healthz")) == (200, {"status": "ok", "simulated": True})
    assert [status for status, _, _ in replies] == [200, 400, 404]
    assert all(headers["x-overnight-simulated"] == "1" for _, headers, _ in replies)
    assert orjson.loads(replies[0][2])["system_fingerprint"] == "fp_simulated"


async def test_answers_do_not_depend_on_order_or_repetition() -> None:
    """Two simulators of one seed give a body the same bytes, in whatever order and however often it comes."""
    contents = [f"question {number}" for number in range(12)]
    shuffled = random.Random(1).sample(contents * 2, 24)
    async with simulated(seed=5) as one, simulated(seed=5) as other, simulated(seed=6) as third:
        first = {content: (await one.post(chat(content)))[2] for content in contents}
        replies = await asyncio.gather(*(other.post(chat(content)) for content in shuffled))
        unlike = await third.post(chat(contents[0]))
    assert all(first[content] == body for content, (_, _, body) in zip(shuffled, replies, strict=True))
    assert len(set(first.values())) == 12
    assert unlike[2] != first[contents[0]]


async def test_request_ids_tell_calls_apart() -> None:
    """The request id is drawn by seed, body and how often the body came."""
    async with simulated() as one, simulated() as other:
        ids = [(await one.post(chat()))[1]["x-request-id"] for _ in range(2)]
        again = [(await other.post(chat()))[1]["x-request-id"] for _ in range(2)]
    assert ids == again
    assert ids[0] != ids[1]


async def test_faults_follow_from_how_often_a_body_came() -> None:
    """The statuses that a body meets, call after call, are the same in every order of arrival."""
    contents = [f"question {number}" for number in range(8)]

    async def statuses(order: list[str]) -> dict[str, list[int]]:
        met: dict[str, list[int]] = {}
        async with simulated(error_rate=0.3, throttle_rate=0.3) as client:
            for content in order:
                met.setdefault(content, []).append((await client.post(chat(content)))[0])
        return met

    met = await statuses(contents * 4)
    assert met == await statuses([content for content in reversed(contents) for _ in range(4)])
    assert {status for row in met.values() for status in row} == {200, 429, 500}


async def test_errors_have_openai_s_shapes() -> None:
    """400, 404, 405 and 500 carry an error object with message, type, param and code."""
    async with simulated() as client, simulated(error_rate=1.0) as failing:
        missing = await client.post({"messages": [{"role": "user", "content": "x"}]})
        unknown = await client.post(chat(), "/embeddings")
        wrong = await client.get("/v1/chat/completions")
        error = await failing.post(chat())
    assert (missing[0], orjson.loads(missing[2])["error"]["param"]) == (400, "model")
    assert (unknown[0], orjson.loads(unknown[2])["error"]["type"]) == (404, "invalid_request_error")
    assert (wrong[0], set(wrong[1]["error"])) == (405, {"message", "type", "param", "code"})
    assert (error[0], orjson.loads(error[2])["error"]["type"]) == (500, "server_error")


async def test_a_random_throttle_says_how_long_to_wait() -> None:
    """A 429 by rate has both spellings of the wait and OpenAI's code."""
    async with simulated(throttle_rate=1.0, throttle_wait_s=0.25) as client:
        status, headers, body = await client.post(chat())
    assert (status, headers["retry-after"], headers["retry-after-ms"]) == (429, "1", "250")
    assert headers["x-ratelimit-reset-requests"] == "250ms"
    error = orjson.loads(body)["error"]
    assert (error["type"], error["code"]) == ("requests", "rate_limit_exceeded")


async def test_the_request_limit_refuses_and_recovers() -> None:
    """Over the limit a call gets 429 with the limit's headers, and passes once the told time is over."""
    now = 100.0
    async with simulated(clock=lambda: now, rpm=2) as client:
        passed = [await client.post(chat()) for _ in range(2)]
        status, headers, body = await client.post(chat())
        now += int(headers["retry-after-ms"]) / 1000
        after = await client.post(chat())
    assert [reply[0] for reply in (*passed, after)] == [200, 200, 200]
    assert [reply[1]["x-ratelimit-remaining-requests"] for reply in passed] == ["1", "0"]
    assert (status, headers["retry-after"]) == (429, "30")
    assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-reset-requests"]) == ("2", "1m0s")
    assert orjson.loads(body)["error"]["code"] == "rate_limit_exceeded"


async def test_the_token_limit_counts_prompt_and_answer() -> None:
    """An answer's tokens are charged too, and the refusal is of type `tokens`."""
    async with simulated(clock=lambda: 0.0, tpm=100, answer_tokens=90) as client:
        _, _, body = await client.post(chat())
        status, headers, refused = await client.post(chat("x" * 400))
    left = max(0, 100 - orjson.loads(body)["usage"]["total_tokens"])
    assert (status, headers["x-ratelimit-remaining-tokens"]) == (429, str(left))
    assert orjson.loads(refused)["error"]["type"] == "tokens"


@pytest.mark.parametrize("settings", [{}, {"error_rate": 1.0}, {"throttle_rate": 1.0}, {"malformed_rate": 1.0}])
async def test_every_answer_tells_of_the_limits(settings: dict[str, Any]) -> None:
    """With limits set, 200, 400, 429 and 500 carry all six headers; with headers off none of them, nor Retry-After."""
    parts = {
        f"x-ratelimit-{part}-{kind}" for part in ("limit", "remaining", "reset") for kind in ("requests", "tokens")
    }
    async with simulated(rpm=1, tpm=9000, **settings) as client:
        replies = [await client.post(chat()), await client.post(b"no json"), await client.post(chat())]
        assert [status for status, _, _ in replies][1:] == [400, 429]
        assert all(parts <= headers.keys() for _, headers, _ in replies)
    async with simulated(rpm=1, tpm=9000, rate_headers=False, **settings) as client:
        replies = [await client.post(chat()), await client.post(b"no json"), await client.post(chat())]
        assert not any("ratelimit" in name or "retry-after" in name for _, told, _ in replies for name in told)


async def test_a_storm_ends() -> None:
    """In a storm every call is 429 without a word of when to come back; after it calls are answered."""
    now = 100.0
    async with simulated(clock=lambda: now, storm_until_s=5, throttle_wait_s=0) as client:
        status, headers, _ = await client.post(chat())
        assert (status, "retry-after" in headers, "retry-after-ms" in headers) == (429, False, False)
        now = 105.0
        assert (await client.post(chat()))[0] == 200
        assert (client.simulator.stats.limited, client.simulator.stats.answered) == (1, 1)


async def test_what_is_billed_is_what_was_made() -> None:
    """Answers count as billed with their usage, those that arrive torn or spoilt too; refusals and errors do not."""
    async with simulated() as client:
        usages = [orjson.loads((await client.post(chat(str(number))))[2])["usage"] for number in range(3)]
        await client.post(b"no json")
        _, stats = await client.get("/simulator/stats")
    assert stats["billed"] == 3
    for field in ("prompt_tokens", "completion_tokens"):
        assert stats[field] == sum(usage[field] for usage in usages)
    async with simulated(malformed_rate=0.3, drop_rate=0.4, error_rate=0.3) as client:
        await asyncio.gather(*(client.post(chat(str(number))) for number in range(40)), return_exceptions=True)
        made = client.simulator.stats
    assert made.billed == sum(made.faults[kind] for kind in ("truncated", "not_json", "dropped_late")) > 0
    assert min(made.prompt_tokens, made.completion_tokens) > made.billed


async def test_malformed_answers_are_200_and_no_json() -> None:
    """A malformed answer is complete as HTTP and does not parse; both variants occur."""
    async with simulated(malformed_rate=1.0) as client:
        replies = [await client.post(chat(str(number))) for number in range(12)]
    assert {status for status, _, _ in replies} == {200}
    assert {body[:1] for _, _, body in replies} == {b"{", b"<"}
    for _, headers, body in replies:
        assert headers["x-overnight-simulated"] == "1"
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(body)


async def test_dropped_connections() -> None:
    """Connections are dropped before any byte or within the body, as the counts say."""
    raised = []
    async with simulated(drop_rate=1.0) as client:
        for number in range(12):
            with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError)) as caught:
                await client.post(chat(str(number)))
            raised.append(caught.type)
        faults = client.simulator.stats.faults
    assert raised.count(aiohttp.ServerDisconnectedError) == faults["dropped_early"] > 0
    assert raised.count(aiohttp.ClientPayloadError) == faults["dropped_late"] > 0


async def test_a_hang_lasts_until_the_client_leaves() -> None:
    """A hanging call sends no byte, and leaves the server when its client does."""
    async with simulated(hang_rate=1.0) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.post(chat())
        await come_true(lambda: client.simulator.stats.in_flight == 0)
        assert client.simulator.stats.faults == {"hang": 1}


@pytest.mark.parametrize("settings", [{"hang_rate": 1.0}, {"latency_s": 60.0}])
async def test_closing_is_prompt(settings: dict[str, Any]) -> None:
    """Closing ends calls that hang or are slow at once: their clients see a dropped connection."""
    async with simulated(**settings) as client:
        calls = [asyncio.create_task(client.post(chat(str(number)))) for number in range(5)]
        await come_true(lambda: client.simulator.stats.in_flight == 5)
        started = time.monotonic()
        await client.simulator.close()
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert time.monotonic() - started < 2
        stats = client.simulator.stats
    assert all(isinstance(end, aiohttp.ClientError) for end in ended)
    assert stats.abandoned + stats.faults.get("hang", 0) == 5


async def test_latency_is_kept() -> None:
    """An answer takes the latency that was set, and calls do not wait for each other."""
    async with simulated(latency_s=0.2, latency_spread=0.0) as client:
        started = time.monotonic()
        await asyncio.gather(*(client.post(chat(str(number))) for number in range(5)))
        took = time.monotonic() - started
        assert client.simulator.stats.most_in_flight == 5
    assert 0.2 <= took < 0.9


async def test_counts_add_up() -> None:
    """What the server saw can be asked for over HTTP, and every call is counted once."""
    async with simulated(error_rate=0.4, throttle_rate=0.2, record=True) as client:
        for number in (*range(20), *range(5)):
            await client.post(chat(str(number)))
        await client.post(b"no json")
        _, stats = await client.get("/simulator/stats")
        _, seen = await client.get("/simulator/seen")
    assert (stats["calls"], stats["distinct_bodies"], stats["repeated_bodies"]) == (26, 21, 5)
    assert stats["answered"] + stats["refused"] + sum(stats["faults"].values()) == 26
    assert (stats["refused"], stats["abandoned"], stats["in_flight"]) == (1, 0, 0)
    assert sorted(seen.values()) == [1] * 16 + [2] * 5
    assert all(len(key) == 16 for key in seen)


async def test_bodies_are_listed_only_when_recorded() -> None:
    """Without `record` there is no list of bodies to ask for."""
    async with simulated() as client:
        assert (await client.get("/simulator/seen"))[0] == 404


async def test_a_large_picture_passes() -> None:
    """A body of some megabytes is answered, and its picture does not count as text."""
    noise = Image.effect_noise((1800, 1800), 90.0)
    url = data_url(noise)
    assert len(url) > 3_000_000
    messages = [{"role": "user", "content": [shown(url, "low"), {"type": "text", "text": "What is this?"}]}]
    async with simulated() as client:
        status, _, body = await client.post({"model": "m", "messages": messages})
    assert (status, orjson.loads(body)["usage"]["prompt_tokens"]) == (200, 85 + 4 + 3 + 3)


def sdk(simulator: Simulator) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=simulator.base_url, api_key="none", max_retries=0)


async def test_openai_s_client_reads_an_answer() -> None:
    """The official SDK reads choices, usage and log probabilities; joined, the tokens are the content."""
    prompt = "<reference>a dog runs</reference><candidate>a dog runs</candidate>\nScore: [[0-100]]"
    async with simulated() as client, sdk(client.simulator) as openai:
        answer = await openai.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": prompt}], n=2, logprobs=True, top_logprobs=5
        )
        assert [model.id async for model in openai.models.list()] == ["simulated"]
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 20
    for choice in answer.choices:
        assert choice.logprobs is not None
        assert choice.logprobs.content is not None
        tokens = choice.logprobs.content
        assert "".join(token.token for token in tokens) == choice.message.content
        assert all(bytes(token.bytes or []).decode() == token.token for token in tokens)
        assert all(len(token.top_logprobs) == 5 for token in tokens)
        assert tokens[-2].token.isdigit()


async def test_openai_s_client_sees_a_rate_limit() -> None:
    """The official SDK reads a 429 as its rate limit error, code included."""
    async with simulated(throttle_rate=1.0) as client, sdk(client.simulator) as openai:
        with pytest.raises(RateLimitError) as caught:
            await openai.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    assert caught.value.code == "rate_limit_exceeded"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "example.org", "::"])
async def test_only_loopback_is_served(host: str) -> None:
    """A host that other machines could reach is refused."""
    with pytest.raises(InputError, match="loopback"):
        await Simulator().start(host)


async def test_a_taken_port_is_an_input_error() -> None:
    """A port that another server holds is refused with its number."""
    async with Simulator() as simulator:
        port = int(simulator.base_url.removesuffix("/v1").rpartition(":")[2])
        with pytest.raises(InputError, match=str(port)):
            await Simulator().start(port=port)


async def test_closing_twice_is_fine() -> None:
    """A closed simulator can be closed again, as can one that never started."""
    simulator = Simulator()
    await simulator.close()
    await simulator.close()


async def test_a_closed_simulator_starts_again() -> None:
    """After a restart a hang hangs again, and the counts go on."""
    simulator = Simulator(SimulatorSettings(hang_rate=1.0))
    for _ in range(2):
        async with simulator, aiohttp.ClientSession() as session:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await Client(session, simulator).post(chat())
    assert simulator.stats.faults == {"hang": 2}


async def test_serve_runs_until_cancelled() -> None:
    """`serve` tells its base URL when it listens and stops listening when cancelled."""
    urls: asyncio.Queue[str] = asyncio.Queue()
    task = asyncio.create_task(serve(SimulatorSettings(latency_s=0.0), 0, urls.put_nowait))
    base_url = await urls.get()
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{base_url}/models") as response:
            assert response.status == 200
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"{base_url}/models")
