"""The words and facts of an ICE run as items, so that its folder has all that a resume needs.

Each has a `kind` in its fields: `question` and `seed` with their columns, their `number` in the order from 0, and the
`edition` of the words that they belong to; `fact` with its `target`. After an accepted change a run has items of two
editions, and an item may be there twice: the edition of the last one counts, and the last of each.
"""

from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any, TypeVar

import msgspec

from jobs.ice.words import Fact, Question, Seed, Words
from outputs.items import Item

QUESTION, SEED, FACT = "question", "seed", "fact"
Record = TypeVar("Record", bound=msgspec.Struct)


def item_name(kind: str, name: str) -> str:
    """The id of the item of a question, a seed, or a target's fact."""
    return f"{kind}/{name}"


def items_of(words: Words, facts: Mapping[str, Fact]) -> Iterator[Item]:
    """One item for each question, each seed, and the fact of each target, by its name."""
    edition = words.edition
    for number, question in enumerate(words.questions):
        yield _item(QUESTION, question.question, question, number=number, edition=edition)
    for number, seed in enumerate(words.seeds):
        yield _item(SEED, seed.seed, seed, number=number, edition=edition)
    for target, fact in facts.items():
        yield _item(FACT, target, fact, target=target)


def read_back(items: Iterable[Item]) -> tuple[Words, dict[str, Fact]]:
    """The words, and the facts by target, that items are of."""
    edition = ""
    kept: dict[str, dict[str, Any]] = {}
    for item in items:
        kept[item.item] = item.fields
        edition = item.fields.get("edition", edition)
    mine = [fields for fields in kept.values() if fields.get("edition", edition) == edition]
    facts = {fields["target"]: _record(fields, Fact) for fields in mine if fields["kind"] == FACT}
    return Words(_ordered(mine, QUESTION, Question), _ordered(mine, SEED, Seed)), facts


def _item(kind: str, name: str, record: msgspec.Struct, **more: Any) -> Item:
    return Item(item=item_name(kind, name), fields={"kind": kind, **msgspec.structs.asdict(record), **more})


def _ordered(kept: Iterable[dict[str, Any]], kind: str, record: type[Record]) -> tuple[Record, ...]:
    own = sorted((fields for fields in kept if fields["kind"] == kind), key=itemgetter("number"))
    return tuple(_record(fields, record) for fields in own)


def _record(fields: Mapping[str, Any], record: type[Record]) -> Record:
    return record(**{name: fields[name] for name in record.__struct_fields__})
