"""What a spec asks first, as a plain manifest."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from orchestrator.checking import RequestCheck
from orchestrator.exporting import write_manifest
from orchestrator.opening import Options, media_root, read_asked
from orchestrator.requests_file import NewRow
from orchestrator.sources import check_path
from orchestrator.to_follow import by_stage, to_follow
from prompts.input_error import InputError
from providers.catalog import load_catalog


@dataclass(frozen=True, slots=True)
class Built:
    """A spec whose requests have all been checked. `media_root` is None where no pictures or clips are shown."""

    check: RequestCheck
    rows: int
    following: Counter[tuple[str, str, str]]  # rows, by stage, provider and model
    media_root: Path | None

    def lines(self) -> Iterator[bytes]:
        """The lines of the manifest, the same bytes each time."""
        return map(_line, self.check.rows())

    def remarks(self) -> Iterator[str]:
        """What is not in the manifest."""
        if self.following:
            stages = [
                f"{rows:,} of stage {name} for {'/'.join(lane)}" for (name, *lane), rows in self.following.items()
            ]
            count = sum(self.following.values())
            what = f"about {count:,} requests that follow from the answers are not in it ({', '.join(stages)})"
            yield f"{what}: running the spec itself asks them"
        if self.media_root is not None:
            yield f"pictures and clips lie under {self.media_root}: run what is built with --media-root"


def build(source: Path, options: Options) -> Built:
    """Check what a spec asks first. Raises InputError."""
    check_path(source)
    catalog = load_catalog(options.config)
    asked = read_asked(source, catalog, options)
    if asked is None or asked.spec is None:
        raise InputError("is no job spec (.toml): only those are built", file=source)
    root = media_root(options, asked)
    check = RequestCheck(asked.job, catalog, source, need_keys=False, allow_unpriced=True, media_root=root)
    rows = sum(1 for _ in check.rows())
    if not rows:
        raise InputError("nothing to ask: the dataset has no items", file=source)
    return Built(check, rows, by_stage(to_follow(check)), root if check.shows_media else None)


def write_built(built: Built, path: Path) -> None:
    """Write the manifest to a file that is not there yet, all or nothing. Raises InputError."""
    if path.exists():
        raise InputError("is there already: give another --output", file=path)
    write_manifest(path, built.lines())


def _line(row: NewRow) -> bytes:
    return b'{"custom_id":%b,"method":"POST","url":%b,"body":%b%b%b}\n' % (
        orjson.dumps(row.custom_id),
        orjson.dumps(row.url),
        row.routed.body,
        b"" if row.named is None else b',"provider":' + orjson.dumps(row.named),
        b"" if row.metadata is None else b',"metadata":' + row.metadata,
    )
