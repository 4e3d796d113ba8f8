"""The list of runs: how each of them stands, as far as is known."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from orchestrator.viewing.addresses import BASE
from orchestrator.viewing.folders import RUNS, ViewedRun, ViewedRuns
from orchestrator.viewing.pages import page

_PATIENCE_S = 0.5
_FACTS = ("state", "answered", "failed", "spent", "coverage")


def add_routes(app: web.Application) -> None:
    """Add the routes of the list."""
    app.router.add_get(BASE, run_list)
    app.router.add_get(f"{BASE}list.json", list_json)


async def run_list(request: web.Request) -> web.Response:
    """The page."""
    runs = request.app[RUNS]
    found = await _looked(runs)
    return page(request, "runs.html", runs=found, known=_known(found))


async def list_json(request: web.Request) -> web.Response:
    """What stands in the list now; the page asks for it again and again."""
    found = await _looked(request.app[RUNS])
    facts = {f"{one['number']}.{name}": one["facts"][name] for one in found for name in _FACTS}
    return web.json_response({"known": _known(found), "facts": facts})


def _known(found: Sequence[Mapping[str, Any]]) -> str:
    """What a page is loaded anew for: how many runs there are, of how many the name is known, and which they are."""
    which = "\0".join(f"{one['key']} {one['name']}" for one in found).encode("utf-8", "surrogatepass")
    read = sum(bool(one["job"]) for one in found)
    return f"{len(found)} runs, {read} read: {hashlib.sha256(which).hexdigest()[:16]}"


async def _looked(runs: ViewedRuns) -> list[dict[str, Any]]:
    await runs.look_on()
    there = [run for run in runs.runs if run.is_there]
    if there:
        await asyncio.wait([run.watched.begin() for run in there], timeout=_PATIENCE_S)
    return [_entry(run) for run in there]


def _entry(run: ViewedRun) -> dict[str, Any]:
    """A run in the list: what is known of it now; more is looked for meanwhile."""
    watched = run.watched
    if watched.fault is not None:
        return _told(run, {"state": "cannot be read", "answered": str(watched.fault)})
    view = watched.known
    if view is None:
        return _told(run, {"state": "being read", "answered": watched.how_far})
    return {**_told(run, view.facts), "job": view.job, "simulated": view.simulated, "imported": view.imported}


def _told(run: ViewedRun, facts: Mapping[str, str]) -> dict[str, Any]:
    told = {name: facts.get(name, "") for name in _FACTS}
    known = {"job": "", "simulated": False, "imported": False}
    return {"number": run.number, "key": run.key, "name": run.label, **known, "facts": told}
