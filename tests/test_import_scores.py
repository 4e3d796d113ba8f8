"""`overnight import scores`: tables of scores by other programs become items with scores, joined by id at analysis."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.imports.score_tables import ScoresImport
from outputs.answers import read_items
from outputs.items import Item, Rating
from tests.harness.workplace import Ended, Workplace


def imported(work: Workplace, files: dict[str, str | bytes], *arguments: object) -> Ended:
    for name, data in files.items():
        (work.folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return work.overnight("import", "scores", *files, *arguments, "--out", work.run_folder)


def items(work: Workplace) -> dict[str, Item]:
    return read_items(work.run_folder)


def scores(work: Workplace) -> dict[str, dict[str, dict[str, float]]]:
    return {name: item.scores for name, item in items(work).items()}


def test_a_long_table(work: Workplace) -> None:
    """A score a row, with dimensions where there are any; every score says its file and line."""
    rows = ("a,CLIPScore,0.5,,x", "a,ACCR,3,accuracy,", "a,ACCR,4,relevance,", "b,CLIPScore,1e-3,,", "")
    text = "\n".join(("item,metric,value,dimension,note", *rows))
    ended = imported(work, {"s.csv": text}, "--json")
    assert (ended.code, ended.json["items"], ended.json["requests"]) == (0, 2, 0)
    assert scores(work) == {
        "a": {"CLIPScore": {"overall": 0.5}, "ACCR": {"accuracy": 3.0, "relevance": 4.0}},
        "b": {"CLIPScore": {"overall": 0.001}},
    }
    assert items(work)["a"].fields["imported"]["scores"]["ACCR"]["relevance"] == "s.csv:4"
    assert ended.json["notes"] == ["s.csv: columns not taken: note"]


def test_a_wide_table(work: Workplace) -> None:
    """An item a row: columns of numbers are metrics, others fields; what is said of the item is kept."""
    text = (
        "\ufeffimage_id,CLIPScore,PAC-S,split,candidate,reference_1,ratings.overall,ratings.2.overall,system,dataset\r\n"
        '7,0.5,0.25,test,"a dog, brown",dog,3,4,m1,d\r\n'
        "8,0.75,,test,cat,a cat,,2,m2,d\r\n"
    )
    ended = imported(work, {"s.csv": text}, "--column", "item=image_id", "--json")
    assert ended.json["left_out"] == {"PAC-S: empty values": 1}
    found = items(work)
    assert scores(work) == {
        "7": {"CLIPScore": {"overall": 0.5}, "PAC-S": {"overall": 0.25}},
        "8": {"CLIPScore": {"overall": 0.75}},
    }
    assert (found["7"].candidate, found["7"].references, found["7"].system, found["7"].dataset) == (
        "a dog, brown", ("dog",), "m1", "d",
    )  # fmt: skip
    assert found["7"].ratings == (Rating("1", {"overall": 3.0}), Rating("2", {"overall": 4.0}))
    assert found["8"].fields["split"] == "test"


def test_json_lines_and_parquet(work: Workplace) -> None:
    """The same rows from JSON lines and from Parquet are the same items but for where they are from."""
    rows = [{"item": 1, "Polos": 0.5, "ok": True}, {"item": 2, "Polos": None, "ok": False}]
    pl.DataFrame(rows).write_parquet(work.folder / "s.parquet")
    (work.folder / "s.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for name in ("s.parquet", "s.jsonl"):
        assert work.overnight("import", "scores", name, "--out", work.folder / name[2:]).code == 0
    one, other = (read_items(work.folder / name) for name in ("parquet", "jsonl"))
    assert {name: (item.scores, item.fields["ok"]) for name, item in one.items()} == {
        name: (item.scores, item.fields["ok"]) for name, item in other.items()
    }
    assert one["2"].scores == {}


def test_several_files_are_joined_by_item(work: Workplace) -> None:
    """Metrics of one item from several files come together, in whatever form."""
    wide, long = "item,CLIPScore\na,1\nb,2\n", '{"item": "b", "metric": "PAC-S", "value": 3}\n'
    assert imported(work, {"c.csv": wide, "p.jsonl": long}).code == 0
    assert scores(work)["b"] == {"CLIPScore": {"overall": 2.0}, "PAC-S": {"overall": 3.0}}


def test_metrics_can_be_chosen(work: Workplace) -> None:
    """--metric takes only these columns, so that numbers that are none are fields."""
    assert imported(work, {"s.csv": "item,clip,frames,say\na,1,217,7\nb,2,80,x\n"}, "--metric", "clip").code == 0
    assert scores(work) == {"a": {"clip": {"overall": 1.0}}, "b": {"clip": {"overall": 2.0}}}
    assert items(work)["a"].fields["frames"] == "217"
    assert work.overnight("import", "scores", "s.csv", "--metric", "no", "--out", "x").code == 2


@pytest.mark.parametrize(
    ("columns", "row", "note"),
    [
        ("candidate,reference_1,reference_2", "a dog,dog,a brown dog", "of the 1 of its 1 rows"),
        ("candidate", "a dog", "of the 0 of its 1 rows"),
        ("ratings.overall", "3", "1 have ratings"),
    ],
)
def test_a_table_of_captions_or_ratings_alone(work: Workplace, columns: str, row: str, note: str) -> None:
    """Without a metric the items are taken for what else is told of them, and a note says what can come of it."""
    ended = imported(work, {"s.csv": f"item,{columns}\n7,{row}\n"}, "--json")
    assert (ended.code, ended.json["items"]) == (0, 1)
    assert note in ended.json["notes"][0]
    assert items(work)["7"].scores == {}


LONG = "item,metric,value\n"
BAD: dict[str, tuple[str, str | bytes, str]] = {
    "no item": ("s.csv", "image_id,clip\na,1\n", "s.csv: item: the table has no such column; say which one it is: --c"),
    "no value": ("s.csv", "item,metric\na,clip\n", "s.csv: value: the table has no such column"),
    "no metric": ("s.csv", "item,value\na,1\n", "s.csv: metric: the table has no such column"),
    "no numbers": ("s.csv", "item,clip\na,x\n", "s.csv:2: has no column of numbers"),
    "not captions": ("s.csv", "item,reference_1\na,x\n", "s.csv:2: has no column of numbers beside those that say wha"),
    "mixed": ("s.csv", "item,clip\na,0.5\nb,x\n", "s.csv:3: clip: a number is expected, as on line 2, not 'x'"),
    "nan first": ("s.csv", "item,clip\na,nan\nb,1\n", "s.csv:2: clip: a number is expected, as on line 3, not 'nan'"),
    "nan": ("s.csv", f"{LONG}a,clip,NaN\n", "s.csv:2: value: a number is expected, not 'NaN'"),
    "inf": ("s.csv", f"{LONG}a,clip,1e999\n", "s.csv:2: value: a finite number is expected"),
    "json nan": ("s.jsonl", '{"item": "a", "clip": NaN}', "s.jsonl:1: not readable as JSON: NaN is no JSON value"),
    "json text": ("s.jsonl", '{"item": "a", "metric": "c", "value": "1"}', "s.jsonl:1: value: a number is expected"),
    "json true": ("s.jsonl", '{"item": "a", "metric": "c", "value": true}', "s.jsonl:1: value: a number is expected"),
    "json mixed": ("s.jsonl", '{"item":"a","c":1}\n{"item":"b","c":"x"}', "s.jsonl:2: c: a number is expected, as on"),
    "twice": ("s.csv", f"{LONG}a,clip,1\nb,clip,1\na,clip,2\n", "s.csv:4: value: item 'a' has a score of clip (overa"),
    "wide twice": ("s.csv", "item,clip\na,1\na,1\n", "s.csv:3: clip: item 'a' has a score of clip"),
    "two captions": ("s.csv", "item,clip,candidate\na,1,x\na,,y\n", "s.csv:3: candidate: item 'a' has another one on"),
    "no id": ("s.csv", f"{LONG},clip,1\n", "s.csv:2: item: is empty"),
    "no metric's name": ("s.csv", f"{LONG}a,,1\n", "s.csv:2: metric: is empty"),
    "all empty": ("s.csv", f"{LONG}a,clip,\n", "s.csv: holds no score"),
    "header only": ("s.csv", LONG, "s.csv: holds no row"),
    "empty": ("s.csv", "", "s.csv: holds no row"),
    "short row": ("s.csv", f"{LONG}a,clip\n", "s.csv:2: 2 values, but the header has 3 columns"),
    "torn": ("s.jsonl", '{"item": "a", "cl', "s.jsonl:1: not JSON"),
    "latin-1": ("s.csv", "item,clip\n\xe9,1\n".encode("latin-1"), "s.csv:2: not UTF-8"),
    "no parquet": ("s.parquet", b"PAR1xx", "s.parquet: not readable as Parquet"),
    "suffix": ("s.txt", "item,clip\n", "s.txt: the suffix '.txt' says nothing"),
    "packed": ("s.csv", b"\x1f\x8b\x08\x00", "s.csv: is packed (gzip): unpack it first"),
    "bad rating": ("s.csv", "item,clip,ratings.overall\na,1,high\n", "s.csv:2: ratings.overall: a number is expected"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_table_is_one_line_and_leaves_nothing(work: Workplace, name: str) -> None:
    """What is wrong is said with file, line and column, and no folder is made."""
    file, data, message = BAD[name]
    ended = imported(work, {file: data})
    assert (ended.code, ended.error[: len(message)]) == (2, message)
    assert work.files(file) == set()


def test_nan_in_parquet_is_told_from_null(work: Workplace) -> None:
    """A null is left out and counted, NaN is an error with its row."""
    pl.DataFrame({"item": ["a", "b", "c"], "clip": [None, 1.0, float("nan")]}).write_parquet(work.folder / "s.parquet")
    ended = work.overnight("import", "scores", "s.parquet", "--out", work.run_folder)
    assert ended.error == "s.parquet:3: clip: NaN is no score; leave the value out (null)"


def test_nan_in_parquet_is_no_id(work: Workplace) -> None:
    """NaN in the column of the ids is named with that column, whatever it is called, as no id."""
    pl.DataFrame({"caption": [1.0, float("nan")], "clip": [0.5, 1.0]}).write_parquet(work.folder / "s.parquet")
    ended = work.overnight("import", "scores", "s.parquet", "--column", "item=caption", "--out", work.run_folder)
    assert (ended.code, ended.error) == (2, "s.parquet:2: caption: NaN is no id")


def test_columns_that_are_not_there_are_refused(work: Workplace) -> None:
    """A renaming names a column of ours and one of the table's, each once."""
    files: dict[str, str | bytes] = {"s.csv": "id,clip\na,1\n"}
    assert "the table has no such column (for item)" in imported(work, files, "--column", "item=ids").error
    assert "'itme' is no column of scores" in imported(work, files, "--column", "itme=id").error
    twice = imported(work, files, "--column", "item=id", "--column", "metric=id")
    assert twice.error == "--column: 'id' is named for two columns"
    assert imported(work, files, "--column", "item").code == 2


def test_a_column_without_a_value_is_counted(work: Workplace) -> None:
    """A column in which nothing stands is no metric and no field, and the output says so."""
    ended = imported(work, {"s.csv": "item,clip,pac\na,1,\nb,2,\n"}, "--json")
    assert ended.json["left_out"] == {"pac: a column without a value": 1}
    assert "pac" not in items(work)["a"].fields


_FINITE = st.floats(allow_nan=False, allow_infinity=False)
_TABLE = st.dictionaries(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["m", "n"]), st.sampled_from(["overall", "x"])),
    st.none() | _FINITE,
    min_size=1,
)


@given(_TABLE)
def test_every_number_comes_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, table: dict[Any, float | None]
) -> None:
    """What a long table has is what the items have, to the last bit; what it lacks is counted and nowhere else."""
    path = tmp_path_factory.mktemp("t") / "s.csv"
    rows = (
        f"{item},{metric},{'' if value is None else repr(value)},{dimension}\n"
        for (item, metric, dimension), value in table.items()
    )
    path.write_text("item,metric,value,dimension\n" + "".join(rows))
    known = {key: value for key, value in table.items() if value is not None}
    if not known:
        return
    source = ScoresImport([path])
    found = {
        (item.item, metric, dimension): value
        for item in source.items()
        for metric, values in item.scores.items()
        for dimension, value in values.items()
    }
    assert found == known
    empty = sum(count for reason, count in source.found.left_out.items() if reason.endswith("empty values"))
    assert empty == len(table) - len(known)


def test_an_import_is_analysed_with_other_runs(work: Workplace, tmp_path: Path) -> None:
    """A run of scores alone is one that status reads, with nothing asked."""
    assert imported(work, {"s.csv": "item,clip\na,1\n"}).code == 0
    status = work.overnight("status", work.run_folder, "--json").json
    assert (status["asked"], status["answered"], status["cost_usd"]) == (0, 0, 0)
    assert work.overnight("run", work.run_folder).code == 2


def test_a_column_is_renamed_once(work: Workplace) -> None:
    """Two names for one column are an error of usage, not the last of them."""
    (work.folder / "s.csv").write_text("a,b,metric,value\n1,2,m,3\n")
    ended = work.overnight("import", "scores", "s.csv", "--column", "item=a", "--column", "item=b", "--out", "r")
    assert (ended.code, "'item' is given twice" in ended.err) == (2, True)
