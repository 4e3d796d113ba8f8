"""Where an item's picture or clip lies, by a pattern such as `clips/{vname}.mp4` over what the dataset says of it."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from prompts.input_error import InputError
from prompts.toml_text import near_miss

_PLACE = re.compile(r"\{([^{}]*)\}")


def check_pattern(pattern: str, names: Collection[str], spec: Path | str, field: str = "dataset.media") -> None:
    """Raise InputError, blaming `spec`, for a pattern that is empty or has a place for what is not among the names."""
    if not pattern.strip():
        raise InputError("is empty", file=spec, field=field)
    for name in _PLACE.findall(pattern):
        if name not in names:
            raise InputError(f"{{{name}}} is not known{near_miss(name, names)}", file=spec, field=field)
    if re.search(r"[{}]", _PLACE.sub("", pattern)):
        raise InputError("has a brace without its other half", file=spec, field=field)


def fill(pattern: str, values: Mapping[str, str]) -> str:
    """The pattern with each place filled; `check_pattern` has seen it."""
    return _PLACE.sub(lambda found: values[found[1]], pattern)


def stem(path: str) -> str:
    """The last part of a path, without its suffix."""
    return path.rpartition("/")[2].rpartition(".")[0] or path.rpartition("/")[2]
