"""`overnight import gveval`: captions, ratings and scores of the JSON files of G-VEval's authors."""

import json
from pathlib import Path
from typing import Any

import pytest

from outputs.answers import read_items
from outputs.items import Item
from outputs.run_record import read_run_record
from tests.harness.workplace import Ended, Workplace

REAL = Path(__file__).parents[2] / "shared/data"
ACCR = ("accuracy", "completeness", "conciseness", "relevance", "average")


def msvd(candidate: str = "a dog runs", vname: str = "a.avi", **keys: Any) -> dict[str, Any]:
    ratings = [[4, 3, 4, 5, 4], [4, 3, 4, 4, 3.75]]
    return {"vname": vname, "ref": ["a dog", "the dog"], "candidate": candidate, "human_score": ratings, **keys}


def judged(caption: str, rating: float, **keys: Any) -> dict[str, Any]:
    return {"image_path": "d/p.jpg", "caption": caption, "rating": rating, **keys}


def picture(*judgements: dict[str, Any]) -> dict[str, Any]:
    return {"image_path": "d/p.jpg", "ground_truth": ["a dog"], "human_judgement": list(judgements)}


def kept(candidate: str, image: str, score: Any, **keys: Any) -> dict[str, Any]:
    """An entry as the authors' program keeps it."""
    return {"image": image, "references": ["a dog"], "candidate": candidate, "reason": "so", "G-VEval": score, **keys}


def imported(work: Workplace, files: dict[str, Any], *arguments: object) -> Ended:
    for name, document in files.items():
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        (work.folder / name).write_bytes(data)
    return work.overnight("import", "gveval", *files, *arguments, "--out", work.run_folder)


def items(work: Workplace) -> dict[str, Item]:
    return read_items(work.run_folder)


def scores(work: Workplace) -> dict[str, dict[str, dict[str, float]]]:
    return {name: item.scores for name, item in items(work).items()}


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        ({"gveval": 70}, {"overall": 70.0}),
        ({"G-VEval": [1, 2, 3, 4, 2.5]}, dict(zip(ACCR, (1, 2, 3, 4, 2.5), strict=True))),
        ({"accr": [1, 2, 3, 4]}, dict(zip(ACCR[:4], (1, 2, 3, 4), strict=True))),
        ({"g_veval_score": {"Acc": 1, "Comp": None, "other": 3}}, {"accuracy": 1.0, "other": 3.0}),
        ({"score": {"final_score": 55.5, "reason": "so"}}, {"overall": 55.5}),
    ],
)
def test_scores_beside_captions_are_taken(work: Workplace, score: dict[str, Any], expected: dict[str, float]) -> None:
    """A number, a list or an object of numbers under any of the usual names is a score of G-VEval by dimension."""
    assert imported(work, {"m.json": {"v1": msvd(**score)}}).code == 0
    assert scores(work) == {"v1": {"G-VEval": expected}}
    assert items(work)["v1"].fields["imported"] == {
        "source": "m.json", "key": "v1", "scores": {"G-VEval": {"source": "m.json", "key": "v1"}},
    }  # fmt: skip


def test_a_file_without_scores_has_captions_and_ratings(work: Workplace) -> None:
    """The items are the dataset reader's, called by its name so that its protocol is known; nothing is sent."""
    ended = imported(work, {"m.json": {"v1": msvd(), "v2": msvd()}}, "--json")
    assert (ended.json["items"], ended.json["requests"], ended.json["files"][0]["holds"]) == (2, 0, "msvd-eval")
    assert [len(item.ratings) for item in items(work).values()] == [2, 2]
    assert {item.dataset for item in items(work).values()} == {"msvd-eval"}
    record = read_run_record(work.run_folder)
    assert (record.job, record.source.kind) == ("scores", "import")
    assert ended.json["notes"] == ["no scores of G-VEval are in the files: captions and ratings only"]


def test_other_names_of_scores_and_of_the_dataset(work: Workplace) -> None:
    """--score-field takes what no usual name says, under its own name; --name goes before the ids as in a spec."""
    entry = {**msvd(judge=7), "BLEU-1": 0.25}
    named = ("--score-field", "judge", "--score-field", "BLEU-1", "--name", "msvd")
    assert imported(work, {"m.json": {"v1": entry}}, *named).code == 0
    assert scores(work) == {"msvd/v1": {"judge": {"overall": 7.0}, "BLEU-1": {"overall": 0.25}}}
    assert items(work)["msvd/v1"].dataset == "msvd"


def test_flickrs_forms_are_told_apart(work: Workplace) -> None:
    """Captions rated by several are the experts', shares from 0 to 1 the crowd's, other single ratings Composite's."""
    expert = {"p": picture(judged("one", 1), judged("one", 2), judged("two", 4), judged("two", 4))}
    crowd = {"p": picture(judged("one", 0.25, score=10), judged("two", 1, score=20))}
    composite = {"p": picture(judged("one", 5), judged("two", 1))}
    for name, document in (("expert", expert), ("crowd", crowd), ("composite", composite)):
        work.folder.joinpath(f"{name}.json").write_text(json.dumps(document))
        ended = work.overnight("import", "gveval", f"{name}.json", "--out", work.folder / name, "--json")
        assert ended.json["files"][0]["holds"].removesuffix("-json").endswith({"crowd": "cf"}.get(name, name))
        assert list(read_items(work.folder / name)) == ["p-1", "p-2"]
    assert read_items(work.folder / "crowd")["p-2"].scores == {"G-VEval": {"overall": 20.0}}
    ended = imported(work, {"c.json": composite}, "--reader", "flickr8k-cf")
    assert "a rating from 0 to 1 is expected" in ended.error


def test_an_experts_caption_has_one_score(work: Workplace) -> None:
    """The same score at each of its ratings is one; another one is an error."""
    same = {"p": picture(judged("one", 1, score=10), judged("one", 2, score=10))}
    other = {"p": picture(judged("one", 1, score=10), judged("one", 2, score=11))}
    assert "another G-VEval than is told of this caption before" in imported(work, {"o.json": other}).error
    assert imported(work, {"s.json": same}).code == 0
    assert scores(work) == {"p-1": {"G-VEval": {"overall": 10.0}}}


def test_results_are_joined_by_picture_and_caption(work: Workplace) -> None:
    """What the authors' program keeps, numbered anew, goes to the captions of the dataset given with it."""
    dataset = {"v1": msvd(), "v2": msvd("a  cat", "b.avi"), "v3": msvd("a cow", "c.avi")}
    results = {"0": kept("a cat", "data/clips/b.avi", 40), "1": kept("a dog runs", "data/clips/a.avi", [1, 2, 3, 4, 5])}
    ended = imported(work, {"r.json": results, "m.json": dataset}, "--json")
    assert ended.json["left_out"] == {"captions without a score, kept with their ratings": 1}
    assert scores(work) == {
        "v1": {"G-VEval": dict(zip(ACCR, (1, 2, 3, 4, 5), strict=True))},
        "v2": {"G-VEval": {"overall": 40.0}},
        "v3": {},
    }
    assert items(work)["v2"].fields["imported"]["scores"] == {"G-VEval": {"source": "r.json", "key": "0"}}


def test_results_alone_are_items_without_ratings(work: Workplace) -> None:
    """Without a dataset file results keep their own keys, captions and references."""
    assert imported(work, {"r.json": {"7": kept("a cat", "b.avi", None), "8": kept("a dog", "c.avi", 3)}}).code == 0
    assert scores(work) == {"7": {}, "8": {"G-VEval": {"overall": 3.0}}}
    assert (items(work)["8"].candidate, items(work)["8"].references, items(work)["8"].ratings) == (
        "a dog",
        ("a dog",),
        (),
    )


BAD: dict[str, tuple[Any, str]] = {
    "torn": (b'{"v1": {', "m.json:1: not JSON"),
    "list": ([msvd()], "m.json: one JSON object of items is expected"),
    "empty": (b"", "m.json: is empty"),
    "no items": ({}, "m.json: holds no item"),
    "unknown form": ({"v1": {"a": 1}}, "m.json: item 'v1': its entries are of no form that is known here"),
    "text": ({"v1": msvd(score="7")}, "m.json: item 'v1'.score: a number is expected, this is text"),
    "nan": ({"v1": msvd(score=float("nan"))}, "m.json: item 'v1'.score: a finite number is expected"),
    "true": ({"v1": msvd(score=True)}, "m.json: item 'v1'.score: a number is expected"),
    "three": ({"v1": msvd(accr=[1, 2, 3])}, "m.json: item 'v1'.accr: 3 scores where those of accuracy"),
    "two": ({"v1": msvd(accr=[1, 2, 3, 4], score=1)}, "m.json: item 'v1'.score: a second score of G-VEval"),
    "no candidate": ({"v1": {k: v for k, v in msvd().items() if k != "candidate"}}, "m.json: item 'v1'.candidate"),
    "latin-1": ('{"\xe9": 1}'.encode("latin-1"), "m.json: not UTF-8"),
    "stranger": (
        {"v1": kept("a", "b", 1), "v2": {"candidate": "b", "references": "c"}},
        "m.json: item 'v2'.references",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_line_and_leaves_nothing(work: Workplace, name: str) -> None:
    """What is wrong is said with file, item and field, and no folder is made."""
    document, message = BAD[name]
    ended = imported(work, {"m.json": document})
    assert (ended.code, ended.error[: len(message)]) == (2, message)
    assert work.files("m.json") == set()


def test_results_of_no_caption_and_fields_of_no_entry_are_refused(work: Workplace) -> None:
    """A result that is of no caption given, an item of two files, and a field that nobody has, are named."""
    dataset = {"v1": msvd()}
    ended = imported(work, {"m.json": dataset, "r.json": {"0": kept("another", "a.avi", 1)}})
    assert "r.json: item '0': is of no caption of the dataset files" in ended.error
    assert "is in m.json too" in imported(work, {"m.json": dataset, "n.json": dataset}).error
    assert (
        imported(work, {"m.json": dataset}, "--score-field", "no").error == "--score-field no: no entry has such a key"
    )
    assert "unknown reader 'msvd'" in imported(work, {"m.json": dataset}, "--reader", "msvd").error


@pytest.mark.skipif(not (REAL / "flickr8k.json").exists(), reason=f"FLICKR8K-EXPERT IS NOT HERE ({REAL}): goes unread")
def test_the_real_files_are_read_whole(work: Workplace) -> None:
    """Flickr8k-Expert has 5,664 captions with three ratings each, MSVD-Eval 197 with those of two annotators."""
    for name, captions, ratings in (("flickr8k", 5664, 3), ("MSVD-Eval", 197, 2)):
        out = work.folder / name
        assert work.overnight("import", "gveval", REAL / f"{name}.json", "--out", out).code == 0
        found = read_items(out)
        assert (len(found), {len(item.ratings) for item in found.values()}) == (captions, {ratings})
