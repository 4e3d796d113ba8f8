"""The paths that requests name: which wire format a body has, and which of them each protocol speaks.

Chat completions is the common tongue, which every protocol's adapter writes. All other paths are native.
"""

import re

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
COMPLETIONS = "/v1/completions"
EMBEDDINGS = "/v1/embeddings"
MESSAGES = "/v1/messages"
GENERATE_CONTENT = "/v1beta/models/MODEL:generateContent"  # also with /v1 in front

_OPENAI = (CHAT, RESPONSES, COMPLETIONS, EMBEDDINGS)
_FIXED = {"openai": _OPENAI, "azure": _OPENAI, "anthropic": (CHAT, MESSAGES), "gemini": (CHAT,)}
_GENERATE_CONTENT = re.compile(r"/v1(?:beta)?/models/([A-Za-z0-9._-]+):generateContent")


def speaks(protocol: str, url: str) -> bool:
    """Whether requests for this path can be sent in this protocol."""
    return url in _FIXED[protocol] or (protocol == "gemini" and model_in_path(url) is not None)


def spoken(protocol: str) -> str:
    """The paths of a protocol, for people."""
    return ", ".join((*_FIXED[protocol], *((GENERATE_CONTENT,) if protocol == "gemini" else ())))


def model_in_path(url: str) -> str | None:
    """The model that Gemini's path names; None for all other paths."""
    found = _GENERATE_CONTENT.fullmatch(url)
    return None if found is None else found[1]
