"""How a job shows a judge what its items are about: pictures, or clips of which the engine makes pictures.

A job names the files; whoever sends the request reads them. Only digests are taken here, a block at a time.
"""

import hashlib
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from outputs.items import Item
from prompts.input_error import InputError
from providers.media.references import DETAILS, MOST_FRAMES, Layout, MediumKind, Reference
from providers.media.sources import MediaRoot

__all__ = ["DETAILS", "LAYOUTS", "MOST_FRAMES", "Medium", "Showing"]

LAYOUTS = tuple(layout.value for layout in Layout)
_REMEMBERED = 1024


class Medium(StrEnum):
    """What an item's `media` is."""

    PICTURE = "picture"
    CLIP = "clip"


class Showing(msgspec.Struct, frozen=True):
    """How closely a judge looks, and at how many frames of a clip: side by side in one picture, or each as its own."""

    medium: Medium
    detail: str
    frames: int
    layout: str

    def part(self, item: Item) -> dict[str, Any]:
        """The part of a message that shows the item's picture or clip. Raises InputError where it has none."""
        asked: dict[str, Any] = {"url": self._media(item), "detail": self.detail}
        if self.medium is Medium.CLIP:
            asked |= {"frames": self.frames, "layout": self.layout}
        return {"type": self._kind.value, self._kind.value: asked}

    def with_digests(self, items: Iterable[Item], root: Path) -> Iterator[Item]:
        """The items, each with the digest of its file under `root`; what has an address has none.

        Raises InputError, naming the item, for one without media and for a file that is not there or not under `root`.
        """
        folder = MediaRoot(root)
        digest = lru_cache(_REMEMBERED)(lambda reference: _sha256(folder, reference))  # a picture has many captions
        for item in items:
            reference = Reference(0, 0, self._kind, self._media(item))
            if reference.is_remote or reference.is_data:
                yield item
                continue
            try:
                yield msgspec.structs.replace(item, media_sha256=digest(reference))
            except InputError as error:
                raise InputError(error.message, field=_field(item)) from None

    @property
    def _kind(self) -> MediumKind:
        return MediumKind.CLIP if self.medium is Medium.CLIP else MediumKind.PICTURE

    def _media(self, item: Item) -> str:
        if item.media is None:
            what = f"there is no {self.medium.value} to show: say where it lies with [dataset] media"
            raise InputError(what, field=_field(item))
        return item.media


def _field(item: Item) -> str:
    return f"item {item.item!r}.media"


def _sha256(root: MediaRoot, reference: Reference) -> str:
    with root.open(reference) as file:
        try:
            return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"{reference.url!r} cannot be read: {error.strerror}") from None
