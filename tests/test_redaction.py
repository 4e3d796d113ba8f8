"""Keys appear nowhere: not in a run folder, not in what the command prints, whatever a provider echoes."""

import base64
import json
import string
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.secrets import HIDDEN, Secrets, secrets_of
from providers.provider import Provider
from tests.harness.loopback import Call, Reply, chat_answer
from tests.harness.workplace import Workplace, line

CANARY = "sk-canary/7f3a+Zq==9"
HEADER_CANARY = "Bearer hc-canary-5521xx"


def spellings(secret: str) -> list[str]:
    """How an echo may spell it."""
    return [secret, json.dumps(secret)[1:-1].replace("/", "\\/"), base64.b64encode(secret.encode()).decode()]


def leaks(folder: Path, *texts: str) -> list[str]:
    """Where a canary is."""
    wanted = [part.encode() for secret in (CANARY, "hc-canary-5521xx") for part in spellings(secret)]
    found = [str(path) for path in folder.rglob("*") if path.is_file() and path.name != "overnight.toml"]
    held = [path for path in found if any(part in Path(path).read_bytes() for part in wanted)]
    return held + [text for text in texts if any(part in text.encode() for part in wanted)]


def echoed(call: Call) -> str:
    return "; ".join(f"{name}: {value}" for name, value in call.headers.items())


def answers(call: Call) -> Reply:
    body = json.dumps(chat_answer(echoed(call)), indent=1).replace("/", "\\/").encode()
    return Reply(body, headers={"x-request-id": call.headers["Authorization"]})


def says_no(status: int) -> Callable[[Call], Reply]:
    def reply(call: Call) -> Reply:
        message = f"{echoed(call)} {base64.b64encode(CANARY.encode()).decode()}"
        return Reply(json.dumps({"error": {"message": message, "code": echoed(call)}}).encode(), status)

    return reply


def not_json(call: Call) -> Reply:
    return Reply(f"<html>{echoed(call)}".encode())


@pytest.mark.parametrize(
    ("reply", "code"),
    [(answers, 0), (says_no(400), 3), (says_no(401), 6), (says_no(500), 3), (not_json, 3)],
    ids=["an answer", "400", "401", "500", "no JSON"],
)
def test_an_echoed_key_is_written_nowhere(
    work: Workplace, monkeypatch: pytest.MonkeyPatch, reply: Callable[[Call], Reply], code: int
) -> None:
    """A provider that echoes the request's headers gets nothing secret into the run folder or onto the terminal."""
    monkeypatch.setenv("LAB_KEY", CANARY)
    work.write_catalog(f'api_key_env = "LAB_KEY"\nheaders = {{ X-Api-Token = "{HEADER_CANARY}" }}\n')
    work.provider.reply = reply
    work.write([line("a"), line("b")])
    ended = work.run("--json", "--threshold", "transient_attempts=1", "--threshold", "unreadable_attempts=1")
    assert ended.code == code, ended.err
    assert work.provider.calls[0].headers["Authorization"] == f"Bearer {CANARY}"
    printed = [ended.out, ended.err]
    for command in (("status", work.run_folder, "--json"), ("tail", work.run_folder, "--json", "--no-follow")):
        again = work.overnight(*command)
        printed += [again.out, again.err]
    assert leaks(work.folder, *printed) == []
    if code == 0:
        assert HIDDEN in work.answered()["a"]["response"]["body"]["choices"][0]["message"]["content"]


def test_an_error_of_our_own_shows_no_key(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a refused connection nor a key that no header can carry shows it."""
    monkeypatch.setenv("LAB_KEY", CANARY + "\nx")
    work.write_catalog('api_key_env = "LAB_KEY"\n')
    work.write([line("a")])
    bad = work.run()
    monkeypatch.setenv("LAB_KEY", CANARY)
    path = work.folder / "overnight.toml"
    path.write_text(path.read_text().replace(work.provider.base_url, "http://127.0.0.1:9/v1"))
    gone = work.run("--threshold", "transient_attempts=1")
    assert (bad.code, gone.code) == (2, 3)
    assert leaks(work.folder, bad.out, bad.err, gone.out, gone.err) == []


def test_headers_that_are_not_secret_stay_in_answers() -> None:
    """Only headers that by their name hold a secret are taken out of what comes back."""
    provider = Provider(
        protocol="openai",
        headers={
            "X-Team": "evaluation",
            "X-Api-Version": "2024-10-21",
            "Api-Key": "another-secret-1",
            "X-Session": "third-secret-1",
        },
        proxy="http://u:proxy%2Dpass@h:1",
    )
    secrets = secrets_of(provider, "first-secret-1")
    hidden = secrets.hide("evaluation 2024-10-21 first-secret-1 another-secret-1 third-secret-1 proxy-pass")
    assert hidden == f"evaluation 2024-10-21 {HIDDEN} {HIDDEN} {HIDDEN} {HIDDEN}"


_KEYS = string.ascii_letters + string.digits + "_-+/=.~:"


@given(st.text(_KEYS, min_size=8, max_size=40), st.text('xyz é"', max_size=9), st.text("xyz\\", max_size=9))
def test_json_stays_json_without_its_secrets(secret: str, before: str, after: str) -> None:
    """Whatever a key looks like, a JSON body that has it as a value is JSON without it afterwards."""
    body = json.dumps({"k": before + " " + secret + " " + after, "n": 1}).encode()
    hidden = Secrets([secret]).hide_bytes(body)
    json.loads(hidden)
    assert json.dumps(secret)[1:-1].encode() not in hidden


def test_a_key_of_digits_leaves_numbers_numbers() -> None:
    """A secret that is all digits may stand in a body as a number."""
    assert json.loads(Secrets(["1234567890"]).hide_bytes(b'{"id":1234567890,"s":"1234567890"}')) == {
        "id": 9999999999,
        "s": "9999999999",
    }


@pytest.mark.parametrize("before", range(1960, 2004, 4))
def test_a_key_across_the_cut_of_a_long_message_leaves_no_part(
    work: Workplace, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    """Messages are cut; keys are taken out before, so that no beginning of one stays at the end."""
    monkeypatch.setenv("LAB_KEY", "sk-longcanary-0123456789abcdef")
    work.write_catalog('api_key_env = "LAB_KEY"\n')
    message = "x" * before + "sk-longcanary-0123456789abcdef"
    work.provider.reply = lambda _: Reply(json.dumps({"error": {"message": message}}).encode(), 400)
    work.write([line("a")])
    assert work.run().code == 3
    logs = b"".join(path.read_bytes() for path in work.run_folder.iterdir() if path.is_file())
    assert b"sk-long" not in logs


def test_a_proxys_password_is_hidden_as_basic_spells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """User and password in base64, from the catalog or from the environment."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://me:proxy-pass-2@h:1")
    shown = "Basic " + base64.b64encode(b"me:proxy-pass-1").decode()
    own = secrets_of(Provider(protocol="openai", base_url="https://x", proxy="http://me:proxy-pass-1@h:1"), None)
    assert own.hide(shown) == f"Basic {HIDDEN}"
    theirs = secrets_of(Provider(protocol="openai", base_url="https://x"), None)
    assert theirs.hide("Basic " + base64.b64encode(b"me:proxy-pass-2").decode()) == f"Basic {HIDDEN}"


@pytest.mark.parametrize("secret", ["99999999", "12345678", "sk-a/b+c=d~e.f_g", "pass wörd ü"])
@pytest.mark.parametrize("before", ["", "B", "Be", "Bearer ", "user:"])
@pytest.mark.parametrize("after", ["", "x", "yz", "\n"])
def test_a_key_is_found_inside_of_base64_and_of_escapes(secret: str, before: str, after: str) -> None:
    """Wherever it stands in an encoded text, and however JSON spells its characters."""
    secrets = Secrets([secret])
    encoded = base64.b64encode(f"{before}{secret}{after}".encode()).decode()
    hidden = secrets.hide(encoded)
    assert hidden != encoded
    kept = encoded.translate(str.maketrans("", "", "="))
    longest = max((part for part in hidden.split(HIDDEN)), key=len).rstrip("=")
    assert len(longest) < len(kept) - len(secret)
    escaped = "".join(f"\\u{ord(character):04x}" for character in secret)
    body = f'{{"a":"{escaped}"}}'.encode()
    if secret.isascii():
        assert json.loads(secrets.hide_bytes(body))["a"] != secret


def test_escapes_that_hide_nothing_stay_as_they_are() -> None:
    """A body is only spelt anew where a key was in it."""
    body = b'{"a":"\\u0061\\u0022\\u005c"}'
    assert Secrets(["some-long-key"]).hide_bytes(body) == body
