"""The public base URL of a request, and the Docker access method that it came by.

    repository path   /v2/<repo>/<image>/...
    direct            /artifactory/api/docker/<repo>/v2/<image>/...      (also api/oci, api/helmoci; not v2/promote, of REST)
    sub-domain        <repo>.<docker.subdomain>  /v2/<image>/...
    port              a listener of its own       /v2/<image>/...

The Access API is also known below /artifactory, where clients that have one base URL for everything ask for it.

All four become the first form before the route table is asked; `prefix` keeps what URLs in the answer must begin with.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from entrepot.messages import Headers

_DIRECT = re.compile(r"(/artifactory/api/(?:docker|oci|helmoci)/([^/]+))(/v2(?!/promote\Z)(?:/.*)?)", re.DOTALL)
_ACCESS = "/artifactory/access/api/"
_SLASHED = (  # what the Terraform provider and the Java client may end with a slash
    "/access/api/", "/artifactory/api/repositories/", "/artifactory/api/storage/", "/artifactory/api/build/",
)  # fmt: skip
_ENTRANCES = frozenset({"/artifactory", "/artifactory/", "/ui", "/ui/"})  # what people type, as `/`
_HOST = re.compile(r"[A-Za-z0-9._\[\]:-]{1,255}")
_FORWARDED = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?")
_OVERRIDE = re.compile(r"https?://[^/:?#@]")  # with a host: proxies send what an empty variable leaves of it, too
_PORT = re.compile(r"[0-9]{1,5}")
_PORTS = {"http": 80, "https": 443}
_MAPPED = "::ffff:"


@dataclass(frozen=True, slots=True)
class Access:
    """How a request addresses a registry: the path in the first form, and what the access method stands for."""

    path: str
    prefix: str = ""
    repository: str = ""  # the key that the access method names, percent-encoded; empty: the path names it


@dataclass(frozen=True, slots=True)
class Doors:
    """What the settings say about names and doors."""

    base_url: str = ""
    subdomain: str = ""  # the host below which each repository has a name
    ports: Mapping[int, str] | None = None
    trusted: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network] = ()
    configured: Callable[[], str] = str  # the base URL that an administrator set while it runs; empty: none

    def base(self, headers: Headers, scheme: str, peer: str) -> str:
        """Return the base URL as this client sees it, without a trailing slash.

        Override and forwarding headers are believed from trusted proxies only; a Host that is no host name is not repeated.
        """
        if self.trusted and self._trusts(peer):
            override = headers.get("x-jfrog-override-base-url")
            override = override or headers.get("x-artifactory-override-base-url")
            if override and _OVERRIDE.match(override) and override.isprintable():
                return _platform(override)
            scheme = _first(headers, "x-forwarded-proto").lower() or scheme
        if self.base_url:
            return self.base_url
        if custom := self.configured():
            stated, _, rest = _platform(custom).partition("://")
            return f"{scheme if scheme in {'http', 'https'} else stated}://{rest}"
        host = headers.get("host") or "localhost"
        return f"{scheme if scheme in {'http', 'https'} else 'http'}://{host if _HOST.fullmatch(host) else 'localhost'}"

    def host(self, headers: Headers, scheme: str, peer: str) -> str:
        """Return the host, with the port, that a trusted proxy says its client asked for; empty if none says so.

        A port that the name comes with counts before X-Forwarded-Port, which is of no use without the name: proxies within
        containers know only their own, 80 behind another one that speaks https, say.
        """
        if not self.trusted or not self._trusts(peer):
            return ""
        found = _FORWARDED.fullmatch(_first(headers, "x-forwarded-host"))
        if found is None:
            return ""
        scheme = _first(headers, "x-forwarded-proto").lower() or scheme
        port = found[2] or _first(headers, "x-forwarded-port")
        if not _PORT.fullmatch(port) or not 0 < int(port) < 65_536:
            return found[1]
        needless = {_PORTS.get(scheme)} if found[2] else _PORTS.values()
        return found[1] if int(port) in needless else f"{found[1]}:{int(port)}"

    def address(self, headers: Headers, peer: str) -> str:
        """Return the client's address: the last one in X-Forwarded-For that no trusted proxy added for another."""
        if not self.trusted or not self._trusts(peer):
            return peer
        for part in reversed(",".join(headers.get_all("x-forwarded-for")).split(",")):
            hop = unmapped(part.strip())
            try:
                ipaddress.ip_address(hop)
            except ValueError:
                return peer
            if not self._trusts(hop):
                return hop
            peer = hop
        return peer

    def access(self, path: str, headers: Headers, port: int) -> Access:
        """Return the Docker access method of a request; a path of any other kind comes back as it is."""
        if path.startswith("/v2"):
            key = (self.ports or {}).get(port) or self._key_of_host(headers)
            return Access(path, "", key) if key else Access(path)
        if path in _ENTRANCES:
            return Access("/")
        if path.startswith(_ACCESS):
            path = path.removeprefix("/artifactory")
        if path.startswith(_SLASHED):
            return Access(path.rstrip("/"))
        direct = _DIRECT.fullmatch(path)
        return Access(direct[3], direct[1], direct[2]) if direct else Access(path)

    def _key_of_host(self, headers: Headers) -> str:
        if not self.subdomain:
            return ""
        host = (headers.get("host") or "").partition(":")[0].lower()
        return host.removesuffix(f".{self.subdomain}") if host.endswith(f".{self.subdomain}") else ""

    def _trusts(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self.trusted)


def _first(headers: Headers, name: str) -> str:
    """Return the first entry of a list, that of the proxy which the client spoke to; empty without one."""
    return (headers.get(name) or "").partition(",")[0].strip()


def unmapped(peer: str) -> str:
    """Return an IPv4 address in its own form, which a listener for both families is given in that of IPv6."""
    return peer[len(_MAPPED) :] if peer.startswith(_MAPPED) and "." in peer else peer


def _platform(url: str) -> str:
    """Return a base URL without the context, which some state and which is appended to it."""
    return url.rstrip("/").removesuffix("/artifactory").rstrip("/")
