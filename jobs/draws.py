"""Random draws that depend on nothing but the seed and what they are for: no stream is shared, no clock is asked."""

import hashlib
import json
from random import Random


def generator(seed: int, *key: str | int) -> Random:
    """The generator for one purpose: `key` says which, such as (target, tree, iteration, "operator")."""
    return Random(int.from_bytes(_digest(seed, key)))


def rank(seed: int, *key: str | int) -> bytes:
    """A place in a random order that does not depend on what else is ordered."""
    return _digest(seed, key)


def _digest(seed: int, key: tuple[str | int, ...]) -> bytes:
    return hashlib.sha256(json.dumps([seed, *key]).encode()).digest()
