"""Chance without a shared stream: every draw is a hash of what it is keyed by.

The same key gives the same draw in any order, in any process and on any day.
"""

from hashlib import blake2b
from random import Random

DIGEST_BYTES = 16


def digest(data: bytes) -> bytes:
    """The digest that stands for a body in every later draw, so that a body is hashed once."""
    return blake2b(data, digest_size=DIGEST_BYTES).digest()


def _hashed(seed: int, body_digest: bytes, purpose: str) -> bytes:
    return blake2b(f"{seed}/{purpose}/".encode() + body_digest, digest_size=8).digest()


def uniform(seed: int, body_digest: bytes, purpose: str) -> float:
    """A number in [0, 1) for this key."""
    return (int.from_bytes(_hashed(seed, body_digest, purpose), "big") >> 11) / 2**53


def generator(seed: int, body_digest: bytes, purpose: str) -> Random:
    """A generator for this key alone, where one number is not enough."""
    return Random(_hashed(seed, body_digest, purpose))


def identifier(seed: int, body_digest: bytes, purpose: str) -> str:
    """Sixteen hexadecimal digits for this key."""
    return _hashed(seed, body_digest, purpose).hex()
