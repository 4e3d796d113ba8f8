"""Where the template of a search's row comes from: the chain from its seed, by which operator each step was made."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from outputs.browsing.item_places import PLACES, find_item
from outputs.browsing.log_lines import read_line
from outputs.browsing.related import Told, read_told
from outputs.browsing.writing import ROWS
from outputs.identity.rows import ASK
from outputs.identity.templates import AskedLine, digest, templates_of
from outputs.items import Item
from outputs.journal import Log
from outputs.tables.loading import LoadedRun

_SEED = "seed/{}"
_LONGEST = 1000  # steps: a chain that is longer goes in a circle


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A template of the chain: the seed first, the row's own last. `operator` is None of a seed, whose level is 0.

    Where nobody said what a template was made of, as of an imported one, both are None.

    `partner` is the other template of a crossover. `request` is the first that was asked through it; None of a seed
    that was never asked as it is. `text` is None where it cannot be had.
    """

    node: str
    operator: str | None
    partner: str | None
    level: int | None
    iteration: int | None
    request: int | None
    text: str | None


def ancestry(run: LoadedRun, told: Told, place: Path) -> tuple[Ancestor, ...]:
    """The chain of a row's template; `place` is the folder of the run's rows. Empty where the row is of no search."""
    if not isinstance(told.target, str) or not isinstance(told.node, str):
        return ()
    known = _nodes(run, told, place)
    chain: list[Ancestor] = []
    node: object = told.node
    seen: set[str] = set()
    while isinstance(node, str) and node not in seen and len(chain) < _LONGEST:
        seen.add(node)
        request, its = known.get(node, (None, told if node == told.node else None))
        chain.append(_ancestor(run, node, request, its, place))
        node = None if its is None else its.parent
    return tuple(reversed(chain))


def _nodes(run: LoadedRun, told: Told, place: Path) -> dict[str, tuple[int, Told]]:
    """By name: the first request of each template of the tree, and what is said of it."""
    rows = pl.scan_parquet(place / ROWS, glob=False)
    mine = rows.filter(pl.col("stage") == ASK, pl.col("model") == told.target)
    firsts = mine.group_by("template").agg(pl.col("request").min())
    seqs = firsts.collect(engine="streaming")["request"].to_list()
    asked = run.scan("requests").filter(pl.col("seq").is_in(seqs)).select("seq", "metadata").sort("seq").collect()
    found: dict[str, tuple[int, Told]] = {}
    for seq, metadata in asked.iter_rows():
        its = read_told(metadata)
        if its.tree == told.tree and isinstance(its.node, str):
            found.setdefault(its.node, (seq, its))
    return found


def _ancestor(run: LoadedRun, node: str, request: int | None, its: Told | None, place: Path) -> Ancestor:
    made = its is not None and its.parent is not None
    told = its is None or made or isinstance(its.seed, str)
    return Ancestor(
        node,
        its.operator if its is not None and made and isinstance(its.operator, str) else None,
        its.partner if its is not None and made and isinstance(its.partner, str) else None,
        its.level if its is not None and isinstance(its.level, int) else None if made or not told else 0,
        its.iteration if its is not None and isinstance(its.iteration, int) else None,
        request,
        _text(run, node, request, its, place),
    )


def _text(run: LoadedRun, node: str, request: int | None, its: Told | None, place: Path) -> str | None:
    """Of a seed as its item says; else what remains of a request without its question, proved by its digest."""
    items = run.folder / Log.ITEMS.file_name
    seed = find_item(items, place / PLACES, _SEED.format(node))
    if seed is not None and isinstance(text := seed.fields.get("template"), str):
        return text
    line = None if request is None else read_line(run.folder / Log.REQUESTS.file_name, request, AskedLine)
    if line is None or its is None or not isinstance(its.item, str):
        return None
    item = find_item(items, place / PLACES, its.item)
    about: dict[str, Item] = {} if item is None else {its.item: item}
    wanted = str(its.template_sha256)[:16]
    return next((text for text in templates_of(line, about) if digest(text) == wanted), None)
