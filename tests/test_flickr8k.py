"""The reader for Flickr8k-Expert and the patterns of media paths: what is read, and how each fault is named."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.datasets import READERS, find_reader, read_msvd_eval
from jobs.flickr8k import read_flickr8k_expert
from jobs.media_pattern import check_pattern, fill, stem
from prompts.input_error import InputError

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "flickr8k.json"


def judged(caption: str = "A dog.", rating: Any = 2, image: str = "pics/a.jpg", **more: Any) -> dict[str, Any]:
    return {"image_path": image, "caption": caption, "rating": rating, **more}


def entry(**changes: Any) -> dict[str, Any]:
    """A well-formed entry with some keys changed, or removed where the change is `...`."""
    whole = {"image_path": "pics/a.jpg", "ground_truth": ["a dog", "it runs"], "human_judgement": [judged()]}
    return {key: value for key, value in (whole | changes).items() if value is not ...}


def write(tmp_path: Path, entries: dict[str, Any]) -> Path:
    path = tmp_path / "data.json"
    path.write_text(json.dumps(entries))
    return path


def test_an_item_is_a_caption_of_a_picture_with_its_ratings(tmp_path: Path) -> None:
    """Captions become items in the file's order; their ratings are by annotators known by their place."""
    judgements = [judged("A dog.", 1), judged("A cat.", 4.0), judged("A dog.", 3), judged("A cat.", 2, image_id="x")]
    path = write(tmp_path, {"p1": entry(human_judgement=judgements), "p2": entry(ratings_kind="constructed")})
    with pytest.raises(InputError, match="1 ratings, but the first caption has 2: annotators are known by their place"):
        read_flickr8k_expert(path)
    dog, cat = read_flickr8k_expert(write(tmp_path, {"p1": entry(human_judgement=judgements)}))
    assert (dog.item, dog.candidate, dog.media) == ("p1-1", "A dog.", "pics/a.jpg")
    assert (cat.item, cat.candidate, cat.references) == ("p1-2", "A cat.", ("a dog", "it runs"))
    assert [(rating.annotator, rating.scores) for rating in cat.ratings] == [
        ("1", {"overall": 4}),
        ("2", {"overall": 2}),
    ]
    assert (cat.ratings_kind, cat.media_sha256) == ("human", None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"image_path": ...}, "image_path"),
        ({"image_path": 3}, "image_path"),
        ({"ground_truth": ...}, "ground_truth"),
        ({"ground_truth": []}, "ground_truth"),
        ({"ground_truth": ["a", ""]}, "ground_truth[1]"),
        ({"human_judgement": ...}, "human_judgement"),
        ({"human_judgement": {}}, "human_judgement"),
        ({"human_judgement": [3]}, "human_judgement[0]"),
        ({"human_judgement": [judged(), {"image_path": "pics/a.jpg", "rating": 1}]}, "human_judgement[1].caption"),
        ({"human_judgement": [judged("")]}, "human_judgement[0].caption"),
        ({"human_judgement": [judged(rating="2")]}, "human_judgement[0].rating"),
        ({"human_judgement": [judged(rating=0)]}, "human_judgement[0].rating"),
        ({"human_judgement": [judged(rating=4.5)]}, "human_judgement[0].rating"),
        ({"human_judgement": [judged(rating=float("nan"))]}, "human_judgement[0].rating"),
        ({"human_judgement": [judged(image="pics/b.jpg")]}, "human_judgement[0].image_path"),
        ({"ratings_kind": 3}, "ratings_kind"),
    ],
)
def test_malformed_entries_name_item_and_field(tmp_path: Path, changes: dict[str, Any], field: str) -> None:
    """Whatever is wrong with an entry, the error says where it stands."""
    path = write(tmp_path, {"good": entry(), "p7": entry(**changes)})
    with pytest.raises(InputError) as caught:
        read_flickr8k_expert(path)
    assert (caught.value.file, caught.value.field) == (str(path), f"item 'p7'.{field}")


def test_pictures_lie_where_the_pattern_says(tmp_path: Path) -> None:
    """A pattern is filled with the path, its last part, that without its suffix, and the id."""
    path = write(tmp_path, {"p1": entry()})
    [item] = read_flickr8k_expert(path, "x/{file}/{stem}/{item}/{image_path}")
    assert item.media == "x/a.jpg/a/p1/pics/a.jpg"


def test_clips_lie_where_the_pattern_or_the_entry_says(tmp_path: Path) -> None:
    """A clip's path is the entry's own, else the pattern's, else there is none."""
    whole = {"vname": "v-1.avi", "ref": ["a dog"], "candidate": "A dog.", "human_score": [[5, 4, 3, 2, 3.5]]}
    path = write(tmp_path, {"a": whole, "b": whole | {"media": "own.mp4"}})
    assert [item.media for item in read_msvd_eval(path)] == [None, "own.mp4"]
    assert [item.media for item in read_msvd_eval(path, "c/{item}/{stem}.mp4")] == ["c/a/v-1.mp4", "own.mp4"]
    for media in ("", 3, None):
        with pytest.raises(InputError) as caught:
            read_msvd_eval(write(tmp_path, {"b": whole | {"media": media}}))
        assert caught.value.field == "item 'b'.media"


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("", "is empty"),
        (" ", "is empty"),
        ("{vnam}.mp4", "{vnam} is not known: did you mean 'vname'?"),
        ("{}.mp4", "{} is not known"),
        ("{vname.__class__}", "is not known"),
        ("{vname!r}", "is not known"),
        ("{vname", "has a brace without its other half"),
        ("vname}", "has a brace without its other half"),
    ],
)
def test_a_wrong_pattern_is_named(pattern: str, words: str) -> None:
    """A pattern with a place for what nobody knows is an error of the spec's."""
    with pytest.raises(InputError) as caught:
        check_pattern(pattern, find_reader("msvd-eval", "s.toml").media_names, "s.toml")
    assert (caught.value.file, caught.value.field) == ("s.toml", "dataset.media")
    assert words in str(caught.value)


@given(st.text(), st.text())
def test_what_is_filled_in_is_not_read_again(vname: str, item: str) -> None:
    """A value with braces in it is put in as it is."""
    pattern = "a/{item}/{vname}.mp4"
    check_pattern(pattern, READERS["msvd-eval"].media_names, "s.toml")
    assert fill(pattern, {"vname": vname, "item": item}) == f"a/{item}/{vname}.mp4"


@pytest.mark.parametrize(("path", "found"), [("a/b.c.avi", "b.c"), ("b", "b"), ("a.b/c", "c"), (".x", ".x")])
def test_a_stem_is_the_last_part_without_its_suffix(path: str, found: str) -> None:
    """Folders and the last suffix go."""
    assert stem(path) == found


@pytest.mark.skipif(not REAL.exists(), reason=f"FLICKR8K-EXPERT IS NOT HERE ({REAL}): the real file goes unread")
def test_the_real_file_is_read_whole() -> None:
    """Flickr8k-Expert gives 5,664 captions of 1,000 pictures, each rated three times from 1 to 4: 16,992 ratings."""
    items = list(read_flickr8k_expert(REAL))
    ratings = [rating.scores["overall"] for item in items for rating in item.ratings]
    assert (len(items), len({item.item for item in items}), len({item.media for item in items})) == (5664, 5664, 1000)
    assert {tuple(rating.annotator for rating in item.ratings) for item in items} == {("1", "2", "3")}
    assert Counter(ratings) == {1.0: 9796, 2.0: 4997, 3.0: 1686, 4.0: 513}
    assert len(ratings) == 16992
    assert {len(item.references) for item in items} == {5}
