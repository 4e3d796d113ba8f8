"""`overnight build`: what a spec asks first, as a plain manifest."""

import json
from importlib.resources import files
from pathlib import Path

import pytest

from outputs.journal import Log
from tests.harness.graded import write_graded_spec
from tests.harness.workplace import Workplace, line

EXAMPLES = Path(str(files("jobs").joinpath("examples")))


@pytest.fixture
def spec(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two models answer five captions, one of them named with its provider; a judge follows."""
    return write_graded_spec(work.folder, 5, monkeypatch, models=("lab-1", "lab/lab-2"), judge="lab-3").name


def test_a_spec_becomes_a_manifest(work: Workplace, spec: str) -> None:
    """The same bytes on standard output and in a file; what answers would bring is not in it, and that is said."""
    built = work.overnight("build", spec)
    assert built.code == 0
    lines = [json.loads(one) for one in built.out.splitlines()]
    assert [one["custom_id"] for one in lines[:3]] == ["i0-0", "i0-1", "i1-0"]
    assert lines[1] == {
        "custom_id": "i0-1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "lab-2", "messages": [{"role": "user", "content": "Caption 0"}], "max_tokens": 10},
        "provider": "lab",
        "metadata": {"stage": "answer", "item": "i0", "model": "lab/lab-2"},
    }
    assert "provider" not in lines[0]
    follows = "about 10 requests that follow from the answers are not in it (10 of stage judge for lab/lab-3)"
    assert built.error == f"{follows}: running the spec itself asks them"
    written = work.overnight("build", spec, "-o", "built.jsonl")
    assert (written.code, written.out) == (0, "")
    assert written.err.startswith("10 requests written to built.jsonl\n")
    assert (work.folder / "built.jsonl").read_bytes() == built.out.encode()


def test_what_is_built_runs_and_asks_the_same(work: Workplace, spec: str) -> None:
    """As a manifest, with the spec's own ids, bodies and lanes."""
    work.overnight("build", spec, "-o", "built.jsonl")
    assert work.run(source="built.jsonl").code == 0
    from_manifest = asked(work.run_folder)
    assert work.overnight("run", spec, "--out", "other", "--quiet").code == 0
    assert from_manifest.items() <= asked(work.folder / "other").items()
    assert len(from_manifest) == 10


def asked(folder: Path) -> dict[str, tuple[str, str]]:
    lines = map(json.loads, (folder / Log.REQUESTS.file_name).read_bytes().splitlines())
    return {one["custom_id"]: (one["fingerprint"], one["provider"]) for one in lines}


def test_the_first_items_only(work: Workplace, spec: str) -> None:
    """`--first` cuts the datasets, and what would follow."""
    built = work.overnight("build", spec, "--first", 2)
    assert len(built.out.splitlines()) == 4
    assert built.error.startswith("about 4 requests that follow")


def test_prompts_of_ones_own_go_over_the_shipped_ones(work: Workplace) -> None:
    """`--prompts` is honoured by build and run alike, and the run has the prompt on record."""
    import prompts

    shipped = (Path(prompts.__path__[0]) / "gveval_ref_only_accr.md").read_text()
    (work.folder / "mine").mkdir()
    (work.folder / "mine" / "gveval_ref_only_accr.md").write_text(shipped + "\nBe brief.\n")
    spec = EXAMPLES / "gveval_ref_only.toml"
    assert "Be brief." not in work.overnight("build", spec, "--first", 1).out
    assert "Be brief." in work.overnight("build", spec, "--first", 1, "--prompts", "mine").out
    assert work.run("--prompts", "mine", "--first", 2, source=spec).code == 0
    assert "Be brief." in json.loads((work.run_folder / "run.json").read_bytes())["prompts"][0]["text"]
    refused = work.run("--first", 3, source=spec)
    assert (refused.code, "the prompt gveval_ref_only_accr changed" in refused.error) == (2, True)


def test_pictures_stay_where_they_are(work: Workplace) -> None:
    """The manifest names them by their paths under the media root, which is said; with it the manifest runs."""
    built = work.overnight("build", EXAMPLES / "gveval_ref_free.toml", "-o", "built.jsonl", "--first", 1)
    assert built.code == 0, built.err
    assert f"pictures and clips lie under {EXAMPLES}: run what is built with --media-root" in built.err
    assert work.run("--media-root", EXAMPLES, "--json", source="built.jsonl").json["answered"] == 1


def test_nothing_is_written_where_something_is_wrong(work: Workplace, spec: str) -> None:
    """A file that is there, a manifest, a run folder, a spec with a fault at its end: exit 2 and no output."""
    (work.folder / "there.jsonl").write_text("mine")
    assert work.overnight("build", spec, "-o", "there.jsonl").error == (
        "there.jsonl: is there already: give another --output"
    )
    assert (work.folder / "there.jsonl").read_text() == "mine"
    work.write([line("a")])
    assert "is no job spec" in work.overnight("build", "m.jsonl").error
    assert work.run().code == 0
    assert "is no job spec" in work.overnight("build", "out").error
    dataset = work.folder / "items.json"
    dataset.write_text(dataset.read_text().replace('"Caption 4"', "4"))
    for arguments in ((), ("-o", "new.jsonl")):
        refused = work.overnight("build", spec, *arguments)
        assert (refused.code, refused.out) == (2, "")
        assert refused.error.startswith("items.json: ")
    assert not (work.folder / "new.jsonl").exists()
