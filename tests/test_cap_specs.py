"""The caps of a spec's `[budget]`: of the run, of a provider, of a model, alone and over one another."""

import json

import pytest

from tests.harness.loopback import Call, Reply, chat_answer
from tests.harness.workplace import Ended, Workplace

_CATALOG = """
protocol = "openai"
models = ["lab-*"]
[providers.lab.prices."*"]
input = 0.0
output = 1000.0
"""
_SPEC = """
job = "gveval"
mode = "ref-only"
model = "lab/lab-1"
prompt = "gveval_ref_only_accr"
[dataset]
path = "items.json"
[params]
max_tokens = 10
[budget]
"""
ITEMS = 10
CAPS = {
    "run": "run = 0.03",
    "provider lab": "[budget.providers]\nlab = 0.03",
    "model lab-1": '[budget.models]\n"lab-1" = 0.03',
    "model lab/lab-1": '[budget.models]\n"lab/lab-1" = 0.03',
}


def answer(_: Call) -> Reply:
    """Five tokens of the ten that are reserved: 0.005 USD."""
    usage = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
    return Reply(json.dumps({**chat_answer("no rating"), "usage": usage}).encode())


@pytest.fixture
def till(work: Workplace) -> Workplace:
    """A working folder with a dataset and prices."""
    work.provider.reply = answer
    (work.folder / "overnight.toml").write_text(f'[providers.lab]\nbase_url = "{work.provider.base_url}"{_CATALOG}')
    item = {"vname": "v", "ref": ["A dog runs."], "human_score": [[1, 1, 1, 1, 1]]}
    items = {f"i{number}": {**item, "candidate": f"Caption {number}"} for number in range(ITEMS)}
    (work.folder / "items.json").write_text(json.dumps(items))
    return work


def run(work: Workplace, budget: str, *arguments: object) -> Ended:
    (work.folder / "s.toml").write_text(_SPEC + budget)
    return work.run("--concurrency", 1, "--json", *arguments, source="s.toml")


@pytest.mark.parametrize("scope", CAPS)
def test_a_cap_of_a_spec_holds(till: Workplace, scope: str) -> None:
    """Whatever it caps that all requests go to, half of them fit, the rest is held, and the reason names the cap."""
    ended = run(till, CAPS[scope])
    assert (ended.code, ended.json["answered"], ended.json["held"]) == (4, 5, 5)
    assert list(ended.json["budget"]["scopes"]) == [scope]
    assert f"{scope}: $0.0250 billed" in ended.json["reason"]
    again = run(till, CAPS[scope])
    assert (again.code, again.json["sent"]) == (4, 0)


@pytest.mark.parametrize("scope", [name for name in CAPS if name != "run"])
def test_a_higher_budget_of_the_run_lifts_no_other_cap(till: Workplace, scope: str) -> None:
    """`--budget` is the run's cap: those of a provider or a model stand beside it."""
    ended = run(till, CAPS[scope], "--budget", 100)
    assert (ended.code, ended.json["answered"], ended.json["held"]) == (4, 5, 5)
    assert run(till, CAPS[scope], "--budget", "none").json["sent"] == 0


def test_the_lowest_of_several_caps_holds(till: Workplace) -> None:
    """Under caps of the run, the provider and the model, the tightest decides."""
    budget = 'run = 1\n[budget.providers]\nlab = 0.5\n[budget.models]\n"lab-1" = 0.02'
    ended = run(till, budget)
    assert (ended.code, ended.json["answered"], ended.json["held"]) == (4, 3, 7)


def test_the_command_line_goes_over_the_specs_cap_of_the_run(till: Workplace) -> None:
    """`--budget` replaces the `run` of the spec, lower or higher."""
    assert run(till, CAPS["run"], "--budget", 0.01).json["answered"] == 1
    assert run(till, CAPS["run"], "--budget", 1).code == 0


def test_a_cap_that_names_nothing_of_the_run_is_told(till: Workplace) -> None:
    """A cap of a model that no request goes to bites nobody, and a line says so."""
    (till.folder / "s.toml").write_text(_SPEC + '[budget.models]\n"lab-2" = 0.001')
    ended = till.overnight("run", "s.toml", "--out", till.run_folder)
    assert ended.code == 0
    assert "no request goes to model lab-2, so its cap will never bite" in ended.err


def test_an_edited_budget_of_a_spec_holds(till: Workplace) -> None:
    """A changed `[budget]` is the cap from then on, and counts what was spent before."""
    assert run(till, "run = 0.03").code == 4
    ended = run(till, "run = 0.04")
    assert (ended.code, ended.json["answered"], ended.json["held"]) == (4, 7, 3)


def test_a_cap_given_by_hand_outlives_an_edit_of_the_spec(till: Workplace) -> None:
    """A comment in the spec changes no cap: the one that was given on the command line lasts."""
    assert run(till, "", "--budget", 0.03).code == 4
    ended = run(till, "# a comment")
    assert (ended.code, ended.json["sent"], ended.json["held"]) == (4, 0, 5)


def test_a_cap_given_after_an_edited_budget_lasts(till: Workplace) -> None:
    """The spec's edit counts once: a lower cap given by hand after it holds in later sessions."""
    assert run(till, "run = 0.03").code == 4
    assert run(till, "run = 0.04", "--budget", 0.01).json["sent"] == 0
    assert run(till, "run = 0.04").json["sent"] == 0
