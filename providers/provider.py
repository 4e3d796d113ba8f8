"""The entries of the catalog: a provider, what limits it, what it costs, and what is known of its models."""

from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

import msgspec

_Positive = Annotated[float, msgspec.Meta(gt=0, le=1e12)]
_Count = Annotated[int, msgspec.Meta(ge=1)]
_Usd = Annotated[float, msgspec.Meta(ge=0, le=1e9)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One bucket's limits; None where there is none. rpm, tpm, ... per minute; rpd per day."""

    rpm: _Positive | None = None
    tpm: _Positive | None = None
    input_tpm: _Positive | None = None
    output_tpm: _Positive | None = None
    rpd: _Positive | None = None
    concurrency: _Count | None = None


class PriceEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """USD per million tokens. `cached_input` and `cache_write` fall back to `input`.

    `batch_*` are those of the provider's batch API; None where it is not known what that costs. `as_of` is the day of
    the price (YYYY-MM-DD), `source` where it is from.
    """

    input: _Usd
    output: _Usd
    cached_input: _Usd | None = None
    cache_write: _Usd | None = None
    batch_input: _Usd | None = None
    batch_cached_input: _Usd | None = None
    batch_output: _Usd | None = None
    as_of: str | None = None
    source: str | None = None


class ImageTokens(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a model counts a picture's tokens. Sizes in pixels.

    `tile`: `base`, and `tile` for each square of 512 (OpenAI). `patch`: a token for each square of 32, at most `most`,
    times `multiplier` (OpenAI's smaller models). `area`: a token for each `pixels_a_token`, at most `most`, the long
    side at most `long_side` (Anthropic). `gemini`: 258, or 258 for each square of 768. `unknown`: a guess.
    """

    rule: Literal["tile", "patch", "area", "gemini", "unknown"] = "unknown"
    base: Annotated[int, msgspec.Meta(ge=0, le=10**6)] = 85
    tile: Annotated[int, msgspec.Meta(ge=0, le=10**6)] = 170
    multiplier: Annotated[float, msgspec.Meta(gt=0, le=1000)] = 1.0
    pixels_a_token: Annotated[float, msgspec.Meta(ge=1, le=10**6)] = 750.0
    long_side: Annotated[int, msgspec.Meta(ge=32, le=10**5)] = 1568
    most: Annotated[int, msgspec.Meta(ge=1, le=10**6)] = 1536


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of a model; None where it is not."""

    max_output_tokens: _Count | None = None
    context_window: _Count | None = None
    vision: bool | None = None
    logprobs: bool | None = None
    image_tokens: ImageTokens | None = None


class MediaLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a provider takes of pictures: bytes of one before base64, pixels of a side, pictures in a request, bytes of
    all of them in base64; the types it takes, and whether it fetches them from an address by itself. Where a request
    has more than `many`, a side has at most `many_max_side`.
    """

    max_bytes: _Count = 20 << 20
    max_side: _Count = 16384
    max_count: _Count = 500
    max_request_bytes: _Count = 50 << 20
    types: tuple[str, ...] = ("image/jpeg", "image/png", "image/webp", "image/gif")
    remote: bool = True
    many: _Count | None = None
    many_max_side: _Count | None = None

    def of_request(self, pictures: int) -> "MediaLimits":
        """The limits in a request of so many pictures."""
        if self.many is None or self.many_max_side is None or pictures <= self.many:
            return self
        return msgspec.structs.replace(self, max_side=min(self.max_side, self.many_max_side))


class BatchApi(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a provider's batch API takes: rows and bytes of one batch, and how many input tokens of one model may be in
    its queue at once (None where nobody knows: then its refusals tell). `window` is the completion window that is asked
    for, where the API has one; `hours` is how long a batch may take at most. `deployments` are Azure's of the kind
    global batch, by model; a model without one has one of its own name.
    """

    max_rows: _Count = 50_000
    max_bytes: _Count = 100_000_000
    queued_tokens: _Count | None = None
    window: str = "24h"
    hours: _Positive = 24.0
    deployments: dict[str, str] = {}


class Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One provider of the catalog.

    `base_url` may come from the environment (`base_url_env`). `deployments` are Azure's, by model; a model without one
    is deployed by its own name. `ca_file` is a private CA's certificates (PEM); `verify = false` checks none.
    """

    protocol: str
    base_url: str = ""
    base_url_env: str | None = None
    api_key_env: str | None = None
    models: tuple[str, ...] = ()
    free: bool = False
    simulated: bool = False
    headers: dict[str, str] = {}
    organization: str | None = None
    project: str | None = None
    api_version: str | None = None
    deployments: dict[str, str] = {}
    timeout_s: _Positive = 600.0
    verify: bool = True
    ca_file: str | None = None
    proxy: str | None = None
    check_model: str | None = None  # what `overnight check` asks where no model is named
    price_id: str | None = None  # the provider's name in the price library
    batch_discount: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None  # share of the price that a batch saves
    batch: BatchApi | None = None  # None: it has no batch API that is spoken here
    media: MediaLimits = MediaLimits()
    limits: dict[str, Any] = {}
    prices: dict[str, PriceEntry] = {}
    facts: dict[str, Facts] = {}

    def facts_of(self, model: str) -> Facts:
        """The facts of a model: those of all matching patterns, the later over the earlier."""
        known: dict[str, Any] = {}
        for pattern, facts in self.facts.items():
            if fnmatchcase(model, pattern):
                known.update({k: v for k, v in msgspec.structs.asdict(facts).items() if v is not None})
        return Facts(**known)

    def account_limits(self) -> Limits:
        """The limits of the whole account."""
        return msgspec.convert({k: v for k, v in self.limits.items() if not isinstance(v, dict)}, Limits)

    def model_limits(self, model: str) -> list[tuple[str, Limits]]:
        """The further buckets, as (pattern, limits), that a call for this model passes."""
        return [
            (pattern, msgspec.convert(limits, Limits))
            for pattern, limits in self.limits.items()
            if isinstance(limits, dict) and fnmatchcase(model, pattern)
        ]
