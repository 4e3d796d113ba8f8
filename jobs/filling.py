"""What a prompt's variables are filled with for one row: the row's own fields, and what a job makes of it."""

from collections.abc import Mapping
from typing import Any

from outputs.items import Item
from prompts.input_error import InputError
from prompts.template import Prompt
from prompts.toml_text import near_miss


def fill(prompt: Prompt, item: Item, made: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the prompt's variables. Raises InputError naming item and variable.

    A variable that the row does not have, or has as null, is an error. So is one that both the row and the job have:
    nobody could tell which of the two a judge was shown.
    """
    return {name: _value(name, prompt, item, made) for name in prompt.variables}


def render(prompt: Prompt, about: str, values: Mapping[str, Any]) -> str:
    """The prompt's words, with those of `values` that it wants. Raises InputError naming `about`, what they are of."""
    try:
        return prompt.render(**{name: values[name] for name in prompt.variables})
    except InputError as error:
        raise InputError(error.message, file=error.file, line=error.line, field=f"{about}: {error.field}") from error


def _value(name: str, prompt: Prompt, item: Item, made: Mapping[str, Any]) -> Any:
    if name in made and name in item.fields:
        what = f"a column of the dataset, and what this job calls its own: give the column another name, my_{name} = "
        raise _fault(prompt, item, name, f'{what}"{name}" under columns')
    if name in made:
        return made[name]
    if name not in item.fields:
        raise _fault(prompt, item, name, f"the row has none{near_miss(name, {*item.fields, *made})}")
    if item.fields[name] is None:
        raise _fault(prompt, item, name, "is null in this row")
    return item.fields[name]


def _fault(prompt: Prompt, item: Item, name: str, what: str) -> InputError:
    return InputError(what, file=prompt.source, field=f"item {item.item!r}: variable {name}")
