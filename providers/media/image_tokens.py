"""How many tokens a picture counts, by the published rules, and a bound that reservations can rest on.

An estimate for admission only: what is billed is what `usage` says. The rules are those that providers document.
"""

import math

from providers.media.targets import GEMINI_SIDE, LARGE_SIDE, SHORT_SIDE, patches_of, seen_by
from providers.provider import ImageTokens

MARGIN = 1.25  # a factor of 1.2 has been measured that no document tells of
MARGIN_TOKENS = 16
LEAST_UNKNOWN = 6500
_TILE = 512
_GEMINI_TILE_TOKENS = 258
_GEMINI_TILE = 768
_GEMINI_SMALL = 384
_GEMINI_MOST_TILES = 24  # of any picture of at most 3072 px, by either reading
_MERGED_PATCH = 28
_FINE_PATCH = 14
_ORIGINAL_SIDE = 4096  # nobody knows what a remote picture in its original size counts; this is a guess


def image_tokens(rule: ImageTokens, width: int, height: int, detail: str | None) -> int:
    """The tokens of a picture of this width and height in pixels; small pictures are not enlarged."""
    if rule.rule == "tile" and detail == "low":
        return rule.base
    width, height = seen_by(rule, detail).size(width, height)
    match rule.rule:
        case "tile":
            return rule.base + rule.tile * _squares(width, height, _TILE)
        case "patch":
            return math.floor(min(patches_of(width, height), rule.most) * rule.multiplier)
        case "area":
            return min(rule.most, math.ceil(width * height / rule.pixels_a_token))
        case "gemini":
            small = max(width, height) <= _GEMINI_SMALL
            return _GEMINI_TILE_TOKENS * (1 if small else _squares(width, height, _GEMINI_TILE))
        case "unknown":
            return _squares(width, height, _MERGED_PATCH)


def most_image_tokens(rule: ImageTokens, width: int, height: int, detail: str | None) -> int:
    """A bound of a picture's tokens: the larger of the readings of its rule, a quarter more, and 16.

    Readings differ in whether a small picture is enlarged (tiles) and how large a tile is (Gemini). Nobody says what
    detail `original` counts, or a model without a rule: patches of 14 px, none merged, and 6,500 at least.
    """
    most = image_tokens(rule, width, height, detail)
    if rule.rule == "tile" and detail != "low":
        most = max(most, rule.base + rule.tile * _squares(*_enlarged(width, height), _TILE))
    elif rule.rule == "gemini":
        most = max(most, _GEMINI_TILE_TOKENS * _gemini_crops(*seen_by(rule, detail).size(width, height)))
    if detail == "original":
        most = max(most, _squares(width, height, _FINE_PATCH), LEAST_UNKNOWN)
    elif rule.rule == "unknown":
        seen = seen_by(rule, None).size(width, height)
        most = max(most, _squares(*seen, _FINE_PATCH), LEAST_UNKNOWN)
    return _with_margin(most)


def most_remote_tokens(rule: ImageTokens, detail: str | None) -> int:
    """A bound of the tokens of a picture that the provider fetches itself: of any size."""
    if detail == "original":
        return most_image_tokens(rule, _ORIGINAL_SIDE, _ORIGINAL_SIDE, detail)
    match rule.rule:
        case "tile":
            return most_image_tokens(rule, LARGE_SIDE, SHORT_SIDE, detail)
        case "patch":
            return _with_margin(math.ceil(rule.most * rule.multiplier))
        case "area":
            return _with_margin(rule.most)
        case "gemini":
            return _with_margin(_GEMINI_TILE_TOKENS * _GEMINI_MOST_TILES)
        case "unknown":
            return most_image_tokens(rule, LARGE_SIDE, LARGE_SIDE, None)


def _with_margin(tokens: int) -> int:
    return math.ceil(tokens * MARGIN) + MARGIN_TOKENS


def _squares(width: int, height: int, side: int) -> int:
    return math.ceil(width / side) * math.ceil(height / side)


def _enlarged(width: int, height: int) -> tuple[int, int]:
    """The largest that a picture becomes where it is scaled to the limits of tile models from either side."""
    scale = min(LARGE_SIDE / max(width, height), SHORT_SIDE / min(width, height))
    return math.ceil(width * scale - 1e-6), math.ceil(height * scale - 1e-6)


def _gemini_crops(width: int, height: int) -> int:
    """Tiles by Gemini's older page: of two thirds of the short side, from 256 to 768 px."""
    assert max(width, height) <= GEMINI_SIDE
    if max(width, height) <= _GEMINI_SMALL:
        return 1
    return _squares(width, height, min(_GEMINI_TILE, max(256, math.floor(min(width, height) / 1.5))))
