"""nginx with the same bytes as plain files: what the machine gives when nothing is asked or checked."""

import os
import shutil

from bench.process import Process
from bench.registry import Started
from bench.values import Failed, Plan, Unable

CONFIGURATION = """\
{user}worker_processes auto;
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  default_type application/octet-stream;
  server {{ listen 127.0.0.1:{port}; root {folder}/files; }}
}}
"""


class Nginx(Started):
    is_registry = False

    def __init__(self, plan: Plan) -> None:
        super().__init__("nginx", "nginx", plan.scratch / "nginx")

    def start(self) -> None:
        binary = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if binary is None:
            raise Unable("nginx is not installed")
        (self.folder / "files").mkdir()
        (self.folder / "files" / "ready").write_text("ready")
        settings = self.folder / "nginx.conf"
        # Started as root it would drop to a user who cannot look into the scratch folder.
        user = "user root;\n" if os.geteuid() == 0 else ""
        settings.write_text(CONFIGURATION.format(user=user, folder=self.folder, port=self.port))
        command = [binary, "-e", str(self.folder / "error.log"), "-c", str(settings)]
        self.process = Process(command, self.folder / "log", {})
        self.process.wait_for(f"http://{self.address}/ready")

    def put_blob(self, image: str, digest: str, body: bytes) -> None:
        self.write(f"v2/{image}/blobs/{digest}", body)

    def put_manifest(self, image: str, reference: str, body: bytes) -> None:
        self.write(f"v2/{image}/manifests/{reference}", body)

    def write(self, path: str, body: bytes) -> None:
        file = self.folder / "files" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)

    def seed_tags(self, image: str, prefix: str, count: int) -> None:
        raise Failed(f"nginx keeps no tags: {image} {prefix} {count}")

    def seed_images(self, group: str, prefix: str, first: int, last: int) -> None:
        raise Failed(f"nginx keeps no catalog: {group} {prefix} {first} {last}")
