"""The registry under test as its clients see it: where it is, who may sign in, and what it really holds."""

import base64
import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.parts.processes import PartError

LOCAL = "docker-local"
SECOND = "docker-second"
KINDS = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.manifest.v1",
        "oci.image.index.v1",
        "docker.distribution.manifest.v2",
        "docker.distribution.manifest.list.v2",
    )
)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its status, its headers with names in lower case, and its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Registry:
    """A running registry and the account its clients use. `is_entrepot` is false when a peer stands in for it."""

    url: str
    user: str
    password: str
    is_entrepot: bool

    @property
    def host(self) -> str:
        """What stands before the first slash of an image name."""
        return self.url.removeprefix("http://")

    @property
    def credentials(self) -> str:
        """`name:password`, as several clients take them."""
        return f"{self.user}:{self.password}"

    def image(self, name: str, tag: str = "1", *, repository: str = LOCAL) -> str:
        """The full reference of an image."""
        return f"{self.host}/{repository}/{name}:{tag}"

    def sign_in(self, folder: Path) -> Path:
        """Make `folder` the Docker configuration that `docker login` leaves; `folder` again."""
        folder.mkdir(parents=True, exist_ok=True)
        token = base64.b64encode(self.credentials.encode()).decode()
        (folder / "config.json").write_text(json.dumps({"auths": {self.host: {"auth": token}}}))
        return folder

    def call(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Reply:
        """One request as the account, past all clients; `body` is sent as JSON."""
        token = base64.b64encode(self.credentials.encode()).decode()
        sent = {"Authorization": f"Basic {token}", "Content-Type": "application/json", **(headers or {})}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, content, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return _reply(reply.status, dict(reply.headers), reply.read())
        except urllib.error.HTTPError as refused:
            return _reply(refused.code, dict(refused.headers), refused.read())

    def manifest(self, name: str, reference: str = "1", *, repository: str = LOCAL) -> Reply:
        """The manifest behind a tag or digest, whatever its kind; 404 in the reply when there is none."""
        return self.call("GET", f"/v2/{repository}/{name}/manifests/{reference}", headers={"Accept": KINDS})

    def digest(self, name: str, reference: str = "1", *, repository: str = LOCAL) -> str:
        """The digest of the manifest behind a tag, counted from its bytes and compared with what the header says."""
        reply = self.manifest(name, reference, repository=repository)
        counted = f"sha256:{hashlib.sha256(reply.body).hexdigest()}"
        assert reply.status == 200, reply
        assert reply.headers["docker-content-digest"] == counted
        return counted

    def create_repository(self, key: str) -> None:
        """Create the local Docker repository `key` unless it is there. Raises PartError when that is refused."""
        path = f"/artifactory/api/repositories/{key}"
        if not self.is_entrepot or self.call("GET", path).status == 200:
            return
        reply = self.call("PUT", path, {"rclass": "local", "packageType": "docker"})
        if reply.status != 200:
            raise PartError(f"PUT {path}: {reply}")

    def create_user(self, name: str, *rights: str, below: str = "") -> "Registry":
        """Create a user with `rights` (r, w, n, d, m) on the images of `docker-local` below a name, or on all of them.

        Return the registry as that user.

        Raises PartError when the server refuses.
        """
        password = f"Very-Secret-{name}-1"
        user = {"email": f"{name}@example.test", "password": password, "admin": False, "groups": []}
        self._put(f"/artifactory/api/security/users/{name}", user)
        self.call("DELETE", "/artifactory/api/security/permissions/Anything")  # it lets every new user read everything
        if rights:
            principals = {"users": {name: list(rights)}, "groups": {}}
            target = {"name": f"{name}-rights", "repositories": [LOCAL], "principals": principals}
            target["includesPattern"] = f"{below}/**" if below else "**"
            self._put(f"/artifactory/api/security/permissions/{name}-rights", target)
        return Registry(self.url, name, password, self.is_entrepot)

    def _put(self, path: str, body: object) -> None:
        reply = self.call("PUT", path, body)
        if reply.status not in (200, 201):
            raise PartError(f"PUT {path}: {reply}")


def _reply(status: int, headers: Mapping[str, str], body: bytes) -> Reply:
    return Reply(status, {name.lower(): value for name, value in headers.items()}, body)
