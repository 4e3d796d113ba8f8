"""What a simulator is told: its seed, how slow it is, how often it fails and what it limits. Checked when made."""

import math

import msgspec

from prompts.input_error import InputError

RATES = ("error_rate", "throttle_rate", "malformed_rate", "drop_rate", "hang_rate")


class SimulatorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of one simulator; raises InputError, naming the field, where one makes no sense.

    Rates are shares of calls, and at most one fault befalls a call, so together they are at most 1.
    A limit's bucket holds `burst_s` seconds of it; a provider's usual minute is the default. All moments are seconds
    after the start: at `change_at_s` the limits become `change_factor` times what they were.
    """

    seed: int = 0
    latency_s: float = 0.05
    latency_spread: float = 0.5  # a call takes latency_s * (1 +- spread)
    error_rate: float = 0.0  # 500
    throttle_rate: float = 0.0  # 429 whatever the limits say
    malformed_rate: float = 0.0  # 200 with a body that is cut off, or no JSON
    drop_rate: float = 0.0  # connection closed before any byte, or within the body
    hang_rate: float = 0.0  # no byte, until the client leaves
    throttle_wait_s: float = 1.0  # what a 429 by throttle_rate or in a storm asks to wait; 0: it does not say
    rpm: float | None = None
    tpm: float | None = None
    burst_s: float = 60.0
    rate_headers: bool = True  # False: no header tells of limits or of waits
    change_at_s: float | None = None
    change_factor: float = 1.0
    storm_until_s: float = 0.0  # until then every call is answered 429
    answer_tokens: int = 64  # mean length of a plain answer
    record: bool = False  # list how often each body came, at /simulator/seen

    def __post_init__(self) -> None:
        for field in RATES:
            self._check(field, 0, 1)
        if sum(getattr(self, field) for field in RATES) > 1 + 1e-9:
            raise InputError(f"together above 1: {', '.join(RATES)}", field="simulator")
        self._check("latency_s", 0, 3600)
        self._check("latency_spread", 0, 1)
        self._check("throttle_wait_s", 0, 86_400)
        self._check("burst_s", 1e-3, 3600)
        self._check("change_factor", 1e-3, 1e3)
        self._check("storm_until_s", 0, 86_400)
        self._check("answer_tokens", 1, 100_000)
        for field in ("rpm", "tpm"):
            if getattr(self, field) is not None:
                self._check(field, 1e-3, 1e12)
        if self.change_at_s is not None:
            self._check("change_at_s", 0, 86_400)

    def _check(self, field: str, low: float, high: float) -> None:
        value = getattr(self, field)
        if not math.isfinite(value) or not low <= value <= high:
            raise InputError(f"is {value}; it must be from {low:g} to {high:g}", field=field)
