"""A run that goes on under another catalog, or with another manifest: what it may still do."""

import json

from outputs.journal import Log
from tests.harness.loopback import Reply
from tests.harness.workplace import Workplace, line

_ANSWER = {
    "type": "message",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 2},
}


def speak_anthropic(work: Workplace, more: str = "") -> None:
    path = work.folder / "overnight.toml"
    work.write_catalog(more)
    path.write_text(path.read_text().replace('"openai"', '"anthropic"'))
    work.provider.reply = lambda _: Reply(json.dumps(_ANSWER).encode())


def test_a_body_that_can_no_longer_be_said_is_bad_input_at_a_resume(work: Workplace) -> None:
    """Nothing is sent and no row is lost; with the catalog as it was the run goes on."""
    speak_anthropic(work)
    work.write([line("a", body={"temperature": 0.5})])
    assert work.run("--for", "1s").code == 5
    speak_anthropic(work, 'api_version = "2026-10-21"\n')
    ended = work.overnight("resume", work.run_folder, "--quiet")
    assert ended.code == 2
    assert ended.error.startswith("a: body.temperature: ")
    assert (work.provider.calls, work.lines(Log.ERRORS)) == ([], [])
    speak_anthropic(work)
    assert work.overnight("resume", work.run_folder, "--quiet").code == 0
    assert set(work.answered()) == {"a"}


def test_an_edit_that_brings_an_unknown_price_needs_to_say_that_it_is_meant(work: Workplace) -> None:
    """Lanes that the run has were allowed when it was made; a new one without a price is bad input."""
    path = work.folder / "overnight.toml"
    path.write_text(path.read_text().replace("free = true\n", ""))
    work.write([line("a")])
    assert work.run().code == 2
    assert work.run("--allow-unpriced").code == 0
    work.write([line("a"), line("b")])
    assert work.run().code == 0
    work.write([line("a"), line("b"), line("c", body={"model": "lab-2"})])
    ended = work.run()
    assert ended.code == 2
    assert "the price of lab/lab-2 is unknown" in ended.error
    assert work.run("--allow-unpriced").code == 0
    assert {one["cost_usd"] for one in work.lines(Log.RESPONSES)} == {None}
