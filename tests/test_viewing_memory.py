"""What `overnight view` has its libraries do with memory."""

import os
import subprocess
import sys

_ASKED = """
import os, sys
from orchestrator.viewing.freed_memory import load_polars_frugally
before = "polars" in sys.modules
load_polars_frugally()
print(before, "polars" in sys.modules, os.environ.get("_RJEM_MALLOC_CONF"))
"""


def asked(**set_by_user: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "_RJEM_MALLOC_CONF"} | set_by_user
    done = subprocess.run([sys.executable, "-c", _ASKED], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_children_are_not_told() -> None:
    """Polars is loaded by the call, not before, and nothing of it stays in the environment."""
    assert asked() == "False True None"


def test_what_the_user_set_stands() -> None:
    """A setting of the allocator that is there already is left alone."""
    assert asked(_RJEM_MALLOC_CONF="narenas:1").endswith("narenas:1")
