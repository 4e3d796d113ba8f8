"""Stands in for the package xllamacpp: a server with the same few names, whose model is always of the same mind.

It grades every caption with 7, and answers any other schema with the lowest numbers that it allows, of several the
first; a grammar gets a template, and everything else an answer that names the model it was asked as.

It is copied to a folder of its own under that package's name. The weights' name says what it does: a file `broken.gguf`
does not load, `silent.gguf` never comes up, `gone.gguf` ends the process as it is loaded, `slow.gguf` takes half a
second for each answer, and `mute.gguf` answers nothing but 400.
"""

import json
import math
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

TEMPLATE = "<template>Made anew: [QUESTION]</template>"
KEYS = ("accuracy", "completeness", "conciseness", "relevance")


class CommonParams(SimpleNamespace):
    """Settings, any of them."""

    def __init__(self) -> None:
        super().__init__(
            model=SimpleNamespace(),
            cpuparams=SimpleNamespace(),
            cpuparams_batch=SimpleNamespace(),
            sampling=SimpleNamespace(),
        )


class Server:
    """Listens from the moment it is made."""

    def __init__(self, settings: CommonParams) -> None:
        os.write(1, b"loading\n")  # the real one prints, too
        name = Path(settings.model.path).stem
        if name == "broken":
            os.write(2, b"bad magic\n")
            raise RuntimeError("Failed to init server")
        if name == "silent":
            time.sleep(600)
        if name == "gone":
            os._exit(3)
        _Handler.pause_s = 0.5 if name == "slow" else 0.0
        _Handler.mute = name == "mute"
        server = ThreadingHTTPServer((settings.hostnames[0], settings.port), _Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.listening_address = f"http://{settings.hostnames[0]}:{server.server_port}"


class _Handler(BaseHTTPRequestHandler):
    pause_s = 0.0
    mute = False

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(self.pause_s)
        data = json.dumps({"error": {"message": "no"}} if self.mute else _answer(body)).encode()
        self.send_response(400 if self.mute else 200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def _answer(body: dict[str, Any]) -> dict[str, object]:
    if "logprobs" in body:
        return _completion(body, **_grades(body))
    if "response_format" in body:
        return _completion(body, _least(body["response_format"]["json_schema"]["schema"]))
    return _completion(body, TEMPLATE if "grammar" in body else f"I am {body['model']}.")


def _completion(body: dict[str, Any], content: str, **more: object) -> dict[str, object]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}, **more}
    usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
    return {"id": "x", "object": "chat.completion", "model": body["model"], "choices": [choice], "usage": usage}


def _least(schema: dict[str, Any]) -> str:
    """What the schema allows, with the lowest numbers."""
    properties = schema.get("anyOf", [schema])[0]["properties"]
    return json.dumps({key: one.get("minimum", "so") for key, one in properties.items()})


def _grades(body: dict[str, Any]) -> dict[str, Any]:
    """Grades of 7, with half of the probability on 7, a quarter on 3 and the rest on no score."""
    assert body["top_logprobs"] == 20
    assert isinstance(body["response_format"], dict)
    listed = [{"token": token, "logprob": math.log(p)} for token, p in (("7", 0.5), ("3", 0.25), ("x", 0.25))]
    tokens = [{"token": "", "logprob": 0.0, "bytes": [], "top_logprobs": []}]
    for place, key in enumerate(KEYS):
        tokens.append({"token": f'{", " if place else "{"}"{key}": ', "logprob": 0.0, "top_logprobs": []})
        tokens.append({"token": "7", "logprob": math.log(0.5), "top_logprobs": listed})
    tokens.append({"token": "}", "logprob": 0.0, "top_logprobs": []})
    return {"content": "".join(str(token["token"]) for token in tokens), "logprobs": {"content": tokens}}
