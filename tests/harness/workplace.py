"""A folder in which a user works: manifests, a catalog, and the command run there, in this process."""

import contextlib
import gc
import io
import json
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import main
from outputs.journal import Log
from tests.harness.loopback import Loopback, Reply, chat_answer

MODEL = "lab-1"
CHAT = "/v1/chat/completions"


def line(custom_id: str, text: str | None = None, *, body: dict[str, Any] | None = None, **keys: Any) -> dict[str, Any]:
    """A manifest line that asks `text` (the id, by default); `body` adds keys to its body."""
    asked = {"model": MODEL, "messages": [{"role": "user", "content": text or custom_id}], **(body or {})}
    return {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": asked, **keys}


def without(record: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in keys}


def jsonl(lines: Iterable[object]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in lines)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line on standard error, without the command's name."""
        [line] = self.err.splitlines()
        assert line.startswith("overnight: "), line
        return line.removeprefix("overnight: ")


class Workplace:
    """The working folder of a user whose models `lab-*` are answered by `provider`."""

    def __init__(self, folder: Path, provider: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.provider = folder, provider
        self._monkeypatch = monkeypatch
        monkeypatch.chdir(folder)
        monkeypatch.setenv("COLUMNS", "200")
        for name in ("OPENAI_API_KEY", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        self.write_catalog()

    @property
    def run_folder(self) -> Path:
        """Where `run` puts the run."""
        return self.folder / "out"

    def write_catalog(self, more: str = "") -> None:
        """The catalog of this folder, with `more` TOML behind the provider's own keys."""
        entry = f'protocol = "openai"\nbase_url = "{self.provider.base_url}"\nmodels = ["lab-*"]\nfree = true\n'
        (self.folder / "overnight.toml").write_text(f"[providers.lab]\n{entry}{more}")

    def write(self, lines: bytes | Iterable[object], name: str = "m.jsonl") -> Path:
        """A manifest."""
        path = self.folder / name
        path.write_bytes(lines if isinstance(lines, bytes) else jsonl(lines))
        return path

    def overnight(self, *arguments: object) -> Ended:
        """The command `overnight`, run here to its end."""
        out = io.TextIOWrapper(io.BytesIO(), "utf-8", newline="")
        err = io.StringIO()
        thresholds = gc.get_threshold()
        self._monkeypatch.setattr(sys, "argv", ["overnight", *map(str, arguments)])
        code = 0
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                main()
        except SystemExit as ending:
            code = int(ending.code or 0)
        finally:
            gc.unfreeze()
            gc.set_threshold(*thresholds)
        out.flush()
        buffer = out.buffer
        assert isinstance(buffer, io.BytesIO)
        return Ended(code, buffer.getvalue().decode(), err.getvalue())

    def run(self, *arguments: object, source: str | Path = "m.jsonl") -> Ended:
        """`overnight run`, into this folder's run folder."""
        return self.overnight("run", source, "--out", self.run_folder, "--quiet", *arguments)

    @staticmethod
    def reply(content: str) -> Reply:
        """An answer that says `content`."""
        return Reply(json.dumps(chat_answer(content)).encode())

    def lines(self, log: Log) -> list[dict[str, Any]]:
        """The lines of a log of the run."""
        data = (self.run_folder / log.file_name).read_bytes()
        assert data.endswith(b"\n") or not data
        return [json.loads(one) for one in data.split(b"\n")[:-1]]

    def answered(self) -> dict[str, dict[str, Any]]:
        """The lines of the answers by custom_id; none stands twice."""
        lines = self.lines(Log.RESPONSES)
        found = {one["custom_id"]: one for one in lines}
        assert len(found) == len(lines)
        return found

    def files(self, *aside: str) -> set[str]:
        """What lies in the folder, but for the manifest and the catalog."""
        ours: Collection[str] = {"overnight.toml", "m.jsonl", *aside}
        return {path.name for path in self.folder.iterdir()} - set(ours)
