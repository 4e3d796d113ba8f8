"""The rooms of the house: imports only go down, and a short command does not pay for the long ones."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "orchestrator": {"jobs", "outputs", "providers", "prompts"},
    "jobs": {"outputs", "providers", "prompts"},
    "outputs": {"providers", "prompts"},
    "providers": {"prompts"},
    "prompts": set[str](),
}
MODULES = sorted(path.relative_to(ROOT) for room in MAY_IMPORT for path in (ROOT / room).rglob("*.py"))
MOST_LINES = 400
NO_NAMES = {"util", "utils", "helper", "helpers", "common", "misc", "shared", "stuff", "lib", "base", "core"}


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, module) of every import, those inside functions and under TYPE_CHECKING too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


def room_of(module: str) -> str:
    return module.split(".")[0]


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_only_go_down(path: Path) -> None:
    """No module imports from a room above its own, or from the tests; and every import names its room."""
    room = path.parts[0]
    for number, module in imported(ast.parse((ROOT / path).read_bytes())):
        where = f"{path}:{number} imports {module}"
        assert not module.startswith("."), where
        assert room_of(module) not in {"tests", "benchmarks"}, where
        if room_of(module) in MAY_IMPORT and room_of(module) != room:
            assert room_of(module) in MAY_IMPORT[room], where


def test_the_rooms_are_all_there() -> None:
    """Each room is a package with modules in it; nothing else at the top is one."""
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages == set(MAY_IMPORT)
    assert {path.parts[0] for path in MODULES} == set(MAY_IMPORT)


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_is_short_and_has_a_name_that_says_something(path: Path) -> None:
    """No module is a drawer for whatever has no place, or longer than anyone reads; each says what it is for."""
    text = (ROOT / path).read_text()
    assert path.stem not in NO_NAMES
    assert len(text.splitlines()) <= MOST_LINES
    assert ast.get_docstring(ast.parse(text)), f"{path} does not say what it is for"


@pytest.mark.parametrize(
    ("what", "not_loaded"),
    [
        (
            "import orchestrator",
            "polars numpy scipy altair openai aiohttp genai_prices jinja2 rich typer tenacity uvloop",
        ),
        ("from orchestrator import InputError, ResponseLine", "polars numpy scipy altair openai aiohttp genai_prices"),
        ("from orchestrator import read_status", "polars numpy scipy altair openai aiohttp genai_prices"),
        ("from orchestrator import run, responses, plan", "polars numpy scipy altair openai genai_prices jinja2"),
        ("import orchestrator.cli", "polars numpy scipy altair openai aiohttp genai_prices jinja2"),
        ("import jobs.manifest, providers.catalog, providers.routing", "polars numpy scipy altair openai aiohttp"),
    ],
)
def test_importing_loads_no_more_than_it_needs(what: str, not_loaded: str) -> None:
    """The heavy libraries are loaded when they are used, not when a name is imported."""
    code = f"{what}\nimport sys\nprint(*sorted(set({not_loaded.split()!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == ""
