"""From a request to its lane, and the fingerprint of what is sent."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.input_error import InputError
from providers.catalog import Catalog
from providers.protocols.paths import CHAT
from providers.provider import Facts, Provider
from providers.routing import fingerprint, route

CATALOG = Catalog(
    {
        "lab": Provider(
            protocol="openai", base_url="http://h/v1", models=("m*",), facts={"m-silent": Facts(logprobs=False)}
        ),
        "other": Provider(protocol="openai", base_url="http://o/v1"),
    }
)
MESSAGES: list[dict[str, Any]] = [{"role": "user", "content": "hi"}]


def encoded(**keys: Any) -> bytes:
    return json.dumps({"model": "m", "messages": MESSAGES, **keys}).encode()


def field_of(body: bytes, url: str = CHAT, provider: str | None = None) -> str | None:
    with pytest.raises(InputError) as caught:
        route(url, provider, body, CATALOG)
    assert caught.value.message
    return caught.value.field


def test_a_request_goes_where_its_model_does() -> None:
    """Without a provider the model's name decides; the body is kept to the byte."""
    body = b' {"model":"m1",  "messages":[{}]}'
    routed = route(CHAT, None, body, CATALOG)
    assert (routed.provider, routed.model, routed.body) == ("lab", "m1", body)


def test_a_provider_that_is_named_is_taken() -> None:
    """The request's own provider wins over what the model's name would say."""
    assert route(CHAT, "other", encoded(), CATALOG).provider == "other"
    assert route(CHAT, "other", encoded(model="anything"), CATALOG).model == "anything"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"[]", "body"),
        (b'"x"', "body"),
        (encoded(model=None), "body.model"),
        (encoded(model=" "), "body.model"),
        (encoded(model="unknown"), "body.model"),
        (encoded(messages=None), "body.messages"),
        (encoded(messages=[]), "body.messages"),
        (encoded(messages=[1]), "body.messages[0]"),
        (encoded(stream=True), "body.stream"),
        (encoded(stream="no"), "body.stream"),
        (encoded(model="m-silent", logprobs=True), "body.logprobs"),
        (encoded(logprobs=5), "body.logprobs"),
        (encoded(n=-1), "body.n"),
        (encoded(max_tokens=1.5), "body.max_tokens"),
        (encoded(max_completion_tokens="many"), "body.max_completion_tokens"),
        (encoded(max_tokens=10**30), "body.max_tokens"),
        (encoded(x=0).replace(b"0", b"[" * 100_000 + b"]" * 100_000), "body"),
        (encoded(x=0).replace(b"0", b"[" * 400 + b"]" * 400), "body"),
    ],
)
def test_what_cannot_be_sent_names_its_field(body: bytes, field: str) -> None:
    """Each fault of a body names the field by its path."""
    assert field_of(body) == field


@pytest.mark.parametrize(
    "body",
    [
        encoded(stream=False),
        encoded(stream=None, logprobs=None, n=None, max_tokens=None),
        encoded(model="m-silent", logprobs=False),
        encoded(logprobs=True, top_logprobs=20),
        encoded(max_tokens=1, max_completion_tokens=10**9, n=128),
        encoded(anything={"deep": [[[]]]}),
    ],
)
def test_what_can_be_sent_is(body: bytes) -> None:
    """Fields that say nothing amiss pass, and so do keys that nobody here knows."""
    assert route(CHAT, None, body, CATALOG).body == body


def test_a_url_or_a_provider_that_is_not_there_names_its_field() -> None:
    """An unknown path and an unknown provider are told apart from the body's faults."""
    assert field_of(encoded(), url="/v1/moderations") == "url"
    assert field_of(encoded(), url="") == "url"
    assert field_of(encoded(), provider="labb") == "provider"


# Fingerprints


def of(body: bytes, provider: str = "lab", url: str = CHAT) -> str:
    return fingerprint(provider, url, body)


def test_white_space_and_escapes_make_no_difference() -> None:
    """One value, however it is spaced and escaped, has one fingerprint."""
    value: dict[str, Any] = {"model": "m", "text": "ü \u2028 😀 /", "n": [1, 2.5, -3e10, True, None, {}]}
    spellings = [
        json.dumps(value).encode(),
        json.dumps(value, ensure_ascii=False).encode(),
        json.dumps(value, indent=4).replace("\n", "\r\n").encode(),
        json.dumps(value, separators=(",", ":")).replace("/", r"\/").encode(),
    ]
    assert len({of(body) for body in spellings}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a":1,"b":2}', b'{"b":2,"a":1}'),
        (b'{"a":1}', b'{"a":1.0}'),
        (b'{"a":1}', b'{"a":"1"}'),
        (b'{"a":"x"}', b'{"a":"x "}'),
        (b'{"a":null}', b"{}"),
        (b'{"a":123456789012345678901234567890}', b'{"a":123456789012345678901234567891}'),
        (b'{"a":1.00000000000000000001}', b'{"a":1.00000000000000000002}'),
        (b'{"a":1e999}', b'{"a":1e998}'),
        (b'{"a":[[]]}', b'{"a":[]}'),
    ],
)
def test_another_value_has_another_fingerprint(one: bytes, other: bytes) -> None:
    """Order of keys, types, white space in texts and every digit of a number count."""
    assert of(one) != of(other)


def test_provider_url_and_media_count() -> None:
    """The same body sent elsewhere, or with another picture, is another request; parts do not run into each other."""
    body = b"{}"
    found = {
        of(body),
        of(body, provider="other"),
        of(body, url="/v1/x"),
        of(body, provider="lab/", url=CHAT[1:]),
        fingerprint("lab", CHAT, body, ["a"]),
        fingerprint("lab", CHAT, body, ["a", "b"]),
        fingerprint("lab", CHAT, body, ["ab"]),
    }
    assert len(found) == 7


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, json_values)
def test_fingerprints_agree_exactly_where_values_do(one: Any, other: Any) -> None:
    """Two bodies share a fingerprint if and only if they serialise to the same dense text."""
    same = json.dumps(one) == json.dumps(other)
    assert (of(json.dumps(one).encode()) == of(json.dumps(other, indent=1).encode())) == same


def test_a_fingerprint_does_not_change_between_versions() -> None:
    """Old run folders stay valid: the fingerprint of a plain body is what it always was."""
    assert of(b'{"model":"m","messages":[]}') == "03b9d4be12092e1f676656e46e22f12d"
