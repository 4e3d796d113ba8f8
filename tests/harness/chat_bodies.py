"""Random chat-completions bodies, and what is said in them, for the tests of the translations."""

import json
from typing import Any

from hypothesis import strategies as st

Saying = tuple[Any, ...]  # (side, what, ...) in the order of the conversation

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_filled = texts.filter(bool)
_numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
_values = st.recursive(
    st.none() | st.booleans() | _numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
_objects = st.dictionaries(texts, _values, max_size=3)
_schemas = st.builds(lambda rest: {**rest, "type": "object"}, _objects)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,8}", fullmatch=True)
_text_parts = st.builds(lambda text: {"type": "text", "text": text}, texts)
DATA_URL = "data:image/png;base64,iVBORw0KGgo="


def pictures(urls: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Picture parts with one of these URLs."""
    return st.builds(lambda url: {"type": "image_url", "image_url": {"url": url}}, urls)


def _with_text(parts: list[dict[str, Any]]) -> bool:
    return any(part.get("text") != "" for part in parts)


def _user(urls: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    parts = st.lists(_text_parts | pictures(urls), min_size=1, max_size=3).filter(_with_text)
    return st.builds(lambda content: {"role": "user", "content": content}, _filled | parts)


_system = st.builds(
    lambda role, content: {"role": role, "content": content},
    st.sampled_from(["system", "developer"]),
    texts | st.lists(_text_parts, max_size=2),
)
_assistant = st.builds(
    lambda content: {"role": "assistant", "content": content},
    _filled | st.lists(_text_parts, min_size=1, max_size=2).filter(_with_text),
)


@st.composite
def _tool_round(draw: st.DrawFn) -> list[dict[str, Any]]:
    """An assistant's calls, their ids not yet unique over the conversation, and the results in any order."""
    called = draw(st.lists(st.tuples(names, _objects), min_size=1, max_size=3))
    calls = [
        {"id": f"c{index}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for index, (name, arguments) in enumerate(called)
    ]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": draw(texts)} for call in calls]
    said = {"role": "assistant", "content": draw(st.none() | texts), "tool_calls": calls}
    return [said, *draw(st.permutations(results))]


@st.composite
def messages(draw: st.DrawFn, urls: st.SearchStrategy[str]) -> list[dict[str, Any]]:
    """A conversation that other protocols have a place for."""
    said = [*draw(st.lists(_system, max_size=2)), draw(_user(urls))]
    alone = (_user(urls) | _assistant).map(lambda message: [message])
    for number, step in enumerate(draw(st.lists(alone | _tool_round(), max_size=4))):
        for message in step:
            for call in message.get("tool_calls", ()):
                call["id"] = f"r{number}_{call['id']}"
            if "tool_call_id" in message:
                message["tool_call_id"] = f"r{number}_{message['tool_call_id']}"
        said.extend(step)
    if said[-1]["role"] == "assistant":
        said.append(draw(_user(urls)))
    return said


@st.composite
def tools(draw: st.DrawFn, strict: st.SearchStrategy[bool | None]) -> dict[str, Any]:
    """`tools` and what goes with them, or nothing."""
    known = draw(st.lists(names, max_size=3, unique=True))
    if not known:
        return {}
    optional = {"description": texts | st.none(), "parameters": _schemas | st.none(), "strict": strict}
    functions = [{"name": name, **draw(st.fixed_dictionaries({}, optional=optional))} for name in known]
    one = st.builds(lambda name: {"type": "function", "function": {"name": name}}, st.sampled_from(known))
    choice = draw(st.sampled_from([None, "none", "auto", "required"]) | one)
    return {"tools": [{"type": "function", "function": f} for f in functions], "tool_choice": choice}


def schema_formats() -> st.SearchStrategy[dict[str, Any]]:
    """Response formats with a schema."""
    return st.builds(
        lambda schema, strict: {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": schema, "strict": strict},
        },
        _schemas,
        st.none() | st.booleans(),
    )


def what_is_said(body: dict[str, Any]) -> list[Saying]:
    """All that a body's messages say, in order; empty texts say nothing."""
    said: list[Saying] = []
    called: dict[str, str] = {}
    for message in body["messages"]:
        side = {"developer": "system", "tool": "user"}.get(message["role"], message["role"])
        content = message["content"] or ""
        parts: list[dict[str, Any]] = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if message["role"] == "tool":
            said.append(("user", "result", message["tool_call_id"], called[message["tool_call_id"]], content))
            continue
        for part in parts:
            if part["type"] == "image_url":
                said.append((side, "picture", part["image_url"]["url"]))
            elif part["text"]:
                said.append((side, "text", part["text"]))
        for call in message.get("tool_calls", ()):
            called[call["id"]] = call["function"]["name"]
            arguments = json.loads(call["function"]["arguments"])
            said.append((side, "call", call["id"], call["function"]["name"], arguments))
    return said
