"""`overnight jobs`: which kinds of job there are, and an annotated spec of each to start from."""

import sys
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import pytest

from jobs.registry import KINDS, JobKind, JobSpec, kinds
from tests.harness.workplace import Workplace

EXAMPLES = Path(str(files("jobs").joinpath("examples")))


def test_the_kinds_are_listed(work: Workplace) -> None:
    """Each with what it is for in a line; as JSON with the name of its example."""
    shown = work.overnight("jobs").out.splitlines()
    listed = work.overnight("jobs", "--json").json
    assert [one["job"] for one in listed] == sorted(KINDS)
    for line, one, (name, kind) in zip(shown, listed, kinds(), strict=True):
        assert line.split(maxsplit=1) == [name, kind.summary]
        assert one == {"job": name, "summary": kind.summary, "example": f"{kind.example}.toml"}


@pytest.mark.parametrize("name", sorted(KINDS))
def test_an_example_is_printed_and_written_so_that_it_can_be_run(work: Workplace, name: str) -> None:
    """With --to, the spec and all that it reads lie in a folder of the user's, and nothing else is needed."""
    printed = work.overnight("jobs", name).out
    written = work.overnight("jobs", name, "--to", "deep/mine", "--json").json
    spec = Path(written["path"])
    assert spec.read_text() == printed == (EXAMPLES / spec.name).read_text()
    assert f'job = "{name}"' in printed
    assert {path.relative_to("deep/mine").as_posix() for path in Path("deep/mine").rglob("*") if path.is_file()} == {
        spec.name,
        *dict(kinds())[name].example_files,
    }
    planned = work.overnight("plan", spec, "--out", "out", "--json")
    assert planned.code == 0, planned.err
    assert planned.json["rows"] > 0
    assert all(lane["simulated"] for lane in planned.json["lanes"])


def test_a_written_example_runs(work: Workplace) -> None:
    """`overnight run` of what was written needs no further word."""
    said = work.overnight("jobs", "gveval", "--to", "mine").out
    assert said == "written; next: overnight run mine/gveval_ref_only.toml\n"
    assert work.overnight("run", "mine/gveval_ref_only.toml", "--first", 3, "--json").json["answered"] == 3


def test_nothing_is_written_over_what_is_there(work: Workplace) -> None:
    """Neither the spec nor its data, and then nothing at all."""
    (work.folder / "mine").mkdir()
    (work.folder / "mine" / "captions_constructed.json").write_text("mine")
    refused = work.overnight("jobs", "gveval", "--to", "mine")
    assert (refused.code, refused.error) == (
        2,
        "mine/captions_constructed.json: is there already: give another --to",
    )
    assert [path.name for path in (work.folder / "mine").iterdir()] == ["captions_constructed.json"]
    (work.folder / "file").write_text("")
    assert work.overnight("jobs", "gveval", "--to", "file").code == 2


def test_an_unknown_kind_is_named(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the nearest name; one without an example says so, and --to wants a kind."""
    assert "did you mean 'gveval'" in work.overnight("jobs", "gveva").error
    module = ModuleType("bare_job")
    module.KIND = JobKind(JobSpec, lambda spec, materials: None)  # type: ignore[attr-defined,arg-type,return-value]
    monkeypatch.setitem(sys.modules, "bare_job", module)
    monkeypatch.setitem(KINDS, "bare", "bare_job")
    assert work.overnight("jobs", "bare").error == "there is no example of a spec for 'bare'"
    assert work.overnight("jobs", "--to", "mine").code == 2
