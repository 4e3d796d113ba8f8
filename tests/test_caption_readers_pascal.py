"""The reader for Pascal-50S: MATLAB files in, linked pairs with their votes out."""

from pathlib import Path
from typing import Any

import numpy
import pytest
from scipy.io import savemat

from jobs.pascal50s import CATEGORIES, VOTES, read_pascal50s
from outputs.items import Item
from prompts.input_error import InputError

PAIRS = [("2008_1.jpg", "a dog  runs ", "a cat"), ("2008_1.jpg", "dog", "pup")]


def structs(rows: list[tuple[Any, ...]], names: tuple[str, ...]) -> Any:
    """A row of MATLAB structs."""
    table = numpy.zeros((1, len(rows)), dtype=[(name, object) for name in names])
    for place, row in enumerate(rows):
        table[0, place] = row
    return table


def cell(text: Any) -> Any:
    """One value in a cell, as the released triplets have them."""
    box = numpy.empty((1, 1), dtype=object)
    box[0, 0] = text
    return box


def write(folder: Path, votes: list[tuple[Any, ...]] | None = None, **changes: Any) -> Path:
    """The two files: the first pair is decided by 36 to 12, the second is a tie."""
    if votes is None:
        votes = [
            (cell(f"reference {n}"), cell(first.strip()), cell(second), 1 if n < for_first else -1)
            for (_, first, second), for_first in zip(PAIRS, (36, 24), strict=True)
            for n in range(VOTES)
        ]
    variables = {"new_input": structs(PAIRS, ("file", "a", "b")), "category": numpy.array([[2, 4]], dtype="uint8")}
    savemat(folder / "pair_pascal.mat", variables | changes)
    savemat(folder / "consensus_pascal.mat", {"triplets": structs(votes, ("A", "B", "C", "rating"))})
    return folder / "pair_pascal.mat"


def read(path: Path, **more: Any) -> list[Item]:
    return list(read_pascal50s(path, **more))


def failure(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        read(path)
    return caught.value


def test_pairs_are_linked_and_rated_by_their_share_of_the_votes(tmp_path: Path) -> None:
    """Two items a pair with the same 48 references; equal shares are a tie."""
    items = read(write(tmp_path), media="VOC/{file}")
    assert [item.item for item in items] == ["1-a", "1-b", "2-a", "2-b"]
    assert [item.ratings[0].scores["preferred"] for item in items] == [0.75, 0.25, 0.5, 0.5]
    assert items[0].fields == {"pair": "1", "place": "a", "category": "HI"}
    assert (items[0].candidate, items[1].candidate, items[3].fields["category"]) == ("a dog runs", "a cat", "MM")
    assert len(items[0].references) == VOTES
    assert items[0].references == items[1].references
    assert {item.media for item in items} == {"VOC/2008_1.jpg"}
    assert set(CATEGORIES.values()) == {"HC", "HI", "HM", "MM"}


def test_cells_and_doubles_do_as_well_as_structs_and_small_integers(tmp_path: Path) -> None:
    """How MATLAB came to write the same values makes no difference."""
    cells = numpy.empty((1, len(PAIRS)), dtype=object)
    for place, pair in enumerate(PAIRS):
        cells[0, place] = numpy.array([pair], dtype=object)
    plain = read(write(tmp_path))
    assert read(write(tmp_path, new_input=cells, category=numpy.array([[2.0, 4.0]]))) == plain


def vote(text: str = "a dog runs", rating: Any = 1) -> tuple[Any, ...]:
    return (cell("a reference"), cell(text), cell("a cat"), rating)


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (vote("a cow"), "the captions are not those of pair 1: the files do not fit"),
        (vote(rating=0), "a vote is 1 or -1, not 0"),
        ((cell(3), cell("a dog runs"), cell("a cat"), 1), "a reference, two captions and a vote are expected"),
        ((cell(" "), cell("a dog runs"), cell("a cat"), 1), "the reference is empty"),
    ],
)
def test_a_wrong_vote_is_named(tmp_path: Path, last: tuple[Any, ...], words: str) -> None:
    """The error names the second file and the entry."""
    path = write(tmp_path, [vote()] * (VOTES - 1) + [last] + [vote()] * VOTES)
    error = failure(path)
    assert (error.file, error.field) == (str(tmp_path / "consensus_pascal.mat"), f"triplets[{VOTES - 1}]")
    assert words in str(error)


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"category": numpy.array([[2, 5]])}, "pair 2.category", "1 to 4 is expected, not 5"),
        ({"category": numpy.array([[2]])}, "category", "2 pairs, but 1 categories"),
        (
            {"new_input": structs([PAIRS[0], ("x.jpg", "", "b")], ("file", "a", "b"))},
            "pair 2.caption A",
            "text is expected",
        ),
        ({"new_input": structs([("x.jpg", "a")] * 2, ("file", "a"))}, "pair 1.new_input", "two captions are expected"),
    ],
)
def test_a_wrong_pair_is_named(tmp_path: Path, changes: dict[str, Any], field: str, words: str) -> None:
    """The error names the first file and the pair."""
    path = write(tmp_path, **changes)
    error = failure(path)
    assert (error.file, error.field) == (str(path), field)
    assert words in str(error)


def test_too_few_votes_a_missing_variable_and_damaged_bytes_are_named(tmp_path: Path) -> None:
    """Files that do not fit, that are others, or that are broken are errors naming the file."""
    assert "3 votes for 2 pairs, where 48 are expected of each" in str(failure(write(tmp_path, [vote()] * 3)))
    path = write(tmp_path)
    savemat(tmp_path / "consensus_pascal.mat", {"other": 3})
    assert failure(path).field == "triplets"
    (tmp_path / "consensus_pascal.mat").write_bytes(b"no such thing" * 40)
    assert "not readable as a MATLAB file" in str(failure(path))
    (tmp_path / "consensus_pascal.mat").unlink()
    assert "consensus_pascal.mat; its captions are in a second file" in str(failure(path))
