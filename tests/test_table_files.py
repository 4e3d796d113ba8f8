"""Tables: what each kind of file is read as, and how each fault is named."""

import contextlib
import json
import random
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from jobs.table_files import read_rows
from prompts.input_error import InputError

NASTY = 'Grüße, "zwei"\nZeilen 🙂\u2028und\tmehr'


def write(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def failure(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        list(read_rows(path))
    assert caught.value.file == str(path)
    return caught.value


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json", "A.JSONL"])
def test_json_lines_are_read_with_their_line_numbers(tmp_path: Path, name: str) -> None:
    """A byte order mark, CRLF and blank lines are passed over, and the numbers are the file's."""
    rows: list[dict[str, Any]] = [{"a": NASTY, "b": [1, 2.5, None, {"c": True}]}, {"other": "column"}]
    text = "\ufeff" + json.dumps(rows[0]) + "\r\n\n  \n" + json.dumps(rows[1], ensure_ascii=False)
    assert list(read_rows(write(tmp_path, name, text))) == [(1, rows[0]), (4, rows[1])]


def test_a_json_file_may_be_one_list(tmp_path: Path) -> None:
    """As published dialogue sets are: the number is then the place in the list."""
    path = write(tmp_path, "a.json", '\ufeff \n[{"a": 1},\n {"a": 2}]')
    assert list(read_rows(path)) == [(1, {"a": 1}), (2, {"a": 2})]
    assert failure(write(tmp_path, "a.json", '[{"a": 1}, 2]')).line == 2
    assert failure(write(tmp_path, "a.json", '[{"a": 1},\n{"a"]')).line == 2
    assert "no row" in str(failure(write(tmp_path, "a.json", "[]")))


def test_delimited_text_has_a_header_and_text(tmp_path: Path) -> None:
    """Quoted fields keep commas, quotes and line breaks; a row's number is that of its first line."""
    quoted = NASTY.replace('"', '""')
    path = write(tmp_path, "a.csv", f'\ufeffid,text\r\n1,"{quoted}"\r\n\r\n2,\r\n')
    assert list(read_rows(path)) == [(2, {"id": "1", "text": NASTY}), (5, {"id": "2", "text": ""})]
    assert list(read_rows(write(tmp_path, "a.tsv", "id\ttext\n1\ta, b\n"))) == [(2, {"id": "1", "text": "a, b"})]


def test_parquet_is_read_as_json_values(tmp_path: Path) -> None:
    """Lists, structs, dates and missing values; more rows than one batch keep their order."""
    path = tmp_path / "a.parquet"
    count = 2_500
    pl.DataFrame(
        {
            "n": range(count),
            "text": [NASTY] * count,
            "when": [datetime(2024, 5, 1, 12)] * count,
            "messages": [[{"role": "user", "day": date(2024, 5, 1)}]] * count,
            "score": [float("nan"), *([0.5] * (count - 1))],
            "kind": pl.Series(["x", None] * (count // 2), dtype=pl.Categorical),
        }
    ).write_parquet(path)
    rows = list(read_rows(path))
    assert [number for number, _ in rows] == list(range(1, count + 1))
    assert [row["n"] for _, row in rows] == list(range(count))
    assert rows[0][1] == {
        "n": 0,
        "text": NASTY,
        "when": "2024-05-01T12:00:00",
        "messages": [{"role": "user", "day": "2024-05-01"}],
        "score": None,
        "kind": "x",
    }
    assert (rows[1][1]["score"], rows[1][1]["kind"]) == (0.5, None)


@pytest.mark.parametrize("value", [b"bytes", float("inf"), [float("-inf")]])
def test_a_parquet_value_without_json_names_its_column(tmp_path: Path, value: Any) -> None:
    """What items cannot hold is refused with the row and the column."""
    path = tmp_path / "a.parquet"
    pl.DataFrame({"ok": [1, 2], "bad": [None, value]}).write_parquet(path)
    error = failure(path)
    assert (error.line, error.field) == (2, "bad")


@pytest.mark.parametrize(
    ("name", "content", "line", "words"),
    [
        ("a.jsonl", '{"a": 1}\n{"a": }', 2, "column 7"),
        ("a.jsonl", "[1]", 1, "an object"),
        ("a.jsonl", '\n"text"', 2, "an object"),
        ("a.jsonl", b'{"a": 1}\n{"\xff": 1}', 2, "byte 2 of the line"),
        ("a.jsonl", '{"a": 1, "b": {"c": 1, "c": 2}}', 1, "'c' twice"),
        ("a.jsonl", '{"a": NaN}', 1, "NaN"),
        ("a.jsonl", '{"a": "\\ud800"}', 1, "surrogates"),
        ("a.jsonl", '{"\\ud800": 1}', 1, "surrogates"),
        ("a.jsonl", '{"a": ' + "9" * 30 + "}", 1, "64-bit"),
        ("a.jsonl", '{"a": ' + "9" * 5_000 + "}", 1, "not readable"),
        ("a.jsonl", '{"a": ' + "[" * 400 + "]" * 400 + "}", 1, "Recursion"),
        ("a.jsonl", '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", 1, "not readable"),
        ("a.jsonl", " \n", None, "no row"),
        ("a.jsonl", "", None, "no row"),
        ("a.json", "", None, "no row"),
        ("a.json", b"[\xff]", None, "byte 1"),
        ("a.csv", "", None, "no row"),
        ("a.csv", "a,b\n", None, "no row"),
        ("a.csv", "a,b\n1,2\n\n3\n", 4, "1 values, but the header has 2"),
        ("a.csv", "a,b\n1,2,3\n", 2, "3 values"),
        ("a.csv", "a,a\n1,2\n", 1, "twice"),
        ("a.csv", "a, \n1,2\n", 1, "column 2 has no name"),
        ("a.csv", 'a,b\n1,"2\n3', 2, "not readable"),
        ("a.csv", 'a,b\n1,"2"x\n', 2, "not readable"),
        ("a.csv", b"a,b\n1,\xe4\n", 2, "byte 2 of the line"),
        ("a.parquet", "", None, "not readable as Parquet"),
        ("a.parquet", "PAR1 is not enough PAR1", None, "not readable as Parquet"),
        ("a.xlsx", "x", None, "the suffix '.xlsx'"),
        ("a", "x", None, ".jsonl"),
    ],
)
def test_faults_name_file_and_line(
    tmp_path: Path, name: str, content: str | bytes, line: int | None, words: str
) -> None:
    """Every malformation is one error with its place."""
    error = failure(write(tmp_path, name, content))
    assert error.line == line
    assert words in str(error)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.parquet"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    """Whatever the kind, a missing file and a folder are input errors."""
    assert "cannot be read: No such file" in str(failure(tmp_path / name))
    (tmp_path / name).mkdir()
    failure(tmp_path / name)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.tsv", "a.parquet"])
def test_damaged_files_are_read_or_refused(tmp_path: Path, name: str) -> None:
    """Whatever bytes change, a file gives rows or an InputError, never another error."""
    whole = tmp_path / name
    if name.endswith("parquet"):
        pl.DataFrame({"a": ["x", "y"], "b": [1, 2]}).write_parquet(whole)
    else:
        whole.write_text('a,b\n"x",1\n' if name.endswith("sv") else '{"a": "x", "b": [1]}\n')
    data, draw = whole.read_bytes(), random.Random(3)
    for _ in range(60):
        broken = bytearray(data)
        for _ in range(draw.randint(1, 4)):
            broken[draw.randrange(len(broken))] = draw.randrange(256)
        whole.write_bytes(bytes(broken[: draw.randint(1, len(broken))]))
        with contextlib.suppress(InputError):
            assert list(read_rows(whole))


def test_a_long_value_is_a_value(tmp_path: Path) -> None:
    """A text of more characters than CSV readers usually take is read."""
    path = tmp_path / "long.csv"
    path.write_text("id,text\na," + "x" * 200_000 + "\n")
    assert [len(row["text"]) for _, row in read_rows(path)] == [200_000]
