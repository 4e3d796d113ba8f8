"""What befalls a line or a call: a pure function of the seed, what it is about, and how often that came."""

from enum import StrEnum

from providers.simulator.draws import uniform
from providers.simulator.settings import SimulatorSettings


class Fate(StrEnum):
    """What befalls a line of a batch."""

    WELL = "well"
    EXPIRED = "expired"  # its turn never comes; the batch expires
    SKIPPED = "skipped"  # neither processed nor counted
    DROPPED = "dropped"  # processed, billed and counted, but in no file
    DUPLICATED = "duplicated"  # in its file twice
    TORN = "torn"  # its line is cut off
    ERROR = "error"  # 500, unbilled
    THROTTLED = "throttled"  # 429, unbilled


def draw_fate(settings: SimulatorSettings, body_digest: bytes, times: int) -> Fate:
    """The fate of the `times`-th line (from 1) with this body."""
    if befalls(settings, settings.batch_expire_share, body_digest, "batch expiry", times):
        return Fate.EXPIRED
    place = uniform(settings.seed, body_digest, f"batch line {times}")
    for rate, fate in (
        (settings.batch_skip_rate, Fate.SKIPPED),
        (settings.batch_drop_rate, Fate.DROPPED),
        (settings.batch_duplicate_rate, Fate.DUPLICATED),
        (settings.batch_torn_rate, Fate.TORN),
        (settings.batch_error_rate, Fate.ERROR),
        (settings.batch_throttle_rate, Fate.THROTTLED),
    ):
        if place < rate:
            return fate
        place -= rate
    return Fate.WELL


def befalls(settings: SimulatorSettings, rate: float, key: bytes, what: str, times: int = 1) -> bool:
    """Whether what has this rate befalls the `times`-th time that `key` came."""
    return uniform(settings.seed, key, f"{what} {times}") < rate


def duration_s(settings: SimulatorSettings, key: bytes, times: int) -> float:
    """How long a batch takes, in seconds."""
    offset = 2 * uniform(settings.seed, key, f"batch duration {times}") - 1
    return settings.batch_s * (1 + settings.batch_spread * offset)
