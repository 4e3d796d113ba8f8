"""Making pictures ready: each once, told apart by all that shapes them, within bounds that never end a row's wait."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from orchestrator.media_stage import MediaStage, Wanted
from outputs.journal import WriteFailedError
from prompts.input_error import InputError
from providers.media.preflight import Preflight
from providers.media.references import MediumKind, Reference
from providers.media.sources import MediaRoot
from providers.media.targets import target_for
from providers.provider import ImageTokens, MediaLimits

LIMITS = MediaLimits()
TILE = ImageTokens("tile")


def wanted(root: MediaRoot, name: str, limits: MediaLimits = LIMITS, detail: str = "high") -> Wanted:
    reference = Reference(0, 0, MediumKind.PICTURE, name, detail)
    medium = Preflight(root).look(reference, limits)
    assert medium is not None
    return Wanted(reference, medium, target_for(TILE, detail, limits), limits)


def draw(folder: Path, name: str, colour: str) -> None:
    Image.new("RGB", (64, 48), colour).save(folder / name)


async def until_ready(stage: MediaStage, row: list[Wanted | None]) -> int:
    """How many looks it takes."""
    for looks in range(200):
        if stage.take(row, lambda: None) is not None:
            return looks
        await asyncio.sleep(0.005)
    raise AssertionError("never ready")


@pytest.fixture
def root(tmp_path: Path) -> MediaRoot:
    for name, colour in (("a.png", "red"), ("b.png", "blue"), ("c.png", "green")):
        draw(tmp_path, name, colour)
    return MediaRoot(tmp_path)


def test_what_shapes_a_picture_tells_it_apart(root: MediaRoot) -> None:
    """Another detail, type, size in bytes or kind of medium is another preparation; the same one is shared."""
    first = wanted(root, "a.png")
    others = [
        wanted(root, "b.png"),
        wanted(root, "a.png", detail="low"),
        wanted(root, "a.png", MediaLimits(types=("image/jpeg",))),
        wanted(root, "a.png", MediaLimits(max_bytes=1000)),
        Wanted(msgspec.structs.replace(first.reference, kind=MediumKind.CLIP), first.medium, first.target, LIMITS),
    ]
    keys = {one.key for one in others}
    assert len(keys) == len(others)
    assert first.key not in keys
    assert wanted(root, "a.png").key == first.key


async def test_a_row_of_more_than_the_cache_holds_is_made_ready_all_the_same(root: MediaRoot, tmp_path: Path) -> None:
    """What a row waits to have all of is not thrown away for the rest of it; afterwards the cache is small again."""
    stage = MediaStage(tmp_path, root, threads=2, most_bytes=1)
    row: list[Wanted | None] = [wanted(root, name) for name in ("a.png", "b.png", "c.png")]
    assert await until_ready(stage, row) > 0
    assert await until_ready(stage, [wanted(root, "a.png", detail="low")]) > 0
    assert len(list((tmp_path / "prepared").iterdir())) == 1
    stage.close()
    assert not (tmp_path / "prepared").exists()


async def test_a_folder_that_cannot_be_written_ends_the_run(root: MediaRoot, tmp_path: Path) -> None:
    """A full or vanished disk is a log that cannot be written, not a fault of the picture."""
    gone = MediaStage(tmp_path / "nowhere", root)
    with pytest.raises(WriteFailedError, match="prepared pictures cannot be kept"):
        gone.take([wanted(root, "a.png")], lambda: None)
    stage = MediaStage(tmp_path, root)
    row: list[Wanted | None] = [wanted(root, "a.png")]
    await until_ready(stage, row)
    for path in (tmp_path / "prepared").iterdir():
        path.unlink()
    with pytest.raises(WriteFailedError):
        stage.take(row, lambda: None)
    stage.close()


async def test_a_broken_picture_is_told_to_every_row_that_shows_it(root: MediaRoot, tmp_path: Path) -> None:
    """It is tried once, and its error names the field of each row."""
    path = tmp_path / "t.jpg"
    Image.effect_noise((300, 300), 90).save(path, quality=95)
    path.write_bytes(path.read_bytes()[:3000])
    stage = MediaStage(tmp_path, root)
    for part in (0, 3):
        one = wanted(root, "t.jpg")
        row: list[Wanted | None] = [
            Wanted(msgspec.structs.replace(one.reference, part=part), one.medium, one.target, LIMITS)
        ]
        with pytest.raises(InputError, match=rf"content\[{part}\]"):
            await until_ready(stage, row)
    stage.close()
