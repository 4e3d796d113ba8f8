"""Pictures and clips of rows, made ready just before their row's turn, in a pool of threads beside the event loop.

Each file is made ready once for all the rows that show it in the same way. What is ready lies in the run folder's
`prepared/`, as a cache of bounded size that ends with the session; in memory are only the names.
"""

import asyncio
import hashlib
import os
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from outputs.journal import WriteFailedError
from outputs.records import RequestLine
from prompts.input_error import InputError
from providers.media.preflight import Medium
from providers.media.preparing import Prepared, base64_bytes, check_sent, prepare
from providers.media.references import Reference, find_references
from providers.media.sources import MediaRoot
from providers.media.targets import Target, target_for
from providers.provider import ImageTokens, MediaLimits, Provider

FOLDER = "prepared"
MOST_BYTES = 4 << 30
_MOST_KEPT = 20_000  # media whose names are remembered
_AHEAD = 4  # rows for each thread of the pool that are made ready before their turn

# For each medium of a row its pictures; None for one that the provider fetches.
Pictures = list[list[Prepared] | None]


@dataclass(frozen=True, slots=True)
class Kept:
    """One prepared picture on disk."""

    type: str
    path: Path
    size: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """One medium as a lane shows it."""

    reference: Reference
    medium: Medium
    target: Target
    limits: MediaLimits

    @property
    def key(self) -> str:
        """Equal for what is made ready alike; a file's name."""
        shown, limits = self.reference, self.limits
        made_as = (shown.kind, shown.frames, shown.layout, self.target.key, limits.types, limits.max_bytes)
        alike = (self.medium.sha256, *made_as)
        return hashlib.sha256(repr(alike).encode()).hexdigest()[:32]


def wanted_media(request: RequestLine, provider: Provider, rule: ImageTokens) -> list[Wanted | None]:
    """The media of a request in the order of its body; None for those that the provider fetches."""
    references = find_references(bytes(request.body))
    media = request.media or ()
    if len(references) != len(media):
        raise InputError("its media are not those of its body", field="media")
    limits = provider.media.of_request(sum(reference.pictures for reference in references))
    return [
        None if medium is None else _wanted(reference, medium, limits, rule)
        for reference, medium in zip(references, media, strict=True)
    ]


def _wanted(reference: Reference, medium: Medium, limits: MediaLimits, rule: ImageTokens) -> Wanted:
    return Wanted(reference, medium, target_for(rule, reference.detail, limits), limits)


@dataclass(slots=True)
class MediaStage:
    """Makes media ready. `folder` is the run's; `threads` is how many at once, one for each core by default."""

    folder: Path
    root: MediaRoot
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    most_bytes: int = MOST_BYTES
    _pool: ThreadPoolExecutor | None = None
    _kept: OrderedDict[str, list[Kept]] = field(default_factory=OrderedDict)
    _spoilt: OrderedDict[str, InputError] = field(default_factory=OrderedDict)
    _making: dict[str, list[Callable[[], None]]] = field(default_factory=dict)  # key -> whom to tell
    _waited_for: set[str] = field(default_factory=set)  # what a row waits to have all of is not thrown away
    _failed: BaseException | None = None
    _bytes: int = 0

    @property
    def ahead(self) -> int:
        """How many rows of a lane are worth making ready before their turn."""
        return _AHEAD * self.threads

    def take(self, wanted: Sequence[Wanted | None], on_ready: Callable[[], None]) -> Pictures | None:
        """The pictures of a row; None where they are not ready yet: then `on_ready` is called when to look again.

        Raises InputError for a medium that cannot be made ready, WriteFailedError where the cache cannot be written,
        and whatever an error of our own was.
        """
        if self._failed is not None:
            raise self._failed
        keys = {one.key for one in wanted if one is not None}
        try:
            if self.begin(wanted, on_ready):
                self._waited_for |= keys
                return None
            self._waited_for -= keys
            self._check_total(wanted)
            return [None if one is None else self._pictures(one) for one in wanted]
        except OSError as error:
            raise _cannot_write(error) from error

    def _check_total(self, wanted: Sequence[Wanted | None]) -> None:
        """Raise InputError where a request would have more bytes than its provider takes, before any is read."""
        ready = [one for one in wanted if one is not None and one.key in self._kept]
        if ready:
            encoded = [sum(base64_bytes(kept.size) for kept in self._kept[one.key]) for one in ready]
            check_sent([one.reference for one in ready], encoded, ready[0].limits)

    def _pictures(self, wanted: Wanted) -> list[Prepared]:
        if (error := self._spoilt.get(wanted.key)) is not None:
            raise InputError(error.message, field=wanted.reference.field)
        self._kept.move_to_end(wanted.key)
        return [_load(kept) for kept in self._kept[wanted.key]]

    def begin(self, wanted: Iterable[Wanted | None], on_ready: Callable[[], None] | None = None) -> bool:
        """Start to make ready what is not; returns whether anything is still being made."""
        busy = False
        for one in wanted:
            if one is None or one.key in self._kept or one.key in self._spoilt:
                continue
            busy = True
            if one.key not in self._making:
                self._start(one)
            if on_ready is not None:
                self._making[one.key].append(on_ready)
        return busy

    def close(self) -> None:
        """Make nothing more ready, and remove what is."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        shutil.rmtree(self.folder / FOLDER, ignore_errors=True)

    def _start(self, wanted: Wanted) -> None:
        if self._pool is None:
            shutil.rmtree(self.folder / FOLDER, ignore_errors=True)  # a killed session's
            (self.folder / FOLDER).mkdir()
            self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="media")
        self._making[wanted.key] = []
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._pool, _make, self.root, wanted, self.folder / FOLDER)
        future.add_done_callback(lambda done: self._done(wanted.key, done))

    def _done(self, key: str, done: "asyncio.Future[list[Kept]]") -> None:
        waiting = self._making.pop(key)
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            self._keep(key, done.result())
        elif isinstance(error, InputError):
            self._spoilt[key] = error
            if len(self._spoilt) > _MOST_KEPT:
                self._spoilt.popitem(last=False)
        else:
            self._failed = _cannot_write(error) if isinstance(error, OSError) else error
        for tell in dict.fromkeys(waiting):
            tell()

    def _keep(self, key: str, made: list[Kept]) -> None:
        self._kept[key] = made
        self._bytes += _size(made)
        while self._bytes > self.most_bytes or len(self._kept) > _MOST_KEPT:
            oldest = next((one for one in self._kept if one != key and one not in self._waited_for), None)
            if oldest is None:
                return
            gone = self._kept.pop(oldest)
            self._bytes -= _size(gone)
            for kept in gone:
                kept.path.unlink(missing_ok=True)


def _cannot_write(error: OSError) -> WriteFailedError:
    return WriteFailedError(f"prepared pictures cannot be kept in the run folder: {error.strerror}")


def _size(kept: list[Kept]) -> int:
    return sum(one.size for one in kept)


def _make(root: MediaRoot, wanted: Wanted, folder: Path) -> list[Kept]:
    """In a thread of the pool."""
    pictures = prepare(root, wanted.reference, wanted.medium, wanted.target, wanted.limits)
    made = []
    for number, picture in enumerate(pictures):
        path = folder / f"{wanted.key}-{number}"
        path.write_bytes(picture.data)
        made.append(Kept(picture.type, path, len(picture.data), picture.width, picture.height))
    return made


def _load(kept: Kept) -> Prepared:
    return Prepared(kept.type, kept.path.read_bytes(), kept.width, kept.height)
