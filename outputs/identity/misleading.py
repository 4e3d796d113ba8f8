"""The rule of misleading words: a template that has one misleads by itself, and its rows do not count as hard.

The rule is a list of words; a template with any of them, whatever their case, is misleading. The default is what is
found in the released data of Lee et al.: `openai` or `gpt`. Which words a run searched with stands in its spec, and
which it found in the metadata of its rows; other words are looked for anew, in the templates' texts.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from outputs.identity.columns import RULES
from outputs.identity.templates import template_texts
from outputs.tables.loading import LoadedRun
from prompts.input_error import InputError

DEFAULT = ("openai", "gpt")
RECORDED, BY_DEFAULT, CHOSEN = "recorded", "default", "chosen"


@dataclass(frozen=True, slots=True)
class Rule:
    """`source`: recorded by the run, the default for a run that recorded nothing, or chosen for this analysis."""

    words: tuple[str, ...]
    source: str

    @property
    def name(self) -> str:
        """What it says."""
        if not self.words:
            return "no template is misleading"
        return f"template has {' or '.join(map(repr, self.words))}, case-insensitive"

    def misleads(self, text: str) -> bool:
        """Whether a template does."""
        lower = text.lower()
        return any(word.lower() in lower for word in self.words)


def choose_rule(chosen: Sequence[str] | None, rows: pl.DataFrame, spec_text: str | None) -> Rule:
    """The rule for the rows of a run. Raises InputError for a word that is empty: every template has it."""
    if chosen is not None:
        if any(not word.strip() for word in chosen):
            raise InputError("a misleading word is empty", field="misleading")
        return Rule(tuple(chosen), CHOSEN)
    if rows["misleading"].null_count() == rows.height:
        return Rule(DEFAULT, BY_DEFAULT)
    return Rule(_in_spec(spec_text), RECORDED)


def _in_spec(text: str | None) -> tuple[str, ...]:
    try:
        words = tomllib.loads(text or "").get("misleading_words", DEFAULT)
    except tomllib.TOMLDecodeError:
        return DEFAULT
    return tuple(map(str, words)) if isinstance(words, list | tuple) else DEFAULT


def with_rule(rows: pl.DataFrame, rule: Rule, run: LoadedRun) -> pl.DataFrame:
    """The rows with `misleading` as the rule says: null where nothing is recorded and the text is not to be had.

    What the run recorded stands where its own rule is the one to apply. Raises InputError where the log is damaged.
    """
    recorded = pl.lit(None, pl.Boolean) if rule.source == CHOSEN else pl.col("misleading")
    rows = rows.with_columns(misleading=recorded, rule=pl.lit(rule.name))
    wanted = rows.filter(pl.col("misleading").is_null())["template_sha256"].drop_nulls().unique().to_list()
    if not wanted:
        return rows
    return _marked(rows, rule, template_texts(wanted, run.scan("requests"), run.items(), run.folder))


def _marked(rows: pl.DataFrame, rule: Rule, texts: Mapping[str, str]) -> pl.DataFrame:
    found = pl.DataFrame(
        {"template_sha256": list(texts), "found": [rule.misleads(text) for text in texts.values()]},
        schema={"template_sha256": pl.String, "found": pl.Boolean},
    )
    joined = rows.join(found, on="template_sha256", how="left", maintain_order="left")
    return joined.with_columns(misleading=pl.coalesce("misleading", "found")).drop("found")


def rules_table(found: Sequence[tuple[str, Rule, pl.DataFrame]]) -> pl.DataFrame:
    """What the rule of each run came to; columns as in `RULES`. Rows without a digest are a template an iteration."""
    rows = []
    for run, rule, of_run in found:
        key = pl.coalesce("template_sha256", pl.format("{}/{}/{}", "target", "tree", "iteration"))
        templates = of_run.group_by(key.alias("template")).agg(pl.col("misleading").first())["misleading"]
        counts = (len(templates), int(templates.sum() or 0), templates.null_count())
        rows.append((run, rule.name, rule.source, *counts))
    return pl.DataFrame(rows, schema=RULES, orient="row")
