"""What a spec of an RSE run may say, and how a slip of the pen is named."""

from pathlib import Path
from typing import Any

import pytest

from jobs.spec import load_spec, restore_spec
from outputs.items import Item
from prompts.input_error import InputError
from tests.harness.rse_specs import PROMPT, build, spec_text


@pytest.mark.parametrize(
    ("more", "lists", "field"),
    [
        ("", {"models": []}, "models"),
        ("", {"models": ["simulator/m1", "simulator/m1"]}, "models[1]"),
        ("", {"models": ["simulator/m1", "simulator/ref"]}, "models[1]"),
        ("", {"models": ["simulator/m1", "m1"]}, "models[1]"),
        ("", {"models": ["m1", "m2", "simulator/org/m1"]}, "models[2]"),
        ("", {"models": ["simulator/m1", "ref"]}, "reference"),
        ("", {"models": ["simulator/ "]}, "models[0]"),
        ("", {"judges": []}, "judges"),
        ("", {"judges": ["simulator/j", "simulator/j"]}, "judges[1]"),
        ("", {"judges": ["j", "simulator/j"]}, "judges[1]"),
        ("repeats = 0", {}, "repeats"),
        ("model = 'm'", {}, "model"),
        ("params = {messages = []}", {}, "params.messages"),
        ("judge_params = {stream = true}", {}, "judge_params.stream"),
        ("prompt = 'rse_jugde'", {}, "prompt"),
    ],
)
def test_specs_that_make_no_sense_are_refused(more: str, lists: dict[str, Any], field: str) -> None:
    """What a spec says wrongly is named by its file and its key."""
    with pytest.raises(InputError) as caught:
        build(more, **lists)
    assert (caught.value.field, caught.value.file) == (field, "night (as recorded)")


def test_one_model_may_have_two_providers() -> None:
    """Models, judges and the reference may be called alike where each has a provider, or another spelling."""
    build(models=["simulator/m1", "other/m1", "other/ref", "M1"], judges=["simulator/j", "other/j", "J"])
    with pytest.raises(InputError, match=r"m1 and simulator/m1 may be the same model.*: give both a provider"):
        build(models=["simulator/m1", "m1"])


@pytest.mark.parametrize("key", ["reference", "models", "judges"])
def test_a_missing_key_is_named(key: str) -> None:
    """A spec without its models, its reference or its judges says which key is missing."""
    text = "".join(line for line in spec_text().splitlines(keepends=True) if not line.startswith(f"{key} ="))
    with pytest.raises(InputError, match="missing") as caught:
        restore_spec(text, {"rse_judge": PROMPT.text}, ["simulator"])
    assert caught.value.field == key


def test_datasets_have_names_of_their_own(tmp_path: Path) -> None:
    """Several datasets are told apart by their names; one alone needs none."""
    for datasets, field in (
        ([{"path": "x"}, {"path": "y", "name": "b"}], "datasets[0].name"),
        ([{"path": "x", "name": "b"}, {"path": "y", "name": "b"}], "datasets[1].name"),
    ):
        with pytest.raises(InputError) as caught:
            restore_spec(spec_text(datasets=datasets), {"rse_judge": PROMPT.text}, ["simulator"])
        assert caught.value.field == field
    with pytest.raises(InputError) as caught:
        restore_spec(spec_text().split("[[")[0] + "datasets = []", {"rse_judge": PROMPT.text}, ["simulator"])
    assert caught.value.field == "datasets"
    assert [item.item for item in read_set(tmp_path, '{"id": "x", "prompt": "Why?"}')] == ["x"]


def read_set(folder: Path, text: str, **keys: Any) -> list[Item]:
    """The items of a spec with one dataset of this text."""
    (folder / "set.jsonl").write_text(text)
    (folder / "s.toml").write_text(spec_text(datasets=[{"path": "set.jsonl", **keys}]))
    return list(load_spec(folder / "s.toml", ["simulator"]).job.items())


@pytest.mark.parametrize(
    ("text", "keys", "file", "field"),
    [
        ("", {}, "set.jsonl", None),
        ('{"id": "x", "messages": [{"role": "system", "content": "Be kind."}]}', {}, "set.jsonl", "messages"),
        ('{"prompt": "Why?"}', {"reader": "promts"}, "s.toml", "datasets[0].reader"),
        ('{"prompt": "Why?"}', {"reader": "msvd-eval"}, "s.toml", "datasets[0].reader"),
        ('{"prompt": "Why?"}', {"sample": 0}, "s.toml", "datasets[0].sample"),
        ('{"prompt": "Why?"}', {"sampel": 1}, "s.toml", "datasets[0].sampel"),
    ],
)
def test_a_faulty_set_is_refused(tmp_path: Path, text: str, keys: dict[str, Any], file: str, field: str | None) -> None:
    """An empty file, a prompt without a question and a wrong key are named by file and key."""
    with pytest.raises(InputError) as caught:
        read_set(tmp_path, text, **keys)
    assert (Path(str(caught.value.file)).name, caught.value.field) == (file, field)


def test_a_prompt_that_wants_more_or_compares_nothing_is_refused() -> None:
    """A judge's prompt has both answers among its variables, and none that the job does not have."""
    for variables in ('["system", "questions", "answers_a", "answers_b", "picture"]', '["questions", "answers_a"]'):
        text = PROMPT.text.replace('["system", "questions", "answers_a", "answers_b"]', variables).replace(
            PROMPT.body, "Rate {{ questions }} and {{ answers_a }}."
        )
        with pytest.raises(InputError) as caught:
            build(prompt=text)
        assert (caught.value.field, caught.value.file) == ("variables", "prompt rse_judge (as recorded)")
