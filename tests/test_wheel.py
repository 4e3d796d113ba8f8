"""The wheel, installed in a place of its own: all is inside, and a user's folders of the same names do not get in."""

import os
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.harness.workplace import jsonl, line

ROOT = Path(__file__).parents[1]
PACKAGES = ("orchestrator", "jobs", "outputs", "providers", "prompts")
WHERE = "import orchestrator, prompts, jobs, outputs, providers\nprint(*(m.__file__ for m in (%s)), sep='\\n')"
ALL = WHERE % ", ".join(PACKAGES)


def pip(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    isolation = ["--no-build-isolation"] if find_spec("hatchling") else []
    built = pip("wheel", ROOT, "--no-deps", "--wheel-dir", folder, *isolation)
    if "No matching distribution found for hatchling" in built.stderr:
        pytest.skip("hatchling is not installed, and there is no index to get it from")
    assert built.returncode == 0, built.stderr
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the wheel is installed."""
    folder = tmp_path_factory.mktemp("installed")
    done = pip("install", "--no-deps", "--target", folder, wheel)
    assert done.returncode == 0, done.stderr
    return folder


def python(installed: Path, cwd: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Python with the installed wheel before everything but the working folder."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**environment, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_wheel_holds_the_packages_and_their_files(wheel: Path) -> None:
    """Prompts, catalog, examples and type markers are inside; tests and benchmarks are not."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    here = {
        str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()
    }
    wanted = {name for name in here if "__pycache__" not in name}
    assert wanted <= names
    assert {"providers/catalog.toml", "prompts/gveval_ref_only_accr.md", "jobs/examples/gveval_ref_only.toml"} <= wanted
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


@pytest.mark.parametrize("holds", ["nothing", "files", "modules"])
def test_folders_of_the_same_names_do_not_get_in(installed: Path, tmp_path: Path, holds: str) -> None:
    """In a folder with its own prompts/, jobs/ and outputs/, the installed packages are imported."""
    for name in PACKAGES:
        (tmp_path / name).mkdir()
        if holds != "nothing":
            (tmp_path / name / "mine.txt").write_text("mine")
        if holds == "modules":
            (tmp_path / name / "template.py").write_text("raise SystemExit('not this one')")
    done = python(installed, tmp_path, "-c", ALL)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(installed / name / "__init__.py") for name in PACKAGES]


def test_the_command_works_among_such_folders(installed: Path, tmp_path: Path) -> None:
    """The console script shows its help, reads its shipped files, and runs a manifest, whatever lies around it."""
    for name in PACKAGES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('not this one')")
    (tmp_path / "m.jsonl").write_bytes(jsonl([line("a"), line("b")]))
    script = installed / "bin" / "overnight"
    shown = python(installed, tmp_path, script, "--help")
    assert shown.returncode == 0, shown.stderr
    assert "Usage: overnight" in shown.stdout
    example = installed / "jobs" / "examples" / "gveval_ref_only.toml"
    planned = python(installed, tmp_path, script, "plan", example, "--out", tmp_path / "judged", "--simulate")
    assert planned.returncode == 0, planned.stderr
    assert "50 to send" in planned.stdout
    done = python(installed, tmp_path, script, "run", "m.jsonl", "--simulate", "--out", "out")
    assert (done.returncode, done.stdout) == (0, "SIMULATED: 2 of 2 answered, 0 failed, $0.00; out\n")


@pytest.mark.parametrize("name", PACKAGES[1:])
@pytest.mark.parametrize("started", ["-c", "script", "-m"])
def test_a_package_of_the_user_s_that_comes_first_is_named(
    installed: Path, tmp_path: Path, name: str, started: str
) -> None:
    """Where Python itself puts the user's package first, the import says so in one sentence with the folder."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    (tmp_path / "script.py").write_text("import orchestrator")
    ways = {
        "-c": ["-c", "import orchestrator"],
        "script": ["script.py"],
        "-m": ["-m", "orchestrator.cli", "--help"],
    }
    done = python(installed, tmp_path, *ways[started])
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"ImportError: overnight needs its own package {name!r} and Python finds {tmp_path / name} first: "
        "start Python in another folder, or rename that one"
    )


def test_a_package_that_is_missing_is_named(installed: Path, tmp_path: Path) -> None:
    """An installation that lost one of its packages says which."""
    code = "import sys; sys.path[:] = [p for p in sys.path if p]\nimport orchestrator"
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "orchestrator").symlink_to(installed / "orchestrator")
    environment = {**os.environ, "PYTHONPATH": str(broken)}
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "overnight needs its own package 'jobs' and Python does not find it" in done.stderr
