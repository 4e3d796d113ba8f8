"""nginx as a stand-in for a provider: one worker that gives every call the same answer, faster than any client asks."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from processes import running
from program import UsageError
from serving import await_port, free_port
from workload import answer

_CONFIGURATION = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  default_type application/json;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_max_body_size 64m;
  client_body_temp_path .;
  proxy_temp_path .;
  fastcgi_temp_path .;
  uwsgi_temp_path .;
  scgi_temp_path .;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ return 200 '{answer}'; }}
  }}
}}
"""


@contextlib.contextmanager
def stub_server(folder: Path, core: int | None) -> Iterator[str]:
    """Serve from the folder, on this core (None: any); gives the base URL. Raises UsageError without nginx."""
    nginx = _nginx()
    port = free_port()
    file = folder / "nginx.conf"
    file.write_text(_CONFIGURATION.format(port=port, answer=answer()), encoding="utf-8")
    with running([nginx, "-p", str(folder), "-c", str(file)], core) as server:
        await_port(port, server)
        yield f"http://127.0.0.1:{port}/v1"


def _nginx() -> str:
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise UsageError("the stub server is nginx, which is not here: apt-get install nginx-light")
    return found
