"""The reader for any table of captions: JSON lines, CSV and Parquet give the same items, and faults are named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars
import pytest

from jobs.caption_table import read_caption_table
from jobs.datasets import READERS
from jobs.registry import DatasetSpec
from outputs.items import Item, Rating
from prompts.input_error import InputError

ROWS: list[dict[str, Any]] = [
    {"id": "x", "candidate": "a dog", "references": ["dog", "a pup"], "media": "p/x.jpg", "ratings.overall": 3.5},
    {"id": "y", "candidate": "a cat", "references": ["cat"], "media": None, "ratings.overall": None},
]
ITEMS = [
    Item(
        item="x",
        candidate="a dog",
        references=("dog", "a pup"),
        media="p/x.jpg",
        ratings=(Rating("1", {"overall": 3.5}),),
    ),
    Item(item="y", candidate="a cat", references=("cat",)),
]


def as_json_lines(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "t.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def as_csv(folder: Path, rows: list[dict[str, Any]]) -> Path:
    texts = [{name: json.dumps(v) if isinstance(v, list | dict) else v for name, v in row.items()} for row in rows]
    polars.DataFrame(texts).write_csv(folder / "t.csv")
    return folder / "t.csv"


def as_parquet(folder: Path, rows: list[dict[str, Any]]) -> Path:
    polars.DataFrame(rows).write_parquet(folder / "t.parquet")
    return folder / "t.parquet"


@pytest.mark.parametrize("write", [as_json_lines, as_csv, as_parquet])
def test_the_same_table_is_the_same_items(tmp_path: Path, write: Callable[[Path, list[dict[str, Any]]], Path]) -> None:
    """However a table is written, its items are the same."""
    assert list(read_caption_table(write(tmp_path, ROWS))) == ITEMS


def test_columns_say_what_is_called_otherwise(tmp_path: Path) -> None:
    """Columns are found under the names that the spec gives; those nobody names become fields."""
    path = tmp_path / "t.tsv"
    path.write_text("no\ttext\tid\tscore\treference_1\treference_2\tpair\n7\ta dog\tkept\t2\tdog\t\tp1\n")
    columns = {"id": "no", "candidate": "text", "ratings.Ann.overall": "score"}
    spec = DatasetSpec(path="t.tsv", columns=columns, media="{item}.jpg")
    [item] = READERS["caption-table"].read(path, spec)
    assert (item.item, item.candidate, item.references) == ("7", "a dog", ("dog",))
    assert (item.ratings, item.media) == ((Rating("Ann", {"overall": 2.0}),), "7.jpg")
    assert item.fields == {"id": "kept", "pair": "p1"}


def test_ratings_may_be_one_object(tmp_path: Path) -> None:
    """Ratings by annotator and dimension may stand in one column, beside columns of their own."""
    row = {"id": 3, "candidate": "a dog", "ratings": {"A": {"x": 1, "y": 2}, "B": {"x": 4}}, "ratings.A.z": 5}
    for write in (as_json_lines, as_csv):
        [item] = read_caption_table(write(tmp_path, [row]))
        assert item.item == "3"
        by = {rating.annotator: rating.scores for rating in item.ratings}
        assert by == {"A": {"z": 5, "x": 1, "y": 2}, "B": {"x": 4}}


def first(**changes: Any) -> list[dict[str, Any]]:
    """The table with keys of its second row changed, or left out where the change is `...`."""
    return [ROWS[0], {key: value for key, value in (ROWS[1] | changes).items() if value is not ...}]


@pytest.mark.parametrize(
    ("rows", "line", "field", "words"),
    [
        (first(id="x"), 2, "id", "'x' stands twice, before on line 1"),
        (first(id=None), 2, "id", "is empty"),
        (first(id=1.5), 2, "id", "text is expected"),
        (first(candidate=" "), 2, "candidate", "is empty"),
        (first(candidate=...), 2, "candidate", "is empty"),
        (first(candidate=4), 2, "candidate", "text is expected"),
        (first(references=None), 2, "references", "has no reference, though other rows have"),
        (first(references=[]), 2, "references", "is empty"),
        (first(references=["a", 3]), 2, "references[1]", "text is expected"),
        (first(references="['a']"), 2, "references", "JSON is expected"),
        (first(**{"ratings.overall": "good"}), 2, "ratings.overall", "a number is expected, not 'good'"),
        (first(**{"ratings.overall": True}), 2, "ratings.overall", "a number is expected"),
        (first(ratings={"A": {"x": "1"}}), 2, "ratings.A.x", "a number is expected"),
        (first(ratings={"A": 3}), 2, "ratings.A", "an object is expected"),
        (first(ratings={"1": {"overall": 3}}, **{"ratings.overall": 3}), 2, "ratings.1.overall", "a column of its own"),
        (first(ratings_kind=3), 2, "ratings_kind", "text is expected"),
        ([{"candidate": "a"}], None, "id", "the table has no column 'id'"),
    ],
)
def test_a_wrong_row_is_named(
    tmp_path: Path, rows: list[dict[str, Any]], line: int | None, field: str, words: str
) -> None:
    """The error says which line, which column and what is wrong."""
    path = as_json_lines(tmp_path, rows)
    with pytest.raises(InputError) as caught:
        read_caption_table(path)
    assert (caught.value.file, caught.value.line, caught.value.field) == (str(path), line, field)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "field", "words"),
    [
        ({"candidat": "text"}, "candidat", "is no name of a column of captions: did you mean 'candidate'?"),
        ({"media": "picture"}, "media", "the table has no column 'picture'"),
        ({"media": "id", "id": "id"}, "columns", "'id' is named for two columns"),
    ],
)
def test_wrong_names_of_columns_are_named(tmp_path: Path, columns: dict[str, str], field: str, words: str) -> None:
    """What the spec says of columns must be about the table's, and about captions."""
    path = as_json_lines(tmp_path, ROWS)
    with pytest.raises(InputError) as caught:
        read_caption_table(path, columns)
    assert (caught.value.file, caught.value.field) == (str(path), field)
    assert words in str(caught.value)


def test_a_pattern_needs_the_media_it_speaks_of(tmp_path: Path) -> None:
    """A pattern over `media` is filled with it, and a row without is an error."""
    path = as_json_lines(tmp_path, ROWS[:1])
    assert next(read_caption_table(path, media="{stem}-{media}")).media == "x-p/x.jpg"
    with pytest.raises(InputError) as caught:
        read_caption_table(as_json_lines(tmp_path, ROWS), media="{stem}.png")
    assert (caught.value.line, caught.value.field) == (2, "media")
