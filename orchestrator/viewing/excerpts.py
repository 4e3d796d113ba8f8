"""Texts on a page: cut where they are long, with what is left out said; and names short enough for a table."""

from dataclasses import dataclass

import msgspec

MOST = 20_000  # characters of one text
MOST_ON_PAGE = 240_000  # of all texts of a page together
LONGEST_NAME = 160
_MOST_FORMATTED = 4 << 20  # bytes of JSON that are laid out in lines


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The beginning of a text; `length` is that of the whole, in characters."""

    text: str
    length: int

    @property
    def cut(self) -> bool:
        """Whether there is more of it."""
        return self.length > len(self.text)


@dataclass(slots=True)
class Sheet:
    """What there is still room for on a page: a request of a thousand messages is no page of a thousand texts."""

    room: int = MOST_ON_PAGE

    def excerpt(self, text: str, most: int = MOST) -> Excerpt:
        """The beginning of a text, as much as there is room for."""
        shown = text[: min(most, self.room)]
        self.room -= len(shown)
        return Excerpt(shown, len(text))


def short(name: str, most: int = LONGEST_NAME) -> str:
    """A name for a table."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def laid_out(body: bytes) -> str:
    """JSON in lines, each number and text as it was written; what is none, or is very large, as it stands."""
    if len(body) <= _MOST_FORMATTED:
        try:
            body = msgspec.json.format(body, indent=2)
        except (msgspec.MsgspecError, RecursionError):
            pass
    else:
        body = body[: 4 * MOST_ON_PAGE]
    return body.decode("utf-8", "replace")
