"""A certified OpenID Connect provider (npm oidc-provider) on loopback, and the login of a person at it."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.parts.presence import missing, parts_folder, tool
from tests.parts.processes import Server, answers, free_port, short_folder

HERE = Path(__file__).parent / "node"
CLIENT = ("ci", "not-a-secret-of-anybody")
DONE = "http://127.0.0.1:9/done"


@dataclass(frozen=True, slots=True)
class OidcProvider:
    """The running provider."""

    port: int

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def id_token(self, name: str) -> str:
        """Log somebody in as a browser would, and return the token that the client gets."""
        with httpx.Client(base_url=self.issuer, follow_redirects=False) as browser:
            asked = {"client_id": CLIENT[0], "response_type": "code", "scope": "openid", "redirect_uri": DONE}
            place = self._followed(browser, browser.get("/auth", params=asked))
            for form in ({"prompt": "login", "login": name, "password": "any"}, {"prompt": "consent"}):
                place = self._followed(browser, browser.post(place, data=form))
            found = re.search(r"[?&]code=([^&]+)", place)
            assert found, place
            grant = {"grant_type": "authorization_code", "code": found[1], "redirect_uri": DONE}
            answer = browser.post("/token", data=grant, auth=CLIENT)
            assert answer.status_code == 200, answer.text
            return str(answer.json()["id_token"])

    def _followed(self, browser: httpx.Client, reply: httpx.Response) -> str:
        """Follow redirects at the provider; return where they end, or lead out."""
        place = str(reply.url)
        while reply.is_redirect:
            place = str(reply.url.join(reply.headers["location"]))
            if place.startswith(DONE):
                break
            reply = browser.get(place)
        return place


@contextmanager
def oidc_provider() -> Iterator[OidcProvider]:
    """Start the provider."""
    modules = parts_folder() / "node" / "node_modules"
    node = tool("node")
    if not (modules / "oidc-provider").is_dir():
        missing("oidc-provider is not installed (.ci/install obtains it)")
    with short_folder("oidc") as folder:
        shutil.copy(HERE / "provider.mjs", folder)
        (folder / "node_modules").symlink_to(modules)
        port = free_port()
        server = Server("oidc-provider", [node, folder / "provider.mjs", str(port)], folder / "log")
        server.start(lambda: answers(f"http://127.0.0.1:{port}/.well-known/openid-configuration"))
        try:
            yield OidcProvider(port)
        finally:
            server.stop()
