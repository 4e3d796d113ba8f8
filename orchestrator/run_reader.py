"""What a job reads of its run: answers and items, from the run folder, by their place in the log."""

from array import array
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from jobs.protocol import RunReader
from outputs.items import Item
from outputs.journal import Log
from outputs.line_by_seq import line_by_seq
from outputs.log_reader import read_lines
from outputs.records import ResponseLine
from prompts.records import Completion
from providers.adapters import read_completion
from providers.catalog import Catalog

_REMEMBERED = 256  # answers: a pair's reference is wanted once for each test model
_response = msgspec.json.Decoder(ResponseLine).decode
_item = msgspec.json.Decoder(Item).decode


@dataclass(slots=True)
class FolderReader(RunReader):
    """Reads a run folder. What it reads must be on disk; 8 bytes an item are kept."""

    folder: Path
    catalog: Catalog
    _offsets: "array[int]" = field(default_factory=lambda: array("Q"))  # of the items' lines
    _completions: dict[int, Completion] = field(default_factory=dict)

    def completion(self, seq: int) -> Completion:
        """The answer whose line has this seq. Raises KeyError where there is none."""
        found = self._completions.get(seq)
        if found is None:
            line = line_by_seq(self.folder / Log.RESPONSES.file_name, seq)
            if line is None:
                raise KeyError(seq)
            answer = _response(line)
            protocol = self.catalog.provider(answer.provider).protocol
            found = read_completion(protocol, bytes(answer.response.body))
            if len(self._completions) >= _REMEMBERED:
                del self._completions[next(iter(self._completions))]
            self._completions[seq] = found
        return found

    def item(self, place: int) -> Item:
        """The item on line `place`, counted from 0. Raises IndexError where there is none."""
        path = self.folder / Log.ITEMS.file_name
        if place >= len(self._offsets):
            self._offsets = array("Q", (offset for offset, _ in read_lines(path)))
        with path.open("rb") as file:
            file.seek(self._offsets[place])
            return _item(file.readline())
