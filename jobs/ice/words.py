"""What an ICE run asks, in which guises, and against which facts: the questions, the seed templates, the facts.

Questions and seeds are tables, one a row, facts are TOML; each may be the user's own file. Every fault is an
`InputError` naming file, line or entry, and field.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

import msgspec

from jobs.models import ModelName
from jobs.table_files import read_rows
from prompts.input_error import InputError
from prompts.toml_text import convert_table, near_miss, parse_toml

SLOT = "[QUESTION]"  # where a template takes the question
_MADE = re.compile(r"n\d+")  # what the templates are called that a search makes


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """`question` is its id; those that are the same but for their language share a `pair`."""

    question: str
    pair: str
    language: str
    field: str
    text: str


class Seed(msgspec.Struct, frozen=True, kw_only=True):
    """A template to start from; `seed` is its id, `family` says what kind of guise it is."""

    seed: str
    family: str
    template: str


class FactSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Who made the models whose name, with or without the provider, matches one of the patterns `models`."""

    models: tuple[str, ...]
    name: str
    developer: str
    place: str


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """What is true of one target."""

    name: str
    developer: str
    place: str


class _FactsFile(msgspec.Struct, frozen=True, kw_only=True):
    facts: tuple[FactSpec, ...]


class Words(msgspec.Struct, frozen=True):
    """The questions and the pool of seeds of a run, in their order."""

    questions: tuple[Question, ...]
    seeds: tuple[Seed, ...]

    @property
    def edition(self) -> str:
        """Tells these words from any others: 16 hex digits."""
        return digest(self)


Row = TypeVar("Row", Question, Seed)


def digest(words: Words | Fact | str) -> str:
    """The first 16 hex digits of the SHA-256 of a text, or of a record as JSON."""
    data = words.encode() if isinstance(words, str) else msgspec.json.encode(words)
    return hashlib.sha256(data).hexdigest()[:16]


def read_questions(path: Path) -> tuple[Question, ...]:
    """The questions of a table with the columns `question`, `pair`, `language`, `field` and `text`."""
    return tuple(question for _, question in _read_table(path, Question, "question"))


def read_seeds(path: Path) -> tuple[Seed, ...]:
    """The seeds of a table with the columns `seed`, `family` and `template`, which has the slot in it."""
    seeds = _read_table(path, Seed, "seed")
    for line, seed in seeds:
        if SLOT not in seed.template:
            raise InputError(f"has no {SLOT}, where the question goes", file=path, line=line, field="template")
        if _MADE.fullmatch(seed.seed):
            what = f"{seed.seed!r} is what a template is called that the search made: call it otherwise"
            raise InputError(what, file=path, line=line, field="seed")
    return tuple(seed for _, seed in seeds)


def read_facts(path: Path) -> tuple[FactSpec, ...]:
    """The facts of a TOML file: tables `[[facts]]` with `models`, `name`, `developer` and `place`."""
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 at byte {error.start}", file=path) from None
    facts = convert_table(parse_toml(text, file=path), _FactsFile, file=path).facts
    check_facts(facts, path)
    return facts


def check_facts(facts: Sequence[FactSpec], source: Path | str) -> None:
    """Raise InputError for a fact that says nothing, or of no model."""
    for place, fact in enumerate(facts):
        if not fact.models:
            raise InputError("names no model", file=source, field=f"facts[{place}].models")
        for name in ("name", "developer", "place"):
            if not getattr(fact, name).strip():
                raise InputError("is empty", file=source, field=f"facts[{place}].{name}")


def find_fact(target: ModelName, facts: Iterable[FactSpec]) -> Fact | None:
    """What is true of a target: of the first fact with a pattern that matches it, whatever the case of the letters."""
    names = {name.lower() for name in (str(target), target.model, target.model.rpartition("/")[2])}
    for fact in facts:
        if any(fnmatchcase(name, pattern.lower()) for pattern in fact.models for name in names):
            return Fact(name=fact.name, developer=fact.developer, place=fact.place)
    return None


def choose(
    questions: Sequence[Question], column: str, wanted: Collection[str] | None, source: Path | str, key: str
) -> tuple[Question, ...]:
    """The questions whose `column` is one of the `wanted`; all where None. Raises InputError naming the spec's key."""
    if wanted is None:
        return tuple(questions)
    known = {getattr(question, column) for question in questions}
    for place, name in enumerate(wanted):
        if name not in known:
            what = f"no question is of {column} {name!r}{near_miss(name, known)}"
            raise InputError(what, file=source, field=f"{key}[{place}]")
    if not wanted:
        raise InputError(f"names no {column}{near_miss('', known)}", file=source, field=key)
    return tuple(question for question in questions if getattr(question, column) in wanted)


def _read_table(path: Path, kind: type[Row], key: str) -> list[tuple[int, Row]]:
    """(line, record) of every row; none has an empty cell or the `key` of another."""
    found: dict[str, tuple[int, Row]] = {}
    for line, row in read_rows(path):
        try:
            record = convert_table(row, kind, file=path)
        except InputError as error:
            raise InputError(error.message, file=path, line=line, field=error.field) from None
        for name in kind.__struct_fields__:
            if not getattr(record, name).strip():
                raise InputError("is empty", file=path, line=line, field=name)
        name = getattr(record, key)
        if name in found:
            what = f"{name!r} is that of line {found[name][0]} too"
            raise InputError(what, file=path, line=line, field=key)
        found[name] = (line, record)
    return list(found.values())
