"""What a run with photographs is measured against, each in a process of its own, with all cores.

`pillow`: the files are read, decoded, shrunk and encoded by pillow in as many threads as there are cores, and that is
all. `bodies`: a bare aiohttp loop on uvloop sends bodies that are ready. Run as a program, this prints seconds.
"""

import base64
import io
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path

from PIL import Image

from contenders import send_bare
from processes import run_to_end

LONGEST, SHORTEST = 2048, 768  # what OpenAI makes of a picture of high detail
QUALITY = 90
GAP = 2.0


class Baseline(StrEnum):
    """By what a table calls them."""

    PILLOW = "pillow alone"
    BODIES = "bare aiohttp loop sending ready bodies"


def measure_baseline(baseline: Baseline, base_url: str, photographs: Path, timeout_s: float) -> float:
    """Seconds for all photographs of the folder. Raises ChildError."""
    command = [sys.executable, __file__, baseline.value, base_url, str(photographs)]
    return float(run_to_end(command, timeout_s).output)


def shrink(path: Path) -> bytes:
    """The JPEG that goes out for a photograph of high detail."""
    with Image.open(io.BytesIO(path.read_bytes())) as picture:
        width, height = picture.size
        scale = min(1.0, LONGEST / max(width, height), SHORTEST / min(width, height))
        size = round(width * scale), round(height * scale)
        picture.draft("RGB", size)  # decodes no more than needed, as a run does; `thumbnail` takes three times as long
        small = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=GAP)
        out = io.BytesIO()
        small.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def _pillow(photographs: list[Path]) -> float:
    started = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(shrink, photographs):
            pass
    return time.perf_counter() - started


def _bodies(base_url: str, photographs: list[Path]) -> float:
    """As many bodies as photographs, made of a few of them."""
    ready = [_body(shrink(path)) for path in photographs[:8]]
    return send_bare(base_url, [ready[number % len(ready)] for number in range(len(photographs))], 64)


def _body(jpeg: bytes) -> bytes:
    url = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": url, "detail": "high"}},
    ]
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": content}]}).encode()


def _main(name: str, base_url: str, folder: str) -> None:
    photographs = sorted(Path(folder).glob("*.jpg"))
    print(_pillow(photographs) if Baseline(name) is Baseline.PILLOW else _bodies(base_url, photographs))


if __name__ == "__main__":
    _main(*sys.argv[1:])
