"""nginx as a provider that limits: `limit_req`, 100 calls a second, a burst of 20, beyond it 429; judged by its log."""

import contextlib
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from program import UsageError
from serving import free_port, serving
from workload import answer

RATE = 100  # a second
_LOG = "access.log"
_ROW = re.compile(r'"content\\?":\\?"(\d+):')
_CONFIGURATION = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  log_format calls escape=json '$msec $status $request_body';
  access_log off;
  default_type application/json;
  keepalive_requests 1000000000;
  client_body_buffer_size 64k;
  client_body_temp_path .;
  proxy_temp_path .;
  fastcgi_temp_path .;
  uwsgi_temp_path .;
  scgi_temp_path .;
  limit_req_zone $binary_remote_addr zone=calls:1m rate={rate}r/s;
  limit_req_status 429;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      limit_req zone=calls burst=20 nodelay;
      access_log {log} calls;
      proxy_pass http://127.0.0.1:{behind};
    }}
  }}
  server {{
    listen 127.0.0.1:{behind};
    location / {{ return 200 '{answer}'; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Judged:
    """By the server's log: the share of the limit from the first answer to the last, and what became of the rows."""

    use: float
    refused: float
    lost: int
    twice: int


@contextlib.contextmanager
def limiting_server(folder: Path) -> Iterator[str]:
    """Serve from the folder; gives the root URL. Raises UsageError without nginx."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if nginx is None:
        raise UsageError("the limiting server is nginx, which is not here: apt-get install nginx-light")
    port, behind = free_port(), free_port()
    file = folder / "nginx.conf"
    log = folder / _LOG
    made = _CONFIGURATION.format(port=port, behind=behind, rate=RATE, answer=answer(), log=log)
    file.write_text(made, encoding="utf-8")
    with serving([nginx, "-p", str(folder), "-c", str(file)], folder, port) as url:
        yield url


def judge(folder: Path, rows: int) -> Judged:
    """What the log in the folder says of a run over so many rows, which are numbered from 0."""
    with (folder / _LOG).open(encoding="utf-8") as lines:
        return judge_lines(lines, rows)


def judge_lines(lines: Iterable[str], rows: int) -> Judged:
    """As `judge`, by the lines of a log. Raises ValueError where fewer than two calls were answered."""
    at: list[float] = []
    refused = 0
    served: Counter[int] = Counter()
    for line in lines:
        moment, status, body = line.split(" ", 2)
        if status == "429":
            refused += 1
        elif status == "200" and (row := _ROW.search(body)) is not None:
            at.append(float(moment))
            served[int(row[1])] += 1
    if len(at) < 2:
        raise ValueError("the server answered fewer than two calls")
    use = (len(at) - 1) / (max(at) - min(at)) / RATE
    lost = rows - sum(row in served for row in range(rows))
    return Judged(use, refused / (refused + len(at)), lost, sum(times > 1 for times in served.values()))
