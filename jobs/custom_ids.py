"""The ids of the requests that a job makes: the same in every run, readable, and safe wherever an id may go."""

import hashlib
import json
import re

LONGEST = 64
_HASH_LENGTH = 12


def custom_id(prefix: str, readable: str, *parts: str | int) -> str:
    """`<prefix>-<readable, made safe>-<hash of the parts>`: 64 characters at most, of `[A-Za-z0-9_-]`.

    The parts tell the request from all others of the run with this prefix.
    """
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:_HASH_LENGTH]
    room = LONGEST - len(f"{prefix}--{digest}")
    slug = re.sub(r"[^A-Za-z0-9_-]+", "-", readable)[:room]
    return f"{prefix}-{slug}-{digest}"
