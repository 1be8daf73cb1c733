"""The ways by which one repository is addressed, on a plain port and over TLS, which are served by two servers.

What has a name of its own to be resolved (a sub-domain) is asked by its Host field; crane takes the rest.
"""

import http.client
import json
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.registry import Registry
from tests.parts.certificate import certificate
from tests.parts.entrepot import Entrepot
from tests.parts.images import Layout, hello_layer
from tests.parts.presence import tool
from tests.parts.processes import free_port, run

DOMAIN = "registry.example"


@dataclass
class Node:
    server: Entrepot
    port: int  # of docker-local alone
    cert: Path | None

    def get(self, path: str, *, host: str = "", port: int = 0) -> tuple[int, bytes]:
        where = ("127.0.0.1", port or self.server.port)
        if self.cert is None:
            connection = http.client.HTTPConnection(*where, timeout=30)
        else:
            trusting = ssl.create_default_context(cafile=str(self.cert))
            connection = http.client.HTTPSConnection(*where, timeout=30, context=trusting)
        account = b64encode(f"{self.server.user}:{self.server.password}".encode()).decode()
        connection.request(
            "GET", path, headers={"Authorization": f"Basic {account}", **({"Host": host} if host else {})}
        )
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body


class Secure(Entrepot):
    def pings(self) -> bool:
        try:
            return Node(self, 0, self.home.with_name("cert.pem")).get("/artifactory/api/system/ping")[0] == 200
        except OSError:
            return False


@contextmanager
def started(folder: Path, *, tls: bool) -> Iterator[Node]:
    port = free_port()
    arguments = ["--docker-ports", f"{port}=docker-local", "--docker-subdomain", DOMAIN]
    cert = None
    if tls:
        cert, key = certificate(folder)
        arguments += ["--tls-cert", str(cert), "--tls-key", str(key)]
    server = (Secure if tls else Entrepot)(folder / "home", free_port(), arguments)
    server.start()
    try:
        yield Node(server, port, cert)
        server.stop()
    finally:
        server.kill9()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_one_image_is_reached_by_every_access_method(entrepot_only: None, tmp_path: Path, tls: bool) -> None:
    layout = Layout(tmp_path / "layout")
    layout.image("1", [hello_layer()])
    with started(tmp_path, tls=tls) as node:
        main, own = node.server.host, f"127.0.0.1:{node.port}"
        config = tmp_path / "docker"
        for host in (main, own):
            Registry(f"http://{host}", node.server.user, node.server.password, is_entrepot=True).sign_in(config)
            environment = {"DOCKER_CONFIG": str(config)}
            if node.cert is not None:
                environment["SSL_CERT_FILE"] = str(node.cert)
            image = f"{host}/app:1" if host == own else f"{host}/docker-local/app:0"
            run([tool("crane"), "push", layout.folder, image], env=environment)
            run([tool("crane"), "pull", "--format", "oci", image, tmp_path / f"out-{host[-5:]}"], env=environment)
        found = [
            node.get("/v2/docker-local/app/tags/list"),
            node.get("/artifactory/api/docker/docker-local/v2/app/tags/list"),
            node.get("/v2/app/tags/list", port=node.port),
            node.get("/v2/app/tags/list", host=f"docker-local.{DOMAIN}"),
        ]
    assert [status for status, _ in found] == [200] * 4
    assert [sorted(json.loads(body)["tags"]) for _, body in found] == [["0", "1"]] * 4
