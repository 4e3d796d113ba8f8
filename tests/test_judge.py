"""judge: what is asked about each row of a table, of a run and of other datasets, and how each fault is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from jobs.judge import JudgeJob
from jobs.protocol import Request
from jobs.run_rows import read_run
from jobs.spec import load_spec
from outputs.journal import Log
from prompts.input_error import InputError
from prompts.records import Completion, Outcome
from tests.harness.in_memory import InMemoryRun
from tests.harness.loopback import Call, Reply, chat_answer
from tests.harness.workplace import Workplace, line

PROVIDERS = ("simulator",)
EXAMPLE = Path(__file__).resolve().parents[1] / "jobs" / "examples" / "judge.toml"
ROWS: list[dict[str, Any]] = [{"id": "r1", "a": "one", "b": "two", "model": "m7"}, {"id": "r2", "a": "x", "b": "y"}]
SPEC = """
job = "judge"
judges = ["simulator/j1", "simulator/j2"]
prompt = "./compare.md"
[dataset]
path = "rows.jsonl"
"""
HEADER = """+++
name = "compare"
version = "3"
role = "judge"
variables = {variables}
parser = "tagged_integer"
scale = [1, 5]
dimensions = ["meaning"]
+++
"""


def prompt_of(*variables: str) -> str:
    return HEADER.format(variables=json.dumps(variables)) + " | ".join(f"{{{{ {name} }}}}" for name in variables)


def load(tmp_path: Path, spec: str = SPEC, rows: Any = ROWS, prompt: str | None = None) -> JudgeJob:
    text = rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "rows.jsonl").write_text(text)
    (tmp_path / "compare.md").write_text(prompt_of("a", "b") if prompt is None else prompt)
    (tmp_path / "night.toml").write_text(spec)
    made = load_spec(tmp_path / "night.toml", PROVIDERS).job
    assert isinstance(made, JudgeJob)
    return made


def asked(made: JudgeJob) -> list[Request]:
    return list(made.start(made.items()))


def words(request: Request) -> str:
    assert isinstance(request.body, dict)
    return str(request.body["messages"][-1]["content"])


def told(request: Request) -> dict[str, Any]:
    assert isinstance(request.metadata, dict)
    return request.metadata


def test_a_row_that_the_prompt_fails_on_is_named(tmp_path: Path) -> None:
    """Prompt and item are named before the first call, though other rows can fill the prompt."""
    made = load(tmp_path, prompt=prompt_of("a", "b") + "{{ a[1].upper() }}")
    with pytest.raises(InputError, match="cannot render") as caught:
        asked(made)
    assert (caught.value.file, caught.value.field) == (str(tmp_path / "compare.md"), "item 'r2': body")


def test_every_judge_sees_every_row(tmp_path: Path) -> None:
    """With the row's columns in the prompt; the metadata say which row, whose text, and what asked."""
    requests = asked(load(tmp_path, SPEC.replace("[dataset]", '[dataset]\nname = "set"')))
    assert [words(request) for request in requests] == ["one | two"] * 2 + ["x | y"] * 2
    assert [request.body["model"] for request in requests if isinstance(request.body, dict)] == ["j1", "j2"] * 2
    assert isinstance(requests[0].body, dict)
    assert (requests[0].body["temperature"], requests[0].body["max_tokens"]) == (0, 1024)
    row = told(requests[0])
    assert len(row.pop("prompt_sha256")) == 64
    assert row == {
        "item": "set/r1",
        "dataset": "set",
        "model": "m7",
        "self_preference": False,
        "stage": "judge",
        "repeat": 0,
        "swapped": False,
        "prompt": "compare@3",
    }
    assert not {"model", "self_preference"} & told(requests[2]).keys()


def test_a_row_s_text_is_no_template(tmp_path: Path) -> None:
    """What looks like Jinja in a row stands in the prompt as it is."""
    row = {"a": "{{ b }}{% for x in y %}", "b": "</text> \u2028"}
    assert words(asked(load(tmp_path, rows=[row]))[0]) == "{{ b }}{% for x in y %} | </text> \u2028"


def test_a_row_is_seen_again_with_two_values_exchanged(tmp_path: Path) -> None:
    """As often as in its own order."""
    spec = SPEC.replace("[dataset]", 'swap = ["a", "b"]\nrepeats = 2\n[dataset]')
    requests = [request for request in asked(load(tmp_path, spec)) if told(request)["item"] == "r1"]
    assert len({request.custom_id for request in requests}) == len(requests) == 8
    assert {(words(r), told(r)["swapped"]) for r in requests} == {("one | two", False), ("two | one", True)}


def test_parameters_and_log_probabilities(tmp_path: Path) -> None:
    """`logprobs` asks for alternatives; `[params]` goes over the job's own."""
    spec = SPEC.replace("[dataset]", "logprobs = 5\nparams = { max_completion_tokens = 9 }\n[dataset]")
    body = asked(load(tmp_path, spec))[0].body
    assert isinstance(body, dict)
    assert {key: body[key] for key in body if key not in ("model", "messages")} == {
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": 5,
        "max_completion_tokens": 9,
    }


def test_other_datasets_can_be_judged(tmp_path: Path) -> None:
    """Captions by candidate and references, prompts by the question and the row's other columns."""
    captions = {"c": {"vname": "v", "ref": ["ref"], "candidate": "cand", "human_score": [[1, 1, 1, 1, 1]]}}
    spec = SPEC.replace("[dataset]", '[dataset]\nreader = "msvd-eval"')
    made = load(tmp_path, spec, json.dumps(captions), prompt_of("candidate", "references"))
    assert words(asked(made)[0]) == "cand | ('ref',)"
    spec = SPEC.replace("[dataset]", '[dataset]\nreader = "prompts"')
    made = load(tmp_path, spec, [{"prompt": "Why?", "gold": "so"}], prompt_of("question", "gold"))
    assert words(asked(made)[0]) == "Why? | so"


def test_what_became_of_an_answer(tmp_path: Path) -> None:
    """A verdict for every answer, none for a failure, and nothing else follows."""
    answers = iter([Completion(text="<meaning>4</meaning>"), Completion(text="four"), None, Completion(text=None)])
    made = load(tmp_path)
    run = InMemoryRun(made, list(made.items()), lambda _: next(answers)).run()
    assert [verdict.outcome for verdict in run.verdicts] == [
        Outcome.OK,
        Outcome.UNPARSEABLE,
        Outcome.UNPARSEABLE,
    ]
    assert len(run.requests) == 4
    assert list(made.expected(run.items)) == []


@pytest.mark.parametrize(
    ("rows", "field", "fault"),
    [
        ([*ROWS, {"id": "r3", "a": "x"}], "item 'r3': variable b", "the row has none"),
        ([*ROWS, {"id": "r3", "a": "x", "b": None}], "item 'r3': variable b", "is null"),
        ([{"aa": "x", "b": "y"}], "item '1': variable a", "did you mean 'aa'"),
    ],
)
def test_a_row_without_a_variable_is_named(tmp_path: Path, rows: Any, field: str, fault: str) -> None:
    """Before the first call, with the item and the variable."""
    with pytest.raises(InputError, match=fault) as caught:
        asked(load(tmp_path, rows=rows))
    assert (caught.value.file, caught.value.field) == (str(tmp_path / "compare.md"), field)


@pytest.mark.parametrize(
    ("old", "new", "field", "fault"),
    [
        ('judges = ["simulator/j1", "simulator/j2"]', "judges = []", "judges", "names no model"),
        ('judges = ["simulator/j1", "simulator/j2"]\n', "", "judges", "is missing"),
        ('prompt = "./compare.md"\n', "", "prompt", "is missing"),
        ("./compare.md", "compair", "prompt 'compair'", "no such prompt"),
        ("[dataset]", "[[dataset]]", "dataset", "Expected `object`"),
        ("[dataset]", "[datasets]", "datasets", "did you mean 'dataset'"),
        ('path = "rows.jsonl"', 'path = "."', "dataset.path", "no such file"),
        ("[dataset]", "repeats = 0\n[dataset]", "repeats", "from 1 to 100"),
        ("[dataset]", "model = 'm'\n[dataset]", "model", "unknown key"),
        ("[dataset]", "swap = ['a']\n[dataset]", "swap", "length 2"),
        ("[dataset]", "swap = ['a', 'c']\n[dataset]", "swap[1]", "no variable 'c'; it has: a, b"),
        ("[dataset]", "swap = ['a', 'a']\n[dataset]", "swap", "two variables"),
        ("[dataset]", "logprobs = 21\n[dataset]", "logprobs", "<= 20"),
        ("[dataset]", "logprobs = -1\n[dataset]", "logprobs", ">= 0"),
        ("[dataset]", "logprobs = true\n[dataset]", "logprobs", "Expected `int"),
        ("[dataset]", "logprobs = 5\nparams = { top_logprobs = 3 }\n[dataset]", "params.top_logprobs", "already"),
        ("[dataset]", "params = { stream = true }\n[dataset]", "params.stream", "writes this key"),
    ],
)
def test_faults_of_a_spec_name_the_key(tmp_path: Path, old: str, new: str, field: str, fault: str) -> None:
    """What is unknown, missing or out of its range is told with its key."""
    assert old in SPEC
    with pytest.raises(InputError) as caught:
        load(tmp_path, SPEC.replace(old, new))
    assert (caught.value.file, caught.value.field) == (str(tmp_path / "night.toml"), field)
    assert fault in str(caught.value)


@pytest.mark.parametrize(
    ("prompt", "field"),
    [
        (prompt_of("a").replace('parser = "tagged_integer"\n', ""), "parser"),
        (prompt_of("a").replace("tagged_integer", "tagged_number"), "parser"),
        (prompt_of("a") + "{{ b }}", "b"),
    ],
)
def test_faults_of_a_prompt_name_its_file(tmp_path: Path, prompt: str, field: str) -> None:
    """A prompt without a parser, or with one that nobody knows, and a variable that the header does not declare."""
    with pytest.raises(InputError) as caught:
        load(tmp_path, prompt=prompt)
    assert (caught.value.file, caught.value.field) == (str(tmp_path / "compare.md"), field)


ASK = """
job = "ask"
models = ["simulator/phi-4", "simulator/qwen-max"]
prompt = "./asking.md"
[[datasets]]
name = "facts"
path = "rows.jsonl"
reader = "table"
[judge]
prompt = "./compare.md"
models = ["simulator/gpt-4o"]
"""
ASKING = '+++\nname = "asking"\nversion = "1"\nrole = "user"\nvariables = ["a"]\n+++\nSay something about {{ a }}.'


@pytest.fixture
def answered(work: Workplace) -> Workplace:
    """A simulated run of `ask`, whose answers are judged already."""
    (work.folder / "rows.jsonl").write_text("".join(json.dumps({**row, "model": "m"}) + "\n" for row in ROWS))
    (work.folder / "asking.md").write_text(ASKING)
    (work.folder / "compare.md").write_text(prompt_of("a", "answer") + "\n<meaning>1-5</meaning>")
    (work.folder / "ask.toml").write_text(ASK)
    assert work.run(source="ask.toml").code == 0
    return work


def test_the_answers_of_a_run_are_rows(answered: Workplace) -> None:
    """With the item's columns, what was asked, by which model; judgements are no answers."""
    items = list(read_run(answered.run_folder))
    lines = answered.answered()
    assert [item.item for item in items] == [key for key, one in lines.items() if one["metadata"]["stage"] == "answer"]
    assert len(items) == 4
    [item] = [i for i in items if (i.fields["item"], i.fields["model"]) == ("facts/r2", "simulator/phi-4")]
    body = lines[item.item]["response"]["body"]
    assert item.dataset == "facts"
    assert item.fields["answer"] == body["choices"][0]["message"]["content"] != ""
    assert item.fields["finish_reason"] == "stop"
    assert (item.fields["prompt"], item.fields["a"], item.fields["b"]) == ("Say something about x.", "x", "y")
    assert item.fields["simulated"] is True
    assert list(read_run(answered.run_folder / "responses.jsonl")) == items
    renamed = next(read_run(answered.run_folder, {"before": "answer"}))
    assert (renamed.fields["before"], "answer" in renamed.fields) == (items[0].fields["answer"], False)
    with pytest.raises(InputError, match="did you mean 'answer'"):
        next(read_run(answered.run_folder, {"before": "answr"}))


def test_a_run_is_judged_by_another(answered: Workplace) -> None:
    """`ask` and then `judge`, with a prompt that uses the answers and the first dataset's columns."""
    (answered.folder / "later.md").write_text(
        prompt_of("b", "prompt", "answer").replace('"compare"', '"later"') + "\n<meaning>1-5</meaning>"
    )
    (answered.folder / "later.toml").write_text(
        'job = "judge"\njudges = ["simulator/gpt-4o"]\nprompt = "./later.md"\n[dataset]\npath = "out"\nreader = "run"\n'
    )
    ended = answered.overnight("run", "later.toml", "--out", "judged", "--quiet")
    assert (ended.code, ended.out.split(";")[0]) == (0, "SIMULATED: 4 of 4 answered, 0 failed, $0.00")
    analysed = answered.overnight("analyze", "judged", "--json")
    assert {(row["model"], row["dataset"], row["items"]) for row in analysed.json["judged"]["means"]} == {
        ("simulator/phi-4", "facts", 2),
        ("simulator/qwen-max", "facts", 2),
    }
    again = answered.overnight("run", "judged", "--quiet")
    assert again.code == 0


def test_the_answers_of_a_manifest_are_rows(work: Workplace) -> None:
    """Those that were answered; what finally failed has no row, and a refusal's words are its answer."""

    def reply(call: Call) -> Reply:
        said = json.dumps(chat_answer(None, refusal="I would rather not")).encode()
        return {"a": Reply(said), "b": Reply(b"{}", 400)}.get(call.text) or Workplace.reply("so")

    work.provider.reply = reply
    work.write([line("a"), line("b"), line("c", "What?"), line("d", metadata={"stage": "judge"})])
    assert work.run().code == 3
    items = {item.item: item.fields for item in read_run(work.run_folder)}
    assert set(items) == {"a", "c"}
    assert items["a"]["answer"] == "I would rather not"
    assert {key: items["c"][key] for key in ("prompt", "answer", "model", "simulated")} == {
        "prompt": "What?",
        "answer": "so",
        "model": "lab-1",
        "simulated": False,
    }


def test_a_folder_without_answers_is_refused(work: Workplace) -> None:
    """A folder that is no run, and a run that only judged, are input errors naming it."""
    with pytest.raises(InputError) as caught:
        list(read_run(work.folder))
    assert str(work.folder) in str(caught.value.file)
    work.write([line("c", metadata={"stage": "judge"})])
    assert work.run().code == 0
    with pytest.raises(InputError, match="no answer to judge"):
        list(read_run(work.run_folder))


def test_the_example_runs(work: Workplace) -> None:
    """The shipped spec judges every pair in both orders, and its scores are expectations."""
    assert work.run(source=EXAMPLE).code == 0
    assert len(work.lines(Log.RESPONSES)) == 16
    ended = work.overnight("analyze", work.run_folder, "--json")
    assert [(row["dimension"], row["items"], row["ok"], row["coverage"]) for row in ended.json["judged"]["means"]] == [
        ("meaning", 8, 16, 1),
        ("wording", 8, 16, 1),
    ]
