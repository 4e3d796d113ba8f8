"""`overnight providers`: what the catalog has, and nothing of any key."""

import json
import subprocess
import sys

import pytest

from tests.harness.workplace import Workplace

KEY = "sk-canary-1234567890"


def table(work: Workplace) -> str:
    ended = work.overnight("providers")
    assert (ended.code, ended.err) == (0, "")
    return ended.out


def test_every_provider_stands_in_the_table(work: Workplace) -> None:
    """The user's first, with their protocol, address and models; local ones need no key."""
    shown = table(work)
    names = [line.split()[0] for line in shown.splitlines()[1:-1] if line[:1].strip()]
    assert names[0] == "lab"
    assert {"openai", "anthropic", "google", "azure", "openrouter", "vllm", "simulator"} <= set(names)
    assert work.provider.base_url in shown
    assert "lab-*" in shown
    assert "none needed" in shown
    assert "set AZURE_OPENAI_ENDPOINT" in shown


@pytest.mark.parametrize(("value", "says"), [(KEY, "set"), (None, "missing"), ("  ", "missing")])
def test_a_key_is_there_or_not(work: Workplace, monkeypatch: pytest.MonkeyPatch, value: str | None, says: str) -> None:
    """The variable's name is told, and whether it is set; of the key not a part."""
    monkeypatch.delenv("LAB_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("LAB_KEY", value)
    work.write_catalog('api_key_env = "LAB_KEY"\nheaders = { "X-Key" = "header-canary" }\nproxy = "http://a:pw@b"\n')
    shown, told = table(work), work.overnight("providers", "--json")
    assert f"LAB_KEY: {says}" in shown
    [lab] = [one for one in told.json["providers"] if one["name"] == "lab"]
    assert (lab["key_variable"], lab["key_present"]) == ("LAB_KEY", says == "set")
    for text in (shown, told.out):
        assert not {part for part in (KEY, KEY[3:11], "header-canary", "pw@b") if part in text}


def test_limits_are_told_for_the_account_and_for_models(work: Workplace) -> None:
    """As the catalog has them; a provider without limits says none."""
    work.write_catalog('[providers.lab.limits]\nrpm = 600\ntpm = 1e6\n[providers.lab.limits."lab-7*"]\nrpm = 60\n')
    assert "rpm 600, tpm 1e+06; lab-7*: rpm 60" in " ".join(table(work).split())
    listed = {one["name"]: one for one in work.overnight("providers", "--json").json["providers"]}
    assert listed["lab"]["limits"] == {"": {"rpm": 600.0, "tpm": 1e6}, "lab-7*": {"rpm": 60.0}}
    assert listed["openai"]["limits"] == {}
    assert listed["simulator"]["simulated"]


def test_names_cannot_steer_the_terminal(work: Workplace) -> None:
    """Control characters and markup from the catalog are shown, not obeyed."""
    (work.folder / "overnight.toml").write_text(
        '[providers."[red]x\\u001b[31m"]\nprotocol = "openai"\nbase_url = "http://h"\nmodels = ["\\u001b]0;x"]\n'
    )
    shown = table(work)
    assert "\x1b" not in shown
    assert "[red]x\\x1b[31m" in "".join(shown.split())


def test_another_catalog_can_be_named(work: Workplace) -> None:
    """With --config; one that is not there is bad input."""
    (work.folder / "other.toml").write_text('[providers.mine]\nprotocol = "openai"\nbase_url = "http://h/v1"\n')
    assert "mine" in work.overnight("providers", "--config", "other.toml").out
    ended = work.overnight("providers", "--config", "gone.toml")
    assert (ended.code, ended.error) == (2, "gone.toml: no such file")


def test_nothing_is_sent(work: Workplace) -> None:
    """Listing makes no call, and leaves nothing behind."""
    table(work)
    assert not work.provider.calls
    assert not work.files()


@pytest.mark.parametrize("command", ["providers", "check"])
def test_help_of_the_commands(work: Workplace, command: str) -> None:
    """Each says what it does with an example, and the list of commands has it."""
    assert f"\n  {command} " in work.overnight("--help").out
    shown = work.overnight(command, "--help").out
    assert f"Example: overnight {command}" in shown
    assert "--json" in shown


def test_listing_loads_nothing_heavy(work: Workplace) -> None:
    """No library that takes its time is needed to list providers."""
    code = """
import sys
from orchestrator.cli import main
sys.argv = ["overnight", "providers", "--json"]
try:
    main()
finally:
    print(sorted({"polars", "numpy", "openai", "aiohttp", "genai_prices", "PIL"} & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "[]\n")
    assert json.loads(done.stdout)["providers"]


def test_prices_are_shown_with_their_source_and_unknown_ones_as_unknown(work: Workplace) -> None:
    """Known rates stand with cached and batch ones; an unknown price is never a number, and says what to add."""
    ended = work.overnight("prices", "openai/gpt-4o-2024-08-06", "doubao-pro-32k", "--json")
    assert ended.code == 0, ended.err
    known, unknown = ended.json["usd_per_million_tokens"]
    rates = known["rates"]
    assert (rates["input"], rates["cached_input"], rates["output"]) == (2.5, 1.25, 10)
    assert (rates["batch_input"], rates["batch_output"]) == (1.25, 5)
    assert unknown["rates"] is None
    assert 'prices."doubao-pro-32k"' in unknown["add"]
    shown = work.overnight("prices", "gpt-4o-2024-08-06", "doubao-pro-32k").out
    assert "2.5" in shown
    assert "unknown" in shown
    assert work.overnight("prices", "no-such-model").code == 2
