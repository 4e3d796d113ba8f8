"""What a simulator is told: its seed, how slow it is, how often it fails and what it limits. Checked when made."""

import math

import msgspec

from prompts.input_error import InputError

RATES = ("error_rate", "throttle_rate", "malformed_rate", "drop_rate", "hang_rate")
BATCH_LINE_RATES = (
    "batch_drop_rate",
    "batch_skip_rate",
    "batch_duplicate_rate",
    "batch_torn_rate",
    "batch_error_rate",
    "batch_throttle_rate",
)
BATCH_CREATE_RATES = ("batch_create_refused_rate", "batch_create_lost")
BATCH_CALL_RATES = ("batch_upload_lost", "batch_poll_error_rate", "batch_download_torn")


class SimulatorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of one simulator; raises InputError, naming the field, where one makes no sense.

    Rates are shares of calls, and at most one fault befalls a call, so together they are at most 1. So it is
    with the rates of batches' lines, and with those of their creation.
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
    batch_s: float = 2.0  # how long a batch takes: batch_s * (1 +- batch_spread)
    batch_spread: float = 0.0
    batch_hold: bool = (
        False  # its lines are processed, but no batch ends before its window of 24 hours, unless cancelled
    )
    batch_cancel_s: float = 0.0  # how long it takes to cancel one; what has its turn until then is kept and billed
    batch_drop_rate: float = 0.0  # lines that are processed, billed and counted, but in no file
    batch_skip_rate: float = 0.0  # lines that are neither processed nor counted
    batch_duplicate_rate: float = 0.0  # lines that stand twice in their file
    batch_torn_rate: float = 0.0  # lines that are cut off
    batch_error_rate: float = 0.0  # lines that fail with 500, unbilled
    batch_throttle_rate: float = 0.0  # lines that fail with 429, unbilled
    batch_expire_share: float = 0.0  # lines whose turn never comes, so that their batch expires
    batch_unknown: int = 0  # answers in each batch that nobody asked for
    batch_reorder: bool = True  # results in an order of their own
    batch_queue_tokens: int | None = None  # of text, in all batches that run; a batch beyond it is refused
    batch_upload_lost: float = 0.0  # uploads that are accepted, while the connection is dropped
    batch_create_lost: float = 0.0  # creations of which the same is true
    batch_create_refused_rate: float = 0.0  # creations that are answered 500, without effect
    batch_poll_error_rate: float = 0.0  # looks at one batch that are answered 500
    batch_download_torn: float = 0.0  # first downloads of a file that are cut off

    def __post_init__(self) -> None:
        self._check_rates(RATES)
        self._check("latency_s", 0, 3600)
        self._check("latency_spread", 0, 1)
        self._check("throttle_wait_s", 0, 86_400)
        self._check("burst_s", 1e-3, 3600)
        self._check("change_factor", 1e-3, 1e3)
        self._check("storm_until_s", 0, 86_400)
        self._check("answer_tokens", 1, 100_000)
        self._check_batches()
        for field in ("rpm", "tpm"):
            if getattr(self, field) is not None:
                self._check(field, 1e-3, 1e12)
        if self.change_at_s is not None:
            self._check("change_at_s", 0, 86_400)

    def _check_batches(self) -> None:
        self._check_rates(BATCH_LINE_RATES)
        self._check_rates(BATCH_CREATE_RATES)
        for field in (*BATCH_CALL_RATES, "batch_expire_share", "batch_spread"):
            self._check(field, 0, 1)
        self._check("batch_s", 0, 30 * 86_400)
        self._check("batch_cancel_s", 0, 86_400)
        self._check("batch_unknown", 0, 1000)
        if self.batch_queue_tokens is not None:
            self._check("batch_queue_tokens", 1, 1e12)

    def _check_rates(self, fields: tuple[str, ...]) -> None:
        for field in fields:
            self._check(field, 0, 1)
        if sum(getattr(self, field) for field in fields) > 1 + 1e-9:
            raise InputError(f"together above 1: {', '.join(fields)}", field="simulator")

    def _check(self, field: str, low: float, high: float) -> None:
        value = getattr(self, field)
        if not math.isfinite(value) or not low <= value <= high:
            raise InputError(f"is {value}; it must be from {low:g} to {high:g}", field=field)
