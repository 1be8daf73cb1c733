"""System endpoints (reference 5): what clients ask first, probes, licence, metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from entrepot import __version__
from entrepot.cluster.writers import live_nodes
from entrepot.configuration import descriptor
from entrepot.configuration.documents import Documents
from entrepot.configuration.elements import check_url
from entrepot.errors import Denied, EntrepotError, Unauthenticated, Unavailable
from entrepot.messages import Reply, Request, Row, json_reply, text_reply
from entrepot.metadata import facts
from entrepot.metadata.database import Database
from entrepot.rest.security.changes import configure

_USAGE = 1 << 20  # bytes
_URL = 2048
_ADDONS = (
    "docker",
    "generic",
    "build",
    "properties",
    "search",
    "aql",
    "replication",
    "rest",
    "ha",
    "plugins",
    "xray",
    "trashcan",
)


class NotReady(Unavailable):
    """The node is not ready."""

    code = "SERVICE_UNAVAILABLE"


@dataclass(slots=True)
class SystemApi:
    """The handlers of `api/system` and the probes. `ready` raises EntrepotError while the node cannot serve."""

    database: Database
    reported_version: str
    node_id: str
    ready: Callable[[], Awaitable[None]]
    metrics: Callable[[], bytes]
    documents: Documents

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        api, health = "/artifactory/api", "A probe"
        return (
            Row("GET", f"{api}/system/ping", "system.ping", "public", self.ping, response="text/plain", summary="OK"),
            *(Row("GET", f"/{name}/api/v1/system/ping", f"{name}.ping", "public", self.ping, response="text/plain",
                summary="OK")
              for name in ("access", "router", "mc", "event")),
            *(Row("GET", f"{base}/v1/system/{probe}", f"{name}.{probe}", "public",
                  self.liveness if probe == "liveness" else self.readiness, response="application/json",
                  summary=health)
              for name, base in (("artifactory", api), ("router", "/router/api"), ("access", "/access/api"))
              for probe in ("liveness", "readiness")),
            Row("GET", "/router/api/v1/system/health", "router.health", "public", self.health, response=dict,
                summary="Health of all parts"),
            Row("GET", f"{api}/system/version", "system.version", "user", self.version, response=dict,
                summary="Versions and add-ons"),
            Row("GET", "/access/api/v1/system/version", "access.version", "user", self.access_version, "access", response=dict,
                summary="The version of the Access API"),
            Row("GET", f"{api}/system/status", "system.status", "admin", self.status, response=dict,
                summary="The nodes"),
            Row("GET", f"{api}/system/service_id", "system.service_id", "admin", self.service_id, response="text/plain",
                summary="The service's id"),
            Row("GET", f"{api}/system/license", "system.license", "user", self.license, response=dict,
                summary="The licence"),
            Row("GET", f"{api}/system/licenses", "system.licenses", "user", self.licenses, response=dict,
                summary="The licences"),
            Row("POST", f"{api}/system/usage", "system.usage", "user", self.usage, request=dict,
                summary="Accept a client's call home"),
            Row("PUT", f"{api}/system/configuration/baseUrl", "system.base_url", "admin", self.base_url, request="text/plain",
                response="text/plain", summary="Set the URL that users see"),
            *(Row("GET", f"{base}/v1/metrics", f"{name}.metrics", "user", self.show_metrics, response="text/plain",
                  summary="Prometheus metrics, for administrators and tokens of the scope system:metrics:r")
              for name, base in (("artifactory", api), ("access", "/access/api"), ("event", "/event/api"))),
        )  # fmt: skip

    async def ping(self, _: Request) -> Reply:
        """Answer OK."""
        return text_reply("OK")

    async def liveness(self, _: Request) -> Reply:
        """The loop answers: that is all that is asked."""
        return json_reply({"code": "OK"})

    async def readiness(self, _: Request) -> Reply:
        """Whether requests should come here: database and blob store answer, and the node is not draining."""
        try:
            await self.ready()
        except EntrepotError as error:
            raise NotReady(error.message) from error.__cause__
        return json_reply({"code": "OK"})

    async def health(self, _: Request) -> Reply:
        """The state of the parts that clients know, which are one program here."""
        try:
            await self.ready()
            state, message = "HEALTHY", "OK"
        except EntrepotError as error:
            state, message = "UNHEALTHY", error.message
        part = {"node_id": self.node_id, "state": state, "message": message}
        services = [{"service_id": f"{name}@{self.node_id}", **part} for name in ("jfrt", "jfac", "jfevt", "jfmd")]
        return json_reply({"router": part, "services": services}, 200 if state == "HEALTHY" else 503)

    async def version(self, _: Request) -> Reply:
        """The version that steers clients, and our own beside it."""
        parts = self.reported_version.split(".")
        revision = "".join(f"{int(part):02d}" for part in parts) + "900"
        return json_reply({
            "version": self.reported_version, "revision": str(int(revision)), "addons": list(_ADDONS),
            "license": "0" * 40, "entrepot": __version__,
        })  # fmt: skip

    async def access_version(self, _: Request) -> Reply:
        """The version that the Access API says."""
        return json_reply({"version": self.reported_version})

    async def status(self, _: Request) -> Reply:
        """The nodes that live. Others may be of another version while a cluster is updated: only ours is known."""
        others = await live_nodes(self.database) - {self.node_id}
        nodes = [{"id": self.node_id, "state": "RUNNING", "version": __version__}]
        nodes += [{"id": node, "state": "RUNNING"} for node in sorted(others)]
        return json_reply({"haEnabled": True, "nodes": nodes})

    async def service_id(self, _: Request) -> Reply:
        """The id of this instance."""
        return text_reply(f"jfrt@{await facts.known(self.database, facts.SERVICE_ID) or ''}")

    async def license(self, _: Request) -> Reply:
        """There is none to buy; clients want one that has everything."""
        return json_reply(_LICENSE)

    async def licenses(self, _: Request) -> Reply:
        """The same as a list."""
        return json_reply(
            {"licenses": [{**_LICENSE, "licenseHash": "0" * 40, "nodeId": self.node_id, "expired": False}]}
        )

    async def usage(self, request: Request) -> Reply:
        """Take note of nothing."""
        await request.body.read(_USAGE)
        return Reply(200)

    async def base_url(self, request: Request) -> Reply:
        """Store the base URL, in force everywhere at once; an empty one resets it."""
        url = (await request.body.read(_URL)).decode("utf-8", "replace").strip()
        check_url(url)
        await configure(request, self.documents, lambda held: descriptor.entries({"urlBase": url or None}, held))
        return text_reply(f'URL base has been successfully updated to "{url}".\n')

    async def show_metrics(self, request: Request) -> Reply:
        """Metrics in the text format of Prometheus, for administrators and for tokens that are for nothing else."""
        caller = request.caller
        if caller.is_anonymous:
            raise Unauthenticated
        if not caller.may_administer and not caller.ceiling.opens("system:metrics:r"):
            raise Denied("Metrics are for administrators, and for tokens of the scope system:metrics:r.")
        return Reply(200, [("content-type", "text/plain; version=0.0.4")], self.metrics())


_LICENSE = {"type": "Enterprise Plus", "validThrough": "Dec 31, 2099", "licensedTo": "Entrepot, which needs no licence"}
