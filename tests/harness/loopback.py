"""A provider on loopback, in threads of its own: it keeps every call, and answers what a test tells it to."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The content of the first message."""
        content = json.loads(self.body)["messages"][0]["content"]
        assert isinstance(content, str)
        return content


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def chat_answer(content: str | None, **message: Any) -> dict[str, Any]:
    """A chat completion that says `content`."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": "lab-1", "choices": [choice], "usage": usage}


def echo(call: Call) -> Reply:
    """Say again what was asked."""
    return Reply(json.dumps(chat_answer(call.text)).encode())


class _Server(ThreadingHTTPServer):
    request_queue_size = 1024


class Loopback:
    """The server. `calls` are in the order in which they came; `reply` may be set at any time."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.reply: Callable[[Call], Reply] = echo
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def texts(self) -> list[str]:
        """What the calls so far asked, sorted."""
        return sorted(call.text for call in self.calls)

    def forget(self) -> None:
        """Count from here."""
        self.calls.clear()

    def _take(self, call: Call) -> Reply:
        with self._lock:
            self.calls.append(call)
        return self.reply(call)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                reply = take(Call(self.path, dict(self.headers.items()), body))
                self.send_response(reply.status)
                for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
