"""ask: what is asked of whom, what follows from the answers, and how each fault of a spec or a row is named."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from jobs.ask import AskJob
from jobs.protocol import Answered, Failed, Request, Verdict
from jobs.spec import LoadedSpec, load_spec, restore_spec
from outputs.journal import Log
from prompts.input_error import InputError
from prompts.records import Completion, Outcome
from tests.harness.in_memory import InMemoryRun
from tests.harness.workplace import Workplace

PROVIDERS = ("simulator",)
EXAMPLE = Path(__file__).resolve().parents[1] / "jobs" / "examples" / "ask.toml"
ROWS: list[dict[str, Any]] = [
    {"id": "sum", "prompt": "2 + 2?", "gold": "4"},
    {"id": "trip", "system": "Be brief.", "messages": [{"role": "user", "content": f"Turn {n}"} for n in (1, 2, 3)]},
    {"id": "sky", "prompt": "Why is it blue?", "gold": "scattering"},
]
SPEC = """
job = "ask"
models = ["simulator/m1", "simulator/m2"]
repeats = 2
[[datasets]]
path = "set.jsonl"
[judge]
prompt = "./rate.md"
models = ["simulator/m2", "simulator/j"]
"""
RATE = """+++
name = "rate"
version = "1"
role = "judge"
variables = ["turns", "model"]
parser = "tagged_integer"
scale = [1, 5]
dimensions = ["merit"]
+++
{{ model }}
{% for turn in turns %}
{{ turn.question }} -> {{ turn.answer }}
{% endfor %}
<merit>1-5</merit>
"""
ASKING = '+++\nname = "asking"\nversion = "2"\nrole = "user"\nvariables = ["topic"]\n+++\nWrite about {{ topic }}.'


def load(
    tmp_path: Path, spec: str = SPEC, rows: list[dict[str, Any]] = ROWS, rate: str = RATE, asking: str = ASKING
) -> LoadedSpec:
    (tmp_path / "set.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "rate.md").write_text(rate)
    (tmp_path / "asking.md").write_text(asking)
    path = tmp_path / "night.toml"
    path.write_text(spec)
    return load_spec(path, PROVIDERS)


def job(tmp_path: Path, *arguments: Any, **changes: Any) -> AskJob:
    made = load(tmp_path, *arguments, **changes).job
    assert isinstance(made, AskJob)
    return made


def prompted(rows: list[dict[str, Any]], judge: bool = False) -> dict[str, Any]:
    """A table to be asked about with a prompt."""
    head, _, tail = SPEC.partition("[judge]")
    spec = 'prompt = "./asking.md"' + head + 'reader = "table"\n' + (f"[judge]{tail}" if judge else "")
    return {"spec": spec, "rows": rows}


def told(request: Request) -> dict[str, Any]:
    assert isinstance(request.metadata, dict)
    return request.metadata


def words(request: Request) -> str:
    assert isinstance(request.body, dict)
    return str(request.body["messages"][-1]["content"])


def answer(request: Request) -> Completion:
    if told(request)["stage"] == "judge":
        return Completion(text="<merit>3</merit>")
    return Completion(text=f"{told(request)['model']} on {words(request)} ({told(request)['repeat']})")


def drive(made: AskJob, answers: Any = answer, seed: int | None = None) -> InMemoryRun:
    arrival = None if seed is None else random.Random(seed)
    return InMemoryRun(made, list(made.items()), answers, arrival).run()


def test_every_model_answers_every_question(tmp_path: Path) -> None:
    """Each as often as wanted, with the messages as they stand and the spec's parameters over the job's own."""
    made = job(tmp_path, SPEC.replace("[[datasets]]", "[params]\ntemperature = 0.5\n[[datasets]]"))
    first = list(made.start(made.items()))
    assert Counter((told(r)["item"], told(r)["model"], told(r)["repeat"]) for r in first) == Counter(
        (item, f"simulator/{model}", repeat)
        for item in ("sum", "trip", "sky")
        for model in ("m1", "m2")
        for repeat in (0, 1)
    )
    assert first[0].body == {
        "model": "m1",
        "messages": [{"role": "user", "content": "2 + 2?"}],
        "max_tokens": 1024,
        "temperature": 0.5,
    }
    assert told(first[0]) == {"stage": "answer", "item": "sum", "model": "simulator/m1", "turn": 1, "repeat": 0}


def test_a_dialogue_goes_on_with_the_model_s_own_answers_and_is_judged_at_its_end(tmp_path: Path) -> None:
    """Each judge sees all turns of each model and repeat, once, as soon as the last turn is answered."""
    run = drive(job(tmp_path))
    third = next(r for r in run.requests if told(r)["item"] == "trip" and told(r).get("turn") == 3)
    assert isinstance(third.body, dict)
    assert [message["role"] for message in third.body["messages"]] == ["system", *["user", "assistant"] * 2, "user"]
    judged = [r for r in run.requests if told(r)["stage"] == "judge"]
    assert len(judged) == 3 * 2 * 2 * 2
    trip = next(r for r in judged if told(r)["item"] == "trip")
    assert words(trip).splitlines()[:4] == [
        "simulator/m1",
        "Turn 1 -> simulator/m1 on Turn 1 (0)",
        "Turn 2 -> simulator/m1 on Turn 2 (0)",
        "Turn 3 -> simulator/m1 on Turn 3 (0)",
    ]
    assert {verdict.outcome for verdict in run.verdicts} == {Outcome.OK}
    assert len(run.verdicts) == len(run.requests) == len(run.ids())


def test_what_a_judge_s_row_says(tmp_path: Path) -> None:
    """Whose answer it is of, which of its repeats, and whether the judge rates its own."""
    judged = [told(r) for r in drive(job(tmp_path)).requests if told(r)["stage"] == "judge"]
    of_second = [row for row in judged if row["item"] == "sum" and row["model"] == "simulator/m2"]
    assert [(row["answer_repeat"], row["self_preference"]) for row in of_second] == [
        (0, True),
        (0, False),
        (1, True),
        (1, False),
    ]
    assert {(row["prompt"], row["repeat"], row["swapped"]) for row in judged} == {("rate@1", 0, False)}
    [note] = job(tmp_path).notes()
    assert note.startswith("simulator/m2 judges answers of its own")


def test_the_order_of_arrival_changes_nothing(tmp_path: Path) -> None:
    """Whatever order answers come in, and whichever fail, the same is asked."""

    def some_fail(request: Request) -> Completion | None:
        fate = random.Random(request.custom_id).random()
        return None if fate < 0.2 else Completion(text="") if fate < 0.3 else answer(request)

    made = job(tmp_path)
    bodies = drive(made, some_fail).bodies()
    assert len(bodies) > 30
    for seed in range(5):
        assert drive(made, some_fail, seed).bodies() == bodies


def test_an_answer_without_text_is_not_judged(tmp_path: Path) -> None:
    """A failed request, a refusal and a filtered answer have no judgement; a turn that failed is left out."""
    fates: dict[tuple[str, int], Completion | None] = {
        ("sum", 1): Completion(text=None, refusal="I would rather not"),
        ("trip", 2): None,
        ("sky", 1): Completion(text=None, finish_reason="content_filter"),
    }

    def answers(request: Request) -> Completion | None:
        row = told(request)
        key = (row["item"], row.get("turn", 0))
        return fates[key] if key in fates else answer(request)

    run = drive(job(tmp_path), answers)
    judged = [r for r in run.requests if told(r)["stage"] == "judge"]
    assert {told(r)["item"] for r in judged} == {"trip"}
    assert "Turn 2" not in words(judged[0])
    assert {v.outcome for v in run.verdicts} == {Outcome.OK, Outcome.REFUSED, Outcome.FILTERED}


def test_an_answer_that_comes_after_a_retry_is_judged(tmp_path: Path) -> None:
    """A request that finally failed, was asked again and answered is judged then, and once."""
    made = job(tmp_path)
    run = InMemoryRun(made, list(made.items()), lambda request: None)
    [first, *_] = made.start(run.items)
    failed = Failed(seq=1, custom_id=first.custom_id, metadata=told(first), kind="transient", message="no")
    assert list(made.on_settled(failed, run)) == []
    again = Answered(
        seq=2, custom_id=first.custom_id, metadata=told(first), completion=Completion(text="4"), repeat=True
    )
    run.settled += [failed, again]
    made_of_it = list(made.on_settled(again, run))
    assert [type(one) for one in made_of_it] == [Verdict, Request, Request]
    assert isinstance(made_of_it[1], Request)
    assert "2 + 2? -> 4" in words(made_of_it[1])


def test_what_is_expected_is_what_follows(tmp_path: Path) -> None:
    """Where nothing fails, as many requests follow as were expected, of the same lanes and stages."""
    many = [{"prompt": f"Question {n}"} for n in range(60)] + ROWS[1:]
    made = job(tmp_path, rows=many)
    run = drive(made)
    first = {request.custom_id for request in made.start(run.items)}
    followed: Counter[Any] = Counter()
    for request in run.requests:
        if request.custom_id not in first:
            assert isinstance(request.body, dict)
            followed[told(request)["stage"], request.body["model"]] += 1
    expected: Counter[Any] = Counter()
    for entry in made.expected(run.items):
        assert isinstance(entry.request.body, dict)
        expected[entry.stage, entry.request.body["model"]] += entry.rows
    assert expected == followed
    assert set(expected) == {("answer", "m1"), ("answer", "m2"), ("judge", "m2"), ("judge", "j")}


def test_a_prompt_is_filled_with_a_row_s_columns(tmp_path: Path) -> None:
    """One question a row, of a table or of a prompt set, whose system message stays; the rows say what asked them."""
    rows = [{"id": 1, "topic": "tea"}, {"id": 2, "topic": "rain"}]
    made = job(tmp_path, **prompted(rows))
    requests = list(made.start(made.items()))
    assert {words(request) for request in requests} == {"Write about tea.", "Write about rain."}
    assert told(requests[0])["prompt"] == "asking@2"
    asked = 'prompt = "./asking.md"' + SPEC.partition("[judge]")[0]
    asking = ASKING.replace('["topic"]', '["question"]').replace("topic", "question")
    [request, *_] = job(tmp_path, asked, [{"prompt": "Rain?", "system": "s"}], asking=asking).start(
        job(tmp_path, asked, [{"prompt": "Rain?", "system": "s"}], asking=asking).items()
    )
    assert isinstance(request.body, dict)
    assert request.body["messages"] == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "Write about Rain?."},
    ]


def test_a_judge_may_use_the_row_s_columns(tmp_path: Path) -> None:
    """Beside what was asked and answered, a column such as the right answer."""
    rate = RATE.replace('"turns", "model"', '"question", "answer", "gold"').replace("{{ model }}", "{{ question }}")
    rate = rate[: rate.index("{% for")] + "{{ answer }} / {{ gold }}\n<merit>1-5</merit>\n"
    rows = [{"id": "a", "topic": "tea", "gold": "leaves"}]
    run = drive(job(tmp_path, **prompted(rows, judge=True), rate=rate))
    judged = next(r for r in run.requests if told(r)["stage"] == "judge")
    assert words(judged).splitlines()[:2] == [
        "Write about tea.",
        "simulator/m1 on Write about tea. (0) / leaves",
    ]


@pytest.mark.parametrize(
    ("rows", "field", "fault"),
    [
        ([{"id": "x", "subject": "tea"}], "item 'x': variable topic", "the row has none"),
        ([{"id": "x", "topik": "tea"}], "item 'x': variable topic", "did you mean 'topik'"),
        ([{"id": "x", "topic": None}], "item 'x': variable topic", "is null"),
        ([{"id": "x", "topic": "tea", "model": "m"}], "item 'x': variable model", "my_model"),
    ],
)
def test_rows_that_a_prompt_cannot_be_filled_with(
    tmp_path: Path, rows: list[dict[str, Any]], field: str, fault: str
) -> None:
    """They are named before the first request, the judges' prompt included."""
    made = job(tmp_path, **prompted([{"id": "ok", "topic": "tea"}, *rows], judge=True))
    with pytest.raises(InputError, match=fault) as caught:
        list(made.start(made.items()))
    assert caught.value.field == field
    assert str(caught.value.file).endswith(".md")


@pytest.mark.parametrize(
    ("needed", "about"),
    [
        ("turns[1].answer", "item 'trip', judged over 1 of its 3 turns: body"),
        ("turns[turns | length - 1].answer[0] and turns[3].answer", "item 'trip': body"),
    ],
)
def test_a_judge_s_prompt_that_a_dialogue_cannot_fill_is_refused_at_once(
    tmp_path: Path, needed: str, about: str
) -> None:
    """The item is named before the first call, also where only a dialogue with failed turns cannot fill it."""
    made = job(tmp_path, rows=ROWS[1:2], rate=RATE + "{{ " + needed + " }}")
    with pytest.raises(InputError, match="cannot render") as caught:
        list(made.start(made.items()))
    assert (caught.value.file, caught.value.field) == (str(tmp_path / "rate.md"), about)


def test_a_dialogue_is_no_question_for_a_prompt(tmp_path: Path) -> None:
    """A prompt is filled with one question."""
    made = job(tmp_path, 'prompt = "./asking.md"' + SPEC)
    with pytest.raises(InputError, match="'sum': variable topic"):
        list(made.start(made.items()))
    made = job(tmp_path, 'prompt = "./asking.md"' + SPEC, rows=ROWS[1:2])
    with pytest.raises(InputError, match="'trip' is a dialogue of 3 turns"):
        list(made.start(made.items()))


@pytest.mark.parametrize(
    ("old", "new", "field", "fault"),
    [
        ('models = ["simulator/m1", "simulator/m2"]', "models = []", "models", "names no model"),
        ('["simulator/m1", "simulator/m2"]', '["simulator/m1", "simulator/m1"]', "models[1]", "twice"),
        ('["simulator/m1", "simulator/m2"]', '["simulator/m1", "m1"]', "models[1]", "may be the same model"),
        ("repeats = 2", "repeats = 0", "repeats", "from 1 to 100"),
        ("repeats = 2", "repeats = 1.5", "repeats", "Expected `int`"),
        ("repeats = 2", "repeat = 2", "repeat", "did you mean 'repeats'"),
        ("[[datasets]]", "[dataset]", "dataset", "did you mean 'datasets'"),
        ("[[datasets]]", "[datasets]", "datasets", "Expected `array`"),
        ('[[datasets]]\npath = "set.jsonl"', "datasets = []", "datasets", "names no dataset"),
        ("[[datasets]]", '[[datasets]]\npath = "set.jsonl"\n[[datasets]]', "datasets[0].name", "is missing"),
        ('path = "set.jsonl"', 'path = "no.jsonl"', "datasets[0].path", "no such file"),
        ('path = "set.jsonl"', 'pth = "set.jsonl"', "datasets[0].pth", "did you mean 'path'"),
        ('path = "set.jsonl"', 'path = "set.jsonl"\nreader = "prompt"', "datasets[0].reader", "did you mean 'prompts'"),
        ('path = "set.jsonl"', 'path = "set.jsonl"\nreader = "msvd-eval"', "datasets[0].reader", "reads captions"),
        ('path = "set.jsonl"', 'path = "set.jsonl"\nreader = "table"', "prompt", "a table, whose rows ask nothing"),
        ("repeats = 2", "params = { model = 'x' }", "params.model", "writes this key"),
        ("./rate.md", "./none.md", None, "No such file"),
        ("./rate.md", "raet", "judge.prompt", "no such prompt"),
        ('models = ["simulator/m2", "simulator/j"]', "models = []", "judge.models", "names no model"),
        ('models = ["simulator/m2", "simulator/j"]', "", "judge.models", "is missing"),
        ("[judge]", "[judge]\nrepeats = 101", "judge.repeats", "from 1 to 100"),
        ("[judge]", "[judge]\nparams = { messages = [] }", "judge.params.messages", "writes this key"),
        ("[judge]", "[judge]\nswap = ['a', 'b']", "judge.swap", "unknown key"),
        ("[judge]", "[judges]", "judges", "did you mean 'judge'"),
    ],
)
def test_faults_of_a_spec_name_the_key(tmp_path: Path, old: str, new: str, field: str | None, fault: str) -> None:
    """What is unknown, missing or out of its range is told with its key."""
    assert old in SPEC
    with pytest.raises(InputError) as caught:
        load(tmp_path, SPEC.replace(old, new, 1))
    assert fault in str(caught.value)
    at_spec = None if field is None else str(tmp_path / "night.toml")
    assert (caught.value.file, caught.value.field) == (at_spec or str(tmp_path / "none.md"), field)


@pytest.mark.parametrize(
    ("rate", "field"),
    [
        (RATE.replace('parser = "tagged_integer"\n', ""), "parser"),
        (RATE.replace('"turns", "model"', '"model"').partition("{% for")[0] + "<merit>1-5</merit>", "variables"),
    ],
)
def test_a_judge_s_prompt_has_a_parser_and_sees_the_answer(tmp_path: Path, rate: str, field: str) -> None:
    """A prompt whose answers nobody could read, or that does not show what is rated, is refused with its file."""
    with pytest.raises(InputError) as caught:
        load(tmp_path, rate=rate)
    assert (caught.value.file, caught.value.field) == (str(tmp_path / "rate.md"), field)


def test_a_recorded_spec_asks_the_same(tmp_path: Path) -> None:
    """A job rebuilt from the spec's and the prompts' texts derives the same requests."""
    loaded = load(tmp_path, **prompted([{"topic": "tea"}], judge=True))
    made, items = loaded.job, list(loaded.job.items())
    again = restore_spec(loaded.text, {p.name: p.text for p in loaded.prompts}, PROVIDERS).job
    assert isinstance(again, AskJob)
    assert isinstance(made, AskJob)
    assert {p.name for p in loaded.prompts} == {"asking", "rate"}
    assert InMemoryRun(again, items, answer).run().bodies() == InMemoryRun(made, items, answer).run().bodies()


def test_the_example_runs(work: Workplace) -> None:
    """The shipped spec asks, goes on with its dialogue, judges every answer, and its tables have all of them."""
    assert work.run(source=EXAMPLE).code == 0
    stages = Counter(line["metadata"]["stage"] for line in work.lines(Log.RESPONSES))
    assert stages == {"answer": 18, "judge": 16}
    ended = work.overnight("analyze", work.run_folder, "--json")
    assert ended.code == 0
    means = ended.json["judged"]["means"]
    assert {(row["model"], row["dimension"]) for row in means} == {
        (f"simulator/{model}", dimension)
        for model in ("phi-4", "qwen-max-0919")
        for dimension in ("clarity", "completeness", "overall", "aspect_mean")
    }
    assert all(row["coverage"] == 1 and row["items"] == 8 and 1 <= row["mean"] <= 5 for row in means)
