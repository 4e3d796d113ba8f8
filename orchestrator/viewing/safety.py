"""What every request to the viewer must pass, and what every response carries.

Model text is hostile, and a page of another site may try to talk to loopback: the token in the path, the Host, Origin
and Sec-Fetch-Site headers and the shape of the path are checked before anything else is looked at.
"""

import hmac
import logging
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from orchestrator.viewing.live import StillReadingError
from prompts.input_error import InputError
from prompts.plain_text import plain_text

OnFault = Callable[[web.Request, HTTPStatus, str], web.StreamResponse]

_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "overnight",
}
MOST_BYTES = 16 << 10  # of a request's body
JSON = "application/json"

_PATH = re.compile(r"(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+/?")  # nothing encoded, empty or hidden, and no way up
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,200}")
_OURS = ("same-origin", "none")  # none: the address bar, a bookmark


def new_token() -> str:
    """A token that nobody guesses."""
    while not _TOKEN.fullmatch(token := secrets.token_urlsafe(24)):
        pass
    return token


def checked_token(token: str) -> str:
    """A token that the user gave, so that links last. Raises InputError where it is short or no part of a path."""
    if not _TOKEN.fullmatch(token):
        what = "a token has 16 to 200 characters, of A-Z, a-z, 0-9, _ and -"
        raise InputError(what, field="OVERNIGHT_VIEW_TOKEN")
    return token


def hosts_of(port: int) -> frozenset[str]:
    """What the Host header may say of a server on this port."""
    return frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))


def guard(token: str, port: int, fault: OnFault) -> Middleware:
    """The middleware that stands before all routes; `fault` makes the page that says what went wrong."""
    hosts = hosts_of(port)

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        refused = refusal(request, token, hosts)
        response = await _answered(request, handler, fault) if refused is None else refused
        response.headers.update(HEADERS)
        return response

    return guarded


def refusal(request: web.Request, token: str, hosts: frozenset[str]) -> web.Response | None:
    """Why a request is not looked at, as its response; None where it passes. Who has no token learns nothing."""
    path = request.raw_path.partition("?")[0]
    said = path.split("/")[1] if path.startswith("/") else ""
    if not hmac.compare_digest(said.encode("utf-8", "surrogateescape"), token.encode()) or not _PATH.fullmatch(path):
        return web.Response(status=HTTPStatus.NOT_FOUND)
    if request.method not in ("GET", "HEAD", "POST"):
        return web.Response(status=HTTPStatus.METHOD_NOT_ALLOWED)
    told = request.headers.getall("Host", [])
    if len(told) != 1 or told[0].lower() not in hosts:
        return _refused(HTTPStatus.MISDIRECTED_REQUEST, "this is another host's address")
    return _of_another_site(request, f"http://{told[0].lower()}") or _not_ours_to_do(request)


def _of_another_site(request: web.Request, origin: str) -> web.Response | None:
    headers = request.headers
    if any(one not in _OURS for one in headers.getall("Sec-Fetch-Site", [])) and not _is_opened(request):
        return _refused(HTTPStatus.FORBIDDEN, "opened from another page: put the address into the address bar yourself")
    if any(one.lower() != origin for one in headers.getall("Origin", [])):
        return _refused(HTTPStatus.FORBIDDEN, "asked for by a page of another origin")
    return None


def _is_opened(request: web.Request) -> bool:
    """Whether a window is led to the first page, as by the file that `--open` gives to a browser."""
    told = [request.headers.getall(name, []) for name in ("Sec-Fetch-Mode", "Sec-Fetch-Dest")]
    first = request.raw_path.count("/") == 2 and request.raw_path.endswith("/")
    return request.method == "GET" and first and told == [["navigate"], ["document"]]


def _not_ours_to_do(request: web.Request) -> web.Response | None:
    if request.method != "POST":
        return None
    if "Origin" not in request.headers:
        return _refused(HTTPStatus.FORBIDDEN, "what changes a run names the page that asks for it (Origin)")
    if request.headers.getall("Content-Type", []) != [JSON]:
        return _refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"what changes a run is {JSON}")
    return None


def _refused(status: HTTPStatus, why: str) -> web.Response:
    return web.Response(status=status, text=f"{why}\n")


async def _answered(request: web.Request, handler: Handler, fault: OnFault) -> web.StreamResponse:
    """The route's response, or a page that says why there is none."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            return error
        return fault(request, HTTPStatus(error.status), error.reason)
    except StillReadingError as error:
        return fault(request, HTTPStatus.ACCEPTED, error.what)
    except InputError as error:
        return fault(request, HTTPStatus.BAD_REQUEST, str(error))
    except OSError as error:
        return fault(
            request, HTTPStatus.INTERNAL_SERVER_ERROR, f"cannot be read: {error.strerror or 'input or output'}"
        )
    except Exception as error:
        _log(request, error)
        return fault(request, HTTPStatus.INTERNAL_SERVER_ERROR, f"internal error: {type(error).__name__}")


def _log(request: web.Request, error: Exception) -> None:
    """One line on standard error; neither the token nor what was asked for stands in it."""
    place = ""
    step = error.__traceback__
    while step is not None:
        place = f"{step.tb_frame.f_code.co_filename.rpartition('/')[2]}:{step.tb_lineno}"
        step = step.tb_next
    route = request.match_info.route.resource
    name = "" if route is None else route.canonical
    print(plain_text(f"overnight view: {type(error).__name__} at {place} for {request.method} {name}"), file=sys.stderr)  # noqa: T201


QUIET = logging.Logger("viewer", logging.CRITICAL + 1)  # the server's own lines would name addresses


class QuietHandler(web.RequestHandler):
    """A connection whose malformed requests are answered without content, with our headers, and leave no log line."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,  # noqa: ARG002
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        """The response to what is no request; it ends the connection."""
        if request.writer.output_size > 0:
            raise ConnectionError("the response has begun already")
        response = web.Response(status=status, headers=HEADERS)
        response.force_close()
        return response
