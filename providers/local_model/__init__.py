"""A small real model on this machine: llama.cpp's server in a child process on loopback, its weights from a package.

It speaks OpenAI's chat completions with real log probabilities and grammars, and is an ordinary provider to everything
else. The packages that it needs are optional: whoever starts it without them is told how to get them.
"""

from providers.local_model.child import LocalServer, local_server
from providers.local_model.entry import AGAIN, MODEL, PROVIDER, catalog_entry

__all__ = ["AGAIN", "MODEL", "PROVIDER", "LocalServer", "catalog_entry", "local_server"]
