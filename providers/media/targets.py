"""What the pictures of a lane are made into before they are sent: no larger than what the provider would look at.

Sizes are in pixels. A picture is never enlarged, and keeps its ratio to a pixel.
"""

import math

import msgspec

from providers.provider import ImageTokens, MediaLimits

PATCH = 32
GEMINI_SIDE = 3072
LARGE_SIDE = 2048  # OpenAI's first fit, and what is sent where nothing is known
SHORT_SIDE = 768
LOW_SIDE = 512


class Target(msgspec.Struct, frozen=True):
    """The most that a picture may have: of its long side, its short side, patches of 32 px, pixels in all."""

    long_side: int
    short_side: int | None = None
    patches: int | None = None
    pixels: int | None = None

    @property
    def key(self) -> str:
        """A name for it that is the same in every run and fit for a file name."""
        parts = [f"l{self.long_side}"]
        for letter, value in (("s", self.short_side), ("p", self.patches), ("a", self.pixels)):
            if value is not None:
                parts.append(f"{letter}{value}")
        return "-".join(parts)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """What a picture of this width and height becomes."""
        width, height = _scaled(width, height, self.long_side / max(width, height))
        if self.short_side is not None:
            width, height = _scaled(width, height, self.short_side / min(width, height))
        if self.pixels is not None and width * height > self.pixels:
            width, height = _scaled_down(width, height, math.sqrt(self.pixels / (width * height)))
        if self.patches is not None and patches_of(width, height) > self.patches:
            width, height = _scaled_down(width, height, _patch_scale(width, height, self.patches))
        return width, height


def target_for(rule: ImageTokens, detail: str | None, limits: MediaLimits) -> Target:
    """What a picture asked for in this detail becomes for a model that counts by `rule`, within the limits."""
    target = seen_by(rule, detail)
    if detail == "original":
        target = Target(limits.max_side)
    return msgspec.structs.replace(target, long_side=min(target.long_side, limits.max_side))


def seen_by(rule: ImageTokens, detail: str | None) -> Target:
    """What a model makes of a picture by itself, as its provider documents it; `original` counts as high.

    A protocol that has no word for `low` is shown a picture of that size, so that it costs little there too.
    """
    whole = _seen_whole(rule)
    return msgspec.structs.replace(whole, long_side=min(whole.long_side, LOW_SIDE)) if detail == "low" else whole


def _seen_whole(rule: ImageTokens) -> Target:
    match rule.rule:
        case "tile":
            return Target(LARGE_SIDE, SHORT_SIDE)
        case "patch":
            return Target(PATCH * rule.most, patches=rule.most)
        case "area":
            return Target(rule.long_side, pixels=int(rule.most * rule.pixels_a_token))
        case "gemini":
            return Target(GEMINI_SIDE)
        case "unknown":
            return Target(LARGE_SIDE)


def patches_of(width: int, height: int) -> int:
    """Squares of 32 px that cover a picture."""
    return math.ceil(width / PATCH) * math.ceil(height / PATCH)


def _patch_scale(width: int, height: int, most: int) -> float:
    """By how much a picture shrinks so that whole patches, at most `most`, cover it (OpenAI's rule)."""
    scale = math.sqrt(PATCH * PATCH * most / (width * height))
    across, down = width * scale / PATCH, height * scale / PATCH
    whole = min(max(1, math.floor(across)) / across, max(1, math.floor(down)) / down)
    return min(scale * whole, PATCH * most / max(width, height))


def _scaled(width: int, height: int, scale: float) -> tuple[int, int]:
    if scale >= 1:
        return width, height
    return max(1, round(width * scale)), max(1, round(height * scale))


def _scaled_down(width: int, height: int, scale: float) -> tuple[int, int]:
    if scale >= 1:
        return width, height
    return max(1, math.floor(width * scale + 1e-6)), max(1, math.floor(height * scale + 1e-6))
