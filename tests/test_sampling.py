"""Samples of a dataset: by the seed and the items' ids alone, or their pairs'."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.datasets import READERS, Holds, open_dataset
from jobs.materials import Materials
from jobs.registry import DatasetSpec
from jobs.sampling import by_pair, sample
from outputs.items import Item

ITEMS = [Item(item=f"i{n}") for n in range(50)]


def drawn(items: list[Item], count: int, seed: int = 0, name: str = "") -> list[str]:
    return [item.item for item in sample(items, count, seed, name)]


@given(st.permutations(ITEMS), st.integers(1, 60), st.integers(0, 3))
def test_a_sample_does_not_depend_on_the_order_of_the_lines(items: list[Item], count: int, seed: int) -> None:
    """The same items are drawn however they are ordered, and they keep the file's order."""
    found = drawn(items, count, seed)
    assert len(found) == min(count, 50)
    assert set(found) == set(drawn(ITEMS, count, seed))
    assert found == [item.item for item in items if item.item in set(found)]


def test_another_seed_and_another_dataset_give_another_sample() -> None:
    """Seed and name choose; the same of both choose the same."""
    samples = {tuple(drawn(ITEMS, 10, seed, name)) for seed in (0, 1) for name in ("", "arena")}
    assert len(samples) == 4
    assert drawn(ITEMS, 10) == drawn(ITEMS, 10)


def test_a_new_line_changes_one_item_at_most() -> None:
    """A file that grows keeps its sample but for one item."""
    assert len(set(drawn(ITEMS, 10)) - set(drawn([*ITEMS, Item(item="new")], 10))) <= 1


def test_pairs_are_drawn_together() -> None:
    """Two items of a pair are both in a sample of an even number, or neither."""
    items = [Item(item=f"p{n}{place}", fields={"pair": f"p{n}"}) for n in range(30) for place in "ab"]
    found = [item.item for item in sample(items, 20, 0, by=by_pair)]
    assert {name[:-1] for name in found if name.endswith("a")} == {name[:-1] for name in found if name.endswith("b")}


@pytest.mark.parametrize("reader", ["prompts", "table", "caption-table"])
def test_a_column_called_pair_makes_pairs_of_captions_only(tmp_path: Path, reader: str) -> None:
    """Captions are drawn with their pair's other one; of prompts and rows such a column is one like any other."""
    rows = [{"id": n, "prompt": "Why?", "candidate": "A dog.", "pair": f"p{n // 20}"} for n in range(40)]
    (tmp_path / "set.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec, materials = DatasetSpec(path="set.jsonl", reader=reader, sample=20), Materials("night.toml", folder=tmp_path)
    items = list(open_dataset(spec, materials, reader, *Holds)())
    together = READERS[reader].holds is Holds.CAPTIONS
    assert len(items) == 20
    assert (len({item.fields["pair"] for item in items}) == 1) == together
