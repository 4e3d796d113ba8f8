"""An evaluation of one's own, as the documentation builds it: its files, its commands, and what comes out."""

import json
import re
from pathlib import Path
from statistics import fmean

import polars as pl
import pytest

from tests.harness.workplace import Workplace

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "own-evaluation.md").read_text()
EXAMPLES = ROOT / "jobs" / "examples"
NAMED = r"`([\w.]+\.(?:csv|md|toml))`:\n\n```\w+\n(.*?)```\n"
FILES: dict[str, str] = dict(re.findall(NAMED, PAGE, re.DOTALL))  # what stands in the page under its name
COMMANDS = [
    line.split()[1:] for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()
]


@pytest.fixture
def reader(work: Workplace) -> Workplace:
    """A working folder in which somebody wrote down the page's files."""
    for name, text in FILES.items():
        (work.folder / name).write_text(text)
    return work


def scores_in_answers(run: Path) -> dict[str, int | None]:
    """The rating of each item as it stands in the raw answers; None where there is none."""
    found: dict[str, int | None] = {}
    for line in (run / "responses.jsonl").read_text().splitlines():
        answer = json.loads(line)
        text = answer["response"]["body"]["choices"][0]["message"]["content"]
        said = re.findall(r"<fluency>([1-5])</fluency>", text)
        found[answer["metadata"]["item"]] = int(said[-1]) if said else None
    return found


@pytest.mark.parametrize("name", ["texts_constructed.csv", "fluency.md", "fluency.toml"])
def test_the_page_shows_the_shipped_files(name: str) -> None:
    """What a reader copies from the page is what the examples hold."""
    assert FILES[name] == (EXAMPLES / name).read_text()


def test_every_command_of_the_page_works(reader: Workplace) -> None:
    """One after another, from the page's files alone; the one that costs money is left out."""
    free = [command for command in COMMANDS if "--budget" not in command]
    assert [command[0] for command in free] == ["plan", "run", "analyze", "run", "analyze", "run", "analyze"]
    for command in free:
        ended = reader.overnight(*command)
        assert (ended.code, ended.err if command[0] == "plan" else "") == (0, ""), (command, ended.err)
    rewritten = pl.read_parquet("runs/rewriting/tables/means.parquet")
    assert rewritten.select("model", "dimension", "items", "coverage").rows() == [
        ("simulator/phi-4", "fluency", 10, 1.0),
        ("simulator/qwen-max-0919", "fluency", 10, 1.0),
    ]
    again = pl.read_parquet("runs/again/tables/means.parquet")
    assert again.select("model", "judge", "items").rows() == [
        ("simulator/phi-4", "simulator/gpt-4.1", 10),
        ("simulator/qwen-max-0919", "simulator/gpt-4.1", 10),
    ]


def test_the_scores_are_those_of_the_answers(reader: Workplace) -> None:
    """Every text has one whole number from 1 to 5, and each writer's mean is that of the judge's own words."""
    assert reader.run(source="fluency.toml").code == 0
    ended = reader.overnight("analyze", reader.run_folder, "--json")
    assert (ended.code, ended.json["runs"][0]["simulated"], ended.json["runs"][0]["outcomes"]) == (0, True, {"ok": 10})
    said = scores_in_answers(reader.run_folder)
    sources = dict(line.split(",")[:2] for line in FILES["texts_constructed.csv"].splitlines()[1:])
    assert set(said) == set(sources)
    for row in ended.json["judged"]["means"]:
        assert (row["dimension"], row["items"], row["ok"], row["asked"], row["coverage"]) == ("fluency", 5, 5, 5, 1)
        scores = [score for item, score in said.items() if sources[item] == row["model"] and score is not None]
        assert row["mean"] == pytest.approx(fmean(scores))
    assert {row["model"] for row in ended.json["judged"]["means"]} == {"writer A", "writer B"}


def test_garbled_answers_lower_the_coverage_and_give_no_scores(reader: Workplace) -> None:
    """A judge that garbles half of its answers: they are counted, named, and in no mean."""
    spec = FILES["fluency.toml"].replace("gpt-4o-2024-08-06", "judge-garbles-50")
    (reader.folder / "fluency.toml").write_text(spec)
    assert reader.run(source="fluency.toml").code == 0
    ended = reader.overnight("analyze", reader.run_folder, "--json")
    table = pl.read_parquet(reader.run_folder / "tables" / "scores.parquet")
    read = dict(table.select("item", "value").rows())
    assert read == scores_in_answers(reader.run_folder)
    fine = [value for value in read.values() if value is not None]
    assert 0 < len(fine) < 10
    assert (
        ended.json["runs"][0]["outcomes"]["ok"] == len(fine) == sum(row["ok"] for row in ended.json["judged"]["means"])
    )
    assert all(row["coverage"] == row["ok"] / 5 for row in ended.json["judged"]["means"])
