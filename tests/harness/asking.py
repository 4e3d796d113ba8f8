"""What tests ask for: manifests whose bodies are all distinct, and a catalog that sends them to one server."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import orjson

from providers.simulator.chat import read_json


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest on disk. `keys`: by custom_id, the name that the simulator's `seen` has for its body."""

    path: Path
    keys: dict[str, str]

    @property
    def ids(self) -> set[str]:
        return set(self.keys)


def body(content: object) -> dict[str, object]:
    return {"model": "model-a", "messages": [{"role": "user", "content": content}]}


def seen_key(sent: object) -> str:
    """The name that the simulator's `seen` has for a body."""
    return read_json(orjson.dumps(sent))[0][:8].hex()


def write_manifest(
    path: Path, rows: int | Iterable[int], refused: Collection[int] = (), edited: Collection[int] = ()
) -> Manifest:
    """A manifest of these rows (numbers, or how many), each with a body of its own.

    The `refused` ones get a 400; the `edited` ones have another body than they would have.
    """
    keys: dict[str, str] = {}
    with path.open("w") as file:
        for number in range(rows) if isinstance(rows, int) else rows:
            question = f"Question {number}" + (", edited" if number in edited else "")
            asked = body(number if number in refused else question)
            keys[f"row-{number}"] = seen_key(asked)
            line = {"custom_id": f"row-{number}", "method": "POST", "url": "/v1/chat/completions", "body": asked}
            file.write(json.dumps(line) + "\n")
    return Manifest(path, keys)


def write_catalog(path: Path, base_url: str, **settings: object) -> Path:
    """A catalog in which every model goes to the server at `base_url`, free of cost."""
    entry = {"protocol": "openai", "base_url": base_url, "models": ["*"], "free": True, **settings}
    path.write_text("[providers.lab]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in entry.items()))
    return path
