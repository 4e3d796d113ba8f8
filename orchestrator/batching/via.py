"""Which way rows travel, as the user says it."""

from enum import StrEnum

from prompts.input_error import InputError
from prompts.toml_text import near_miss


class Via(StrEnum):
    """`auto`: by batch, and online what is late, expired or refused, and all that no batch can take."""

    ONLINE = "online"
    BATCH = "batch"
    AUTO = "auto"

    @property
    def batches(self) -> bool:
        """Whether new rows may go by batch."""
        return self is not Via.ONLINE


def parse_via(text: str) -> Via:
    """The way that a word means. Raises InputError (`--via`)."""
    try:
        return Via(text.strip().lower())
    except ValueError:
        known = [via.value for via in Via]
        what = f"unknown way {text!r}{near_miss(text, known)}"
        raise InputError(what, field="--via") from None
