"""Permission targets by the Access API (10.5): the shape in which they are stored.

A resource type that a client does not send in `PATCH` stays as it is; `PUT` replaces the whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from entrepot.access import views
from entrepot.access.permissions import RESOURCE_TYPES
from entrepot.auth.targets import Body, TargetUnknown
from entrepot.errors import Invalid, NotFound
from entrepot.messages import Reply, Request, Row, json_reply
from entrepot.rest.json_bodies import LONG, json_object
from entrepot.rest.security.bodies import asked, limit, link, word
from entrepot.rest.security.permission_changes import PermissionChanges
from entrepot.slips import check_names

_ACCESS: Final = "/access/api/v2/permissions"


class ResourceUnknown(NotFound):
    """Permission target '{name}' has no resource '{kind}'."""


class AccessPermissionsApi:
    """The handlers."""

    def __init__(self, targets: PermissionChanges) -> None:
        self._targets = targets

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        access = f"{_ACCESS}/{{name}}"
        one = f"{access}/{{kind}}"
        return (
            Row("GET", _ACCESS, "access.permissions.list", "user", self.list, "access", response=dict,
                summary="List permissions"),
            Row("POST", _ACCESS, "access.permissions.create", "user", self.post, "access", request=dict, response=dict, status=201,
                summary="Create a permission"),
            Row("GET", access, "access.permissions.get", "user", self.get, "access", response=dict,
                summary="A permission"),
            Row("PUT", access, "access.permissions.replace", "user", self.put, "access", request=dict, response=dict,
                summary="Replace a permission"),
            Row("DELETE", access, "access.permissions.delete", "admin", self.delete, "access",
                status=204, summary="Delete a permission"),
            Row("GET", one, "access.permissions.resource.get", "user", self.get_one, "access", response=dict,
                summary="A resource"),
            Row("PUT", one, "access.permissions.resource.replace", "user", self.put_one, "access",
                request=dict, response=dict, summary="Set a resource"),
            Row("PATCH", one, "access.permissions.resource.update", "user", self.patch_one, "access",
                request=dict, response=dict, summary="Change a resource"),
            Row("DELETE", one, "access.permissions.resource.delete", "admin", self.delete_one, "access",
                status=204, summary="Remove a resource"),
        )  # fmt: skip

    async def list(self, request: Request) -> Reply:
        """GET: a page of names."""
        self._targets.enter(request)
        found, after = await self._targets.page(request, after=asked(request, "cursor"), limit=limit(request))
        named = [{"name": name, "uri": link(request, _ACCESS, name)} for name in found]
        return json_reply({"permissions": named, **({"cursor": after} if after else {})})

    async def get(self, request: Request) -> Reply:
        """GET one."""
        return json_reply(await self._targets.get(request, word(request, "name")))

    async def post(self, request: Request) -> Reply:
        """POST: create."""
        self._targets.enter(request)
        stated = await json_object(request, LONG)
        name = stated.get("name")
        body = _body(name if isinstance(name, str) else "", stated)
        await self._targets.create(request, body["name"], body)
        return json_reply(await self._targets.get(request, body["name"]), 201)

    async def put(self, request: Request) -> Reply:
        """PUT: replace the whole."""
        self._targets.enter(request)
        name = word(request, "name")
        body = _body(name, await json_object(request, LONG))
        await self._targets.change(request, "permission.replace", name, lambda _: body)
        return json_reply(await self._targets.get(request, name))

    async def delete(self, request: Request) -> Reply:
        """DELETE."""
        await self._targets.delete(request, word(request, "name"))
        return Reply(204)

    async def get_one(self, request: Request) -> Reply:
        """GET one resource of a target."""
        self._targets.enter(request)
        name, kind = _named(request)
        return json_reply(_resource(await self._targets.get(request, name), kind))

    async def put_one(self, request: Request) -> Reply:
        """PUT: set one resource of a target that exists."""
        self._targets.enter(request)
        name, kind = _named(request)
        await self._targets.get(request, name)
        resource = await json_object(request, LONG)
        views.check_resource(resource)
        return await self._with_resource(request, name, kind, lambda _: resource)

    async def patch_one(self, request: Request) -> Reply:
        """PATCH: set what is stated of one resource: its actions, its targets."""
        self._targets.enter(request)
        name, kind = _named(request)
        await self._targets.get(request, name)
        stated = await json_object(request, LONG)
        views.check_resource(stated)
        return await self._with_resource(request, name, kind, lambda before: {**before, **stated})

    async def delete_one(self, request: Request) -> Reply:
        """DELETE one resource of a target; the target goes with its last one."""
        name, kind = _named(request)
        _resource(await self._targets.get(request, name), kind)
        await self._targets.without(request, name, kind)
        return Reply(204)

    async def _with_resource(self, request: Request, name: str, kind: str, change: Callable[[Body], Body]) -> Reply:
        def changed(before: Body | None) -> Body:
            if before is None:
                raise TargetUnknown(name=name)
            resources = before["resources"]
            return {**before, "resources": {**resources, kind: change(resources.get(kind) or {})}}

        await self._targets.change(request, "permission.update", name, changed)
        return json_reply(_resource(await self._targets.get(request, name), kind))


def _named(request: Request) -> tuple[str, str]:
    name, kind = word(request, "name"), word(request, "kind")
    if kind not in RESOURCE_TYPES:
        raise Invalid(f"'{kind[:64]}' is not a resource type.")
    return name, kind


def _body(name: str, stated: dict[str, Any]) -> Body:
    check_names(stated, ("name", "resources"))
    resources = stated.get("resources")
    if isinstance(resources, dict) and not resources.keys() <= set(RESOURCE_TYPES):
        raise Invalid(f"Resources may be {', '.join(sorted(RESOURCE_TYPES))}.")
    for resource in resources.values() if isinstance(resources, dict) else ():
        if isinstance(resource, dict):  # what is none is refused where it is read
            views.check_resource(resource)
    return {"name": name, "resources": resources}


def _resource(body: Body, kind: str) -> Body:
    found: Body | None = body["resources"].get(kind)
    if found is None:
        raise ResourceUnknown(name=body["name"], kind=kind)
    return found
