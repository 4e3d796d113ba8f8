"""The G-VEval job: its requests and its verdicts."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import custom_ids
from jobs.gveval import NAME, PROMPTS, GVEvalJob
from jobs.protocol import Answered, Failed, Request, Verdict
from jobs.spec import restore_spec
from outputs.items import Item
from prompts.input_error import InputError
from prompts.records import Completion, Outcome
from prompts.template import load_prompt
from tests.harness.in_memory import InMemoryRun

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
