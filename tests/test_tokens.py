"""Counting tokens without a network: which vocabulary, how many, and what can be promised as the most."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from providers import vocabulary
from providers.tokens import (
    MEDIUM_TOKENS,
    count_body,
    count_tokens,
    encoding_name,
    is_openai_model,
    upper_bound_tokens,
)
from providers.vocabulary import cache_folder, load_encoding

O200K = "fb374d419588a4632f3f557e76b4b70aebbca790"


def body(*messages: dict[str, Any], **keys: Any) -> bytes:
    return json.dumps({"model": "gpt-4o", "messages": list(messages), **keys}).encode()


def user(content: Any, **keys: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **keys}


@pytest.fixture
def no_vocabulary(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine on which no vocabulary is to be had."""
    monkeypatch.setattr(vocabulary, "_FILES", {})
    load_encoding.cache_clear()
    yield
    load_encoding.cache_clear()


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o", "o200k_base"),
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("gpt-4.1-mini", "o200k_base"),
        ("gpt-4.5", "o200k_base"),
        ("gpt-5.2-pro", "o200k_base"),
        ("o3", "o200k_base"),
        ("o4-mini", "o200k_base"),
        ("chatgpt-4o-latest", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo-2024-04-09", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("gpt-35-turbo-16k", "cl100k_base"),
        ("ft:gpt-4.1-mini-2025-04-14:team::id", "o200k_base"),
        ("ft:gpt-4o:team::id", "o200k_base"),
        ("ft:gpt-3.5-turbo:team::id", "cl100k_base"),
        ("gpt-oss-120b", None),
        ("gpt2", None),
        ("claude-3-5-sonnet-20241022", None),
        ("o2k-other", None),
        ("olmo-2", None),
    ],
)
def test_each_model_has_its_vocabulary(model: str, encoding: str | None) -> None:
    """OpenAI's models are known by name, tuned ones by the model beneath; another's model has no vocabulary."""
    assert encoding_name(model) == encoding
    assert is_openai_model(model) == (encoding is not None)


def test_a_model_to_come_has_no_vocabulary_yet() -> None:
    """A name that looks like OpenAI's, and that nobody knows, is counted by no other model's vocabulary."""
    assert is_openai_model("gpt-9")
    assert encoding_name("gpt-9") is None
    assert count_tokens("gpt-9", body(user("hello"))) is None


def test_the_count_is_the_published_one() -> None:
    """The known tokens of a text, 3 around each message, 1 for a name and 3 to begin the answer."""
    encoding = load_encoding("o200k_base")
    assert encoding is not None
    assert encoding.encode_ordinary("hello world") == [24912, 2375]
    assert count_tokens("gpt-4o", body(user("hello world"))) == 2 + 1 + 3 + 3
    assert count_tokens("gpt-4o", body(user("hello world", name="bob"))) == 2 + 1 + 3 + 3 + 1 + 1
    parts = [{"type": "text", "text": "hello world"}, {"type": "text", "text": "hello world"}]
    assert count_tokens("gpt-4o", body(user(parts), user(None))) == 4 + 2 + 6 + 3


def test_the_cookbook_example() -> None:
    """The six messages of OpenAI's cookbook have the numbers of tokens that its API reported for them."""
    system = "You are a helpful, pattern-following assistant that translates corporate jargon into plain English."
    messages = [
        {"role": "system", "content": system},
        {"role": "system", "name": "example_user", "content": "New synergies will help drive top-line growth."},
        {
            "role": "system",
            "name": "example_assistant",
            "content": "Things working well together will increase revenue.",
        },
        {
            "role": "system",
            "name": "example_user",
            "content": "Let's circle back when we have more bandwidth to touch base on opportunities for "
            "increased leverage.",
        },
        {
            "role": "system",
            "name": "example_assistant",
            "content": "Let's talk later when we're less busy about how to do better.",
        },
        {
            "role": "user",
            "content": "This late pivot means we don't have time to boil the ocean for the client deliverable.",
        },
    ]
    assert count_tokens("gpt-4", body(*messages)) == 129
    assert count_tokens("gpt-4o", body(*messages)) == 124


def test_a_picture_counts_as_a_guess_and_is_said() -> None:
    """A picture has the tokens of a usual one, is counted as unsure, and leaves no bound."""
    asked = body(
        user([{"type": "text", "text": "hello"}, {"type": "image_url", "image_url": {"url": "data:" + "A" * 9000}}])
    )
    counted = count_body(asked, "o200k_base")
    assert counted is not None
    assert (counted.media, counted.tokens) == (1, MEDIUM_TOKENS + 8)
    assert 0 < counted.unsure < MEDIUM_TOKENS
    assert upper_bound_tokens("gpt-4o", asked) is None


@pytest.mark.parametrize(
    "asked",
    [
        body(user([{"type": "input_audio", "input_audio": {"data": "AAAA"}}])),
        body(user([{"type": "file", "file": {"file_id": "f"}}])),
        body({"role": "assistant", "audio": {"id": "a"}}),
        body(user("news?"), web_search_options={}),
        b'{"messages": 5}',
        b"[]",
        b"no JSON",
    ],
)
def test_no_bound_where_none_is_known(asked: bytes) -> None:
    """Sound, files, a search of the web, or what is no chat body have no bound, rather than a wrong one."""
    assert upper_bound_tokens("gpt-4o", asked) is None


def test_another_models_tokens_have_no_bound() -> None:
    """A vocabulary says nothing of a model that has another."""
    assert upper_bound_tokens("llama-3.1-70b", body(user("hello"))) is None


TEXTS = st.text(max_size=200) | st.sampled_from(
    ["<|endoftext|>", " " * 90, "日本語" * 20, "\ud7ff\U0001f600", "a\n\n\t b"]
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": TEXTS | st.none()},
        optional={"name": TEXTS, "tool_call_id": TEXTS, "refusal": TEXTS},
    ),
    min_size=1,
    max_size=6,
)
TOOLS = st.lists(
    st.fixed_dictionaries(
        {"type": st.just("function"), "function": st.fixed_dictionaries({"name": TEXTS, "description": TEXTS})}
    ),
    max_size=3,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(messages=MESSAGES, tools=TOOLS, model=st.sampled_from(["gpt-4o", "gpt-4", "ft:gpt-4.1-mini:x::y"]))
@example(messages=[], tools=[], model="gpt-4o")
def test_the_bound_is_never_below_the_count(messages: list[dict[str, Any]], tools: list[Any], model: str) -> None:
    """Whatever is asked, the most that is promised is at least the count, and little beyond a token a byte."""
    asked = body(*messages, tools=tools)
    counted, most = count_tokens(model, asked), upper_bound_tokens(model, asked)
    assert counted is not None
    assert most is not None
    assert counted < most <= len(asked) + 64 + 30 * len(messages) + 80 * len(tools) + 16


@pytest.mark.parametrize("text", [" " * 1_000_000, "a" * 120_000, "word " * 30_000])
def test_a_very_long_text_is_counted_all_the_same(text: str) -> None:
    """A run of characters that would end the tokenizer is counted in pieces, and its bound holds."""
    asked = body(user(text))
    counted, most = count_tokens("gpt-4o", asked), upper_bound_tokens("gpt-4o", asked)
    assert counted is not None
    assert most is not None
    assert 3 < counted < most < len(text)


def test_without_a_vocabulary_there_is_no_count(no_vocabulary: None) -> None:
    """No vocabulary: no count and no bound, but an estimate by bytes."""
    asked = body(user("hello world!"))
    assert count_tokens("gpt-4o", asked) is None
    assert upper_bound_tokens("gpt-4o", asked) is None
    counted = count_body(asked, None)
    assert counted is not None
    assert counted.tokens == 3 + 1 + 3 + 3


COUNT = """
import socket
def shut(*_, **__): raise SystemExit("the network was tried")
socket.socket.connect = shut
socket.getaddrinfo = shut
from providers.tokens import count_tokens
print(count_tokens("gpt-4o", b'{"messages":[{"role":"user","content":"hello world"}]}'))
"""


def count_elsewhere(home: Path, monkeypatch: pytest.MonkeyPatch, cache: Path | None = None) -> str:
    """What another process with this home counts, its sockets shut."""
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    if cache is not None:
        monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(cache))
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", COUNT], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout.strip() + done.stderr


def test_the_vocabulary_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first count unpacks into the user's cache, the next one finds it there; a damaged one is made anew."""
    kept = tmp_path / ".cache" / "overnight" / "tiktoken" / O200K
    assert count_elsewhere(tmp_path, monkeypatch) == "9"
    before = kept.stat()
    assert count_elsewhere(tmp_path, monkeypatch) == "9"
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    right = hashlib.sha256(kept.read_bytes()).hexdigest()
    kept.write_bytes(b"damaged")
    assert count_elsewhere(tmp_path, monkeypatch) == "9"
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == right
    assert list(kept.parent.iterdir()) == [kept]


def test_a_home_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the cache cannot be made, it is counted all the same, and nothing stays behind."""
    home = tmp_path / "home"
    home.write_bytes(b"a file, where nobody can make a folder")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert count_elsewhere(home, monkeypatch) == "9"
    assert list(tmp_path.iterdir()) == [home]


def test_the_users_own_vocabularies_are_used_and_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A right file in TIKTOKEN_CACHE_DIR is used; a wrong one stays as it is, and ours is used."""
    count_elsewhere(tmp_path, monkeypatch)
    own = tmp_path / "own"
    own.mkdir()
    ours = tmp_path / ".cache"
    (ours / "overnight" / "tiktoken" / O200K).rename(own / O200K)
    ours.joinpath("overnight", "tiktoken").rmdir()
    assert count_elsewhere(tmp_path, monkeypatch, cache=own) == "9"
    assert not (ours / "overnight" / "tiktoken").exists()
    (own / O200K).write_bytes(b"wrong")
    assert count_elsewhere(tmp_path, monkeypatch, cache=own) == "9"
    assert (own / O200K).read_bytes() == b"wrong"


def test_the_cache_follows_the_users_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG_CACHE_HOME moves the cache, unless it is no whole path."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "overnight" / "tiktoken"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "overnight" / "tiktoken"
