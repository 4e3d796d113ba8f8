"""The rule of misleading words: what it is, what it is applied to, and what is not known."""

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobs.ice import words
from jobs.ice.rows import fill
from jobs.ice.spec import IceSpec
from outputs.analysis_options import Options
from outputs.identity import misleading, templates
from outputs.identity.misleading import BY_DEFAULT, CHOSEN, RECORDED, Rule
from outputs.identity_run import report_identity
from outputs.items import Item
from outputs.report import Report
from prompts.input_error import InputError
from tests.harness.identity_runs import Asked, loaded

QUESTIONS = {"a": "Who made you?", "b": "Where?"}
TEMPLATES = ["Say it, GPT: [QUESTION]", "No slot, and the Claude in it", "Plainly: [QUESTION] Or [QUESTION]"]
ITEMS = [Item(item=f"question/{name}", fields={"kind": "question", "text": text}) for name, text in QUESTIONS.items()]


def search(folder: Path, *, bodies: bool = True, **told: Any) -> list[Asked]:
    """Two questions through each template, all claiming; their requests in the folder's log."""
    asked: list[Asked] = []
    lines: list[dict[str, Any]] = []
    for iteration, template in enumerate(TEMPLATES, 1):
        for name, text in QUESTIONS.items():
            row = Asked(iteration, name, True, True, told={"template_sha256": words.digest(template), **told})
            body = {"messages": [{"role": "user", "content": fill(template, text) if bodies else "?"}]}
            asked.append(row)
            lines.append({"custom_id": f"ask-{len(lines)}", "body": body, "metadata": row.metadata})
    (folder / "requests.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return asked


def hard(report: Report) -> dict[str, Any]:
    found: dict[str, Any] = next(row for row in report.document["rates"] if row["measure"] == "hard")
    return found


def test_the_slot_and_the_digest_are_those_of_the_searches() -> None:
    """What a template's text is found by is what a search writes."""
    assert templates.SLOT == words.SLOT
    assert templates.digest("ä [QUESTION]") == words.digest("ä [QUESTION]")
    defaults = {field.name: field.default for field in msgspec.structs.fields(IceSpec)}
    assert defaults["misleading_words"] == misleading.DEFAULT


def test_words_are_found_whatever_their_case() -> None:
    """A template misleads by any of the words, also within another word; without words none does."""
    rule = Rule(("openai", "GPT"), CHOSEN)
    assert [rule.misleads(text) for text in ("ChatGPT", "OPENAI's", "Claude")] == [True, True, False]
    assert not Rule((), RECORDED).misleads("gpt")


def test_what_the_run_recorded_is_the_rule(tmp_path: Path) -> None:
    """Without other words the metadata counts, and the rule has the words of the run's spec."""
    run = loaded(search(tmp_path, misleading=["gpt"]), tmp_path, spec_text='misleading_words = ["gpt"]')
    report = report_identity([run], Options())
    [rule] = report.document["rules"]
    assert (rule["source"], rule["rule"]) == (RECORDED, "template has 'gpt', case-insensitive")
    assert (rule["templates"], rule["misleading"], rule["unknown"]) == (3, 3, 0)
    assert hard(report)["rate"] == 0.0
    assert hard(report)["rule"] == rule["rule"]


def test_other_words_are_looked_for_in_the_templates(tmp_path: Path) -> None:
    """Chosen words take the place of what was recorded; texts come from the requests, with slots or without."""
    run = loaded(search(tmp_path, misleading=["gpt"]), tmp_path, items=ITEMS)
    report = report_identity([run], Options(misleading=("claude",)))
    [rule] = report.document["rules"]
    assert (rule["source"], rule["misleading"], rule["unknown"]) == (CHOSEN, 1, 0)
    assert hard(report)["rate"] == pytest.approx(2 / 3)
    assert "'claude'" in hard(report)["rule"]


def test_a_word_of_the_question_is_no_word_of_the_template(tmp_path: Path) -> None:
    """What stands in the question that fills a slot misleads nobody."""
    report = report_identity([loaded(search(tmp_path), tmp_path, items=ITEMS)], Options(misleading=("made",)))
    assert report.document["rules"][0]["misleading"] == 0


def test_templates_that_are_items_need_no_requests(tmp_path: Path) -> None:
    """Seeds and imported templates are items: the default rule is applied to them where nothing is recorded."""
    items = [Item(item=f"template/{n}", fields={"template": text}) for n, text in enumerate(TEMPLATES)]
    asked = search(tmp_path, bodies=False, misleading=None)
    report = report_identity([loaded(asked, tmp_path, items=items)], Options())
    assert report.document["rules"][0]["source"] == BY_DEFAULT
    assert hard(report)["rate"] == pytest.approx(2 / 3)


def test_a_template_that_is_not_to_be_had_is_not_guessed(tmp_path: Path) -> None:
    """Where no text has the digest of the rows, hard is NaN with the reason; loose and strict stay."""
    run = loaded(search(tmp_path, bodies=False), tmp_path, items=ITEMS)
    report = report_identity([run], Options(misleading=("claude",)))
    assert report.document["rules"][0]["unknown"] == 3
    assert hard(report)["rate"] is None
    assert "not known" in hard(report)["warning"]
    assert math.isclose(report.document["rates"][1]["rate"], 1.0)


def test_a_question_that_stands_in_its_template_is_seen_by_another(tmp_path: Path) -> None:
    """The text is taken from a request whose question does not stand in the template by itself."""
    TEMPLATES.append("Where? I ask: [QUESTION] gpt")
    try:
        run = loaded(search(tmp_path), tmp_path, items=ITEMS)
        assert report_identity([run], Options(misleading=("gpt",))).document["rules"][0]["unknown"] == 0
    finally:
        TEMPLATES.pop()


def test_an_empty_word_is_refused(tmp_path: Path) -> None:
    """Every template has the empty word: it is an error, not a rule."""
    with pytest.raises(InputError, match="empty"):
        report_identity([loaded(search(tmp_path), tmp_path)], Options(misleading=(" ",)))


def test_each_target_has_the_rule_of_its_runs(tmp_path: Path) -> None:
    """Where runs have rules of their own, a target's rates name those of the runs that it is in."""
    runs = [
        loaded(search(tmp_path, misleading=["gpt"]), tmp_path, run="a", spec_text='misleading_words = ["gpt"]'),
        loaded([Asked(1, "a", True, True, "other")], tmp_path, run="b"),
    ]
    rules = {row["target"]: row["rule"] for row in report_identity(runs, Options()).document["rates"] if row["rule"]}
    assert rules == {
        "m": "template has 'gpt', case-insensitive",
        "other": "template has 'openai' or 'gpt', case-insensitive",
    }
