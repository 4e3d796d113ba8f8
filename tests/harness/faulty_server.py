"""A provider on loopback that fails as real ones do: besides its replies it resets, hangs, breaks off and floods."""

import contextlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.harness.loopback import Call, Loopback, Reply, chat_answer

Fault = Callable[[BaseHTTPRequestHandler], None]
Behaviour = Callable[[int], Reply | Fault]  # of how often the row came, from 1
ANSWER = Reply(json.dumps(chat_answer("at last")).encode())
_PIECE = b" " * (1 << 20)


def refusal(status: int, headers: dict[str, str] | None = None, **error: Any) -> Reply:
    """An error in OpenAI's shape."""
    return Reply(json.dumps({"error": {"message": "no", **error}}).encode(), status, headers or {})


def always(reply: Reply | Fault) -> Behaviour:
    """The same each time."""
    return lambda _: reply


def first(times: int, reply: Reply | Fault) -> Behaviour:
    """The same for so many times, then an answer."""
    return lambda came: reply if came <= times else ANSWER


def reset(handler: BaseHTTPRequestHandler) -> None:
    """The connection is reset before any byte."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def reset_within_the_body(handler: BaseHTTPRequestHandler) -> None:
    """Half of a body, then a reset."""
    _begin(handler, 1000)
    handler.wfile.write(b'{"choices":[{"message"')
    time.sleep(0.01)  # a reset overtakes what is still on its way
    reset(handler)


def cut_short(handler: BaseHTTPRequestHandler) -> None:
    """A body that ends before its length, the connection being closed in good order."""
    _begin(handler, 1000)
    handler.wfile.write(b'{"choices":[{"message"')


class FaultyServer(Loopback):
    """Answers each row as `behaviours` say for its text; rows without one are answered after `pause_s`."""

    def __init__(self) -> None:
        super().__init__()
        self.behaviours: dict[str, Behaviour] = {}
        self.pause_s = 0.0
        self.sent_bytes = 0  # of floods
        self._came: Counter[str] = Counter()
        self._closing = threading.Event()

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        super().__exit__(*error)

    def hang(self, _: BaseHTTPRequestHandler) -> None:
        """No byte, until the server ends."""
        self._closing.wait(60)

    def flood(self, length: int) -> Fault:
        """A body of `length` bytes, for as long as somebody reads it."""

        def send(handler: BaseHTTPRequestHandler) -> None:
            _begin(handler, length)
            for _ in range(length // len(_PIECE)):
                handler.wfile.write(_PIECE)
                self.sent_bytes += len(_PIECE)

        return send

    def attempts(self, text: str) -> int:
        """How often the row came."""
        return self._came[text]

    def _reply_to(self, call: Call) -> Reply | Fault:
        with self._lock:
            self.calls.append(call)
            self._came[call.text] += 1
            came = self._came[call.text]
        behaviour = self.behaviours.get(call.text)
        if behaviour is not None:
            return behaviour(came)
        time.sleep(self.pause_s)
        return self.reply(call)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        reply_to = self._reply_to

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                reply = reply_to(Call(self.path, dict(self.headers.items()), body))
                with contextlib.suppress(OSError):  # the client has left
                    if isinstance(reply, Reply):
                        _send(self, reply)
                    else:
                        self.close_connection = True
                        reply(self)

            def finish(self) -> None:
                with contextlib.suppress(OSError, ValueError):
                    super().finish()

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _begin(handler: BaseHTTPRequestHandler, length: int) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(length))
    handler.end_headers()


def _send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    handler.send_response(reply.status)
    for name, value in {"Content-Type": "application/json", **reply.headers}.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(reply.body)))
    handler.end_headers()
    handler.wfile.write(reply.body)
