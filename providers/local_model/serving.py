"""The program of the child process: llama.cpp's server, until standard input ends.

It is started by its path and imports nothing of ours, so that no folder of the user's can come between. Its one line of
standard output is JSON: {"base_url": ...} once it listens, or {"error": ...}. Standard input is a pipe that whoever
started it holds: it ends with that process, however that one ends, and so does this one.
"""

import json
import os
import signal
import sys
from typing import Any


def main(weights: str, port: int, context: int, *names: str) -> None:
    """Serve `weights` under each of `names` on 127.0.0.1."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for whoever started it
    report = os.dup(1)
    os.dup2(2, 1)  # what the library prints is no answer of ours
    try:
        server = _server(weights, port, context, names)
    except Exception as error:
        _tell(report, {"error": f"{type(error).__name__}: {error}"})
        os._exit(1)
    _tell(report, {"base_url": f"{server.listening_address}/v1"})
    while os.read(0, 1024):
        pass
    os._exit(0)  # the server's own end would wait for the answer under way, in vain at times


def _server(weights: str, port: int, context: int, names: tuple[str, ...]) -> Any:
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = weights
    settings.model_alias = set(names)
    settings.hostnames = ["127.0.0.1"]
    settings.port = port
    settings.n_ctx = context
    settings.n_parallel = 1
    settings.n_gpu_layers = 0
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1  # a second one waits by spinning
    settings.cache_ram_mib = 0
    settings.offline = True
    settings.ui = settings.endpoint_slots = False  # no page, and no reading of other callers' prompts
    settings.cors_origins = "http://127.0.0.1"
    settings.verbosity = 1
    sampling = settings.sampling  # as a provider does it: from the whole distribution, at the temperature asked for
    sampling.temp, sampling.top_k, sampling.top_p, sampling.min_p = 1.0, 0, 1.0, 0.0
    return xllamacpp.Server(settings)


def _tell(report: int, what: dict[str, str]) -> None:
    os.write(report, json.dumps(what).encode() + b"\n")
    os.close(report)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
