"""Readers of released caption datasets: the items they make of each format, and how each fault is named."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from jobs.composite import read_composite
from jobs.datasets import READERS, Holds, open_dataset
from jobs.flickr8k import read_flickr8k_expert
from jobs.flickr8k_raw import read_crowd_raw, read_expert_raw
from jobs.foil import read_foil
from jobs.materials import Materials
from jobs.reference_captions import COCO, FLICKR8K, read_coco_captions
from jobs.registry import DatasetSpec
from jobs.vatex import read_vatex_eval
from outputs.items import Item
from prompts.input_error import InputError

DOGS = ["a dog", "one dog runs", "dog on grass", "brown dog", "the dog"]
CATS = ["a cat", "one cat sits", "cat on mat", "grey cat", "the cat"]
TOKENS = "".join(
    f"{name}#{number}\t{text}\n"
    for name, texts in (("1_d.jpg", DOGS), ("2_c.jpg.1", CATS))
    for number, text in enumerate(texts)
)


def failure(read: Callable[[], Iterable[Item]]) -> InputError:
    with pytest.raises(InputError) as caught:
        list(read())
    return caught.value


# --- Flickr8k, as its authors released it ---------------------------------------------------------------------------


def flickr(folder: Path, lines: list[str], tokens: str = TOKENS) -> Path:
    (folder / FLICKR8K).write_text(tokens)
    path = folder / "annotations.txt"
    path.write_text("".join(line.replace(" ", "\t") + "\n" for line in lines))
    return path


def test_expert_lines_become_the_items_of_the_json_form(tmp_path: Path) -> None:
    """Captions of the picture's own are left out; all else is as in the JSON form, ids too."""
    raw = flickr(tmp_path, ["1_d.jpg 1_d.jpg#2 4 4 4", "1_d.jpg 2_c.jpg.1#0 1 1 2", "1_d.jpg 2_c.jpg.1#3 1 3 1"])
    judged = [
        {"image_path": "1_d.jpg", "caption": caption, "rating": rating}
        for caption, ratings in (("a cat", (1, 1, 2)), ("grey cat", (1, 3, 1)))
        for rating in ratings
    ]
    whole = {"1_d": {"image_path": "1_d.jpg", "ground_truth": DOGS, "human_judgement": judged}}
    (tmp_path / "flickr8k.json").write_text(json.dumps(whole))
    found = list(read_expert_raw(raw))
    assert [(item.item, item.fields) for item in found] == [
        ("1_d-1", {"caption": "2_c.jpg.1#0"}),
        ("1_d-2", {"caption": "2_c.jpg.1#3"}),
    ]
    assert [without_fields(item) for item in found] == list(read_flickr8k_expert(tmp_path / "flickr8k.json"))


def test_crowd_lines_become_the_items_of_the_json_form(tmp_path: Path) -> None:
    """A picture's own caption stays, but is no reference of any of its captions; the rating is the share of yes."""
    lines = ["2_c.jpg 1_d.jpg#0 0 0 3", "2_c.jpg 2_c.jpg.1#1 1 4 0", "2_c.jpg 1_d.jpg#4 0.333333333333 1 2"]
    first, second, third = read_crowd_raw(flickr(tmp_path, lines), media="pics/{stem}/{file}")
    assert first.references == second.references == third.references == ("a cat", "cat on mat", "grey cat", "the cat")
    assert (second.item, second.candidate, second.media) == ("2_c.jpg-2", "one cat sits", "pics/2_c/2_c.jpg")
    assert third.fields == {"caption": "1_d.jpg#4", "yes": 1, "no": 2}
    judged = [
        {"image_path": "2_c.jpg", "caption": item.candidate, "rating": item.ratings[0].scores["overall"]}
        for item in (first, second, third)
    ]
    whole = {"image_path": "2_c.jpg", "ground_truth": list(first.references), "human_judgement": judged}
    (tmp_path / "cf.json").write_text(json.dumps({"2_c.jpg": whole}))
    spec = DatasetSpec(path="cf.json", media="pics/{stem}/{file}")
    from_json = READERS["flickr8k-cf"].read(tmp_path / "cf.json", spec)
    assert [without_fields(item) for item in (first, second, third)] == list(from_json)
    assert third.ratings[0].annotator == "crowd"


def test_equal_captions_of_the_crowds_json_are_two_items(tmp_path: Path) -> None:
    """Two captions of the same words are two items with a rating each, and a share above 1 is refused."""
    judged = [{"image_path": "a.jpg", "caption": "a dog", "rating": rating} for rating in (0.5, 1)]
    whole = {"image_path": "a.jpg", "ground_truth": ["dog"], "human_judgement": judged}
    path = tmp_path / "cf.json"
    path.write_text(json.dumps({"a.jpg": whole}))
    read = READERS["flickr8k-cf"].read
    assert [(item.item, len(item.ratings)) for item in read(path, DatasetSpec(path=""))] == [
        ("a.jpg-1", 1),
        ("a.jpg-2", 1),
    ]
    judged[1]["rating"] = 1.5
    path.write_text(json.dumps({"a.jpg": whole}))
    error = failure(lambda: read(path, DatasetSpec(path="")))
    assert error.field == "item 'a.jpg'.human_judgement[1].rating"


def without_fields(item: Item) -> Item:
    return Item(**{name: getattr(item, name) for name in item.__struct_fields__ if name != "fields"})


@pytest.mark.parametrize(
    ("read", "line", "field", "words"),
    [
        (read_expert_raw, "1_d.jpg 2_c.jpg.1#1 1 2", None, "4 columns where 5 are expected"),
        (read_expert_raw, "1_d.jpg 2_c.jpg.1#9 1 1 1", "caption id", "has no '2_c.jpg.1#9'"),
        (read_expert_raw, "3_x.jpg 2_c.jpg.1#1 1 1 1", "picture", "no reference for '3_x.jpg'"),
        (read_expert_raw, "1_d.jpg 2_c.jpg.1#1 1 5 1", "rating 2", "from 1 to 4"),
        (read_expert_raw, "1_d.jpg 2_c.jpg.1#1 1 1 good", "rating 3", "a number is expected, not 'good'"),
        (read_expert_raw, "1_d.jpg 2_c.jpg.1#1 1 nan 1", "rating 2", "a number is expected, not 'nan'"),
        (read_expert_raw, "1_d.jpg 2_c.jpg.1#0 1 1 1", "caption id", "twice, before on line 1"),
        (read_crowd_raw, "1_d.jpg 2_c.jpg.1#1 0.5 1 2", "share of yes", "0.5 is not the share of 1 yes and 2 no"),
        (read_crowd_raw, "1_d.jpg 2_c.jpg.1#1 0 0 0", "share of yes", "is not the share of 0 yes and 0 no"),
        (read_crowd_raw, "1_d.jpg 2_c.jpg.1#1 0 -1 2", "yes", "a count is expected"),
    ],
)
def test_a_wrong_line_of_flickr8k_is_named(tmp_path: Path, read: Any, line: str, field: str | None, words: str) -> None:
    """The error says which line, which column and what is wrong."""
    good = "1_d.jpg 2_c.jpg.1#0 0 0 3" if read is read_crowd_raw else "1_d.jpg 2_c.jpg.1#0 1 1 2"
    path = flickr(tmp_path, [good, "", line])
    error = failure(lambda: read(path))
    assert (error.file, error.line, error.field) == (str(path), 3, field)
    assert words in str(error)


@pytest.mark.parametrize(
    ("tokens", "line", "words"),
    [
        ("1_d.jpg#0\ta\n1_d.jpg#0\tb\n", 2, "'1_d.jpg#0' stands twice"),
        ("1_d.jpg\ta\n", 1, "<picture>#<number> is expected"),
        ("1_d.jpg#0\t\n", 1, "is empty"),
        ("1_d.jpg#0 a dog\n", 1, "1 columns where 2 are expected"),
    ],
)
def test_a_wrong_line_of_captions_is_named(tmp_path: Path, tokens: str, line: int, words: str) -> None:
    """Faults in the second file name that file."""
    path = flickr(tmp_path, ["1_d.jpg 1_d.jpg#0 1 1 1"], tokens)
    error = failure(lambda: read_expert_raw(path))
    assert (error.file, error.line) == (str(tmp_path / FLICKR8K), line)
    assert words in str(error)


def test_a_second_file_that_is_missing_is_asked_for(tmp_path: Path) -> None:
    """Without the file of captions, the error says which file and which key of the spec."""
    path = flickr(tmp_path, ["1_d.jpg 2_c.jpg.1#0 1 1 2"])
    (tmp_path / FLICKR8K).rename(tmp_path / "tokens.txt")
    assert f"{FLICKR8K}; its captions are in a second file, which the key `captions`" in str(
        failure(lambda: read_expert_raw(path))
    )
    assert len(list(read_expert_raw(path, tmp_path / "tokens.txt"))) == 1


def test_only_own_captions_are_no_dataset(tmp_path: Path) -> None:
    """A file of which nothing stays is an error, not an empty run."""
    path = flickr(tmp_path, ["1_d.jpg 1_d.jpg#0 4 4 4"])
    assert "holds no rated caption" in str(failure(lambda: read_expert_raw(path)))


# --- Composite ------------------------------------------------------------------------------------------------------

HEADER = "HITId;Input.image_url;Input.text1;Input.text2;Input.text3;Answer.Q1Answer;Answer.Q2Answer;Answer.Q3Answer"
ROW = 'h1;http://host/img/1_d.jpg;One dog runs .;a "big" dog;a cat;5;3;1'


def composite(folder: Path, *rows: str, name: str = "8k_correctness.csv") -> Path:
    (folder / FLICKR8K).write_text(TOKENS)
    path = folder / name
    path.write_text("\n".join((HEADER, *rows)) + "\n")
    return path


def test_a_row_of_composite_is_an_item_a_caption(tmp_path: Path) -> None:
    """Each caption is an item with its rating; the person's caption is marked, and no reference; empty rows end it."""
    items = list(read_composite(composite(tmp_path, ROW, ";;;;;;;", "average;;;;;3.2;2;1")))
    assert [item.item for item in items] == ["1_d-1", "1_d-2", "1_d-3"]
    assert [item.fields for item in items] == [{"human": True}, {"human": False}, {"human": False}]
    assert {item.references for item in items} == {("a dog", "dog on grass", "brown dog", "the dog")}
    assert [item.ratings[0].scores for item in items] == [{"overall": 5}, {"overall": 3}, {"overall": 1}]
    assert (items[0].candidate, items[0].media) == ("One dog runs .", "1_d.jpg")


def test_further_rows_of_a_picture_are_further_annotators(tmp_path: Path) -> None:
    """The same captions rated again are a second annotator's; a file of thoroughness says so in the dimension."""
    path = composite(tmp_path, ROW, ROW.replace("5;3;1", "4;4;4"), name="8k_throughness.csv")
    first = next(read_composite(path, media="p/{file}"))
    assert [(rating.annotator, rating.scores) for rating in first.ratings] == [
        ("1", {"thoroughness": 5}),
        ("2", {"thoroughness": 4}),
    ]
    assert first.media == "p/1_d.jpg"


def test_composites_coco_part_has_its_references_from_coco(tmp_path: Path) -> None:
    """A picture of COCO is known by the number in its file's name."""
    (tmp_path / COCO).write_text(json.dumps({"annotations": [{"image_id": 7, "caption": "a dog \n"}]}))
    row = ROW.replace("1_d.jpg", "COCO_val2014_000000000007.jpg")
    path = composite(tmp_path, row, name="coco_correctness.csv")
    assert next(read_composite(path)).references == ("a dog",)
    error = failure(lambda: read_composite(composite(tmp_path, ROW, name="coco_correctness.csv")))
    assert (error.field, error.line) == ("Input.image_url", 2)


@pytest.mark.parametrize(
    ("rows", "line", "field", "words"),
    [
        ([ROW, ROW.replace("a cat", "a cow")], 3, "Input.image_url", "other captions on line 2"),
        ([ROW.replace(";1", ";6")], 2, "Answer.Q3Answer", "from 1 to 5"),
        ([ROW.replace(";1", ";")], 2, "Answer.Q3Answer", "a number is expected, not ''"),
        ([ROW.replace("a cat", "")], 2, "Input.text3", "is empty"),
        ([ROW + ";7"], 2, None, "9 columns, but the header has 8"),
        ([ROW.replace("1_d", "9_x")], 2, "Input.image_url", "no reference for '9_x.jpg'"),
        ([";;"], None, None, "holds no rated picture"),
    ],
)
def test_a_wrong_row_of_composite_is_named(
    tmp_path: Path, rows: list[str], line: int | None, field: str | None, words: str
) -> None:
    """The error says which line, which column and what is wrong."""
    path = composite(tmp_path, *rows)
    error = failure(lambda: read_composite(path))
    assert (error.file, error.line, error.field) == (str(path), line, field)
    assert words in str(error)


def test_a_file_with_commas_or_of_an_unknown_source_is_refused(tmp_path: Path) -> None:
    """Composite's columns are separated by semicolons, and its references are where its name says."""
    path = composite(tmp_path, ROW)
    path.write_text(path.read_text().replace(";", ","))
    assert "separated by semicolons" in str(failure(lambda: read_composite(path)))
    other = composite(tmp_path, ROW, name="mine.csv")
    assert "name them with the key `captions`" in str(failure(lambda: read_composite(other)))
    assert len(list(read_composite(other, tmp_path / FLICKR8K))) == 3


# --- FOIL -----------------------------------------------------------------------------------------------------------


def foil(folder: Path, **changes: Any) -> Path:
    """A pair's file, with keys of its second annotation changed, and COCO's captions beside."""
    texts = ["a dog runs", "A dog  on grass", "brown dog"]
    coco = [{"image_id": 7, "caption": text} for text in texts] + [{"image_id": 8, "caption": "a cow"}]
    (folder / COCO).write_text(json.dumps({"annotations": coco}))
    true = {"id": 31, "image_id": 7, "caption": "A dog on grass\n", "foil": False, "foil_word": "ORIG"}
    wrong = {"id": 31, "image_id": 7, "caption": "A cat on grass", "foil": True} | changes
    path = folder / "foil.json"
    images = [{"id": 7, "file_name": "COCO_val2014_7.jpg"}, {"id": 8, "file_name": "8.jpg"}]
    path.write_text(json.dumps({"images": images, "annotations": [wrong, true]}))
    return path


def test_foil_gives_a_linked_pair_whose_true_caption_is_no_reference(tmp_path: Path) -> None:
    """The true caption is preferred to its foil, and both have the picture's other captions as references."""
    true, wrong = read_foil(foil(tmp_path))
    assert (true.item, true.candidate, wrong.item, wrong.candidate) == (
        "31-a",
        "A dog on grass",
        "31-b",
        "A cat on grass",
    )
    assert true.references == wrong.references == ("a dog runs", "brown dog")
    assert (true.fields, wrong.fields) == ({"pair": "31", "place": "a"}, {"pair": "31", "place": "b"})
    assert [item.ratings[0].scores for item in (true, wrong)] == [{"preferred": 1.0}, {"preferred": 0.0}]
    assert true.media == wrong.media == "COCO_val2014_7.jpg"


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"foil": "yes"}, "annotations[0].foil", "true or false is expected"),
        ({"foil": False}, "annotations[1].foil", "id 31 has a second true caption"),
        ({"id": 32}, "annotations[0]", "id 32 has no true caption"),
        ({"id": True}, "annotations[0].id", "a whole number is expected"),
        ({"image_id": 8}, "annotations[0].image_id", "is not the picture of the true caption of id 31"),
        ({"image_id": 9}, "annotations[0].image_id", "the file has no image 9"),
        ({"caption": " "}, "annotations[0].caption", "is empty"),
    ],
)
def test_a_wrong_annotation_of_foil_is_named(tmp_path: Path, changes: dict[str, Any], field: str, words: str) -> None:
    """The error says which annotation, which key and what is wrong."""
    path = foil(tmp_path, **changes)
    error = failure(lambda: read_foil(path))
    assert (error.file, error.field) == (str(path), field)
    assert words in str(error)


def test_a_pair_without_references_is_refused(tmp_path: Path) -> None:
    """A picture that COCO's file does not have is an error, and so is what is no annotation there."""
    path = foil(tmp_path)
    (tmp_path / COCO).write_text(json.dumps({"annotations": [{"image_id": 7, "caption": "A dog on grass"}]}))
    assert "no other caption of picture 7" in str(failure(lambda: read_foil(path)))
    (tmp_path / COCO).write_text(json.dumps({"annotations": [{"image_id": 7}]}))
    with pytest.raises(InputError) as caught:
        read_coco_captions(tmp_path / COCO)
    assert (caught.value.file, caught.value.field) == (str(tmp_path / COCO), "annotations[0].caption")


# --- VATEX-EVAL -----------------------------------------------------------------------------------------------------


def vatex(folder: Path, **changes: Any) -> Path:
    whole: dict[str, Any] = {
        "video_ids": ["v1", "v2", "v1"],
        "candidates_list": ["a dog", "a cat", "dogs"],
        "gts_list": [["dog", "a pup"], ["cat"], ["dog", "a pup"]],
        "human_scores": [[5, 1, 3], [4, 1, 3], [5, 2, 2]],
    }
    path = folder / "vatex.json"
    path.write_text(json.dumps({key: value for key, value in (whole | changes).items() if value is not ...}))
    return path


def test_vatex_lines_up_by_place_and_names_by_clip(tmp_path: Path) -> None:
    """A caption's item is named by its clip and its place among the clip's, with one rating an annotator."""
    items = list(read_vatex_eval(vatex(tmp_path), "clips/{video}.mp4"))
    assert [item.item for item in items] == ["v1-1", "v2-1", "v1-2"]
    assert [rating.scores["overall"] for rating in items[2].ratings] == [3, 3, 2]
    assert [rating.annotator for rating in items[2].ratings] == ["1", "2", "3"]
    assert (items[1].references, items[2].media) == (("cat",), "clips/v1.mp4")


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"video_ids": ...}, "video_ids", "is missing"),
        ({"candidates_list": ["a dog"]}, "candidates_list", "1 entries, but video_ids has 3"),
        ({"gts_list": [["dog"], [], ["dog"]]}, "gts_list[1]", "is empty"),
        ({"human_scores": [[5, 1, 3], [4, 1]]}, "human_scores[1]", "2 ratings for 3 captions"),
        ({"human_scores": [[5, 1, "3"]]}, "human_scores[0][2]", "a number is expected"),
        ({"human_scores": [5, 1, 3]}, "human_scores[0]", "a list is expected"),
    ],
)
def test_a_wrong_value_of_vatex_is_named(tmp_path: Path, changes: dict[str, Any], field: str, words: str) -> None:
    """The error says which key, which entry and what is wrong."""
    path = vatex(tmp_path, **changes)
    error = failure(lambda: read_vatex_eval(path))
    assert (error.file, error.field) == (str(path), field)
    assert words in str(error)


@pytest.mark.parametrize(("name", "data"), [("a.pkl", b"{}"), ("a.json", b"\x80\x04N.")])
def test_a_pickle_is_never_opened(tmp_path: Path, name: str, data: bytes) -> None:
    """What is called a pickle or begins as one is refused, with the command that makes JSON of it."""
    path = tmp_path / name
    path.write_bytes(data)
    assert "json.dump(whole" in str(failure(lambda: read_vatex_eval(path)))


# --- Through a spec -------------------------------------------------------------------------------------------------


def test_a_spec_names_the_second_file_relative_to_itself(tmp_path: Path) -> None:
    """The key `captions` is a path from the spec's folder, and a missing file is the spec's fault."""
    (tmp_path / "data").mkdir()
    flickr(tmp_path / "data", ["1_d.jpg 2_c.jpg.1#0 1 1 2"])
    (tmp_path / "data" / FLICKR8K).rename(tmp_path / "tokens.txt")
    materials = Materials("s.toml", folder=tmp_path)
    spec = DatasetSpec(path="data/annotations.txt", reader="flickr8k-expert-raw", captions="tokens.txt", name="expert")
    [item] = open_dataset(spec, materials, "msvd-eval", Holds.CAPTIONS)()
    assert (item.item, item.dataset) == ("expert/1_d-1", "expert")
    missing = DatasetSpec(path="data/annotations.txt", reader="flickr8k-expert-raw", captions="none.txt")
    with pytest.raises(InputError) as caught:
        open_dataset(missing, materials, "msvd-eval", Holds.CAPTIONS)
    assert (caught.value.file, caught.value.field) == ("s.toml", "dataset.captions")


@pytest.mark.parametrize(
    ("reader", "key", "value"), [("vatex-eval", "captions", "x.txt"), ("foil", "columns", {"id": "x"})]
)
def test_a_key_that_a_reader_has_no_use_for_is_refused(tmp_path: Path, reader: str, key: str, value: Any) -> None:
    """A second file or names of columns, where the format has none, are an error of the spec's."""
    spec = DatasetSpec(path="x.json", reader=reader, **{key: value})
    with pytest.raises(InputError, match="nothing that this reader makes use of") as caught:
        open_dataset(spec, Materials("s.toml", folder=tmp_path), "msvd-eval", Holds.CAPTIONS)
    assert caught.value.field == f"dataset.{key}"
