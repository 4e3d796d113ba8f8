"""Photographs for a benchmark: of a camera's size, and no two files alike."""

import random
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageFilter

WIDTH, HEIGHT = 4000, 3000
BYTES = 2_000_000
_SCENES = 8
_GRAIN = 40  # strength of the noise that makes a file as large as a photograph's


def write_photographs(folder: Path, count: int, seed: int = 0) -> Iterator[Path]:
    """`count` JPEG files of 12 megapixels and about `BYTES` each.

    There are eight scenes; a comment in each file makes it another one, so that nothing can be prepared once for two.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scenes = [_scene(folder / "scene.jpg", seed + number) for number in range(min(count, _SCENES))]
    (folder / "scene.jpg").unlink(missing_ok=True)
    for number in range(count):
        comment = f"photograph {number}".encode()
        scene = scenes[number % len(scenes)]
        path = folder / f"{number:06}.jpg"
        marked = scene[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + scene[2:]
        path.write_bytes(marked)
        yield path


def _scene(path: Path, seed: int) -> bytes:
    """Soft colours with grain, at the quality that comes nearest to `BYTES`."""
    drawn = random.Random(seed)
    small = Image.frombytes("RGB", (40, 30), drawn.randbytes(40 * 30 * 3))
    picture = small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    grain = Image.effect_noise((WIDTH, HEIGHT), _GRAIN).filter(ImageFilter.BoxBlur(1)).convert("RGB")
    picture = Image.blend(picture, grain, 0.25)
    for quality in (95, 92, 90, 88, 85, 80, 75, 70, 60, 50):
        picture.save(path, quality=quality)
        if path.stat().st_size <= BYTES * 1.1:
            break
    return path.read_bytes()
