"""Repository configuration by REST (reference 6.1): the statuses and texts are what clients parse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import structlog

from entrepot.access.actions import Action
from entrepot.auth.audit import Actor
from entrepot.errors import Invalid, NotFound
from entrepot.formats.docker.names import is_component
from entrepot.messages import NO_STORE, Reply, Request, Row, json_reply, text_reply
from entrepot.paths import MAX_KEY
from entrepot.repositories import configuration
from entrepot.repositories.catalog import RESERVED, Repositories, RepositoryExists
from entrepot.repositories.fields import DOCKER, display_name
from entrepot.repositories.granted import Granted
from entrepot.repositories.repository import Repository
from entrepot.rest.json_bodies import LONG, json_object, json_value
from entrepot.rest.security.changes import actor

log = structlog.get_logger()

_ORDER = {"local": 0, "remote": 1, "virtual": 2, "federated": 3}
_BATCH = 1000


class RepositoryUnreadable(Invalid):
    """Bad Request"""


class NotThere(Invalid):
    """Repository {key} does not exist; PUT /artifactory/api/repositories/{key} creates it"""


class RepositoryApi:
    """The handlers of `api/repositories`."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        one = "/artifactory/api/repositories/{key}"
        return (
            Row("GET", "/artifactory/api/repositories", "repositories.list", "user", self.list, response=list,
                summary="List repositories"),
            Row("GET", "/artifactory/api/repositories/configurations", "repositories.configurations", "admin",
                self.configurations, response=dict, summary="All configurations by class"),
            Row("GET", one, "repositories.get", "user", self.get, response=dict,
                summary="A repository's configuration"),
            Row("GET", "/artifactory/api/v2/repositories/{key}", "repositories.get.v2", "user", self.get, response=dict,
                summary="A repository's configuration"),
            Row("PUT", one, "repositories.create", "admin", self.create, request=dict, response="text/plain",
                summary="Create a repository"),
            Row("POST", one, "repositories.update", "admin", self.update, request=dict, response="text/plain",
                summary="Update a repository"),
            Row("DELETE", one, "repositories.delete", "admin", self.delete, response="text/plain",
                summary="Delete a repository"),
            Row("PUT", "/artifactory/api/v2/repositories/batch", "repositories.create.batch", "admin",
                self.create_batch, request=list, response="text/plain", status=201,
                summary="Create several repositories, all or none"),
            Row("POST", "/artifactory/api/v2/repositories/batch", "repositories.update.batch", "admin",
                self.update_batch, request=list, response="text/plain", summary="Update several repositories"),
        )  # fmt: skip

    async def list(self, request: Request) -> Reply:
        """GET: those in which the caller may read anything, with filters."""
        wanted = {name: request.query.get(name, [""])[0].lower() for name in ("type", "packageType", "project")}
        wanted["packageType"] = {"yum": "rpm"}.get(wanted["packageType"], wanted["packageType"])
        shown = [
            _entry(one, request.base)
            for one in sorted(self._repositories.all(), key=lambda one: _ORDER.get(one.rclass, 9))
            if _fits(one, wanted) and self._visible(request, one)
        ]
        reply = json_reply(shown)
        reply.headers.append(NO_STORE)
        return reply

    async def get(self, request: Request) -> Reply:
        """GET one; an unknown key answers 400, as clients expect."""
        found = self._repositories.get(unquote(request.words["key"]))
        if found is None or not self._visible(request, found):
            raise RepositoryUnreadable
        reply = json_reply(configuration.render(found.config, full=request.caller.may_administer))
        reply.headers.append(NO_STORE)
        return reply

    async def configurations(self, _: Request) -> Reply:
        """GET all configurations, by class."""
        shown: dict[str, list[dict[str, Any]]] = {"LOCAL": [], "REMOTE": [], "VIRTUAL": [], "FEDERATED": []}
        for one in self._repositories.all():
            shown.setdefault(one.rclass.upper(), []).append(configuration.render(one.config, full=True))
        return json_reply(shown)

    async def create(self, request: Request) -> Reply:
        """PUT: create; the same class again replaces."""
        key = unquote(request.words["key"])
        body = await json_object(request)
        config = configuration.create(key, body, self._known)
        is_new = await self._put(config, actor(request))
        told = f"Successfully created repository '{key}' \n" if is_new else f"Repository {key} update successfully.\n"
        return text_reply(told + _unreachable(config) + _misspelt(key, body))

    async def update(self, request: Request) -> Reply:
        """POST: change the fields that are present."""
        key = unquote(request.words["key"])
        body = await json_object(request)
        self._check_changeable(key)
        await self._repositories.update(
            key, lambda config: configuration.update(config, body, self._known), actor(request)
        )
        return text_reply(f"Repository {key} update successfully.\n{_misspelt(key, body)}")

    async def delete(self, request: Request) -> Reply:
        """DELETE: gone at once, its content in the background."""
        key = unquote(request.words["key"])
        if self._repositories.get(key) is None or key in RESERVED:
            raise NotFound(f"Repository {key} does not exist")
        await self._repositories.delete(key, actor(request))
        return text_reply(f"Repository '{key}' and all its content have been removed successfully.\n")

    async def create_batch(self, request: Request) -> Reply:
        """PUT batch: all or none."""
        bodies = await _bodies(request)
        made: dict[str, Mapping[str, Any]] = {}

        def known(key: str) -> Mapping[str, Any] | None:
            return made.get(key) or self._known(key)

        for body in bodies:
            key = str(body.get("key") or "")
            made[key] = configuration.create(key, body, known)
        await self._repositories.create_all(made.values(), actor(request))
        slips = "".join(_misspelt(str(body["key"]), body) for body in bodies)
        return text_reply(f"Repositories have been created successfully.\n{slips}", 201)

    async def update_batch(self, request: Request) -> Reply:
        """POST batch."""
        slips = ""
        for body in await _bodies(request):
            key = str(body.get("key") or "")
            self._check_changeable(key)
            change = _updating(body, self._known)
            await self._repositories.update(key, change, actor(request))
            slips += _misspelt(key, body)
        return text_reply(f"Repositories have been updated successfully.\n{slips}")

    async def _put(self, config: Mapping[str, Any], by: Actor) -> bool:
        """Create or replace; return whether it was created."""
        key = config["key"]
        existing = self._repositories.get(key)
        if existing is None:
            await self._repositories.create(config, by)
        elif existing.key == key:
            await self._repositories.update(key, _replacing(config), by)
        else:
            raise RepositoryExists
        return existing is None

    def _check_changeable(self, key: str) -> None:
        if self._repositories.get(key) is None:
            raise NotThere(key=key[:MAX_KEY])
        if key in RESERVED:
            raise Invalid(f"The repository '{key}' is the system's own, and cannot be changed.")

    def _known(self, key: str) -> Mapping[str, Any] | None:
        found = self._repositories.get(key)
        return None if found is None else found.config

    def _visible(self, request: Request, one: Repository) -> bool:
        if request.caller.may_administer:
            return True
        granted: Granted = request.granted
        physical = [one]
        if one.is_virtual:
            physical = [found for key in one.members if (found := self._repositories.get(key)) is not None]
        return any(granted.may(Action.READ, member, "", folder=True) for member in physical)


def _unreachable(config: Mapping[str, Any]) -> str:
    """Return what to know of a key with capitals, say: behind a proxy that rewrites URLs, as many use for Artifactory, it works."""
    key: str = config["key"]
    if config["packageType"] not in DOCKER or is_component(key):
        return ""
    return f"'{key}' cannot be part of an image's name: clients reach it by a port or a proxy, not as <host>/{key}/<image>.\n"


def _misspelt(key: str, body: Mapping[str, Any]) -> str:
    """Return what to know of fields that look like slips and were passed over, and log it: who sends them may read no answers."""
    found = configuration.misspelt(body)
    for name, close in found:
        log.warning("repository.field.unknown", repository=key, field=name, meant=close)
    return "".join(
        f"There is no field '{name}', which was passed over; did you mean '{close}'?\n" for name, close in found
    )


def _updating(body: Mapping[str, Any], known: configuration.Known) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    return lambda config: configuration.update(config, body, known)


def _replacing(config: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """Return the change that replaces a repository, if it is one of the same class and type by then."""

    def change(before: Mapping[str, Any]) -> Mapping[str, Any]:
        if (before["rclass"], before["packageType"]) != (config["rclass"], config["packageType"]):
            raise RepositoryExists
        return configuration.replaced(before, config)

    return change


async def _bodies(request: Request) -> list[dict[str, Any]]:
    value = await json_value(request, LONG)
    if not isinstance(value, list) or len(value) > _BATCH or not all(isinstance(one, dict) for one in value):
        raise Invalid(f"The body must be an array of at most {_BATCH} repository configurations.")
    return value


def _fits(one: Repository, wanted: Mapping[str, str]) -> bool:
    if one.key in RESERVED:
        return False
    facts = {"type": one.rclass, "packageType": one.package_type, "project": str(one.config.get("projectKey") or "")}
    return all(not value or facts[name].lower() == value for name, value in wanted.items())


def _entry(one: Repository, base: str) -> dict[str, object]:
    description = str(one.config.get("description") or "")
    return {
        "key": one.key,
        "description": f"{description} (local file cache)" if one.rclass == "remote" and description else description,
        "type": one.rclass.upper(),
        "url": one.config.get("url") if one.rclass == "remote" else f"{base}/artifactory/{one.key}",
        "packageType": display_name(one.package_type),
    }
