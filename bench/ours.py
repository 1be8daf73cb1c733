"""Entrepot itself, as a user starts it: authentication on, fsync on, SQLite and files in one home folder."""

import base64
import json
import re
import secrets
import sys
from pathlib import Path
from urllib.parse import urlencode

from bench import wire
from bench.client import Client, Load
from bench.content import Content
from bench.process import Process
from bench.registry import Started
from bench.values import CHECKOUT, Failed, Plan, Unable

REPOSITORY = "docker-local"
USER = "admin"
SEED_CONNECTIONS = 32


class Ours(Started):
    """Measured with a Bearer token, bought once for each measurement as Docker does; `basic` rows send the password."""

    def __init__(self, plan: Plan, client: Client, content: Content) -> None:
        super().__init__("ours", "Entrepot", plan.scratch / "ours")
        self.plan = plan
        self.client = client
        self.content = content
        self.secret = secrets.token_urlsafe(12)

    def start(self) -> None:
        command = [str(program()), "serve", "--home", str(self.folder / "home"), "--host", "127.0.0.1"]
        command += ["--port", str(self.port)]
        if self.plan.workers is not None:
            command += ["--workers", str(self.plan.workers)]
        environment = {"ENTREPOT_ADMIN_PASSWORD": self.secret}
        self.process = Process(command, self.folder / "log", environment)
        self.process.wait_for(f"http://{self.address}/artifactory/api/system/ping")

    def repository(self, image: str) -> str:
        return f"{REPOSITORY}/{image}"

    def password(self) -> str:
        return f"Basic {base64.b64encode(f'{USER}:{self.secret}'.encode()).decode()}"

    def token(self, image: str | None) -> str:
        """Buy a token where the challenge of `/v2/` says, as a client does."""
        challenge = wire.get(self.address, "/v2/", "").headers.get("www-authenticate", "")
        asked = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        if "realm" not in asked:
            raise Failed(f"GET /v2/ without credentials: no challenge but {challenge!r}")
        scope = f"repository:{self.repository(image)}:pull,push" if image else "registry:catalog:*"
        query = urlencode({"service": asked.get("service", ""), "scope": scope})
        answer = wire.get(self.address, f"{asked['realm']}?{query}", self.password())
        document = json.loads(wire.expect(answer, 200, "GET /v2/token").body)
        return f"Bearer {document.get('token') or document['access_token']}"

    def seed_tags(self, image: str, prefix: str, count: int) -> None:
        self.seed("put-tag", (f"--name={self.repository(image)}", f"--prefix={prefix}"), count)

    def seed_images(self, group: str, prefix: str, first: int, last: int) -> None:
        self.put_blob("tiny", self.content.tiny.config_digest, self.content.tiny.config)
        flags = (
            f"--name={self.repository(group)}",
            f"--prefix={prefix}",
            f"--first={first}",
            f"--blob={self.content.tiny.config_digest}",
            f"--from={self.repository('tiny')}",
        )
        self.seed("seed-image", flags, last - first)

    def seed(self, mode: str, flags: tuple[str, ...], count: int) -> None:
        """Seed through the API with the password, because there is a repository for each image and tokens expire."""
        manifest = self.plan.scratch / "tiny.json"
        manifest.write_bytes(self.content.tiny.manifest)
        load = Load(mode, (*flags, f"--manifest={manifest}"), SEED_CONNECTIONS, count)
        self.client.run(load, self.address, self.password())


def program() -> Path:
    for candidate in (CHECKOUT / ".venv" / "bin" / "entrepot", Path(sys.executable).parent / "entrepot"):
        if candidate.exists():
            return candidate
    raise Unable("entrepot is not installed in .venv")
