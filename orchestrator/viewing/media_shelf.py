"""The pictures of the rows that were looked at last."""

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.viewing.media import Shown, media_of, references_of
from outputs.records import RequestLine
from outputs.run_record import RunRecord
from prompts.input_error import InputError
from providers.media.encoding import Prepared
from providers.media.sources import MediaRoot

_MOST_KEPT, _MOST_KEPT_BYTES = 1000, 48 << 20  # rows, and their pictures together

_Key = tuple[str, int, bytes, tuple[int, ...]]  # folder, request, what it asks, and how its files lie there


@dataclass(slots=True)
class MediaShelf:
    """A page asks for each of its pictures by itself, so that they are kept. It is asked by one thread at a time."""

    _kept: OrderedDict[_Key, list[Shown]] = field(default_factory=OrderedDict)

    def media_of(self, folder: Path, request: RequestLine, record: RunRecord) -> list[Shown]:
        """As `media_of`, which is asked once for files that lie there unchanged."""
        key = str(folder), request.seq, bytes(request.fingerprint), _state(request, record)
        found = self._kept.pop(key, None)
        self._kept[key] = found = media_of(request, record) if found is None else found
        while len(self._kept) > 1 and self._holds_too_much():
            self._kept.popitem(last=False)
        return found

    def _holds_too_much(self) -> bool:
        held = sum(map(_bytes, self._kept.values()))
        return held > _MOST_KEPT_BYTES or len(self._kept) > _MOST_KEPT

    def picture(self, folder: Path, request: RequestLine, record: RunRecord, place: int) -> Prepared | None:
        """The picture at a place of a row; None where there is none, or where it is not shown."""
        for shown in self.media_of(folder, request, record):
            if shown.first <= place < shown.first + len(shown.pictures):
                return shown.pictures[place - shown.first]
        return None


def _bytes(media: list[Shown]) -> int:
    return sum(len(picture.data) for shown in media for picture in shown.pictures)


def _state(request: RequestLine, record: RunRecord) -> tuple[int, ...]:
    """What tells whether the files of a request are still the same ones."""
    if record.media_root is None:
        return ()
    root, found = MediaRoot(Path(record.media_root)), []
    for reference, number in references_of(request):
        if number is not None and not reference.is_data and not reference.is_remote:
            try:
                state = root.path_of(reference).stat()
            except (InputError, OSError):
                found.append(-1)
            else:
                found += [state.st_ino, state.st_size, state.st_mtime_ns]
    return tuple(found)
