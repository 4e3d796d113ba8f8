"""What the endpoints of batches share: bodies read to disk, pages of lists, and answers that go wrong."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from providers.simulator import bodies
from providers.simulator.batches.fates import befalls
from providers.simulator.batches.files import Files, Stored
from providers.simulator.draws import digest, uniform
from providers.simulator.endpoint import drop, json_response
from providers.simulator.settings import SimulatorSettings

LARGEST_FILE = 200 << 20
_CHUNK = 1 << 18
T = TypeVar("T")


class TooLargeError(Exception):
    """More bytes than a file may have."""


def refusal(status: int, message: str, param: str | None = None, code: str | None = None) -> web.Response:
    """An error in OpenAI's shape."""
    return json_response(status, bodies.error(message, "invalid_request_error", param, code))


def discard(path: Path) -> None:
    """Remove a file that nobody needs any more, if it is there."""
    path.unlink(missing_ok=True)


async def to_disk(chunks: AsyncIterator[bytes], path: Path, most: int = LARGEST_FILE) -> int:
    """Write what comes; returns how many bytes. Raises TooLargeError, and leaves no file, where that is too many."""
    size = 0
    try:
        with path.open("wb") as file:
            async for chunk in chunks:
                size += file.write(chunk)
                if size > most:
                    raise TooLargeError
    except BaseException:  # a client that leaves cancels this
        discard(path)
        raise
    return size


def one_page(
    request: web.Request, items: Sequence[T], ids: Sequence[str], usual: int, most: int, after: str = "after"
) -> tuple[Sequence[T], bool]:
    """The page that a call asks for, and whether there is more. Raises ValueError for a limit or a cursor that is
    none."""
    limit = int(request.query.get("limit", usual))
    if not 1 <= limit <= most:
        raise ValueError(f"limit must be from 1 to {most}")
    start = 0
    if cursor := request.query.get(after):
        if cursor not in ids:
            raise ValueError(f"nothing here has the id {cursor}")
        start = ids.index(cursor) + 1
    return items[start : start + limit], start + limit < len(items)


async def send_file(
    request: web.Request, settings: SimulatorSettings, files: Files, stored: Stored
) -> web.StreamResponse:
    """A file, or at its first download perhaps only the beginning of it."""
    key, left = digest(stored.id.encode()), stored.size
    if files.first_download(stored.id) and befalls(settings, settings.batch_download_torn, key, "download"):
        share = 0.1 + 0.8 * uniform(settings.seed, key, "download share")
        left = min(stored.size - 1, max(1, int(stored.size * share)))
    return await _send(request, stored, left)


async def _send(request: web.Request, stored: Stored, left: int) -> web.StreamResponse:
    """So many bytes of a file, after which the connection is dropped where that is not all.

    Not by aiohttp's own response for files, which leaves them open where its client has gone before they were.
    """
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    response.content_length = stored.size
    await response.prepare(request)
    torn = left < stored.size
    with stored.path.open("rb") as file:
        while left > 0 and (chunk := file.read(min(_CHUNK, left))):
            left -= len(chunk)
            await response.write(chunk)
    if torn and request.transport is not None:
        request.transport.close()
    return response


def answered(request: web.Request, value: dict[str, Any], lost: bool) -> web.Response:
    """200, or nothing where the answer is lost."""
    return drop(request) if lost else json_response(200, value)
