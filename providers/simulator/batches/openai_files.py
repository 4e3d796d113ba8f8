"""OpenAI's Files API: uploads (multipart), lists, contents."""

from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import BadHttpMessage

from providers.simulator.batches.answers import TooLargeError, answered, discard, one_page, refusal, send_file, to_disk
from providers.simulator.batches.fates import befalls
from providers.simulator.batches.files import Stored
from providers.simulator.batches.service import Batches
from providers.simulator.batches.shapes import file_object, page
from providers.simulator.draws import identifier
from providers.simulator.endpoint import json_response

_CHUNK = 1 << 18
_LONGEST_FIELD = 1000
_MOST_LISTED = 10_000


class _Form:
    """The fields of an upload, as far as they matter."""

    purpose = ""
    filename = ""
    size: int | None = None


class FilesEndpoint:
    """Files are on disk only; their ids are drawn by name and by how often that name came."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/v1/files", self.upload)
        router.add_get("/v1/files", self.list)
        router.add_get("/v1/files/{id}", self.retrieve)
        router.add_delete("/v1/files/{id}", self.delete)
        router.add_get("/v1/files/{id}/content", self.content)

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """Take a file; the connection may be lost after that."""
        path = self._batches.files.new_path()
        try:
            form = await _read_form(request, path)
        except TooLargeError:
            return refusal(413, "The file is too large.", "file")
        except (ValueError, BadHttpMessage):
            discard(path)
            return refusal(400, "The body is no multipart form that can be read.")
        missing = "purpose" if not form.purpose else "file" if form.size is None else None
        if missing is not None:
            discard(path)
            return refusal(400, f"Missing required parameter: '{missing}'.", missing, "missing_required_parameter")
        return self._take(request, form, path)

    def _take(self, request: web.Request, form: _Form, path: Path) -> web.Response:
        batches, settings = self._batches, self._batches.settings
        key = batches.call("upload", form.filename.encode())
        stored = Stored(
            f"file-{identifier(settings.seed, key.digest, f'file {key.times}')}",
            form.filename,
            form.purpose,
            form.size or 0,
            int(batches.wall_now),
            path,
        )
        batches.files.add(stored)
        lost = befalls(settings, settings.batch_upload_lost, key.digest, "upload lost", key.times)
        return answered(request, file_object(stored), lost)

    async def list(self, request: web.Request) -> web.Response:
        """The files, newest first, of one purpose if that is asked for."""
        await self._batches.settle()
        purpose = request.query.get("purpose")
        files = [file for file in self._batches.files.newest_first() if purpose in (None, "", file.purpose)]
        if request.query.get("order") == "asc":
            files.reverse()
        try:
            chosen, more = one_page(request, files, [file.id for file in files], _MOST_LISTED, _MOST_LISTED)
        except ValueError as error:
            return refusal(400, str(error))
        return json_response(200, page([file_object(file) for file in chosen], more))

    async def retrieve(self, request: web.Request) -> web.Response:
        stored = await self._find(request)
        return _unknown(request) if stored is None else json_response(200, file_object(stored))

    async def delete(self, request: web.Request) -> web.Response:
        await self._batches.settle()
        id_ = request.match_info["id"]
        if not self._batches.files.delete(id_):
            return _unknown(request)
        return json_response(200, {"id": id_, "object": "file", "deleted": True})

    async def content(self, request: web.Request) -> web.StreamResponse:
        stored = await self._find(request)
        if stored is None:
            return _unknown(request)
        return await send_file(request, self._batches.settings, self._batches.files, stored)

    async def _find(self, request: web.Request) -> Stored | None:
        await self._batches.settle()
        return self._batches.files.get(request.match_info["id"])


async def _read_form(request: web.Request, path: Path) -> _Form:
    """The fields; the file goes to `path`. Raises ValueError or BadHttpMessage for what is no form,
    TooLargeError."""
    if request.content_type != "multipart/form-data":
        raise ValueError("no form")
    form = _Form()
    async for part in MultipartReader(request.headers, request.content):
        if not isinstance(part, BodyPartReader):
            raise ValueError("a form within the form")
        if part.name == "file":
            form.filename = (part.filename or "upload").encode("utf-8", "replace").decode("utf-8")
            form.size = await to_disk(_chunks(part), path)
        elif part.name == "purpose":
            form.purpose = (await part.read_chunk(_LONGEST_FIELD)).decode("utf-8")
    return form


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(_CHUNK):
        yield chunk


def _unknown(request: web.Request) -> web.Response:
    return refusal(404, f"No such File object: {request.match_info['id']}", "id")
