"""What the pictures and clips of a body will count, from their sizes alone: nothing is decoded for an estimate."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from providers.media.image_tokens import image_tokens, most_image_tokens, most_remote_tokens
from providers.media.preflight import Medium
from providers.media.references import Layout, MediumKind, Reference, find_references
from providers.media.targets import target_for
from providers.provider import ImageTokens, MediaLimits

_STRIP_FRAME = 512  # pixels of a frame's sides, its label included, in the picture made of a clip


@dataclass(frozen=True, slots=True)
class MediaTokens:
    """Of one body: what its pictures will count, and at most; `inline_bytes` of it are pictures in data URLs."""

    expected: int = 0
    most: int = 0
    inline_bytes: int = 0


def count_media(
    body: bytes, media: Sequence[Medium | None] | None, rule: ImageTokens, limits: MediaLimits
) -> MediaTokens | None:
    """The tokens of a body's media, in the order of the body; None where it has none."""
    if not media:
        return None
    references = find_references(body)
    expected = most = inline = 0
    for reference, medium in zip(references, media, strict=True):
        inline += len(reference.url) if reference.is_data else 0
        if medium is None:
            most += (remote := most_remote_tokens(rule, reference.detail))
            expected += remote // 2
            continue
        for width, height in _sent_sizes(reference, medium, rule, limits):
            expected += image_tokens(rule, width, height, reference.detail)
            most += most_image_tokens(rule, width, height, reference.detail)
    return MediaTokens(expected, most, inline)


def _sent_sizes(
    reference: Reference, medium: Medium, rule: ImageTokens, limits: MediaLimits
) -> Iterator[tuple[int, int]]:
    """(width, height) of the pictures that a medium is sent as."""
    if reference.kind is MediumKind.CLIP and reference.layout is Layout.STRIP:
        yield _STRIP_FRAME * reference.frames, _STRIP_FRAME
        return
    size = target_for(rule, reference.detail, limits).size(medium.width, medium.height)
    for _ in range(reference.pictures):
        yield size
