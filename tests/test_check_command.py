"""`overnight check`: one tiny call, whatever comes back, and nothing of the key."""

import json
import socket
from typing import Any

import pytest

from providers.provider import Provider
from tests.harness.loopback import Call, Reply, chat_answer
from tests.harness.workplace import Ended, Workplace

KEY = "sk-canary-1234567890"
PRICED = '[providers.lab.prices."lab-*"]\ninput = 1.0\noutput = 2.0\n'


def charging(work: Workplace, more: str = "") -> None:
    """The provider asks for a key, and is not free."""
    work.write_catalog(f'api_key_env = "LAB_KEY"\n{more}')
    path = work.folder / "overnight.toml"
    path.write_text(path.read_text().replace("free = true\n", ""))


def check(work: Workplace, *arguments: object, name: str = "lab", model: str = "lab-1") -> Ended:
    return work.overnight("check", name, "--model", model, *arguments)


def error(status: int, code: str | None, **keys: Any) -> Reply:
    return Reply(json.dumps({"error": {"message": "no", "code": code, **keys}}).encode(), status)


@pytest.fixture(autouse=True)
def key(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_KEY", KEY)


def test_what_came_back_is_told(work: Workplace) -> None:
    """Text, finish reason, model, usage, cost, latency and the limits that the headers tell."""
    charging(work, PRICED)
    headers = {"x-ratelimit-limit-requests": "600", "x-ratelimit-remaining-requests": "599"}
    work.provider.reply = lambda call: Reply(json.dumps(chat_answer("OK.")).encode(), headers=headers)
    ended = check(work)
    assert (ended.code, ended.err) == (0, "")
    head, *rest = ended.out.splitlines()
    assert head.startswith("lab/lab-1: answered in 0.")
    assert head.endswith(" s (HTTP 200)")
    assert rest == [
        "said: 'OK.'; finish reason: stop; model: lab-1",
        "usage: 3 tokens in, 2 out",
        "cost: $0.000007",
        "limits: 600 requests, 599 left",
    ]


def test_exactly_one_tiny_call_is_sent(work: Workplace) -> None:
    """A chat completion of at most 16 tokens, with the key, and nothing else; no file is left behind."""
    charging(work)
    assert check(work).code == 0
    [call] = work.provider.calls
    assert call.path == "/v1/chat/completions"
    assert call.headers["Authorization"] == f"Bearer {KEY}"
    asked = {"model": "lab-1", "messages": [{"role": "user", "content": "Say OK."}], "max_tokens": 16}
    assert json.loads(call.body) == asked
    assert not work.files()


def test_failures_are_not_retried(work: Workplace) -> None:
    """A server that is down is asked once."""
    work.provider.reply = lambda call: error(500, None)
    assert check(work).code == 3
    assert len(work.provider.calls) == 1


def test_as_json(work: Workplace) -> None:
    """The same, for programs."""
    charging(work, PRICED)
    told = check(work, "--json").json
    assert told["ok"]
    assert told["failure"] is None
    assert (told["text"], told["finish_reason"], told["answered_by"]) == ("Say OK.", "stop", "lab-1")
    assert (told["usage"]["input_tokens"], told["usage"]["output_tokens"]) == (3, 2)
    assert told["cost_usd"] == pytest.approx(7e-6)
    assert (told["priced"], told["simulated"], told["limits"]) == (True, False, [])


def test_an_unknown_price_is_not_zero(work: Workplace) -> None:
    """The call is made and shown as unpriced, with the line to add."""
    charging(work)
    ended = check(work)
    assert 'cost: unpriced; add to overnight.toml: prices."lab-1" = { input = ' in ended.out
    assert "$0" not in ended.out
    told = check(work, "--json").json
    assert (told["priced"], told["cost_usd"]) == (False, None)


def test_an_answer_without_usage_has_no_known_cost(work: Workplace) -> None:
    """It is said so, in place of a cost."""
    charging(work, PRICED)
    answer = {**chat_answer("OK."), "usage": None}
    work.provider.reply = lambda call: Reply(json.dumps(answer).encode())
    assert "usage: not told, so that its cost is unknown" in check(work).out
    assert check(work, "--json").json["cost_usd"] is None


@pytest.mark.parametrize(
    ("reply", "code", "kind"),
    [
        (error(401, "invalid_api_key"), 6, "key_refused"),
        (error(403, None), 6, "key_refused"),
        (error(429, "insufficient_quota", type="insufficient_quota"), 6, "quota"),
        (error(429, "rate_limit_exceeded"), 3, "throttled"),
        (error(404, "model_not_found"), 3, "row_refused"),
        (error(500, None), 3, "transient"),
        (Reply(b"<html>not it</html>"), 3, "unreadable"),
        (Reply(b"\xff\x00{"), 3, "unreadable"),
        (Reply(b"{}"), 3, "unreadable"),
    ],
)
def test_a_failure_is_told_with_its_kind(work: Workplace, reply: Reply, code: int, kind: str) -> None:
    """Exit code 6 where the key or its quota was refused, 3 otherwise; status and limits are told all the same."""
    work.provider.reply = lambda call: reply
    ended = check(work)
    assert (ended.code, ended.err) == (code, "")
    head, why, *_ = ended.out.splitlines()
    assert head.startswith("lab/lab-1: no answer in 0.")
    assert head.endswith(f"(HTTP {reply.status})")
    assert why.startswith(f"{kind}: ")
    told = check(work, "--json")
    assert told.code == code
    assert (told.json["ok"], told.json["failure"]["kind"], told.json["status"]) == (False, kind, reply.status)


def test_a_paid_failure_is_told_as_such(work: Workplace) -> None:
    """What may have been billed is said; what cannot have been is not."""
    work.provider.reply = lambda call: Reply(b"garbage")
    assert "it may have been billed" in check(work).out
    work.provider.reply = lambda call: error(401, None)
    assert "billed" not in check(work).out


def test_a_server_that_is_not_there(work: Workplace) -> None:
    """Refused connections are one line and exit code 3; there is no status, and no limits were told."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    path = work.folder / "overnight.toml"
    path.write_text(path.read_text().replace(work.provider.base_url, f"http://127.0.0.1:{port}/v1"))
    ended = check(work)
    assert ended.code == 3
    assert f"transient: ClientConnectorError: Cannot connect to host 127.0.0.1:{port}" in ended.out
    assert "HTTP" not in ended.out
    assert "limits" not in ended.out
    assert check(work, "--json").json["status"] is None


def test_a_server_that_never_answers(work: Workplace) -> None:
    """The provider's time-out counts here, too."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        path = work.folder / "overnight.toml"
        text = path.read_text().replace(work.provider.base_url, f"http://127.0.0.1:{silent.getsockname()[1]}/v1")
        path.write_text(text + "timeout_s = 0.2\n")
        ended = check(work)
    assert ended.code == 3
    assert "timed_out: no answer in 0.2 s" in ended.out


def _echo_text(call: Call) -> Reply:
    given = call.headers["Authorization"]
    answer = {**chat_answer(f"you sent {given}"), "model": given}
    answer["choices"][0]["finish_reason"] = given
    return Reply(json.dumps(answer).encode(), headers={"x-ratelimit-limit-requests": "60"})


def _echo_error(call: Call) -> Reply:
    given = call.headers["Authorization"]
    return Reply(json.dumps({"error": {"message": f"bad key {given}", "code": given}}).encode(), 401)


def _echo_page(call: Call) -> Reply:
    return Reply(f"<html>{call.headers['Authorization']}</html>".encode(), 502)


@pytest.mark.parametrize("reply", [_echo_text, _echo_error, _echo_page])
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_server_that_echoes_the_key_does_not_make_it_show(work: Workplace, reply: Any, form: tuple[str, ...]) -> None:
    """In text, model, finish reason, error and code alike, something stands in its place."""
    charging(work, 'headers = { "X-Auth" = "header-canary-1" }\n')
    work.provider.reply = reply
    ended = check(work, *form)
    assert work.provider.calls[0].headers["Authorization"].endswith(KEY)
    assert KEY not in ended.out + ended.err
    if reply is not _echo_page:
        assert "[key]" in ended.out


def test_hostile_text_is_shown_as_it_is_and_cut_off(work: Workplace) -> None:
    """No answer steers the terminal, forges a line, or fills the screen."""
    work.provider.reply = lambda call: work.reply("\x1b[2J\u202e[red]\ncost: $0" + "x" * 100_000)
    ended = check(work)
    assert "\x1b" not in ended.out
    assert "\u202e" not in ended.out
    assert len(ended.out.splitlines()) == 5
    assert len(ended.out) < 2_000
    assert len(check(work, "--json").json["text"]) == 500


def test_the_first_model_that_the_catalog_names_is_asked(work: Workplace) -> None:
    """A name with a wildcard is none; without any the user has to say."""
    ended = work.overnight("check", "lab")
    assert ended.code == 2
    assert ended.error == "--model: the catalog names no model of lab: say which to ask, as in --model NAME"
    assert not work.provider.calls
    work.write_catalog('[providers.lab.facts."lab-?"]\nvision = false\n[providers.lab.facts.lab-7b]\nvision = false\n')
    assert work.overnight("check", "lab").code == 0
    assert json.loads(work.provider.calls[0].body)["model"] == "lab-7b"


def test_the_embedded_simulator_is_started_for_it(work: Workplace) -> None:
    """It answers for nothing, and says that it is simulated."""
    ended = work.overnight("check", "simulator")
    assert ended.code == 0
    assert ended.out.startswith("SIMULATED: simulator/simulated: answered in ")
    assert "cost: $0.00" in ended.out
    assert work.overnight("check", "simulator", "--json").json["simulated"]
    assert not work.provider.calls


@pytest.mark.parametrize(
    ("model", "field"),
    [("lab-1", "max_tokens"), ("o3-mini", "max_completion_tokens"), ("gpt-5-mini", "max_completion_tokens")],
)
def test_reasoning_models_are_bounded_in_their_own_word(work: Workplace, model: str, field: str) -> None:
    """OpenAI's refuse `max_tokens`; other servers know nothing else."""
    assert check(work, model=model).code == 0
    assert json.loads(work.provider.calls[0].body)[field] == 16


def test_a_gpt_4_model_keeps_the_common_word() -> None:
    """Only the reasoning families need the other one, and only in OpenAI's protocol."""
    from orchestrator.provider_check import tiny_body

    openai, other = (Provider(protocol=protocol, base_url="http://h") for protocol in ("openai", "anthropic"))
    for entry, model in ((openai, "gpt-4o-mini"), (openai, "gpt-4.1"), (other, "o3"), (openai, "olmo-2")):
        assert "max_tokens" in json.loads(tiny_body(entry, model))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["check", "opeanai"], "provider: unknown provider 'opeanai'; did you mean 'openai'?"),
        (["check", "lab", "--model", " "], "body.model: is empty"),
        (["check", "openai", "--model", "gpt-4o-mini"], "provider: no API key for openai: set OPENAI_API_KEY"),
        (["check", "azure", "--model", "m"], "provider: the address of azure is not known: set AZURE_OPENAI_ENDPOINT"),
    ],
)
def test_bad_input_sends_nothing(
    work: Workplace, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    """An unknown provider, no model, no key or no address: exit code 2 with what to do."""
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT", raising=False)
    ended = work.overnight(*arguments)
    assert ended.code == 2
    assert ended.error.startswith(says)
    assert not work.provider.calls


def test_other_protocols_are_spoken(work: Workplace) -> None:
    """The call is written in the provider's own protocol, by the adapter that runs use."""
    (work.folder / "overnight.toml").write_text(
        f'[providers.claude]\nprotocol = "anthropic"\nbase_url = "{work.provider.base_url}"\napi_key_env = "LAB_KEY"\n'
    )
    answer = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [{"type": "text", "text": "OK."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 4},
    }
    work.provider.reply = lambda call: Reply(json.dumps(answer).encode())
    told = check(work, "--json", name="claude", model="claude-x").json
    [call] = work.provider.calls
    assert call.path == "/v1/messages"
    assert (told["text"], told["finish_reason"], told["usage"]["input_tokens"]) == ("OK.", "stop", 100)
