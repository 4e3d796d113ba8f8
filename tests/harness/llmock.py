"""An independent server of three protocols (the package llmock), as a child process on loopback."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

_PATIENCE_S = 60.0
_WITH_DELAY = "import llmock.cli, llmock.routers.batch as batch; batch._BATCH_DELAY = {seconds}; llmock.cli.app()"


class LLMock:
    """The server; `url` is its root, with OpenAI at /v1, Anthropic at /anthropic and Gemini at /gemini/v1beta.

    Of equal requests its answers are equal but for their ids and times. Its batches take three seconds, or `batch_s`.
    """

    def __init__(self, log: Path, batch_s: float | None = None) -> None:
        self._log = log
        self._batch_s = batch_s
        self._port = _free_port()
        self.url = f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        program = [str(Path(sys.executable).with_name("llmock"))]
        if self._batch_s is not None:
            program = [sys.executable, "-c", _WITH_DELAY.format(seconds=self._batch_s)]
        command = [*program, "serve", "--host", "127.0.0.1", "--port", str(self._port)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def expect(self, *behaviors: dict[str, Any]) -> None:
        """What the next calls get, in place of anything that was expected before."""
        self._ask("/_llmock/reset", b"{}")
        if behaviors:
            self._ask("/_llmock/scenario", json.dumps({"behaviors": behaviors}).encode())

    def _ask(self, path: str, body: bytes | None = None) -> None:
        with urllib.request.urlopen(self.url + path, body, timeout=10) as response:
            response.read()

    def _wait(self) -> None:
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return self._ask("/health")
            except (OSError, urllib.error.URLError):
                if time.monotonic() > until or self._process.poll() is not None:
                    raise
            time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
