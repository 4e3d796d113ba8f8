"""Halves of surrogate pairs in JSON: `\\ud800` alone is no character, and no strict reader takes the line it is in.

Some servers write them where an answer was cut within a character. The answer is paid for all the same.
"""

import re

# An escape is taken whole, so that a backslash that is escaped itself begins none.
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)
_REPLACEMENT = rb"\ufffd"


def without_halves(text: bytes) -> bytes:
    """JSON with U+FFFD, as an escape, for every half of a surrogate pair; all else, and its length, as it was."""
    if rb"\ud" not in text and rb"\uD" not in text:
        return text
    return _ESCAPE.sub(lambda found: _REPLACEMENT if found[1] else found[0], text)
