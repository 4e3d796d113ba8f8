"""The catalog: built in, overridden key by key, checked whole, with errors that name file, line and key."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from orchestrator.making import snapshot
from prompts.input_error import InputError
from providers.catalog import EMBEDDED, Catalog, load_catalog
from providers.provider import Facts, Limits, PriceEntry

LAB = 'protocol = "openai"\nbase_url = "http://127.0.0.1:8000/v1"\n'


def load(tmp_path: Path, text: str) -> Catalog:
    file = tmp_path / "own.toml"
    file.write_text(text)
    return load_catalog(file)


def lab(more: str) -> str:
    return f"[providers.lab]\n{LAB}{more}"


def test_the_built_in_catalog_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file of the user's there are OpenAI, whose key comes from the environment, and the free simulator."""
    monkeypatch.chdir(tmp_path)
    catalog = load_catalog()
    openai, simulator = catalog.provider("openai"), catalog.provider("simulator")
    assert (openai.base_url, openai.api_key_env) == ("https://api.openai.com/v1", "OPENAI_API_KEY")
    assert (simulator.base_url, simulator.free, simulator.simulated) == (EMBEDDED, True, True)
    assert not simulator.api_key_env
    assert not openai.free


def test_the_file_in_the_working_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`overnight.toml` is found where the command runs, and --config stands in its place."""
    (tmp_path / "overnight.toml").write_text(lab(""))
    assert "lab" not in load_catalog(tmp_path / "overnight.toml").provider("openai").models
    monkeypatch.chdir(tmp_path)
    assert load_catalog().provider("lab").base_url == "http://127.0.0.1:8000/v1"
    other = tmp_path / "other.toml"
    other.write_text("")
    with pytest.raises(InputError, match="unknown provider 'lab'"):
        load_catalog(other).provider("lab")


def test_a_single_key_is_overridden(tmp_path: Path) -> None:
    """A built-in provider keeps what the user's table does not name."""
    openai = load(tmp_path, '[providers.openai]\nbase_url = "http://127.0.0.1:1/v1"\ntimeout_s = 5\n').provider(
        "openai"
    )
    assert (openai.base_url, openai.timeout_s) == ("http://127.0.0.1:1/v1", 5.0)
    assert (openai.api_key_env, openai.price_id) == ("OPENAI_API_KEY", "openai")
    assert "gpt-*" in openai.models


def test_all_keys_together(tmp_path: Path) -> None:
    """The keys of the documentation's example are read as they are meant, a byte order mark before them or not."""
    text = lab("""api_key_env = "LAB_API_KEY"
models = ["llama-3.1-*", "qwen2.5-*"]
free = false
headers = { "X-Team" = "eval" }
timeout_s = 30
verify = false
proxy = "http://proxy:3128"
[providers.lab.limits]
rpm = 600
[providers.lab.limits."qwen2.5-72b*"]
rpm = 60
concurrency = 4
[providers.lab.prices."llama-3.1-*"]
input = 0.50
output = 1.50
[providers.lab.facts."llama-3.1-*"]
max_output_tokens = 4096
""")
    for written in (text, "\ufeff" + text):
        provider = load(tmp_path, written).provider("lab")
        assert (provider.api_key_env, provider.headers, provider.timeout_s) == ("LAB_API_KEY", {"X-Team": "eval"}, 30.0)
        assert (provider.verify, provider.proxy, provider.free) == (False, "http://proxy:3128", False)
        assert provider.account_limits() == Limits(rpm=600)
        assert provider.model_limits("qwen2.5-72b-instruct") == [("qwen2.5-72b*", Limits(rpm=60, concurrency=4))]
        assert provider.model_limits("qwen2.5-7b") == []
        assert provider.prices == {"llama-3.1-*": PriceEntry(0.5, 1.5)}
        assert provider.facts_of("llama-3.1-8b") == Facts(max_output_tokens=4096)
        assert provider.facts_of("other") == Facts()


def test_the_later_of_two_matching_facts_counts(tmp_path: Path) -> None:
    """Facts of several patterns add up, the later over the earlier."""
    text = lab('[providers.lab.facts."*"]\nmax_output_tokens = 10\nvision = true\n')
    text += '[providers.lab.facts."a*"]\nmax_output_tokens = 20\n'
    provider = load(tmp_path, text).provider("lab")
    assert provider.facts_of("a1") == Facts(max_output_tokens=20, vision=True)
    assert provider.facts_of("b1") == Facts(max_output_tokens=10, vision=True)


def test_the_user_s_providers_route_first(tmp_path: Path) -> None:
    """A pattern of the user's wins over a built-in one, and the user's first over the user's second."""
    text = lab('models = ["gpt-*", "x-*"]\n') + f'[providers.second]\n{LAB}models = ["x-1", "y-*"]\n'
    catalog = load(tmp_path, text)
    routes = {model: catalog.route(model) for model in ("gpt-4o", "x-1", "y-2", "o3-mini")}
    assert routes == {"gpt-4o": "lab", "x-1": "lab", "y-2": "second", "o3-mini": "openai"}


def test_patterns_match_upper_and_lower_case_as_written(tmp_path: Path) -> None:
    """A model's name is matched letter by letter."""
    catalog = load(tmp_path, lab('models = ["Qwen/*"]\n'))
    assert catalog.route("Qwen/Qwen2.5-7B") == "lab"
    with pytest.raises(InputError, match="no provider routes the model 'qwen/x': add `provider` to the line"):
        catalog.route("qwen/x")


def test_a_near_miss_is_suggested() -> None:
    """An unknown provider is told with the nearest name and all that there are."""
    with pytest.raises(InputError) as caught:
        load_catalog(None).provider("opeanai")
    assert caught.value.message == "unknown provider 'opeanai'; did you mean 'openai'? (known: openai, simulator)"
    assert caught.value.field == "provider"


def test_whatever_uses_the_embedded_simulator_is_simulated(tmp_path: Path) -> None:
    """No provider can pass simulated answers off as real ones."""
    catalog = load(tmp_path, '[providers.openai]\nbase_url = "embedded:"\nsimulated = false\n')
    assert catalog.provider("openai").simulated


def test_a_record_of_a_provider_has_no_secret_and_can_be_read_again(tmp_path: Path) -> None:
    """Headers and proxy stay out of the record, which a later catalog takes for a provider that it does not know."""
    text = lab('headers = { Authorization = "Bearer s3cret" }\nproxy = "http://me:s3cret@proxy"\nmodels = ["m"]\n')
    text += '[providers.lab.limits]\nrpm = 5\n[providers.lab.limits."m*"]\nrpm = 1\n'
    text += '[providers.lab.prices."m"]\ninput = 1\noutput = 2\n[providers.lab.facts.m]\nvision = true\n'
    recorded = msgspec.json.encode(snapshot(load(tmp_path, text), "lab"))
    assert b"s3cret" not in recorded
    again = load(tmp_path, "").with_recorded({"lab": msgspec.json.decode(recorded)}).provider("lab")
    assert (again.headers, again.proxy) == ({"Authorization": "(not recorded)"}, None)
    assert again.account_limits() == Limits(rpm=5)
    assert (again.prices, again.facts) == ({"m": PriceEntry(1, 2)}, {"m": Facts(vision=True)})


def test_the_catalog_at_hand_wins_over_the_record(tmp_path: Path) -> None:
    """A recorded provider fills a gap only: where the catalog knows the name, the catalog counts."""
    old: dict[str, Any] = {"protocol": "openai", "base_url": "http://old/v1"}
    catalog = load(tmp_path, lab("")).with_recorded({"lab": old, "gone": old})
    assert catalog.provider("lab").base_url == "http://127.0.0.1:8000/v1"
    assert catalog.provider("gone").base_url == "http://old/v1"


FAULTS = {
    "[providers.lab\n": ":1: not TOML: ",
    "x = 1\n[providers.lab]\n" + LAB: ": x: unknown key; the file holds [providers.NAME] tables",
    lab('protocol = "openai"\n'): ":4: not TOML: Cannot overwrite a value",
    "[providers.lab]\n": ": providers.lab.protocol: is missing",
    '[providers.lab]\nprotocol = "openai"\n': ": providers.lab.base_url: is missing",
    LAB.replace('protocol = "openai"', "[providers.lab]\nprotocol = 1"): ": providers.lab.protocol: Expected `str`",
    lab('models = "lab-*"\n'): ": providers.lab.models: Expected `array`, got `str`",
    lab('free = "yes"\n'): ": providers.lab.free: Expected `bool`, got `str`",
    lab('timeout_s = "60"\n'): ": providers.lab.timeout_s: Expected `float`, got `str`",
    lab("timeout_s = 0\n"): ": providers.lab.timeout_s: Expected `float` > 0.0",
    lab("timeout_s = nan\n"): ": providers.lab.timeout_s: Expected `float` > 0.0",
    lab("timeout_s = inf\n"): ": providers.lab.timeout_s: Expected `float` <= ",
    lab('api_key = "sk-1"\n'): ": providers.lab.api_key: unknown key: did you mean 'api_key_env'?",
    lab("headers = { a = 1 }\n"): ": providers.lab.headers[...]: Expected `str`, got `int`",
    lab('headers = { "a b" = "x" }\n'): ': providers.lab.headers."a b": is no name of a header',
    lab('headers = { a = "x\\ny" }\n'): ": providers.lab.headers.a: has characters that no header can carry",
    lab('proxy = "me:s3cret@proxy"\n'): ": providers.lab.proxy: is not http:// or https:// and a host",
    lab("[providers.lab.limits]\nrmp = 1\n"): ": providers.lab.limits.rmp: unknown key: did you mean 'rpm'",
    lab("[providers.lab.limits]\nrpm = 0\n"): ": providers.lab.limits.rpm: Expected `float` > 0.0",
    lab('[providers.lab.limits]\nrpm = "1"\n'): ": providers.lab.limits.rpm: Expected `float | null`, got `str`",
    lab("[providers.lab.limits]\nconcurrency = -1\n"): ": providers.lab.limits.concurrency: Expected `int` >= 1",
    lab('[providers.lab.limits."[ab]*"]\nrmp = 1\n'): ': providers.lab.limits."[ab]*".rmp: unknown key: did you mean ',
    lab('[providers.lab.prices."m"]\ninput = 1\n'): ': providers.lab.prices."m".output: is missing',
    lab(
        '[providers.lab.prices."m"]\ninput = -1\noutput = 1\n'
    ): ': providers.lab.prices."m".input: Expected `float` >= ',
    lab('[providers.lab.prices."m"]\ninput = nan\noutput = 1\n'): ': providers.lab.prices."m".input: Expected ',
    lab("[providers.lab.prices]\nm = 1\n"): ": providers.lab.prices[...]: Expected `object`, got `int`",
    lab(
        "[providers.lab.facts.m]\nlogprob = true\n"
    ): ': providers.lab.facts."m".logprob: unknown key: did you mean \'logp',
    lab("[providers.lab.facts.m]\nmax_output_tokens = 0\n"): ': providers.lab.facts."m".max_output_tokens: Expected ',
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_fault_names_file_and_key(tmp_path: Path, text: str) -> None:
    """TOML faults name the line; unknown, missing, mistyped and impossible keys are named with their whole path."""
    with pytest.raises(InputError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/own.toml{FAULTS[text]}"), caught.value
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["host/v1", "ftp://host", "http://", "http:///v1", "http://a b/v1", "http://h:99999"])
def test_a_base_url_is_http_and_a_host(tmp_path: Path, url: str) -> None:
    """What is no address is refused before anything is sent there."""
    with pytest.raises(InputError) as caught:
        load(tmp_path, lab("").replace("http://127.0.0.1:8000/v1", url))
    assert str(caught.value).endswith(f"providers.lab.base_url: {url!r} is not http:// or https:// and a host")


@pytest.mark.parametrize(
    "url",
    ["http://me:s3cret@h/v1", "http://s3cret@h", "me:s3cret@h/v1", "http://h/v1?key=s3cret", "http://h/v1#s3cret"],
)
def test_a_base_url_holds_no_key(tmp_path: Path, url: str) -> None:
    """User names, queries and fragments are refused without being shown, and the environment is named instead."""
    with pytest.raises(InputError) as caught:
        load(tmp_path, lab("").replace("http://127.0.0.1:8000/v1", url))
    assert "providers.lab.base_url: is an address without user name, password, query" in str(caught.value)
    assert str(caught.value).endswith("a key comes from the environment (api_key_env)")
    assert "s3cret" not in str(caught.value)


def test_bytes_that_are_not_utf_8(tmp_path: Path) -> None:
    """The place of the first wrong byte is told."""
    (tmp_path / "own.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(InputError, match=r"own\.toml: not UTF-8 at byte 5$"):
        load_catalog(tmp_path / "own.toml")
