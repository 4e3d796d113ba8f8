"""Dataset readers: what is read, and how each malformation is named."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from jobs.datasets import MSVD_DIMENSIONS, find_reader, read_msvd_eval
from prompts.input_error import InputError

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "jobs" / "examples" / "captions_constructed.json"
REAL = ROOT.parent / "shared" / "data" / "MSVD-Eval.json"


def entry(**changes: Any) -> dict[str, Any]:
    """A well-formed item with some keys changed, or removed where the change is `...`."""
    whole = {"vname": "v.avi", "ref": ["a dog runs"], "candidate": "A dog.", "human_score": [[5, 4, 3, 2, 3.5]]}
    return {key: value for key, value in (whole | changes).items() if value is not ...}


def failure(tmp_path: Path, content: Any) -> InputError:
    """The error for a file that holds these bytes, this text or this value as JSON."""
    path = tmp_path / "data.json"
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(InputError) as caught:
        read_msvd_eval(path)
    assert caught.value.file == str(path)
    return caught.value


def test_items_carry_captions_and_ratings_by_annotator(tmp_path: Path) -> None:
    """An entry becomes an item whose annotators are numbered by their place."""
    path = tmp_path / "data.json"
    rows = [[5, 4, 3, 2, 3.5], [1, 1, 1, 1, 1]]
    path.write_text(
        "\ufeff" + json.dumps({"b": entry(human_score=rows), "a": entry(ratings_kind="constructed", human_score=rows)})
    )
    first, second = read_msvd_eval(path)
    assert (first.item, first.candidate, first.references, first.ratings_kind) == (
        "b",
        "A dog.",
        ("a dog runs",),
        "human",
    )
    assert [rating.annotator for rating in first.ratings] == ["1", "2"]
    assert first.ratings[0].scores == dict(zip(MSVD_DIMENSIONS, [5, 4, 3, 2, 3.5], strict=True))
    assert (second.item, second.ratings_kind) == ("a", "constructed")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A file that is not there is an input error, not a traceback."""
    with pytest.raises(InputError, match="No such file"):
        read_msvd_eval(tmp_path / "none.json")


def test_broken_json_has_line_and_column(tmp_path: Path) -> None:
    """The place of a syntax error is told."""
    error = failure(tmp_path, '{\n "a": }')
    assert error.line == 2
    assert "column 7" in str(error)


def test_bytes_that_are_not_utf8_have_their_offset(tmp_path: Path) -> None:
    """The first byte that is not UTF-8 is told."""
    assert "byte 2" in str(failure(tmp_path, b'{"\xff": 1}'))


@pytest.mark.parametrize("content", ["", " \n", "[]", "3", "{}", "[" * 100_000, '{"a": ' + "9" * 5000 + "}"])
def test_files_without_items_are_refused(tmp_path: Path, content: str) -> None:
    """An empty file, another JSON value and JSON beyond reason are errors naming the file."""
    failure(tmp_path, content)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"vname": ...}, "vname"),
        ({"ref": ...}, "ref"),
        ({"candidate": ...}, "candidate"),
        ({"human_score": ...}, "human_score"),
        ({"vname": 3}, "vname"),
        ({"ref": "a dog"}, "ref"),
        ({"ref": []}, "ref"),
        ({"ref": ["a dog", None]}, "ref[1]"),
        ({"ref": [" "]}, "ref[0]"),
        ({"candidate": ""}, "candidate"),
        ({"candidate": " \t"}, "candidate"),
        ({"candidate": ["A dog."]}, "candidate"),
        ({"candidate": "half \ud83d"}, "candidate"),
        ({"human_score": {}}, "human_score"),
        ({"human_score": []}, "human_score"),
        ({"human_score": [3]}, "human_score[0]"),
        ({"human_score": [[5, 4, 3, 2]]}, "human_score[0]"),
        ({"human_score": [[5, 4, 3, 2, 3.5], [1, 2, 3, 4, 5, 6]]}, "human_score[1]"),
        ({"human_score": [[5, 4, "3", 2, 3.5]]}, "human_score[0][2]"),
        ({"human_score": [[5, 4, 3, None, 3.5]]}, "human_score[0][3]"),
        ({"human_score": [[True, 4, 3, 2, 3.5]]}, "human_score[0][0]"),
        ({"human_score": [[5, 4, 3, 2, float("nan")]]}, "human_score[0][4]"),
        ({"human_score": [[5, 4, 3, 2, float("inf")]]}, "human_score[0][4]"),
        ({"human_score": [[10**400, 4, 3, 2, 3.5]]}, "human_score[0][0]"),
        ({"human_score": [[5, 4, 3, 2, 3.5]] * 2}, "human_score"),
        ({"ratings_kind": 1}, "ratings_kind"),
    ],
)
def test_malformed_entries_name_item_and_field(tmp_path: Path, changes: dict[str, Any], field: str) -> None:
    """Whatever is wrong with an item, the error says which item and which field."""
    error = failure(tmp_path, {"good": entry(), "vid7": entry(**changes)})
    assert error.field == f"item 'vid7'.{field}"


def test_an_entry_that_is_no_object_and_a_nameless_one_are_refused(tmp_path: Path) -> None:
    """Items are objects with a name."""
    assert failure(tmp_path, {"vid7": ["a"]}).field == "item 'vid7'"
    assert failure(tmp_path, {"": entry()}).field == "item ''"


def test_an_item_that_stands_twice_is_noticed(tmp_path: Path) -> None:
    """A repeated id, which JSON readers drop silently, is an error; so is a repeated key of an item."""
    whole = json.dumps(entry())
    assert failure(tmp_path, f'{{"a": {whole}, "b": {whole}, "a": {whole}}}').field == "item 'a'"
    assert failure(tmp_path, f'{{"a": {whole[:-1]}, "ref": ["x"]}}}}').field == "item 'a'.ref"


def test_unknown_reader_suggests_the_near_one() -> None:
    """A misspelt reader is answered with the one that was meant."""
    with pytest.raises(InputError, match="did you mean 'msvd-eval'"):
        find_reader("msvd_eval", "job.toml")


def test_shipped_captions_are_fifty_and_labelled_constructed() -> None:
    """The shipped file has 50 different captions with 4 to 6 references, rated 1 to 5, all labelled constructed."""
    items = list(read_msvd_eval(SHIPPED))
    assert len({item.candidate for item in items}) == 50
    assert {item.ratings_kind for item in items} == {"constructed"}
    assert {len(item.references) for item in items} <= {4, 5, 6}
    for rating in (rating for item in items for rating in item.ratings):
        *four, mean = rating.scores.values()
        assert mean == sum(four) / 4
        assert all(1 <= score <= 5 for score in four)


@pytest.mark.skipif(not REAL.exists(), reason=f"MSVD-Eval IS NOT HERE ({REAL}): the real file goes unread")
def test_the_real_file_is_read_whole_and_nothing_of_it_is_shipped() -> None:
    """MSVD-Eval gives 197 human-rated items with two annotators each, and shares no caption with the shipped file."""
    items = list(read_msvd_eval(REAL))
    assert len(items) == 197
    assert {(len(item.ratings), item.ratings_kind) for item in items} == {(2, "human")}

    def captions(path: Path) -> set[str]:
        texts = (text for item in read_msvd_eval(path) for text in (item.candidate, *item.references))
        return {" ".join(re.findall(r"\w+", text.lower())) for text in texts}

    assert not captions(REAL) & captions(SHIPPED)
