"""The simulator's answers as pure functions: plain text, judgements, log probabilities, overlap."""

import math
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.simulator.answer import answer
from providers.simulator.chat import BadBodyError, read_chat, read_json
from providers.simulator.overlap import overlap
from providers.simulator.slots import Slot, score_slots, tagged
from providers.simulator.tokens import Choice, SimulatedAnswer, split

JUDGE_PROMPT = """Grade the caption in the <candidate> tag.
{references}
<candidate>{candidate}</candidate>
End with these lines:
- Accuracy: [[0-100]]
- Completeness: [[0-100]]
- Conciseness: [[0-100]]
- Relevance: [[0-100]]
"""


def ask(seed: int = 0, mean_tokens: int = 64, **body: Any) -> SimulatedAnswer:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], **body}
    body_digest, value = read_json(orjson.dumps(body))
    return answer(seed, read_chat(value), body_digest, mean_tokens)


def judge_body(candidate: str, *references: str, **body: Any) -> dict[str, Any]:
    tags = "\n".join(f"<reference>{reference}</reference>" for reference in references)
    prompt = JUDGE_PROMPT.format(references=tags, candidate=candidate)
    return {"messages": [{"role": "user", "content": prompt}], **body}


def scores(choice: Choice) -> dict[str, int]:
    lines = [line.partition(": [[") for line in choice.text.splitlines() if line.endswith("]]")]
    return {label: int(score.removesuffix("]]")) for label, _, score in lines}


def test_equal_seed_and_body_give_an_equal_answer() -> None:
    """An answer depends on the seed and the body, not on how the body's JSON is spelled."""
    spelled = b'{"model":"m","n":2,"messages":[{"role":"user","content":"Hi"}]}'
    otherwise = b'{ "messages": [{"content": "Hi", "role": "user"}], "n": 2, "model": "m" }'
    (one, first), (two, second) = read_json(spelled), read_json(otherwise)
    assert one == two
    assert answer(7, read_chat(first), one) == answer(7, read_chat(second), two)


@pytest.mark.parametrize("changed", [{"seed": 1}, {"model": "other"}, {"temperature": 0.5}])
def test_another_seed_or_body_gives_another_answer(changed: dict[str, Any]) -> None:
    """Any change of the seed or the body changes the answer."""
    assert ask(**changed) != ask()


def test_choices_differ() -> None:
    """Each of `n` choices has a text of its own."""
    assert len({choice.text for choice in ask(n=5).choices}) == 5


def test_plain_length_follows_the_mean() -> None:
    """Plain answers have about the asked number of tokens."""
    lengths = [ask(seed, mean_tokens=40).completion_tokens for seed in range(200)]
    assert 36 < sum(lengths) / len(lengths) < 52
    assert min(lengths) >= 20


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_a_long_answer_is_cut(field: str) -> None:
    """An answer longer than allowed ends at the limit with finish reason `length`; others end with `stop`."""
    [cut] = ask(**{field: 5}).choices
    [whole] = ask(**{field: 5000}).choices
    assert (len(cut.tokens), cut.finish_reason) == (5, "length")
    assert whole.finish_reason == "stop"


@given(count=st.integers(0, 20), seed=st.integers(0, 1000), judged=st.booleans())
@settings(max_examples=40, deadline=None)
def test_log_probabilities_are_probabilities(count: int, seed: int, judged: bool) -> None:
    """Each position lists no more alternatives than asked: distinct, falling, the sampled one too, at most 1 in sum."""
    body = judge_body("a dog runs", "a dog runs fast") if judged else {}
    [choice] = ask(seed, logprobs=True, top_logprobs=count, **body).choices
    for token in choice.tokens:
        listed = token.alternatives
        assert min(count, 1) <= len(listed) <= count
        assert len(listed) == len({text for text, _ in listed})
        assert [logprob for _, logprob in listed] == sorted((logprob for _, logprob in listed), reverse=True)
        assert count == 0 or (token.text, token.logprob) in listed
        assert sum(math.exp(logprob) for _, logprob in listed) <= 1
        assert token.logprob < 0


def test_a_score_is_one_token_among_its_neighbours() -> None:
    """A judge's score stands alone between ` [[` and `]]`, and most of its alternatives are integers of the scale."""
    [choice] = ask(logprobs=True, top_logprobs=20, **judge_body("a dog runs", "a dog runs")).choices
    texts = [token.text for token in choice.tokens]
    at = texts.index(" [[") + 1
    assert texts[at].isdigit()
    assert texts[at + 1] == "]]"
    integers = [int(text) for text, _ in choice.tokens[at].alternatives if text.isdigit()]
    mass = sum(math.exp(logprob) for text, logprob in choice.tokens[at].alternatives if text.isdigit())
    assert all(0 <= integer <= 100 for integer in integers)
    assert len(integers) > 5
    assert 0.9 < mass < 1


def test_a_copy_scores_above_an_unrelated_text() -> None:
    """In every dimension and for every seed, a reference's copy is scored above a text that shares no word with it."""
    reference = "a man slices a red onion on a wooden board"
    for seed in range(30):
        [copied] = ask(seed, **judge_body(reference, "someone cooks", reference)).choices
        [unrelated] = ask(seed, **judge_body("two cars race through fog while crowds cheer", reference)).choices
        high, low = scores(copied), scores(unrelated)
        assert list(high) == list(low) == ["Accuracy", "Completeness", "Conciseness", "Relevance"]
        assert all(high[label] > low[label] for label in high)


def test_scores_follow_the_overlap() -> None:
    """The more of the reference a caption has, the higher its completeness, and the fewer stray words, its accuracy."""
    reference = "a small brown dog jumps over the wooden fence"
    cut = [scores(ask(**judge_body(reference[:end], reference)).choices[0])["Completeness"] for end in (11, 23, 45)]
    padded = [
        scores(ask(**judge_body(reference + " xx yy zz" * times, reference)).choices[0])["Accuracy"]
        for times in (4, 1, 0)
    ]
    assert cut == sorted(cut)
    assert padded == sorted(padded)
    assert cut[-1] - cut[0] > 30
    assert padded[-1] - padded[0] > 30


def test_scores_of_one_judge_vary_over_samples() -> None:
    """Choices of one judgement sample from one distribution: equal alternatives, not always an equal score."""
    body = judge_body("a dog sits by a door", "a dog runs", n=16, logprobs=True, top_logprobs=10)
    choices = ask(**body).choices
    assert len({scores(choice)["Relevance"] for choice in choices}) > 1
    best = {max(token.alternatives, key=lambda pair: pair[1]) for choice in choices for token in _score_tokens(choice)}
    assert len(best) <= 4


def _score_tokens(choice: Choice) -> list[Any]:
    return [token for before, token in zip(choice.tokens, choice.tokens[1:], strict=False) if before.text == " [["]


def test_other_tags_have_their_last_two_blocks_compared() -> None:
    """A prompt that compares two answers in tags of its own is judged by their overlap, on its own scale."""
    prompt = "<question>Why?</question><first>{}</first><second>{}</second>\nOverall similarity: [[1-5]]"
    alike = ask(messages=[{"role": "user", "content": prompt.format("rain falls hard", "rain falls hard")}])
    apart = ask(messages=[{"role": "user", "content": prompt.format("rain falls hard", "why not dance")}])
    assert scores(alike.choices[0]) == {"Overall similarity": 5}
    assert scores(apart.choices[0]) == {"Overall similarity": 1}


@pytest.mark.parametrize("content", ["Score: [[0-100]]", "<candidate>a cat</candidate>\nScore: [[0-100]]"])
def test_without_references_scores_are_drawn(content: str) -> None:
    """Where there is nothing to compare with, scores spread over the scale by seed."""
    drawn = [
        scores(ask(seed, messages=[{"role": "user", "content": content}]).choices[0])["Score"] for seed in range(60)
    ]
    assert min(drawn) < 25
    assert max(drawn) > 75


def test_slots_are_read_from_all_messages_and_tags_from_the_last_user_message() -> None:
    """The instructions may stand in the system message, and content may come in parts beside a picture."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    text = {"type": "text", "text": "<reference>a red kite</reference><candidate>a red kite</candidate>"}
    messages = [
        {"role": "system", "content": "End with `Score: [[0-10]]`."},
        {"role": "user", "content": "<candidate>nothing</candidate><reference>else</reference>"},
        {"role": "assistant", "content": "Score: [[1]]"},
        {"role": "user", "content": [picture, text]},
    ]
    assert scores(ask(messages=messages).choices[0])["Score"] >= 9


@pytest.mark.parametrize(
    ("prompt", "slots"),
    [
        ("Score: [[0-100]]", [Slot("Score", 0, 100)]),
        ("1. Content Detail: [[1-5]] or so", [Slot("Content Detail", 1, 5)]),
        ("* **Logical Structure**: [[1 - 5]]", [Slot("Logical Structure", 1, 5)]),
        ("write `Overall: [[-5-5]]` last", [Slot("Overall", -5, 5)]),
        ("A: [[0-1]]\nA: [[0-2]]\nB: [[0-1]]", [Slot("A", 0, 1), Slot("B", 0, 1)]),
        ("Score: [[85]]\nScore: [0-100]\nScore: [[9-1]]\n[[0-100]]", []),
    ],
)
def test_slots(prompt: str, slots: list[Slot]) -> None:
    """A slot is a label, a colon and a range in double brackets; list marks and emphasis do not belong to the label."""
    assert score_slots(prompt) == slots


def test_tags_that_are_only_mentioned_are_none() -> None:
    """A tag without its end is no tag, and the innermost pair counts."""
    assert tagged("in <candidate> stands <candidate>a cat</candidate> or <candidate>", "candidate") == ["a cat"]


@given(st.text())
def test_split_loses_nothing(text: str) -> None:
    """The tokens of a text, joined, are the text."""
    assert "".join(split(text)) == text


@given(st.text(), st.text())
def test_overlap_is_a_share(one: str, other: str) -> None:
    """Every measure of overlap is from 0 to 1, and precision one way is recall the other way."""
    forth, back = overlap(one, other), overlap(other, one)
    assert all(0 <= share <= 1 for share in (forth.precision, forth.recall, forth.f1, forth.length_ratio))
    assert (forth.precision, forth.recall) == (back.recall, back.precision)


def test_overlap_counts_han_characters() -> None:
    """Texts without spaces overlap by character."""
    assert overlap("一只狗在跑", "一只狗").precision == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        (b"{", None),
        (b"[1]", None),
        (b'{"messages":[{"role":"user","content":"x"}]}', "model"),
        (b'{"model":"m"}', "messages"),
        (b'{"model":"m","messages":[]}', "messages"),
        (b'{"model":"m","messages":[{"role":"user","content":1}]}', "messages"),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}],"n":0}', "n"),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}],"top_logprobs":5}', "top_logprobs"),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}],"logprobs":true,"top_logprobs":21}', "top_logprobs"),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true}', "stream"),
    ],
)
def test_bad_bodies_name_the_field(raw: bytes, param: str | None) -> None:
    """A body that is no chat request is refused, and the refusal names the field at fault."""
    with pytest.raises(BadBodyError) as caught:
        read_chat(read_json(raw)[1])
    assert caught.value.param == param


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """No body makes the reading fail in any other way."""
    try:
        read_chat(read_json(raw)[1])
    except BadBodyError:
        pass


def test_deep_nesting_is_read() -> None:
    """A body nested deeper than can be written back is still digested and refused, not an internal error."""
    assert isinstance(read_json(b"[" * 500 + b"]" * 500)[1], BadBodyError)
