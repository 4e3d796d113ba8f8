"""The spec of an ICE run: own words in place of the shipped ones, and every fault named before the first call."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jobs.ice.kept import read_back
from jobs.ice.rows import FACT_VARIABLES
from jobs.ice.words import Fact
from jobs.spec import load_spec, restore_spec
from orchestrator.sources import read_source
from prompts.input_error import InputError
from tests.harness.ice import FACTS, QUESTIONS, SEEDS, A, make, of_stage, search, tame, told, write_spec, write_words

EXAMPLES = Path(__file__).resolve().parents[1] / "jobs" / "examples"
MODELS = FACTS.splitlines()[1].removeprefix("models = ")
JUDGED = 'parser = "tagged_integer"\nscale = [0, 1]\ndimensions = ["C"]'
MADE = 'parser = "tagged_text"\ndimensions = ["T"]'
OWN_PROMPT = '+++\nname = "own"\nversion = "7"\nrole = "{role}"\nvariables = {variables}\n{header}\n+++\n{body}\n'


def write_prompt(folder: Path, variables: list[str], header: str, role: str = "judge") -> None:
    body = " ".join(f"{{{{ {name} }}}}" for name in variables)
    text = OWN_PROMPT.format(role=role, variables=json.dumps(variables), header=header, body=body)
    (folder / "own.md").write_text(text)


def changed(rows: list[dict[str, Any]], place: int, **values: Any) -> list[dict[str, Any]]:
    """The rows with some values of one of them replaced, or taken away where None."""
    row = {key: value for key, value in (rows[place] | values).items() if value is not None}
    return [*rows[:place], row, *rows[place + 1 :]]


def refused(act: Callable[[], Any]) -> tuple[str, int | None, str | None, str]:
    """File, line and field that the error names, and what it says."""
    with pytest.raises(InputError) as caught:
        act()
    assert caught.value.file is not None
    return Path(caught.value.file).name, caught.value.line, caught.value.field, caught.value.message


def test_shipped_words_are_used_where_the_spec_names_none(tmp_path: Path) -> None:
    """Fifty questions, the shipped seeds, and the fact of the first pattern that matches the target."""
    spec = tmp_path / "night.toml"
    spec.write_text('job = "ice"\ntargets = ["deepseek-chat"]\nhelper = "h"\njudge = "j"\n')
    words, facts = read_back(load_spec(spec, []).job.items())
    assert len(words.questions) == 50
    assert len(words.seeds) >= 76
    assert facts["deepseek-chat"].developer == "DeepSeek"


def test_own_words_replace_the_shipped_ones(tmp_path: Path) -> None:
    """The files that the spec names are all there is: questions and seeds in their order, and the fact."""
    words, facts = read_back(make(tmp_path)[1])
    assert [question.question for question in words.questions] == [row["question"] for row in QUESTIONS]
    assert [seed.template for seed in words.seeds] == [row["template"] for row in SEEDS]
    assert facts == {A: Fact(name="Model", developer="Lab", place="Here")}


def test_a_fact_of_the_spec_goes_before_the_shipped_ones(tmp_path: Path) -> None:
    """Its pattern may match with or without the provider, whatever the case; other targets have shipped facts."""
    spec = tmp_path / "night.toml"
    known = 'job = "ice"\ntargets = ["lab/Qwen-X", "lab/org/phi-4"]\nhelper = "h"\njudge = "j"\n'
    spec.write_text(known + '[[facts]]\nmodels = ["LAB/qwen*"]\nname = "N"\ndeveloper = "D"\nplace = "P"\n')
    _, facts = read_back(load_spec(spec, ["lab"]).job.items())
    assert (facts["lab/Qwen-X"].developer, facts["lab/org/phi-4"].developer) == ("D", "Microsoft")


def test_fields_and_languages_choose_questions(tmp_path: Path) -> None:
    """Only questions of both are asked; and only so many as a trial wants."""
    write_words(tmp_path, questions=changed(QUESTIONS, 0, field="industry"))

    def chosen(more: str, first: int | None = None) -> list[str]:
        return [question.question for question in read_back(make(tmp_path, more, first=first)[1])[0].questions]

    assert chosen('fields = ["team"]') == ["q2", "q3", "q4"]
    assert chosen('languages = ["en"]') == ["q1", "q3"]
    assert chosen('fields = ["team"]\nlanguages = ["en"]') == ["q3"]
    assert chosen("", first=2) == ["q1", "q2"]


def test_own_prompts_replace_the_shipped_ones(tmp_path: Path) -> None:
    """A path in the table of prompts is the user's own, for the judgements and for the ways of mutation."""
    header = 'parser = "tagged_integer"\nscale = [0, 1]\ndimensions = ["Conflict"]'
    write_prompt(tmp_path, ["fact_name", "fact_developer", "fact_place", "answer"], header)
    done = search(tmp_path, tame, 'iterations = 1\n[prompts]\nloose = "./own.md"')
    assert {told(one)["prompt"] for one in of_stage(done, "loose")} == {"own@7"}
    assert {told(one)["prompt"] for one in of_stage(done, "strict")} == {"ice_strict@1.0"}


def test_a_recorded_spec_needs_no_files(tmp_path: Path) -> None:
    """Spec, prompts and items of a run folder make the job again, without the files that it was made from."""
    loaded = load_spec(write_spec(tmp_path), ["lab"])
    items = list(loaded.job.items())
    for path in tmp_path.iterdir():
        path.unlink()
    job = restore_spec(loaded.text, {prompt.name: prompt.text for prompt in loaded.prompts}, ["lab"]).job
    assert [one.custom_id for one in job.start(items)] == [one.custom_id for one in loaded.job.start(items)]
    with pytest.raises(InputError, match=r"items\.jsonl has its items"):
        list(job.items())


@pytest.mark.parametrize(
    ("questions", "expected"),
    [
        (changed(QUESTIONS, 1, text=" "), (2, "text", "is empty")),
        (changed(QUESTIONS, 1, text=None), (2, "text", "is missing")),
        (changed(QUESTIONS, 2, pair=3), (3, "pair", "Expected `str`, got `int`")),
        (changed(QUESTIONS, 2, extra="x"), (3, "extra", "unknown key")),
        (changed(QUESTIONS, 3, question="q2"), (4, "question", "'q2' is that of line 2 too")),
        ([], (None, None, "holds no row")),
    ],
)
def test_a_faulty_question_is_named(tmp_path: Path, questions: list[dict[str, Any]], expected: tuple[Any, ...]) -> None:
    """File, line and field of a question that cannot be asked."""
    write_words(tmp_path, questions=questions)
    file, line, field, message = refused(lambda: make(tmp_path))
    assert (file, line, field) == ("questions.jsonl", *expected[:2])
    assert message.startswith(expected[2])


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        (changed(SEEDS, 1, template="no slot"), (2, "template", "has no [QUESTION]")),
        (changed(SEEDS, 1, family=""), (2, "family", "is empty")),
        (changed(SEEDS, 4, seed="s1"), (5, "seed", "'s1' is that of line 1 too")),
        (changed(SEEDS, 4, seed="n1"), (5, "seed", "'n1' is what a template is called that the search made")),
    ],
)
def test_a_faulty_seed_is_named(tmp_path: Path, seeds: list[dict[str, Any]], expected: tuple[Any, ...]) -> None:
    """File, line and field of a seed that cannot be searched from."""
    write_words(tmp_path, seeds=seeds)
    file, line, field, message = refused(lambda: make(tmp_path))
    assert (file, line, field) == ("seeds.jsonl", *expected[:2])
    assert message.startswith(expected[2])


@pytest.mark.parametrize(
    ("facts", "file", "line", "field", "message"),
    [
        (FACTS.replace('"Lab"', '" "'), "facts.toml", None, "facts[0].developer", "is empty"),
        (FACTS.replace('name = "Model"', ""), "facts.toml", None, "facts[0].name", "is missing"),
        (FACTS + 'city = "x"', "facts.toml", None, "facts[0].city", "unknown key"),
        (FACTS.replace(MODELS, "[]"), "facts.toml", None, "facts[0].models", "names no model"),
        ("[[facts]\n", "facts.toml", 1, None, "not TOML"),
        (FACTS.replace("model-*", "x-*"), "night.toml", None, "targets[0]", "facts.toml has no fact that matches lab/"),
    ],
)
def test_a_faulty_or_missing_fact_is_named(
    tmp_path: Path, facts: str, file: str, line: int | None, field: str | None, message: str
) -> None:
    """File and field of a fact that says nothing; the target, and the file, where none matches."""
    write_words(tmp_path, facts=facts)
    found = refused(lambda: make(tmp_path))
    assert found[:3] == (file, line, field)
    assert message in found[3]


@pytest.mark.parametrize(
    ("more", "field", "message"),
    [
        ('policy = "gptfuz"', "policy", "did you mean 'gptfuzz'?"),
        ("trees = 0", "trees", ">= 1"),
        ("queries = 3", "queries", "an iteration asks 4 questions"),
        ("iterations = 0", "iterations", ">= 1"),
        ("conflicts = 0", "conflicts", ">= 1"),
        ("alpha = 1.5", "alpha", "<= 1"),
        ("beta = nan", "beta", ">= 0"),
        ("exploration = -1", "exploration", ">= 0"),
        ('fields = ["tea"]', "fields[0]", "did you mean 'team'?"),
        ("fields = []", "fields", "names no field"),
        ('languages = ["en", "fr"]', "languages[1]", "no question is of language 'fr'"),
        ('misleading_words = [""]', "misleading_words[0]", "is empty"),
        ("querys = 3", "querys", "did you mean 'queries'?"),
        ("[params]\nmodel = 'x'", "params.model", "the job writes this key"),
        ("[helper_params]\nmessages = []", "helper_params.messages", "the job writes this key"),
        ("[judge_params]\nstream = true", "judge_params.stream", "the job writes this key"),
        ("[prompts]\nloos = 'x'", "prompts.loos", "did you mean 'loose'?"),
        ("[prompts]\nloose = 'ice_lose'", "prompts.loose", "no such prompt"),
        ("[prompts]\nexpand = 'ice_expandd'", "prompts.expand", "no such prompt"),
    ],
)
def test_a_faulty_key_is_named(tmp_path: Path, more: str, field: str, message: str) -> None:
    """The spec and its key, with what would do."""
    file, _, found, said = refused(lambda: make(tmp_path, more))
    assert (file, found) == ("night.toml", field)
    assert message in said


def test_models_and_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    """No target, a judge or helper without a name, and each file that the spec names wrongly."""
    assert refused(lambda: make(tmp_path, targets=[]))[2] == "targets"
    assert refused(lambda: make(tmp_path, targets=[A, A]))[2] == "targets[1]"
    wrong = {"helper": ("lab/helper", "lab/"), "judge": ("lab/judge", "lab/")}
    for name in ("questions", "seeds", "facts"):
        wrong[name] = (f"{name}.", f"other_{name}.")
    for key, (right, replaced) in wrong.items():
        spec = write_spec(tmp_path)
        spec.write_text(spec.read_text().replace(right, replaced))
        assert refused(partial(load_spec, spec, ["lab"]))[2] == key


@pytest.mark.parametrize(
    ("key", "variables", "header", "field"),
    [
        ("loose", ["answer"], 'parser = "tagged_integer"\nscale = [0, 1]\ndimensions = ["C"]', "variables"),
        ("strict", ["question"], 'parser = "tagged_integer"\nscale = [0, 1]\ndimensions = ["C"]', "variables"),
        ("strict", ["answer", "x"], 'parser = "tagged_integer"\nscale = [0, 1]\ndimensions = ["C"]', "variables"),
        ("strict", ["answer"], 'parser = "tagged_integer"\nscale = [0, 5]\ndimensions = ["C"]', "scale"),
        ("strict", ["answer"], 'parser = "tagged_integer"\nscale = [0, 1]\ndimensions = ["C", "D"]', "dimensions"),
        ("strict", ["answer"], "", "parser"),
        ("shorten", ["partner"], 'parser = "tagged_text"\ndimensions = ["T"]', "variables"),
        ("crossover", ["template"], 'parser = "tagged_text"\ndimensions = ["T"]', "variables"),
        ("expand", ["template"], 'parser = "tagged_integer"\nscale = [0, 1]\ndimensions = ["T"]', "parser"),
    ],
)
def test_a_prompt_that_cannot_serve_is_named(
    tmp_path: Path, key: str, variables: list[str], header: str, field: str
) -> None:
    """A judgement is one number, 0 or 1, about an answer; a mutation reads a text of its template or templates."""
    write_prompt(tmp_path, variables, header)
    assert refused(lambda: make(tmp_path, f'[prompts]\n{key} = "./own.md"'))[::2] == ("own.md", field)


@pytest.mark.parametrize(
    ("key", "variables", "header", "needed", "item"),
    [
        ("loose", FACT_VARIABLES, JUDGED, 'question.split("3")[2] if "3" in question', "question/q3"),
        ("strict", (), JUDGED, 'question.split("2")[1] ~ question.split("4")[1] if "4" in question', "question/q4"),
        ("strict", FACT_VARIABLES, JUDGED, 'fact_name.split("x")[1]', "question/q1"),
        ("shorten", None, MADE, 'template.split("5")[2] if "5" in template', "seed/s5"),
        ("crossover", None, MADE, 'partner.split("6")[2] if "6" in partner', "seed/s6"),
    ],
)
def test_a_prompt_that_some_words_cannot_fill_is_named(
    tmp_path: Path, key: str, variables: tuple[str, ...] | None, header: str, needed: str, item: str
) -> None:
    """Prompt and question, or seed, are named before the first call, though others can fill the prompt."""
    of_mutation = ["template", "partner"][: 1 + (key == "crossover")]
    write_prompt(tmp_path, of_mutation if variables is None else [*variables, "question", "answer"], header)
    with (tmp_path / "own.md").open("a") as file:
        file.write("{{ " + needed + " }}")
    job, items = make(tmp_path, f'[prompts]\n{key} = "./own.md"')
    file_name, _, field, message = refused(lambda: list(job.start(items)))
    assert (file_name, field) == ("own.md", f"item '{item}': body")
    assert message.startswith("cannot render")


def test_fields_and_languages_are_chosen_from_the_command_line(tmp_path: Path) -> None:
    """What the command says goes before the spec's own; jobs without such questions refuse it, and so do manifests."""
    spec = write_spec(tmp_path, 'iterations = 2\nlanguages = ["en"]')
    chosen = load_spec(spec, ["lab"], chosen={"languages": ("zh",)})
    languages = {item.fields["language"] for item in chosen.job.items() if item.fields["kind"] == "question"}
    assert languages == {"zh"}
    with pytest.raises(InputError, match="languages"):
        list(load_spec(spec, ["lab"], chosen={"languages": ("fr",)}).job.items())
    with pytest.raises(InputError, match="--fields: is for specs with the key fields, which job rse has not"):
        load_spec(EXAMPLES / "rse.toml", ["simulator"], chosen={"fields": ("team",)})
    (tmp_path / "m.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match="--fields: is for specs"):
        read_source(tmp_path / "m.jsonl", [], chosen={"fields": ("team",)})
