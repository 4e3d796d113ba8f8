"""The G-VEval job: its requests and its verdicts."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import custom_ids
from jobs.bodies import prompt_metadata
from jobs.gveval import NAME, PROMPTS, GVEvalJob
from jobs.protocol import Answered, Failed, Request, Verdict
from jobs.spec import restore_spec
from outputs.items import Item
from prompts.input_error import InputError
from prompts.records import Completion, Mode, Outcome
from prompts.template import load_prompt
from tests.harness.in_memory import InMemoryRun
from tests.harness.workplace import Workplace

PROMPT = load_prompt("gveval_ref_only_accr")
SHIPPED = {name: load_prompt(name).text for name in PROMPTS.values()}
ITEM = Item(item="vid 1/é", candidate="A dog runs.", references=("a dog", "an animal runs"))
ANSWER = "Accuracy: [[85]]\nCompleteness: [[70]]\nConciseness: [[90]]\nRelevance: [[75]]"


def custom_id(item: str, model: str, version: str) -> str:
    return custom_ids.custom_id(NAME, item, item, model, version)


def build(more: str = "", model: str = "simulator/judge-1", prompts: Mapping[str, str] | None = None) -> GVEvalJob:
    """A job from a spec with some more lines."""
    text = f'job = "gveval"\nmodel = "{model}"\n{more}\n[dataset]\npath = "x.json"\n'
    job = restore_spec(text, prompts or SHIPPED, ["simulator"], name="night").job
    assert isinstance(job, GVEvalJob)
    return job


def nothing_else() -> InMemoryRun:
    return InMemoryRun(build(), [], lambda request: None)


def request(more: str = "", item: Item = ITEM) -> Request:
    (only,) = build(more).start([item])
    return only


def body(more: str = "") -> dict[str, Any]:
    found = request(more).body
    assert isinstance(found, dict)
    return found


def test_one_request_per_item_asks_for_log_probabilities() -> None:
    """The body is a chat completion with log probabilities, one sample at temperature 1."""
    asked = body()
    messages = asked.pop("messages")
    assert asked == {"model": "judge-1", "temperature": 1, "logprobs": True, "top_logprobs": 20, "max_tokens": 800}
    assert messages == [
        {"role": "user", "content": PROMPT.render(candidate=ITEM.candidate, references=ITEM.references)}
    ]
    assert request().provider == "simulator"
    asked_with = {"prompt": f"{PROMPT.name}@{PROMPT.version}", "prompt_sha256": PROMPT.sha256}
    assert request().metadata == {"item": "vid 1/é", "stage": "judge", **asked_with}


def test_params_go_into_every_body() -> None:
    """Parameters override the job's own, and a newer name for the token limit replaces the older one."""
    assert body("params = {temperature = 0.2, user = 'x', n = 1}") | {"messages": []} == {
        "model": "judge-1",
        "messages": [],
        "temperature": 0.2,
        "logprobs": True,
        "top_logprobs": 20,
        "max_tokens": 800,
        "user": "x",
        "n": 1,
    }
    assert body("top_logprobs = 5")["top_logprobs"] == 5
    assert "max_tokens" not in body("params = {max_completion_tokens = 900}")


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ("params = {n = 2}", "params.n"),
        ("params = {logprobs = false}", "params.logprobs"),
        ("params = {top_logprobs = 0}", "params.top_logprobs"),
        ("params = {top_logprobs = 21}", "params.top_logprobs"),
        ("params = {model = 'x'}", "params.model"),
        ("params = {messages = []}", "params.messages"),
        ("params = {stream = true}", "params.stream"),
        ("params = {temperature = nan}", "params.temperature"),
        ("params = {user = 2026-01-01}", "params.user"),
        ("top_logprobs = 4", "top_logprobs"),
        ("top_logprobs = 21", "top_logprobs"),
        ("mode = 'ref-free'", "medium"),
        ("mode = 'combined'", "medium"),
        ("mode = 'free'", "mode"),
        ("mode = 'ref-free'\nmedium = 'film'", "medium"),
        ("mode = 'ref-free'\nmedium = 'picture'\ndetail = 'medium'", "detail"),
        ("mode = 'ref-free'\nmedium = 'picture'\nframes = 3", "frames"),
        ("mode = 'ref-free'\nmedium = 'picture'\nlayout = 'strip'", "layout"),
        ("mode = 'combined'\nmedium = 'clip'\nframes = 0", "frames"),
        ("mode = 'combined'\nmedium = 'clip'\nframes = 65", "frames"),
        ("mode = 'combined'\nmedium = 'clip'\nlayout = 'grid'", "layout"),
        ("medium = 'picture'", "medium"),
        ("detail = 'low'", "detail"),
        ("frames = 3", "frames"),
        ("layout = 'strip'", "layout"),
    ],
)
def test_specs_without_an_expectation_are_refused(more: str, field: str) -> None:
    """What would leave no single answer with log probabilities is an error before the first call."""
    with pytest.raises(InputError) as caught:
        build(more)
    assert caught.value.field == field
    assert "night" in str(caught.value.file)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ("samples = 1", "samples"),
        ("samples = 101", "samples"),
        ("samples = 5\ntop_logprobs = 20", "top_logprobs"),
        ("samples = 5\nparams = {logprobs = true}", "params.logprobs"),
        ("samples = 5\nparams = {top_logprobs = 5}", "params.top_logprobs"),
        ("samples = 5\nparams = {n = 5}", "params.n"),
    ],
)
def test_samples_and_log_probabilities_are_one_or_the_other(more: str, field: str) -> None:
    """Fewer than two samples, too many, or any word of log probabilities beside them is an error that names its key."""
    with pytest.raises(InputError) as caught:
        build(more)
    assert caught.value.field == field


def test_samples_ask_the_same_so_often_without_log_probabilities() -> None:
    """Each caption has its requests together, equal but for id and number; each says of how many it is one."""
    items = [ITEM, Item(item="b", candidate="A cat.", references=("a cat",))]
    asked = list(build("samples = 3").start(items))
    assert len({one.custom_id for one in asked}) == len(asked) == 6
    assert [one.metadata for one in asked] == [
        {"item": item.item, "stage": "judge", "repeat": repeat, "samples": 3, **prompt_metadata(PROMPT)}
        for item in items
        for repeat in range(3)
    ]
    words = [PROMPT.render(candidate=item.candidate, references=item.references) for item in items]
    assert [one.body for one in asked] == [
        {"model": "judge-1", "messages": [{"role": "user", "content": said}], "temperature": 1, "max_tokens": 800}
        for said in words
        for _ in range(3)
    ]


def test_samples_are_read_as_the_integers_that_were_sampled() -> None:
    """An answer to one of several requests has its integers, of mode no_logprobs, and a verdict of its own."""
    job = build("samples = 2")
    run = InMemoryRun(job, [ITEM], lambda request: Completion(ANSWER, "stop")).run()
    assert [verdict.outcome for verdict in run.verdicts] == [Outcome.OK] * 2
    scores = job.read_answer(Completion(ANSWER, "stop")).scores
    assert {(score.sampled, score.mode) for name, score in scores.items() if name == "accuracy"} == {
        (85, Mode.NO_LOGPROBS)
    }


def test_a_judge_without_log_probabilities_is_refused_before_the_first_call(
    work: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the catalog knows to give none is bad input, which names the way out; taken, only the key is missing."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    entry = {"vname": "v", "ref": ["a dog"], "candidate": "A dog.", "human_score": [[5, 4, 3, 2, 3.5]]}
    (work.folder / "data.json").write_text(json.dumps({"one": entry}))
    text = 'job = "gveval"\nmodel = "anthropic/claude-sonnet-4-5"\n{}\n[dataset]\npath = "data.json"\n'
    (work.folder / "s.toml").write_text(text.format(""))
    ended = work.run(source="s.toml")
    assert (ended.code, work.run_folder.exists()) == (2, False)
    assert re.search(r"s\.toml: gveval-one-\w+: body\.logprobs: anthropic gives none for .*samples = n", ended.error)
    (work.folder / "s.toml").write_text(text.format("samples = 2"))
    assert "ANTHROPIC_API_KEY" in work.run(source="s.toml").error


def test_an_unknown_mode_is_told_which_there_are() -> None:
    """The modes that exist are named."""
    with pytest.raises(InputError, match="'both' is not there; there is: ref-only, ref-free, combined"):
        build("mode = 'both'")


def test_a_provider_without_a_model_is_refused() -> None:
    """A slash with nothing behind it names no model."""
    with pytest.raises(InputError, match="names no model"):
        build(model="simulator/")


@pytest.mark.parametrize("variables", ['["references", "candidate", "frames"]', '["candidate"]', "[]"])
def test_a_prompt_for_other_variables_is_refused(variables: str) -> None:
    """A prompt that wants what the job has not, or that leaves the candidate out, is refused by its header."""
    text = PROMPT.text.replace('["references", "candidate"]', variables)
    text = text if "references" in variables else "+++\n" + text.split("+++\n")[1] + "+++\nrate"
    with pytest.raises(InputError) as caught:
        build(prompts={PROMPT.name: text})
    assert caught.value.field == "variables"


def test_a_prompt_for_a_text_is_refused() -> None:
    """A prompt whose answers hold no score grades nothing."""
    text = PROMPT.text.replace('parser = "accr"', 'parser = "tagged_text"')
    text = re.sub(r"dimensions = .*", 'dimensions = ["grade"]', text)
    with pytest.raises(InputError, match="'tagged_text' reads no scores"):
        build(prompts={PROMPT.name: text})


def test_custom_ids_are_the_same_in_every_run() -> None:
    """The id depends on item, model and prompt version alone; this one is fixed for good."""
    assert custom_id("vid1301", "judge-1", "p@1") == custom_id("vid1301", "judge-1", "p@1")
    assert (
        len(
            {
                custom_id(*parts)
                for parts in (("a", "m", "p@1"), ("b", "m", "p@1"), ("a", "n", "p@1"), ("a", "m", "p@2"))
            }
        )
        == 4
    )
    assert request().custom_id.startswith("gveval-vid-1-")


@given(st.text(min_size=1), st.text(min_size=1))
def test_custom_ids_are_safe_and_differ(one: str, other: str) -> None:
    """Any item gives an id of 64 safe characters at most, and other items give other ids."""
    assert re.fullmatch(r"gveval-[A-Za-z0-9_-]{1,57}", custom_id(one, "m", "p"))
    assert (custom_id(one, "m", "p") == custom_id(other, "m", "p")) == (one == other)


@pytest.mark.parametrize(
    ("completion", "outcome"),
    [
        (Completion(ANSWER, "stop"), Outcome.OK),
        (Completion("No idea.", "stop"), Outcome.UNPARSEABLE),
        (Completion(ANSWER[:40], "length"), Outcome.TRUNCATED),
        (Completion(None, "stop", refusal="no"), Outcome.REFUSED),
        (Completion("", "content_filter"), Outcome.FILTERED),
    ],
)
def test_an_answer_gives_its_verdict(completion: Completion, outcome: Outcome) -> None:
    """Every answer is read at once, so that a judge that does not answer is noticed early."""
    settled = Answered(seq=9, custom_id="gveval-a-1", metadata={"item": "a"}, completion=completion)
    assert list(build().on_settled(settled, nothing_else())) == [Verdict("gveval-a-1", outcome)]


def test_a_failure_gives_nothing() -> None:
    """A failed request has no verdict and asks for nothing more."""
    failed = Failed(seq=9, custom_id="gveval-a-1", metadata={}, kind="row_refused", message="no")
    assert list(build().on_settled(failed, nothing_else())) == []


def test_requests_follow_the_items_alone() -> None:
    """The same items give the same requests, in the items' order, read one by one."""
    items = [Item(item=name, candidate=name) for name in "cab"]
    assert [r.custom_id for r in build().start(items)] == [custom_id(n, "judge-1", f"{PROMPT.name}@1.0") for n in "cab"]
    assert list(build().start(items)) == list(build().start(iter(items)))


def test_captions_of_pictures_are_asked_for_one_grade() -> None:
    """Reference-only on a picture's dataset uses the prompt with one overall grade, which its ratings are of."""
    text = 'job = "gveval"\nmodel = "simulator/j"\n[dataset]\npath = "x.json"\nreader = "flickr8k-expert"\n'
    job = restore_spec(text, SHIPPED, ["simulator"]).job
    assert isinstance(job, GVEvalJob)
    assert (job.prompt.name, job.read_answer.dimensions) == ("gveval_ref_only", ("overall", "average"))
