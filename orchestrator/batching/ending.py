"""How the following of a batch ends."""

from enum import Enum


class Ending(Enum):
    """How the following of a batch ended."""

    SETTLED = "settled"
    LEFT = "left"  # it goes on at its provider; the next session follows it
    TOO_LARGE = "too large"  # dropped: the provider, or its queue even where it is alone, does not take so much at once
    REFUSED = "refused"  # dropped: it never ran, and would not if it were tried again
    DROPPED = "dropped"  # it never ran; its rows may go again
    GONE = "gone"  # its provider does not know it any more; its rows go again, as was allowed
