"""From chat completions to the other tongues: the protocols' strict readers accept it, and nothing is lost."""

import json
import math
import re
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.input_error import InputError
from providers.adapters import make_adapter
from providers.protocols.chat_body import Chat
from providers.protocols.paths import CHAT
from providers.provider import Provider
from tests.harness import strict_anthropic, strict_gemini
from tests.harness.chat_bodies import DATA_URL, Saying, messages, schema_formats, tools, what_is_said

PROTOCOLS = ("anthropic", "gemini")
_shares = st.floats(0, 1)
_penalties = st.floats(-2, 2)
_stops = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5).filter(str.strip)
_counts = st.integers(1, 10**6)
_nothing: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {"n": 1},
        {"stream": False},
        {"store": None},
        {"logit_bias": {}},
        {"modalities": ["text"]},
        {"logprobs": False},
    ]
)
EFFORTS = {
    "anthropic": ("none", "low", "medium", "high", "xhigh", "max"),
    "gemini": ("none", "minimal", "low", "medium", "high", "xhigh"),
}


def encoded(protocol: str, body: dict[str, Any] | bytes) -> bytes:
    adapter = make_adapter(Provider(protocol=protocol), "m-1", "http://host", None)
    return adapter.encode(CHAT, body if isinstance(body, bytes) else msgspec.json.encode(body)).body


def optional(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={name: st.none() | values for name, values in strategies.items()})


def merged(*parts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for part in parts for key, value in part.items()}


@st.composite
def sayable(draw: st.DrawFn, protocol: str) -> dict[str, Any]:
    """A body that the protocol has words for."""
    anthropic = protocol == "anthropic"
    urls = st.sampled_from([DATA_URL, "https://host/a.png"]) if anthropic else st.just(DATA_URL)
    common = optional(
        top_p=_shares,
        top_k=_counts,
        stop=_stops | st.lists(_stops, max_size=5),
        temperature=_shares if anthropic else st.floats(0, 2),
        reasoning_effort=st.sampled_from(EFFORTS[protocol]),
        service_tier=st.sampled_from(["auto", "default"]),
        response_format=schema_formats(),
        **{draw(st.sampled_from(["max_tokens", "max_completion_tokens"])): _counts},
    )
    own = optional(user=st.just("u-1")) if anthropic else _only_gemini()
    said = draw(messages(urls))
    asked_tools = draw(tools(st.none() | st.booleans() if anthropic else st.sampled_from([None, False])))
    return {"model": "m-1", "messages": said, **merged(draw(_nothing), draw(common), draw(own), asked_tools)}


def _only_gemini() -> st.SearchStrategy[dict[str, Any]]:
    logprobs: st.SearchStrategy[dict[str, Any]] = st.integers(0, 20).map(
        lambda most: {"logprobs": True, "top_logprobs": most}
    )
    rest = optional(
        n=st.integers(1, 8),
        seed=st.integers(-(2**31), 2**31 - 1),
        presence_penalty=_penalties,
        frequency_penalty=_penalties,
    )
    return st.builds(merged, rest, st.builds(dict) | logprobs)


def said_to_anthropic(request: strict_anthropic.Request) -> list[Saying]:
    system = [request.system] if isinstance(request.system, str) else [part.text for part in request.system or ()]
    said: list[Saying] = [("system", "text", text) for text in system]
    names: dict[str, str] = {}
    for message in request.messages:
        side = "user" if isinstance(message, strict_anthropic.User) else "assistant"
        blocks = [strict_anthropic.Text(message.content)] if isinstance(message.content, str) else message.content
        said.extend(_anthropic_saying(side, block, names) for block in blocks)
    return said


def _anthropic_saying(side: str, block: Any, names: dict[str, str]) -> Saying:
    match block:
        case strict_anthropic.Text(text):
            return (side, "text", text)
        case strict_anthropic.Image(strict_anthropic.Base64(media_type, data)):
            return (side, "picture", f"data:{media_type};base64,{data}")
        case strict_anthropic.Image(strict_anthropic.Url(url)):
            return (side, "picture", url)
        case strict_anthropic.ToolUse(id, name, arguments):
            names[id] = name
            return (side, "call", id, name, arguments)
    return (side, "result", block.tool_use_id, names[block.tool_use_id], block.content)


def said_to_gemini(request: strict_gemini.Request) -> list[Saying]:
    system = request.system_instruction
    said: list[Saying] = [("system", "text", part.text) for part in (system.parts if system is not None else ())]
    for content in request.contents:
        side = {"user": "user", "model": "assistant"}[content.role]
        for part in content.parts:
            if part.text is not None:
                said.append((side, "text", part.text))
            elif part.inline_data is not None:
                said.append((side, "picture", f"data:{part.inline_data.mime_type};base64,{part.inline_data.data}"))
            elif (call := part.function_call) is not None:
                said.append((side, "call", call.id, call.name, call.args))
            elif (result := part.function_response) is not None:
                said.append((side, "result", result.id, result.name, result.response["output"]))
    return said


def stops_of(body: dict[str, Any]) -> list[str]:
    stop = body.get("stop") or []
    return [stop] if isinstance(stop, str) else stop


def schema_asked(body: dict[str, Any]) -> Any:
    asked = body.get("response_format")
    return asked and asked["json_schema"]["schema"]


def functions_asked(body: dict[str, Any]) -> list[tuple[str, str, Any]]:
    functions = [tool["function"] for tool in body.get("tools", ())]
    empty = {"type": "object", "properties": {}}
    return [(f["name"], f.get("description") or "", f.get("parameters") or empty) for f in functions]


def number(body: dict[str, Any], name: str, default: float | None = None) -> Any:
    """A number of the body; None where it is the default, which need not be said."""
    return None if body.get(name) == default else body.get(name)


@given(sayable("anthropic"))
def test_anthropics_reader_takes_what_is_written_and_finds_all_of_it(body: dict[str, Any]) -> None:
    """A strict reader of messages accepts every translation; texts, pictures, calls, numbers and schemas are in it."""
    request = strict_anthropic.read_request(encoded("anthropic", body))
    assert said_to_anthropic(request) == what_is_said(body)
    assert request.model == "m-1"
    assert request.max_tokens == (body.get("max_tokens") or body.get("max_completion_tokens") or 4096)
    assert request.temperature == number(body, "temperature", 1)
    assert request.top_p == number(body, "top_p", 1)
    assert request.top_k == body.get("top_k")
    assert request.stop_sequences == stops_of(body)
    assert [(t.name, t.description or "", t.input_schema) for t in request.tools] == functions_asked(body)
    assert (request.tool_choice is None) == (body.get("tool_choice") is None)
    config = request.output_config or strict_anthropic.OutputConfig()
    assert (config.format and config.format.schema) == schema_asked(body)
    effort = "none" if request.thinking is not None else config.effort
    assert effort == body.get("reasoning_effort")
    assert (request.metadata and request.metadata.user_id) == body.get("user")
    assert (request.service_tier == "standard_only") == (body.get("service_tier") == "default")


@given(sayable("gemini"))
def test_geminis_reader_takes_what_is_written_and_finds_all_of_it(body: dict[str, Any]) -> None:
    """A strict reader of generateContent accepts every translation; all that was asked is in it."""
    request = strict_gemini.read_request(encoded("gemini", body))
    config = request.generation_config
    assert said_to_gemini(request) == what_is_said(body)
    assert config.max_output_tokens == (body.get("max_tokens") or body.get("max_completion_tokens"))
    assert (config.temperature, config.top_p, config.top_k) == (
        body.get("temperature"),
        body.get("top_p"),
        body.get("top_k"),
    )
    assert (config.presence_penalty, config.frequency_penalty) == (
        number(body, "presence_penalty", 0),
        number(body, "frequency_penalty", 0),
    )
    assert (config.seed, config.candidate_count) == (body.get("seed"), body.get("n"))
    assert bool(config.response_logprobs) == bool(body.get("logprobs"))
    assert (config.logprobs or 0) == (body.get("top_logprobs") or 0)
    assert config.stop_sequences == stops_of(body)
    declared = [f for tool in request.tools for f in tool.function_declarations]
    empty = {"type": "object", "properties": {}}
    found = [(f.name, f.description or "", f.parameters_json_schema or empty) for f in declared]
    assert found == functions_asked(body)
    assert (request.tool_config is None) == (body.get("tool_choice") is None)
    assert config.response_json_schema == schema_asked(body)
    thinking = config.thinking_config or strict_gemini.ThinkingConfig()
    effort = "none" if thinking.thinking_budget == 0 else thinking.thinking_level and thinking.thinking_level.lower()
    assert effort == body.get("reasoning_effort")
    assert request.service_tier == ("standard" if body.get("service_tier") == "default" else None)


_odd_json = (
    '[null,true,false,0,1,-1,2,1.5,100000000000000000000,"","x",[],[""],["x"],{},{"type":"text"},{"x":1},[{}],[null]]'
)
_odd_values: st.SearchStrategy[Any] = st.sampled_from(json.loads(_odd_json))
_keys = st.sampled_from((*Chat.__struct_fields__, "thinking", "x"))


def refusal(protocol: str, body: dict[str, Any] | bytes) -> InputError | bytes:
    try:
        return encoded(protocol, body)
    except InputError as error:
        return error


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(data=st.data())
def test_whatever_is_not_said_is_refused_by_name(protocol: str, data: st.DataObject) -> None:
    """A body with anything in any of its keys is written so that the strict reader takes it, or its field is named."""
    body = data.draw(sayable(protocol))
    body.update(data.draw(st.dictionaries(_keys, _odd_values, min_size=1, max_size=2)))
    for message in body["messages"] if isinstance(body["messages"], list) else ():
        if isinstance(message, dict) and data.draw(st.integers(0, 4)) == 0:
            key = data.draw(st.sampled_from(["role", "content", "tool_calls", "tool_call_id", "name", "x"]))
            message[key] = data.draw(_odd_values)
    reader: Any = strict_anthropic if protocol == "anthropic" else strict_gemini
    said = refusal(protocol, body)
    if isinstance(said, bytes):
        reader.read_request(said)
    else:
        assert re.match(r"body(\.|\Z)", said.field or "")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(body=st.binary(max_size=80) | st.from_regex(rb'\{"model":"m","messages":.{0,40}\}', fullmatch=True))
def test_a_body_that_is_none_is_an_input_error(protocol: str, body: bytes) -> None:
    """Bytes that are no chat completion are told as such."""
    assert isinstance(refusal(protocol, body), InputError)


HI = {"role": "user", "content": "hi"}
RETURNED = {"role": "tool", "tool_call_id": "c", "content": "1"}


def tool(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": function}


def calling(arguments: str) -> dict[str, Any]:
    return {"role": "assistant", "tool_calls": [{**tool(name="f", arguments=arguments), "id": "c"}]}


TOOL = tool(name="f")
CALLING = calling("{}")
CALLING_TWICE = {"role": "assistant", "tool_calls": [{**tool(name="f", arguments=""), "id": name} for name in "cd"]}


def chat(*said: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"model": "m-1", "messages": list(said or (HI,)), **keys}


def picture(url: str, **keys: Any) -> dict[str, Any]:
    part = {"type": "image_url", "image_url": {"url": url, **keys}}
    return chat({"role": "user", "content": [part]})


NUMBERED = {"role": "assistant", "tool_calls": [{**tool(name="f", arguments="{}"), "id": "c.1"}]}
REFUSED_BY_BOTH: list[tuple[dict[str, Any], str]] = [
    (chat(x=1), "x"),
    (chat(x=None), "x"),
    (chat(verbosity="low"), "verbosity"),
    (chat(functions=[]), "functions"),
    (chat(store=True), "store"),
    (chat(stream=True), "stream"),
    (chat(logit_bias={"5": 1}), "logit_bias"),
    (chat(modalities=["text", "audio"]), "modalities"),
    (chat(metadata={"team": "a"}), "metadata"),
    (chat(service_tier="scale"), "service_tier"),
    (chat(temperature=2.5), "temperature"),
    (chat(max_tokens=0), "max_tokens"),
    (chat(max_tokens=5, max_completion_tokens=6), "max_completion_tokens"),
    (chat(top_logprobs=2), "top_logprobs"),
    (chat(stop=""), "stop"),
    (chat(tool_choice="required"), "tool_choice"),
    (chat(parallel_tool_calls=False), "parallel_tool_calls"),
    (chat(tools=[TOOL, TOOL]), "tools[1].function.name"),
    (chat(tools=[{"type": "custom", "custom": {}}]), "tools[0].type"),
    (chat(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "g"}}), "tool_choice.function.name"),
    (chat(tools=[tool(name="f", parameters=[])]), "tools[0].function.parameters"),
    (chat(response_format={"type": "json_schema", "json_schema": {"name": "n"}}), "response_format.json_schema.schema"),
    (chat(response_format={"type": "grammar"}), "response_format.type"),
    (chat({"role": "system", "content": "s"}), "messages"),
    (chat(HI, {"role": "system", "content": "s"}), "messages[1].role"),
    (chat({"role": "assistant", "content": "a"}, HI), "messages"),
    (chat(HI, {"role": "assistant", "content": "a"}), "messages[1]"),
    (chat({"role": "user", "content": ""}), "messages[0].content"),
    (chat({"role": "user", "content": []}), "messages[0].content"),
    (chat({"role": "user", "content": "x", "name": "n"}), "messages[0].name"),
    (chat({"role": "function", "content": "x"}), "messages[0].role"),
    (chat({"role": "user", "content": [{"type": "input_audio"}]}), "messages[0].content[0].type"),
    (chat(HI, CALLING), "messages[1]"),
    (chat(HI, CALLING, HI), "messages[2]"),
    (chat(HI, CALLING_TWICE, RETURNED), "messages[2]"),
    (chat(HI, RETURNED), "messages[1].tool_call_id"),
    (chat(HI, CALLING, RETURNED, CALLING, RETURNED), "messages[3].tool_calls[0].id"),
    (chat(HI, {**CALLING, "refusal": "no"}, RETURNED), "messages[1].refusal"),
    (picture("a.png"), "messages[0].content[0].image_url.url"),
    (picture("data:image/png,x"), "messages[0].content[0].image_url.url"),
    (picture(DATA_URL, frames=3), "messages[0].content[0].image_url.frames"),
]
REFUSED_BY_ONE: list[tuple[str, dict[str, Any], str]] = [
    ("anthropic", chat(n=2), "n"),
    ("anthropic", chat(stop=["a", " "]), "stop[1]"),
    ("anthropic", chat(seed=0), "seed"),
    ("anthropic", chat(temperature=1.5), "temperature"),
    ("anthropic", chat(logprobs=True), "logprobs"),
    ("anthropic", chat(presence_penalty=0.5), "presence_penalty"),
    ("anthropic", chat(response_format={"type": "json_object"}), "response_format.type"),
    ("anthropic", chat(reasoning_effort="minimal"), "reasoning_effort"),
    ("anthropic", chat(service_tier="flex"), "service_tier"),
    ("anthropic", chat(user="a", metadata={"user_id": "b"}), "metadata.user_id"),
    ("anthropic", chat(HI, NUMBERED, {**RETURNED, "tool_call_id": "c.1"}), "messages[1].tool_calls[0].id"),
    ("anthropic", picture("data:image/bmp;base64,AA=="), "messages[0].content[0].image_url.url"),
    ("anthropic", picture("https://h/a.png", detail="low"), "messages[0].content[0].image_url.detail"),
    (
        "anthropic",
        chat(tools=[tool(name="f", parameters={"type": "array"})]),
        "tools[0].function.parameters.type",
    ),
    ("gemini", chat(user="u"), "user"),
    ("gemini", chat(seed=2**31), "seed"),
    ("gemini", chat(stop=list("abcdef")), "stop"),
    ("gemini", chat(reasoning_effort="max"), "reasoning_effort"),
    ("gemini", chat(tools=[TOOL], parallel_tool_calls=False), "parallel_tool_calls"),
    (
        "gemini",
        chat(tools=[tool(name="f", strict=True)]),
        "tools[0].function.strict",
    ),
    ("gemini", chat(tools=[tool(name="1f")]), "tools[0].function.name"),
    ("gemini", picture("https://h/a.png"), "messages[0].content[0].image_url.url"),
]


@pytest.mark.parametrize(
    ("protocol", "body", "field"),
    [(protocol, body, field) for protocol in PROTOCOLS for body, field in REFUSED_BY_BOTH] + REFUSED_BY_ONE,
)
def test_what_cannot_be_said_is_an_error_that_names_its_field(protocol: str, body: dict[str, Any], field: str) -> None:
    """Nothing is dropped silently: each field without an equal is refused, by its path."""
    with pytest.raises(InputError) as caught:
        encoded(protocol, body)
    assert (caught.value.field or "").startswith(f"body.{field}")


def test_the_error_says_what_to_do() -> None:
    """A field that another protocol does not know can go, or the body can be written in the provider's own format."""
    with pytest.raises(InputError, match="leave it out, or send a native body to /v1/messages"):
        encoded("anthropic", chat(seed=1))
    with pytest.raises(InputError, match="leave it out, or send a native body to /v1beta/models/MODEL:generateContent"):
        encoded("gemini", chat(enable_thinking=True))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_passed_on_as_it_stands_keeps_every_digit(protocol: str) -> None:
    """Schemas and arguments are not parsed: numbers beyond a double, their order and their spelling survive."""
    schema = b'{"type":"object", "x":1e400,"a":0.10000000000000000000001,"b":123456789012345678901234567890}'
    body = (
        b'{"model":"m-1","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":'
        b'{"name":"f","parameters":' + schema + b"}}]}"
    )
    assert schema in encoded(protocol, body)
    arguments = '{"a":1e400,"b":123456789012345678901234567890}'
    assert arguments.encode() in encoded(protocol, chat(HI, calling(arguments), RETURNED))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_type_of_a_picture_may_be_in_capitals(protocol: str) -> None:
    """The type in a data URL knows no case; the protocols' words do."""
    assert b'"image/png"' in encoded(protocol, picture(DATA_URL.replace("image/png", "Image/PNG")))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("temperature", [0.1, 0.30000000000000004, 5e-324, math.nextafter(1, 0)])
def test_numbers_survive(protocol: str, temperature: float) -> None:
    """A number comes out as the number that went in."""
    said = orjson.loads(encoded(protocol, chat(temperature=temperature)))
    assert said.get("generationConfig", said)["temperature"] == temperature


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m-1","messages":[{"role":"user","content":"hi"}],"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model":"m-1","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":'
        b'{"name":"f","parameters":{"type":"object","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}}]}",
        b'{"model":"m-1","messages":[{"role":"user","content":"h\xff"}]}',
        orjson.dumps(chat(tools=[tool(name="f", parameters={"type": "object", "x": 0})])).replace(b":0", b':"\xff"'),
        b'{"model":"m-1","messages":[{"role":"user","content":"h\\ud800"}]}',
        orjson.dumps(chat(HI, calling("[" * 100_000), RETURNED)),
    ],
    ids=["deep", "deep schema", "no UTF-8", "no UTF-8 in a schema", "half a pair", "deep arguments"],
)
def test_hostile_bodies_are_input_errors(protocol: str, body: bytes) -> None:
    """Depth and broken text end in a message about the body."""
    with pytest.raises(InputError) as caught:
        encoded(protocol, body)
    assert (caught.value.field or "").startswith("body")
