"""Pages: the templates, what they all are given, and texts made safe to look at."""

import unicodedata
from http import HTTPStatus
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web
from markupsafe import Markup, escape

from prompts.plain_text import plain_text

_HERE = Path(__file__).parent
_STATIC_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def visible(text: str) -> str:
    """`text` with everything that is not seen, or reorders what is, written out; lines, tabs and spaces stay."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in "\n\t" or unicodedata.category(c) == "Zs" else plain_text(c) for c in text
    )


def _finalize(value: object) -> object:
    """What an expression of a template is written as: text made visible; what is escaped already stays."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value)
    return "" if value is None else value


def exact(value: object) -> Markup:
    """A value for an attribute that is sent back: escaped, and not a character changed."""
    return escape(str(value).encode("utf-8", "replace").decode())


_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    finalize=_finalize,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters["exact"] = exact


def page(request: web.Request, template: str, *, status: int = HTTPStatus.OK, **values: Any) -> web.Response:
    """A page. Beside `values` a template has `root`: the way to the list of runs, from this address."""
    text = _environment.get_template(template).render(root=root_of(request), **values)
    return web.Response(status=status, text=text, content_type="text/html")


def root_of(request: web.Request) -> str:
    """The way from this address to the list of runs: links are relative, so that no page holds the token."""
    depth = request.path.count("/") - 2
    return "../" * depth if depth > 0 else "./"


def fault_page(request: web.Request, status: HTTPStatus, why: str) -> web.StreamResponse:
    """What went wrong, in words; for a script as JSON. With ACCEPTED: what the page waits for, and then comes again."""
    if request.path.endswith((".json", "/do")):
        return web.json_response({"ok": False, "error": visible(why)}, status=status)
    waits = status is HTTPStatus.ACCEPTED
    title = "Being read" if waits else _TITLES.get(status, status.phrase)
    said = "No page of the viewer has this address." if why == HTTPStatus.NOT_FOUND.phrase else why
    return page(request, "fault.html", status=status, title=title, why=said, waits=waits, ways=_ways_back(request))


_TITLES = {
    HTTPStatus.BAD_REQUEST: "This cannot be shown",
    HTTPStatus.NOT_FOUND: "Not there",
    HTTPStatus.INTERNAL_SERVER_ERROR: "This went wrong",
}


def _ways_back(request: web.Request) -> list[tuple[str, str]]:
    """Where a page that cannot be shown leads to, as (address, words): the run, its rows without filters, the list."""
    root, run = root_of(request), request.match_info.get("run")
    ways = [] if run is None or request.path.endswith(f"/{run}/") else [(f"{root}r/{run}/", "To the run")]
    ways += [] if run is None or not request.query_string else [(f"{root}r/{run}/rows", "To all rows of the run")]
    return [*ways, (root, "To the list of runs")]


def read_static() -> dict[str, tuple[str, bytes]]:
    """Media type and content of each of our own files, by name: no path is ever made of what is asked for."""
    found = {}
    for path in sorted((_HERE / "static").iterdir()):
        if (kind := _STATIC_TYPES.get(path.suffix)) is not None:
            found[path.name] = (kind, path.read_bytes())
    return found
