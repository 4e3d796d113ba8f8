"""The catalog: built in, overridden key by key, checked whole, with errors that name file, line and key."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from orchestrator.checking import require_key
from orchestrator.making import snapshot
from prompts.input_error import InputError
from providers.catalog import EMBEDDED, Catalog, load_catalog
from providers.prices import resolve_rates
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
    assert "gpt-[0-9]*" in openai.models


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
    with pytest.raises(InputError, match="no provider routes the model 'QWEN/x': add `provider` to the line"):
        catalog.route("QWEN/x")


def test_a_near_miss_is_suggested() -> None:
    """An unknown provider is told with the nearest name and all that there are."""
    with pytest.raises(InputError) as caught:
        load_catalog(None).provider("opeanai")
    assert caught.value.message.startswith("unknown provider 'opeanai'; did you mean 'openai'? (known: alibaba, anthr")
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


def test_the_user_s_patterns_stand_beside_the_built_in_ones(tmp_path: Path) -> None:
    """A price or a fact of the user's wins over a built-in one for the same model, and the others stay."""
    text = '[providers.deepseek.prices."deepseek-*"]\ninput = 9\noutput = 9\n'
    text += '[providers.openai.facts."gpt-4o*"]\nmax_output_tokens = 5\n'
    catalog = load(tmp_path, text)
    rates = resolve_rates(catalog.provider("deepseek"), "deepseek-chat")
    assert rates is not None
    assert rates.input == pytest.approx(9e-6)
    openai = catalog.provider("openai")
    assert openai.facts_of("gpt-4o-2024-05-13").max_output_tokens == 5
    assert openai.facts_of("o1").max_output_tokens == 100_000


# Addresses from the environment


def test_an_address_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`base_url_env` names the variable; an address in the catalog goes before it."""
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", " https://mine.openai.azure.com/ ")
    assert load(tmp_path, "").provider("azure").base_url == "https://mine.openai.azure.com/"
    own = load(tmp_path, '[providers.azure]\nbase_url = "https://other.openai.azure.com"\n').provider("azure")
    assert own.base_url == "https://other.openai.azure.com"


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (None, "is not known: "),
        ("  ", "is not known: "),
        (
            "mine.openai.azure.com",
            "in AZURE_OPENAI_ENDPOINT cannot be used, it 'mine.openai.azure.com' is not http:// or ",
        ),
        ("https://me:s3cret@mine", "in AZURE_OPENAI_ENDPOINT cannot be used, it is an address without user name, "),
    ],
)
def test_without_its_address_a_provider_is_only_an_error_when_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str | None, why: str
) -> None:
    """The catalog loads; whoever uses the provider is told which variable or key to set, and no password is shown."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT", raising=False)
    if told is not None:
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", told)
    catalog = load(tmp_path, "")
    with pytest.raises(InputError) as caught:
        require_key("azure", catalog)
    assert caught.value.message.startswith(f"the address of azure {why}")
    assert "set AZURE_OPENAI_ENDPOINT, or base_url under [providers.azure]" in caught.value.message
    assert "s3cret" not in caught.value.message


def test_account_settings_go_on_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Organisation, project, deployments and the resolved address are no secrets, and a later reader needs them."""
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com")
    text = '[providers.azure]\norganization = "org-1"\nproject = "p"\ndeployments = { "gpt-4o" = "mine" }\n'
    recorded = msgspec.json.decode(msgspec.json.encode(snapshot(load(tmp_path, text), "azure")))
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT")
    again = Catalog({}).with_recorded({"azure": recorded}).provider("azure")
    assert (again.organization, again.project, again.deployments) == ("org-1", "p", {"gpt-4o": "mine"})
    assert again.base_url == "https://mine.openai.azure.com"


# Certificates


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read: No such file or directory"),
        ("", "holds no certificates in PEM"),
        ("hello\n", "holds no certificates in PEM"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds no certificates in PEM"),
    ],
)
def test_a_ca_file_that_cannot_be_used_is_named(tmp_path: Path, content: str | None, why: str) -> None:
    """Missing, empty, and not PEM: the file, which is looked for beside the catalog's, and the key."""
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(InputError) as caught:
        load(tmp_path, lab('ca_file = "ca.pem"\n'))
    assert str(caught.value) == f"{tmp_path}/own.toml: providers.lab.ca_file: {tmp_path}/ca.pem: {why}"


def test_a_folder_is_no_ca_file(tmp_path: Path) -> None:
    """Nor is an empty name, which would mean the system's certificates."""
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        load(tmp_path, lab('ca_file = "."\n'))
    with pytest.raises(InputError, match=r"providers\.lab\.ca_file: is empty"):
        load(tmp_path, lab('ca_file = ""\n'))


def test_certificates_are_not_both_named_and_ignored(tmp_path: Path) -> None:
    """A CA of one's own with `verify = false` is a contradiction."""
    with pytest.raises(InputError, match=r"ca_file: counts for nothing with verify = false"):
        load(tmp_path, lab('ca_file = "ca.pem"\nverify = false\n'))


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
