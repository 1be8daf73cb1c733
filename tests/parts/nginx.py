"""A private nginx: a file server for comparisons, or the reverse proxy that people put before a registry."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.parts.presence import tool
from tests.parts.processes import Server, accepts, free_port

CONFIG = """\
daemon off;
worker_processes 2;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  keepalive_requests 1000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{
{location}
    }}
  }}
}}
"""

# What a registry needs of a proxy: bodies of any size, passed on while they arrive, under the name the client used.
PROXY = """\
      proxy_pass {upstream};
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_buffering off;
      proxy_read_timeout 900s;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      client_max_body_size 0;"""

FILES = "      root {files};"


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx."""

    port: int
    server: Server

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The root, without a slash at the end."""
        return f"http://{self.host}"


@contextmanager
def nginx(folder: Path, *, files: Path | None = None, upstream: str = "") -> Iterator[Nginx]:
    """nginx that serves the folder `files`, or passes every request on to the URL `upstream`.

    `folder` keeps its configuration and logs. Its workers run as nobody: `files` must be readable by all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    location = PROXY.format(upstream=upstream) if upstream else FILES.format(files=files)
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port, location=location))
    server = Server("nginx", [tool("nginx"), "-c", config, "-p", folder, "-e", folder / "error.log"], folder / "log")
    server.start(lambda: accepts(port))
    try:
        yield Nginx(port, server)
    finally:
        server.stop(by=signal.SIGQUIT)
