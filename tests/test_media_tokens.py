"""What pictures are made into for a model, and how many tokens they count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.media.image_tokens import image_tokens, most_image_tokens, most_remote_tokens
from providers.media.targets import patches_of, target_for
from providers.provider import ImageTokens, MediaLimits

TILE = ImageTokens("tile")
MINI = ImageTokens("tile", base=2833, tile=5667)
AREA = ImageTokens("area", most=1568)
GEMINI = ImageTokens("gemini")
UNKNOWN = ImageTokens()
RULES = st.sampled_from(
    [TILE, MINI, AREA, GEMINI, UNKNOWN, ImageTokens("patch"), ImageTokens("patch", multiplier=1.62, most=100)]
)
DETAILS = st.sampled_from([None, "auto", "low", "high", "original"])
SIDES = st.integers(1, 20_000)


@pytest.mark.parametrize(
    ("rule", "size", "detail", "tokens"),
    [
        (TILE, (1024, 1024), "high", 765),
        (TILE, (2048, 4096), None, 1105),
        (TILE, (4096, 8192), "low", 85),
        (TILE, (1536, 512), "high", 595),
        (TILE, (640, 360), "auto", 425),
        (MINI, (1024, 1024), None, 25501),
        (MINI, (1024, 1024), "low", 2833),
        (ImageTokens("patch"), (1024, 1024), None, 1024),
        (ImageTokens("patch", multiplier=1.62), (1024, 1024), None, 1658),
        (ImageTokens("patch"), (1800, 2400), None, 1452),
        (ImageTokens("patch", multiplier=1.62), (1800, 2400), None, 2352),
        (AREA, (200, 200), None, 54),
        (AREA, (1000, 1000), None, 1334),
        (AREA, (4000, 3000), None, 1568),
        (GEMINI, (384, 384), None, 258),
        (GEMINI, (768, 768), None, 258),
        (GEMINI, (769, 768), None, 516),
        (GEMINI, (9999, 9999), None, 4128),
    ],
)
def test_published_examples_come_out(rule: ImageTokens, size: tuple[int, int], detail: str | None, tokens: int) -> None:
    """The worked examples of the providers' pages, and of the libraries that count as they do."""
    assert image_tokens(rule, *size, detail) == tokens


@pytest.mark.parametrize(
    ("rule", "detail", "size", "made"),
    [
        (TILE, None, (4000, 3000), (1024, 768)),
        (TILE, "low", (4000, 3000), (512, 384)),
        (TILE, "original", (4000, 3000), (4000, 3000)),
        (TILE, "original", (40000, 3000), (16384, 1229)),
        (TILE, "high", (2048, 4096), (768, 1536)),
        (TILE, "high", (1536, 512), (1536, 512)),
        (ImageTokens("patch"), None, (1800, 2400), (1056, 1408)),
        (AREA, None, (4000, 1000), (1568, 392)),
        (GEMINI, None, (4000, 3000), (3072, 2304)),
        (UNKNOWN, None, (4000, 3000), (2048, 1536)),
        (UNKNOWN, None, (20000, 1), (2048, 1)),
    ],
)
def test_a_picture_becomes_what_the_model_looks_at(
    rule: ImageTokens, detail: str | None, size: tuple[int, int], made: tuple[int, int]
) -> None:
    """Each rule has its own bounds; detail `low` and `original` have theirs."""
    assert target_for(rule, detail, MediaLimits()).size(*size) == made


@given(RULES, DETAILS, SIDES, SIDES, st.integers(16, 20_000))
def test_a_target_only_shrinks_and_keeps_the_ratio(
    rule: ImageTokens, detail: str | None, width: int, height: int, max_side: int
) -> None:
    """Never enlarged, never over a limit, the ratio kept to a pixel, and what has been fitted stays as it is."""
    target = target_for(rule, detail, MediaLimits(max_side=max_side))
    made = target.size(width, height)
    assert 1 <= made[0] <= width
    assert 1 <= made[1] <= height
    assert max(made) <= max_side
    scale = max(made) / max(width, height)
    assert abs(min(made) - max(1, min(width, height) * scale)) <= 1.5
    assert target.size(*made) == made
    if detail == "original":
        return
    if rule.rule == "patch":
        assert patches_of(*made) <= rule.most
    if rule.rule == "area":
        assert image_tokens(rule, *made, detail) <= rule.most
        assert max(made) <= rule.long_side
    if rule.rule == "tile" and detail != "low":
        assert min(made) <= 768


@given(RULES, DETAILS, SIDES, SIDES)
def test_the_bound_is_above_the_estimate_before_and_after_resizing(
    rule: ImageTokens, detail: str | None, width: int, height: int
) -> None:
    """A quarter more than the estimate and 16, whichever size is asked about; a remote picture's is above all."""
    made = target_for(rule, detail, MediaLimits()).size(width, height)
    for size in ((width, height), made):
        estimate = image_tokens(rule, *size, detail)
        assert most_image_tokens(rule, *size, detail) >= 1.25 * estimate + 16
        if detail != "original":
            assert most_remote_tokens(rule, detail) >= most_image_tokens(rule, *size, detail)


def test_the_bound_covers_both_readings() -> None:
    """Small pictures enlarged or not; Gemini's tiles of either page; no less than 6,500 where nothing is known."""
    assert most_image_tokens(TILE, 100, 100, None) >= 765
    assert most_image_tokens(GEMINI, 960, 540, None) >= 6 * 258
    assert most_image_tokens(UNKNOWN, 10, 10, None) >= 6500
    assert most_image_tokens(TILE, 4000, 4000, "low") == 123
    assert most_remote_tokens(TILE, "low") == 123


def test_a_key_tells_targets_apart_and_fits_in_a_file_name() -> None:
    """It is equal in every run, so that what was made ready can be found again."""
    limits = MediaLimits()
    targets = {target_for(rule, detail, limits) for rule in (TILE, AREA, GEMINI, UNKNOWN) for detail in (None, "low")}
    keys = {target.key for target in targets}
    assert len(keys) == len(targets)
    assert all(key.replace("-", "").isalnum() for key in keys)
    assert target_for(TILE, None, limits).key == "l2048-s768"
