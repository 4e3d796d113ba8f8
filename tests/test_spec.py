"""Job specs: what a TOML file becomes, and how each fault in it is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from jobs.gveval import GVEvalJob
from jobs.models import ModelName
from jobs.registry import BudgetSpec
from jobs.spec import LoadedSpec, load_spec, restore_spec
from prompts.input_error import InputError
from prompts.template import SHIPPED

PROVIDERS = ("simulator", "openai")
EXAMPLE = Path(__file__).resolve().parents[1] / "jobs" / "examples" / "gveval_ref_only.toml"
SPEC = 'job = "gveval"\nmodel = "simulator/judge-1"\n[dataset]\npath = "data.json"\n'


def write(tmp_path: Path, text: str | bytes = SPEC) -> Path:
    """A spec beside a dataset of three items."""
    whole = {"vname": "v", "ref": ["a dog runs"], "candidate": "A dog.", "human_score": [[5, 4, 3, 2, 3.5]]}
    (tmp_path / "data.json").write_text(json.dumps(dict.fromkeys("abc", whole)))
    path = tmp_path / "night.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def load(tmp_path: Path, text: str | bytes = SPEC) -> LoadedSpec:
    return load_spec(write(tmp_path, text), PROVIDERS)


def job_of(loaded: LoadedSpec) -> GVEvalJob:
    assert isinstance(loaded.job, GVEvalJob)
    return loaded.job


def failure(tmp_path: Path, text: str | bytes) -> InputError:
    with pytest.raises(InputError) as caught:
        load(tmp_path, text)
    assert caught.value.file == str(tmp_path / "night.toml")
    return caught.value


def test_a_spec_becomes_a_job_with_its_prompt(tmp_path: Path) -> None:
    """The smallest spec has the defaults: the shipped prompt, seed 0, no folder of its own."""
    loaded = load(tmp_path)
    assert (loaded.name, loaded.text, loaded.job.name, loaded.seed, loaded.out) == ("night", SPEC, "gveval", 0, None)
    assert [prompt.name for prompt in loaded.prompts] == ["gveval_ref_only_accr"]
    assert [item.item for item in loaded.job.items()] == ["a", "b", "c"]


def test_common_keys_are_read(tmp_path: Path) -> None:
    """Seed, output folder and the first n items are taken from the spec, paths relative to it."""
    loaded = load(tmp_path, 'seed = 7\nout = "../runs/x"\n' + SPEC + "first = 2\n")
    assert (loaded.seed, loaded.out) == (7, tmp_path / "../runs/x")
    assert len(list(loaded.job.items())) == 2


@pytest.mark.parametrize(
    ("name", "provider", "model"),
    [
        ("simulator/judge-1", "simulator", "judge-1"),
        ("judge-1", None, "judge-1"),
        ("meta-llama/Llama-3", None, "meta-llama/Llama-3"),
        ("openai/org/model", "openai", "org/model"),
    ],
)
def test_a_model_is_split_only_at_a_known_provider(tmp_path: Path, name: str, provider: str | None, model: str) -> None:
    """What stands before the slash is a provider only where the catalog has it."""
    job = job_of(load(tmp_path, SPEC.replace("simulator/judge-1", name)))
    assert job.model == ModelName(provider, model)


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        ('job = "gveval"\n', "", "job", "gveval"),
        ('"gveval"', '"gvevall"', "job", "did you mean 'gveval'"),
        ('"gveval"', "3", "job", "unknown job 3"),
        ("model =", "modle =", "modle", "'model'"),
        ("path =", "pth =", "dataset.pth", "did you mean 'path'"),
        ("[dataset]", "[budgets]\nrun = 1\n[dataset]", "budgets", "unknown key"),
        ("[dataset]", "models = []\n[dataset]", "models", "did you mean 'model'"),
        ('"simulator/judge-1"', "4", "model", "Expected `str`"),
        ("[dataset]", 'seed = "x"\n[dataset]', "seed", "Expected `int`"),
        ('path = "data.json"', "path = 1", "dataset.path", "Expected `str`"),
        ('[dataset]\npath = "data.json"\n', "", "dataset", "is missing"),
        ('[dataset]\npath = "data.json"\n', "dataset = 4\n", "dataset", "Expected `object`"),
        ("data.json", "other.json", "dataset.path", "no such file"),
        ("data.json", ".", "dataset.path", "no such file"),
        ('path = "data.json"', 'path = "data.json"\nreader = "msvd"', "dataset.reader", "did you mean 'msvd-eval'"),
        ('path = "data.json"', 'path = "data.json"\nfirst = 0', "dataset.first", "at least 1"),
        ("[dataset]", 'prompt = "gveval"\n[dataset]', "prompt 'gveval'", "no such prompt"),
    ],
)
def test_faults_name_the_file_and_the_key(tmp_path: Path, old: str, new: str, field: str, words: str) -> None:
    """Unknown keys, missing keys, wrong types and wrong names are told with the key, and with the near miss."""
    error = failure(tmp_path, SPEC.replace(old, new))
    assert error.field == field
    assert words in str(error)


def test_caps_are_read_from_the_budget_table(tmp_path: Path) -> None:
    """The run's, the providers' and the models' caps are in USD, and a recorded spec has them too."""
    table = '[budget]\nrun = 25\nproviders = { openai = 10.5 }\nmodels = { "gpt-4.1" = 5, "openai/org/m" = 0 }\n'
    loaded = load(tmp_path, SPEC + table)
    assert loaded.budget == BudgetSpec(run=25.0, providers={"openai": 10.5}, models={"gpt-4.1": 5.0, "openai/org/m": 0})
    restored = restore_spec(loaded.text, {p.name: p.text for p in loaded.prompts}, PROVIDERS)
    assert restored.budget == loaded.budget


def test_without_a_budget_table_there_are_no_caps(tmp_path: Path) -> None:
    """No table, or an empty one, caps nothing."""
    assert load(tmp_path).budget == load(tmp_path, SPEC + "[budget]\n").budget == BudgetSpec()


@pytest.mark.parametrize(
    ("table", "field", "words"),
    [
        ("[budget]\nruns = 1", "budget.runs", "did you mean 'run'"),
        ("[budget]\nrun = -1", "budget.run", "0 or more, not -1"),
        ("[budget]\nrun = inf", "budget.run", "not inf"),
        ("[budget]\nrun = nan", "budget.run", "not nan"),
        ("[budget]\nrun = true", "budget.run", "not True"),
        ('[budget]\nrun = "25"', "budget.run", "not '25'"),
        ("[budget.providers]\nopenai = -0.5", "budget.providers.openai", "0 or more"),
        ("[budget.providers]\nopenia = 5", "budget.providers", "did you mean 'openai'"),
        ("[budget.models]\ngpt-4.1 = 5", "budget.models.gpt-4", "stands in quotes"),
        ('[budget.models]\nm = "x"', "budget.models.m", "not 'x'"),
        ("[budget]\nproviders = 5", "budget.providers", "Expected `object`"),
        ("[[budget]]\nrun = 5", "budget", "Expected `object`"),
    ],
)
def test_faults_of_the_budget_name_the_key(tmp_path: Path, table: str, field: str, words: str) -> None:
    """What is no amount, and a key or provider that nobody knows, are told with their keys."""
    error = failure(tmp_path, SPEC + table + "\n")
    assert error.field == field
    assert words in str(error)


def test_toml_syntax_errors_have_their_line(tmp_path: Path) -> None:
    """A spec that is not TOML is located."""
    assert failure(tmp_path, 'job = "gveval"\nmodel = \n').line == 2
    assert failure(tmp_path, 'job = "gveval"\nmodel = "x').line == 2
    assert "byte 5" in str(failure(tmp_path, b'job="\xff"'))
    with pytest.raises(InputError, match="No such file"):
        load_spec(tmp_path / "none.toml", PROVIDERS)


def test_a_prompt_of_ones_own_is_found_beside_the_spec(tmp_path: Path) -> None:
    """A path in `prompt` is relative to the spec, and is found again in a record by the prompt's name."""
    text = (SHIPPED / "gveval_ref_only_accr.md").read_text().replace('"gveval_ref_only_accr"', '"mine"')
    (tmp_path / "mine.md").write_text(text)
    spec = 'prompt = "./mine.md"\n' + SPEC
    loaded = load(tmp_path, spec)
    assert loaded.prompts[0].text == text
    assert job_of(restore_spec(spec, {"mine": text}, PROVIDERS)).prompt.sha256 == loaded.prompts[0].sha256
    with pytest.raises(InputError, match="No such file"):
        load(tmp_path, spec.replace("mine.md", "yours.md"))


def test_a_recorded_spec_asks_the_same_requests(tmp_path: Path) -> None:
    """A job rebuilt from a spec's text and its prompts' texts derives the very requests of the first one."""
    loaded = load(tmp_path)
    restored = restore_spec(loaded.text, {p.name: p.text for p in loaded.prompts}, PROVIDERS, name="night")
    items = list(loaded.job.items())
    assert list(restored.job.start(items)) == list(loaded.job.start(items))
    assert (restored.name, restored.text, restored.seed) == (loaded.name, loaded.text, loaded.seed)


def test_a_recorded_spec_needs_no_dataset_and_has_none(tmp_path: Path) -> None:
    """Rebuilding does not look for the dataset; asking for the items, or for a prompt not recorded, is an error."""
    prompts: dict[str, Any] = {"gveval_ref_only_accr": (SHIPPED / "gveval_ref_only_accr.md").read_text()}
    restored = restore_spec(SPEC.replace("data.json", "gone.json"), prompts, PROVIDERS)
    with pytest.raises(InputError, match=r"items\.jsonl"):
        restored.job.items()
    with pytest.raises(InputError, match="has no prompt"):
        restore_spec(SPEC, {}, PROVIDERS)


def test_the_shipped_example_loads() -> None:
    """The example names the embedded simulator and the shipped captions."""
    loaded = load_spec(EXAMPLE, PROVIDERS)
    assert job_of(loaded).model.provider == "simulator"
    assert len(list(loaded.job.items())) == 50


def test_a_folder_of_prompts_that_are_not_used_is_refused(tmp_path: Path) -> None:
    """A misspelt file's name would leave the shipped prompt in use without a word."""
    own = tmp_path / "own"
    own.mkdir()
    text = (SHIPPED / "gveval_ref_only_accr.md").read_text()
    (own / "gveval_ref_only_acr.md").write_text(text)
    path = write(tmp_path)
    with pytest.raises(
        InputError, match=r"has no prompt that .* uses \(gveval_ref_only_accr\.md\); it has: gveval_ref_on"
    ):
        load_spec(path, PROVIDERS, prompts_folder=own)
    (own / "gveval_ref_only_accr.md").write_text(text.replace("You are grading", "Grade"))
    loaded = load_spec(path, PROVIDERS, prompts_folder=own)
    assert loaded.prompts[0].source == str(own / "gveval_ref_only_accr.md")
