"""The HTTP under the batch clients: the provider's transport, with a time-out a call, and downloads into files."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import IO

from orchestrator.http import AiohttpTransport, HttpAnswer, TransportError
from orchestrator.secrets import NO_SECRETS, Secrets
from outputs.journal import WriteFailedError
from providers.batches.wire import BatchCallError
from providers.wire import Billing, Failure, FailureKind

PART = ".part"  # at the end of a download's name while it is under way
_SLOWEST = 100_000  # bytes a second: what a body of many megabytes may take longer than `timeout_s`


class AiohttpSeam:
    """HttpSeam over a provider's transport, which whoever made it closes.

    `timeout_s` is for the whole of an answer (a large body has its own time on top), and of a download for each of its
    pieces. `secrets` are taken out of all answers but downloads.
    """

    def __init__(self, transport: AiohttpTransport, timeout_s: float, secrets: Secrets = NO_SECRETS) -> None:
        self._transport = transport
        self._timeout_s = timeout_s
        self._secrets = secrets

    async def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> HttpAnswer:
        """Send, and read the whole answer. Raises BatchCallError."""
        seconds = self._timeout_s + len(body or b"") / _SLOWEST
        async with _typed(seconds):
            status, told, answer = await self._transport.request(method, url, headers, body)
        return status, told, self._secrets.hide_bytes(answer)

    async def download(self, url: str, headers: Mapping[str, str], path: Path) -> HttpAnswer:
        """Get a 200 into `path`, which is on disk then, and whole: until it is, what there is has another name.

        Raises BatchCallError, and WriteFailedError where the file cannot be written.
        """
        part = path.with_name(path.name + PART)
        try:
            with part.open("wb") as file:
                status, told, answer = await self._pour(url, headers, file)
                await asyncio.to_thread(_sync, file)
            if status == 200:
                part.replace(path)
        except _UnwrittenError as error:
            raise _cannot_write(error.error) from error
        except OSError as error:
            raise _cannot_write(error) from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        return status, told, self._secrets.hide_bytes(answer)

    async def _pour(self, url: str, headers: Mapping[str, str], file: IO[bytes]) -> HttpAnswer:
        loop = asyncio.get_running_loop()
        async with _typed(self._timeout_s) as limit:

            def take(piece: bytes) -> None:
                limit.reschedule(loop.time() + self._timeout_s)
                try:
                    file.write(piece)
                except OSError as error:  # which the transport would take for one of the network's
                    raise _UnwrittenError(error) from error

            return await self._transport.download(url, headers, take)


class _UnwrittenError(Exception):
    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


@contextlib.asynccontextmanager
async def _typed(seconds: float) -> AsyncIterator[asyncio.Timeout]:
    """Errors of the network and time-outs become those that batch clients know."""
    try:
        async with asyncio.timeout(seconds) as limit:
            yield limit
    except TransportError as error:
        raise BatchCallError(error.failure) from error
    except TimeoutError as error:
        message = f"no answer in {seconds:g} s"
        raise BatchCallError(Failure(FailureKind.TIMED_OUT, Billing.MAYBE, message)) from error


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _cannot_write(error: OSError) -> WriteFailedError:
    return WriteFailedError(f"a batch's results cannot be written: {error.strerror}")
