"""Requests and tokens a minute, as a provider counts them: buckets that fill continuously, with the time passed in."""

import math

import msgspec

from providers.simulator.settings import SimulatorSettings


class Refusal(msgspec.Struct, frozen=True):
    """A call that a limit or a storm turned away: which limit (`requests` or `tokens`) and when to come back.

    `wait_s` is 0 where nobody says when.
    """

    resource: str
    limit: float
    remaining: int
    requested: int
    wait_s: float


class Bucket:
    """One limit: starts full, fills at `per_minute / 60` a second and holds `burst_s` seconds of that, at least 1."""

    __slots__ = ("_at", "_level", "capacity", "per_minute", "resource")

    def __init__(self, resource: str, per_minute: float, burst_s: float, now: float) -> None:
        self.resource = resource
        self.per_minute = per_minute
        self.capacity = max(1.0, per_minute * burst_s / 60)
        self._level = self.capacity
        self._at = now

    def level(self, now: float) -> float:
        """What is left at `now`; below 0 after a call that took more than there was."""
        self._level = min(self.capacity, self._level + max(0.0, now - self._at) * self.per_minute / 60)
        self._at = max(now, self._at)
        return self._level

    def refusal(self, amount: int, now: float) -> Refusal | None:
        """Why `amount` cannot be taken now. More than the bucket holds passes when it is full, and leaves a debt."""
        level = self.level(now)
        missing = min(amount, self.capacity) - level
        if missing <= 1e-9:
            return None
        return Refusal(self.resource, self.per_minute, max(0, int(level)), amount, missing * 60 / self.per_minute)

    def take(self, amount: int, now: float) -> None:
        self._level = self.level(now) - amount

    def change(self, factor: float, at: float) -> None:
        """From `at` on the limit is `factor` times what it was; what is left beyond its new size is gone."""
        level = self.level(at)
        self.per_minute *= factor
        self.capacity = max(1.0, self.capacity * factor)
        self._level = min(level, self.capacity)

    def headers(self, now: float) -> dict[str, str]:
        """The three headers that tell a client about this limit; the reset is when the bucket is full again."""
        level = self.level(now)
        return {
            f"x-ratelimit-limit-{self.resource}": f"{self.per_minute:.0f}",
            f"x-ratelimit-remaining-{self.resource}": str(max(0, int(level))),
            f"x-ratelimit-reset-{self.resource}": reset_text((self.capacity - level) * 60 / self.per_minute),
        }


class Limits:
    """The limits of a simulator, if it has any, from `now` on. A refused call uses up nothing."""

    def __init__(self, settings: SimulatorSettings, now: float) -> None:
        self._settings = settings
        self._calm_at = now + settings.storm_until_s
        self._change_at = math.inf if settings.change_at_s is None else now + settings.change_at_s
        given = (("requests", settings.rpm), ("tokens", settings.tpm))
        self._buckets = {name: Bucket(name, limit, settings.burst_s, now) for name, limit in given if limit is not None}

    def admit(self, prompt_tokens: int, now: float) -> Refusal | None:
        """Take one request and its prompt's tokens, or nothing where a storm or one of the limits refuses."""
        if now < self._calm_at:
            return Refusal("requests", self._settings.rpm or 0.0, 0, 1, self._settings.throttle_wait_s)
        self._change(now)
        amounts = {"requests": 1, "tokens": prompt_tokens}
        for name, bucket in self._buckets.items():
            if refusal := bucket.refusal(amounts[name], now):
                return refusal
        for name, bucket in self._buckets.items():
            bucket.take(amounts[name], now)
        return None

    def charge(self, completion_tokens: int, now: float) -> None:
        """Take what the answer turned out to need, even where that leaves a debt."""
        self._change(now)
        if bucket := self._buckets.get("tokens"):
            bucket.take(completion_tokens, now)

    def headers(self, now: float) -> dict[str, str]:
        """What every answer tells of the limits; empty where there are none or headers are off."""
        if not self._settings.rate_headers:
            return {}
        self._change(now)
        return {name: value for bucket in self._buckets.values() for name, value in bucket.headers(now).items()}

    def refusal_headers(self, wait_s: float, now: float) -> dict[str, str]:
        """What a 429 tells: the limits, and when to come back if `wait_s` is above 0."""
        if not self._settings.rate_headers or wait_s <= 0:
            return self.headers(now)
        return self.headers(now) | retry_headers(wait_s)

    def _change(self, now: float) -> None:
        if now >= self._change_at:
            for bucket in self._buckets.values():
                bucket.change(self._settings.change_factor, self._change_at)
            self._change_at = math.inf


def retry_headers(wait_s: float) -> dict[str, str]:
    """How long to wait, in the two spellings: whole seconds, and milliseconds for clients that read them."""
    return {"retry-after": str(max(1, math.ceil(wait_s))), "retry-after-ms": str(math.ceil(wait_s * 1000))}


def reset_text(seconds: float) -> str:
    """A duration as OpenAI's reset headers spell it: `879ms`, `1s`, `8.64s`, `6m0s`, `1h0m0s`."""
    milliseconds = math.ceil(round(seconds * 1000, 3))
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1000:g}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text
