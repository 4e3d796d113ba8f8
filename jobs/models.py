"""The models that a spec names."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from prompts.input_error import InputError


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model as a spec names it: `provider/model` where the provider is in the catalog, else routed by its name."""

    provider: str | None
    model: str

    def __str__(self) -> str:
        return self.model if self.provider is None else f"{self.provider}/{self.model}"


def bare_name(model: str) -> str:
    """What stands behind the last slash of a model's name: one model may have several providers and spellings."""
    return _last_part(model).lower()


def read_model(name: str, providers: Collection[str], source: Path | str, key: str = "model") -> ModelName:
    """The model that a spec's `key` names. Raises InputError where it names none."""
    provider, slash, model = name.partition("/")
    found = ModelName(provider, model) if slash and provider in providers else ModelName(None, name)
    if not found.model.strip():
        raise InputError("names no model", file=source, field=key)
    return found


def read_models(
    names: Sequence[str], providers: Collection[str], source: Path | str, key: str = "models"
) -> tuple[ModelName, ...]:
    """The models of a list, which is not empty and names none of them twice, nor perhaps. Raises InputError."""
    if not names:
        raise InputError("names no model", file=source, field=key)
    found = tuple(read_model(name, providers, source, f"{key}[{place}]") for place, name in enumerate(names))
    for place, one in enumerate(found):
        if one in found[:place]:
            raise InputError(f"names {one} twice", file=source, field=f"{key}[{place}]")
        refuse_doubtful(found[:place], one, source, f"{key}[{place}]")
    return found


def refuse_doubtful(others: Sequence[ModelName], one: ModelName, source: Path | str, key: str) -> None:
    """Raise InputError where `one` and another may be one model that is asked twice.

    That is so where they are called alike and only one of them has a provider: the other may be routed there too.
    """
    for other in others:
        if (one.provider is None) != (other.provider is None) and _last_part(one.model) == _last_part(other.model):
            what = f"{one} and {other} may be the same model, which would be asked twice: give both a provider"
            raise InputError(what, file=source, field=key)


def _last_part(model: str) -> str:
    return model.rpartition("/")[2]
