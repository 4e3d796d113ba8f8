"""`plan --decode-media`: every picture, and every frame of a clip that is shown, decoded before anything is sent."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from os import cpu_count
from pathlib import Path

from orchestrator.requests_file import NewRow
from orchestrator.sources import Progress
from prompts.input_error import InputError
from providers.media.preparing import decode_fully
from providers.media.references import MediumKind, find_references
from providers.media.sources import MediaRoot

_WAITING = 64  # media that may be under way: their rows are in memory


def decode_all(rows: Iterable[NewRow], root: MediaRoot, file: Path | None, progress: Progress) -> Iterator[NewRow]:
    """The rows as they come. Raises InputError at the first medium that does not decode, when it is known."""
    threads = cpu_count() or 1
    seen: set[tuple[str, MediumKind, int]] = set()
    waiting: deque[tuple[str, Future[None]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for row in rows:
                for reference, medium in zip(find_references(row.routed.body), row.routed.media, strict=True):
                    if medium is not None and (shown := (medium.sha256, reference.kind, reference.frames)) not in seen:
                        seen.add(shown)
                        waiting.append((row.custom_id, pool.submit(decode_fully, root, reference, medium)))
                        progress("decoding", len(seen))
                while len(waiting) > _WAITING:
                    _finish(*waiting.popleft(), file)
                yield row
            while waiting:
                _finish(*waiting.popleft(), file)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _finish(custom_id: str, decoding: "Future[None]", file: Path | None) -> None:
    try:
        decoding.result()
    except InputError as error:
        raise InputError(error.message, file=file, field=f"{custom_id}: {error.field or 'medium'}") from None
