"""A long run in the viewer, over HTTP: how soon its pages come, and how much memory the process that serves has had."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from overnight_run import overnight
from processes import Child, ChildError, running
from viewing_steps import Step, steps

_READY_S, _PAGE_S, _LOOK_S = 900.0, 60.0, 0.5
_ACCEPTED = 200


@dataclass(frozen=True, slots=True)
class Served:
    """`pages`: seconds by step; `row_s` is of one row's page; `peak_bytes` the server's greatest resident set."""

    ready_s: float
    pages: dict[str, float]
    row_s: float
    peak_bytes: int


def measure_served(run: Path, rows: int) -> Served:
    """Serve the run, wait until its rows are open, and ask for the pages of all steps. Raises ChildError."""
    command = [overnight(), "view", str(run), "--no-open", "--json"]
    with running(command, folder=run.parent) as child:
        url = _address(child)
        began = time.perf_counter()
        _await(f"{url}r/0/rows", b"row/")
        ready_s = time.perf_counter() - began
        _await(f"{url}r/0/", b"live")  # which has the whole log folded: it counts for the memory
        pages = {step.name: _timed(f"{url}r/0/rows?{_query(step)}") for step in steps(rows)}
        row_s = _timed(f"{url}r/0/row/{_some_request(run)}")
        peak = _peak(child.process.pid)
        child.interrupt()
        child.finish(_PAGE_S)
    return Served(ready_s, pages, row_s, peak)


def _address(child: Child) -> str:
    limit = time.monotonic() + _PAGE_S
    while time.monotonic() < limit:
        said = child.printed()
        if said.rstrip().endswith(b"}"):
            return str(json.loads(said)["url"])
        time.sleep(_LOOK_S / 10)
    raise ChildError(f"the viewer told no address: {child.said()}")


def _await(url: str, wanted: bytes) -> None:
    """Until a page is there: before that it says how far it is, with another status."""
    limit = time.monotonic() + _READY_S
    while time.monotonic() < limit:
        status, page = _get(url)
        if status == _ACCEPTED and wanted in page:
            return
        time.sleep(_LOOK_S)
    raise ChildError(f"not there after {_READY_S:g} s: {url.rpartition('/r/')[2]}")


def _query(step: Step) -> str:
    told = {"stage": step.stage, "lane": step.lane, "q": step.words, "sort": step.sort, "offset": step.offset or None}
    return urllib.parse.urlencode({name: value for name, value in told.items() if value is not None})


def _some_request(run: Path) -> int:
    with (run / "requests.jsonl").open("rb") as file:
        return int(json.loads(file.readline())["seq"])


def _timed(url: str) -> float:
    began = time.perf_counter()
    status, page = _get(url)
    took = time.perf_counter() - began
    if status != _ACCEPTED:
        raise ChildError(f"status {status}: {page[:500].decode(errors='replace')}")
    return took


def _get(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=_PAGE_S) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def _peak(pid: int) -> int:
    told = Path(f"/proc/{pid}/status").read_text()
    return int(told.split("VmHWM:")[1].split()[0]) * 1024
