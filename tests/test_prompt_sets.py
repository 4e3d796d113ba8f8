"""Prompt sets and general tables: what a row becomes, and how each malformation is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from jobs.datasets import Holds, open_dataset
from jobs.materials import Materials
from jobs.prompt_sets import read_prompts
from jobs.registry import DatasetSpec
from jobs.row_tables import read_table
from outputs.items import Item, Turn
from prompts.input_error import InputError

HI = [{"role": "user", "content": "Hi"}]


def write(tmp_path: Path, *rows: Any, name: str = "set.jsonl") -> Path:
    path = tmp_path / name
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def read(tmp_path: Path, *rows: Any, name: str = "set.jsonl", **columns: str) -> list[Item]:
    path = write(tmp_path, *rows, name=name)
    return list(read_prompts(path, DatasetSpec(path=name, columns=columns)))


def said(item: Item) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in item.messages]


def test_a_prompt_is_a_message_of_the_user(tmp_path: Path) -> None:
    """Its id is its column, or else its line; a system text stands before it; all else is a field."""
    first, second = read(
        tmp_path, {"id": 7, "prompt": "2 + 2?", "answer": 4, "system": None}, {"prompt": "Hi", "system": "Be brief."}
    )
    assert first == Item(item="7", messages=(Turn("user", "2 + 2?"),), fields={"answer": 4})
    assert second == Item(item="2", messages=(Turn("system", "Be brief."), Turn("user", "Hi")))


@pytest.mark.parametrize(
    ("row", "messages"),
    [
        ({"messages": [{"role": "system", "content": "s"}, *HI]}, [("system", "s"), ("user", "Hi")]),
        ({"messages": HI, "system": "s"}, [("system", "s"), ("user", "Hi")]),
        ({"messages": [*HI, {"role": "assistant", "content": "a"}, *HI]}, [("user", "Hi"), ("assistant", "a")]),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]},
            [("user", "a\nb")],
        ),
        (
            {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
            [("user", "q"), ("assistant", "a")],
        ),
        ({"turns": [{"content": "q"}]}, [("user", "q")]),
        ({"turns": ["q", "and?"]}, [("user", "q"), ("user", "and?")]),
        ({"prompt": "", "messages": HI}, [("user", "Hi")]),
    ],
)
def test_messages_come_in_the_forms_of_published_sets(
    tmp_path: Path, row: dict[str, Any], messages: list[tuple[str, str]]
) -> None:
    """Those of chat completions, ShareGPT, ArenaHard and MT-Bench."""
    [item] = read(tmp_path, row)
    assert said(item)[: len(messages)] == messages
    assert not any(item.fields.values())


def test_columns_say_what_is_called_otherwise(tmp_path: Path) -> None:
    """As in Numina, where messages hold the solution too: what is named counts, the rest are fields, some renamed."""
    row = {"question_id": "q1", "problem": "p", "messages": HI, "solution": "s", "prompt": "other"}
    [item] = read(tmp_path, row, prompt="problem", id="question_id", gold="solution")
    assert item == Item(
        item="q1",
        messages=(Turn("user", "p"),),
        fields={"messages": HI, "prompt": "other", "gold": "s"},
    )
    assert read(tmp_path, {"question_id": "q1", "prompt": "p"})[0].item == "q1"


def test_csv_holds_messages_as_json(tmp_path: Path) -> None:
    """In a file of text, a dialogue is the JSON text of its messages."""
    [item] = read(tmp_path, "id,messages", 'a,"' + json.dumps(HI).replace('"', '""') + '"', name="set.csv")
    assert item == Item(item="a", messages=(Turn("user", "Hi"),))


@pytest.mark.parametrize(
    ("row", "columns", "field", "words"),
    [
        ({"prompt": "a", "messages": HI}, {}, "prompt and messages", "has both"),
        ({"text": "a"}, {}, None, "one of the columns prompt, messages"),
        ({"promt": "a"}, {"prompt": "prompt"}, None, "did you mean 'promt'"),
        ({"prompt": ""}, {}, "prompt", "is empty"),
        ({"prompt": None}, {}, "prompt", "is empty"),
        ({"prompt": " \n"}, {}, "prompt", "is empty"),
        ({"prompt": 3}, {}, "prompt", "text is expected"),
        ({"prompt": "a", "system": 3}, {}, "system", "text is expected"),
        ({"messages": []}, {}, "messages", "no message of the user"),
        ({"messages": {"role": "user"}}, {}, "messages", "a list"),
        ({"messages": "[{]"}, {}, "messages", "not JSON"),
        ({"messages": '[{"role": "user", "content": "\\ud800"}]'}, {}, "messages", "surrogates"),
        ({"messages": ["Hi"]}, {}, "messages[0].role", "nobody who speaks"),
        ({"messages": [{"role": "usr", "content": "a"}]}, {}, "messages[0].role", "did you mean 'user'"),
        ({"messages": [{"role": "user"}]}, {}, "messages[0].content", "is missing"),
        ({"messages": [{"role": "user", "content": ""}]}, {}, "messages[0].content", "is empty"),
        ({"messages": [{"role": "user", "content": []}]}, {}, "messages[0].content", "is empty"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            {},
            "messages[0].content",
            "no text",
        ),
        ({"messages": [{"role": "assistant", "content": "a"}]}, {}, "messages", "no message of the user"),
        ({"messages": [*HI, {"role": "system", "content": "a"}]}, {}, "messages", "stands first"),
        ({"messages": [{"role": "system", "content": "a"}, *HI], "system": "b"}, {}, "messages", "stands first"),
        ({"conversations": [{"from": "robot", "value": "a"}]}, {}, "conversations[0].from", "'robot'"),
        ({"conversations": [{"from": "human", "value": ""}]}, {}, "conversations[0].value", "is empty"),
        ({"turns": []}, {}, "turns", "no message of the user"),
        ({"turns": [3]}, {}, "turns[0].content", "is missing"),
        ({"prompt": "a"}, {"id": "key"}, "key", "no such column"),
        ({"prompt": "a", "id": None}, {}, "id", "text or a whole number"),
        ({"prompt": "a", "id": True}, {}, "id", "text or a whole number"),
        ({"prompt": "a", "id": ""}, {}, "id", "is empty"),
        ({"prompt": "a", "id": "first"}, {}, "id", "stands on line 1 already"),
        ({"prompt": "a", "gold": 1}, {"golden": "gole"}, "gole (for golden)", "did you mean 'gold'"),
    ],
)
def test_faults_name_the_row_and_the_field(
    tmp_path: Path, row: dict[str, Any], columns: dict[str, str], field: str | None, words: str
) -> None:
    """Every malformation of a prompt is one error with its line."""
    first = {"prompt": "a", "id": "first", "key": "first", "gole": 1}
    with pytest.raises(InputError) as caught:
        read(tmp_path, first, row, **columns)
    assert (caught.value.line, caught.value.field) == (2, field)
    assert words in str(caught.value)


def test_two_forms_cannot_be_named(tmp_path: Path) -> None:
    """A row's messages are in one column."""
    with pytest.raises(InputError, match="columns: prompt and messages"):
        read(tmp_path, {"a": "x"}, prompt="a", messages="b")


def test_a_table_is_fields(tmp_path: Path) -> None:
    """Every column is a field; `columns` renames some, over columns of that name, and says which has the ids."""
    path = write(tmp_path, "key,summary,text", "a,short,long", "b,,", name="t.csv")
    spec = DatasetSpec(path="t.csv", columns={"id": "key", "text": "summary", "again": "summary"})
    assert list(read_table(path, spec)) == [
        Item(item="a", fields={"key": "a", "text": "short", "again": "short"}),
        Item(item="b", fields={"key": "b", "text": "", "again": ""}),
    ]
    assert [item.item for item in read_table(path, DatasetSpec(path="t.csv"))] == ["2", "3"]
    with pytest.raises(InputError, match=r"t\.csv:2: summry \(for text\): .* did you mean 'summary'"):
        list(read_table(path, DatasetSpec(path="t.csv", columns={"text": "summry"})))


def test_readers_are_known_by_name(tmp_path: Path) -> None:
    """A spec's dataset is read by "prompts" or "table", sampled and named as any."""
    write(tmp_path, *({"prompt": f"p{n}"} for n in range(9)))
    materials = Materials(tmp_path / "s.toml", folder=tmp_path, seed=3)
    spec = DatasetSpec(path="set.jsonl", name="set", sample=4, first=2)
    items = list(open_dataset(spec, materials, "prompts", Holds.PROMPTS)())
    assert len(items) == 2
    assert all(item.item.startswith("set/") and item.dataset == "set" for item in items)
    rows = list(open_dataset(DatasetSpec(path="set.jsonl"), materials, "table", Holds.ROWS)())
    assert rows[8].fields == {"prompt": "p8"}
    with pytest.raises(InputError, match="'table' reads rows"):
        open_dataset(DatasetSpec(path="set.jsonl", reader="table"), materials, "prompts", Holds.PROMPTS)
